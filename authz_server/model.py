"""The values that walk through the house. Each type names a state of belief; nothing here performs I/O.

Only the check that earns a belief constructs its type: ``ProvenHop`` is made in ``hop/``, ``CertificationPath`` in
``validation/``, ``Principal`` in ``identity.py``, ``Grant`` in ``access/`` (``tests/test_house.py`` holds this).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

# What cryptography raises when a part of a certificate does not parse. Parsing is lazy: a certificate that loads, and
# even one that verifies, can still raise these when its names, extensions or key are first looked at.
CERTIFICATE_PARSE_ERRORS = (
    ValueError,
    TypeError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
)


# An RDNSequence, root first, as sets of (dotted OID, value).
ComparableName = tuple[frozenset[tuple[str, str]], ...]


def comparable_name(name: x509.Name) -> ComparableName:
    """What distinguished names are compared by."""
    return tuple(frozenset((part.oid.dotted_string, attribute_text(part.value)) for part in rdn) for rdn in name.rdns)


def attribute_text(value: str | bytes) -> str:
    """The value of a name's attribute; a BIT STRING (x500UniqueIdentifier), the only one that is bytes, as ``#hex``."""
    return value if isinstance(value, str) else f"#{value.hex()}"


@dataclass(frozen=True, slots=True)
class Peer:
    """The direct TCP peer of Envoy as Envoy reports it in ``CheckRequest.attributes.source``.

    ``address`` is the textual IP address (``None`` for a pipe or when absent), ``principal`` the identity Envoy took from
    the peer's TLS certificate (empty without one), ``unverified_certificate`` the URL-encoded PEM of that certificate.
    These describe the hop in front of Envoy, never the end client.
    """

    address: str | None
    principal: str
    unverified_certificate: str


@dataclass(frozen=True, slots=True)
class ForwardedRequest:
    """One HTTP request that Envoy asks about. Everything in it is the caller's word, believed by no one yet.

    ``headers`` holds (lower-case name, value bytes) pairs, one a header line where Envoy sends raw headers; ``context`` is
    Envoy's ``context_extensions``, which only the operator's Envoy configuration sets. ``stream_id`` is Envoy's own number
    for the request (``AttributeContext.HttpRequest.id``), the same when Envoy asks again about it.
    """

    method: str
    host: str
    path: str
    headers: tuple[tuple[str, bytes], ...]
    peer: Peer
    request_id: str
    context: Mapping[str, str]
    stream_id: str = ""

    def header_lines(self, name: str) -> tuple[bytes, ...]:
        """The values of every line of the header ``name`` (lower case), in order."""
        return tuple(value for key, value in self.headers if key == name)


@dataclass(frozen=True, slots=True)
class ProvenHop:
    """The request came through the trusted proxy; ``proofs`` names what showed it, e.g. ``principal``, ``network``."""

    name: str
    proofs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate: its exact DER bytes, their SHA-256 in lower-case hex, and the parsed form."""

    der: bytes = field(repr=False)
    sha256: str
    x509: x509.Certificate = field(repr=False, compare=False)

    @classmethod
    def from_der(cls, der: bytes) -> Certificate:
        """Parse one DER certificate, raising one of ``CERTIFICATE_PARSE_ERRORS`` for anything else."""
        return cls(der, hashlib.sha256(der).hexdigest(), x509.load_der_x509_certificate(der))


@dataclass(frozen=True, slots=True)
class PresentedChain:
    """A leaf and intermediates that a header held: well formed, and believed by no one yet."""

    leaf: Certificate
    intermediates: tuple[Certificate, ...]


@dataclass(frozen=True, slots=True)
class CertificationPath:
    """RFC 5280 §6: a path from the leaf to a trust anchor that verified at ``validated_at``.

    ``valid_until`` is the earliest notAfter on the path: past it, the path must not be believed any more. ``leniencies``
    names what the profile had to overlook. A pinned certificate is its own anchor.
    """

    leaf: Certificate
    intermediates: tuple[Certificate, ...]
    anchor: Certificate
    validated_at: datetime
    valid_until: datetime
    leniencies: tuple[str, ...] = ()


class NameKind(StrEnum):
    """The kinds of name by which a client can be known. The values are used in settings, headers and logs."""

    SPIFFE = "spiffe"
    URI = "uri"
    DNS = "dns"
    EMAIL = "email"
    SUBJECT = "subject"
    COMMON_NAME = "common-name"
    SHA256 = "sha256"
    PUBLIC_KEY_SHA256 = "public-key-sha256"


@dataclass(frozen=True, slots=True)
class Name:
    """One name of a client; ``value`` is free of control characters."""

    kind: NameKind
    value: str


@dataclass(frozen=True, slots=True)
class Principal:
    """Who the client is, from its verified certificate alone.

    ``name`` is *the* name, of the configured kind; ``names`` are all of them. ``trust_domain`` is the operator's name for
    whom the path leads to. ``subject_rdns`` is the subject in
    comparable form, root first. Fingerprints and ``serial`` are lower-case hex.
    """

    name: Name
    names: tuple[Name, ...]
    subject: str
    subject_rdns: ComparableName
    issuer: str
    serial: str
    certificate_sha256: str
    public_key_sha256: str
    anchor_sha256: str
    not_before: datetime
    not_after: datetime
    valid_until: datetime
    trust_domain: str

    def values(self, kind: NameKind) -> tuple[str, ...]:
        """Every name of one kind, in the certificate's order."""
        return tuple(name.value for name in self.names if name.kind is kind)


@dataclass(frozen=True, slots=True)
class Grant:
    """The operator's rules let this principal do this; ``rule`` names the one that did."""

    rule: str
