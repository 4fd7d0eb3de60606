"""The memory of fetched answers: what enters it, what takes whose place, and when it is forgotten."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from authz_server.reasons import Reason, Rejection
from authz_server.validation.revocation import FetchedAnswers, Question, RevocationData, RevocationStatus, ask, unanswered
from tests.pki import AFTER, BEFORE, NOW, SECOND, authority, certificate, client, root
from tests.validation.revocation.making import GOOD, HARD, HOUR, REVOKED, UNKNOWN, answer, crl, data, number_of, outcome

_SIGNING = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)
_NO_CHECK = (x509.OCSPNoCheck(), False)

LEAF = client()
STRANGER = authority()
QUESTION = Question.about(certificate(LEAF), certificate(root()))
SHORT = (NOW - HOUR, NOW + HOUR)


def remembered(*answers, now=NOW, policy=HARD, memory=None):
    """A memory to which these were given in turn."""
    memory = memory or FetchedAnswers()
    for each in answers:
        memory.remember(each, QUESTION, policy, now)
    return memory


def known(memory, now=NOW, policy=HARD):
    """What a request learns."""
    try:
        return ask([QUESTION], RevocationData(fetched=memory), policy, now)
    except Rejection as refused:
        return refused.reason


@pytest.mark.parametrize(
    ("status", "expected"),
    [(GOOD, RevocationStatus.GOOD), (REVOKED, Reason.CERTIFICATE_REVOKED), (UNKNOWN, Reason.REVOCATION_UNAVAILABLE)],
)
def test_counts_like_what_was_loaded(status, expected):
    """A fetched answer says what the same answer says that was loaded, without new revocation data."""
    held = answer(LEAF, status)
    memory = remembered(held)
    assert known(memory) == expected == outcome(LEAF, held)
    assert memory.answer_to(QUESTION) == held
    assert memory.size == 1


def test_beside_what_was_loaded():
    """Of a loaded and a fetched answer the worst counts, and new lists leave the memory where it is."""
    memory = remembered(answer(LEAF))
    loaded = RevocationData(answers=(answer(LEAF, REVOKED),), fetched=memory)
    assert len(loaded.answers_about(number_of(LEAF))) == 2
    assert loaded.with_crls((crl(),)).fetched is memory


@pytest.mark.parametrize(
    "wrong",
    [
        answer(LEAF, signer=STRANGER),
        answer(LEAF, issuer=STRANGER, signer=STRANGER),
        answer(LEAF, serial=number_of(LEAF) + 1),
        answer(client()),
        answer(LEAF, times=(BEFORE, NOW - SECOND)),
        answer(LEAF, times=(NOW - 25 * HOUR, None)),
    ],
    ids=["forged", "another CA's", "another serial number", "another certificate's", "over", "too old"],
)
def test_only_verified_answers_enter(wrong):
    """What is no fresh answer about this certificate by somebody who may give one does not enter."""
    memory = FetchedAnswers()
    assert not memory.remember(wrong, QUESTION, HARD, NOW)
    assert (memory.size, memory.about(wrong.serial), memory.answer_to(QUESTION)) == (0, (), None)


def test_delegate():
    """A delegate's answer enters while his certificate is valid."""
    signing = client(None, "CN=Responder", eku="none", not_after=NOW + SECOND, extensions=(_SIGNING, _NO_CHECK))
    held = answer(LEAF, signer=signing)
    assert FetchedAnswers().remember(held, QUESTION, HARD, NOW + SECOND)
    assert not FetchedAnswers().remember(held, QUESTION, HARD, NOW + 2 * SECOND)


@pytest.mark.parametrize(
    ("times", "last"),
    [(SHORT, NOW + HOUR), ((NOW - HOUR, None), NOW + 23 * HOUR)],
    ids=["nextUpdate", "no nextUpdate: a day"],
)
def test_end(times, last):
    """An answer is held to its last second and forgotten after it, when the next one comes."""
    memory = remembered(answer(LEAF, times=times))
    assert known(memory, last) == RevocationStatus.GOOD
    assert known(memory, last + SECOND) == Reason.REVOCATION_STALE
    other = client()
    question = Question.about(certificate(other), certificate(root()))
    later = answer(other, times=(NOW, AFTER + 30 * HOUR))
    memory.remember(later, question, HARD, last)
    assert memory.answer_to(QUESTION) is not None
    memory.remember(answer(other, times=(NOW + SECOND, AFTER + 30 * HOUR)), question, HARD, last + SECOND)
    assert (memory.answer_to(QUESTION), memory.size) == (None, 1)


def test_grace():
    """What the policy believes past nextUpdate is held as long; the end of time has nothing behind it."""
    policy = replace(HARD, stale_grace=HOUR)
    memory = remembered(answer(LEAF, times=SHORT), now=NOW + 2 * HOUR, policy=policy)
    assert memory.size == 1
    assert remembered(answer(LEAF, times=SHORT), now=NOW + 2 * HOUR + SECOND, policy=policy).size == 0
    end = datetime.max.replace(tzinfo=UTC)
    assert policy.believed_until(NOW, end) == end


