"""Proof by HTTP Message Signature (RFC 9421): the proxy signs the certificate header and the request's components.

The signature base and the cryptography are ``http-message-signatures``'s. Its rules about time, keys and coverage are not
used: they know one algorithm a verifier and read the clock, and what is refused here must have its own name.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import http_sf
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageVerifier,
    HTTPSignatureAlgorithm,
    HTTPSignatureComponentResolver,
    MappingKeyResolver,
    VerificationKey,
    algorithms,
)

from authz_server.hop.proof import sole_line
from authz_server.hop.replay import Use
from authz_server.reasons import Reason, Rejection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from authz_server.hop.replay import Freshness, ReplayMemory
    from authz_server.model import ForwardedRequest

# Component identifiers: a name and its parameters (§2).
_Covered = list[tuple[str, dict[str, Any]]]

INPUT_HEADER = "signature-input"
SIGNATURE_HEADER = "signature"

# A header that is covered in one of these ways is covered as it was sent (§2.1, §2.1.3). Not so with `key` (a part of it), `tr`
# (a trailer), `req` (another message), or `sf`: what is equal once it is parsed and written again may be read differently here.
_WHOLE_FIELD: tuple[dict[str, bool], ...] = ({}, {"bs": True})

# §2.3, each with its type, which an Item must have exactly: a Token is not a String, nor a Boolean an Integer.
_PARAMETERS = {"created": int, "expires": int, "nonce": str, "alg": str, "keyid": str, "tag": str}

# §2.2.3: the scheme's default port is left out.
_DEFAULT_PORT = re.compile(r"([^:]+|\[[0-9a-f:.]+\]):443")

# What a stranger may make us do before a signature is verified: parsing costs about 0.25 ms a KiB. Five signatures by RSA keys of
# 4096 bits fit into it; nobody covers so many components, or passes on so many signatures.
_MAX_HEADER_BYTES = 4096
_MAX_COMPONENTS = 32
_MAX_SIGNATURES = 8

_MAX_NONCE = 256

_MIN_RSA_BITS = 2048


@dataclass(frozen=True, slots=True)
class Key:
    """A key by which the proxy signs, and the one algorithm it is used with (§3.3): the message does not choose."""

    algorithm: type[HTTPSignatureAlgorithm]
    key: VerificationKey = field(repr=False)
    sha256: str

    @classmethod
    def from_public_pem(cls, pem: bytes) -> Key:
        """A public key (SubjectPublicKeyInfo, PEM); its kind gives the algorithm. Raises ``ValueError`` for others."""
        if pem.count(b"-----BEGIN") != 1:
            msg = "expected one PEM block"
            raise ValueError(msg)
        try:
            public = load_pem_public_key(pem)
        except (UnsupportedAlgorithm, TypeError) as error:
            raise ValueError(str(error)) from error
        spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls(*_algorithm(public), hashlib.sha256(spki).hexdigest())

    @classmethod
    def from_secret(cls, secret: bytes) -> Key:
        """A shared secret for HMAC."""
        return cls(algorithms.HMAC_SHA256, secret, hashlib.sha256(secret).hexdigest())


def _algorithm(public: object) -> tuple[type[HTTPSignatureAlgorithm], VerificationKey]:
    """The one algorithm (§3.3) that a public key is used with, and the key."""
    if isinstance(public, ed25519.Ed25519PublicKey):
        return algorithms.ED25519, public
    if isinstance(public, rsa.RSAPublicKey) and public.key_size >= _MIN_RSA_BITS:
        return algorithms.RSA_PSS_SHA512, public
    if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1):
        return algorithms.ECDSA_P256_SHA256, public
    if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP384R1):
        return algorithms.ECDSA_P384_SHA384, public
    msg = f"expected Ed25519, P-256, P-384 or RSA of at least {_MIN_RSA_BITS} bits"
    raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class SignatureProof:
    """The request must carry one signature by a known key, over ``components`` and the ``signed_headers`` it carries.

    ``signed_headers`` begin with the one that holds the leaf, which must always be covered; the others when they were
    sent. ``tag`` (§2.3) singles out a signature among several; empty means that there must be exactly one.
    Establishes that somebody with the key vouched for this certificate in this request. Does NOT cover the body, nor the
    scheme, of which Envoy knows only its own.
    """

    kind: ClassVar[str] = "signature"
    headers: ClassVar[tuple[str, ...]] = (INPUT_HEADER, SIGNATURE_HEADER)
    keys: Mapping[str, Key]
    signed_headers: tuple[str, ...]
    components: tuple[str, ...]
    freshness: Freshness
    memory: ReplayMemory = field(repr=False, compare=False)
    tag: str = ""
    is_nonce_required: bool = True

    def verify(self, request: ForwardedRequest, now: datetime) -> Use | None:
        """Raise ``Rejection`` unless the request is signed as configured.

        1. there is one signature that is meant; 2. by a known key, with its algorithm; 3. over all that must be covered;
        4. it verifies; 5. it is fresh. With a nonce it may be used once.
        """
        covered, parameters = self._selected(request)  # 1
        _check_parameters(parameters)
        key_id, key = self._key(parameters)  # 2
        self._check_coverage(request, covered, parameters)  # 3
        if _verified(request, covered, key_id, key, self.tag) != _identity(covered, parameters):  # 4
            raise Rejection(Reason.HOP_SIGNATURE_MISMATCH, key_id=key_id, detail="two readings of Signature-Input")
        until = self.freshness.verify(parameters["created"], now, parameters.get("expires"))  # 5
        if "nonce" not in parameters:
            return None
        # Nonces belong to the key, not to the hop: one key may prove several hops and sources, a message only one request.
        return Use(self.memory, f"{self.kind}:{key.sha256}:{key_id}", parameters["nonce"], until)

    def _selected(self, request: ForwardedRequest) -> tuple[_Covered, dict[str, Any]]:
        """The covered components and the parameters of the one signature that is meant (§4.1)."""
        value, signature = sole_line(request, INPUT_HEADER), sole_line(request, SIGNATURE_HEADER)
        if not value or not signature:
            raise Rejection(Reason.HOP_SIGNATURE_MISSING, header=SIGNATURE_HEADER if value else INPUT_HEADER)
        if max(len(value), len(signature)) > _MAX_HEADER_BYTES:
            raise Rejection(Reason.HOP_SIGNATURE_MALFORMED, size=max(len(value), len(signature)), limit=_MAX_HEADER_BYTES)
        inputs = _parse_inputs(value)
        meant = [each for each in inputs if not self.tag or each[1].get("tag") == self.tag]
        if len(meant) != 1:
            reason = Reason.HOP_SIGNATURE_AMBIGUOUS if meant else Reason.HOP_SIGNATURE_MISSING
            raise Rejection(reason, signatures=len(meant), tag=self.tag)
        return meant[0]

    def _key(self, parameters: Mapping[str, Any]) -> tuple[str, Key]:
        key_id = parameters.get("keyid")
        if key_id is None or key_id not in self.keys:
            raise Rejection(Reason.HOP_SIGNATURE_KEY_UNKNOWN, key_id=key_id)
        key = self.keys[key_id]
        # §7.3.6: the algorithm belongs to the key; one that the message names may only agree.
        algorithm = parameters.get("alg", key.algorithm.algorithm_id)
        if algorithm != key.algorithm.algorithm_id:
            raise Rejection(Reason.HOP_SIGNATURE_ALGORITHM, presented=algorithm, key_id=key_id)
        return key_id, key

    def _check_coverage(self, request: ForwardedRequest, covered: _Covered, parameters: Mapping[str, Any]) -> None:
        leaf, *others = self.signed_headers
        sent = [header for header in others if request.header_lines(header)]
        whole = {name for name, qualifiers in covered if qualifiers in _WHOLE_FIELD}
        missing = [name for name in (leaf, *sent, *self.components) if name not in whole]
        required = ("created", "nonce") if self.is_nonce_required else ("created",)
        missing += [name for name in required if name not in parameters]
        if missing:
            raise Rejection(Reason.HOP_SIGNATURE_INCOMPLETE, missing=missing)


def _parse_inputs(value: bytes) -> list[tuple[_Covered, dict[str, Any]]]:
    """Every member of Signature-Input (§4.1): the covered components, and the signature's parameters."""
    try:
        members: Any = http_sf.parse(value, tltype="dictionary", on_duplicate_key=_refuse_duplicate)
    except ValueError as error:
        raise Rejection(Reason.HOP_SIGNATURE_MALFORMED, header=INPUT_HEADER, detail=str(error)) from error
    inputs = list(members.values())
    if len(inputs) > _MAX_SIGNATURES:
        raise Rejection(Reason.HOP_SIGNATURE_MALFORMED, header=INPUT_HEADER, signatures=len(inputs), limit=_MAX_SIGNATURES)
    for content, _ in inputs:
        if not isinstance(content, list) or not all(isinstance(name, str) for name, _ in content):
            raise Rejection(Reason.HOP_SIGNATURE_MALFORMED, header=INPUT_HEADER, detail="expected inner lists of strings")
        if len(content) > _MAX_COMPONENTS:
            raise Rejection(Reason.HOP_SIGNATURE_MALFORMED, header=INPUT_HEADER, components=len(content), limit=_MAX_COMPONENTS)
    return inputs


