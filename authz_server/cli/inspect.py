"""``authz-server inspect``: decode one header value, or a batch of them, and say what is in it or why it was refused."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from authz_server.cli.certificates import details, lines, summary
from authz_server.forwarded import DEFAULT_HEADERS, ElementSelector, Format, Source, decode_chain
from authz_server.forwarded.appearance import describe_appearance
from authz_server.loading import load_anchors
from authz_server.reasons import Rejection
from authz_server.validation import Profile, TrustBundle, verify_path

if TYPE_CHECKING:
    from authz_server.model import PresentedChain

_DECODED, _REFUSED, _USAGE = 0, 1, 2


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser("inspect", help="decode a forwarded certificate header")
    parser.add_argument("value", nargs="?", metavar="VALUE", help="the header's value, or - to read it from standard input")
    parser.add_argument("--format", choices=[form.value for form in Format])
    parser.add_argument("--header", help="the header's name, for messages")
    parser.add_argument("--chain", help="the value of a separate chain header")
    parser.add_argument("--element", default="sole", help="XFCC: sole, first, last or by=URI")
    parser.add_argument("--trust-bundle", type=Path, help="validate the certificate against these CAs (PEM)")
    parser.add_argument("--at", help="the time to validate at, RFC 3339 (default: now)")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--batch", action="store_true", help="read JSON lines from standard input, write one for each")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 decoded (and valid, with a bundle), 1 refused, 2 wrong usage."""
    if args.batch:
        return _batch()
    if args.format is None or args.value is None:
        print("inspect needs --format and VALUE (or --batch)", file=sys.stderr)
        return _USAGE
    text = sys.stdin.read().removesuffix("\n") if args.value == "-" else args.value
    try:
        source = _source(args.format, args.element, args.header)
        at = datetime.fromisoformat(args.at) if args.at else datetime.now(UTC)
        trust = TrustBundle("inspect", load_anchors(args.trust_bundle, at)) if args.trust_bundle else None
    except ValueError as error:
        print(error, file=sys.stderr)
        return _USAGE
    try:
        chain = decode_chain(source, _bytes(text), None if args.chain is None else _bytes(args.chain))
        _show(chain, as_json=args.json)
        if trust is not None:
            path = verify_path(chain, trust, Profile(), at if at.tzinfo else at.replace(tzinfo=UTC))
            print(f"valid until {path.valid_until.isoformat()}, anchor {path.anchor.sha256}", file=sys.stderr)
    except Rejection as refusal:
        _show_refusal(refusal, args.format, _bytes(text), as_json=args.json)
        return _REFUSED
    return _DECODED


def _source(form: str, element: str, header: str | None = None) -> Source:
    name, chain_header = DEFAULT_HEADERS[Format(form)]
    return Source("inspect", Format(form), header or name, chain_header, ElementSelector.from_text(element))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _show(chain: PresentedChain, *, as_json: bool) -> None:
    if as_json:
        shown = {"leaf": details(chain.leaf), "intermediates": [details(each) for each in chain.intermediates]}
        print(json.dumps(shown, indent=2))
        return
    print(lines("leaf", chain.leaf))
    for each in chain.intermediates:
        print(lines("intermediate", each))


def _show_refusal(refusal: Rejection, form: str, value: bytes, *, as_json: bool) -> None:
    words, fitting = describe_appearance(value)
    if as_json:
        error = {"reason": refusal.reason.value, "facts": refusal.facts, "looks_like": words}
        print(json.dumps({"error": error}, indent=2))
        return
    print(f"{refusal.reason.value}: {refusal.reason.meaning}")
    for key, fact in refusal.facts.items():
        print(f"  {key}: {fact!a}")
    if fitting != form:
        print(f"This looks like {words}; you asked for {form}.")
    print(refusal.reason.action)


def _batch() -> int:
    for line in sys.stdin:
        if line.strip():
            print(json.dumps(_batch_answer(line)), flush=True)
    return _DECODED


def _batch_answer(line: str) -> dict[str, Any]:
    """One answer for one line; a line that is no request gets the reason ``usage``."""
    identifier = None
    try:
        question = json.loads(line)
        identifier = question.get("id")
        chain_value = question.get("chain")
        source = _source(question["format"], question.get("element") or "sole")
        value = question["value"].encode("utf-8", "surrogatepass")
        chain = decode_chain(source, value, None if chain_value is None else chain_value.encode("utf-8", "surrogatepass"))
        intermediates = [summary(each) for each in chain.intermediates]
        return {"id": identifier, "leaf": summary(chain.leaf), "intermediates": intermediates}
    except Rejection as refusal:
        return {"id": identifier, "error": {"reason": refusal.reason.value}}
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return {"id": identifier, "error": {"reason": "usage"}}
