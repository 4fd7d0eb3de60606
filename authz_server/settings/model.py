"""Everything that an operator can set."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_serializer, model_validator

from authz_server.settings.fields import Address, Paths, Texts, listed, mapping, some
from authz_server.settings.hop import HopSettings
from authz_server.settings.names import variable
from authz_server.settings.source import SourceSettings
from authz_server.settings.trust import TrustDomainSettings

if TYPE_CHECKING:
    from collections.abc import Iterator


class Settings(BaseModel):
    """Everything that an operator can set. ``docs/settings.md`` is made from this model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listen: Address = Field("127.0.0.1:9001", min_length=1, description="where Envoy asks: `HOST:PORT` or `unix:/PATH`")
    unsafe_plaintext_listen: bool = Field(
        default=False,
        description="allow an address other than loopback or a Unix socket without TLS: anybody who reaches it can ask",
    )
    tls_certificate_file: Path | None = Field(None, description="certificate chain (PEM) of the listener")
    tls_private_key_file: Path | None = Field(None, description="its private key (PEM)")
    tls_client_ca_file: Path | None = Field(None, description="CAs (PEM) whose certificates Envoy must show one of: mutual TLS")
    admin_listen: Address = Field("127.0.0.1:9002", description="HTTP with `/metrics`, `/healthz`, `/readyz`; empty turns it off")
    drain_delay_seconds: float = Field(
        4.0,
        ge=0,
        le=600,
        description="how long to answer NOT_SERVING before closing: Envoy's health-check interval times its threshold",
    )
    drain_timeout_seconds: float = Field(10.0, ge=0, le=600, description="how long calls in flight may take when closing")

    hops: Annotated[dict[str, HopSettings], BeforeValidator(mapping)] = Field(
        default_factory=dict,
        description="several trusted proxies: a mapping of names to the `AUTHZ_HOP_…` settings in lower case; any may match",
    )
    unsafe_no_hop_proof: bool = Field(
        default=False, description="believe every request that Envoy forwards: anybody can be anyone"
    )
    sources: Annotated[dict[str, SourceSettings], BeforeValidator(mapping)] = Field(
        default_factory=dict,
        description="several sources: a mapping of names to the `AUTHZ_SOURCE_…` settings in lower case",
    )
    source_context: str = Field(
        "source", min_length=1, description="the context extension by which Envoy names the source of a request"
    )

    trust_domains: Annotated[dict[str, TrustDomainSettings], BeforeValidator(mapping)] = Field(
        default_factory=dict,
        description="several trust domains: a mapping of names to the settings of one in lower case",
    )
    trust_domain_context: str = Field(
        "trust_domain", min_length=1, description="the context extension by which Envoy names the trust domain of a request"
    )
    trust_expiry_warning_days: int = Field(30, ge=0, description="warn when a CA certificate expires within so many days")
    denylist_file: Path | None = Field(
        None,
        description=(
            "certificates that are refused whatever their CA says, one a line: `sha256:HEX`, `public-key-sha256:HEX`, "
            "`serial:HEX issuer:NAME`"
        ),
    )
    crl_files: Paths = Field((), description="CRLs (PEM or DER); a folder stands for its `*.crl`, `*.pem` and `*.der` files")
    crl_urls: Texts = Field((), description="CRLs to fetch over http or https")
    crl_cache_folder: Path | None = Field(
        None, description="where fetched CRLs outlive a restart; by default they are fetched anew"
    )
    crl_interval_seconds: float = Field(
        3600, gt=0, le=7 * 86400, allow_inf_nan=False, description="how often at least to fetch; sooner before nextUpdate"
    )
    crl_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(some)] = Field(
        (), description="networks (CIDR) that are not public and may be connected to for CRLs"
    )
    ocsp_files: Paths = Field(
        (), description="OCSP responses (DER), stapled in advance; a folder stands for its `*.ocsp` and `*.der` files"
    )
    ocsp_allow: Texts = Field(
        (), description="origins (`http://ocsp.example.org`) of responders that certificates may name; any other is not asked"
    )
    ocsp_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(some)] = Field(
        (), description="networks (CIDR) that are not public and may be connected to for OCSP"
    )
    ocsp_timeout_seconds: float = Field(
        5, gt=0, le=60, allow_inf_nan=False, description="how long one query may take, from the name to the last byte"
    )
    ocsp_interval_seconds: float = Field(
        3600,
        gt=0,
        le=7 * 86400,
        allow_inf_nan=False,
        description="how often to renew the answer about a certificate in use; sooner where nextUpdate is near",
    )
    ocsp_retry_seconds: float = Field(
        30, ge=1, le=3600, allow_inf_nan=False, description="how long after a failure no new query about a certificate is made"
    )
    reload_interval_seconds: float = Field(
        300, gt=0, le=86400, allow_inf_nan=False, description="how often to reload even if no file seems to have changed"
    )

    allow: Texts = Field(
        (),
        description="who is allowed: `KIND:VALUE`, `KIND:PREFIX*`, `subject:*,O=Acme` (all below a name), `*` (all valid ones)",
    )
    header_prefix: str = Field("x-auth-client-", pattern=r"^x-[a-z0-9-]+-$", description="how injected headers begin")

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="level of the service's own log")
    log_decisions: Literal["all", "denials"] = Field("all", description="which decisions get a line")
    log_mask: Annotated[frozenset[Literal["query", "names", "address"]], BeforeValidator(listed)] = Field(
        frozenset({"query"}), description="what decision lines hide: `query`, `names`, `address`"
    )
    log_mask_key: SecretStr | None = Field(
        None, description="secret by which masked names become pseudonyms that stay comparable"
    )

    @field_serializer("log_mask")
    def _ordered(self, mask: frozenset[str]) -> list[str]:
        """A set's order differs from process to process; the revision, made from this, must not."""
        return sorted(mask)

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> Settings:
        problems = [message for is_wrong, message in self._contradictions() if is_wrong]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _contradictions(self) -> tuple[tuple[bool, str], ...]:
        tls = self.tls_certificate_file is not None
        return (
            *self._hop_contradictions(),
            *self._source_contradictions(),
            *self._trust_contradictions(),
            (not self.allow, "AUTHZ_ALLOW: say who is allowed: nobody would be"),
            (
                tls != (self.tls_private_key_file is not None),
                "AUTHZ_TLS_CERTIFICATE_FILE: needs AUTHZ_TLS_PRIVATE_KEY_FILE, and the other way round",
            ),
            (self.tls_client_ca_file is not None and not tls, "AUTHZ_TLS_CLIENT_CA_FILE: needs AUTHZ_TLS_CERTIFICATE_FILE"),
            (
                not tls and not _is_local(self.listen) and not self.unsafe_plaintext_listen,
                (
                    "AUTHZ_LISTEN: another address than loopback needs AUTHZ_TLS_CERTIFICATE_FILE, or "
                    "AUTHZ_UNSAFE_PLAINTEXT_LISTEN=true"
                ),
            ),
            (self.admin_listen.startswith("unix:"), "AUTHZ_ADMIN_LISTEN: expected HOST:PORT, or empty to turn it off"),
        )

    def _hop_contradictions(self) -> Iterator[tuple[bool, str]]:
        proven = [name for name, hop in self.hops.items() if hop.has_proof]
        yield (
            not proven and not self.unsafe_no_hop_proof,
            "AUTHZ_HOP_PRINCIPALS: no proof of the hop is configured: anybody could send a header; set it or another proof",
        )
        yield (
            bool(proven) and self.unsafe_no_hop_proof,
            "AUTHZ_UNSAFE_NO_HOP_PROOF: contradicts the proofs that are configured; unset it",
        )
        called = [hop.name or name for name, hop in self.hops.items()]
        for name, hop in self.hops.items():
            yield called.count(hop.name or name) > 1, f"{variable('hops', name, 'name')}: two hops are called so in logs"
            yield bool(proven) and not hop.has_proof, f"{variable('hops', name, 'principals')}: this hop asks for no proof"
            for is_wrong, field_name, message in hop.contradictions():
                yield is_wrong, f"{variable('hops', name, field_name)}: {message}"
            # Injected headers are set before consumed ones are removed.
            yield (
                any(header.startswith(self.header_prefix) for header in hop.headers),
                "AUTHZ_HEADER_PREFIX: a header that proves the hop begins with it too; choose another prefix",
            )

    def _source_contradictions(self) -> Iterator[tuple[bool, str]]:
        yield not self.sources, "AUTHZ_SOURCE_PRESET: name the product in front, or set AUTHZ_SOURCE_FORMAT"
        for name, settings in self.sources.items():
            try:
                headers = settings.source(name).headers
            except ValueError as error:
                field_name, _, message = str(error).partition(": ")
                yield True, f"{variable('sources', name, field_name)}: {message}"
                continue
            unknown = sorted(set(settings.hops) - set(self.hops))
            yield bool(unknown), f"{variable('sources', name, 'hops')}: no such hop: {', '.join(unknown)}"
            unknown = sorted(set(settings.trust_domains) - set(self.trust_domains))
            yield bool(unknown), f"{variable('sources', name, 'trust_domains')}: no such trust domain: {', '.join(unknown)}"
            yield (
                settings.trust_bundle_file is not None and bool(settings.trust_domains or len(self.trust_domains) > 1),
                f"{variable('sources', name, 'trust_bundle_file')}: contradicts several trust domains; name it in one of them",
            )
            # Both would be known to logs and upstreams by one name.
            is_shared = any(other.trust_bundle_file is None for other in self.sources.values())
            yield (
                settings.trust_bundle_file is not None and is_shared and name in self.trust_domains,
                f"{variable('sources', name, 'trust_bundle_file')}: a trust domain of other sources is called {name!r} too",
            )
            yield (
                any(header.startswith(self.header_prefix) for header in headers),
                "AUTHZ_HEADER_PREFIX: the certificate header begins with it too; choose another prefix",
            )
            shared = sorted({header for hop in self.hops.values() for header in hop.headers} & set(headers))
            yield bool(shared), f"{variable('sources', name, 'header')}: {', '.join(shared)} proves a hop already"

    def _trust_contradictions(self) -> Iterator[tuple[bool, str]]:
        own = bool(self.sources) and all(source.trust_bundle_file is not None for source in self.sources.values())
        if not self.trust_domains:
            yield not own, "AUTHZ_TRUST_BUNDLE_FILE: name the file of CA certificates that clients' certificates must lead to"
        for name, domain in self.trust_domains.items():
            for is_wrong, field_name, message in domain.contradictions(
                has_revocation_data=self.has_revocation_data, has_ocsp_allow=bool(self.ocsp_allow)
            ):
                is_left_to_sources = own and field_name == "trust_bundle_file"
                yield is_wrong and not is_left_to_sources, f"{variable('trust_domains', name, field_name)}: {message}"
        asks = any(domain.asks_responders for domain in self.trust_domains.values())
        yield bool(self.ocsp_allow) and not asks, "AUTHZ_OCSP_ALLOW: no trust domain asks responders; set AUTHZ_OCSP"
        claimed = [domain.spiffe_trust_domain for domain in self.trust_domains.values() if domain.spiffe_trust_domain]
        yield len(set(claimed)) < len(claimed), "AUTHZ_TRUST_DOMAINS: two of them claim one SPIFFE trust domain"

    @property
    def has_crls(self) -> bool:
        """Whether the refresher has anything to do."""
        return bool(self.crl_files or self.crl_urls)

    @property
    def has_revocation_data(self) -> bool:
        """Whether any revocation data is configured for every trust domain."""
        return self.has_crls or bool(self.ocsp_files)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is said on every start about settings that give safety up."""
        unsafe = {
            "AUTHZ_UNSAFE_NO_HOP_PROOF": self.unsafe_no_hop_proof,
            "AUTHZ_UNSAFE_PLAINTEXT_LISTEN": self.unsafe_plaintext_listen,
        }
        hops = (
            f"{variable('hops', name, field_name)}: {message}"
            for name, hop in self.hops.items()
            for field_name, message in hop.warnings()
        )
        return (*(f"{name} is set: {_DANGERS[name]}" for name, is_set in unsafe.items() if is_set), *hops)


_DANGERS = {
    "AUTHZ_UNSAFE_NO_HOP_PROOF": "whoever reaches Envoy can be any client whose certificate he has seen",
    "AUTHZ_UNSAFE_PLAINTEXT_LISTEN": "whoever reaches the listener can ask for decisions and read them",
}


def _is_local(listen: str) -> bool:
    if listen.startswith("unix:"):
        return True
    host = listen.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
