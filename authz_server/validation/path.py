"""RFC 5280 §6 path validation against one trust bundle, by ``cryptography``'s ``ClientVerifier``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from authz_server.model import CERTIFICATE_PARSE_ERRORS, Certificate, CertificationPath
from authz_server.reasons import Reason, Rejection
from authz_server.validation.profile import (
    Profile,
    bounded_intermediates,
    ca_extensions,
    check_leaf,
    leaf_extensions,
)

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from authz_server.model import PresentedChain

_LEAF_EXTENSIONS = leaf_extensions()
_CA_EXTENSIONS = ca_extensions()


@dataclass(frozen=True, slots=True)
class TrustBundle:
    """The trust anchors of one bundle. Certificates out of a header are never anchors.

    Every anchor must be a CA certificate: ``ClientVerifier`` accepts a leaf that is itself in the store, unchecked.
    """

    name: str
    anchors: tuple[Certificate, ...]
    store: Store = field(init=False, repr=False, compare=False)
    fingerprints: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the anchors; an empty bundle would trust nobody and is the operator's mistake."""
        if not self.anchors:
            msg = "a trust bundle needs at least one anchor"
            raise ValueError(msg)
        object.__setattr__(self, "store", Store([anchor.x509 for anchor in self.anchors]))
        object.__setattr__(self, "fingerprints", frozenset(anchor.sha256 for anchor in self.anchors))


def verify_path(presented: PresentedChain, trust: TrustBundle, profile: Profile, now: datetime) -> CertificationPath:
    """Verify that the leaf leads to an anchor of ``trust`` at ``now`` (aware, UTC); raises ``Rejection`` otherwise.

    1. the leaf's own fields; 2. which intermediates may be used; 3. signatures, validity, basic constraints, key usage,
    path length and name constraints along a path to an anchor.

    Does NOT establish that nothing on the path is revoked, nor that the sender holds the leaf's key.
    """
    now = now.replace(microsecond=0)  # RFC 5280 §4.1.2.5: validity is in whole seconds, both ends included
    check_leaf(presented.leaf, profile, now)  # 1
    candidates = bounded_intermediates(presented.intermediates, trust.fingerprints, now)  # 2
    verifier = (  # 3
        PolicyBuilder()
        .store(trust.store)
        .time(now)
        .max_chain_depth(profile.max_depth)
        .extension_policies(ca_policy=_CA_EXTENSIONS, ee_policy=_LEAF_EXTENSIONS)
        .build_client_verifier()
    )
    try:
        verified = verifier.verify(presented.leaf.x509, [candidate.x509 for candidate in candidates])
        return _path(presented.leaf, candidates, trust, verified.chain, now)
    except (VerificationError, *CERTIFICATE_PARSE_ERRORS) as error:
        raise _diagnose(presented.leaf, candidates, trust, now, str(error)) from error


def _path(
    leaf: Certificate,
    candidates: tuple[Certificate, ...],
    trust: TrustBundle,
    chain: list[x509.Certificate],
    now: datetime,
) -> CertificationPath:
    """The verified chain in our own types; a chain of one would be a leaf that is its own anchor."""
    by_parsed = {certificate.x509: certificate for certificate in (*candidates, *trust.anchors)}
    authorities = tuple(by_parsed[certificate] for certificate in chain[1:])
    if not authorities or authorities[-1].sha256 not in trust.fingerprints:
        raise Rejection(Reason.PATH_INVALID, detail="the path does not end at an anchor")
    valid_until = min(certificate.not_valid_after_utc for certificate in chain)
    return CertificationPath(leaf, authorities[:-1], authorities[-1], now, valid_until)


def _diagnose(
    leaf: Certificate, candidates: tuple[Certificate, ...], trust: TrustBundle, now: datetime, detail: str
) -> Rejection:
    """Say why no path was found, by names and dates alone: no further signature is checked for a refused request."""
    issuer = leaf.x509.issuer.public_bytes()
    issuer_text = leaf.x509.issuer.rfc4514_string()
    remaining = {candidate.x509.subject.public_bytes(): candidate for candidate in candidates}
    anchors = {anchor.x509.subject.public_bytes(): anchor for anchor in trust.anchors}
    expired: list[str] = []
    while (authority := anchors.get(issuer) or remaining.pop(issuer, None)) is not None:
        if authority.x509.not_valid_after_utc < now:
            expired.append(authority.sha256)
        if issuer in anchors:
            if expired:
                return Rejection(Reason.ISSUER_EXPIRED, issuer=issuer_text, expired=expired)
            return Rejection(Reason.PATH_INVALID, issuer=issuer_text, detail=detail)
        issuer = authority.x509.issuer.public_bytes()
    return Rejection(Reason.ISSUER_UNKNOWN, issuer=issuer_text)
