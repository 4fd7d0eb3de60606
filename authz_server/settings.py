"""Environment (and a YAML file) -> ``Settings``, or every problem at once.

A setting is an ``AUTHZ_`` variable or the same name in lower case, without the prefix, in the file that ``AUTHZ_CONFIG``
names; the environment wins. Any setting may also be given as ``AUTHZ_…_FILE``, a file that holds the value.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, field_serializer, model_validator

from authz_server.forwarded import DEFAULT_HEADERS, ElementSelector, Format
from authz_server.model import NameKind

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "AUTHZ_"
_CONFIG = "AUTHZ_CONFIG"
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/]+):([0-9]{1,5})")
_MAX_PORT = 65535
_HEADER = r"^[a-z0-9][a-z0-9_-]{0,63}$"


def _listed(value: Any) -> Any:
    """A list from text: a JSON array if it begins with ``[``, otherwise values separated by commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [part.strip() for part in value.split(",") if part.strip()]


def _element(value: Any) -> Any:
    ElementSelector.from_text(str(value))
    return value


def _address(value: Any) -> Any:
    """``HOST:PORT`` (an IPv6 address in brackets), ``unix:/PATH`` or nothing; raises ``ValueError`` for anything else."""
    text = str(value)
    address = _ADDRESS.fullmatch(text)
    is_port = address is not None and int(address[2]) <= _MAX_PORT
    if text and not is_port and not (text.startswith("unix:/") and len(text) > len("unix:/")):
        msg = f"{text!r}: expected HOST:PORT with a port up to {_MAX_PORT}"
        raise ValueError(msg)
    return value


Address = Annotated[str, BeforeValidator(_address)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_listed)]


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

    hop_name: str = Field("waf", min_length=1, description="what the trusted proxy is called in logs")
    hop_principals: Texts = Field(
        (),
        description="TLS identities of the trusted proxy as Envoy reports them: first URI SAN, else first DNS SAN, else subject",
    )
    hop_context: str = Field(
        "hop=mtls", pattern=r"^[^=]+=.+$", description="`KEY=VALUE`: the context extension that only the verifying listener sets"
    )
    hop_certificate_sha256: Texts = Field((), description="pins: SHA-256 of the proxy's certificate, hex")
    hop_public_key_sha256: Texts = Field(
        (), description="pins: SHA-256 of the proxy's public key, hex, or base64 as Envoy writes it"
    )
    hop_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_listed)] = Field(
        (), description="networks (CIDR) that Envoy's direct peer must be in"
    )
    unsafe_no_hop_proof: bool = Field(
        default=False, description="believe every request that Envoy forwards: anybody can be anyone"
    )

    source_format: Format = Field(description="how the certificate is written: `xfcc`, `rfc9440` or `url-pem`")
    source_header: str | None = Field(None, pattern=_HEADER, description="the header that holds it (lower case); by format")
    source_chain_header: str | None = Field(
        None, pattern=_HEADER, description="the header that holds its intermediates; by format"
    )
    source_element: Annotated[str, BeforeValidator(_element)] = Field(
        "sole", description="which XFCC element is the client's: `sole`, `first`, `last` or `by=URI`"
    )

    trust_bundle_file: Path = Field(description="CA certificates (PEM) that clients' certificates must lead to")
    trust_expiry_warning_days: int = Field(30, ge=0, description="warn when a CA certificate expires within so many days")
    profile_max_depth: int = Field(4, ge=0, le=8, description="how many intermediates a path may have")
    profile_allow_missing_eku: bool = Field(default=False, description="accept client certificates without extended key usage")
    identity: NameKind = Field(NameKind.SUBJECT, description="which name is the client's name")
    allow: Texts = Field(
        min_length=1,
        description="who is allowed: `KIND:VALUE`, `KIND:PREFIX*`, `subject:*,O=Acme` (all below a name), `*` (all valid ones)",
    )
    header_prefix: str = Field("x-auth-client-", pattern=r"^x-[a-z0-9-]+-$", description="how injected headers begin")

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="level of the service's own log")
    log_decisions: Literal["all", "denials"] = Field("all", description="which decisions get a line")
    log_mask: Annotated[frozenset[Literal["query", "names", "address"]], BeforeValidator(_listed)] = Field(
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
        proofs = bool(self.hop_principals or self.hop_networks)
        pins = bool(self.hop_certificate_sha256 or self.hop_public_key_sha256)
        tls = self.tls_certificate_file is not None
        cut = [name for name in self.hop_principals if "=" in name and "://" not in name and "CN=" not in name]
        return (
            (
                not proofs and not self.unsafe_no_hop_proof,
                (
                    "AUTHZ_HOP_PRINCIPALS: no proof of the hop is configured, so anybody could send a header; set it or "
                    "AUTHZ_HOP_NETWORKS"
                ),
            ),
            (
                proofs and self.unsafe_no_hop_proof,
                "AUTHZ_UNSAFE_NO_HOP_PROOF: contradicts the proofs that are configured; unset it",
            ),
            (pins and not self.hop_principals, "AUTHZ_HOP_PRINCIPALS: pins add to a principal; set it too"),
            (bool(cut), f"AUTHZ_HOP_PRINCIPALS: {cut} looks like a subject cut at its comma; write a JSON array"),
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
            (
                any(header.startswith(self.header_prefix) for header in self.source_headers if header),
                "AUTHZ_HEADER_PREFIX: the certificate header begins with it too; choose another prefix",
            ),
        )

    @property
    def source_headers(self) -> tuple[str, str | None]:
        """The certificate header and the chain header, the format's own unless others are set."""
        header, chain_header = DEFAULT_HEADERS[self.source_format]
        return self.source_header or header, self.source_chain_header or chain_header

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is said on every start about settings that give safety up."""
        unsafe = {
            "AUTHZ_UNSAFE_NO_HOP_PROOF": self.unsafe_no_hop_proof,
            "AUTHZ_UNSAFE_PLAINTEXT_LISTEN": self.unsafe_plaintext_listen,
        }
        return tuple(f"{name} is set: {_DANGERS[name]}" for name, is_set in unsafe.items() if is_set)


_DANGERS = {
    "AUTHZ_UNSAFE_NO_HOP_PROOF": "whoever reaches Envoy can be any client whose certificate he has seen",
    "AUTHZ_UNSAFE_PLAINTEXT_LISTEN": "whoever reaches the listener can ask for decisions and read them",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one setting, and what would be right."""

    name: str
    message: str


def read_settings(environ: Mapping[str, str]) -> tuple[Settings | None, tuple[Problem, ...]]:
    """The settings, or ``None`` and every problem with them."""
    problems: list[Problem] = []
    values = _from_file(environ, problems) | _from_environment(environ, problems)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems += _translate(error)
        return None, tuple(problems)
    return (None if problems else settings), tuple(problems)


def _from_environment(environ: Mapping[str, str], problems: list[Problem]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, text in environ.items():
        field = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or variable == _CONFIG:
            continue
        if field in Settings.model_fields:
            values[field] = text
        elif field.removesuffix("_file") in Settings.model_fields and field.endswith("_file"):
            if PREFIX + field.removesuffix("_file").upper() in environ:
                problems.append(Problem(variable, "contradicts the variable without _FILE; unset one of them"))
            elif (content := _read(variable, text, problems)) is not None:
                values[field.removesuffix("_file")] = content.strip()
        else:
            problems.append(Problem(variable, "no such setting; see docs/settings.md"))
    return values


def _from_file(environ: Mapping[str, str], problems: list[Problem]) -> dict[str, Any]:
    if _CONFIG not in environ:
        return {}
    text = _read(_CONFIG, environ[_CONFIG], problems)
    try:
        values = yaml.safe_load(text or "")
    except yaml.YAMLError as error:
        problems.append(Problem(_CONFIG, f"not YAML: {error}"))
        return {}
    if values is None:
        return {}
    if not isinstance(values, dict):
        problems.append(Problem(_CONFIG, "expected a mapping of setting names to values"))
        return {}
    return {str(key): value for key, value in values.items()}


def _read(variable: str, path: str, problems: list[Problem]) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(Problem(variable, f"{path}: {error.strerror if isinstance(error, OSError) else 'not UTF-8 text'}"))
        return None


def _translate(error: ValidationError) -> list[Problem]:
    problems = []
    for each in error.errors(include_url=False, include_input=False):
        if not each["loc"]:
            for line in str(each["ctx"]["error"]).splitlines():
                name, _, message = line.partition(": ")
                problems.append(Problem(name, message))
            continue
        field = str(each["loc"][0])
        known = Settings.model_fields.get(field)
        meant = f" ({known.description})" if known else "; see docs/settings.md"
        problems.append(Problem(PREFIX + field.upper(), each["msg"] + meant))
    return problems


def _is_local(listen: str) -> bool:
    if listen.startswith("unix:"):
        return True
    host = listen.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
