"""``authz-server demo``: the main job on this machine, with the real Envoy, and every answer with its reason."""

from __future__ import annotations

import argparse
import sys
import threading

from authz_server.demo.envoys import EnvoyMissingError
from authz_server.demo.scenes import SCENES
from authz_server.demo.stage import Outcome, Stage


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser("demo", help="run WAF, Envoy, authz-server and an upstream on this machine")
    parser.add_argument("--once", action="store_true", help="end after the requests instead of waiting for Ctrl-C")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Play every scene; 0 if all came out as expected, 1 if not, 2 if Envoy is missing."""
    try:
        with Stage(lambda step: print(f"... {step}", flush=True)) as stage:
            surprises = _play(stage)
            if not args.once:
                _wait(stage)
    except EnvoyMissingError as error:
        print(error, file=sys.stderr)
        return 2
    return 1 if surprises else 0


def _play(stage: Stage) -> int:
    print(f"\n{'request':<48} {'status':<7} {'reason':<32} upstream sees x-auth-client-name")
    surprises = 0
    for scene in SCENES:
        outcome = stage.play(scene)
        expected = (outcome.status, outcome.reason) == (scene.status, scene.reason) and _is_identity_real(outcome, scene.headers)
        surprises += not expected
        name = outcome.headers.get("x-auth-client-name", "-")
        mark = "" if expected else f"   UNEXPECTED, wanted {scene.status} {scene.reason}"
        print(f"{scene.title:<48} {outcome.status or '-':<7} {outcome.reason or 'allowed':<32} {name}{mark}", flush=True)
    print(f"\n{len(SCENES) - surprises} of {len(SCENES)} requests came out as expected.")
    return surprises


def _is_identity_real(outcome: Outcome, sent: tuple[tuple[str, str], ...]) -> bool:
    """No identity header that the client sent reached the upstream, and an allowed one has the real name."""
    forged = {value for name, value in sent if name.startswith("x-auth-client-")}
    name = outcome.headers.get("x-auth-client-name", "")
    return not forged & set(outcome.headers.values()) and (bool(outcome.reason) or name.startswith("spiffe://example.org/"))


def _wait(stage: Stage) -> None:
    waf, folder = f"https://localhost:{stage.ports['waf']}", stage.folder
    print("\nTry it yourself (Ctrl-C ends everything):")
    for name in ("alice", "mallory", "expired"):
        print(f"  curl --cacert {folder}/hop-ca.crt --cert {folder}/{name}.crt --key {folder}/{name}.key {waf}/orders")
    print(f"  curl --cacert {folder}/hop-ca.crt {waf}/orders")
    print(f"  curl http://127.0.0.1:{stage.ports['admin']}/metrics")
    print(f"  tail -f {folder}/authz.log     # one JSON line a decision")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print("\nending")
