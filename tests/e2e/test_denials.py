"""Every denial that the service can write, whether a request from outside can meet it or not, as Envoy passes it on."""

from __future__ import annotations

import grpc
import pytest

from authz_server.decision import Deny
from authz_server.ext_authz import check_response
from authz_server.reasons import Reason
from tests.e2e.configurations import cluster
from tests.e2e.doors import edge_with_doors
from tests.e2e.grpc_peers import bytes_server
from tests.e2e.processes import envoy
from tests.e2e.versions import expected_denial
from tests.e2e.wire import exchange, hop_tls, request_bytes

DECISION_ID = "0" * 32


class Denier:
    """An ext_authz server that gives one answer to everybody, and the edge that asks it."""

    def __init__(self) -> None:
        self.answer = b""
        self.port = 0


@pytest.fixture(scope="module")
def denier(binary, pki, upstream, tmp_path_factory):
    """The shipped edge in front of a server whose answer the test chooses."""
    denier = Denier()
    with bytes_server(lambda _message, _context: denier.answer) as authz_port:
        config, denier.port = edge_asking(pki, upstream, authz_port)
        del cluster(config, "authz-xfcc")["transport_socket"]
        with envoy(binary, config, tmp_path_factory.mktemp("denier"), "edge"):
            yield denier


def edge_asking(pki, upstream, authz_port):
    """The shipped edge without health checks, which these servers do not answer; and its port."""
    ports = {"app": upstream.port, "app-grpc": upstream.port, "xfcc": authz_port}
    config, doors = edge_with_doors(pki, ports, [("edge", "xfcc")])
    del cluster(config, "authz-xfcc")["health_checks"]
    return config, doors["edge", "xfcc"]


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.value)
def test_denial(denier, pki, upstream, envoy_version, reason):
    """Envoy sends the denial's status and reason, with the header that clients and caches need, and asks nobody else."""
    denier.answer = check_response(Deny(reason, {}), DECISION_ID, is_grpc=False).SerializeToString()
    reached = len(upstream.heads)

    answer = exchange(denier.port, request_bytes(), hop_tls(pki.folder))

    assert (answer.status, answer.reason) == expected_denial(reason, envoy_version)
    if answer.reason:
        assert answer.problem["decision_id"] == DECISION_ID
        assert ("cache-control", "no-store") in answer.headers
        assert (("retry-after", "1") in answer.headers) == reason.is_our_fault
    assert len(upstream.heads) == reached


@pytest.mark.parametrize("answer", [b"\xff\xff", b"\x0a\x02\x08"], ids=["random bytes", "cut off"])
def test_an_answer_that_is_none(denier, pki, answer):
    """What Envoy cannot parse is no allow: 503 by its own word."""
    denier.answer = answer

    assert exchange(denier.port, request_bytes(), hop_tls(pki.folder)).status == 503


@pytest.mark.parametrize(
    ("certificate", "status"),
    [
        ("authz", 200),
        ("envoy", 503),  # a server of the same CA by another name
        ("waf-server", 503),
    ],
)
def test_who_may_answer(binary, pki, upstream, tmp_path, certificate, status):
    """Only a server that shows the service's own name decides; an allow by another one of the same CA is worth nothing."""
    pair = [(pki.folder / f"{certificate}.{kind}").read_bytes() for kind in ("key", "crt")]
    credentials = grpc.ssl_server_credentials([tuple(pair)])
    with bytes_server(lambda _message, _context: b"", credentials) as authz_port:  # an empty CheckResponse allows
        config, port = edge_asking(pki, upstream, authz_port)
        with envoy(binary, config, tmp_path, "edge"):
            assert exchange(port, request_bytes(), hop_tls(pki.folder)).status == status
