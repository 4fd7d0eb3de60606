"""The ``authz-server`` command: one module a subcommand."""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

from authz_server.cli import check, demo, explain, inspect, presets, reference, serve, verify

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the result is the process's exit code (2: wrong usage)."""
    parser = argparse.ArgumentParser(prog="authz-server", description="Envoy ext_authz for forwarded client certificates")
    parser.add_argument("--version", action="version", version=version("authz-server"))
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (serve, check, inspect, explain, verify, presets, reference, demo):
        command.add_parser(subparsers)
    # argparse takes a PEM value for an option; with a space in it, it does not, and header values begin with no space.
    arguments = [f" {text}" if text.startswith("-----BEGIN") else text for text in (sys.argv[1:] if argv is None else argv)]
    args = parser.parse_args(arguments)
    return int(args.run(args))
