"""The content of a file or an answer -> CRLs, or the name of what is wrong with it."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from authz_server.refresh.refusals import Refusal, RefusedError
from authz_server.validation.revocation import parse_crl
from authz_server.validation.revocation.crl import CrlError

if TYPE_CHECKING:
    from authz_server.validation.revocation import ParsedCrl

# RFC 7468 §7, with the line breaks of any system; what stands between blocks is a comment.
_BLOCK = re.compile(rb"-----BEGIN X509 CRL-----[ \t]*\r?\n([A-Za-z0-9+/=\s]+)-----END X509 CRL-----")
_SEQUENCE = b"\x30"
_MAX_CRLS = 64


def parse_content(content: bytes) -> tuple[ParsedCrl, ...]:
    """One CRL in DER, or one or more in PEM; raises ``RefusedError``. One that cannot be used spoils all."""
    try:
        return tuple(parse_crl(der) for der in _ders(content))
    except CrlError as error:
        raise RefusedError(Refusal.CRL_UNUSABLE, str(error)[:300]) from error


def _ders(content: bytes) -> list[bytes]:
    if content.startswith(_SEQUENCE):
        return [content]
    blocks = _BLOCK.findall(content)
    # A block that is cut off or damaged must not vanish silently.
    if not blocks or len(blocks) > _MAX_CRLS or {content.count(b"-----BEGIN"), content.count(b"-----END")} != {len(blocks)}:
        raise RefusedError(Refusal.NOT_A_CRL, f"{len(content)} bytes, neither DER nor whole PEM blocks")
    try:
        return [base64.b64decode(b"".join(block.split()), validate=True) for block in blocks]
    except binascii.Error as error:
        raise RefusedError(Refusal.NOT_A_CRL, str(error)) from error
