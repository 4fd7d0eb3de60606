"""Trust bundle files -> trust anchors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from authz_server.model import CERTIFICATE_PARSE_ERRORS, Certificate
from authz_server.settings import Problem

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from pathlib import Path


@dataclass
class Bundles:
    """Every bundle file that settings name, read once; what is wrong goes to ``problems``."""

    now: datetime
    problems: list[Problem]
    contents: dict[Path, bytes] = field(default_factory=dict)
    anchors: dict[Path, tuple[Certificate, ...]] = field(default_factory=dict)

    def load(self, name: str, path: Path) -> tuple[Certificate, ...]:
        """The anchors in ``path``, which the setting ``name`` names; empty after a problem."""
        if path not in self.contents:
            self.contents[path] = b""
            self.anchors[path] = ()
            try:
                self.contents[path] = path.read_bytes()
                self.anchors[path] = _anchors(self.contents[path], self.now)
            except OSError as error:
                self.problems.append(Problem(name, f"{path}: {error.strerror}; expected a file of PEM certificates"))
            except ValueError as error:
                self.problems.append(Problem(name, f"{path}: {error}"))
        return self.anchors[path]

    def expiring(self, margin: timedelta) -> tuple[str, ...]:
        """A warning for every anchor that expires within ``margin``."""
        return tuple(
            f"{path}: {_subject(anchor)} expires on {anchor.x509.not_valid_after_utc:%Y-%m-%d}"
            for path, anchors in self.anchors.items()
            for anchor in anchors
            if anchor.x509.not_valid_after_utc < self.now + margin
        )


def load_anchors(path: Path, now: datetime) -> tuple[Certificate, ...]:
    """The anchors of one bundle file; raises ``ValueError`` naming what is wrong with it."""
    problems: list[Problem] = []
    anchors = Bundles(now, problems).load("", path)
    if problems:
        raise ValueError(problems[0].message)
    return anchors


def _anchors(content: bytes, now: datetime) -> tuple[Certificate, ...]:
    """Every certificate of the bundle as a trust anchor; raises ``ValueError`` if one cannot be an anchor."""
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
    faults = [f"{_subject(anchor)}: {fault}" for anchor in anchors if (fault := _fault(anchor, now))]
    if faults:
        raise ValueError("; ".join(faults))
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
