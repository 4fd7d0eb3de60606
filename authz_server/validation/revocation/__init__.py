"""Is anything on a certification path revoked? CRLs (RFC 5280 §5, §6.3) and OCSP answers (RFC 6960) that were loaded before.

This room never fetches and never waits: it looks things up in ``RevocationData``, which an edge fills and swaps whole.
"""

from authz_server.validation.revocation.check import RevocationMode, RevocationPolicy, RevocationStatus, check_revocation
from authz_server.validation.revocation.crl import ParsedCrl, parse_crl
from authz_server.validation.revocation.data import RevocationData
from authz_server.validation.revocation.index import CrlIndex
from authz_server.validation.revocation.ocsp import OcspAnswer, parse_ocsp

__all__ = [
    "CrlIndex",
    "OcspAnswer",
    "ParsedCrl",
    "RevocationData",
    "RevocationMode",
    "RevocationPolicy",
    "RevocationStatus",
    "check_revocation",
    "parse_crl",
    "parse_ocsp",
]
