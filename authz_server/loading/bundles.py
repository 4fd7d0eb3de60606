"""Trust bundle files -> trust anchors."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from authz_server.model import CERTIFICATE_PARSE_ERRORS, Certificate
from authz_server.settings import Problem, TrustDomainSettings
from authz_server.validation import PinnedCertificates, Trust, TrustBundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta


@dataclass
class Bundles:
    """Every bundle file that settings name, read once; what is wrong goes to ``problems``."""

    now: datetime
    problems: list[Problem]
    contents: dict[Path, bytes] = field(default_factory=dict)
    anchors: dict[Path, tuple[Certificate, ...]] = field(default_factory=dict)

    def trust(self, name: str, settings: TrustDomainSettings, where: Callable[[str], str]) -> Trust | None:
        """Whom certificates of the trust domain ``name`` must lead to; ``where`` names its settings. ``None`` after a problem."""
        path = settings.trust_bundle_file or Path()
        read = _pins if settings.trust_kind == "pin" else _anchors
        anchors = self._load(where("trust_bundle_file"), path, lambda content: read(content, self.now))
        intermediates = self._intermediates(where("trust_intermediates_file"), settings.trust_intermediates_file)
        if not anchors:
            return None
        if settings.trust_kind == "pin":
            return PinnedCertificates(name, anchors)
        return TrustBundle(name, anchors, intermediates)

    def _intermediates(self, setting: str, path: Path | None) -> tuple[Certificate, ...]:
        return () if path is None else self._load(setting, path, lambda content: _anchors(content, self.now))

    def _load(self, setting: str, path: Path, read: Callable[[bytes], tuple[Certificate, ...]]) -> tuple[Certificate, ...]:
        """The certificates in ``path``, which ``setting`` names; empty after a problem."""
        if path not in self.contents:
            self.contents[path] = b""
            self.anchors[path] = ()
            try:
                self.contents[path] = path.read_bytes()
                self.anchors[path] = read(self.contents[path])
            except OSError as error:
                self.problems.append(Problem(setting, f"{path}: {error.strerror}; expected a file of PEM certificates"))
            except ValueError as error:
                self.problems.append(Problem(setting, f"{path}: {error}"))
        return self.anchors[path]

    def expiring(self, margin: timedelta) -> tuple[str, ...]:
        """A warning for every certificate that expires within ``margin``."""
        return tuple(
            f"{path}: {_subject(anchor)} expires on {anchor.x509.not_valid_after_utc:%Y-%m-%d}"
            for path, anchors in self.anchors.items()
            for anchor in anchors
            if anchor.x509.not_valid_after_utc < self.now + margin
        )


def load_anchors(path: Path, now: datetime) -> tuple[Certificate, ...]:
    """The anchors of one bundle file; raises ``ValueError`` naming what is wrong with it."""
    try:
        return _anchors(path.read_bytes(), now)
    except (OSError, ValueError) as error:
        msg = f"{path}: {error.strerror if isinstance(error, OSError) else error}"
        raise ValueError(msg) from error


def _anchors(content: bytes, now: datetime) -> tuple[Certificate, ...]:
    """Every certificate of the bundle as a trust anchor; raises ``ValueError`` if one cannot be an anchor."""
    anchors = _spiffe_bundle(content) if content.lstrip().startswith(b"{") else _pem_certificates(content)
    faults = [f"{_subject(anchor)}: {fault}" for anchor in anchors if (fault := _fault(anchor, now))]
    if faults:
        raise ValueError("; ".join(faults))
    return anchors


def _pins(content: bytes, _now: datetime) -> tuple[Certificate, ...]:
    """Every certificate of the file as a pin. One that has expired is no mistake: it is refused when it comes."""
    return _pem_certificates(content)


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


def _subject(anchor: Certificate) -> str:
    try:
        return repr(anchor.x509.subject.rfc4514_string())
    except CERTIFICATE_PARSE_ERRORS:
        return anchor.sha256
