"""``decide``: the one place that knows the order of the steps. Pure: the time is an argument, nothing is fetched or logged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authz_server.access import authorize
from authz_server.forwarded import presented_chain
from authz_server.hop import prove_hop
from authz_server.identity import identify
from authz_server.identity_headers import identity_headers, refuse_aliases
from authz_server.reasons import Fact, Reason, Rejection
from authz_server.validation import (
    Denylist,
    OcspPolicy,
    RevocationData,
    RevocationStatus,
    check_denylist,
    check_revocation,
    presented_trust_domain,
    verify_path,
)

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
    from authz_server.validation import Profile, RevocationPolicy, Trust


@dataclass(frozen=True, slots=True)
class TrustDomain:
    """Whom certificates must lead to, and all that depends on it. Never merged with another.

    ``spiffe_trust_domain`` is what certificates claim that belong here where a way in has several; empty for none.
    """

    name: str
    trust: Trust
    profile: Profile
    identity: NameKind
    revocation: RevocationPolicy
    spiffe_trust_domain: str = ""
    ocsp: OcspPolicy = field(default_factory=OcspPolicy)


@dataclass(frozen=True, slots=True)
class Ingress:
    """One way in: where the certificate stands, the hops by which requests come, and the domains clients may belong to."""

    source: Source
    hops: tuple[HopPolicy, ...]
    domains: tuple[TrustDomain, ...]

    def __post_init__(self) -> None:
        """Refuse a way in that no hop could prove, or that trusts nobody."""
        if not self.hops or not self.domains:
            msg = "an ingress needs at least one hop and one trust domain"
            raise ValueError(msg)

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers that the decision consumes."""
        return (*self.source.headers, *(header for hop in self.hops for header in hop.headers))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything an operator configured, parsed and immutable. One is taken for each request and passed down.

    ``revision`` names its content: the same settings and files give the same revision. ``ingresses`` are named by the
    context extension ``source_context``; one alone needs no name. ``trust_domain_context`` is the one that names a trust
    domain. ``revocation`` is replaced whenever there is something new, and is no part of the revision.
    """

    revision: str
    ingresses: Mapping[str, Ingress]
    source_context: str
    trust_domain_context: str
    rules: AllowList
    header_prefix: str
    denylist: Denylist = field(default_factory=Denylist)
    revocation: RevocationData = field(default_factory=RevocationData, repr=False, compare=False)
    anchors: tuple[Certificate, ...] = field(init=False)
    spiffe_trust_domains: frozenset[str] = field(init=False)
    consumed_headers: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Collect what is asked of all ways in: every anchor, and the headers that no upstream may see."""
        if not self.ingresses:
            msg = "a snapshot needs at least one ingress"
            raise ValueError(msg)
        domains = [domain for ingress in self.ingresses.values() for domain in ingress.domains]
        anchors = dict.fromkeys(anchor for trust in dict.fromkeys(domain.trust for domain in domains) for anchor in trust.anchors)
        object.__setattr__(self, "anchors", tuple(anchors))
        claims = frozenset(domain.spiffe_trust_domain for domain in domains if domain.spiffe_trust_domain)
        object.__setattr__(self, "spiffe_trust_domains", claims)
        headers = frozenset(header for ingress in self.ingresses.values() for header in ingress.headers)
        object.__setattr__(self, "consumed_headers", headers)


