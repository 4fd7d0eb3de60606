"""Which proofs a hop must give, and asking for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz_server.model import ProvenHop
from authz_server.reasons import Rejection

if TYPE_CHECKING:
    from datetime import datetime

    from authz_server.hop.proof import Proof
    from authz_server.model import ForwardedRequest


@dataclass(frozen=True, slots=True)
class HopPolicy:
    """The proofs that a request from the hop ``name`` must give: all of them.

    ``unsafe_unproven`` is the operator's written word that no proof is asked for; without it an empty list is an error,
    because "all of nothing" would be true.
    """

    name: str
    proofs: tuple[Proof, ...]
    unsafe_unproven: bool = False

    def __post_init__(self) -> None:
        """Refuse a policy that would believe everybody without saying so."""
        if not self.proofs and not self.unsafe_unproven:
            msg = "a hop needs at least one proof"
            raise ValueError(msg)

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers that carry its proofs, none of which goes on to the upstream."""
        return tuple(header for proof in self.proofs for header in proof.headers)


def prove_hop(request: ForwardedRequest, hops: tuple[HopPolicy, ...], now: datetime) -> ProvenHop:
    """Prove that ``request`` came through one of ``hops``; raises ``Rejection`` of the one that came furthest.

    A message that proves one request is spent when all proofs of its hop hold, and not before: what another proof refuses
    must not use it up. Establishes that the request was sent, or vouched for, by a configured proxy. Does NOT establish that
    the proxy removed a client's own certificate header: that is the proxy's configuration.
    """
    refusals: list[tuple[int, Rejection]] = []
    for hop in hops:
        passed = 0
        uses = []
        try:
            for proof in hop.proofs:
                uses.append(proof.verify(request, now))
                passed += 1
            for use in filter(None, uses):
                use.spend(request.stream_id, now)
            return ProvenHop(hop.name, tuple(proof.kind for proof in hop.proofs) or ("unsafe-unproven",))
        except Rejection as refusal:
            refusals.append((passed, Rejection(refusal.reason, **{**refusal.facts, "hop": hop.name})))
    raise max(refusals, key=lambda refusal: refusal[0])[1]
