"""The throwaway PKI of these tests: the hop's certificates as files, the clients' as objects, one defect each."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from authz_server.demo.pki import Authority, Issued, make_key
from tests.refresh.crls import HOUR, NOW, crl

if TYPE_CHECKING:
    from pathlib import Path

WAF = "spiffe://lab/waf"
ALICE = "spiffe://example.org/alice"


class Pki:
    """The CAs. ``folder`` gets every file that the shipped configurations and the service name."""

    def __init__(self, folder: Path, **validity) -> None:
        """``validity`` (``not_before``, ``not_after``) goes to every certificate."""
        self.folder = folder
        self._validity = validity
        self.clients = Authority.create("Clients CA", **validity)
        self.partners = Authority.create("Partners CA", **validity)
        self.hop = Authority.create("Hop CA", **validity)
        (folder / "clients-ca.crt").write_bytes(self.clients.certificate_pem)
        (folder / "partners-ca.crt").write_bytes(self.partners.certificate_pem)
        (folder / "hop-ca.crt").write_bytes(self.hop.certificate_pem)
        servers = {"eku": "server"} | validity
        self.write("waf", self.hop.issue("CN=waf", uris=(WAF,), **validity))
        self.write("neighbour", self.hop.issue("CN=neighbour", uris=("spiffe://lab/neighbour",), **validity))
        self.write("waf-server", self.hop.issue("CN=waf", uris=(WAF, "https://waf.example.org"), dns=("localhost",), **servers))
        self.write("envoy", self.hop.issue("CN=edge", dns=("edge.internal",), **servers))
        self.write("envoy-client", self.hop.issue("CN=edge", uris=("spiffe://lab/edge",), **validity))
        self.write("authz", self.hop.issue("CN=authz", dns=("authz.internal",), **servers))
        self.write("alice", self.alice)
        self._withdraw()

    def _withdraw(self) -> None:
        """The CRLs of the clients' CA and of one below it, which is past its nextUpdate, and the operator's deny list."""
        lists = self.folder / "crls"
        lists.mkdir()
        revoked = [each.certificate.serial_number for each in (self.mallory, self.revoked_authority)]
        (lists / "clients.crl").write_bytes(crl(self.clients, revoked))
        (lists / "late.crl").write_bytes(crl(self.late_authority, (), this=NOW - 3 * HOUR, following=NOW - 2 * HOUR))
        fingerprint = self.withdrawn.certificate.fingerprint(hashes.SHA256()).hex()
        (self.folder / "denylist").write_text(f"# withdrawn by its owner\nsha256:{fingerprint}\n")

    def write(self, name: str, issued: Issued) -> None:
        """A certificate with its chain, and its key, as files."""
        (self.folder / f"{name}.crt").write_bytes(issued.chain_pem)
        (self.folder / f"{name}.key").write_bytes(issued.key_pem)

    def client(self, subject: str | x509.Name = "CN=alice", issuer: Authority | None = None, **fields) -> Issued:
        """A client certificate; alice's unless something is changed."""
        return (issuer or self.clients).issue(subject, **_with_key({"uris": (ALICE,)} | self._validity | fields))

    def authority(self, name: str, **fields) -> Authority:
        """A CA below the clients' CA, unless ``parent`` says otherwise."""
        return Authority.create(name, **_with_key({"parent": self.clients} | self._validity | fields))

    @cached_property
    def alice(self) -> Issued:
        """The client whom every house lets in."""
        return self.client()

    @cached_property
    def mallory(self) -> Issued:
        """A client whose certificate the CRL lists; its name is alice's."""
        return self.client()

    @cached_property
    def withdrawn(self) -> Issued:
        """A client whose certificate the deny list names."""
        return self.client()

    @cached_property
    def revoked_authority(self) -> Authority:
        """A CA below the clients' CA, whose CRL lists it."""
        return self.authority("Revoked CA")

    @cached_property
    def late_authority(self) -> Authority:
        """A CA below the clients' CA, whose own CRL is too old."""
        return self.authority("Late CA")


def _with_key(fields: dict) -> dict:
    """``key`` may be the name of a kind."""
    return fields | {"key": make_key(fields["key"])} if "key" in fields else fields


def percent_pem(*certificates: Issued) -> str:
    """PEM with everything escaped, as nginx and Envoy write it. The intermediates are not included."""
    return quote("".join(issued.certificate_pem.decode() for issued in certificates), safe="")


def xfcc(leaf: Issued, *rest: Issued, **replaced: str) -> str:
    """One element of X-Forwarded-Client-Cert, in Envoy's text form; ``replaced`` changes a key's value."""
    pairs = {"Hash": leaf.certificate.fingerprint(hashes.SHA256()).hex(), "Cert": f'"{percent_pem(leaf)}"'}
    if rest:
        pairs["Chain"] = f'"{percent_pem(leaf, *rest)}"'
    return ";".join(f"{key}={value}" for key, value in (pairs | replaced).items())
