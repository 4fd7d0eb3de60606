"""``authz-server verify``: verify one chain, or a batch of them, by the code that serves."""

from __future__ import annotations

import argparse
import base64
import json
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from authz_server.cli.batch import answer_lines
from authz_server.model import CERTIFICATE_PARSE_ERRORS, Certificate, PresentedChain
from authz_server.reasons import Reason, Rejection
from authz_server.settings import TrustDomainSettings
from authz_server.validation import (
    Profile,
    RevocationData,
    RevocationMode,
    RevocationPolicy,
    RevocationStatus,
    TrustBundle,
    check_revocation,
    presented_trust_domain,
    verify_path,
)
from authz_server.validation.revocation import CrlError, OcspError, parse_crl, parse_ocsp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authz_server.model import CertificationPath

_VALID, _INVALID, _USAGE = 0, 1, 2
_PROFILES = ("rfc5280", "spiffe", "compatible")
_PURPOSES = ("client", "any")
# The longest that a profile can be set to: a tool should not refuse what a service could be told to accept.
_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class _Question:
    """One chain, leaf first, and what to judge it by."""

    chain: PresentedChain
    trust: TrustBundle
    data: RevocationData
    mode: RevocationMode
    profile: Profile
    at: datetime

    def answer(self) -> tuple[CertificationPath, RevocationStatus]:
        """The path and what is known about its revocation; raises ``Rejection``."""
        path = verify_path(self.chain, self.trust, self.profile, self.at)
        return path, check_revocation(path, self.data, RevocationPolicy(self.mode), self.at)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser("verify", help="verify a certificate chain")
    parser.add_argument("chain", nargs="?", type=Path, metavar="CHAIN.pem", help="the leaf first, then its intermediates")
    parser.add_argument("--trust-bundle", type=Path, help="CA certificates (PEM)")
    parser.add_argument("--crl", type=Path, action="append", default=[], help="a file of CRLs, PEM or DER; may be repeated")
    parser.add_argument("--ocsp", type=Path, action="append", default=[], help="an OCSP response, DER; may be repeated")
    parser.add_argument("--revocation", choices=list(RevocationMode), help="default: hard with CRLs or OCSP responses, else off")
    parser.add_argument("--profile", choices=_PROFILES, default="rfc5280")
    parser.add_argument("--purpose", choices=_PURPOSES, default="client")
    parser.add_argument("--at", help="the time to verify at, RFC 3339 (default: now)")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--batch", action="store_true", help="read JSON lines from standard input, write one for each")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 valid, 1 not valid, 2 wrong usage or a file that cannot be used."""
    if args.batch:
        answer_lines(_batch_answer, {"valid": False, "reason": "usage"})
        return _VALID
    if args.chain is None or args.trust_bundle is None:
        print("verify needs CHAIN.pem and --trust-bundle (or --batch)", file=sys.stderr)
        return _USAGE
    try:
        question = _question(
            _certificates(args.chain.read_bytes()),
            _certificates(args.trust_bundle.read_bytes()),
            _data((each for path in args.crl for each in _crls(path.read_bytes())), (path.read_bytes() for path in args.ocsp)),
            {"revocation": args.revocation, "profile": args.profile, "purpose": args.purpose, "at": args.at},
        )
    except (OSError, *CERTIFICATE_PARSE_ERRORS) as error:
        print(error, file=sys.stderr)
        return _USAGE
    try:
        path, status = question.answer()
    except Rejection as refusal:
        _show_refusal(refusal, as_json=args.json)
        return _INVALID
    _show_path(path, status, as_json=args.json)
    return _VALID


def _question(
    chain: tuple[Certificate, ...], anchors: tuple[Certificate, ...], data: RevocationData, options: dict[str, Any]
) -> _Question:
    """Raises ``ValueError`` for options that are none."""
    leaf, *intermediates = chain
    at = datetime.fromisoformat(options["at"]) if options.get("at") else datetime.now(UTC)
    default = RevocationMode.HARD if data.crls or data.answers else RevocationMode.OFF
    return _Question(
        chain=PresentedChain(leaf, tuple(intermediates)),
        trust=TrustBundle("verify", anchors),
        data=data,
        mode=RevocationMode(options.get("revocation") or default),
        profile=_profile(options.get("profile") or "rfc5280", options.get("purpose") or "client", leaf),
        at=at if at.tzinfo else at.replace(tzinfo=UTC),
    )