def _refuse_duplicate(key: str, context: str) -> None:
    """Structured Fields let the last of two win (RFC 9651 §3.1.2, §3.2); a reader that takes the first sees another."""
    msg = f"{context} {key!r} stands there twice"
    raise ValueError(msg)


def _check_parameters(parameters: Mapping[str, Any]) -> None:
    wrong = [name for name, value in parameters.items() if type(value) is not _PARAMETERS.get(name)]
    if not wrong and not 0 < len(parameters.get("nonce", "-")) <= _MAX_NONCE:
        wrong = ["nonce"]
    if wrong:
        raise Rejection(Reason.HOP_SIGNATURE_MALFORMED, parameters=wrong)


class _Verifier(HTTPMessageVerifier):
    """The library's verifier; time is judged by ``Freshness``, at the request's ``now``."""

    def validate_created_and_expires(self, sig_input: Any, max_age: Any = None) -> None:
        """Leave it to ``Freshness``."""


@dataclass(frozen=True, slots=True)
class _Lines:
    """Header lines in order; the library asks for ``items()`` and nothing else when it verifies."""

    lines: tuple[tuple[str, str], ...]

    def items(self) -> tuple[tuple[str, str], ...]:
        """(name, value) pairs, one a line; values as Latin-1, as the library's ``bs`` expects."""
        return self.lines


