"""The certificates of an interop run: fresh ones for the matrix, and one fixed chain for the captured headers.

The fixed chain comes out the same, byte for byte, on every machine and on every day: keys are derived from small numbers,
serial numbers and times stand still, and ECDSA is deterministic (RFC 6979). So no private key stands in the repository, and
a captured header changes only when a product changes.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from authz_server.demo.pki import Authority, Issued, key_usage, make_key

if TYPE_CHECKING:
    from pathlib import Path

HOST = "app.example.org"
BEGIN, END = datetime(2020, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC)


# What ``hostile_names`` makes, for tables of tests.
HOSTILE = (
    "second key",
    "second element",
    "element before",
    "open quote",
    "closing quote",
    "backslash",
    "DNS name",
    "two URIs",
    "JSON",
)


class Certificates:
    """Every certificate of the matrix, by name, written to ``folder`` as the demo does: ``NAME.crt``, ``NAME.key``.

    ``NAME.pem`` holds both, for products that want one file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clients, hop, other = Authority.create("Clients CA"), Authority.create("Hop CA"), Authority.create("Unknown CA")
        one = Authority.create("Team CA", parent=self.clients)
        two = Authority.create("Division CA", parent=one)
        three = Authority.create("Unit CA", parent=two)
        self.fixed = fixed_client()
        self.issued = {
            "rsa": self.clients.issue("CN=rsa,O=Acme", uris=("spiffe://example.org/rsa",), key=make_key("rsa2048")),
            "p256": self.clients.issue("CN=p256,O=Acme", uris=("spiffe://example.org/p256",)),
            "intermediate": one.issue("CN=intermediate,O=Acme", uris=("spiffe://example.org/intermediate",)),
            "long": three.issue("CN=long,O=Acme", uris=("spiffe://example.org/long",)),
            "victim": self.clients.issue("CN=victim,O=Acme", uris=("spiffe://example.org/victim",)),
            "mallory": self.clients.issue("CN=mallory,O=Acme", uris=("spiffe://example.org/mallory",)),
            "revoked": self.clients.issue("CN=revoked,O=Acme", uris=("spiffe://example.org/revoked",)),
            "stranger": other.issue("CN=victim,O=Acme", uris=("spiffe://example.org/victim",)),
            "fixed": self.fixed,
            "waf": hop.issue("CN=waf", uris=("spiffe://lab/waf",)),
            # Names of a proxy's own server certificate end up in XFCC's By.
            "waf-server": hop.issue("CN=waf", uris=("spiffe://lab/waf",), dns=("localhost", HOST), eku="server"),
            "envoy": hop.issue("CN=edge", dns=("edge.internal", "localhost", HOST), eku="server"),
            "envoy-client": hop.issue("CN=edge", uris=("spiffe://lab/edge",)),
            "authz": hop.issue("CN=authz", dns=("authz.internal",), eku="server"),
        }
        self.issued |= {name: self._hostile(**names) for name, names in hostile_names(self.issued["victim"]).items()}
        for name, each in self.issued.items():
            self._write(name, each)
        roots = (self.clients, _fixed_authorities()[0])
        (folder / "clients-ca.crt").write_bytes(b"".join(each.certificate_pem for each in roots))
        (folder / "clients-and-intermediates.crt").write_bytes(
            b"".join(each.certificate_pem for each in (*roots, one, two, three))
        )
        (folder / "hop-ca.crt").write_bytes(hop.certificate_pem)

        (folder / "clients.crl").write_bytes(self._revocation_list())

    def _revocation_list(self) -> bytes:
        """PEM, for products that look at it; authz-server is not told."""
        hour = timedelta(hours=1)
        now = datetime.now(UTC)
        entry = x509.RevokedCertificateBuilder().serial_number(self.issued["revoked"].certificate.serial_number)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.clients.certificate.subject)
        builder = builder.last_update(now - hour).next_update(now + 24 * hour)
        builder = builder.add_revoked_certificate(entry.revocation_date(now - hour).build())
        return builder.sign(self.clients.key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def _hostile(self, *, uris: tuple[str, ...] = (), dns: tuple[str, ...] = ()) -> Issued:
        return self.clients.issue("CN=mallory,O=Acme", uris=uris, dns=dns)

    def _write(self, name: str, each: Issued) -> None:
        (self.folder / f"{name}.crt").write_bytes(each.chain_pem)
        (self.folder / f"{name}.key").write_bytes(each.key_pem)
        (self.folder / f"{name}.pem").write_bytes(each.chain_pem + each.key_pem)

    def sha256(self, name: str) -> str:
        """SHA-256 of the DER of the certificate, lower-case hex."""
        return hashlib.sha256(self.issued[name].certificate_der).hexdigest()


def hostile_names(victim: Issued) -> dict[str, dict[str, tuple[str, ...]]]:
    """Names that a careless CA signs for mallory, each meant to write into X-Forwarded-Client-Cert.

    Envoy writes URI and DNS names into the text form as they are; every row is a way to make use of that.
    """
    certificate = f'Cert="{quote(victim.certificate_pem, safe="")}"'
    digest = f"Hash={hashlib.sha256(victim.certificate_der).hexdigest()}"
    waf = "By=spiffe://lab/waf"
    return {
        "second key": {"uris": (f"spiffe://a;{certificate}",)},
        "second element": {"uris": (f"spiffe://a,{waf};{digest};{certificate}",)},
        "element before": {"uris": (f"spiffe://a,{waf};{digest};{certificate},{waf};URI=spiffe://a",)},
        "open quote": {"uris": (f'spiffe://a,{waf};{digest};{certificate};Subject="',)},
        "closing quote": {"uris": (f'spiffe://a";{certificate}',)},
        "backslash": {"uris": (f'spiffe://a\\";{certificate};Subject="\\',)},
        "DNS name": {"dns": (f"a,{waf};{digest};{certificate}",)},
        "two URIs": {"uris": ("spiffe://example.org/mallory", f"spiffe://a,{waf};{digest};{certificate}")},
        "JSON": {"uris": (f'spiffe://a"]}},{{"hash":"{digest[5:]}","uri":["',)},
    }


def fixed_client() -> Issued:
    """Root -> intermediate -> client; the client's base64 holds ``+``, ``/`` and ``=``."""
    _, middle = _fixed_authorities()
    key = _fixed_key(3)
    return Issued(
        _fixed_certificate("CN=captured,O=Acme Widgets Ltd", key, middle, names=("spiffe://example.org/captured",), serial=3),
        key,
        middle.above,
    )


def _fixed_authorities() -> tuple[Authority, Authority]:
    key = _fixed_key(1)
    root = Authority(_fixed_certificate("CN=Captured Root CA", key, None, serial=1), key)
    key = _fixed_key(2)
    certificate = _fixed_certificate("CN=Captured Intermediate CA", key, root, serial=2)
    return root, Authority(certificate, key, (), (certificate,))


def _fixed_key(number: int) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(0x1234567 + number, ec.SECP256R1())


def _fixed_certificate(
    subject: str, key: ec.EllipticCurvePrivateKey, issuer: Authority | None, *, names: tuple[str, ...] = (), serial: int
) -> x509.Certificate:
    is_ca = not names
    name = x509.Name.from_rfc4514_string(subject)
    signing_key = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(BEGIN)
        .not_valid_after(END)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(key_usage(digital_signature=not is_ca, key_cert_sign=is_ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
    )
    if not is_ca:
        uris = [x509.UniformResourceIdentifier(each) for each in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(uris), critical=False).add_extension(
            x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
    return builder.sign(signing_key, hashes.SHA256(), ecdsa_deterministic=True)
