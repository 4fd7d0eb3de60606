"""Sibling headers: what a proxy says about the certificate beside it. Never believed alone, but each must agree.

Identity comes from the certificate. A sibling that contradicts it shows that one of the two headers is not the proxy's, or
that the proxy itself did not accept the certificate.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from authz_server.distinguished_name import parse_distinguished_name
from authz_server.forwarded.encodings import decode_base64
from authz_server.model import CERTIFICATE_PARSE_ERRORS, comparable_name
from authz_server.reasons import Reason, Rejection

if TYPE_CHECKING:
    from authz_server.model import Certificate, ForwardedRequest

# What proxies write when there is nothing to say: Apache, access-log conventions.
NON_VALUES = frozenset({b"", b"(null)", b"-"})

# In hex as nginx, CloudFront and AWS ALB write it (X.690 §8.3: at most 20 octets, RFC 5280 §4.1.2.2; zeros in front are
# harmless), and in decimal as Go does. Python's own parsers take signs, spaces, underscores and digits of other scripts.
_HEX_SERIAL = re.compile(r"[0-9A-Fa-f]{1,64}|[0-9A-Fa-f]{1,2}(?::[0-9A-Fa-f]{2}){1,31}", re.ASCII)
_DECIMAL_SERIAL = re.compile(r"[0-9]{1,64}", re.ASCII)
_HEX_DIGEST = re.compile(r"(?:[0-9A-Fa-f]{2}){1,64}|[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){1,63}", re.ASCII)

# RFC 9110 §5.6.2, in lower case.
_TOKEN = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,64}")

# How much of a value that does not agree is told.
_SHOWN = 200


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
        """Parse ``CHECK:HEADER`` or ``verified:HEADER=VALUE[|VALUE]``; raises ``ValueError`` for anything else.

        ``CHECK!`` requires the header.
        """
        check, _, rest = text.partition(":")
        header, _, values = rest.partition("=")
        is_required = check.endswith("!")
        sibling = cls(header.lower(), Check(check.removesuffix("!")), frozenset(filter(None, values.split("|"))), is_required)
        is_header = header.isascii() and _TOKEN.fullmatch(sibling.header) is not None
        is_idle = sibling.check is Check.STRIP and is_required  # what is not looked at cannot be asked for
        if not is_header or is_idle or (sibling.check is Check.VERIFIED) != bool(sibling.expected):
            msg = f"{text!r}: expected CHECK:HEADER, or verified:HEADER=VALUE; CHECK! requires the header"
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
    shown = value[:_SHOWN].decode("ascii", "backslashreplace")
    if sibling.check is Check.VERIFIED:
        if value not in {expected.encode() for expected in sibling.expected}:
            raise Rejection(Reason.PROXY_VERIFICATION_FAILED, header=sibling.header, presented=shown)
        return
    try:
        agrees = _agrees(sibling.check, value.decode(), leaf)
    except CERTIFICATE_PARSE_ERRORS as error:
        detail = type(error).__name__ if isinstance(error, UnicodeDecodeError) else str(error)
        raise Rejection(Reason.SIBLING_MISMATCH, header=sibling.header, presented=shown, detail=detail) from error
    if not agrees:
        raise Rejection(Reason.SIBLING_MISMATCH, header=sibling.header, presented=shown)


def _agrees(check: Check, text: str, leaf: Certificate) -> bool:
    if check is Check.SHA256:
        return _digest(text) == hashlib.sha256(leaf.der).digest()
    if check is Check.SHA1:
        # As a comparison with what the product computed; nothing is trusted for its SHA-1.
        return _digest(text) == hashlib.sha1(leaf.der, usedforsecurity=False).digest()
    if check is Check.SERIAL:
        return _HEX_SERIAL.fullmatch(text) is not None and int(text.replace(":", ""), 16) == leaf.x509.serial_number
    if check is Check.SERIAL_DECIMAL:
        return _DECIMAL_SERIAL.fullmatch(text) is not None and int(text) == leaf.x509.serial_number
    # Two names agree if they have the same structure: types, values and their order, not the same text.
    name = leaf.x509.subject if check is Check.SUBJECT else leaf.x509.issuer
    return parse_distinguished_name(text) == comparable_name(name)


def _digest(text: str) -> bytes:
    """A digest from hex, with or without colons, or from base64; empty if it is neither."""
    if _HEX_DIGEST.fullmatch(text):
        return bytes.fromhex(text.replace(":", ""))
    try:
        return decode_base64(text.encode())
    except Rejection:
        return b""
