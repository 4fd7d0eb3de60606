"""The three encodings that the header formats are made of, each decoded exactly or refused by name.

The standard library's decoders skip what they do not know (``b64decode``, ``unquote``, every PEM loader); two parsers
that skip different things see two different certificates in one header. So nothing is skipped here.
"""

from __future__ import annotations

import binascii
import re
from functools import cache
from urllib.parse import quote, unquote_to_bytes

from authz_server.reasons import Reason, Rejection

_PERCENT_ENCODED = re.compile(rb"(?:[!-$&-~]|%[0-9A-Fa-f]{2})*")
_LINE_BREAK = rb"\r?\n"


def decode_base64(text: bytes) -> bytes:
    """Decode standard base64 (RFC 4648 §4): padded, without white space, with zero tail bits (§3.5)."""
    try:
        decoded = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise Rejection(Reason.BASE64_INVALID, detail=str(error)) from error
    if not decoded or binascii.b2a_base64(decoded, newline=False) != text:
        raise Rejection(Reason.BASE64_INVALID, detail="empty or not canonical")
    return decoded


def encode_base64(data: bytes) -> str:
    """Encode as standard padded base64 without line breaks."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def decode_percent(text: bytes) -> bytes:
    """Undo percent-encoding (RFC 3986 §2.1) once; ``+`` is a plus, and no ``%`` may be left over."""
    if not _PERCENT_ENCODED.fullmatch(text):
        raise Rejection(Reason.PERCENT_ENCODING_INVALID)
    decoded = unquote_to_bytes(text)
    if b"%" in decoded:
        # Neither PEM nor base64 holds a percent sign, so a second layer of encoding is all it can be.
        raise Rejection(Reason.PERCENT_ENCODING_DOUBLED)
    return decoded


def encode_percent(data: str, *, safe: str = "") -> str:
    """Percent-encode all but unreserved characters (RFC 3986 §2.3) and those in ``safe``."""
    return quote(data, safe=safe)


def decode_pem(text: bytes) -> tuple[bytes, ...]:
    """The DER of one or more CERTIFICATE blocks (RFC 7468 §5) and nothing else: no junk before, between or behind.

    Lines may have any length and end in LF or CRLF; the last line break may be missing.
    """
    return _decode_pem(text, _PEM_BLOCK, _LINE_BREAK)


def decode_rewritten_pem(text: bytes, line_break: bytes) -> tuple[bytes, ...]:
    """The same for PEM whose line breaks a proxy rewrote; ``line_break`` is a regular expression for what stands there now."""
    return _decode_pem(text, _pem_block(line_break), line_break)


@cache
def _pem_block(line_break: bytes) -> re.Pattern[bytes]:
    end = rb"(?:" + line_break + rb")"
    return re.compile(
        rb"-----BEGIN CERTIFICATE-----"
        + end
        + rb"((?:[A-Za-z0-9+/=]+"
        + end
        + rb")+)-----END CERTIFICATE-----(?:"
        + end
        + rb"|\Z)"
    )


_PEM_BLOCK = _pem_block(_LINE_BREAK)


def _decode_pem(text: bytes, block: re.Pattern[bytes], line_break: bytes) -> tuple[bytes, ...]:
    blocks: list[bytes] = []
    position = 0
    while position < len(text) or not blocks:
        matched = block.match(text, position)
        if matched is None:
            raise Rejection(Reason.PEM_MALFORMED, position=position)
        blocks.append(decode_base64(re.sub(line_break, b"", matched[1])))
        position = matched.end()
    return tuple(blocks)


def encode_pem(chain: tuple[bytes, ...]) -> str:
    """PEM blocks with lines of 64 characters, as OpenSSL writes them."""
    return "".join(_encode_pem_block(der) for der in chain)


def _encode_pem_block(der: bytes) -> str:
    text = encode_base64(der)
    lines = "\n".join(text[start : start + 64] for start in range(0, len(text), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"
