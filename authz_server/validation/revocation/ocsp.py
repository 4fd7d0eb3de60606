"""One OCSP answer: what it says of which certificate, and checking that the issuer, or a responder it named, said so."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, SignatureAlgorithmOID

from authz_server.model import CERTIFICATE_PARSE_ERRORS
from authz_server.validation.extensions import find_extension
from authz_server.validation.profile import is_acceptable_key
from authz_server.validation.revocation.signature import DetachedSignature

if TYPE_CHECKING:
    from authz_server.validation.revocation.question import Question

# RFC 6960 §4.3 and RFC 5019: CertIDs are SHA-1 in practice; it names an issuer, it protects nothing.
_CERT_ID_HASHES: dict[str, hashes.HashAlgorithm] = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}  # noqa: S303
_RSA = (SignatureAlgorithmOID.RSA_WITH_SHA256, SignatureAlgorithmOID.RSA_WITH_SHA384, SignatureAlgorithmOID.RSA_WITH_SHA512)
_ECDSA = (
    SignatureAlgorithmOID.ECDSA_WITH_SHA256,
    SignatureAlgorithmOID.ECDSA_WITH_SHA384,
    SignatureAlgorithmOID.ECDSA_WITH_SHA512,
)
_MAX_DELEGATES = 4
# Issuers that an answer is tried with in vain; more than a few means that somebody presents keys of his own.
_MAX_ISSUERS = 64
# What may be critical in a delegate's certificate (RFC 5280 §4.2).
_DELEGATE_EXTENSIONS = (x509.KeyUsage.oid, x509.ExtendedKeyUsage.oid, x509.BasicConstraints.oid, x509.OCSPNoCheck.oid)


class OcspError(ValueError):
    """Why an OCSP answer cannot be used."""


class OcspStatus(StrEnum):
    """RFC 6960 §2.2. ``unknown`` is not ``good``."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


