"""``authz-server serve``: the service."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from datetime import UTC, datetime
from functools import partial

from authz_server.hop import ReplayMemory
from authz_server.loading import load_configuration
from authz_server.server import run as run_server


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    subparsers.add_parser("serve", help="answer Envoy's questions").set_defaults(run=run)


def run(_args: argparse.Namespace) -> int:
    """Serve until SIGTERM; 1 with every problem on standard error if the configuration cannot be loaded."""
    # Until the service can reload, SIGHUP is no reason to end; what changes meanwhile is noticed once it serves.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    load = partial(load_configuration, os.environ, ReplayMemory(), datetime.now(UTC))
    settings, loaded = load()
    for problem in loaded.problems:
        print(f"{problem.name}: {problem.message}", file=sys.stderr)
    if settings is None or loaded.snapshot is None:
        return 1
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for warning in loaded.warnings:
        logging.getLogger("authz_server").warning(warning)
    return run_server(settings, loaded.snapshot, os.environ, load)
