"""The operator's emergency list: certificates, keys and serial numbers that are refused whatever a CA says of them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authz_server.distinguished_name import parse_distinguished_name
from authz_server.model import comparable_name
from authz_server.reasons import Reason, Rejection

if TYPE_CHECKING:
    from authz_server.model import Certificate, CertificationPath, ComparableName

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_SERIAL = re.compile(r"serial:([0-9A-Fa-f:]{1,60}) +issuer:(.+)")


@dataclass(frozen=True, slots=True)
class Denylist:
    """Fingerprints are SHA-256 in lower-case hex; a serial number counts together with its issuer's name."""

    certificates: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    serials: frozenset[tuple[ComparableName, int]] = frozenset()

    @classmethod
    def from_text(cls, text: str) -> Denylist:
        """One entry a line; ``#`` begins a comment. Raises ``ValueError`` naming every line that is none.

        ``sha256:HEX`` (a certificate), ``public-key-sha256:HEX``, or ``serial:HEX issuer:NAME`` with an RFC 4514 name.
        """
        certificates, keys, serials, wrong = set(), set(), set(), []
        for number, line in enumerate(text.splitlines(), 1):
            entry = line.partition("#")[0].strip()
            kind, _, value = entry.partition(":")
            digits = value.replace(":", "").lower()
            if kind == "sha256" and _FINGERPRINT.fullmatch(digits):
                certificates.add(digits)
            elif kind == "public-key-sha256" and _FINGERPRINT.fullmatch(digits):
                keys.add(digits)
            elif (serial := _parse_serial(entry)) is not None:
                serials.add(serial)
            elif entry:
                wrong.append(f"line {number}: {entry!r}")
        if wrong:
            msg = f"{'; '.join(wrong)}: expected sha256:HEX, public-key-sha256:HEX or serial:HEX issuer:NAME"
            raise ValueError(msg)
        return cls(frozenset(certificates), frozenset(keys), frozenset(serials))

    def __len__(self) -> int:
        """How many entries there are."""
        return len(self.certificates) + len(self.keys) + len(self.serials)


def _parse_serial(entry: str) -> tuple[ComparableName, int] | None:
    matched = _SERIAL.fullmatch(entry)
    if matched is None:
        return None
    try:
        return parse_distinguished_name(matched[2]), int(matched[1].replace(":", ""), 16)
    except ValueError:
        return None


def check_denylist(path: CertificationPath, denylist: Denylist) -> None:
    """Raise ``Rejection(CERTIFICATE_DENYLISTED)`` if a certificate of ``path``, the anchor too, is on the list."""
    for certificate in (path.leaf, *path.intermediates, path.anchor):
        if certificate.sha256 in denylist.certificates:
            raise _denied(certificate, "sha256")
        if denylist.keys and _key_sha256(certificate) in denylist.keys:
            raise _denied(certificate, "public-key-sha256")
        if denylist.serials and _serial(certificate) in denylist.serials:
            raise _denied(certificate, "serial")


def _denied(certificate: Certificate, by: str) -> Rejection:
    return Rejection(Reason.CERTIFICATE_DENYLISTED, sha256=certificate.sha256, entry=by)


def _key_sha256(certificate: Certificate) -> str:
    key = certificate.x509.public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _serial(certificate: Certificate) -> tuple[ComparableName, int]:
    return comparable_name(certificate.x509.issuer), certificate.x509.serial_number
