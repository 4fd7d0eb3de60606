"""A throwaway certification authority for the demo and the tests. Never for production: keys are written unencrypted."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

if TYPE_CHECKING:
    from collections.abc import Iterable

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
Extensions = tuple[tuple[x509.ExtensionType, bool], ...]

_PURPOSES = {
    "client": (ExtendedKeyUsageOID.CLIENT_AUTH,),
    "server": (ExtendedKeyUsageOID.SERVER_AUTH,),
    "any": (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,),
    "none": (),
}


def make_key(kind: str = "p256") -> PrivateKey:
    """A new private key: ``p256``, ``p384``, ``p224``, ``ed25519`` or ``rsaBITS``."""
    if kind.startswith("rsa"):
        return rsa.generate_private_key(public_exponent=65537, key_size=int(kind[3:]))
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    curves: dict[str, ec.EllipticCurve] = {"p224": ec.SECP224R1(), "p256": ec.SECP256R1(), "p384": ec.SECP384R1()}
    return ec.generate_private_key(curves[kind])


@dataclass(frozen=True)
class Issued:
    """A certificate with its key, and the intermediates above it (without the root)."""

    certificate: x509.Certificate
    key: PrivateKey
    intermediates: tuple[x509.Certificate, ...] = ()

    @property
    def certificate_der(self) -> bytes:
        """The certificate's DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def certificate_pem(self) -> bytes:
        """The certificate's PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def chain_der(self) -> tuple[bytes, ...]:
        """Leaf and intermediates, DER."""
        return tuple(each.public_bytes(Encoding.DER) for each in (self.certificate, *self.intermediates))

    @property
    def chain_pem(self) -> bytes:
        """Leaf and intermediates, PEM."""
        return b"".join(each.public_bytes(Encoding.PEM) for each in (self.certificate, *self.intermediates))

    @property
    def key_pem(self) -> bytes:
        """The private key, PKCS #8, unencrypted."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key_usage(*, digital_signature: bool = False, key_cert_sign: bool = False, key_encipherment: bool = False) -> x509.KeyUsage:
    """A key usage extension with these bits."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        encipher_only=False,
        decipher_only=False,
    )


@dataclass(frozen=True)
class Authority(Issued):
    """A CA that issues certificates. Validity defaults to a day before and a month after now."""

    above: tuple[x509.Certificate, ...] = field(default=())

    @classmethod
    def create(  # noqa: PLR0913 - every field can be made defective
        cls,
        name: str,
        *,
        parent: Authority | None = None,
        key: PrivateKey | None = None,
        path_length: int | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        extensions: Extensions = (),
    ) -> Authority:
        """A root, or an intermediate below ``parent``; ``name`` is its common name."""
        key = key or make_key()
        subject = x509.Name.from_rfc4514_string(f"CN={name}")
        standard: Extensions = (
            (x509.BasicConstraints(ca=True, path_length=path_length), True),
            (key_usage(key_cert_sign=True), True),
        )
        certificate = _sign(subject, key, parent, (*standard, *extensions), (not_before, not_after))
        above = () if parent is None else (certificate, *parent.above)
        return cls(certificate, key, (), above)

    def issue(  # noqa: PLR0913 - every field can be made defective
        self,
        subject: str | x509.Name,
        *,
        uris: Iterable[str] = (),
        dns: Iterable[str] = (),
        emails: Iterable[str] = (),
        eku: str = "client",
        usage: x509.KeyUsage | None = None,
        key: PrivateKey | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        extensions: Extensions = (),
    ) -> Issued:
        """An end-entity certificate; ``subject`` is RFC 4514 text or a name, ``eku`` client, server, any or none."""
        key = key or make_key()
        name = x509.Name.from_rfc4514_string(subject) if isinstance(subject, str) else subject
        names: list[x509.GeneralName] = [
            *(x509.UniformResourceIdentifier(uri) for uri in uris),
            *(x509.DNSName(each) for each in dns),
            *(x509.RFC822Name(email) for email in emails),
        ]
        standard: list[tuple[x509.ExtensionType, bool]] = [(usage or key_usage(digital_signature=True), True)]
        if _PURPOSES[eku]:
            standard.append((x509.ExtendedKeyUsage(_PURPOSES[eku]), False))
        if names:
            standard.append((x509.SubjectAlternativeName(names), False))
        certificate = _sign(name, key, self, (*standard, *extensions), (not_before, not_after))
        return Issued(certificate, key, self.above)


def _sign(
    subject: x509.Name,
    key: PrivateKey,
    issuer: Authority | None,
    extensions: Extensions,
    validity: tuple[datetime | None, datetime | None],
) -> x509.Certificate:
    now = datetime.now(UTC).replace(microsecond=0)
    signing_key = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity[0] or now - timedelta(days=1))
        .not_valid_after(validity[1] or now + timedelta(days=30))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
    )
    # One that is given later replaces the standard one of its kind: so a single thing can be made defective.
    for extension, critical in {extension.oid: (extension, critical) for extension, critical in extensions}.values():
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signing_key, None if isinstance(signing_key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
