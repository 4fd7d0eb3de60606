"""Files and ``Settings`` -> ``Snapshot``, or every problem at once."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from authz_server.access import AllowList, parse_pattern
from authz_server.decision import Snapshot
from authz_server.forwarded import ElementSelector, Source
from authz_server.hop import HopPolicy, NetworkProof, PeerProof
from authz_server.model import CERTIFICATE_PARSE_ERRORS, Certificate
from authz_server.settings import Problem, Settings
from authz_server.validation import Profile, TrustBundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_T = TypeVar("_T")
_SHA256_BYTES = 32


@dataclass(frozen=True, slots=True)
class Loaded:
    """A snapshot, or ``None`` and the problems; ``warnings`` do not keep the service from starting."""

    snapshot: Snapshot | None
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]


def load_snapshot(settings: Settings, now: datetime | None = None) -> Loaded:
    """Load everything that ``settings`` name; ``now`` (aware) is the time to judge expiry at."""
    now = now or datetime.now(UTC)
    problems: list[Problem] = []
    content = _read_bundle(settings.trust_bundle_file, problems)
    anchors = _anchors(content, settings.trust_bundle_file, now, problems)
    hop = _hop(settings, problems)
    patterns = _each("AUTHZ_ALLOW", parse_pattern, settings.allow, problems)
    if problems:
        return Loaded(None, tuple(problems), settings.warnings)
    header, chain_header = settings.source_headers
    snapshot = Snapshot(
        revision=_revision(settings, content),
        hop=hop,
        source=Source(
            "default", settings.source_format, header, chain_header, ElementSelector.from_text(settings.source_element)
        ),
        trust=TrustBundle("default", anchors),
        profile=Profile(settings.profile_max_depth, settings.profile_allow_missing_eku),
        identity=settings.identity,
        rules=AllowList(patterns),
        header_prefix=settings.header_prefix,
    )
    return Loaded(snapshot, (), (*settings.warnings, *_expiring(anchors, now, settings.trust_expiry_warning_days)))


def load_anchors(path: Path, now: datetime) -> tuple[Certificate, ...]:
    """The anchors of one bundle file; raises ``ValueError`` naming what is wrong with it."""
    problems: list[Problem] = []
    anchors = _anchors(_read_bundle(path, problems), path, now, problems)
    if problems:
        raise ValueError(problems[0].message)
    return anchors


def _revision(settings: Settings, bundle: bytes) -> str:
    return hashlib.sha256(settings.model_dump_json().encode() + bundle).hexdigest()[:12]


def _hop(settings: Settings, problems: list[Problem]) -> HopPolicy:
    proofs: list[PeerProof | NetworkProof] = []
    if settings.hop_principals:
        key, _, value = settings.hop_context.partition("=")
        certificates = _each("AUTHZ_HOP_CERTIFICATE_SHA256", _pin, settings.hop_certificate_sha256, problems)
        public_keys = _each("AUTHZ_HOP_PUBLIC_KEY_SHA256", _pin, settings.hop_public_key_sha256, problems)
        proofs.append(
            PeerProof(frozenset(settings.hop_principals), (key, value), frozenset(certificates), frozenset(public_keys))
        )
    if settings.hop_networks:
        proofs.append(NetworkProof(settings.hop_networks))
    return HopPolicy(settings.hop_name, tuple(proofs), settings.unsafe_no_hop_proof)


def _each(name: str, parse: Callable[[str], _T], texts: Iterable[str], problems: list[Problem]) -> tuple[_T, ...]:
    parsed: list[_T] = []
    for text in texts:
        try:
            parsed.append(parse(text))
        except ValueError as error:
            problems.append(Problem(name, str(error)))
    return tuple(parsed)


def _pin(text: str) -> str:
    """A SHA-256 as lower-case hex, from hex (colons allowed) or from base64 as Envoy's ``verify_certificate_spki`` has it."""
    try:
        digest = bytes.fromhex(text.replace(":", ""))
    except ValueError:
        try:
            digest = base64.b64decode(text, validate=True)
        except binascii.Error:
            digest = b""
    if len(digest) != _SHA256_BYTES:
        msg = f"{text!r}: expected a SHA-256, 64 hexadecimal digits or base64"
        raise ValueError(msg)
    return digest.hex()


def _read_bundle(path: Path, problems: list[Problem]) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        problems.append(Problem("AUTHZ_TRUST_BUNDLE_FILE", f"{path}: {error.strerror}; expected a file of PEM certificates"))
        return b""


def _anchors(content: bytes, path: Path, now: datetime, problems: list[Problem]) -> tuple[Certificate, ...]:
    """Every certificate of the bundle as a trust anchor; a bundle with one that cannot be an anchor is refused whole."""
    if any(problem.name == "AUTHZ_TRUST_BUNDLE_FILE" for problem in problems):
        return ()

    def refuse(message: str) -> tuple[Certificate, ...]:
        problems.append(Problem("AUTHZ_TRUST_BUNDLE_FILE", f"{path}: {message}"))
        return ()

    if b"PRIVATE KEY-----" in content:
        return refuse("holds a private key; it must hold CA certificates only")
    try:
        parsed = x509.load_pem_x509_certificates(content)
        anchors = tuple(Certificate.from_der(each.public_bytes(Encoding.DER)) for each in parsed)
    except CERTIFICATE_PARSE_ERRORS as error:
        return refuse(f"no PEM certificates: {error}")
    # NOTE: the PEM loader skips what it cannot read, so a half-written last certificate would vanish silently.
    if content.count(b"-----BEGIN") != len(anchors) or content.count(b"-----END") != len(anchors):
        return refuse(f"only {len(anchors)} of its PEM blocks are whole certificates")
    faults = [f"{_subject(anchor)}: {fault}" for anchor in anchors if (fault := _fault(anchor, now))]
    return refuse("; ".join(faults)) if faults else anchors


def _fault(anchor: Certificate, now: datetime) -> str | None:
    try:
        is_ca = anchor.x509.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        not_after = anchor.x509.not_valid_after_utc
    except x509.ExtensionNotFound:
        return "not a CA certificate (no basic constraints)"
    except CERTIFICATE_PARSE_ERRORS as error:
        return f"cannot be read: {error}"
    if not is_ca:
        return "not a CA certificate (CA:FALSE)"
    # RFC 5280 §4.1.2.5: the last second is included.
    return f"expired on {not_after:%Y-%m-%d}" if not_after < now.replace(microsecond=0) else None


def _expiring(anchors: tuple[Certificate, ...], now: datetime, days: int) -> tuple[str, ...]:
    limit = now + timedelta(days=days)
    return tuple(
        f"AUTHZ_TRUST_BUNDLE_FILE: {_subject(anchor)} expires on {anchor.x509.not_valid_after_utc:%Y-%m-%d}"
        for anchor in anchors
        if anchor.x509.not_valid_after_utc < limit
    )


def _subject(anchor: Certificate) -> str:
    try:
        return repr(anchor.x509.subject.rfc4514_string())
    except CERTIFICATE_PARSE_ERRORS:
        return anchor.sha256
