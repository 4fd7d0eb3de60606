"""Lists and answers of the test CA: each defect is one changed argument. A client stands directly below its CA unless told."""

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from authz_server.reasons import Rejection
from authz_server.validation import Profile, verify_path
from authz_server.validation.revocation import (
    OcspAnswer,
    RevocationData,
    RevocationMode,
    RevocationPolicy,
    check_revocation,
    parse_crl,
    parse_ocsp,
)
from tests.pki import AFTER, BEFORE, NOW, bundle, presented, root

HOUR = timedelta(hours=1)
REMOVED = x509.ReasonFlags.remove_from_crl
HOLD = x509.ReasonFlags.certificate_hold
COMPROMISE = x509.ReasonFlags.key_compromise
SUPERSEDED = x509.ReasonFlags.superseded
OTHER_REASONS = frozenset(x509.ReasonFlags) - {COMPROMISE, REMOVED, x509.ReasonFlags.unspecified}

HARD = RevocationPolicy(RevocationMode.HARD)
SOFT = RevocationPolicy(RevocationMode.SOFT)


def number_of(issued):
    return issued.certificate.serial_number


def point(name=None, relative=None, reasons=None, issuer=None):
    """A distribution point by URI or by relative name."""
    full = None if name is None else [x509.UniformResourceIdentifier(name)]
    return x509.DistributionPoint(full, relative and x509.Name.from_rfc4514_string(relative).rdns[0], reasons, issuer)


def points(*each):
    """The argument for a certificate with these distribution points."""
    return ((x509.CRLDistributionPoints(each), False),)


def scope(name=None, relative=None, **fields):
    """An issuing distribution point by URI, directory name or relative name."""
    absent = dict.fromkeys(("only_contains_user_certs", "only_contains_ca_certs", "indirect_crl"), False)
    absent |= {"only_contains_attribute_certs": False, "only_some_reasons": None}
    full = name and [x509.DirectoryName(name) if isinstance(name, x509.Name) else x509.UniformResourceIdentifier(name)]
    relative = relative and x509.Name.from_rfc4514_string(relative).rdns[0]
    return x509.IssuingDistributionPoint(full_name=full, relative_name=relative, **absent | fields)


def entry(serial, *extensions, reason=None, date=BEFORE):
    """One revoked certificate."""
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(date)
    for extension, critical in (*extensions, *([] if reason is None else [(x509.CRLReason(reason), False)])):
        builder = builder.add_extension(extension, critical)
    return builder.build()


def crl_der(
    *revoked, issuer=None, name=None, number=1, base=None, within=None, times=(BEFORE, AFTER), extensions=(), algorithm=None
):
    """A CRL of these entries or certificates, ``number`` and ``base`` as CRL number and delta indicator, ``within`` its scope."""
    issuer = issuer or root()
    builder = x509.CertificateRevocationListBuilder().last_update(times[0]).next_update(times[1])
    builder = builder.issuer_name(x509.Name.from_rfc4514_string(name) if name else issuer.certificate.subject)
    for each in revoked:
        builder = builder.add_revoked_certificate(
            each if isinstance(each, x509.RevokedCertificate) else entry(each if isinstance(each, int) else number_of(each))
        )
    added = [
        *([] if number is None else [(x509.CRLNumber(number), False)]),
        *([] if base is None else [(x509.DeltaCRLIndicator(base), True)]),
        *([] if within is None else [(within, True)]),
        *extensions,
    ]
    for extension, critical in added:
        builder = builder.add_extension(extension, critical)
    plain = isinstance(issuer.key, ed25519.Ed25519PrivateKey)
    signed = builder.sign(issuer.key, None if plain else algorithm or hashes.SHA256())
    return signed.public_bytes(Encoding.DER)


def crl(*revoked, **fields):
    """The same, parsed."""
    return parse_crl(crl_der(*revoked, **fields)).index


def delta(*revoked, number=2, base=1, **fields):
    """A delta CRL to the list that ``crl`` makes."""
    return crl(*revoked, number=number, base=base, **fields)


GOOD, REVOKED, UNKNOWN = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN


def answer_der(
    leaf,
    status=GOOD,
    *,
    issuer=None,
    signer=None,
    by_name=False,
    serial=None,
    times=(BEFORE, AFTER),
    cert_id=None,
    algorithm=None,
    sent=None,
    extensions=(),
):
    """An OCSP response about ``leaf``: by ``signer`` (the CA unless told), whose certificate is sent along if it is another.

    ``sent`` replaces the certificates that are sent along.
    """
    issuer = issuer or root()
    signer = signer or issuer
    encoding = ocsp.OCSPResponderEncoding.NAME if by_name else ocsp.OCSPResponderEncoding.HASH
    hashing = cert_id or hashes.SHA1()  # noqa: S303 - what responders use
    request = ocsp.OCSPRequestBuilder().add_certificate(leaf.certificate, issuer.certificate, hashing).build()
    builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
        request.issuer_name_hash,
        request.issuer_key_hash,
        serial or number_of(leaf),
        hashing,
        status,
        *times,
        BEFORE if status is REVOKED else None,
        None,
    )
    builder = builder.responder_id(encoding, signer.certificate)
    along = sent if sent is not None else () if signer is issuer else (signer,)
    if along:
        builder = builder.certificates([each.certificate for each in along])
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer.key, algorithm or hashes.SHA256()).public_bytes(Encoding.DER)


def answer(leaf, status=GOOD, **fields):
    """The same, parsed."""
    return parse_ocsp(answer_der(leaf, status, **fields))


def data(*each):
    """Lists and answers together."""
    answers = tuple(one for one in each if isinstance(one, OcspAnswer))
    return RevocationData(tuple(one for one in each if not isinstance(one, OcspAnswer)), answers)


def outcome(leaf, *known, policy=HARD, now=NOW, trust=None):
    """The status of the leaf's path, or the reason of the refusal, at ``now``."""
    path = verify_path(presented(leaf), trust or bundle(), Profile(), NOW)
    try:
        return check_revocation(path, data(*known), policy, now)
    except Rejection as refused:
        return refused.reason
