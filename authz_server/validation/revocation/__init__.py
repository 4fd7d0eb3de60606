"""Is anything on a certification path revoked? CRLs (RFC 5280 §5, §6.3) and OCSP answers (RFC 6960) that were loaded before.

This room never fetches and never waits: it looks things up in ``RevocationData``, which an edge fills and swaps whole, but
for the memory of fetched answers in it.
"""

from authz_server.validation.revocation.check import (
    RevocationMode,
    RevocationPolicy,
    RevocationStatus,
    ask,
    check_revocation,
    unanswered,
)
from authz_server.validation.revocation.crl import CrlError, ParsedCrl, parse_crl
from authz_server.validation.revocation.data import RevocationData
from authz_server.validation.revocation.fetched import FetchedAnswers
from authz_server.validation.revocation.index import CrlIndex
from authz_server.validation.revocation.ocsp import OcspAnswer, OcspError, parse_ocsp
from authz_server.validation.revocation.online import OcspMode, OcspPolicy
from authz_server.validation.revocation.question import Question, questions_about

__all__ = [
    "CrlError",
    "CrlIndex",
    "FetchedAnswers",
    "OcspAnswer",
    "OcspError",
    "OcspMode",
    "OcspPolicy",
    "ParsedCrl",
    "Question",
    "RevocationData",
    "RevocationMode",
    "RevocationPolicy",
    "RevocationStatus",
    "ask",
    "check_revocation",
    "parse_crl",
    "parse_ocsp",
    "questions_about",
    "unanswered",
]
