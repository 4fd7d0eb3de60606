"""The content of a file or an answer -> CRLs, or the name of what is wrong with it."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from cryptography import x509

from authz_server.model import CERTIFICATE_PARSE_ERRORS
from authz_server.refresh.refusals import Refusal, RefusedError
from authz_server.validation.revocation import parse_crl
from authz_server.validation.revocation.signature import DetachedSignature

if TYPE_CHECKING:
    from authz_server.refresh.acceptance import Authorities
    from authz_server.validation.revocation import ParsedCrl

# RFC 7468 §7, with the line breaks of any system; what stands between blocks is a comment.
_BLOCK = re.compile(rb"-----BEGIN X509 CRL-----[ \t]*\r?\n([A-Za-z0-9+/=\s]+)-----END X509 CRL-----")
_SEQUENCE = b"\x30"
_MAX_CRLS = 64


def parse_content(content: bytes, authorities: Authorities | None = None) -> tuple[ParsedCrl, ...]:
    """One CRL in DER, or one or more in PEM; raises ``RefusedError``. One that cannot be used spoils all.

    With ``authorities`` nothing but the signature is looked at before it is known to be one of theirs: reading millions of
    entries costs seconds and hundreds of megabytes.
    """
    ders = _ders(content)
    try:
        if authorities is not None:
            for der in ders:
                _refuse_strangers(x509.load_der_x509_crl(der), authorities)
        return tuple(map(parse_crl, ders))
    except CERTIFICATE_PARSE_ERRORS as error:  # CrlError is a ValueError
        raise RefusedError(Refusal.CRL_UNUSABLE, str(error)[:300]) from error


def _refuse_strangers(crl: x509.CertificateRevocationList, authorities: Authorities) -> None:
    signature = DetachedSignature.over(
        crl.tbs_certlist_bytes, crl.signature, crl.signature_hash_algorithm, crl.signature_algorithm_parameters
    )
    if not authorities.have_made(crl.issuer.public_bytes(), signature):
        raise RefusedError(Refusal.SIGNER_UNKNOWN, f"issuer {crl.issuer.public_bytes().hex()[:64]}")


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
