"""Files and ``Settings`` -> ``Snapshot``, or every problem at once."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from authz_server.access import AllowList, parse_pattern
from authz_server.decision import Ingress, Snapshot
from authz_server.forwarded import Check
from authz_server.hop import (
    Freshness,
    HopPolicy,
    MacProof,
    NetworkProof,
    PeerProof,
    Proof,
    ReplayMemory,
    SecretProof,
    SignatureProof,
)
from authz_server.loading.bundles import Bundles
from authz_server.loading.hop_keys import HopKeys, load_hop_keys
from authz_server.settings import HopSettings, Problem, Settings, SourceSettings, variable
from authz_server.validation import Profile, TrustBundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from authz_server.forwarded import Source
    from authz_server.model import Certificate

_T = TypeVar("_T")
_SHA256_BYTES = 32


@dataclass(frozen=True, slots=True)
class Loaded:
    """A snapshot, or ``None`` and the problems; ``warnings`` do not keep the service from starting."""

    snapshot: Snapshot | None
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]


def load_snapshot(settings: Settings, now: datetime | None = None, memory: ReplayMemory | None = None) -> Loaded:
    """Load everything that ``settings`` name; ``now`` (aware) is the time to judge expiry at.

    ``memory`` is what the process remembers of signed requests, so that a reload forgets nothing.
    """
    now = now or datetime.now(UTC)
    problems: list[Problem] = []
    bundles = Bundles(now, problems)
    keys = load_hop_keys(settings.hops, problems)
    hops = _Hops(settings, keys, ReplayMemory() if memory is None else memory, problems)
    ways: dict[str, tuple[Source, tuple[HopPolicy, ...], tuple[Certificate, ...]]] = {}
    for name, each in settings.sources.items():
        source = each.source(name)
        ways[name] = (source, hops.of(each, signed_headers(source)), bundles.load(*_bundle(settings, name, each)))
    patterns = _each("AUTHZ_ALLOW", parse_pattern, settings.allow, problems)
    if problems:
        return Loaded(None, tuple(dict.fromkeys(problems)), settings.warnings)
    snapshot = Snapshot(
        revision=_revision(settings, (*keys.contents, *bundles.contents.values())),
        ingresses={
            name: Ingress(source, policies, TrustBundle(name, anchors)) for name, (source, policies, anchors) in ways.items()
        },
        source_context=settings.source_context,
        profile=Profile(settings.profile_max_depth, settings.profile_allow_missing_eku),
        identity=settings.identity,
        rules=AllowList(patterns),
        header_prefix=settings.header_prefix,
    )
    expiring = bundles.expiring(timedelta(days=settings.trust_expiry_warning_days))
    return Loaded(snapshot, (), (*settings.warnings, *expiring))


def signed_headers(source: Source) -> tuple[str, ...]:
    """What an HMAC or signature must cover: the certificate headers, and the proxy's word on whether it accepted it.

    Other siblings only repeat what the certificate says.
    """
    verdicts = (sibling.header for sibling in source.siblings if sibling.check is Check.VERIFIED)
    return (*source.certificate_headers, *verdicts)


def _bundle(settings: Settings, name: str, source: SourceSettings) -> tuple[str, Path]:
    """The setting that names the bundle of a source, and its file."""
    if source.trust_bundle_file is not None:
        return variable("sources", name, "trust_bundle_file"), source.trust_bundle_file
    return "AUTHZ_TRUST_BUNDLE_FILE", settings.trust_bundle_file or Path()


def _revision(settings: Settings, contents: Iterable[bytes]) -> str:
    digest = hashlib.sha256(settings.model_dump_json().encode())
    for content in contents:
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class _Hops:
    """Makes the hops of a source: its headers are what signatures must cover."""

    settings: Settings
    keys: HopKeys
    memory: ReplayMemory
    problems: list[Problem]

    def of(self, source: SourceSettings, signed: tuple[str, ...]) -> tuple[HopPolicy, ...]:
        """The hops by which requests of ``source`` may come."""
        if self.settings.unsafe_no_hop_proof:
            return (HopPolicy("unproven", (), unsafe_unproven=True),)
        return tuple(
            HopPolicy(hop.name or name, tuple(self._proofs(name, hop, signed)))
            for name, hop in self.settings.hops.items()
            if not source.hops or name in source.hops
        )

    def _proofs(self, name: str, hop: HopSettings, signed: tuple[str, ...]) -> list[Proof]:
        freshness = Freshness(timedelta(seconds=hop.max_age_seconds), timedelta(seconds=hop.clock_skew_seconds))
        proofs: list[Proof] = []
        if hop.principals:
            proofs.append(self._peer(name, hop))
        if hop.networks:
            proofs.append(NetworkProof(hop.networks))
        if hop.secret_files:
            proofs.append(SecretProof(hop.secret_header, self.keys.secrets[name]))
        if hop.hmac_key_files:
            proofs.append(MacProof(hop.hmac_header, self.keys.mac_keys[name], signed, freshness, self.memory))
        if hop.signature_keys or hop.signature_secrets:
            proofs.append(
                SignatureProof(
                    self.keys.signature_keys[name],
                    signed,
                    hop.signature_components,
                    freshness,
                    self.memory,
                    hop.signature_tag,
                    hop.signature_require_nonce,
                )
            )
        return proofs

    def _peer(self, name: str, hop: HopSettings) -> PeerProof:
        key, _, value = hop.context.partition("=")
        certificates = _each(variable("hops", name, "certificate_sha256"), _pin, hop.certificate_sha256, self.problems)
        public_keys = _each(variable("hops", name, "public_key_sha256"), _pin, hop.public_key_sha256, self.problems)
        return PeerProof(frozenset(hop.principals), (key, value), frozenset(certificates), frozenset(public_keys))


def _each(name: str, parse: Callable[[str], _T], texts: Iterable[str], problems: list[Problem]) -> tuple[_T, ...]:
    parsed: list[_T] = []
    for text in texts:
        try:
            parsed.append(parse(text))
        except ValueError as error:
            problems.append(Problem(name, str(error)))
    return tuple(parsed)


def _pin(text: str) -> str:
    """A SHA-256 as lower-case hex, from hex (colons allowed) or from base64 as Envoy's ``verify_certificate_spki`` has it."""
    try:
        digest = bytes.fromhex(text.replace(":", ""))
    except ValueError:
        try:
            digest = base64.b64decode(text, validate=True)
        except ValueError:  # binascii.Error is one, and text beyond ASCII raises the plain one
            digest = b""
    if len(digest) != _SHA256_BYTES:
        msg = f"{text!r}: expected a SHA-256, 64 hexadecimal digits or base64"
        raise ValueError(msg)
    return digest.hex()