@dataclass(frozen=True, slots=True)
class Evidence:
    """How far the decision came: what each step established, ``None`` from the first that refused."""

    source: Source | None = None
    hop: ProvenHop | None = None
    presented: PresentedChain | None = None
    path: CertificationPath | None = None
    revocation: RevocationStatus = RevocationStatus.NOT_CHECKED
    principal: Principal | None = None
    domain: TrustDomain | None = None


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
    4. choose the trust domain and verify the path to one of its anchors; 5. refuse what is withdrawn or revoked; 6. work out
    who the client is; 7. ask the operator's rules; 8. write the identity headers, which the client must not have written.
    """
    source = hop = presented = domain = path = None
    try:
        ingress = _ingress(request, snapshot)  # 1
        source = ingress.source
        hop = prove_hop(request, ingress.hops, now)  # 2
        presented = presented_chain(request, source)  # 3
        domain = _trust_domain(request, presented, ingress, snapshot)
        _check_claim(presented, domain, snapshot)
        path = verify_path(presented, domain.trust, domain.profile, now)  # 4
    except Rejection as refusal:
        return Deny(refusal.reason, refusal.facts, Evidence(source, hop, presented, path, domain=domain))
    return _decide_on_path(request, Evidence(source, hop, presented), (path, domain), snapshot, now)


def decide_again(request: ForwardedRequest, decision: Decision, snapshot: Snapshot, now: datetime) -> Decision:
    """``decision`` anew from step 5, after more became known about revocation; the request, its hop among it, was used once.

    All else must be what it was decided by. Where no path was verified the decision stands.
    """
    evidence = decision.evidence
    if evidence.path is None or evidence.domain is None:
        return decision
    return _decide_on_path(request, evidence, (evidence.path, evidence.domain), snapshot, now)


def _decide_on_path(
    request: ForwardedRequest,
    before: Evidence,
    verified: tuple[CertificationPath, TrustDomain],
    snapshot: Snapshot,
    now: datetime,
) -> Decision:
    """Steps 5 to 8, about a path that was ``verified``, and what was established ``before``."""
    path, domain = verified
    principal = None
    revocation = RevocationStatus.NOT_CHECKED
    try:
        check_denylist(path, snapshot.denylist)
        revocation = check_revocation(path, snapshot.revocation, domain.revocation, now)  # 5
        principal = identify(path, domain.identity, domain.name)  # 6
        grant = authorize(principal, snapshot.rules)  # 7
        refuse_aliases(request, snapshot.header_prefix)
        headers, unset = identity_headers(principal, snapshot.header_prefix)  # 8
    except Rejection as refusal:
        evidence = Evidence(before.source, before.hop, before.presented, path, revocation, principal, domain)
        return Deny(refusal.reason, refusal.facts, evidence)
    # What Envoy did not show is not removed: its mutation rules may not allow a name that it was not told to send. An
    # injected header must never be removed as well: Envoy removes after it sets.
    consumed = dict.fromkeys(name for name, _ in request.headers if name in snapshot.consumed_headers)
    evidence = Evidence(before.source, before.hop, before.presented, path, revocation, principal, domain)
    return Allow(principal, grant.rule, headers, (*consumed, *unset), evidence)


def _trust_domain(request: ForwardedRequest, presented: PresentedChain, ingress: Ingress, snapshot: Snapshot) -> TrustDomain:
    """The domain that Envoy's context extension names, or the only one, or the one that the leaf claims (X509-SVID §5.1).

    A claim only chooses which anchors the leaf must lead to; it is believed no further.
    """
    name = request.context.get(snapshot.trust_domain_context)
    if name is not None:
        for domain in ingress.domains:
            if domain.name == name:
                return domain
        raise Rejection(Reason.TRUST_DOMAIN_UNKNOWN, trust_domain=name)
    if len(ingress.domains) == 1:
        return ingress.domains[0]
    claimed = presented_trust_domain(presented.leaf)
    for domain in ingress.domains:
        if domain.spiffe_trust_domain and domain.spiffe_trust_domain == claimed:
            return domain
    raise Rejection(Reason.TRUST_DOMAIN_UNDETERMINED, claimed=claimed)


def _check_claim(presented: PresentedChain, domain: TrustDomain, snapshot: Snapshot) -> None:
    """Refuse a SPIFFE ID of another trust domain than the chosen one's, or of one that another domain here vouches for.

    X509-SVID §5.2: otherwise every CA could issue the IDs of all of them, where Envoy names the domain or there is but one.
    A leaf with several URIs claims nothing, and is refused where the identity is made if one of them is a SPIFFE ID.
    """
    claimed = presented_trust_domain(presented.leaf)
    if claimed is None or claimed == domain.spiffe_trust_domain:
        return
    if domain.spiffe_trust_domain or claimed in snapshot.spiffe_trust_domains:
        raise Rejection(Reason.SVID_INVALID, presented=claimed, expected=domain.spiffe_trust_domain or None)


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
