"""Whom a certificate must lead to: a bundle of CAs, or a list of pinned certificates. Never both, never merged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.x509.verification import Store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography import x509

    from authz_server.model import Certificate


@dataclass(frozen=True, slots=True)
class TrustBundle:
    """The trust anchors of one bundle, and intermediates that the operator configured. None comes out of a header.

    Every anchor must be a CA certificate: ``ClientVerifier`` accepts a leaf that is itself in the store, unchecked.
    """

    name: str
    anchors: tuple[Certificate, ...]
    intermediates: tuple[Certificate, ...] = ()
    store: Store = field(init=False, repr=False, compare=False)
    fingerprints: frozenset[str] = field(init=False, repr=False, compare=False)
    by_parsed: Mapping[x509.Certificate, Certificate] = field(init=False, repr=False, compare=False)
    by_subject: Mapping[bytes, Certificate] = field(init=False, repr=False, compare=False)
    intermediates_by_subject: Mapping[bytes, tuple[Certificate, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the certificates; an empty bundle would trust nobody and is the operator's mistake."""
        if not self.anchors:
            msg = "a trust bundle needs at least one anchor"
            raise ValueError(msg)
        intermediates: dict[bytes, tuple[Certificate, ...]] = {}
        for certificate in self.intermediates:
            subject = certificate.x509.subject.public_bytes()
            intermediates[subject] = (*intermediates.get(subject, ()), certificate)
        object.__setattr__(self, "store", Store([anchor.x509 for anchor in self.anchors]))
        object.__setattr__(self, "fingerprints", frozenset(anchor.sha256 for anchor in self.anchors))
        object.__setattr__(self, "by_parsed", {each.x509: each for each in (*self.intermediates, *self.anchors)})
        # Of anchors with one name the one that lasts longest: it says whether all of them have expired.
        lasting = sorted(self.anchors, key=lambda anchor: anchor.x509.not_valid_after_utc)
        object.__setattr__(self, "by_subject", {anchor.x509.subject.public_bytes(): anchor for anchor in lasting})
        object.__setattr__(self, "intermediates_by_subject", intermediates)

    def intermediates_above(self, *certificates: Certificate) -> tuple[Certificate, ...]:
        """The configured intermediates on the way up from ``certificates``, found by their names alone."""
        found: dict[str, Certificate] = {}
        issuers = [certificate.x509.issuer.public_bytes() for certificate in certificates] if self.intermediates else []
        while issuers:
            for above in self.intermediates_by_subject.get(issuers.pop(), ()):
                if above.sha256 not in found:
                    found[above.sha256] = above
                    issuers.append(above.x509.issuer.public_bytes())
        return tuple(found.values())


@dataclass(frozen=True, slots=True)
class PinnedCertificates:
    """End-entity certificates that are trusted as they are, byte for byte: self-signed device certificates, as a rule.

    Who issued them does not matter, and neither do their key usages: the operator named each one.
    """

    name: str
    anchors: tuple[Certificate, ...]
    by_sha256: Mapping[str, Certificate] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the certificates; an empty list would trust nobody and is the operator's mistake."""
        if not self.anchors:
            msg = "a list of pins needs at least one certificate"
            raise ValueError(msg)
        object.__setattr__(self, "by_sha256", {anchor.sha256: anchor for anchor in self.anchors})


Trust = TrustBundle | PinnedCertificates
