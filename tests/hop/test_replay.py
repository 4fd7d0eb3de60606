"""What is fresh, and what was used."""

from __future__ import annotations

import sys
import threading
from datetime import timedelta

import pytest

from authz_server.hop import Freshness, ReplayMemory
from authz_server.reasons import Reason, Rejection
from tests.pki import NOW

SECOND = timedelta(seconds=1)
CREATED = int(NOW.timestamp())


def refusal(memory, nonce="n", *, scope="s", stream="", until=NOW + 30 * SECOND, now=NOW):
    """The reason for which a use is refused, or ``None``."""
    try:
        memory.remember(scope, nonce, stream, until=until, now=now)
    except Rejection as refused:
        return refused.reason
    return None


@pytest.mark.parametrize(
    ("age", "skew", "after", "reason"),
    [
        (30, 5, -5, None),
        (30, 5, -6, Reason.HOP_SIGNATURE_FUTURE),
        (30, 5, 35, None),
        (30, 5, 36, Reason.HOP_SIGNATURE_EXPIRED),
        (30, 0, 0, None),
        (30, 0, -1, Reason.HOP_SIGNATURE_FUTURE),
        (30, 0, 30, None),
        (30, 0, 31, Reason.HOP_SIGNATURE_EXPIRED),
    ],
)
def test_window(age, skew, after, reason):
    """Fresh from the skew before it was made to the skew after its age, both included."""
    freshness = Freshness(age * SECOND, skew * SECOND)
    for fraction in (timedelta(), timedelta(microseconds=1) * (1 if after > 0 else -1)):
        now = NOW + after * SECOND + fraction
        expected = reason
        if fraction and reason is None and after in {-skew, age + skew}:  # a microsecond beyond the edge
            expected = Reason.HOP_SIGNATURE_EXPIRED if after > 0 else Reason.HOP_SIGNATURE_FUTURE
        try:
            until, refused = freshness.verify(CREATED, now), None
            assert until == NOW + (age + skew) * SECOND
        except Rejection as rejection:
            refused = rejection.reason
        assert refused is expected


def test_used_twice():
    """The second use is a replay, until the message is stale and a while longer."""
    memory = ReplayMemory()
    assert refusal(memory) is None
    for seconds in (0, 30, 41):  # it ends at 30, in the course of that second, and is kept for ten more
        assert refusal(memory, now=NOW + seconds * SECOND) is Reason.HOP_REPLAYED
    assert refusal(memory, now=NOW + 42 * SECOND) is None


def test_clock_set_back():
    """A message that is fresh again because the clock was set back a little is still known."""
    memory = ReplayMemory()
    assert refusal(memory) is None
    assert refusal(memory, "other", now=NOW + 40 * SECOND) is None
    assert refusal(memory, now=NOW + 30 * SECOND) is Reason.HOP_REPLAYED


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ("1", "1", None),  # Envoy asks again
        ("1", "2", Reason.HOP_REPLAYED),
        ("", "", Reason.HOP_REPLAYED),  # no number is no sign of a retry
        ("1", "", Reason.HOP_REPLAYED),
        ("", "1", Reason.HOP_REPLAYED),
    ],
)
def test_streams(first, second, reason):
    """Only Envoy's own number of the request tells a retry from a replay."""
    memory = ReplayMemory()
    assert refusal(memory, stream=first) is None
    assert refusal(memory, stream=second) is reason
    assert memory.size == 1


def test_scopes():
    """Nonces of one key are nothing to another's, and no scope and nonce run into each other."""
    memory = ReplayMemory()
    for scope, nonce in (("a", "n"), ("b", "n"), ("a", "m"), ("ab", ""), ("a", "bn")):
        assert refusal(memory, nonce, scope=scope) is None
    assert memory.size == 5


def test_full():
    """What does not fit is refused by our own fault, never let through; room comes with time, in whatever order they end."""
    memory = ReplayMemory(limit=3)
    ends = {"long": 3600, "short": 1, "shorter": 0}
    for nonce, seconds in ends.items():
        assert refusal(memory, nonce, until=NOW + seconds * SECOND) is None
    assert refusal(memory, "more") is Reason.HOP_REPLAY_MEMORY_FULL
    assert refusal(memory, "long") is Reason.HOP_REPLAYED  # still told apart
    assert Reason.HOP_REPLAY_MEMORY_FULL.is_our_fault
    later = NOW + 13 * SECOND
    assert refusal(memory, "more", until=later + SECOND, now=later) is None
    assert memory.size == 2  # the long one does not keep the others


def test_an_empty_memory_is_one():
    """``memory or …`` must not take an empty memory for none, which would forget everything at a reload."""
    assert ReplayMemory()


def test_threads():
    """Of many threads that show one message at once, one is believed."""
    memory, barrier, accepted = ReplayMemory(), threading.Barrier(8), []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def show():
        for number in range(300):
            barrier.wait()
            if refusal(memory, str(number)) is None:
                accepted.append(number)

    threads = [threading.Thread(target=show) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    assert sorted(accepted) == list(range(300))
