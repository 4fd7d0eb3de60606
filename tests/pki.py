"""A test CA whose times stand still, on the throwaway PKI of the demo; each defect is one changed argument.

Every certificate of a test is made here; the requests and configurations around it are made in ``samples.py``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from authz_server.demo.pki import Authority, Issued, PrivateKey, make_key
from authz_server.model import Certificate, PresentedChain
from authz_server.validation import TrustBundle

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
BEFORE, AFTER = NOW - timedelta(days=1), NOW + timedelta(days=1)
SECOND = timedelta(seconds=1)
SPIFFE = "spiffe://example.org/alice"


@cache
def key(kind: str = "p256") -> PrivateKey:
    """One key of each kind for the whole run: RSA keys take long to make."""
    return make_key(kind)


def authority(name: str = "Root", **fields) -> Authority:
    """A CA, valid from a day before NOW to two days after it."""
    return Authority.create(name, **{"not_before": BEFORE, "not_after": AFTER + timedelta(days=1)} | fields)


def client(issuer: Authority | None = None, subject="CN=alice,O=Acme", **fields) -> Issued:
    """A client certificate, valid from a day before NOW to a day after it."""
    return (issuer or root()).issue(subject, **{"not_before": BEFORE, "not_after": AFTER} | fields)


@cache
def root() -> Authority:
    """The trusted root."""
    return authority()


@cache
def intermediate() -> Authority:
    """A CA below the root."""
    return authority("Intermediate", parent=root())


@cache
def alice() -> Issued:
    """The ordinary client: Root -> Intermediate -> alice."""
    return client(intermediate(), uris=[SPIFFE], dns=["alice.example.org"], emails=["alice@Example.org"])


@cache
def bob() -> Issued:
    """Another client with a single name: Root -> Intermediate -> bob."""
    return client(intermediate(), "CN=bob", uris=["spiffe://example.org/bob"])


@cache
def root_of_today() -> Authority:
    """A root that is valid today, for commands and processes, which read the real clock."""
    return Authority.create("Root of today")


def certificate(issued: Issued) -> Certificate:
    """The certificate as the house knows it."""
    return Certificate.from_der(issued.certificate_der)


def presented(issued: Issued, *more: Issued) -> PresentedChain:
    """The chain as a header would present it, with further certificates behind."""
    leaf, *above = (Certificate.from_der(der) for der in issued.chain_der)
    return PresentedChain(leaf, (*above, *map(certificate, more)))


def bundle(*anchors: Issued) -> TrustBundle:
    """The trust bundle of these anchors, the root unless told."""
    return TrustBundle("test", tuple(map(certificate, anchors or (root(),))))
