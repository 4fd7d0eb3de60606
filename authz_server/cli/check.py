"""``authz-server check``: load everything that ``serve`` would, show it, and name every problem."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from authz_server.cli.certificates import details, lines
from authz_server.loading import load_configuration
from authz_server.settings import FLATS, PREFIX, variable

if TYPE_CHECKING:
    from authz_server.loading import Loaded
    from authz_server.settings import Settings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser("check", help="load what serve would and report every problem")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the effective settings (secrets masked), the trust bundle and every problem; 0 if ``serve`` would start, else 1."""
    settings, loaded = load_configuration(os.environ)
    if args.json:
        print(json.dumps(_document(settings, loaded), indent=2))
        return 0 if loaded.snapshot is not None else 1
    if settings is not None:
        _print_settings(settings)
    if loaded.snapshot is not None:
        for anchor in loaded.snapshot.anchors:
            print(lines("trust anchor", anchor))
        print(f"configuration {loaded.snapshot.revision}")
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for problem in loaded.problems:
        print(f"{problem.name}: {problem.message}", file=sys.stderr)
    return 0 if loaded.snapshot is not None else 1


def _document(settings: Settings | None, loaded: Loaded) -> dict[str, Any]:
    """The same as JSON; ``settings``, ``revision`` and ``trust_anchors`` are null where they could not be made."""
    snapshot = loaded.snapshot
    return {
        "settings": None if settings is None else settings.model_dump(mode="json"),
        "revision": None if snapshot is None else snapshot.revision,
        "trust_anchors": None if snapshot is None else [details(anchor) for anchor in snapshot.anchors],
        "warnings": list(loaded.warnings),
        "problems": [{"name": problem.name, "message": problem.message} for problem in loaded.problems],
    }


def _print_settings(settings: Settings) -> None:
    groups = {flat.group for flat in FLATS}
    for field, value in settings.model_dump(mode="json").items():
        if field not in groups:
            print(f"{PREFIX}{field.upper()}={_text(value)}")
            continue
        for name, member in value.items():
            for each, inner in member.items():
                print(f"{variable(field, name, each)}={_text(inner)}")


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
