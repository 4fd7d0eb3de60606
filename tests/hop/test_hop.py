"""``hop/``: the proxy is proven by everything the operator asked for, or not at all."""

import hashlib
from ipaddress import ip_network
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authz_server.hop import HopPolicy, NetworkProof, PeerProof, prove_hop
from authz_server.model import Peer, ProvenHop
from authz_server.reasons import Reason, Rejection
from tests import samples
from tests.pki import NOW, alice
from tests.samples import NOBODY, PROOF, WAF, request

MARK = dict([samples.MARK])


def url_pem():
    return quote(alice().certificate_pem.decode())


def prove(proof, peer, context=None):
    return prove_hop(request(peer=peer, context=context or {}), (HopPolicy("waf", (proof,)),), NOW)


def test_everything_agrees():
    """A marked listener with the configured principal proves the hop, and the proof is named."""
    assert prove(PROOF, Peer(None, WAF, ""), MARK) == ProvenHop("waf", ("principal",))


@pytest.mark.parametrize(
    ("principal", "context", "reason"),
    [
        (WAF, {}, Reason.HOP_CONTEXT_MISMATCH),
        (WAF, {"hop": "plain"}, Reason.HOP_CONTEXT_MISMATCH),
        (WAF, {"hop": ""}, Reason.HOP_CONTEXT_MISMATCH),
        ("", MARK, Reason.HOP_PRINCIPAL_MISSING),
        (WAF + "x", MARK, Reason.HOP_PRINCIPAL_MISMATCH),  # no prefixes
        (WAF.upper(), MARK, Reason.HOP_PRINCIPAL_MISMATCH),  # no case folding
    ],
)
def test_peer_refused(principal, context, reason):
    """Without the mark, or with no or another principal, the hop is not proven."""
    with pytest.raises(Rejection) as refused:
        prove(PROOF, Peer(None, principal, ""), context)
    assert refused.value.reason is reason


@pytest.mark.parametrize("pin", ["certificate_sha256", "public_key_sha256"])
def test_pins(pin):
    """A pin must be the fingerprint of the reported certificate; none, another or an unreadable one is refused."""
    spki = alice().certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    data = alice().certificate_der if pin == "certificate_sha256" else spki
    right = PeerProof(PROOF.principals, PROOF.context, **{pin: frozenset({hashlib.sha256(data).hexdigest(), "00"})})
    wrong = PeerProof(PROOF.principals, PROOF.context, **{pin: frozenset({"00"})})
    assert prove(right, Peer(None, WAF, url_pem()), MARK).name == "waf"
    for proof, presented, reason in (
        (right, "", Reason.HOP_CERTIFICATE_MISSING),
        (wrong, url_pem(), Reason.HOP_CERTIFICATE_MISMATCH),
        (right, "junk", Reason.HOP_CERTIFICATE_MISMATCH),
    ):
        with pytest.raises(Rejection) as refused:
            prove(proof, Peer(None, WAF, presented), MARK)
        assert refused.value.reason is reason


NETWORK = NetworkProof((ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")))


@pytest.mark.parametrize("address", ["192.0.2.0", "192.0.2.255", "::ffff:192.0.2.1", "2001:db8::1"])
def test_network_inside(address):
    """An address inside, IPv4-mapped ones included, proves the hop."""
    assert prove(NETWORK, Peer(address, "", "")).proofs == ("network",)


@pytest.mark.parametrize(
    "address", ["192.0.3.0", "2001:db9::", "::ffff:192.0.3.1", None, "", "junk", "192.0.2.1:80", "192.0.2.01"]
)
def test_network_outside(address):
    """An address outside, a pipe and anything unreadable are refused."""
    with pytest.raises(Rejection) as refused:
        prove(NETWORK, Peer(address, "", ""))
    assert refused.value.reason is Reason.HOP_ADDRESS_MISMATCH
    assert refused.value.facts == {"address": address, "hop": "waf"}


def test_every_proof_is_asked_for():
    """One proof that holds does not make up for another that fails."""
    policy = (HopPolicy("waf", (PROOF, NETWORK)),)
    inside = request(peer=Peer("192.0.2.1", WAF, ""), context=MARK)
    assert prove_hop(inside, policy, NOW).proofs == ("principal", "network")
    with pytest.raises(Rejection) as refused:
        prove_hop(request(peer=Peer("198.51.100.1", WAF, ""), context=MARK), policy, NOW)
    assert refused.value.reason is Reason.HOP_ADDRESS_MISMATCH


def test_no_proof_must_be_written_down():
    """An empty list of proofs is an error, unless the operator says so; then the hop's proof says so too."""
    with pytest.raises(ValueError, match="at least one proof"):
        HopPolicy("waf", ())
    unproven = (HopPolicy("waf", (), unsafe_unproven=True),)
    assert prove_hop(request(peer=NOBODY, context={}), unproven, NOW).proofs == ("unsafe-unproven",)
