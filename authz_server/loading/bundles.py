"""Trust bundle files -> trust anchors."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from authz_server.model import CERTIFICATE_PARSE_ERRORS, Certificate
from authz_server.settings import Problem, TrustDomainSettings
from authz_server.validation import PinnedCertificates, Trust, TrustBundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta
    from pathlib import Path


@dataclass
class Bundles:
    """Every bundle file that settings name, read once; what is wrong goes to ``problems``."""

    now: datetime
    problems: list[Problem]
    contents: dict[Path, bytes] = field(default_factory=dict)
    certificates: dict[tuple[Path, bool], tuple[Certificate, ...]] = field(default_factory=dict)

    def trust(self, name: str, settings: TrustDomainSettings, where: Callable[[str], str]) -> Trust | None:
        """Whom certificates of the trust domain ``name`` must lead to; ``where`` names its settings. ``None`` after a problem."""
        are_pins = settings.trust_kind == "pin"
        anchors = self._load(where("trust_bundle_file"), settings.trust_bundle_file, are_pins=are_pins)
        intermediates = self._load(where("trust_intermediates_file"), settings.trust_intermediates_file)
        if not anchors:
            return None
        return PinnedCertificates(name, anchors) if are_pins else TrustBundle(name, anchors, intermediates)

    def _load(self, setting: str, path: Path | None, *, are_pins: bool = False) -> tuple[Certificate, ...]:
        """The certificates in ``path``, which ``setting`` names; empty without one, and after a problem."""
        if path is None:
            return ()
        # What a file is read as is part of it: pins are held to less than CA certificates.
        if (path, are_pins) not in self.certificates:
            self.certificates[path, are_pins] = ()
            try:
                content = self.contents.setdefault(path, b"") or path.read_bytes()
                self.contents[path] = content
                self.certificates[path, are_pins] = _pem_certificates(content) if are_pins else _anchors(content, self.now)
            except OSError as error:
                self.problems.append(Problem(setting, f"{path}: {error.strerror}; expected a file of PEM certificates"))
            except ValueError as error:
                self.problems.append(Problem(setting, f"{path}: {error}"))
        return self.certificates[path, are_pins]

    def expiring(self, margin: timedelta) -> tuple[str, ...]:
        """A warning for every certificate that expires within ``margin``, or has already."""
        return tuple(
            dict.fromkeys(
                f"{path}: {_subject(certificate)} expires on {certificate.x509.not_valid_after_utc:%Y-%m-%d}"
                for (path, _), certificates in self.certificates.items()
                for certificate in certificates
                if certificate.x509.not_valid_after_utc < self.now + margin
            )
        )


def load_anchors(path: Path, now: datetime) -> tuple[Certificate, ...]:
    """The anchors of one bundle file; raises ``ValueError`` naming what is wrong with it."""
    try:
        return _anchors(path.read_bytes(), now)
    except (OSError, ValueError) as error:
        msg = f"{path}: {error.strerror if isinstance(error, OSError) else error}"
        raise ValueError(msg) from error


def _anchors(content: bytes, now: datetime) -> tuple[Certificate, ...]:
    """Every CA certificate of the bundle; raises ``ValueError`` if one is none, or if none of them is valid any more.

    One of several that has expired leads nowhere and keeps nothing else from being loaded.
    """
    anchors = _spiffe_bundle(content) if content.lstrip().startswith(b"{") else _pem_certificates(content)
    faults = [f"{_subject(anchor)}: {fault}" for anchor in anchors if (fault := _fault(anchor))]
    if not faults and all(_has_expired(anchor, now) for anchor in anchors):
        faults = [f"{_subject(anchor)}: expired on {anchor.x509.not_valid_after_utc:%Y-%m-%d}" for anchor in anchors]
    if faults:
        raise ValueError("; ".join(faults))
    return anchors


def _spiffe_bundle(content: bytes) -> tuple[Certificate, ...]:
    """The X.509 authorities of a SPIFFE bundle (SPIFFE Trust Domain and Bundle §4: a JWK set with ``use: x509-svid``)."""
    try:
        keys = json.loads(content)["keys"]
        chains = [key["x5c"] for key in keys if key.get("use") == "x509-svid"]
        ders = [base64.b64decode(chain[0], validate=True) for chain in chains if len(chain) == 1]
        anchors = tuple(map(Certificate.from_der, ders))
    except (KeyError, AttributeError, IndexError, RecursionError, *CERTIFICATE_PARSE_ERRORS) as error:
        msg = f"no SPIFFE bundle: {error!r}"
        raise ValueError(msg) from error
    if not anchors or len(anchors) != len(chains):
        msg = "no SPIFFE bundle: each x509-svid key must hold one certificate in x5c, and there must be one"
        raise ValueError(msg)
    return anchors


def _pem_certificates(content: bytes) -> tuple[Certificate, ...]:
    if b"PRIVATE KEY-----" in content:
        msg = "holds a private key; it must hold CA certificates only"
        raise ValueError(msg)
    try:
        parsed = x509.load_pem_x509_certificates(content)
        anchors = tuple(Certificate.from_der(each.public_bytes(Encoding.DER)) for each in parsed)
    except CERTIFICATE_PARSE_ERRORS as error:
        msg = f"no PEM certificates: {error}"
        raise ValueError(msg) from error
    # NOTE: the PEM loader skips what it cannot read, so a half-written last certificate would vanish silently.
    if content.count(b"-----BEGIN") != len(anchors) or content.count(b"-----END") != len(anchors):
        msg = f"only {len(anchors)} of its PEM blocks are whole certificates"
        raise ValueError(msg)
    return anchors


def _fault(anchor: Certificate) -> str | None:
    try:
        is_ca = anchor.x509.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        # Parsing is lazy: what is looked at later must be readable now.
        _ = anchor.x509.subject, anchor.x509.issuer, anchor.x509.public_key()
    except x509.ExtensionNotFound:
        return "not a CA certificate (no basic constraints)"
    except CERTIFICATE_PARSE_ERRORS as error:
        return f"cannot be read: {error}"
    return None if is_ca else "not a CA certificate (CA:FALSE)"


def _has_expired(anchor: Certificate, now: datetime) -> bool:
    # RFC 5280 §4.1.2.5: the last second is included.
    return anchor.x509.not_valid_after_utc < now.replace(microsecond=0)


def _subject(anchor: Certificate) -> str:
    try:
        return repr(anchor.x509.subject.rfc4514_string())
    except CERTIFICATE_PARSE_ERRORS:
        return anchor.sha256
