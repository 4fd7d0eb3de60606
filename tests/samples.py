"""A request that the ready-made configuration allows, and that configuration: a test changes one thing of them."""

from __future__ import annotations

from authz_server.access import AllowList, parse_pattern
from authz_server.decision import Ingress, Snapshot, TrustDomain
from authz_server.forwarded import DEFAULT_HEADERS, Format, Source
from authz_server.forwarded.url_pem import encode_url_pem
from authz_server.hop import HopPolicy, PeerProof
from authz_server.model import ForwardedRequest, NameKind, Peer
from authz_server.validation import Profile, RevocationPolicy
from tests.pki import Issued, bundle

WAF = "spiffe://example.org/waf"
MARK = ("hop", "mtls")
PROOF = PeerProof(frozenset({WAF}), MARK)
NOBODY = Peer(None, "", "")


def source(form: Format, **fields) -> Source:
    """A source of this format with its own headers."""
    header, chain_headers = DEFAULT_HEADERS[form]
    return Source("default", form, header, **{"chain_headers": chain_headers} | fields)


def request(*headers: tuple[str, bytes], **changes) -> ForwardedRequest:
    """A request from the trusted proxy with these header lines."""
    fields = {
        "method": "GET",
        "host": "api.example.org",
        "path": "/orders?token=secret",
        "headers": headers,
        "peer": Peer("192.0.2.7", WAF, ""),
        "request_id": "req-1",
        "context": dict([MARK]),
    }
    return ForwardedRequest(**fields | changes)


def showing(issued: Issued, **changes) -> ForwardedRequest:
    """A request from the trusted proxy that shows this certificate as ``snapshot`` expects it."""
    return request(("x-client-cert", encode_url_pem(issued.chain_der).encode()), **changes)


def trust_domain(
    name: str = "default", *, trust=None, profile=None, identity=NameKind.SUBJECT, policy=None, **fields
) -> TrustDomain:
    """A trust domain of the test root, whose clients are known by their subject, without revocation."""
    return TrustDomain(name, trust or bundle(), profile or Profile(), identity, policy or RevocationPolicy(), **fields)


def snapshot(allow: str = "*", **changes) -> Snapshot:
    """A configuration that believes the proxy of ``request`` and allows every client below the test root.

    ``source`` and ``hops`` change its one way in; ``trust``, ``profile``, ``identity`` and ``policy`` its one trust domain.
    """
    way = {"source": source(Format.URL_PEM), "hops": (HopPolicy("waf", (PROOF,)),)}
    way |= {name: changes.pop(name) for name in way if name in changes}
    domain = {name: changes.pop(name) for name in ("trust", "profile", "identity", "policy") if name in changes}
    fields = {
        "revision": "r1",
        "ingresses": {"default": Ingress(**way, domains=(trust_domain(**domain),))},
        "source_context": "source",
        "trust_domain_context": "trust_domain",
        "rules": AllowList((parse_pattern(allow),)),
        "header_prefix": "x-auth-client-",
    }
    return Snapshot(**fields | changes)
