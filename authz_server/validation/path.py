"""RFC 5280 §6 path validation against one trust bundle, by ``cryptography``'s ``ClientVerifier``; or a pin's own rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, VerificationError

from authz_server.model import CERTIFICATE_PARSE_ERRORS, Certificate, CertificationPath
from authz_server.reasons import Reason, Rejection
from authz_server.validation.extensions import find_extension
from authz_server.validation.profile import (
    Profile,
    bounded_intermediates,
    ca_extensions,
    check_leaf,
    check_pinned,
    leaf_extensions,
)
from authz_server.validation.spiffe import check_authority_svid
from authz_server.validation.trust import PinnedCertificates, Trust, TrustBundle

if TYPE_CHECKING:
    from datetime import datetime

    from authz_server.model import PresentedChain

_LEAF_EXTENSIONS = leaf_extensions()
_CA_EXTENSIONS = ca_extensions()
_CA_EXTENSIONS_OF_ANY_PURPOSE = ca_extensions(any_purpose=True)
_ANY_POLICY = "2.5.29.32.0"
_POLICY_MAPPINGS = x509.ObjectIdentifier("2.5.29.33")


def verify_path(presented: PresentedChain, trust: Trust, profile: Profile, now: datetime) -> CertificationPath:
    """Verify that the leaf leads to an anchor of ``trust`` at ``now`` (aware, UTC); raises ``Rejection`` otherwise.

    1. the leaf's own fields; 2. which intermediates may be used; 3. signatures, validity, basic constraints, key usage,
    path length and name constraints along a path to an anchor; 4. what the profile asks of the whole path.

    Does NOT establish that nothing on the path is revoked, nor that the sender holds the leaf's key.
    """
    now = now.replace(microsecond=0)  # RFC 5280 §4.1.2.5: validity is in whole seconds, both ends included
    if isinstance(trust, PinnedCertificates):
        return _pinned(presented.leaf, trust, now)
    leniencies = check_leaf(presented.leaf, profile, now)  # 1
    candidates = _candidates(presented, trust, now)  # 2
    try:
        chain = _verified_chain(presented.leaf, candidates, trust, profile, now)  # 3
        path = _path(presented.leaf, candidates, trust, chain, now, leniencies)
        _check_profile(path, profile)  # 4
    except (VerificationError, *CERTIFICATE_PARSE_ERRORS) as error:
        raise _diagnose(presented.leaf, candidates, trust, now, str(error)) from error
    return path


def _pinned(leaf: Certificate, trust: PinnedCertificates, now: datetime) -> CertificationPath:
    pin = trust.by_sha256.get(leaf.sha256)
    if pin is None:
        raise Rejection(Reason.CERTIFICATE_NOT_PINNED, sha256=leaf.sha256)
    check_pinned(pin, now)
    return CertificationPath(pin, (), pin, now, pin.x509.not_valid_after_utc)


def _candidates(presented: PresentedChain, trust: TrustBundle, now: datetime) -> tuple[Certificate, ...]:
    """The intermediates to build with: those of the header, bounded, and those that the operator configured."""
    candidates = bounded_intermediates(presented.intermediates, trust.fingerprints, now)
    return tuple(dict.fromkeys((*candidates, *trust.intermediates_above(presented.leaf, *candidates))))


def _verified_chain(
    leaf: Certificate, candidates: tuple[Certificate, ...], trust: TrustBundle, profile: Profile, now: datetime
) -> list[x509.Certificate]:
    verifier = (
        PolicyBuilder()
        .store(trust.store)
        .time(now)
        .max_chain_depth(profile.max_depth)
        .extension_policies(
            ca_policy=_CA_EXTENSIONS_OF_ANY_PURPOSE if profile.is_any_purpose else _CA_EXTENSIONS, ee_policy=_LEAF_EXTENSIONS
        )
        .build_client_verifier()
    )
    return verifier.verify(leaf.x509, [candidate.x509 for candidate in candidates]).chain


def _path(  # noqa: PLR0913, PLR0917 - the parts of a path
    leaf: Certificate,
    candidates: tuple[Certificate, ...],
    trust: TrustBundle,
    chain: list[x509.Certificate],
    now: datetime,
    leniencies: tuple[str, ...],
) -> CertificationPath:
    """The verified chain in our own types; a chain of one would be a leaf that is its own anchor."""
    by_parsed = {certificate.x509: certificate for certificate in candidates}
    authorities = tuple(by_parsed.get(each) or trust.by_parsed[each] for each in chain[1:])
    if not authorities or authorities[-1].sha256 not in trust.fingerprints:
        raise Rejection(Reason.PATH_INVALID, detail="the path does not end at an anchor")
    valid_until = min(certificate.not_valid_after_utc for certificate in chain)
    return CertificationPath(leaf, authorities[:-1], authorities[-1], now, valid_until, leniencies)


def _check_profile(path: CertificationPath, profile: Profile) -> None:
    if profile.spiffe_trust_domain:
        for authority in (*path.intermediates, path.anchor):
            check_authority_svid(authority, profile.spiffe_trust_domain)
    try:
        _check_policies(path, profile.policies)
    except CERTIFICATE_PARSE_ERRORS as error:
        raise Rejection(Reason.CERTIFICATE_MALFORMED, detail=str(error)) from error


def _check_policies(path: CertificationPath, required: frozenset[str]) -> None:
    """RFC 5280 §6.1.3 (d) to (f), §6.1.5 (g), without policy mapping: all share a policy, where somebody asks for one.

    The operator does by ``required``, a CA by requireExplicitPolicy.
    """
    if not required and not any(map(_requires_policy, path.intermediates)):
        return
    leaf = _policies(path.leaf)
    allowed = leaf & required if required else leaf
    for asserted in map(_policies, path.intermediates):
        # anyPolicy of a CA stands for every policy. NOTE: a leaf's for none.
        if _ANY_POLICY not in asserted:
            allowed &= asserted
    # §4.2.1.5, §4.2.1.14: what would make a policy mean another one, or anyPolicy none, is not processed: where it is
    # critical there is no path, and here it counts as critical.
    if not allowed or any(map(_restricts_policies, path.intermediates)):
        raise Rejection(Reason.POLICY_MISSING, required=sorted(required), presented=sorted(leaf))


def _requires_policy(authority: Certificate) -> bool:
    """RFC 5280 §4.2.1.11. A critical extension was refused before; this one is not skipped, and of any number at once."""
    constraints = find_extension(authority.x509.extensions, x509.PolicyConstraints)
    return constraints is not None and constraints.require_explicit_policy is not None


def _policies(certificate: Certificate) -> frozenset[str]:
    policies = find_extension(certificate.x509.extensions, x509.CertificatePolicies)
    return frozenset() if policies is None else frozenset(each.policy_identifier.dotted_string for each in policies)


def _restricts_policies(authority: Certificate) -> bool:
    return any(each.oid in {_POLICY_MAPPINGS, x509.InhibitAnyPolicy.oid} for each in authority.x509.extensions)


def _diagnose(
    leaf: Certificate, candidates: tuple[Certificate, ...], trust: TrustBundle, now: datetime, detail: str
) -> Rejection:
    """Say why no path was found, by names and dates alone: no further signature is checked for a refused request."""
    issuer = leaf.x509.issuer.public_bytes()
    issuer_text = leaf.x509.issuer.rfc4514_string()
    remaining = {candidate.x509.subject.public_bytes(): candidate for candidate in candidates}
    expired: list[str] = []
    while (authority := trust.by_subject.get(issuer) or remaining.pop(issuer, None)) is not None:
        if authority.x509.not_valid_after_utc < now:
            expired.append(authority.sha256)
        if issuer in trust.by_subject:
            if expired:
                return Rejection(Reason.ISSUER_EXPIRED, issuer=issuer_text, expired=expired)
            return Rejection(Reason.PATH_INVALID, issuer=issuer_text, detail=detail)
        issuer = authority.x509.issuer.public_bytes()
    return Rejection(Reason.ISSUER_UNKNOWN, issuer=issuer_text)
