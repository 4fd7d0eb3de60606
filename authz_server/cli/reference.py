"""``authz-server reference``: the reference pages in ``docs/``, made from the table of reasons and the settings model."""

from __future__ import annotations

import argparse
from itertools import groupby

from pydantic_core import PydanticUndefined

from authz_server.reasons import Reason
from authz_server.settings import PREFIX, Settings


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


def settings_page() -> str:
    """Every setting: variable, default, meaning."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "required" if field.is_required() or field.default is PydanticUndefined else _default(field.default)
        rows.append(f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |\n".replace("||", "| |"))
    return (
        "# Settings\n\nMade by `authz-server reference settings`. Each is an environment variable, or the same name in lower "
        "case without `AUTHZ_` in the YAML file that `AUTHZ_CONFIG` names; the environment wins. Lists are separated by commas "
        "or a JSON array. Any setting may be given as `AUTHZ_…_FILE`, a file that holds it: use that for secrets.\n\n"
        "| variable | default | meaning |\n|---|---|---|\n" + "".join(rows)
    )


def _default(default: object) -> str:
    if default is None or default in ((), ""):
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{','.join(sorted(default)) if isinstance(default, frozenset) else default}`"


PAGES = {"reasons": reasons_page, "settings": settings_page}