_STATUSES = {
    ocsp.OCSPCertStatus.GOOD: OcspStatus.GOOD,
    ocsp.OCSPCertStatus.REVOKED: OcspStatus.REVOKED,
    ocsp.OCSPCertStatus.UNKNOWN: OcspStatus.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Signer:
    """Somebody who may speak for an issuer, and when."""

    not_before: datetime
    not_after: datetime

    def is_valid(self, now: datetime) -> bool:
        """Both ends are inclusive (RFC 5280 §4.1.2.5)."""
        return self.not_before <= now <= self.not_after


# The issuer itself: its validity was checked with the path.
_THE_ISSUER = Signer(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class OcspAnswer:
    """What a responder says of one certificate. Unverified until ``signers`` was asked."""

    serial: int
    hash: str
    issuer_name_hash: bytes
    issuer_key_hash: bytes
    status: OcspStatus
    this_update: datetime
    next_update: datetime | None
    nonce: bytes | None
    responder: bytes
    delegates: tuple[x509.Certificate, ...] = field(repr=False)
    signature: DetachedSignature = field(repr=False)
    _signers: dict[tuple[bytes, bytes], tuple[Signer, ...]] = field(default_factory=dict, repr=False, compare=False)

    def signers(self, question: Question) -> tuple[Signer, ...]:
        """Who of those that may speak for the question's issuer signed it; empty if it is not about its certificates.

        Worked out once for each issuer. The serial number and all times are left to the caller.
        """
        issuer = (question.issuer_name, question.issuer_spki)
        known = self._signers.get(issuer)
        if known is None:
            known = self._find_signers(question)
            if known or len(self._signers) < _MAX_ISSUERS:  # one issuer at most has these hashes
                self._signers[issuer] = known
        return known

    def is_verified_for(self, question: Question, now: datetime) -> bool:
        """Whether it is about the question's certificate, by somebody who may say so at ``now``.

        Its own times, its status and its nonce are left to the caller.
        """
        return self.serial == question.serial and any(signer.is_valid(now) for signer in self.signers(question))

    def _find_signers(self, question: Question) -> tuple[Signer, ...]:
        issuer = question.issuer.x509
        certificate_id = _certificate_id(question.certificate.x509, issuer, _CERT_ID_HASHES[self.hash])
        if certificate_id != (self.issuer_name_hash, self.issuer_key_hash):
            return ()
        signers = []
        if self._is_named(issuer) and self.signature.is_by(question.issuer_key):
            signers.append(_THE_ISSUER)
        for delegate in self.delegates:
            try:
                if (
                    self._is_named(delegate)
                    and _is_authorized(delegate, question)
                    and self.signature.is_by(delegate.public_key())
                ):
                    signers.append(Signer(delegate.not_valid_before_utc, delegate.not_valid_after_utc))
            except CERTIFICATE_PARSE_ERRORS:
                continue  # whoever sent the answer along with it: no fault of the certificate in question
        return tuple(signers)

    def _is_named(self, certificate: x509.Certificate) -> bool:
        """Whether the responder ID names this certificate: by its name or by the SHA-1 of its key (§4.2.1)."""
        _, key_hash = _certificate_id(certificate, certificate, hashes.SHA1())  # noqa: S303 - what the standard prescribes
        return self.responder in {certificate.subject.public_bytes(), key_hash}


def _certificate_id(
    certificate: x509.Certificate, issuer: x509.Certificate, algorithm: hashes.HashAlgorithm
) -> tuple[bytes, bytes]:
    """The hashes of the issuer's name and key by which a CertID names it (§4.1.1), from the exact bytes of both."""
    request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, algorithm).build()
    return request.issuer_name_hash, request.issuer_key_hash


def _is_authorized(delegate: x509.Certificate, question: Question) -> bool:
    """RFC 6960 §4.2.2.2: issued directly by the issuer's key, for OCSP signing, and not itself in need of a look-up."""
    extensions = delegate.extensions
    purposes = find_extension(extensions, x509.ExtendedKeyUsage)
    usage = find_extension(extensions, x509.KeyUsage)
    return (
        purposes is not None
        and ExtendedKeyUsageOID.OCSP_SIGNING in purposes
        and find_extension(extensions, x509.OCSPNoCheck) is not None  # §4.2.2.2.1
        and (usage is None or usage.digital_signature or usage.content_commitment)  # RFC 5280 §4.2.1.12
        and not any(extension.critical and extension.oid not in _DELEGATE_EXTENSIONS for extension in extensions)
        and is_acceptable_key(delegate, ed25519_too=False)
        and delegate.issuer.public_bytes() == question.issuer_name
        # Not by verify_directly_issued_by: that believes SHA-1.
        and DetachedSignature.over(
            delegate.tbs_certificate_bytes,
            delegate.signature,
            delegate.signature_hash_algorithm,
            delegate.signature_algorithm_parameters,
        ).is_by(question.issuer_key)
    )


def parse_ocsp(der: bytes) -> OcspAnswer:
    """Parse one DER OCSP response with one answer; raises ``OcspError`` for one that cannot be used."""
    try:
        return _answer(ocsp.load_der_ocsp_response(der))
    except OcspError:
        raise
    except CERTIFICATE_PARSE_ERRORS as error:
        raise OcspError(str(error)) from error


def _answer(response: ocsp.OCSPResponse) -> OcspAnswer:
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        msg = f"the responder says {response.response_status.name.lower()}"
        raise OcspError(msg)
    singles = list(response.responses)
    if len(singles) != 1:
        # Extensions can be read of one answer only.
        msg = f"{len(singles)} answers in one response"
        raise OcspError(msg)
    (single,) = singles
    for extension in (*response.extensions, *response.single_extensions):
        if extension.critical:
            msg = f"critical extension {extension.oid.dotted_string}"
            raise OcspError(msg)
    if single.hash_algorithm.name not in _CERT_ID_HASHES or len(response.certificates) > _MAX_DELEGATES:
        msg = "an uncommon hash, or too many certificates"
        raise OcspError(msg)
    nonce = find_extension(response.extensions, x509.OCSPNonce)
    name = response.responder_name
    return OcspAnswer(
        serial=single.serial_number,
        hash=single.hash_algorithm.name,
        issuer_name_hash=single.issuer_name_hash,
        issuer_key_hash=single.issuer_key_hash,
        status=_STATUSES[single.certificate_status],
        this_update=single.this_update_utc,
        next_update=single.next_update_utc,
        nonce=None if nonce is None else nonce.nonce,
        responder=name.public_bytes() if name is not None else response.responder_key_hash or b"",
        delegates=tuple(response.certificates),
        signature=_signature(response),
    )


def _signature(response: ocsp.OCSPResponse) -> DetachedSignature:
    oid = response.signature_algorithm_oid
    algorithm = response.signature_hash_algorithm
    if oid in _RSA:
        parameters: object = padding.PKCS1v15()
    elif oid in _ECDSA and algorithm is not None:
        parameters = ec.ECDSA(algorithm)
    else:
        msg = f"signed with {oid.dotted_string}"
        raise OcspError(msg)
    return DetachedSignature.over(response.tbs_response_bytes, response.signature, algorithm, parameters)
