"""Files and ``Settings`` -> ``Snapshot``, or every problem at once."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from authz_server.access import AllowList, parse_pattern
from authz_server.decision import Ingress, Snapshot, TrustDomain
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
from authz_server.loading.ocsp_answers import load_answers
from authz_server.refresh.destinations import Destination, Origin
from authz_server.refresh.refusals import RefusedError
from authz_server.settings import HopSettings, Problem, Settings, SourceSettings, TrustDomainSettings, variable
from authz_server.validation import Denylist, RevocationData

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from authz_server.forwarded import Source

_T = TypeVar("_T")
_SHA256_BYTES = 32


@dataclass(frozen=True, slots=True)
class Loaded:
    """A snapshot, or ``None`` and the problems; ``warnings`` do not keep the service from starting.

    ``denylist`` is the deny list, if one is configured and can be read, whatever is wrong with the rest.
    """

    snapshot: Snapshot | None
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    denylist: Denylist | None = None


def load_snapshot(settings: Settings, now: datetime | None = None, memory: ReplayMemory | None = None) -> Loaded:
    """Load everything that ``settings`` name but CRLs, which the refresher reads.

    ``now`` (aware) is the time to judge expiry at. ``memory`` is what the process remembers of signed requests, so that a
    reload forgets nothing.
    """
    now = now or datetime.now(UTC)
    problems: list[Problem] = []
    bundles = Bundles(now, problems)
    keys = load_hop_keys(settings.hops, problems)
    hops = _Hops(settings, keys, ReplayMemory() if memory is None else memory, problems)
    domains = _Domains(settings, bundles)
    ways: dict[str, tuple[Source, tuple[HopPolicy, ...], tuple[TrustDomain, ...]]] = {}
    for name, each in settings.sources.items():
        source = each.source(name)
        ways[name] = (source, hops.of(each, signed_headers(source)), domains.of(name, each))
    patterns = _each("AUTHZ_ALLOW", parse_pattern, settings.allow, problems)
    _each("AUTHZ_CRL_URLS", _destination, settings.crl_urls, problems)
    _each("AUTHZ_OCSP_ALLOW", Origin.parse, settings.ocsp_allow, problems)
    for name, each_domain in settings.trust_domains.items():
        _each(variable("trust_domains", name, "ocsp_urls"), _destination, each_domain.ocsp_urls, problems)
    denied, denylist = _denylist(settings, problems)
    emergency = denylist if settings.denylist_file is not None else None
    answers = load_answers(settings.ocsp_files, problems)
    if problems or denylist is None:
        return Loaded(None, tuple(dict.fromkeys(problems)), settings.warnings, emergency)
    snapshot = Snapshot(
        revision=_revision(settings, (*keys.contents, *bundles.contents.values(), denied)),
        ingresses={name: Ingress(*way) for name, way in ways.items()},
        source_context=settings.source_context,
        trust_domain_context=settings.trust_domain_context,
        denylist=denylist,
        revocation=RevocationData(answers=answers),
        rules=AllowList(patterns),
        header_prefix=settings.header_prefix,
    )
    expiring = bundles.expiring(timedelta(days=settings.trust_expiry_warning_days))
    return Loaded(snapshot, (), (*settings.warnings, *expiring), emergency)


@dataclass(slots=True)
class _Domains:
    """Makes the trust domains of a source, each once."""

    settings: Settings
    bundles: Bundles
    made: dict[str, TrustDomain] = field(default_factory=dict)

    def of(self, name: str, source: SourceSettings) -> tuple[TrustDomain, ...]:
        """The trust domains that clients of the source ``name`` may belong to; fewer after a problem."""
        if source.trust_bundle_file is not None:
            only = next(iter(self.settings.trust_domains.values()), TrustDomainSettings.model_validate({}))
            own = only.model_copy(update={"trust_bundle_file": source.trust_bundle_file})
            domain = self._domain(name, own, lambda field_name: variable("sources", name, field_name))
            return () if domain is None else (domain,)
        domains = (
            self.made.get(each) or self._domain(each, self.settings.trust_domains[each], partial(variable, "trust_domains", each))
            for each in source.trust_domains or self.settings.trust_domains
        )
        found = tuple(domain for domain in domains if domain is not None)
        self.made |= {domain.name: domain for domain in found}
        return found

    def _domain(self, name: str, settings: TrustDomainSettings, where: Callable[[str], str]) -> TrustDomain | None:
        trust = self.bundles.trust(name, settings, where)
        if trust is None:
            return None
        # Pins have no issuer who could revoke them.
        has_data = self.settings.has_revocation_data and settings.trust_kind != "pin"
        return TrustDomain(
            name=name,
            trust=trust,
            profile=settings.profile_of(),
            identity=settings.identity,
            revocation=settings.revocation_policy(has_revocation_data=has_data),
            spiffe_trust_domain=settings.spiffe_trust_domain,
            ocsp=settings.ocsp_policy(),
        )


def _destination(url: str) -> Destination:
    try:
        return Destination.parse(url)
    except RefusedError as error:
        raise ValueError(str(error)) from error


def _denylist(settings: Settings, problems: list[Problem]) -> tuple[bytes, Denylist | None]:
    """The content of the deny list and what it says, ``None`` after a problem; an empty one where none is configured."""
    if settings.denylist_file is None:
        return b"", Denylist()
    path = settings.denylist_file
    try:
        content = path.read_bytes()
        return content, Denylist.from_text(content.decode("utf-8-sig"))
    except OSError as error:
        message = f"{path}: {error.strerror}; a file with a comment line alone denies nobody"
        problems.append(Problem("AUTHZ_DENYLIST_FILE", message))
    except ValueError as error:
        problems.append(Problem("AUTHZ_DENYLIST_FILE", f"{path}: {error}"))
    return b"", None


def signed_headers(source: Source) -> tuple[str, ...]:
    """What an HMAC or signature must cover: the certificate headers, and the proxy's word on whether it accepted it.

    Other siblings only repeat what the certificate says.
    """
    verdicts = (sibling.header for sibling in source.siblings if sibling.check is Check.VERIFIED)
    return (*source.certificate_headers, *verdicts)


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
