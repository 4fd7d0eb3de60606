"""``authz-server explain``: the full decision for one captured CheckRequest, step by step, by the code that serves."""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf import json_format
from google.protobuf.message import DecodeError

from authz_server.decision import Allow, Decision
from authz_server.ext_authz import decide_check, outcome
from authz_server.loading import load_configuration
from authz_server.reasons import Step

if TYPE_CHECKING:
    from collections.abc import Mapping

_STEPS = tuple(step for step in Step if step is not Step.SERVER)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser("explain", help="explain the decision for a captured CheckRequest")
    parser.add_argument("request", type=Path, metavar="REQUEST", help="CheckRequest: .json (proto JSON) or .pb (binary)")
    parser.add_argument("--at", help="the time to decide at, RFC 3339 (default: now)")
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 allowed, 1 denied, 2 wrong usage or a configuration that cannot be loaded."""
    _settings, loaded = load_configuration(os.environ)
    for problem in loaded.problems:
        print(f"{problem.name}: {problem.message}", file=sys.stderr)
    try:
        message = _read(args.request)
        at = datetime.fromisoformat(args.at) if args.at else datetime.now(UTC)
    except (OSError, ValueError, json_format.ParseError, DecodeError) as error:
        print(error, file=sys.stderr)
        return 2
    if loaded.snapshot is None:
        return 2
    _request, decision = decide_check(message, loaded.snapshot, at if at.tzinfo else at.replace(tzinfo=UTC))
    explanation = explain(decision)
    if args.json:
        print(json.dumps(explanation, indent=2))
    else:
        _print(explanation)
    return 0 if isinstance(decision, Allow) else 1


def _read(path: Path) -> Any:
    message = external_auth_pb2.CheckRequest()
    if path.suffix == ".json":
        return json_format.Parse(path.read_text(encoding="utf-8"), message)
    message.ParseFromString(path.read_bytes())
    return message


def explain(decision: Decision) -> dict[str, Any]:
    """Each step with ``pass``, ``fail`` or ``not reached``, what it established, and the outcome."""
    failed = None if isinstance(decision, Allow) else decision.reason.step
    established = _established(decision)
    steps: list[dict[str, Any]] = []
    result = "pass"
    for step in _STEPS:
        if result == "fail":
            result = "not reached"
        elif step is failed:
            result = "fail"
        facts: Mapping[str, Any] = {} if result == "not reached" else established.get(step, {})
        steps.append({"step": step.value, "result": result, "facts": dict(facts)})
    shown: dict[str, Any] = {"outcome": outcome(decision), "steps": steps}
    if isinstance(decision, Allow):
        shown |= {"rule": decision.rule, "headers": dict(decision.headers), "removed": list(decision.headers_to_remove)}
    else:
        reason = decision.reason
        shown |= {"reason": reason.value, "status": reason.status, "meaning": reason.meaning, "action": reason.action}
    return shown


def _established(decision: Decision) -> dict[Step, Mapping[str, Any]]:
    evidence = decision.evidence
    facts: dict[Step, Mapping[str, Any]] = {}
    if evidence.source:
        facts[Step.REQUEST] = {"source": evidence.source.name, "format": evidence.source.format.value}
    if evidence.hop:
        facts[Step.HOP] = {"name": evidence.hop.name, "proofs": list(evidence.hop.proofs)}
    if evidence.presented:
        facts[Step.HEADER] = {
            "leaf": evidence.presented.leaf.sha256,
            "intermediates": len(evidence.presented.intermediates),
        }
    if evidence.path:
        facts[Step.CERTIFICATE] = {
            "anchor": evidence.path.anchor.sha256,
            "valid_until": evidence.path.valid_until.isoformat(),
            "revocation": evidence.revocation.value,
            **({"leniencies": list(evidence.path.leniencies)} if evidence.path.leniencies else {}),
        }
    if evidence.principal:
        facts[Step.IDENTITY] = {f"{name.kind.value} {n}": name.value for n, name in enumerate(evidence.principal.names, 1)}
    if isinstance(decision, Allow):
        facts[Step.ACCESS] = {"rule": decision.rule}
    else:
        facts[decision.reason.step] = decision.facts
    return facts


def _print(explanation: Mapping[str, Any]) -> None:
    for number, step in enumerate(explanation["steps"], 1):
        print(f"{number}. {step['step']:<12} {step['result']}")
        for key, fact in step["facts"].items():
            print(f"     {key}: {fact if isinstance(fact, str) and fact.isprintable() else ascii(fact)}")
    if explanation["outcome"] == "ALLOW":
        print(f"ALLOW by {explanation['rule']}")
    else:
        print(f"{explanation['outcome']} {explanation['status']} {explanation['reason']}: {explanation['meaning']}")
        print(explanation["action"])
