"""One OCSP answer: what it says of which certificate, and checking that the issuer, or a responder it named, said so."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, SignatureAlgorithmOID

from authz_server.model import CERTIFICATE_PARSE_ERRORS
from authz_server.validation.extensions import find_extension
from authz_server.validation.revocation.signature import DetachedSignature

# RFC 6960 §4.3 and RFC 5019: CertIDs are SHA-1 in practice; it names an issuer, it protects nothing.
_CERT_ID_HASHES = ("sha1", "sha256")
_RSA = (SignatureAlgorithmOID.RSA_WITH_SHA256, SignatureAlgorithmOID.RSA_WITH_SHA384, SignatureAlgorithmOID.RSA_WITH_SHA512)
_ECDSA = (
    SignatureAlgorithmOID.ECDSA_WITH_SHA256,
    SignatureAlgorithmOID.ECDSA_WITH_SHA384,
    SignatureAlgorithmOID.ECDSA_WITH_SHA512,
)
_MAX_DELEGATES = 4


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
class OcspAnswer:
    """What a responder says of one certificate. Unverified until ``is_by_issuer`` was asked."""

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

    def is_about(self, serial: int, issuer: x509.Certificate) -> bool:
        """Whether it speaks of the certificate with this serial number by this issuer (RFC 6960 §4.1.1)."""
        if serial != self.serial:
            return False
        name, key = issuer.subject.public_bytes(), _key_bits(issuer)
        return _digest(self.hash, name) == self.issuer_name_hash and _digest(self.hash, key) == self.issuer_key_hash

    def is_by_issuer(self, issuer: x509.Certificate, now: datetime) -> bool:
        """Whether the issuer itself signed it, or a responder that the issuer authorized (§4.2.2.2) and that is valid now."""
        if self._is_signer(issuer) and self.signature.is_by(issuer.public_key()):
            return True
        return any(
            self._is_signer(delegate) and _is_authorized(delegate, issuer, now) and self.signature.is_by(delegate.public_key())
            for delegate in self.delegates
        )

    def _is_signer(self, certificate: x509.Certificate) -> bool:
        """Whether the responder ID names this certificate: by its name or by the SHA-1 of its key (§4.2.1)."""
        return self.responder in (certificate.subject.public_bytes(), _digest("sha1", _key_bits(certificate)))


def _is_authorized(delegate: x509.Certificate, issuer: x509.Certificate, now: datetime) -> bool:
    """RFC 6960 §4.2.2.2: issued directly by the issuer's key, for OCSP signing, and not itself in need of a look-up."""
    usage = find_extension(delegate.extensions, x509.ExtendedKeyUsage)
    if usage is None or ExtendedKeyUsageOID.OCSP_SIGNING not in usage:
        return False
    if find_extension(delegate.extensions, x509.OCSPNoCheck) is None:
        return False
    if not delegate.not_valid_before_utc <= now.replace(microsecond=0) <= delegate.not_valid_after_utc:
        return False
    try:
        delegate.verify_directly_issued_by(issuer)
    except (InvalidSignature, *CERTIFICATE_PARSE_ERRORS):
        return False
    return True


def parse_ocsp(der: bytes) -> OcspAnswer:
    """Parse one DER OCSP response with one answer; raises ``OcspError`` for one that cannot be used."""
    try:
        return _answer(ocsp.load_der_ocsp_response(der))
    except OcspError:
        raise
    except (InvalidSignature, *CERTIFICATE_PARSE_ERRORS) as error:
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


def _key_bits(certificate: x509.Certificate) -> bytes:
    """The content of the subjectPublicKey BIT STRING, which is what key hashes are made of (§4.1.1)."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _digest(name: str, data: bytes) -> bytes:
    return hashlib.new(name, data, usedforsecurity=False).digest()
