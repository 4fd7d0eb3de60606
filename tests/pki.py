"""A test CA whose times stand still, on the throwaway PKI of the demo; each defect is one changed argument.

Every certificate of a test is made here; the requests and configurations around it are made in ``samples.py``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

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


def der(tag: int, *contents: bytes) -> bytes:
    """One DER value."""
    content = b"".join(contents)
    size = len(content)
    octets = size.to_bytes((size.bit_length() + 7) // 8 or 1, "big")
    return bytes([tag]) + (octets if size < 128 else bytes([0x80 | len(octets)]) + octets) + content


def parts(value: bytes) -> list[bytes]:
    """The values within a constructed DER value, each with its tag and length."""
    found, rest = [], value[_header(value) :]
    while rest:
        size = _header(rest) + _length(rest)
        found.append(rest[:size])
        rest = rest[size:]
    return found


def _header(value: bytes) -> int:
    return 2 + (value[1] & 0x7F if value[1] & 0x80 else 0)


def _length(value: bytes) -> int:
    return int.from_bytes(value[2 : _header(value)], "big") if value[1] & 0x80 else value[1]


# The fields of a TBSCertificate (RFC 5280 §4.1) in order, for ``altered``.
VERSION, SERIAL, ALGORITHM, ISSUER, VALIDITY, SUBJECT, PUBLIC_KEY, EXTENSIONS = range(8)


def altered_der(
    issued: Issued, issuer: Authority, changes: dict[int, bytes], algorithm: hashes.HashAlgorithm | None = None
) -> bytes:
    """The certificate with fields that no builder would write (empty: left out), signed anew by its issuer."""
    fields = [changes.get(number, field) for number, field in enumerate(parts(issued.certificate.tbs_certificate_bytes))]
    body = der(0x30, *fields)
    signature = issuer.key.sign(body, ec.ECDSA(algorithm or hashes.SHA256()))
    return der(0x30, body, fields[ALGORITHM], der(0x03, b"\0", signature))


def altered(
    issued: Issued, issuer: Authority, changes: dict[int, bytes], algorithm: hashes.HashAlgorithm | None = None
) -> Certificate:
    """The same, if it still parses."""
    return Certificate.from_der(altered_der(issued, issuer, changes, algorithm))
