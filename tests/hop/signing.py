"""A proxy that signs: RFC 9421 signatures and HMACs made here line by line, without the library that verifies them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authz_server.hop import Freshness, HopPolicy, Key, ReplayMemory, SignatureProof, prove_hop
from authz_server.model import ForwardedRequest
from authz_server.reasons import Rejection
from tests import pki, samples

SECRET = b"0123456789abcdef0123456789abcdef"
NOW = pki.NOW
CREATED = int(NOW.timestamp())
NONCE = "n-0123456789abcdef"
CERTIFICATE, CHAIN = b":Zm9v:", b":YmFy:, :YmF6:"
COMPONENTS = ('"@method"', '"@authority"', '"@path"', '"@query"', '"client-cert"', '"client-cert-chain"')
PARAMETERS = f';created={CREATED};keyid="waf";nonce="{NONCE}"'


@dataclass(frozen=True)
class Signer:
    """One algorithm: how the proxy signs, and what is configured to verify it."""

    sign: Callable[[bytes], bytes]
    key: Key


def _ecdsa(kind: str, digest: hashes.HashAlgorithm, size: int) -> Callable[[bytes], bytes]:
    def sign(text: bytes) -> bytes:
        pair = decode_dss_signature(pki.key(kind).sign(text, ec.ECDSA(digest)))
        return b"".join(number.to_bytes(size, "big") for number in pair)

    return sign


def _rsa(text: bytes) -> bytes:
    return pki.key("rsa2048").sign(text, padding.PSS(padding.MGF1(hashes.SHA512()), 64), hashes.SHA512())


def public_pem(kind: str) -> bytes:
    return pki.key(kind).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


_SIGN = {
    "ed25519": ("ed25519", lambda text: pki.key("ed25519").sign(text)),
    "ecdsa-p256-sha256": ("p256", _ecdsa("p256", hashes.SHA256(), 32)),
    "ecdsa-p384-sha384": ("p384", _ecdsa("p384", hashes.SHA384(), 48)),
    "rsa-pss-sha512": ("rsa2048", _rsa),
}
ALGORITHMS = (*_SIGN, "hmac-sha256")


@cache
def signer(algorithm: str) -> Signer:
    if algorithm == "hmac-sha256":
        return Signer(lambda text: hmac.new(SECRET, text, hashlib.sha256).digest(), Key.from_secret(SECRET))
    kind, sign = _SIGN[algorithm]
    return Signer(sign, Key.from_public_pem(public_pem(kind)))


def plain(**changes) -> ForwardedRequest:
    """An unsigned request with a certificate and a chain."""
    return samples.request(("client-cert", CERTIFICATE), ("client-cert-chain", CHAIN), **{"stream_id": "1"} | changes)


def without(request: ForwardedRequest, *names: str) -> ForwardedRequest:
    """The request without these headers."""
    return replace(request, headers=tuple(pair for pair in request.headers if pair[0] not in names))


def with_headers(request: ForwardedRequest, *headers: tuple[str, bytes]) -> ForwardedRequest:
    """The request with these headers in the place of those of the same names."""
    kept = without(request, *(name for name, _ in headers))
    return replace(kept, headers=(*kept.headers, *headers))


def _value(request: ForwardedRequest, component: str) -> str:
    """RFC 9421 §2: the value of a component, whatever its parameters say."""
    name = component.partition(";")[0].strip('"').lower()
    path, _, query = request.path.partition("?")
    derived = {
        "@method": request.method,
        "@authority": request.host,
        "@path": path,
        "@query": f"?{query}",
        "@scheme": "https",
        "@request-target": request.path,
        "@target-uri": f"https://{request.host}{request.path}",
    }
    lines = [line.decode("latin-1") for line in request.header_lines(name)]
    if component.endswith(";bs"):
        return ", ".join(f":{base64.b64encode(line.encode('latin-1')).decode()}:" for line in lines)
    return derived.get(name, ", ".join(lines))


def signature_base(request: ForwardedRequest, components, parameters: str) -> bytes:
    """RFC 9421 §2.5."""
    lines = [f"{component}: {_value(request, component)}" for component in components]
    return "\n".join([*lines, f'"@signature-params": ({" ".join(components)}){parameters}']).encode("latin-1")


def signature(request: ForwardedRequest, components, parameters: str, by: str) -> tuple[str, str]:
    """RFC 9421 §3.1: the values of a member of Signature-Input and of Signature."""
    value = signer(by).sign(signature_base(request, components, parameters))
    return f"({' '.join(components)}){parameters}", f":{base64.b64encode(value).decode()}:"


def signed(
    request: ForwardedRequest | None = None, components=COMPONENTS, parameters: str = PARAMETERS, by: str = "ed25519"
) -> ForwardedRequest:
    """The request as the proxy sends it on: with one signature."""
    request = request or plain()
    described, value = signature(request, components, parameters, by)
    return with_headers(request, ("signature-input", f"sig={described}".encode()), ("signature", f"sig={value}".encode()))


def proof(by: str = "ed25519", **changes) -> SignatureProof:
    """A proof that accepts ``signed``."""
    fields = {
        "keys": {"waf": signer(by).key},
        "signed_headers": ("client-cert", "client-cert-chain"),
        "components": ("@method", "@authority", "@path", "@query"),
        "freshness": Freshness(),
        "memory": ReplayMemory(),
    }
    return SignatureProof(**fields | changes)


def proven(request: ForwardedRequest, asked, now=NOW) -> tuple[str, ...]:
    """The proofs that the request gives."""
    return prove_hop(request, (HopPolicy("waf", (asked,)),), now).proofs


def refusal(request: ForwardedRequest, asked, now=NOW) -> tuple:
    """The reason and facts by which the request is refused, without the hop's name, ``(None, {})`` if it is not."""
    try:
        proven(request, asked, now)
    except Rejection as refused:
        return refused.reason, {name: fact for name, fact in refused.facts.items() if name != "hop"}
    return None, {}
