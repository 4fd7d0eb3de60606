"""The fuzzer's own properties, held for its seeds: what it starts from is right, and it would see what is wrong."""

import pytest

from authz_server.decision import Allow
from authz_server.ext_authz import decide_check
from authz_server.forwarded import Format
from tests.forwarded.writers import WRITERS
from tests.fuzz import properties
from tests.fuzz.properties import SNAPSHOT, SOURCES, check_request, external_auth_pb2, hold, seeds
from tests.pki import NOW, alice, bob, presented

SEEDS = seeds()


@pytest.mark.parametrize("seed", SEEDS, ids=range(len(SEEDS)))
def test_seeds(seed):
    """Whole, cut and with a byte changed, every seed comes to a value that is read back or to a refusal."""
    for damaged in (seed, seed[: len(seed) // 2], seed[:-1], seed[:99] + b"\xff" + seed[100:], seed[:200] + b"=" + seed[201:]):
        hold(damaged)


def test_every_way_in():
    """There is a seed for every format, with and without a chain header, for names and for whole requests."""
    assert {seed[0] for seed in SEEDS} == set(range(len(SOURCES) + 2))
    hold(b"")


def test_a_seed_is_allowed():
    """The request that whole-request inputs start from is allowed, so that mutation tries the edge of it."""
    message = external_auth_pb2.CheckRequest()
    message.ParseFromString(check_request(WRITERS[Format.BASE64_DER_LIST](alice().chain_der)))
    _, decision = decide_check(message, SNAPSHOT, NOW)
    assert isinstance(decision, Allow)


def test_a_bug_would_show(monkeypatch):
    """A decoder that crashes, and one that gives another chain than was written, fail the property."""
    value = bytes([SOURCES.index(next(each for each in SOURCES if each.format is Format.URL_PEM))]) + b"x"
    monkeypatch.setattr(properties, "decode_chain", lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        hold(value)
    chains = iter((presented(alice()), presented(bob())))
    monkeypatch.setattr(properties, "decode_chain", lambda *_: next(chains))
    with pytest.raises(AssertionError):
        hold(value)
