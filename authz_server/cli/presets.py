"""``authz-server presets``: the products that are known, and what one of them needs on Envoy's side."""

from __future__ import annotations

import argparse
import json
from typing import Any

from authz_server.forwarded import PRESETS, Preset


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser("presets", help="list the products that are known, or show one")
    parser.add_argument("preset", nargs="?", choices=list(PRESETS), metavar="PRESET")
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print every preset, a line each, or all of one."""
    presets = [PRESETS[args.preset]] if args.preset else list(PRESETS.values())
    if args.json:
        print(json.dumps([document(preset) for preset in presets], indent=2))
    elif args.preset:
        for key, value in document(presets[0]).items():
            print(f"{key.replace('_', ' '):<16} {value if isinstance(value, str) else ', '.join(value) or '-'}")
    else:
        for preset in presets:
            print(f"{preset.name:<26} {preset.format:<18} {preset.header:<28} {preset.product}")
    return 0


def document(preset: Preset) -> dict[str, Any]:
    """Everything about one preset, in words."""
    return {
        "preset": preset.name,
        "product": preset.product,
        "format": preset.format.value,
        "header": preset.header + (" (the operator's choice)" if preset.is_header_free else ""),
        "chain_headers": list(preset.chain_headers),
        "must_agree": [f"{each.check.value}:{each.header}" for each in preset.siblings if each.check != "strip"],
        "stripped": [each.header for each in preset.siblings if each.check == "strip"],
        "guarantees": preset.guarantees,
        "caveats": preset.caveats,
        "evidence": f"{preset.evidence.value}: {preset.evidence.meaning}",
        "documentation": preset.documentation,
    }
