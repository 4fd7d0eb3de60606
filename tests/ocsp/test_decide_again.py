"""Deciding again after a responder was asked."""

from __future__ import annotations

import pytest

from authz_server.decision import Allow, decide, decide_again
from authz_server.reasons import Reason
from authz_server.validation import RevocationData, RevocationStatus
from authz_server.validation.revocation import FetchedAnswers, Question
from tests.pki import NOW, certificate, client, root
from tests.samples import request, showing, snapshot
from tests.validation.revocation.making import HARD, REVOKED, SOFT, answer


@pytest.mark.parametrize("mode", [HARD, SOFT], ids=["hard", "soft"])
def test_decide_again(mode):
    """Once more is known, the decision is made anew from the path on, with the hop as it was proven."""
    memory = FetchedAnswers()
    state = snapshot(policy=mode, revocation=RevocationData(fetched=memory))
    leaf = client()
    shown = showing(leaf)
    first = decide(shown, state, NOW)
    assert decide_again(shown, first, state, NOW) == first
    question = Question.about(certificate(leaf), certificate(root()))
    memory.remember(answer(leaf), question, HARD, NOW)
    again = decide_again(shown, first, state, NOW)
    assert isinstance(again, Allow)
    assert again.evidence.revocation is RevocationStatus.GOOD
    assert (again.evidence.hop, again.evidence.path) == (first.evidence.hop, first.evidence.path)
    memory.remember(answer(leaf, REVOKED), question, HARD, NOW)
    assert decide_again(shown, first, state, NOW).reason is Reason.CERTIFICATE_REVOKED


def test_decide_again_without_a_path():
    """Where no path was verified nothing that is known about revocation changes the decision."""
    decision = decide(request(), snapshot(), NOW)
    assert decide_again(request(), decision, snapshot(), NOW) is decision
