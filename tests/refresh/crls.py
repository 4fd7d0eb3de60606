"""Real CRLs, valid today unless told; each defect is one changed argument."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from authz_server.demo.pki import Authority, make_key
from authz_server.refresh.acceptance import Authorities
from authz_server.validation.revocation import parse_crl

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)


@cache
def root():
    """The CA that the refresher knows."""
    return Authority.create("Refresh Root")


@cache
def stranger():
    """A CA that it does not know."""
    return Authority.create("Stranger")


@cache
def impostor():
    """Another key under the known CA's name."""
    return Authority.create("Refresh Root", key=make_key())


def known(*authorities):
    """The authorities as the refresher has them."""
    return Authorities.of(each.certificate_pem for each in authorities or (root(),))


def crl(issuer=None, serials=(1, 2, 3), number=1, this=NOW - HOUR, following=NOW + HOUR, extensions=()):
    """The DER of a CRL; ``number`` may be ``None``, ``extensions`` are (extension, critical) pairs."""
    issuer = issuer or root()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(this)
        .next_update(following)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
    )
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    for serial in serials:
        revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(this).build()
        builder = builder.add_revoked_certificate(revoked)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def pem(der):
    """The same in PEM."""
    return x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)


def parsed(*args, **fields):
    """The same, parsed."""
    return parse_crl(crl(*args, **fields))
