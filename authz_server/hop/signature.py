"""Proof by HTTP Message Signature (RFC 9421): the proxy signs the certificate header and the request's components.

The signature base and the cryptography are ``http-message-signatures``'s. Its rules about time, keys and coverage are not
used: they know one algorithm a verifier and read the clock, and what is refused here must have its own name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import http_sf
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageVerifier,
    HTTPSignatureAlgorithm,
    MappingKeyResolver,
    VerificationKey,
    algorithms,
)

from authz_server.hop.proof import sole_line
from authz_server.reasons import Reason, Rejection

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from authz_server.hop.replay import Freshness, ReplayMemory
    from authz_server.model import ForwardedRequest

# Component identifiers: a name and its parameters (§2).
_Covered = list[tuple[str, dict[str, Any]]]

INPUT_HEADER = "signature-input"
SIGNATURE_HEADER = "signature"

# A header that is covered in one of these ways is covered whole (§2.1.1, §2.1.3); `key` picks a part, `tr` a trailer.
_WHOLE_FIELD: tuple[dict[str, bool], ...] = ({}, {"sf": True}, {"bs": True})

# A signature base is built from each; nobody signs so many.
_MAX_COMPONENTS = 32

_MIN_RSA_BITS = 2048


@dataclass(frozen=True, slots=True)
class Key:
    """A key by which the proxy signs, and the one algorithm it is used with (§3.3): the message does not choose."""

    algorithm: type[HTTPSignatureAlgorithm]
    key: VerificationKey = field(repr=False)

    @classmethod
    def from_public_pem(cls, pem: bytes) -> Key:
        """A public key (SubjectPublicKeyInfo, PEM); its kind gives the algorithm. Raises ``ValueError`` for others."""
        public = load_pem_public_key(pem)
        if isinstance(public, ed25519.Ed25519PublicKey):
            return cls(algorithms.ED25519, public)
        if isinstance(public, rsa.RSAPublicKey) and public.key_size >= _MIN_RSA_BITS:
            return cls(algorithms.RSA_PSS_SHA512, public)
        if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1):
            return cls(algorithms.ECDSA_P256_SHA256, public)
        if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP384R1):
            return cls(algorithms.ECDSA_P384_SHA384, public)
        msg = f"expected Ed25519, P-256, P-384 or RSA of at least {_MIN_RSA_BITS} bits"
        raise ValueError(msg)

    @classmethod
    def from_secret(cls, secret: bytes) -> Key:
        """A shared secret for HMAC."""
        return cls(algorithms.HMAC_SHA256, secret)


@dataclass(frozen=True, slots=True)
class SignatureProof:
    """The request must carry one signature by a known key, over ``components`` and the certificate headers it carries.

    ``certificate_headers`` begin with the one that holds the leaf, which must always be covered; the others when they were
    sent. ``tag`` (§2.3) singles out a signature among several; empty means that there must be exactly one.
    Establishes that somebody with the key vouched for this certificate in this request. Does NOT cover the body.
    """

    kind: ClassVar[str] = "signature"
    headers: ClassVar[tuple[str, ...]] = (INPUT_HEADER, SIGNATURE_HEADER)
    keys: Mapping[str, Key]
    certificate_headers: tuple[str, ...]
    components: tuple[str, ...]
    freshness: Freshness
    memory: ReplayMemory = field(repr=False, compare=False)
    tag: str = ""
    is_nonce_required: bool = True

    def verify(self, request: ForwardedRequest, now: datetime) -> None:
        """Raise ``Rejection`` unless the request is signed as configured.

        1. there is one signature that is meant; 2. by a known key, with its algorithm; 3. over all that must be covered;
        4. it verifies; 5. it is fresh; 6. it was not used before.
        """
        covered, parameters = self._selected(request)  # 1
        key_id, key = self._key(parameters)  # 2
        self._check_coverage(request, covered, parameters)  # 3
        if _verified_parameters(request, covered, key_id, key, self.tag) != parameters:  # 4
            raise Rejection(Reason.HOP_SIGNATURE_MISMATCH, key_id=key_id, detail="two readings of Signature-Input")
        until = self.freshness.verify(parameters["created"], now, parameters.get("expires"))  # 5
        if "nonce" in parameters:
            scope = f"{self.kind}:{key_id}"
            self.memory.remember(scope, parameters["nonce"], request.stream_id, until=until, now=now)  # 6

    def _selected(self, request: ForwardedRequest) -> tuple[_Covered, dict[str, Any]]:
        """The covered components and the parameters of the one signature that is meant (§4.1)."""
        value, signature = sole_line(request, INPUT_HEADER), sole_line(request, SIGNATURE_HEADER)
        if not value or not signature:
            raise Rejection(Reason.HOP_SIGNATURE_MISSING, header=SIGNATURE_HEADER if value else INPUT_HEADER)
        inputs = _parse_inputs(value)
        meant = [each for each in inputs if not self.tag or each[1].get("tag") == self.tag]
        if len(meant) != 1:
            reason = Reason.HOP_SIGNATURE_AMBIGUOUS if meant else Reason.HOP_SIGNATURE_MISSING
            raise Rejection(reason, signatures=len(meant), tag=self.tag)
        return meant[0]

    def _key(self, parameters: Mapping[str, Any]) -> tuple[str, Key]:
        key_id = parameters.get("keyid")
        key = self.keys.get(key_id) if isinstance(key_id, str) else None
        if key is None or not isinstance(key_id, str):
            raise Rejection(Reason.HOP_SIGNATURE_KEY_UNKNOWN, key_id=None if key_id is None else ascii(key_id))
        # §7.3.6: the algorithm belongs to the key; one that the message names may only agree.
        algorithm = parameters.get("alg", key.algorithm.algorithm_id)
        if algorithm != key.algorithm.algorithm_id:
            raise Rejection(Reason.HOP_SIGNATURE_ALGORITHM, presented=ascii(algorithm), key_id=key_id)
        return key_id, key

    def _check_coverage(self, request: ForwardedRequest, covered: _Covered, parameters: Mapping[str, Any]) -> None:
        leaf, *chain = self.certificate_headers
        sent = [header for header in chain if request.header_lines(header)]
        whole = {name for name, qualifiers in covered if qualifiers in _WHOLE_FIELD}
        missing = [name for name in (leaf, *sent, *self.components) if name not in whole]
        required = ("created", "nonce") if self.is_nonce_required else ("created",)
        missing += [name for name in required if name not in parameters]
        if missing:
            raise Rejection(Reason.HOP_SIGNATURE_INCOMPLETE, missing=missing)
        types = {"created": int, "expires": int, "nonce": str}
        wrong = [name for name, kind in types.items() if name in parameters and type(parameters[name]) is not kind]
        if wrong or len(covered) > _MAX_COMPONENTS:
            raise Rejection(Reason.HOP_SIGNATURE_MALFORMED, parameters=wrong, components=len(covered))


def _parse_inputs(value: bytes) -> list[tuple[_Covered, dict[str, Any]]]:
    """Every member of Signature-Input (§4.1): the covered components, and the signature's parameters."""
    try:
        members: Any = http_sf.parse(value, tltype="dictionary")
    except (ValueError, RecursionError) as error:
        raise Rejection(Reason.HOP_SIGNATURE_MALFORMED, header=INPUT_HEADER, detail=str(error)) from error
    inputs = list(members.values())
    for member in inputs:
        is_inner_list = isinstance(member, tuple) and isinstance(member[0], list)
        if not is_inner_list or not all(isinstance(item, tuple) and isinstance(item[0], str) for item in member[0]):
            raise Rejection(Reason.HOP_SIGNATURE_MALFORMED, header=INPUT_HEADER, detail="expected inner lists of strings")
    return inputs


