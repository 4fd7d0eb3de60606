"""The operator's emergency list: certificates, keys and serial numbers that are refused whatever a CA says of them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authz_server.der import read_der, write_der
from authz_server.distinguished_name import parse_distinguished_name
from authz_server.model import comparable_name
from authz_server.reasons import Reason, Rejection

if TYPE_CHECKING:
    from authz_server.model import Certificate, CertificationPath, ComparableName

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_SERIAL = re.compile(r"serial:([0-9A-Fa-f:]{1,60}) +issuer:(.+)")
_COMMENT_OR_NAME = re.compile(r"\s#")
_BIT_STRING, _SEQUENCE = 0x03, 0x30


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
        if not text:
            # What a full disk, or a writer that has just begun, leaves behind must not let everybody back in.
            msg = "it is empty; a comment line, `# nobody`, denies nobody"
            raise ValueError(msg)
        certificates, keys, serials, wrong = set(), set(), set(), []
        lines = text.split("\n")  # and not splitlines(): it also splits at characters that a name may hold
        for number, line in enumerate(lines, 1):
            entry = _entry(line)
            kind, _, value = entry.partition(":")
            digits = value.replace(":", "").lower()
            if kind == "sha256" and _FINGERPRINT.fullmatch(digits):
                certificates.add(digits)
            elif kind == "public-key-sha256" and _FINGERPRINT.fullmatch(digits):
                keys.add(digits)
            # A name that was cut off would be another name: the last line must be whole.
            elif number < len(lines) and (serial := _parse_serial(entry)) is not None:
                serials.add(serial)
            elif entry:
                wrong.append(f"line {number}: {entry!r}")
        if wrong:
            msg = (
                f"{'; '.join(wrong)}: expected sha256:HEX, public-key-sha256:HEX or serial:HEX issuer:NAME, the last with a line "
                "break behind it and comments on lines of their own"
            )
            raise ValueError(msg)
        return cls(frozenset(certificates), frozenset(keys), frozenset(serials))

    def __len__(self) -> int:
        """How many entries there are."""
        return len(self.certificates) + len(self.keys) + len(self.serials)


def _entry(line: str) -> str:
    """The line without white space and comment. A name may hold ``#`` (RFC 4514 §2.4), and is kept whole."""
    entry = line.strip()
    return entry if entry.startswith("serial:") else entry.partition("#")[0].strip()


def _parse_serial(entry: str) -> tuple[ComparableName, int] | None:
    matched = _SERIAL.fullmatch(entry)
    # A name or a comment? Taken for the wrong one, the entry would be about nobody.
    if matched is None or _COMMENT_OR_NAME.search(matched[2]):
        return None
    try:
        return parse_distinguished_name(matched[2]), int(matched[1].replace(":", ""), 16)
    except ValueError:
        return None


def check_denylist(path: CertificationPath, denylist: Denylist) -> None:
    """Raise ``Rejection(CERTIFICATE_DENYLISTED)`` if a certificate of ``path``, the anchor too, is on the list."""
    if denylist.certificates:
        _check_fingerprints(path, denylist.certificates)
    for certificate in (path.leaf, *path.intermediates, path.anchor):
        if denylist.keys and _key_sha256(certificate) in denylist.keys:
            raise _denied(certificate, "public-key-sha256")
        if denylist.serials and _serial(certificate) in denylist.serials:
            raise _denied(certificate, "serial")


def _check_fingerprints(path: CertificationPath, denied: frozenset[str]) -> None:
    """A certificate is refused by the SHA-256 of every form that its issuer's signature has, not only of the presented one."""
    signed = () if path.leaf == path.anchor else (path.leaf, *path.intermediates)
    for certificate, issuer in pairwise((*signed, path.anchor)):
        if certificate.sha256 in denied or _other_sha256(certificate, issuer) in denied:
            raise _denied(certificate, "sha256")
    if path.anchor.sha256 in denied:
        raise _denied(path.anchor, "sha256")


def _other_sha256(certificate: Certificate, issuer: Certificate) -> str | None:
    """SHA-256 of the same certificate with the other form of its ECDSA signature.

    FIPS 186-5 §6.4.2: if (r, s) verifies, so does (r, n - s), which everybody can compute. Whoever is on the list could show
    the certificate in that form. RSA signatures have one form, and other keys sign no paths.
    """
    key = issuer.x509.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return None
    signature = certificate.x509.signature
    r, s = decode_dss_signature(signature)
    other = encode_dss_signature(r, key.curve.group_order - s)
    _, content = read_der(certificate.der)
    unsigned = content.removesuffix(write_der(_BIT_STRING, b"\0" + signature))
    der = write_der(_SEQUENCE, unsigned + write_der(_BIT_STRING, b"\0" + other))
    return hashlib.sha256(der).hexdigest()


def _denied(certificate: Certificate, by: str) -> Rejection:
    return Rejection(Reason.CERTIFICATE_DENYLISTED, sha256=certificate.sha256, entry=by)


def _key_sha256(certificate: Certificate) -> str:
    key = certificate.x509.public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _serial(certificate: Certificate) -> tuple[ComparableName, int]:
    return comparable_name(certificate.x509.issuer), certificate.x509.serial_number
