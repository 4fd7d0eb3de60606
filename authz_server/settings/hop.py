"""Settings of one trusted proxy."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from authz_server.settings.fields import HEADER, KeyFiles, Paths, Texts, some


class HopSettings(BaseModel):
    """One trusted proxy and the proofs that its requests must give: all that are configured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("", description="what the trusted proxy is called in logs; by default its key in `hops`, or `waf`")
    principals: Texts = Field(
        (),
        description="TLS identities of the trusted proxy as Envoy reports them: first URI SAN, else first DNS SAN, else subject",
    )
    context: str = Field(
        "hop=mtls", pattern=r"^[^=]+=.+$", description="`KEY=VALUE`: the context extension that only the verifying listener sets"
    )
    certificate_sha256: Texts = Field((), description="pins: SHA-256 of the proxy's certificate, hex")
    public_key_sha256: Texts = Field((), description="pins: SHA-256 of the proxy's public key, hex, or base64 as Envoy writes it")
    networks: Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(some)] = Field(
        (), description="networks (CIDR) that Envoy's direct peer must be in"
    )
    secret_files: Paths = Field(
        (),
        description="files with the shared secret, at least 32 characters; a folder stands for every file in it; any may match",
    )
    secret_header: str = Field("x-hop-secret", pattern=HEADER, description="the header that holds the shared secret")
    hmac_key_files: Paths = Field(
        (), description="files with the HMAC key, at least 32 bytes; a folder stands for every file in it"
    )
    hmac_header: str = Field("x-hop-signature", pattern=HEADER, description="the header that holds the HMAC")
    signature_keys: KeyFiles = Field(
        (), description="RFC 9421: `KEYID=FILE`, public keys (PEM); the kind of key gives the algorithm"
    )
    signature_secrets: KeyFiles = Field(
        (), description="RFC 9421: `KEYID=FILE`, shared secrets of at least 32 bytes for `hmac-sha256`"
    )
    signature_components: Texts = Field(
        ("@method", "@authority", "@path"),
        description="RFC 9421: what must be covered beside the certificate headers, which always must",
    )
    signature_tag: str = Field("", description="RFC 9421: the `tag` of the proxy's signature; empty: there must be exactly one")
    signature_require_nonce: bool = Field(
        default=True, description="RFC 9421: refuse signatures without a `nonce`, which could be replayed while they are fresh"
    )
    max_age_seconds: float = Field(30, gt=0, le=3600, description="how old an HMAC or signature may be")
    clock_skew_seconds: float = Field(5, ge=0, le=300, description="by how much the proxy's clock may differ")

    @property
    def has_proof(self) -> bool:
        """Whether anything is asked for."""
        keyed = self.secret_files or self.hmac_key_files or self.signature_keys or self.signature_secrets
        return bool(self.principals or self.networks or keyed)

    def contradictions(self) -> tuple[tuple[bool, str, str], ...]:
        """(is it so, field, what would be right) for what single fields cannot tell."""
        pins = bool(self.certificate_sha256 or self.public_key_sha256)
        cut = [name for name in self.principals if "=" in name and "://" not in name and "CN=" not in name]
        return (
            (pins and not self.principals, "principals", "pins add to a principal; set it too"),
            (bool(cut), "principals", f"{cut} looks like a subject cut at its comma; write a JSON array"),
        )