class _Verifier(HTTPMessageVerifier):
    """The library's verifier; time is judged by ``Freshness``, at the request's ``now``."""

    def validate_created_and_expires(self, sig_input: Any, max_age: Any = None) -> None:
        """Leave it to ``Freshness``."""


@dataclass(frozen=True, slots=True)
class _Message:
    """The view of a request that the library's component resolver reads."""

    method: str
    url: str
    headers: _Lines


@dataclass(frozen=True, slots=True)
class _Lines:
    """Header lines in order; the library asks for ``items()`` and nothing else when it verifies."""

    lines: tuple[tuple[str, str], ...]

    def items(self) -> tuple[tuple[str, str], ...]:
        """(name, value) pairs, one a line; values as Latin-1, as the library's ``bs`` expects."""
        return self.lines


def _verified_parameters(request: ForwardedRequest, covered: _Covered, key_id: str, key: Key, tag: str) -> Mapping[str, Any]:
    """Verify the selected signature; the parameters that it covers, as the library read them."""
    names = {name for name, _ in covered} | {INPUT_HEADER, SIGNATURE_HEADER}
    lines = tuple((name, value.decode("latin-1")) for name, value in request.headers if name in names)
    # The scheme is what the client spoke to the proxy; only `@scheme` and `@target-uri` contain it.
    message = _Message(request.method, f"https://{request.host}{request.path}", _Lines(lines))
    verifier = _Verifier(
        signature_algorithm=key.algorithm, key_resolver=MappingKeyResolver(public_keys={key_id: key.key}, private_keys={})
    )
    try:
        (result,) = verifier.verify(message, max_age=None, expect_tag=tag or None)
    except HTTPMessageSignaturesException as error:
        raise Rejection(Reason.HOP_SIGNATURE_MISMATCH, key_id=key_id, detail=str(error)) from error
    return result.parameters
