"""What is asked: ready-made CheckRequests, as Envoy sends them for an ordinary API call behind a WAF."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from cryptography.hazmat.primitives.serialization import Encoding
from envoy.service.auth.v3 import external_auth_pb2

from authz_server.demo.pki import Authority, Issued, make_key
from bench.load import grpc_message

if TYPE_CHECKING:
    from collections.abc import Iterator

ENVIRONMENT = {
    "AUTHZ_ADMIN_LISTEN": "",
    "AUTHZ_HOP_PRINCIPALS": "spiffe://lab/waf",
    "AUTHZ_SOURCE_FORMAT": "xfcc",
    "AUTHZ_IDENTITY": "spiffe",
    "AUTHZ_ALLOW": "spiffe:spiffe://example.org/*",
    "AUTHZ_DRAIN_DELAY_SECONDS": "0",
}
_HEADERS = {
    ":authority": "api.example.org",
    ":method": "GET",
    ":path": "/orders/4711?expand=items",
    ":scheme": "https",
    "accept": "application/json",
    "accept-encoding": "gzip, deflate, br",
    "user-agent": "orders-client/3.2",
    "x-forwarded-for": "203.0.113.7",
    "x-forwarded-proto": "https",
    "x-request-id": "0f9a3c1e-7d52-4f0b-9d53-5f7a0a6c2b11",
}


@dataclass
class Scene:
    """One kind of request, for one of the servers."""

    name: str
    title: str
    server: str
    code: int
    """What ``CheckResponse.status.code`` must be."""
    messages: Iterator[bytes]
    calls_a_round: int | None = None
    """``None``: as many as the time allows."""

    def round(self) -> Iterator[bytes]:
        """The messages of one round."""
        return itertools.islice(self.messages, self.calls_a_round)


def check_request(client: Issued | None) -> bytes:
    """A gRPC message with a CheckRequest; the certificate as XFCC with its chain, as Envoy writes it."""
    headers = dict(_HEADERS)
    if client:
        leaf, chain = (quote(pem.decode(), safe="") for pem in (client.certificate.public_bytes(Encoding.PEM), client.chain_pem))
        headers["x-forwarded-client-cert"] = f'By=spiffe://lab/waf;Cert="{leaf}";Chain="{chain}"'
    request = external_auth_pb2.CheckRequest()
    attributes = request.attributes
    attributes.source.principal = "spiffe://lab/waf"
    attributes.source.address.socket_address.address = "10.0.0.7"
    attributes.context_extensions["hop"] = "mtls"
    http = attributes.request.http
    http.method, http.scheme, http.protocol = "GET", "https", "HTTP/2"
    http.host, http.path = headers[":authority"], headers[":path"]
    http.headers.update(headers)
    return grpc_message(request.SerializeToString())


class Clients:
    """A CA with one intermediate, and clients below it: one key, for every client a certificate of its own."""

    def __init__(self, kind: str) -> None:
        """``kind`` of all keys: ``p256``, ``rsa2048``, …."""
        self.root = Authority.create(f"Bench {kind} root", key=make_key(kind))
        self.issuing = Authority.create(f"Bench {kind} issuing", key=make_key(kind), parent=self.root)
        self._key = make_key(kind)

    def issue(self, number: int) -> Issued:
        """The certificate of client ``number``."""
        return self.issuing.issue(f"CN=client-{number}", uris=(f"spiffe://example.org/client-{number}",), key=self._key)


def scenes(ec: Clients, rsa: Clients, rounds: int, cold_calls: int) -> list[Scene]:
    """Every scene; makes the certificates of the cold ones, enough for a warm-up and ``rounds`` rounds."""
    good = check_request(ec.issue(0))

    def cold(clients: Clients) -> Iterator[bytes]:
        return iter([check_request(clients.issue(1 + number)) for number in range((rounds + 1) * cold_calls)])

    repeat = itertools.repeat
    return [
        Scene("constant", "`grpc.aio` server with a constant answer", "constant", 0, repeat(good)),
        Scene("good", "the same good certificate each time (P-256)", "authz", 0, repeat(good)),
        Scene("denied", "no certificate: denied", "authz", 16, repeat(check_request(None))),
        Scene("cold_p256", "a new certificate each time (P-256)", "authz", 0, cold(ec), cold_calls),
        Scene("cold_rsa2048", "a new certificate each time (RSA-2048)", "authz", 0, cold(rsa), cold_calls),
    ]
