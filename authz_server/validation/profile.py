"""What a client certificate and its intermediates must look like, beside the path that leads to them.

``ClientVerifier`` of ``cryptography`` accepts any leaf key, a leaf without extended key usage, one for key encipherment
only, and whatever number of names; and it spends up to 128 signature checks with keys that an attacker chose. So the
leaf is checked here first, precisely, and intermediates are bounded before a signature is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy

from authz_server.model import CERTIFICATE_PARSE_ERRORS, Certificate
from authz_server.reasons import Reason, Rejection
from authz_server.validation.extensions import find_extension
from authz_server.validation.spiffe import check_leaf_svid

if TYPE_CHECKING:
    from datetime import datetime

# Bounds on hostile input. A path of four with six candidates costs at most some 35 ms of CPU (P-384, cross-signed).
MAX_INTERMEDIATES = 6
MAX_SUBJECT_ALTERNATIVE_NAMES = 100
MAX_RELATIVE_NAMES = 30

# FIPS 186-5 §5.1 asks for 2^16 < e; above 2^32 an exponent only serves to make a signature check slow.
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
MIN_RSA_EXPONENT = 65537
MAX_RSA_EXPONENT = 2**32

_SERIAL_LIMIT = 2 ** (20 * 8 - 1)

_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_SUPPORTED_CONSTRAINTS = (x509.DNSName, x509.IPAddress, x509.RFC822Name)


@dataclass(frozen=True, slots=True)
class Profile:
    """What may be tuned.

    ``max_depth`` counts the intermediates on a path. Each ``allow_…`` is a leniency for old PKIs. ``policies`` are dotted
    OIDs, one of which every certificate of a path must assert. ``spiffe_trust_domain`` asks for X509-SVIDs of that domain.
    ``is_any_purpose`` looks at no purpose at all, and is for the verification of other certificates than clients'.
    """

    max_depth: int = 4
    allow_missing_eku: bool = False
    allow_any_eku: bool = False
    allow_missing_digital_signature: bool = False
    policies: frozenset[str] = frozenset()
    spiffe_trust_domain: str = ""
    is_any_purpose: bool = False


def check_leaf(leaf: Certificate, profile: Profile, now: datetime) -> tuple[str, ...]:
    """The leniencies that it took; raises ``Rejection`` unless a client may use the certificate at ``now`` (whole seconds).

    Establishes time, key usage, kind and size of its own fields. Does NOT establish who signed it.
    """
    check_pinned(leaf, now)  # parses every extension
    leniencies: list[str] = []
    if not profile.is_any_purpose:
        extensions = leaf.x509.extensions
        _check_not_ca(extensions)
        leniencies += _check_key_usage(extensions, profile)
        leniencies += _check_extended_key_usage(extensions, profile)
    if profile.spiffe_trust_domain:
        check_leaf_svid(leaf, profile.spiffe_trust_domain)
    return tuple(leniencies)


def check_pinned(leaf: Certificate, now: datetime) -> None:
    """Raise ``Rejection`` unless a certificate that is trusted as it is may be used at ``now``: by time, form and key."""
    try:
        _check_validity(leaf.x509, now)
        # RFC 5280 §4.1.2.2: positive, at most 20 octets, of which the first bit is the sign.
        if not 0 < leaf.x509.serial_number < _SERIAL_LIMIT:
            raise Rejection(Reason.CERTIFICATE_MALFORMED, serial=f"{leaf.x509.serial_number:x}")
        _check_signature_octets(leaf)
        _check_sizes(leaf.x509, leaf.x509.extensions)
        if not is_acceptable_key(leaf.x509, ed25519_too=True):
            raise Rejection(Reason.CERTIFICATE_KEY_UNACCEPTABLE)
    except CERTIFICATE_PARSE_ERRORS as error:
        raise Rejection(Reason.CERTIFICATE_MALFORMED, detail=str(error)) from error


def _check_validity(certificate: x509.Certificate, now: datetime) -> None:
    # RFC 5280 §4.1.2.5: both ends are inclusive.
    if now < certificate.not_valid_before_utc:
        raise Rejection(Reason.CERTIFICATE_NOT_YET_VALID, not_before=certificate.not_valid_before_utc.isoformat())
    if now > certificate.not_valid_after_utc:
        raise Rejection(Reason.CERTIFICATE_EXPIRED, not_after=certificate.not_valid_after_utc.isoformat())


def _check_signature_octets(certificate: Certificate) -> None:
    """RFC 5280 §4.1.1.3: signatures are whole octets. One bit fewer would verify too, under another SHA-256."""
    unused_bits = certificate.der[-len(certificate.x509.signature) - 1]
    if unused_bits:
        raise Rejection(Reason.CERTIFICATE_MALFORMED, sha256=certificate.sha256, unused_bits=unused_bits)


def _check_not_ca(extensions: x509.Extensions) -> None:
    # RFC 5280 §4.2.1.9, §4.2.1.10: only CA certificates assert cA or hold name constraints.
    constraints = find_extension(extensions, x509.BasicConstraints)
    if (constraints is not None and constraints.ca) or find_extension(extensions, x509.NameConstraints) is not None:
        raise Rejection(Reason.CERTIFICATE_IS_CA)


def _check_key_usage(extensions: x509.Extensions, profile: Profile) -> list[str]:
    # RFC 5280 §4.2.1.3; TLS client authentication signs (RFC 8446 §4.4.2.4).
    usage = find_extension(extensions, x509.KeyUsage)
    if usage is None:
        return []
    if usage.key_cert_sign or usage.crl_sign:
        raise Rejection(Reason.CERTIFICATE_KEY_USAGE)
    if usage.digital_signature:
        return []
    if not profile.allow_missing_digital_signature:
        raise Rejection(Reason.CERTIFICATE_KEY_USAGE)
    return ["missing-digital-signature"]


def _check_extended_key_usage(extensions: x509.Extensions, profile: Profile) -> list[str]:
    # RFC 5280 §4.2.1.12. anyExtendedKeyUsage does not stand for clientAuth: the purpose must be written out.
    usage = find_extension(extensions, x509.ExtendedKeyUsage)
    if usage is not None and ExtendedKeyUsageOID.CLIENT_AUTH in usage:
        return []
    if usage is None and profile.allow_missing_eku:
        return ["missing-eku"]
    if usage is not None and profile.allow_any_eku and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usage:
        return ["any-eku"]
    raise Rejection(
        Reason.CERTIFICATE_EXTENDED_KEY_USAGE, presented=[] if usage is None else [oid.dotted_string for oid in usage]
    )


def _check_sizes(certificate: x509.Certificate, extensions: x509.Extensions) -> None:
    names = find_extension(extensions, x509.SubjectAlternativeName)
    if names is not None and len(list(names)) > MAX_SUBJECT_ALTERNATIVE_NAMES:
        raise Rejection(Reason.CERTIFICATE_EXCESSIVE, subject_alternative_names=len(list(names)))
    # The issuer too: names are parsed lazily, and a refusal further on must be able to print it.
    relative_names = max(len(certificate.subject.rdns), len(certificate.issuer.rdns))
    if relative_names > MAX_RELATIVE_NAMES:
        raise Rejection(Reason.CERTIFICATE_EXCESSIVE, relative_names=relative_names)


def is_acceptable_key(certificate: x509.Certificate, *, ed25519_too: bool) -> bool:
    """Whether the key is of an ordinary kind and size; raises one of ``CERTIFICATE_PARSE_ERRORS`` if it cannot be read."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        exponent = key.public_numbers().e
        return MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS and MIN_RSA_EXPONENT <= exponent <= MAX_RSA_EXPONENT
    if isinstance(key, ec.EllipticCurvePublicKey):
        return isinstance(key.curve, _CURVES)
    return ed25519_too and isinstance(key, ed25519.Ed25519PublicKey)


