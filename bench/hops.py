"""CPU time of one proof of the hop, by kind: ``python -m bench.hops``. Prints; writes nothing.

Each figure is the median of rounds that take turns, of requests that are all new: every message has a nonce of its own and is
verified and spent once. The headers are an RFC 9440 certificate and one intermediate, the request's and ten ordinary ones.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import statistics
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from http_message_signatures import HTTPMessageSigner, MappingKeyResolver

from authz_server.demo.pki import Authority
from authz_server.forwarded.rfc9440 import encode_client_cert, encode_client_cert_chain
from authz_server.hop import Freshness, HopPolicy, Key, MacProof, Proof, ReplayMemory, SecretProof, SignatureProof, prove_hop
from authz_server.model import ForwardedRequest, Peer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SECRET = b"0123456789abcdef0123456789abcdef"
_CERTIFICATES = ("client-cert", "client-cert-chain")
_NOW = datetime.now(UTC).replace(microsecond=0)
_ORDINARY = tuple((f"x-ordinary-{number}", b"some value of usual length") for number in range(10))

Case = tuple[Proof, "Callable[[int], ForwardedRequest]"]


def main() -> int:
    """Measure every proof and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.hops", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=300, help="in each round, of each proof")
    args = parser.parse_args()
    cases = dict(_cases())
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(args.rounds):
        for name, (proof, request) in cases.items():
            taken[name].append(_measure(proof, [request(number * args.requests + each) for each in range(args.requests)]))
    print(f"{'proof':<32} {'µs CPU, median':>15} {'lowest':>8} {'highest':>8}")
    for name, figures in taken.items():
        print(f"{name:<32} {statistics.median(figures):>15.1f} {min(figures):>8.1f} {max(figures):>8.1f}")
    return 0


def _measure(proof: Proof, requests: list[ForwardedRequest]) -> float:
    """Microseconds of CPU time a request."""
    hops = (HopPolicy("waf", (proof,)),)
    began = time.process_time()
    for request in requests:
        prove_hop(request, hops, _NOW)
    return (time.process_time() - began) / len(requests) * 1e6


def _cases() -> Iterator[tuple[str, Case]]:
    plain = _plain()
    memory = ReplayMemory()
    shown = replace(plain, headers=(*plain.headers, ("x-hop-secret", _SECRET)))
    yield "shared secret", (SecretProof("x-hop-secret", (_SECRET,)), lambda _number: shown)
    mac = MacProof("x-hop-signature", (_SECRET,), _CERTIFICATES, Freshness(), memory)
    yield "HMAC", (mac, lambda number: _with_mac(plain, number))
    private: dict[str, Any] = {
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
        "ecdsa-p256-sha256": ec.generate_private_key(ec.SECP256R1()),
        "ecdsa-p384-sha384": ec.generate_private_key(ec.SECP384R1()),
        "rsa-pss-sha512 (2048)": rsa.generate_private_key(65537, 2048),
        "rsa-pss-sha512 (4096)": rsa.generate_private_key(65537, 4096),
    }
    for name, key in private.items():
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        yield f"RFC 9421 {name}", _signed_case(plain, Key.from_public_pem(pem), key, memory)
    yield "RFC 9421 hmac-sha256", _signed_case(plain, Key.from_secret(_SECRET), _SECRET, memory)


def _plain() -> ForwardedRequest:
    root = Authority.create("Root")
    leaf, *above = Authority.create("Intermediate", parent=root).issue("CN=client").chain_der
    headers = (
        *_ORDINARY,
        ("client-cert", encode_client_cert(leaf).encode()),
        ("client-cert-chain", encode_client_cert_chain(tuple(above)).encode()),
    )
    return ForwardedRequest("GET", "api.example.org", "/orders?page=2", headers, Peer(None, "", ""), "", {})


def _with_mac(plain: ForwardedRequest, number: int) -> ForwardedRequest:
    created, nonce = int(_NOW.timestamp()), f"{number:032x}"
    values = [plain.header_lines(name)[0].decode() for name in _CERTIFICATES]
    text = "\n".join(["authz-hop-v1", str(created), nonce, plain.method, plain.host, plain.path, *values])
    mac = hmac.new(_SECRET, text.encode(), hashlib.sha256).hexdigest()
    return replace(plain, headers=(*plain.headers, ("x-hop-signature", f"t={created},n={nonce},mac={mac}".encode())))


class _Message:
    """The library's view of a request that is yet to be signed."""

    def __init__(self, plain: ForwardedRequest) -> None:
        self.method, self.url = plain.method, f"https://{plain.host}{plain.path}"
        self.headers = {name: value.decode() for name, value in plain.headers}


def _signed_case(plain: ForwardedRequest, key: Key, private: Any, memory: ReplayMemory) -> Case:
    components = ("@method", "@authority", "@path", "@query")
    resolver = MappingKeyResolver(public_keys={}, private_keys={"waf": private})
    signer = HTTPMessageSigner(signature_algorithm=key.algorithm, key_resolver=resolver)

    def signed(number: int) -> ForwardedRequest:
        message = _Message(plain)
        covered = [*components, *_CERTIFICATES]
        signer.sign(message, key_id="waf", created=_NOW, nonce=f"{number:032x}", covered_component_ids=covered)
        return replace(plain, headers=tuple((name.lower(), value.encode()) for name, value in message.headers.items()))

    return SignatureProof({"waf": key}, _CERTIFICATES, components, Freshness(), memory), signed


if __name__ == "__main__":
    raise SystemExit(main())
