"""The closed list of reasons why revocation data was not taken. The last good data stays in use after each of them."""

from __future__ import annotations

from enum import StrEnum, unique


@unique
class Refusal(StrEnum):
    """Why a source gave nothing new. The value is the log field, the metric label and the ``status`` in ``state.json``."""

    # Where to: decided before anything is sent.
    URL_MALFORMED = "url_malformed"
    ORIGIN_NOT_ALLOWED = "origin_not_allowed"
    NAME_UNRESOLVED = "name_unresolved"
    ADDRESS_REFUSED = "address_refused"

    # The transfer.
    CONNECT_FAILED = "connect_failed"
    TLS_FAILED = "tls_failed"
    TIMED_OUT = "timed_out"
    TOO_LARGE = "too_large"
    HTTP_STATUS = "http_status"
    REDIRECT_REFUSED = "redirect_refused"
    ANSWER_BROKEN = "answer_broken"

    # Files and folders.
    UNREADABLE = "unreadable"

    # The content.
    NOT_A_CRL = "not_a_crl"
    CRL_UNUSABLE = "crl_unusable"
    NOT_YET_VALID = "not_yet_valid"
    SIGNER_UNKNOWN = "signer_unknown"
    ROLLBACK = "rollback"
    OTHER_CRL = "other_crl"

    # An OCSP answer.
    NOT_AN_ANSWER = "not_an_answer"
    OTHER_ANSWER = "other_answer"
    NONCE_WRONG = "nonce_wrong"
    NONCE_MISSING = "nonce_missing"
    ANSWER_STALE = "answer_stale"

    # Our own folder.
    CACHE_CORRUPT = "cache_corrupt"
    CACHE_UNWRITABLE = "cache_unwritable"


class RefusedError(Exception):
    """Carries the ``Refusal``; ``detail`` is for the log, it may hold what a stranger's server said."""

    def __init__(self, refusal: Refusal, detail: str = "") -> None:
        """Refuse for ``refusal``."""
        super().__init__(f"{refusal.value}: {detail}" if detail else refusal.value)
        self.refusal = refusal
        self.detail = detail