def bounded_intermediates(
    intermediates: tuple[Certificate, ...], anchors: frozenset[str], now: datetime
) -> tuple[Certificate, ...]:
    """The candidates for path building: few, with ordinary keys, and none that only serves to make the search long.

    ``anchors`` are the SHA-256 of the trust bundle's certificates. Self-issued certificates that are not among them are
    dropped (a root that a proxy sent along), and of several with the same subject, key and issuer the one that is valid
    now and lasts longest is kept. Raises ``Rejection(INTERMEDIATE_UNACCEPTABLE)`` for too many or for an odd key.
    """
    best: dict[tuple[bytes, bytes, bytes], tuple[tuple[bool, datetime], Certificate]] = {}
    try:
        for certificate in intermediates:
            parsed = certificate.x509
            if parsed.subject == parsed.issuer and certificate.sha256 not in anchors:
                continue
            _check_signature_octets(certificate)
            if not is_acceptable_key(parsed, ed25519_too=False):
                raise Rejection(Reason.INTERMEDIATE_UNACCEPTABLE, sha256=certificate.sha256)
            identity = (parsed.subject.public_bytes(), _public_key(parsed), parsed.issuer.public_bytes())
            rank = (parsed.not_valid_before_utc <= now <= parsed.not_valid_after_utc, parsed.not_valid_after_utc)
            if identity not in best or rank > best[identity][0]:
                best[identity] = (rank, certificate)
    except CERTIFICATE_PARSE_ERRORS as error:
        raise Rejection(Reason.CERTIFICATE_MALFORMED, detail=str(error)) from error
    if len(best) > MAX_INTERMEDIATES:
        raise Rejection(Reason.INTERMEDIATE_UNACCEPTABLE, intermediates=len(best), limit=MAX_INTERMEDIATES)
    return tuple(certificate for _, certificate in best.values())


