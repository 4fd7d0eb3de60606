"""``base64-der-concat``: standard base64 of DER certificates one behind the other.

Written by HAProxy for the chain without the leaf (``%[ssl_c_chain_der,base64]``) and by WebLogic's
``HttpClusterServlet`` for the chain with the leaf first. Source: HAProxy configuration manual, ``ssl_c_chain_der``.
"""

from __future__ import annotations

from authz_server.forwarded.encodings import decode_base64, encode_base64
from authz_server.reasons import Reason, Rejection

_SEQUENCE = 0x30
_SHORT_FORM = 0x80
_LENGTH_OCTETS = (1, 2, 3)


def decode_base64_der_concat(value: bytes) -> tuple[bytes, ...]:
    """The DER certificates of the value, in order; raises ``Rejection`` for a cut one and for bytes behind the last."""
    return split_der(decode_base64(value))


def split_der(data: bytes) -> tuple[bytes, ...]:
    """Cut a run of DER SEQUENCEs (X.690 §8.1.3, §10.1) apart; every byte must belong to one."""
    elements: list[bytes] = []
    position = 0
    while position < len(data):
        end = _end_of_sequence(data, position)
        elements.append(data[position:end])
        position = end
    return tuple(elements)


def _end_of_sequence(data: bytes, start: int) -> int:
    header = start + 2
    if len(data) < header or data[start] != _SEQUENCE:
        raise Rejection(Reason.CERTIFICATE_MALFORMED, position=start, detail="no SEQUENCE")
    length = data[start + 1]
    if length >= _SHORT_FORM:
        octets = length - _SHORT_FORM
        encoded = data[header : header + octets]
        length = int.from_bytes(encoded, "big")
        # X.690 §10.1: the length is written in as few octets as hold it. No certificate needs more than three.
        minimal = len(encoded) == octets and octets in _LENGTH_OCTETS and encoded[0] != 0 and length >= _SHORT_FORM
        if not minimal:
            raise Rejection(Reason.CERTIFICATE_MALFORMED, position=start, detail="length not in DER")
        header += octets
    if header + length > len(data):
        raise Rejection(Reason.CERTIFICATE_MALFORMED, position=start, detail="cut off")
    return header + length


def encode_base64_der_concat(chain: tuple[bytes, ...]) -> str:
    """The value as HAProxy writes it."""
    return encode_base64(b"".join(chain))
