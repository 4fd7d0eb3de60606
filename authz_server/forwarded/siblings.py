"""Sibling headers: what a proxy says about the certificate beside it. Never believed alone, but each must agree.

Identity comes from the certificate. A sibling that contradicts it shows that one of the two headers is not the proxy's, or
that the proxy itself did not accept the certificate.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cryptography import x509

from authz_server.model import CERTIFICATE_PARSE_ERRORS, comparable_name
from authz_server.reasons import Reason, Rejection

if TYPE_CHECKING:
    from authz_server.model import Certificate, ForwardedRequest

# What proxies write when there is nothing to say: Apache, access-log conventions.
NON_VALUES = frozenset({b"", b"(null)", b"-"})

# Short names that OpenSSL, nginx and Apache write in RFC 2253 text and that RFC 4514 §3 does not list.
_ATTRIBUTES = {
    "emailAddress": x509.NameOID.EMAIL_ADDRESS,
    "E": x509.NameOID.EMAIL_ADDRESS,
    "serialNumber": x509.NameOID.SERIAL_NUMBER,
    "SN": x509.NameOID.SURNAME,
    "GN": x509.NameOID.GIVEN_NAME,
    "title": x509.NameOID.TITLE,
    "dnQualifier": x509.NameOID.DN_QUALIFIER,
    "S": x509.NameOID.STATE_OR_PROVINCE_NAME,
}


class Check(StrEnum):
    """What a sibling must agree with. ``STRIP`` is not compared, only kept from the upstream."""

    VERIFIED = "verified"
    SHA256 = "sha256"
    SHA1 = "sha1"
    SERIAL = "serial"
    SERIAL_DECIMAL = "serial-decimal"
    SUBJECT = "subject"
    ISSUER = "issuer"
    STRIP = "strip"


@dataclass(frozen=True, slots=True)
class Sibling:
    """One header beside the certificate header; ``header`` is lower case.

    ``expected`` are the product's success values for ``VERIFIED``, compared exactly. ``is_required`` refuses requests
    without it: for a product that always sends it, absence means that the request did not come from there.
    """

    header: str
    check: Check
    expected: frozenset[str] = frozenset()
    is_required: bool = False

    @classmethod
    def from_text(cls, text: str) -> Sibling:
        """Parse ``CHECK:HEADER`` or ``verified:HEADER=VALUE[|VALUE]``; raises ``ValueError`` for anything else."""
        check, _, rest = text.partition(":")
        header, _, values = rest.partition("=")
        sibling = cls(header.lower(), Check(check), frozenset(filter(None, values.split("|"))))
        if not header or (sibling.check is Check.VERIFIED) != bool(sibling.expected):
            msg = f"{text!r}: expected CHECK:HEADER, or verified:HEADER=VALUE"
            raise ValueError(msg)
        return sibling


def check_siblings(request: ForwardedRequest, siblings: tuple[Sibling, ...], leaf: Certificate) -> None:
    """Raise ``Rejection`` unless every sibling that was sent agrees with ``leaf``, and every required one was sent.

    Does NOT establish anything about the certificate: whoever can write the one header can write the other.
    """
    for sibling in siblings:
        if sibling.check is Check.STRIP:
            continue
        lines = request.header_lines(sibling.header)
        if len(lines) > 1:
            raise Rejection(Reason.HEADER_DUPLICATED, header=sibling.header, lines=len(lines))
        value = lines[0] if lines else b""
        if value in NON_VALUES:
            if sibling.is_required:
                raise Rejection(Reason.SIBLING_MISSING, header=sibling.header)
            continue
        _check(sibling, value, leaf)


def _check(sibling: Sibling, value: bytes, leaf: Certificate) -> None:
    shown = value.decode("ascii", "replace")
    if sibling.check is Check.VERIFIED:
        if shown not in sibling.expected:
            raise Rejection(Reason.PROXY_VERIFICATION_FAILED, header=sibling.header, presented=shown)
        return
    try:
        agrees = _agrees(sibling.check, shown, leaf)
    except CERTIFICATE_PARSE_ERRORS as error:
        raise Rejection(Reason.SIBLING_MISMATCH, header=sibling.header, presented=shown, detail=str(error)) from error
    if not agrees:
        raise Rejection(Reason.SIBLING_MISMATCH, header=sibling.header, presented=shown)


def _agrees(check: Check, shown: str, leaf: Certificate) -> bool:
    if check is Check.SHA256:
        return _digest(shown) == hashlib.sha256(leaf.der).digest()
    if check is Check.SHA1:
        # As a comparison with what the product computed; nothing is trusted for its SHA-1.
        return _digest(shown) == hashlib.sha1(leaf.der, usedforsecurity=False).digest()
    if check in (Check.SERIAL, Check.SERIAL_DECIMAL):
        digits = shown.replace(":", "")
        return int(digits, 16 if check is Check.SERIAL else 10) == leaf.x509.serial_number
    name = leaf.x509.subject if check is Check.SUBJECT else leaf.x509.issuer
    return comparable_name(x509.Name.from_rfc4514_string(shown, _ATTRIBUTES)) == comparable_name(name)


def _digest(shown: str) -> bytes:
    """A digest from hex, with or without colons, or from base64; empty if it is neither."""
    try:
        return bytes.fromhex(shown.replace(":", ""))
    except ValueError:
        try:
            return base64.b64decode(shown, validate=True)
        except binascii.Error:
            return b""
