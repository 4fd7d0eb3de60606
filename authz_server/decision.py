"""``decide``: the one place that knows the order of the steps. Pure: the time is an argument, nothing is fetched or logged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz_server.access import authorize
from authz_server.forwarded import presented_chain
from authz_server.hop import prove_hop
from authz_server.identity import identify
from authz_server.identity_headers import identity_headers
from authz_server.reasons import Fact, Reason, Rejection
from authz_server.validation import verify_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from authz_server.access import AllowList
    from authz_server.forwarded import Source
    from authz_server.hop import HopPolicy
    from authz_server.model import (
        CertificationPath,
        ForwardedRequest,
        NameKind,
        PresentedChain,
        Principal,
        ProvenHop,
    )
    from authz_server.validation import Profile, TrustBundle


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything an operator configured, parsed and immutable. One is taken for each request and passed down.

    ``revision`` names its content: the same settings and files give the same revision.
    """

    revision: str
    hop: HopPolicy
    source: Source
    trust: TrustBundle
    profile: Profile
    identity: NameKind
    rules: AllowList
    header_prefix: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """How far the decision came: what each step established, ``None`` from the first that refused."""

    hop: ProvenHop | None = None
    presented: PresentedChain | None = None
    path: CertificationPath | None = None
    principal: Principal | None = None


@dataclass(frozen=True, slots=True)
class Allow:
    """The request may pass. ``headers`` overwrite, ``headers_to_remove`` go; no name is in both."""

    principal: Principal
    rule: str
    headers: tuple[tuple[str, str], ...]
    headers_to_remove: tuple[str, ...]
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Deny:
    """The request may not pass. ``facts`` are for the operator, never for the caller."""

    reason: Reason
    facts: Mapping[str, Fact]
    evidence: Evidence = Evidence()


Decision = Allow | Deny


def decide(request: ForwardedRequest, snapshot: Snapshot, now: datetime) -> Decision:
    """Decide one request at ``now`` (aware, UTC). Total: every request gets a decision.

    1. prove that it came through the trusted proxy; 2. decode the forwarded certificate; 3. verify its path to a trust
    anchor; 4. work out who the client is; 5. ask the operator's rules; 6. write the identity headers.
    """
    hop = presented = path = principal = None
    try:
        hop = prove_hop(request, snapshot.hop)  # 1
        presented = presented_chain(request, snapshot.source)  # 2
        path = verify_path(presented, snapshot.trust, snapshot.profile, now)  # 3
        principal = identify(path, snapshot.identity)  # 4
        grant = authorize(principal, snapshot.rules)  # 5
        headers, unset = identity_headers(principal, snapshot.header_prefix)  # 6
    except Rejection as refusal:
        return Deny(refusal.reason, refusal.facts, Evidence(hop, presented, path, principal))
    # An injected header must never be removed as well: Envoy removes after it sets.
    evidence = Evidence(hop, presented, path, principal)
    return Allow(principal, grant.rule, headers, (*snapshot.source.headers, *unset), evidence)
