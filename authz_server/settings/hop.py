"""Settings of one trusted proxy."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from authz_server.hop import SignatureProof
from authz_server.settings.fields import HEADER, KeyFiles, Paths, Texts, some

if TYPE_CHECKING:
    from collections.abc import Iterator


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
        ("@method", "@authority", "@path", "@query"),
        description=(
            "RFC 9421: what must be covered beside the certificate headers, which always must: headers, `@method`, `@authority`, "
            "`@path`, `@query`, `@request-target` (the last two in one) or `@target-uri` (the last three)"
        ),
    )
    signature_tag: str = Field("", description="RFC 9421: the `tag` of the proxy's signature; empty: there must be exactly one")
    signature_require_nonce: bool = Field(
        default=True, description="RFC 9421: refuse signatures without a `nonce`, which could be replayed while they are fresh"
    )
    max_age_seconds: float = Field(30, gt=0, le=3600, allow_inf_nan=False, description="how old an HMAC or signature may be")
    clock_skew_seconds: float = Field(
        5, ge=0, le=300, allow_inf_nan=False, description="by how much the proxy's clock may differ"
    )

    @property
    def has_proof(self) -> bool:
        """Whether anything is asked for."""
        keyed = self.secret_files or self.hmac_key_files or self.signature_keys or self.signature_secrets
        return bool(self.principals or self.networks or keyed)

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers that carry its proofs."""
        is_signed = bool(self.signature_keys or self.signature_secrets)
        return (
            *((self.secret_header,) if self.secret_files else ()),
            *((self.hmac_header,) if self.hmac_key_files else ()),
            *(SignatureProof.headers if is_signed else ()),
        )

    def contradictions(self) -> Iterator[tuple[bool, str, str]]:
        """(is it so, field, what would be right) for what single fields cannot tell."""
        pins = bool(self.certificate_sha256 or self.public_key_sha256)
        cut = [name for name in self.principals if "=" in name and "://" not in name and "CN=" not in name]
        yield pins and not self.principals, "principals", "pins add to a principal; set it too"
        yield bool(cut), "principals", f"{cut} looks like a subject cut at its comma; write a JSON array"
        for fields, needed in _DEPENDENT.items():
            is_needed = not any(getattr(self, name) for name in needed)
            for name in fields:
                yield is_needed and name in self.model_fields_set, name, f"asks for nothing without {' or '.join(needed)}"
        unknown = [name for name in self.signature_components if not _COMPONENT.fullmatch(name)]
        yield bool(unknown), "signature_components", f"{unknown}: no component that can be asked for"
        yield len(set(self.headers)) < len(self.headers), "hmac_header", "two proofs of this hop stand in one header"

    def warnings(self) -> Iterator[tuple[str, str]]:
        """(field, what it gives up) of what is said on every start."""
        if not (self.signature_keys or self.signature_secrets):
            return
        if not self.signature_require_nonce:
            yield "signature_require_nonce", "a signature can be used again while it is fresh"
        loose = sorted(part for part, names in _BOUND.items() if names.isdisjoint(self.signature_components))
        if loose:
            yield "signature_components", f"a signature fits requests that differ in {', '.join(loose)}"


# Derived components (RFC 9421 §2.2) that a request of Envoy's has and that say something: the scheme would be assumed, and
# single query parameters are read differently by different upstreams. Everything else is a header.
_COMPONENT = re.compile(rf"@method|@authority|@path|@query|@request-target|@target-uri|{HEADER[1:-1]}")

# What of a request each component binds.
_BOUND = {
    "method": frozenset({"@method"}),
    "host": frozenset({"@authority", "@target-uri"}),
    "path": frozenset({"@path", "@request-target", "@target-uri"}),
    "query": frozenset({"@query", "@request-target", "@target-uri"}),
}

# Settings that would silently do nothing without one of the others.
_DEPENDENT = {
    ("context",): ("principals",),
    ("secret_header",): ("secret_files",),
    ("hmac_header",): ("hmac_key_files",),
    ("signature_components", "signature_tag", "signature_require_nonce"): ("signature_keys", "signature_secrets"),
    ("max_age_seconds", "clock_skew_seconds"): ("hmac_key_files", "signature_keys", "signature_secrets"),
}