@dataclass(frozen=True, slots=True)
class _Message:
    """The view of a request that the library's component resolver reads; it wants a URL and uses none of it."""

    method: str
    headers: _Lines
    derived: Mapping[str, str]
    url: ClassVar[str] = "https://unused.invalid/"


class _Resolver(HTTPSignatureComponentResolver):
    """The library's resolver, with derived components (§2.2) from what Envoy reports and not from a URL.

    A URL made of host and path would be taken apart at another place if the host holds `@` or `/`, or the path `#`: a
    signature for one request would fit another. And the library's URLs refuse `[` and `|`, which clients do send.
    ``@query-param`` is not known: it reads what the upstream may read differently.
    """

    derived_component_resolvers: ClassVar[dict[str, Callable[..., str]]] = {
        "@method": lambda resolver: resolver.message.derived["@method"],
        "@authority": lambda resolver: resolver.message.derived["@authority"],
        "@scheme": lambda resolver: resolver.message.derived["@scheme"],
        "@target-uri": lambda resolver: resolver.message.derived["@target-uri"],
        "@request-target": lambda resolver: resolver.message.derived["@request-target"],
        "@path": lambda resolver: resolver.message.derived["@path"],
        "@query": lambda resolver: resolver.message.derived["@query"],
    }


def _derived(request: ForwardedRequest) -> Mapping[str, str]:
    """Derived components (§2.2). NOTE: the scheme is taken to be https: Envoy knows what the proxy spoke, not the client."""
    path, _, query = request.path.partition("?")
    authority = request.host.lower()
    default = _DEFAULT_PORT.fullmatch(authority)
    return {
        "@method": request.method,
        "@authority": default[1] if default else authority,
        "@scheme": "https",
        "@target-uri": f"https://{request.host}{request.path}",
        "@request-target": request.path,
        "@path": path,
        "@query": f"?{query}",
    }


# What a signature says: serialized component identifiers in order, and parameters.
_Identity = tuple[list[str], dict[str, Any]]


def _identity(covered: _Covered, parameters: dict[str, Any]) -> _Identity:
    return [http_sf.ser(component) for component in covered], parameters


def _verified(request: ForwardedRequest, covered: _Covered, key_id: str, key: Key, tag: str) -> _Identity:
    """Verify the selected signature; what it says, as the library read it."""
    names = {name for name, _ in covered} | {INPUT_HEADER, SIGNATURE_HEADER}
    lines = tuple((name, value.decode("latin-1")) for name, value in request.headers if name in names)
    message = _Message(request.method, _Lines(lines), _derived(request))
    verifier = _Verifier(
        signature_algorithm=key.algorithm,
        key_resolver=MappingKeyResolver(public_keys={key_id: key.key}, private_keys={}),
        component_resolver_class=_Resolver,
    )
    try:
        (result,) = verifier.verify(message, max_age=None, expect_tag=tag or None)
    except HTTPMessageSignaturesException as error:
        raise Rejection(Reason.HOP_SIGNATURE_MISMATCH, key_id=key_id, detail=str(error)) from error
    # The last is `@signature-params` itself.
    return list(result.covered_components)[:-1], result.parameters
