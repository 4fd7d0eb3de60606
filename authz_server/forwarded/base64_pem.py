"""``base64-pem``: standard base64 of PEM text, the leaf first.

Written by home-made proxies and by products that base64-encode whatever file they have; Kong's ``header-cert-auth`` names
it ``base64_encoded``. No standard describes it.
"""

from __future__ import annotations

from authz_server.forwarded.encodings import decode_base64, decode_pem, encode_base64, encode_pem


def decode_base64_pem(value: bytes) -> tuple[bytes, ...]:
    """The DER certificates of the value, in order; raises ``Rejection`` for anything but canonical base64 of PEM."""
    return decode_pem(decode_base64(value))


def encode_base64_pem(chain: tuple[bytes, ...]) -> str:
    """The value."""
    return encode_base64(encode_pem(chain).encode("ascii"))
