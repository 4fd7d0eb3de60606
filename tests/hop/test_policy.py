"""Several hops, any of which proves a request; and when a message counts as used."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest

from authz_server.hop import HopPolicy, MacProof, NetworkProof, PeerProof, ReplayMemory, SecretProof, prove_hop
from authz_server.model import Peer, ProvenHop
from authz_server.reasons import Reason, Rejection
from tests.hop import test_mac as mac
from tests.hop.signing import NOW, SECRET, plain, proof, signed, with_headers
from tests.samples import MARK, NOBODY, WAF

PEER = PeerProof(frozenset({WAF}), MARK)
NETWORK = NetworkProof((ip_network("192.0.2.0/24"),))
REGION_A = HopPolicy("region-a", (PEER, NETWORK))


def regions(**changes):
    """Region A comes by mTLS from its network, region B with signatures."""
    return (REGION_A, HopPolicy("region-b", (proof(**changes),)))


def refusal(request, hops):
    with pytest.raises(Rejection) as refused:
        prove_hop(request, hops, NOW)
    return refused.value.reason, refused.value.facts["hop"]


def test_any_hop_proves():
    """Each region proves its own requests, whichever order they are written in."""
    from_a, from_b = plain(), signed(plain(peer=NOBODY, context={}))
    for order in (1, -1):
        hops = regions()[::order]
        assert prove_hop(from_a, hops, NOW) == ProvenHop("region-a", ("principal", "network"))
        assert prove_hop(from_b, hops, NOW) == ProvenHop("region-b", ("signature",))


def test_halves_of_two_hops_prove_nothing():
    """What holds of one hop does not fill in for what fails at another."""
    hops = (HopPolicy("a", (PEER, SecretProof("x-hop-secret", (SECRET,)))), HopPolicy("b", (NETWORK, proof())))
    elsewhere = Peer("198.51.100.1", WAF, "")
    assert refusal(signed(plain(peer=elsewhere)), hops) == (Reason.HOP_SECRET_MISSING, "a")


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (plain(peer=Peer("198.51.100.1", WAF, "")), (Reason.HOP_ADDRESS_MISMATCH, "region-a")),  # the second proof failed
        (plain(peer=NOBODY, context={}), (Reason.HOP_CONTEXT_MISMATCH, "region-a")),  # nothing held: the first written
    ],
)
def test_the_refusal_of_the_hop_that_came_furthest(request_, expected):
    """The operator reads of the hop that the request most likely came by."""
    assert refusal(request_, regions()) == expected


def test_furthest_in_any_order():
    """How far counts, not which was written first."""
    request = plain(peer=Peer("198.51.100.1", WAF, ""))
    assert refusal(request, regions()[::-1]) == (Reason.HOP_ADDRESS_MISMATCH, "region-a")


def test_replayed_is_furthest():
    """A message that was used before is refused as such, though another hop was not near."""
    hops = (*regions()[:1], HopPolicy("region-b", (proof(),)))
    request = signed(plain(peer=NOBODY, context={}))
    prove_hop(request, hops, NOW)
    assert refusal(replace(request, stream_id="2"), hops) == (Reason.HOP_REPLAYED, "region-b")


@pytest.mark.parametrize("kind", ["hmac", "signature"])
def test_one_key_in_two_hops(kind):
    """What was used at one hop or source is used at every other that has the same key."""
    memory = ReplayMemory()
    if kind == "hmac":
        one, other = (MacProof("x-hop-signature", (SECRET,), mac.COVERED, mac.Freshness(), memory) for _ in "12")
        request = mac.signed()
    else:
        one, other = (proof(memory=memory) for _ in "12")
        request = signed()
    prove_hop(request, (HopPolicy("one", (one,)),), NOW)
    again = replace(request, stream_id="2")
    assert refusal(again, (HopPolicy("other", (other,)),)) == (Reason.HOP_REPLAYED, "other")
    assert refusal(again, (HopPolicy("other", (other,)), HopPolicy("one", (one,)))) == (Reason.HOP_REPLAYED, "other")


def test_one_nonce_of_two_keys():
    """Two proxies that count their requests alike do not use up each other's nonces."""
    memory = ReplayMemory()
    for key in (SECRET, mac.OTHER):
        assert prove_hop(mac.signed(key=key), (HopPolicy(str(key), (mac.proof(key, memory=memory),)),), NOW)
    for by in ("ed25519", "hmac-sha256"):
        assert prove_hop(signed(by=by), (HopPolicy(by, (proof(by, memory=memory),)),), NOW)
    assert memory.size == 4


def test_spent_by_a_proven_hop_only():
    """A message is used up when the whole hop is proven: what fails beside it, or after it, leaves it unused."""
    memory = ReplayMemory()
    both = with_headers(mac.signed(), ("client-cert", b":Zm9v:"))
    strict = HopPolicy("strict", (mac.proof(memory=memory), NETWORK))
    elsewhere = replace(both, peer=Peer("198.51.100.1", "", ""))
    assert refusal(elsewhere, (strict,)) == (Reason.HOP_ADDRESS_MISMATCH, "strict")
    assert memory.size == 0
    loose = HopPolicy("loose", (mac.proof(memory=memory),))
    assert prove_hop(replace(elsewhere, stream_id=""), (strict, loose), NOW) == ProvenHop("loose", ("hmac",))


def test_a_retry_is_no_replay():
    """Envoy asking again about the same request gets the same answer."""
    hops = (HopPolicy("b", (proof(),)),)
    request = signed(plain(stream_id="7"))
    assert prove_hop(request, hops, NOW) == prove_hop(request, hops, NOW)
    assert refusal(replace(request, stream_id=""), hops)[0] is Reason.HOP_REPLAYED


def test_headers_of_a_hop():
    """What carries the proofs is known, so that none of it goes on."""
    every = HopPolicy("a", (PEER, NETWORK, SecretProof("x-hop-secret", (SECRET,)), mac.proof(), proof()))
    assert every.headers == ("x-hop-secret", "x-hop-signature", "signature-input", "signature")
