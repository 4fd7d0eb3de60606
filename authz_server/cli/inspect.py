"""``authz-server inspect``: decode one header value, or a batch of them, and say what is in it or why it was refused."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from authz_server.cli.batch import answer_lines
from authz_server.cli.certificates import details, lines, summary
from authz_server.forwarded import PRESETS, Format, Source, decode_chain
from authz_server.forwarded.appearance import describe_appearance
from authz_server.loading import load_anchors
from authz_server.reasons import Rejection
from authz_server.settings import SourceSettings
from authz_server.validation import Profile, TrustBundle, verify_path

if TYPE_CHECKING:
    from authz_server.model import PresentedChain

_DECODED, _REFUSED, _USAGE = 0, 1, 2


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser("inspect", help="decode a forwarded certificate header")
    parser.add_argument("value", nargs="?", metavar="VALUE", help="the header's value, or - to read it from standard input")
    parser.add_argument("--format", choices=[form.value for form in Format])
    parser.add_argument("--preset", choices=list(PRESETS), help="the product that wrote it, instead of --format")
    parser.add_argument("--header", help="the header's name, for messages")
    parser.add_argument("--chain", help="the value of a separate chain header")
    parser.add_argument("--element", default="sole", help="XFCC: sole, first, last, by=URI or hops=N")
    parser.add_argument("--trust-bundle", type=Path, help="validate the certificate against these CAs (PEM)")
    parser.add_argument("--at", help="the time to validate at, RFC 3339 (default: now)")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--batch", action="store_true", help="read JSON lines from standard input, write one for each")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 decoded (and valid, with a bundle), 1 refused, 2 wrong usage."""
    if args.batch:
        answer_lines(_batch_answer, {"error": {"reason": "usage"}})
        return _DECODED
    if (args.format is None) == (args.preset is None) or args.value is None:
        print("inspect needs --format or --preset, and VALUE (or --batch)", file=sys.stderr)
        return _USAGE
    value = sys.stdin.buffer.read().removesuffix(b"\n") if args.value == "-" else _bytes(args.value)
    try:
        source = _source(
            has_chain=args.chain is not None, preset=args.preset, format=args.format, header=args.header, element=args.element
        )
        at = datetime.fromisoformat(args.at) if args.at else datetime.now(UTC)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        trust = TrustBundle("inspect", load_anchors(args.trust_bundle, at)) if args.trust_bundle else None
    except ValueError as error:
        print(error, file=sys.stderr)
        return _USAGE
    chain_values = () if args.chain is None else (_bytes(args.chain),)
    try:
        chain = decode_chain(source, value, chain_values)
        shown = _shown(chain, as_json=args.json)
    except Rejection as refusal:
        _show_refusal(refusal, *_blamed(source, value, chain_values), as_json=args.json)
        return _REFUSED
    # With --json one document is printed: the chain, or why it was refused.
    if trust is None:
        print(shown)
        return _DECODED
    return _validate(chain, trust, at, shown, as_json=args.json)


def _validate(chain: PresentedChain, trust: TrustBundle, at: datetime, shown: str, *, as_json: bool) -> int:
    try:
        path = verify_path(chain, trust, Profile(), at)
    except Rejection as refusal:
        if as_json:
            print(json.dumps({"error": {"reason": refusal.reason.value, "facts": refusal.facts}}, indent=2))
        else:
            print(shown)
            print(_refusal_text(refusal))
        return _REFUSED
    print(shown)
    print(f"valid until {path.valid_until.isoformat()}, anchor {path.anchor.sha256}", file=sys.stderr)
    return _DECODED


def _source(*, has_chain: bool, **fields: str | None) -> Source:
    """The source that ``fields`` of ``SourceSettings`` describe; raises ``ValueError`` if they describe none."""
    source = SourceSettings.model_validate({key: value for key, value in fields.items() if value is not None}).source("inspect")
    if has_chain and source.format is Format.XFCC:
        msg = "an XFCC element holds its chain itself; there is no chain header"
        raise ValueError(msg)
    return source


def _bytes(text: str) -> bytes:
    return text.removeprefix(" ").encode("utf-8", "surrogateescape")


def _shown(chain: PresentedChain, *, as_json: bool) -> str:
    if as_json:
        shown = {"leaf": details(chain.leaf), "intermediates": [details(each) for each in chain.intermediates]}
        return json.dumps(shown, indent=2)
    return "\n".join([lines("leaf", chain.leaf), *(lines("intermediate", each) for each in chain.intermediates)])


def _blamed(source: Source, value: bytes, chain_values: tuple[bytes, ...]) -> tuple[Format, bytes]:
    """Which value was refused, and the format that it should have: the chain header's if the certificate alone decodes."""
    try:
        decode_chain(source, value)
    except Rejection:
        return source.format, value
    return (source.chain_format or source.format, chain_values[0]) if chain_values else (source.format, value)


def _show_refusal(refusal: Rejection, form: Format, value: bytes, *, as_json: bool) -> None:
    words, fitting = describe_appearance(value)
    if as_json:
        error = {"reason": refusal.reason.value, "facts": refusal.facts, "looks_like": words}
        print(json.dumps({"error": error}, indent=2))
        return
    print(_refusal_text(refusal))
    if fitting != form:
        print(f"This looks like {words}; you asked for {form}.")
    print(refusal.reason.action)


def _refusal_text(refusal: Rejection) -> str:
    facts = [f"  {key}: {fact!a}" for key, fact in refusal.facts.items()]
    return "\n".join([f"{refusal.reason.value}: {refusal.reason.meaning}", *facts])


def _batch_answer(question: dict[str, Any]) -> dict[str, Any]:
    """What the value of one question holds, or the reason of its refusal."""
    chain_value = question.get("chain")
    source = _source(
        has_chain=chain_value is not None,
        preset=question.get("preset"),
        format=question.get("format"),
        element=question.get("element") or None,
    )
    value = question["value"].encode("utf-8", "surrogatepass")
    chain_values = () if chain_value is None else (chain_value.encode("utf-8", "surrogatepass"),)
    try:
        chain = decode_chain(source, value, chain_values)
        return {"leaf": summary(chain.leaf), "intermediates": [summary(each) for each in chain.intermediates]}
    except Rejection as refusal:
        return {"error": {"reason": refusal.reason.value}}
