"""``decide``: the one place that knows the order of the steps. Pure: the time is an argument, nothing is fetched or logged."""

from __future__ import annotations

from dataclasses import dataclass, field
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
        Certificate,
        CertificationPath,
        ForwardedRequest,
        NameKind,
        PresentedChain,
        Principal,
        ProvenHop,
    )
    from authz_server.validation import Profile, TrustBundle


@dataclass(frozen=True, slots=True)
class Ingress:
    """One way in: the hops by which requests come (any of them), where the certificate stands, and whom it must lead to."""

    source: Source
    hops: tuple[HopPolicy, ...]
    trust: TrustBundle

    def __post_init__(self) -> None:
        """Refuse a way in that no hop could prove."""
        if not self.hops:
            msg = "an ingress needs at least one hop"
            raise ValueError(msg)

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers that the decision consumes."""
        return (*self.source.headers, *(header for hop in self.hops for header in hop.headers))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything an operator configured, parsed and immutable. One is taken for each request and passed down.

    ``revision`` names its content: the same settings and files give the same revision. ``ingresses`` are named by the
    context extension ``source_context``; one alone needs no name.
    """

    revision: str
    ingresses: Mapping[str, Ingress]
    source_context: str
    profile: Profile
    identity: NameKind
    rules: AllowList
    header_prefix: str
    anchors: tuple[Certificate, ...] = field(init=False)
    consumed_headers: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Collect what is asked of all ways in: every anchor, and the headers that no upstream may see."""
        if not self.ingresses:
            msg = "a snapshot needs at least one ingress"
            raise ValueError(msg)
        anchors = dict.fromkeys(anchor for ingress in self.ingresses.values() for anchor in ingress.trust.anchors)
        object.__setattr__(self, "anchors", tuple(anchors))
        headers = frozenset(header for ingress in self.ingresses.values() for header in ingress.headers)
        object.__setattr__(self, "consumed_headers", headers)


@dataclass(frozen=True, slots=True)
class Evidence:
    """How far the decision came: what each step established, ``None`` from the first that refused."""

    source: Source | None = None
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

    1. choose the way in; 2. prove that the request came through the trusted proxy; 3. decode the forwarded certificate;
    4. verify its path to a trust anchor; 5. work out who the client is; 6. ask the operator's rules; 7. write the identity
    headers.
    """
    source = hop = presented = path = principal = None
    try:
        ingress = _ingress(request, snapshot)  # 1
        source = ingress.source
        hop = prove_hop(request, ingress.hops, now)  # 2
        presented = presented_chain(request, source)  # 3
        path = verify_path(presented, ingress.trust, snapshot.profile, now)  # 4
        principal = identify(path, snapshot.identity)  # 5
        grant = authorize(principal, snapshot.rules)  # 6
        headers, unset = identity_headers(principal, snapshot.header_prefix)  # 7
    except Rejection as refusal:
        return Deny(refusal.reason, refusal.facts, Evidence(source, hop, presented, path, principal))
    # What Envoy did not show is not removed: its mutation rules may not allow a name that it was not told to send. An
    # injected header must never be removed as well: Envoy removes after it sets.
    consumed = dict.fromkeys(name for name, _ in request.headers if name in snapshot.consumed_headers)
    evidence = Evidence(source, hop, presented, path, principal)
    return Allow(principal, grant.rule, headers, (*consumed, *unset), evidence)


def _ingress(request: ForwardedRequest, snapshot: Snapshot) -> Ingress:
    """The way in that the request's context extension names, or the only one; never one that the request chose itself."""
    name = request.context.get(snapshot.source_context)
    if name is None:
        if len(snapshot.ingresses) > 1:
            raise Rejection(Reason.SOURCE_UNSPECIFIED, context=snapshot.source_context)
        (ingress,) = snapshot.ingresses.values()
        return ingress
    if name not in snapshot.ingresses:
        raise Rejection(Reason.SOURCE_UNKNOWN, source=name)
    return snapshot.ingresses[name]