def test_a_revocation_outlives_its_answer():
    """A revocation is held until the certificate expires, not just until nextUpdate; and a newer answer takes it back."""
    memory = remembered(answer(LEAF, REVOKED, times=SHORT))
    assert known(memory, NOW + 5 * HOUR) == Reason.CERTIFICATE_REVOKED
    remembered(memory=memory, now=NOW + 5 * HOUR)
    assert memory.size == 1
    released = answer(LEAF, times=(NOW + 5 * HOUR, AFTER))
    assert memory.remember(released, QUESTION, HARD, NOW + 5 * HOUR)
    assert known(memory, NOW + 5 * HOUR) == RevocationStatus.GOOD


def test_newer_takes_the_place():
    """A newer answer takes the place of an older one, never the other way round; of one moment the revocation stays."""
    old, new = answer(LEAF, times=SHORT), answer(LEAF, times=(NOW, AFTER))
    revoked = answer(LEAF, REVOKED, times=(NOW, AFTER))
    assert remembered(old, new).about(number_of(LEAF)) == (new,)
    assert remembered(new, old).about(number_of(LEAF)) == (new,)
    assert remembered(new, revoked).about(number_of(LEAF)) == (revoked,)
    assert remembered(revoked, new).about(number_of(LEAF)) == (revoked,)


def test_no_gap():
    """Whoever reads while a revocation is renewed sees the old one or the new one, never none."""
    times = [NOW - HOUR + timedelta(seconds=each) for each in range(200)]
    renewed = [answer(LEAF, REVOKED, times=(begin, AFTER)) for begin in times]
    memory = remembered(renewed[0])
    thread = threading.Thread(target=remembered, args=renewed, kwargs={"memory": memory})
    thread.start()
    seen = set()
    while thread.is_alive():
        seen.add(len(memory.about(number_of(LEAF))))
    thread.join()
    assert seen <= {1}
    assert memory.answer_to(QUESTION) == renewed[-1]


def test_the_end_of_what_was_replaced():
    """The end of an answer that was replaced ends nothing."""
    memory = remembered(answer(LEAF, times=SHORT), answer(LEAF, times=(NOW, AFTER)))
    other = client()
    question = Question.about(certificate(other), certificate(root()))
    assert memory.remember(answer(other, times=(NOW, AFTER)), question, HARD, NOW + 2 * HOUR)
    assert memory.size == 2


def test_bound():
    """When full, what ends first makes room; revocations stay longest. The list of ends is bounded as well."""
    memory = FetchedAnswers(2)
    leaves = [client() for _ in range(3)]
    questions = [Question.about(certificate(leaf), certificate(root())) for leaf in leaves]
    memory.remember(answer(leaves[0], REVOKED, times=(NOW, NOW + SECOND)), questions[0], HARD, NOW)
    memory.remember(answer(leaves[1], times=(NOW, NOW + 2 * HOUR)), questions[1], HARD, NOW)
    for minutes in range(9):
        renewed = answer(leaves[1], times=(NOW + timedelta(minutes=minutes), NOW + timedelta(hours=2, minutes=minutes)))
        memory.remember(renewed, questions[1], HARD, NOW)
    memory.remember(answer(leaves[2], times=(NOW, NOW + 3 * HOUR)), questions[2], HARD, NOW)
    assert [memory.answer_to(each) is not None for each in questions] == [True, False, True]
    assert memory.size == 2


def test_one_serial_number_of_two_issuers():
    """Answers about one serial number of two CAs are held apart."""
    other = STRANGER.issue("CN=alice", not_before=BEFORE, not_after=AFTER)
    memory = FetchedAnswers()
    twin = replace(Question.about(certificate(other), certificate(STRANGER)), serial=number_of(LEAF))
    assert memory.remember(answer(LEAF), QUESTION, HARD, NOW)
    assert memory.remember(answer(other, issuer=STRANGER, serial=number_of(LEAF), times=SHORT), twin, HARD, NOW)
    assert len(memory.about(number_of(LEAF))) == 2
    memory.remember(answer(client()), QUESTION, HARD, NOW)
    fresh = Question.about(certificate(LEAF), certificate(root()))
    memory.remember(answer(LEAF, times=(NOW + 2 * HOUR, AFTER)), fresh, HARD, NOW + 2 * HOUR)
    assert len(memory.about(number_of(LEAF))) == 1


@pytest.mark.parametrize(
    ("held", "is_open"),
    [
        ((), True),
        ((answer(LEAF),), False),
        ((crl(),), False),
        ((answer(LEAF, UNKNOWN),), True),
        ((answer(LEAF, times=(BEFORE, NOW - SECOND)),), True),
        ((answer(LEAF, REVOKED, times=(BEFORE, NOW - SECOND)),), False),
    ],
)
def test_unanswered(held, is_open):
    """Asked elsewhere is what nothing fresh answers; a revocation needs no second opinion."""
    assert unanswered([QUESTION], data(*held), HARD, NOW) == ([QUESTION] if is_open else [])