def _profile(name: str, purpose: str, leaf: Certificate) -> Profile:
    if purpose not in _PURPOSES:
        msg = f"purpose: expected one of {', '.join(_PURPOSES)}"
        raise ValueError(msg)
    # Of which trust domain an X509-SVID should be is not asked here: it is held to the one that it claims.
    domain = (presented_trust_domain(leaf) or "none") if name == "spiffe" else ""
    settings = TrustDomainSettings.model_validate(
        {"profile": name, "spiffe_trust_domain": domain, "profile_max_depth": _MAX_DEPTH}
    )
    return replace(settings.profile_of(), is_any_purpose=purpose == "any")


def _certificates(pem: bytes) -> tuple[Certificate, ...]:
    return tuple(Certificate.from_der(each.public_bytes(Encoding.DER)) for each in x509.load_pem_x509_certificates(pem))


def _crls(content: bytes) -> list[bytes]:
    """The DER of every CRL in a file; raises ``ValueError``."""
    if b"-----BEGIN X509 CRL-----" not in content:
        return [content]
    mark = b"-----END X509 CRL-----"
    blocks = content.split(mark)[:-1]
    return [x509.load_pem_x509_crl(block + mark).public_bytes(Encoding.DER) for block in blocks]


def _data(crls: Iterable[bytes], answers: Iterable[bytes]) -> RevocationData:
    """What can be used of them; what cannot says nothing, and why is told on standard error."""
    parsed_crls, parsed_answers = [], []
    for der in crls:
        try:
            parsed_crls.append(parse_crl(der).index)
        except CrlError as error:
            print(f"a CRL is not usable: {error}", file=sys.stderr)
    for der in answers:
        try:
            parsed_answers.append(parse_ocsp(der))
        except OcspError as error:
            print(f"an OCSP response is not usable: {error}", file=sys.stderr)
    return RevocationData(tuple(parsed_crls), tuple(parsed_answers))


def _show_refusal(refusal: Rejection, *, as_json: bool) -> None:
    reason = refusal.reason
    if as_json:
        print(json.dumps({"valid": False, "reason": reason.value, "facts": refusal.facts}, indent=2))
        return
    print(f"{reason.value}: {reason.meaning}")
    for key, fact in refusal.facts.items():
        print(f"  {key}: {fact!a}")


def _show_path(path: CertificationPath, status: RevocationStatus, *, as_json: bool) -> None:
    chain = (path.leaf, *path.intermediates, path.anchor)
    if as_json:
        shown = {
            "valid": True,
            "path": [each.sha256 for each in chain],
            "valid_until": path.valid_until.isoformat(),
            "revocation": status.value,
            "leniencies": list(path.leniencies),
        }
        print(json.dumps(shown, indent=2))
        return
    for certificate in chain:
        print(f"{certificate.sha256} {ascii(certificate.x509.subject.rfc4514_string())[1:-1]}")
    print(f"valid until {path.valid_until.isoformat()}, revocation {status.value}", end="")
    print(f", leniencies: {', '.join(path.leniencies)}" if path.leniencies else "")


def _batch_answer(asked: dict[str, Any]) -> dict[str, Any]:
    """The path of one question's chain, or the reason of its refusal."""
    chain, anchors = (_listed(asked.get(key)) for key in ("chain", "anchors"))
    crls = (each for pem in _listed(asked.get("crls")) for each in _crls(pem.encode()))
    answers = (base64.b64decode(each, validate=True) for each in _listed(asked.get("ocsp")))
    try:
        path, _status = _parsed(chain, anchors, _data(crls, answers), asked).answer()
    except Rejection as refusal:
        return {"valid": False, "reason": refusal.reason.value}
    return {"valid": True, "path": [each.sha256 for each in (path.leaf, *path.intermediates, path.anchor)]}


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        msg = "expected an array of texts"
        raise ValueError(msg)
    return value


def _parsed(chain: list[str], anchors: list[str], data: RevocationData, asked: dict[str, Any]) -> _Question:
    """A certificate that does not parse is a refused one, not a wrong question."""
    if not chain or not anchors:
        msg = "a chain and anchors are needed"
        raise ValueError(msg)
    try:
        certificates, trusted = (tuple(each for pem in pems for each in _certificates(pem.encode())) for pems in (chain, anchors))
    except CERTIFICATE_PARSE_ERRORS as error:
        raise Rejection(Reason.CERTIFICATE_MALFORMED, detail=str(error)) from error
    return _question(certificates, trusted, data, asked)
