"""Was this request sent by the trusted proxy? Nothing else is looked at before the answer is yes.

A certificate is public, so a header that holds one proves nothing. What this room proves is the way the request came;
who the client is, is for the rooms behind it.
"""

from authz_server.hop.mac import MacProof
from authz_server.hop.network import NetworkProof
from authz_server.hop.peer import PeerProof
from authz_server.hop.policy import HopPolicy, prove_hop
from authz_server.hop.proof import Proof
from authz_server.hop.replay import Freshness, ReplayMemory
from authz_server.hop.secret import SecretProof
from authz_server.hop.signature import Key, SignatureProof

__all__ = [
    "Freshness",
    "HopPolicy",
    "Key",
    "MacProof",
    "NetworkProof",
    "PeerProof",
    "Proof",
    "ReplayMemory",
    "SecretProof",
    "SignatureProof",
    "prove_hop",
]
