"""The outermost layer of DER (X.690): cutting values apart. What is in them is for ``cryptography`` to read."""

from __future__ import annotations

from authz_server.reasons import Reason, Rejection

_SEQUENCE = 0x30
_SHORT_FORM = 0x80
_LENGTH_OCTETS = (1, 2, 3)


def split_der(data: bytes) -> tuple[bytes, ...]:
    """Cut a run of DER SEQUENCEs (X.690 §8.9, §10.1) apart; every byte must belong to one."""
    elements: list[bytes] = []
    position = 0
    while position < len(data):
        if data[position] != _SEQUENCE:
            raise Rejection(Reason.CERTIFICATE_MALFORMED, position=position, detail="no SEQUENCE")
        _, end = _bounds(data, position)
        elements.append(data[position:end])
        position = end
    return tuple(elements)


def read_der(data: bytes) -> tuple[int, bytes]:
    """The tag and the content of exactly one value."""
    content, end = _bounds(data, 0)
    if end != len(data):
        raise Rejection(Reason.CERTIFICATE_MALFORMED, position=end, detail="bytes behind")
    return data[0], data[content:end]


def write_der(tag: int, content: bytes) -> bytes:
    """One value with this tag and content."""
    size = len(content)
    if size < _SHORT_FORM:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, _SHORT_FORM | len(octets)]) + octets + content


def _bounds(data: bytes, start: int) -> tuple[int, int]:
    """Where the content of the value at ``start`` begins and where it ends."""
    content = start + 2
    if len(data) < content:
        raise Rejection(Reason.CERTIFICATE_MALFORMED, position=start, detail="cut off")
    length = data[start + 1]
    if length >= _SHORT_FORM:
        octets = length - _SHORT_FORM
        encoded = data[content : content + octets]
        length = int.from_bytes(encoded, "big")
        # X.690 §10.1: the length is written in as few octets as hold it. No certificate needs more than three.
        minimal = len(encoded) == octets and octets in _LENGTH_OCTETS and encoded[0] != 0 and length >= _SHORT_FORM
        if not minimal:
            raise Rejection(Reason.CERTIFICATE_MALFORMED, position=start, detail="length not in DER")
        content += octets
    if content + length > len(data):
        raise Rejection(Reason.CERTIFICATE_MALFORMED, position=start, detail="cut off")
    return content, content + length
