"""What has to be known of a certificate and of the one above it before anything is looked up.

It depends on the path alone: worked out once, it can be asked against every new list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID

from authz_server.model import CERTIFICATE_PARSE_ERRORS
from authz_server.reasons import Reason, Rejection
from authz_server.validation.extensions import find_extension
from authz_server.validation.revocation.index import LARGEST_SERIAL
from authz_server.validation.revocation.points import ALL_REASONS, point_names, point_reasons

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from authz_server.model import Certificate, CertificationPath
    from authz_server.validation.revocation.index import Scope

# RFC 9608 §2: the CA will never publish revocation data for this certificate.
_NO_REV_AVAIL = x509.ObjectIdentifier("2.5.29.56")


@dataclass(frozen=True, slots=True)
class Question:
    """Is ``certificate``, which ``issuer`` signed on a verified path, revoked?

    ``points`` are the names of its distribution points, each with the reasons for which it speaks. ``signs_lists`` says
    whether the issuer may sign CRLs, ``needs_no_answer`` whether the CA promised that there will be nothing to look up.
    """

    certificate: Certificate
    issuer: Certificate
    serial: int
    is_authority: bool
    issuer_name: bytes = field(repr=False)
    issuer_spki: bytes = field(repr=False)
    issuer_key: CertificatePublicKeyTypes = field(repr=False, compare=False)
    points: Mapping[str, frozenset[str]] = field(repr=False)
    signs_lists: bool
    needs_no_answer: bool

    @classmethod
    def about(cls, certificate: Certificate, issuer: Certificate) -> Question:
        """Take everything out; raises one of ``CERTIFICATE_PARSE_ERRORS`` if a part cannot be read."""
        extensions = certificate.x509.extensions
        constraints = find_extension(extensions, x509.BasicConstraints)
        usage = find_extension(issuer.x509.extensions, x509.KeyUsage)
        key = issuer.x509.public_key()
        if not 0 <= certificate.x509.serial_number <= LARGEST_SERIAL:
            # RFC 5280 §4.1.2.2. No list can hold it, so it could never be revoked.
            msg = "a negative serial number, or one of more than 20 octets"
            raise ValueError(msg)
        return cls(
            certificate=certificate,
            issuer=issuer,
            serial=certificate.x509.serial_number,
            is_authority=constraints is not None and constraints.ca,
            issuer_name=certificate.x509.issuer.public_bytes(),
            issuer_spki=key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            issuer_key=key,
            points=_points(certificate.x509),
            signs_lists=usage is None or usage.crl_sign,  # RFC 5280 §6.3.3 (f)
            needs_no_answer=_needs_no_answer(extensions),
        )

    def is_answered_by(self, scope: Scope) -> bool:
        """Whether a list of this scope speaks of the certificate (RFC 5280 §6.3.3 (b))."""
        if (scope.only_users and self.is_authority) or (scope.only_authorities and not self.is_authority):
            return False
        return scope.names is None or not self.points.keys().isdisjoint(scope.names)

    def reasons_answered_by(self, scope: Scope) -> frozenset[str]:
        """The reasons for which it does: those of the list that the distribution point has too (§6.3.3 (d))."""
        if scope.names is None:
            return scope.reasons
        return scope.reasons & frozenset().union(*(self.points.get(name, frozenset()) for name in scope.names))


def questions_about(path: CertificationPath) -> tuple[Question, ...]:
    """One for each certificate of the path but the anchor, the leaf first; raises ``Rejection`` if a part cannot be read."""
    questions = []
    for certificate, issuer in pairwise((path.leaf, *path.intermediates, path.anchor)):
        try:
            questions.append(Question.about(certificate, issuer))
        except CERTIFICATE_PARSE_ERRORS as error:
            raise Rejection(Reason.CERTIFICATE_MALFORMED, sha256=certificate.sha256, detail=str(error)) from error
    return tuple(questions)


def _points(certificate: x509.Certificate) -> dict[str, frozenset[str]]:
    points = find_extension(certificate.extensions, x509.CRLDistributionPoints)
    if points is None:
        # RFC 5280 §6.3.3, at its end: one point, of the certificate issuer's name.
        return dict.fromkeys(point_names([x509.DirectoryName(certificate.issuer)], None, certificate.issuer), ALL_REASONS)
    found: dict[str, frozenset[str]] = {}
    for point in points:
        if point.crl_issuer is not None:
            continue  # asks for an indirect CRL, which is not supported
        for name in point_names(point.full_name, point.relative_name, certificate.issuer):
            found[name] = found.get(name, frozenset()) | point_reasons(point.reasons)
    return found


def _needs_no_answer(extensions: x509.Extensions) -> bool:
    """RFC 9608 §3, §4: noRevAvail counts unless the certificate says at the same time that it can be revoked."""
    if not any(extension.oid == _NO_REV_AVAIL for extension in extensions):
        return False
    constraints = find_extension(extensions, x509.BasicConstraints)
    access = find_extension(extensions, x509.AuthorityInformationAccess)
    return not (
        (constraints is not None and constraints.ca)
        or find_extension(extensions, x509.CRLDistributionPoints) is not None
        or find_extension(extensions, x509.FreshestCRL) is not None
        or any(each.access_method == AuthorityInformationAccessOID.OCSP for each in access or ())
    )