def _public_key(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def leaf_extensions() -> ExtensionPolicy:
    """The leaf's extensions for ``ClientVerifier``; their content was settled by ``check_leaf``."""
    return (
        ExtensionPolicy.permit_all()
        .may_be_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, None)
        .require_not_present(x509.NameConstraints)
        .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, None)
        .may_be_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
        .may_be_present(x509.CertificatePolicies, Criticality.AGNOSTIC, None)
    )


def ca_extensions(*, any_purpose: bool = False) -> ExtensionPolicy:
    """A CA's extensions for ``ClientVerifier``; cA and pathLenConstraint are checked by the verifier itself."""
    purpose = None if any_purpose else _require_client_purpose
    return (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _require_cert_sign)
        .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, purpose)
        .may_be_present(x509.NameConstraints, Criticality.AGNOSTIC, _require_supported_constraints)
        .may_be_present(x509.CertificatePolicies, Criticality.AGNOSTIC, None)
    )


def _require_cert_sign(_policy: Policy, _certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    # RFC 5280 §6.1.4 (n)
    if usage is not None and not usage.key_cert_sign:
        msg = "a CA's key usage lacks keyCertSign"
        raise ValueError(msg)


def _require_client_purpose(_policy: Policy, _certificate: x509.Certificate, usage: x509.ExtendedKeyUsage | None) -> None:
    # NOTE: RFC 5280 gives EKU in a CA certificate no meaning; every TLS stack takes it as a bound on what lies below.
    purposes = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    if usage is not None and not any(purpose in usage for purpose in purposes):
        msg = "a CA's extended key usage excludes clientAuth"
        raise ValueError(msg)


def _require_supported_constraints(
    _policy: Policy, _certificate: x509.Certificate, constraints: x509.NameConstraints | None
) -> None:
    # RFC 5280 §4.2.1.10: constraints that cannot be processed must reject. The verifier skips non-critical ones.
    if constraints is None:
        return
    subtrees = [*(constraints.permitted_subtrees or ()), *(constraints.excluded_subtrees or ())]
    if not subtrees or not all(isinstance(subtree, _SUPPORTED_CONSTRAINTS) for subtree in subtrees):
        msg = "a CA's name constraints are of a kind that is not supported"
        raise ValueError(msg)
