"""Which proofs a hop must give, and asking for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz_server.model import ProvenHop

if TYPE_CHECKING:
    from authz_server.hop.network import NetworkProof
    from authz_server.hop.peer import PeerProof
    from authz_server.model import ForwardedRequest


@dataclass(frozen=True, slots=True)
class HopPolicy:
    """The proofs that a request from the hop ``name`` must give: all of them.

    ``unsafe_unproven`` is the operator's written word that no proof is asked for; without it an empty list is an error,
    because "all of nothing" would be true.
    """

    name: str
    proofs: tuple[PeerProof | NetworkProof, ...]
    unsafe_unproven: bool = False

    def __post_init__(self) -> None:
        """Refuse a policy that would believe everybody without saying so."""
        if not self.proofs and not self.unsafe_unproven:
            msg = "a hop needs at least one proof"
            raise ValueError(msg)


def prove_hop(request: ForwardedRequest, policy: HopPolicy) -> ProvenHop:
    """Prove that ``request`` came through the hop; raises ``Rejection`` naming the first proof that failed.

    Establishes that Envoy's direct peer is the configured proxy. Does NOT establish that the proxy removed a client's own
    certificate header: that is the proxy's configuration.
    """
    for proof in policy.proofs:
        proof.verify(request)
    return ProvenHop(policy.name, tuple(proof.kind for proof in policy.proofs) or ("unsafe-unproven",))
