"""``authz-server reference``: the reference pages in ``docs/``, made from the table of reasons and the settings model."""

from __future__ import annotations

import argparse
from itertools import groupby

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from authz_server.cli.presets import document
from authz_server.forwarded import PRESETS, Evidence
from authz_server.reasons import Reason
from authz_server.settings import FLATS, PREFIX, Settings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser("reference", help="print a reference page")
    parser.add_argument("page", choices=sorted(PAGES))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the page as Markdown."""
    print(PAGES[args.page](), end="")
    return 0


def reasons_page() -> str:
    """Every reason: code, status, meaning, what to do."""
    parts = [
        (
            "# Reasons\n\nMade by `authz-server reference reasons`. The code stands in the answer's `reason`, in the decision "
            "line, in Envoy's dynamic metadata and as a label of `authz_decisions_total`.\n"
        )
    ]
    for step, reasons in groupby(Reason, key=lambda reason: reason.step):
        rows = [f"| `{each.value}` | {each.status} | {each.meaning} | {each.action} |\n" for each in reasons]
        parts.append(
            f"\n## {step.value.capitalize()}\n\n| reason | status | meaning | what to do |\n|---|---|---|---|\n{''.join(rows)}"
        )
    return "".join(parts)


_GROUPS = {
    "hops": "The trusted proxy",
    "sources": "Where the certificate stands",
    "trust_domains": "Whom it must lead to",
}


def settings_page() -> str:
    """Every setting: variable, default, meaning."""
    tables = [_rows(PREFIX, Settings)]
    for flat in FLATS:
        what = _GROUPS[flat.group]
        tables.append(
            f"\n## {what}\n\nSeveral are written in `{PREFIX}{flat.group.upper()}`, a mapping (YAML or JSON) of names to "
            f"these settings in lower case{f', without `{PREFIX}{flat.prefix.upper()}`' if flat.prefix else ''}.\n\n"
            f"| variable | default | meaning |\n|---|---|---|\n{_rows(PREFIX + flat.prefix.upper(), flat.model)}"
        )
    return (
        "# Settings\n\nMade by `authz-server reference settings`. Each is an environment variable, or the same name in lower "
        "case without `AUTHZ_` in the YAML file that `AUTHZ_CONFIG` names; the environment wins. Lists are separated by commas "
        "or a JSON array. Any setting may be given as `AUTHZ_…_FILE`, a file that holds it: use that for secrets.\n\n"
        "| variable | default | meaning |\n|---|---|---|\n" + "".join(tables)
    )


def _rows(prefix: str, model: type[BaseModel]) -> str:
    rows = []
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else _default(field.default)
        rows.append(f"| `{prefix}{name.upper()}` | {default} | {field.description} |\n".replace("||", "| |"))
    return "".join(rows)


def presets_page() -> str:
    """Every preset: what it reads, what the product vouches for, and how its bytes are known."""
    parts = [
        (
            "# Presets\n\nMade by `authz-server reference presets`. `AUTHZ_SOURCE_PRESET` names the product in front; any "
            "`AUTHZ_SOURCE_…` setting beside it wins. A guide for each product is in [guide/products/](guide/products/). Headers "
            "that must agree are compared with the certificate when they are sent, and all of a preset's headers are kept from "
            "the upstream.\n\nHow the bytes of a preset are known:\n\n"
        ),
        *(f"- `{evidence.value}`: {evidence.meaning}\n" for evidence in Evidence),
    ]
    for preset in PRESETS.values():
        shown = document(preset)
        parts.append(f"\n## {preset.name}\n\n{preset.product}. [Documentation]({preset.documentation}).\n\n| | |\n|---|---|\n")
        for key in ("format", "header", "chain_headers", "must_agree", "stripped", "guarantees", "caveats", "evidence"):
            value = shown[key] if isinstance(shown[key], str) else ", ".join(f"`{each}`" for each in shown[key])
            if value:
                parts.append(f"| {key.replace('_', ' ')} | {value} |\n")
    return "".join(parts)


def _default(default: object) -> str:
    if default is PydanticUndefined or default is None or default in ((), ""):
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, frozenset | tuple):
        return f"`{','.join(sorted(default) if isinstance(default, frozenset) else default)}`"
    return f"`{default}`"


PAGES = {"presets": presets_page, "reasons": reasons_page, "settings": settings_page}
