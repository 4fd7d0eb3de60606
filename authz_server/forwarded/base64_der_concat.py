"""``base64-der-concat``: standard base64 of DER certificates one behind the other.

Written by HAProxy for the chain without the leaf (``%[ssl_c_chain_der,base64]``) and by WebLogic's
``HttpClusterServlet`` for the chain with the leaf first. Source: HAProxy configuration manual, ``ssl_c_chain_der``.
"""

from __future__ import annotations

from authz_server.der import split_der
from authz_server.forwarded.encodings import decode_base64, encode_base64


def decode_base64_der_concat(value: bytes) -> tuple[bytes, ...]:
    """The DER certificates of the value, in order; raises ``Rejection`` for a cut one and for bytes behind the last."""
    return split_der(decode_base64(value))


def encode_base64_der_concat(chain: tuple[bytes, ...]) -> str:
    """The value as HAProxy writes it."""
    return encode_base64(b"".join(chain))
