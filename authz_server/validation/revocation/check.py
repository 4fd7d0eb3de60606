"""Asking about every certificate of a verified path, and what follows from the answer in each mode.

What counts:

1. A revocation counts from every list and answer that is about the certificate and by its issuer, however old that is:
   the worst wins. Times only decide what may be believed to be good.
2. A list is dropped for a newer complete one of the same scope. Otherwise an entry is taken back only by a fresh delta CRL
   that names it with removeFromCRL (RFC 5280 §5.2.4, §5.3.1).
3. Good is what a fresh answer says, or what fresh lists say together for every reason (§6.3.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from authz_server.reasons import Reason, Rejection
from authz_server.validation.revocation.ocsp import OcspStatus
from authz_server.validation.revocation.points import ALL_REASONS
from authz_server.validation.revocation.question import questions_about

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authz_server.model import CertificationPath
    from authz_server.validation.revocation.data import RevocationData
    from authz_server.validation.revocation.index import CrlIndex, Scope
    from authz_server.validation.revocation.question import Question


_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


class RevocationMode(StrEnum):
    """What follows when nothing fresh is known about a certificate: ``off`` does not ask, ``soft`` allows, ``hard`` refuses."""

    OFF = "off"
    SOFT = "soft"
    HARD = "hard"


class RevocationStatus(StrEnum):
    """What is known about a whole path that nothing revoked."""

    NOT_CHECKED = "not-checked"
    GOOD = "good"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RevocationPolicy:
    """``stale_grace`` is how long past nextUpdate data is still believed; ``clock_skew`` how far in the future it may begin.

    ``max_age`` bounds OCSP answers without nextUpdate.
    """

    mode: RevocationMode = RevocationMode.OFF
    stale_grace: timedelta = timedelta(0)
    clock_skew: timedelta = timedelta(seconds=60)
    max_age: timedelta = timedelta(hours=24)

    def has_begun(self, this_update: datetime, now: datetime) -> bool:
        """Whether thisUpdate is not in the future (RFC 6960 §3.2 (5))."""
        return this_update <= now + self.clock_skew

    def is_fresh(self, this_update: datetime, next_update: datetime | None, now: datetime) -> bool:
        """Whether data of these times may be believed at ``now``."""
        # Reckoned back from now: a nextUpdate in the year 9999 leaves no room behind it.
        since = now - self.stale_grace
        is_over = next_update < since if next_update is not None else this_update < since - self.max_age
        return self.has_begun(this_update, now) and not is_over

    def believed_until(self, this_update: datetime, next_update: datetime | None) -> datetime:
        """The last moment at which ``is_fresh`` believes data of these times."""
        end = next_update if next_update is not None else this_update + self.max_age
        # A nextUpdate in the year 9999 leaves no room behind it.
        return end + min(self.stale_grace, _END_OF_TIME - end)


class _Known(IntEnum):
    """What one source knows; of several sources the lowest counts."""

    REVOKED = 0
    GOOD = 1
    STALE = 2
    NOTHING = 3


def check_revocation(path: CertificationPath, data: RevocationData, policy: RevocationPolicy, now: datetime) -> RevocationStatus:
    """What is known at ``now`` about every certificate of ``path`` but the anchor; raises ``Rejection`` if one is revoked.

    RFC 5280 §6.3.3 and RFC 6960 §3.2. Where nothing fresh is known, ``hard`` raises ``Rejection`` as well, with a reason
    that is our fault and not the client's.
    """
    if policy.mode is RevocationMode.OFF:
        return RevocationStatus.NOT_CHECKED
    return ask(questions_about(path), data, policy, now)


def ask(questions: Sequence[Question], data: RevocationData, policy: RevocationPolicy, now: datetime) -> RevocationStatus:
    """``check_revocation`` with questions that were taken out of the path before, and a policy that is not ``off``."""
    now = now.replace(microsecond=0)  # RFC 5280 §5.1.2.4: times are in whole seconds, and nextUpdate is still inside
    answers = [(question, _ask(question, data, policy, now)) for question in questions]
    # A revocation anywhere on the path comes before our not knowing about another certificate.
    for number, (question, known) in enumerate(answers):
        if known is _Known.REVOKED:
            reason = Reason.ISSUER_REVOKED if number else Reason.CERTIFICATE_REVOKED
            raise Rejection(reason, sha256=question.certificate.sha256, serial=f"{question.serial:x}")
    for question, known in answers:
        if known is not _Known.GOOD and policy.mode is RevocationMode.HARD:
            reason = Reason.REVOCATION_STALE if known is _Known.STALE else Reason.REVOCATION_UNAVAILABLE
            issuer = question.issuer.x509.subject.rfc4514_string()
            raise Rejection(reason, sha256=question.certificate.sha256, issuer=issuer)
    is_good = all(known is _Known.GOOD for _, known in answers)
    return RevocationStatus.GOOD if is_good else RevocationStatus.UNKNOWN


def unanswered(questions: Sequence[Question], data: RevocationData, policy: RevocationPolicy, now: datetime) -> list[Question]:
    """Those of ``questions`` to which nothing fresh answers: whether they are revoked or good is to be asked elsewhere."""
    now = now.replace(microsecond=0)
    return [question for question in questions if _ask(question, data, policy, now) in {_Known.STALE, _Known.NOTHING}]


def _ask(question: Question, data: RevocationData, policy: RevocationPolicy, now: datetime) -> _Known:
    promised = _Known.GOOD if question.needs_no_answer else _Known.NOTHING
    return min(promised, _ask_answers(question, data, policy, now), _ask_lists(question, data, policy, now))


def _ask_answers(question: Question, data: RevocationData, policy: RevocationPolicy, now: datetime) -> _Known:
    """RFC 6960 §3.2. Of several answers the worst counts; a fresh ``unknown`` (§2.2) is worse than ``good``."""
    fresh: set[OcspStatus] = set()
    is_stale = False
    for answer in data.answers_about(question.serial):
        signers = answer.signers(question)
        if signers and answer.status is OcspStatus.REVOKED:
            return _Known.REVOKED
        if not policy.has_begun(answer.this_update, now) or not any(signer.is_valid(now) for signer in signers):
            continue
        if policy.is_fresh(answer.this_update, answer.next_update, now):
            fresh.add(answer.status)
        else:
            is_stale |= answer.status is OcspStatus.GOOD
    if fresh == {OcspStatus.GOOD}:
        return _Known.GOOD
    return _Known.STALE if is_stale and not fresh else _Known.NOTHING


def _ask_lists(question: Question, data: RevocationData, policy: RevocationPolicy, now: datetime) -> _Known:
    """RFC 5280 §6.3.3, with every list at once instead of one distribution point after the other."""
    lists = _current([crl for crl in data.crls_of(question.issuer_name) if _is_usable(crl, question)], policy, now)
    deltas = [crl for crl in lists if crl.base_number is not None and policy.is_fresh(crl.this_update, crl.next_update, now)]
    reasons: frozenset[str] = frozenset()
    is_stale = False
    for crl in lists:
        updates = [delta for delta in deltas if delta.updates(crl)]
        if crl.serials.find(question.serial) and not any(delta.serials.find(question.serial) is False for delta in updates):
            return _Known.REVOKED
        if crl.base_number is None and policy.has_begun(crl.this_update, now):
            if updates or policy.is_fresh(crl.this_update, crl.next_update, now):
                # §6.3.3 (a) (1): a fresh delta brings a stale list up to date
                reasons |= question.reasons_answered_by(crl.scope)
            else:
                is_stale = True
    if reasons == ALL_REASONS:
        return _Known.GOOD
    return _Known.STALE if is_stale else _Known.NOTHING


def _is_usable(crl: CrlIndex, question: Question) -> bool:
    """RFC 5280 §6.3.3 (b), (f), (g): it speaks of this certificate, and its issuer's key signed it."""
    return question.is_answered_by(crl.scope) and question.signs_lists and crl.is_by(question.issuer_key, question.issuer_spki)


def _current(lists: list[CrlIndex], policy: RevocationPolicy, now: datetime) -> list[CrlIndex]:
    """Without those that a newer complete list of the same scope replaced."""
    newest: dict[Scope, CrlIndex] = {}
    for crl in lists:
        is_complete = crl.base_number is None and policy.has_begun(crl.this_update, now)
        if is_complete and (crl.scope not in newest or crl.is_newer_than(newest[crl.scope])):
            newest[crl.scope] = crl
    return [crl for crl in lists if crl.scope not in newest or not newest[crl.scope].is_newer_than(crl)]
