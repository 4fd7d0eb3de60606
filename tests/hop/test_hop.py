"""Proof of the hop."""

from __future__ import annotations

import hashlib
from ipaddress import ip_network
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authz_server.hop import HopPolicy, NetworkProof, PeerProof, prove_hop
from authz_server.model import Peer
from authz_server.reasons import Reason, Rejection
from tests.pki import ALICE, request

WAF = "spiffe://lab/waf"
PIN = hashlib.sha256(ALICE.certificate_der).hexdigest()
SPKI = hashlib.sha256(ALICE.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
SHOWN = quote(ALICE.certificate_pem.decode(), safe="")
PEER = PeerProof(frozenset({WAF}), ("hop", "mtls"))
PINNED = PeerProof(frozenset({WAF}), ("hop", "mtls"), frozenset({PIN}), frozenset({SPKI}))
WRONG = PeerProof(frozenset({WAF}), ("hop", "mtls"), frozenset({SPKI}))
WRONG_KEY = PeerProof(frozenset({WAF}), ("hop", "mtls"), public_key_sha256=frozenset({PIN}))
NETWORK = NetworkProof((ip_network("10.0.0.0/24"), ip_network("2001:db8::/32")))


@pytest.mark.parametrize(
    ("proofs", "peer"),
    [
        ((PEER,), Peer(None, WAF, "")),
        ((PINNED,), Peer(None, WAF, SHOWN)),
        ((NETWORK,), Peer("10.0.0.255", "", "")),
        ((NETWORK,), Peer("2001:db8::1", "", "")),
        ((NETWORK,), Peer("::ffff:10.0.0.1", "", "")),  # an IPv4 peer of a dual-stack listener
        ((PEER, NETWORK), Peer("10.0.0.1", WAF, "")),
    ],
)
def test_proven(proofs, peer):
    """A request that gives every proof comes through the hop, and the proofs are named."""
    hop = prove_hop(request(peer=peer), HopPolicy("waf", proofs))

    assert hop.proofs == tuple(proof.kind for proof in proofs)


@pytest.mark.parametrize(
    ("proofs", "peer", "context", "reason"),
    [
        ((PEER,), Peer(None, "", ""), {"hop": "mtls"}, Reason.HOP_PRINCIPAL_MISSING),
        ((PEER,), Peer(None, "spiffe://lab/waf2", ""), {"hop": "mtls"}, Reason.HOP_PRINCIPAL_MISMATCH),
        ((PEER,), Peer(None, WAF, ""), {}, Reason.HOP_CONTEXT_MISMATCH),
        ((PEER,), Peer(None, WAF, ""), {"hop": "subnet"}, Reason.HOP_CONTEXT_MISMATCH),
        ((PINNED,), Peer(None, WAF, ""), {"hop": "mtls"}, Reason.HOP_CERTIFICATE_MISSING),
        ((PINNED,), Peer(None, WAF, "junk"), {"hop": "mtls"}, Reason.HOP_CERTIFICATE_MISMATCH),
        ((WRONG,), Peer(None, WAF, SHOWN), {"hop": "mtls"}, Reason.HOP_CERTIFICATE_MISMATCH),
        ((WRONG_KEY,), Peer(None, WAF, SHOWN), {"hop": "mtls"}, Reason.HOP_CERTIFICATE_MISMATCH),
        ((NETWORK,), Peer("10.0.1.0", WAF, ""), {}, Reason.HOP_ADDRESS_MISMATCH),
        ((NETWORK,), Peer(None, WAF, ""), {}, Reason.HOP_ADDRESS_MISMATCH),  # a pipe has no address
        ((NETWORK,), Peer("10.0.0.1.evil", WAF, ""), {}, Reason.HOP_ADDRESS_MISMATCH),
        ((PEER, NETWORK), Peer("10.9.9.9", WAF, ""), {"hop": "mtls"}, Reason.HOP_ADDRESS_MISMATCH),
    ],
)
def test_refused(proofs, peer, context, reason):
    """One proof that fails is enough to refuse, by its own name."""
    with pytest.raises(Rejection) as refused:
        prove_hop(request(peer=peer, context=context), HopPolicy("waf", proofs))

    assert refused.value.reason is reason


def test_no_proof_is_an_error():
    """A hop without proofs cannot be built unless the operator writes `unsafe`."""
    with pytest.raises(ValueError, match="at least one proof"):
        HopPolicy("waf", ())
    assert prove_hop(request(), HopPolicy("waf", (), unsafe_unproven=True)).proofs == ("unsafe-unproven",)
