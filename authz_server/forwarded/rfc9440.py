"""``rfc9440``: the Client-Cert and Client-Cert-Chain fields.

Client-Cert is a Structured Field byte sequence ``:base64(DER):`` (RFC 9440 §2.2); Client-Cert-Chain a list of those in
TLS order without the leaf (§2.3). RFC 8941 lets senders add parameters and parsers repair padding; a certificate field
needs neither, so both are refused.
"""

from __future__ import annotations

import re

from authz_server.forwarded.encodings import decode_base64, encode_base64
from authz_server.reasons import Reason, Rejection

_ITEM = rb":([A-Za-z0-9+/]+={0,2}):"
_CLIENT_CERT = re.compile(rb" *" + _ITEM + rb" *")
_LIST_SEPARATOR = re.compile(rb"[ \t]*,[ \t]*")


def decode_client_cert(value: bytes) -> bytes:
    """The DER of the one byte sequence that Client-Cert is."""
    item = _CLIENT_CERT.fullmatch(value)
    if item is None:
        raise Rejection(Reason.STRUCTURED_FIELD_MALFORMED)
    return decode_base64(item[1])


def decode_client_cert_chain(value: bytes) -> tuple[bytes, ...]:
    """The DER of each member of Client-Cert-Chain, in order; the lines of a split field must be joined with ``,``."""
    # RFC 9110 §5.6.1 list syntax; base64 and colons hold no comma, so the split is exact.
    return tuple(decode_client_cert(member) for member in _LIST_SEPARATOR.split(value.strip(b" \t")))


def encode_client_cert(der: bytes) -> str:
    """Client-Cert as RFC 9440 §2.2 writes it."""
    return f":{encode_base64(der)}:"


def encode_client_cert_chain(chain: tuple[bytes, ...]) -> str:
    """Client-Cert-Chain as RFC 9440 §2.3 writes it."""
    return ", ".join(encode_client_cert(der) for der in chain)
