"""Ready-made clients, requests and a configuration: what a test changes one thing of."""

from __future__ import annotations

from datetime import UTC, datetime

from authz_server.access import AllowList, parse_pattern
from authz_server.decision import Snapshot
from authz_server.demo.pki import Authority, Issued
from authz_server.forwarded import DEFAULT_HEADERS, ElementSelector, Format, Source
from authz_server.hop import HopPolicy, PeerProof
from authz_server.model import Certificate, ForwardedRequest, NameKind, Peer, PresentedChain
from authz_server.validation import Profile, TrustBundle

NOW = datetime.now(UTC).replace(microsecond=0)
SPIFFE = "spiffe://example.org/alice"
ROOT = Authority.create("Root CA")
MIDDLE = Authority.create("Middle CA", parent=ROOT)
ALICE = ROOT.issue("CN=alice", uris=(SPIFFE,))
BOB = MIDDLE.issue("CN=bob", uris=("spiffe://example.org/bob",))
TRUST = TrustBundle("test", (Certificate.from_der(ROOT.certificate_der),))


def presented(issued: Issued) -> PresentedChain:
    """What a decoder makes of a header that holds this certificate and its intermediates."""
    leaf, *rest = (Certificate.from_der(der) for der in issued.chain_der)
    return PresentedChain(leaf, tuple(rest))


def source(form: Format, element: str = "sole") -> Source:
    """A source of this format with its own headers."""
    return Source("test", form, *DEFAULT_HEADERS[form], ElementSelector.from_text(element))


def request(*headers: tuple[str, bytes], **changes) -> ForwardedRequest:
    """A request from the trusted proxy with these headers."""
    values = {
        "method": "GET",
        "host": "api.example.org",
        "path": "/orders?token=secret",
        "headers": headers,
        "peer": Peer("10.0.0.7", "spiffe://lab/waf", ""),
        "request_id": "r-1",
        "context": {"hop": "mtls"},
    }
    return ForwardedRequest(**(values | changes))


def snapshot(form: Format = Format.URL_PEM, allow: str = f"spiffe:{SPIFFE}", **changes) -> Snapshot:
    """A configuration that believes the proxy of ``request`` and allows alice."""
    values = {
        "revision": "r1",
        "hop": HopPolicy("waf", (PeerProof(frozenset({"spiffe://lab/waf"}), ("hop", "mtls")),)),
        "source": source(form),
        "trust": TRUST,
        "profile": Profile(),
        "identity": NameKind.SPIFFE,
        "rules": AllowList((parse_pattern(allow),)),
        "header_prefix": "x-auth-client-",
    }
    return Snapshot(**(values | changes))
