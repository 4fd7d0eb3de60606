"""Every reason, fetched from outside through the real Envoy (``refusals.py``), and what Envoy refuses by itself."""

from __future__ import annotations

import pytest

from authz_server.reasons import Reason
from tests.e2e.refusals import ROWS, UNREACHABLE, alices, good
from tests.e2e.versions import expected_denial
from tests.e2e.wire import exchange, hop_tls, request_bytes


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.reason.value)
def test_reason(edge, pki, upstream, envoy_version, row):
    """The request is refused for the reason of its row, with that reason's status, and never reaches the upstream."""
    tls = None if row.door == "plaintext" else hop_tls(pki.folder)
    port, request = edge.ports[row.door, row.house], request_bytes(row.headers(pki), row.line)
    if row.is_second:
        assert exchange(port, request, tls).status == 200
    reached = len(upstream.heads)

    answer = exchange(port, request, tls)

    assert (answer.status, answer.reason) == expected_denial(row.reason, envoy_version), answer
    assert len(upstream.heads) == reached


def test_every_reason_has_its_place():
    """Each reason has a row, or an argument why no request from outside can meet it, and never both."""
    reachable = {row.reason for row in ROWS}

    assert reachable | set(UNREACHABLE) == set(Reason)
    assert not reachable & set(UNREACHABLE)


def test_the_good_request(edge, pki):
    """What the rows change one thing of is let in as it is."""
    answer = exchange(edge.ports["edge", "xfcc"], request_bytes(good(pki)), hop_tls(pki.folder))

    assert answer.status == 200
    assert answer.identity()["x-auth-client-name"] == "spiffe://example.org/alice"


def test_underscores_are_refused_by_envoy_itself(edge, pki):
    """Under the shipped configuration an aliased header is Envoy's 400 and never reaches the service."""
    headers = (*good(pki), ("x_forwarded_client_cert", alices(pki)))

    assert exchange(edge.ports["edge", "xfcc"], request_bytes(headers), hop_tls(pki.folder)).status == 400


@pytest.mark.parametrize("line", ["CONNECT api.example.org:443", "OPTIONS *"])
def test_requests_without_a_path_are_refused_by_envoy_itself(edge, pki, line):
    """The shipped configuration has no route for a tunnel or an asterisk: nobody is asked, and nobody is let in."""
    answer = exchange(edge.ports["edge", "xfcc"], request_bytes(good(pki), line), hop_tls(pki.folder))

    assert answer.status in {400, 404}
    assert not answer.reason


def test_a_service_that_does_not_answer(edge, pki):
    """Nobody to ask is 503 for everybody, by Envoy's word and without a reason."""
    answer = exchange(edge.ports["edge", "absent"], request_bytes(good(pki)), hop_tls(pki.folder))

    assert (answer.status, answer.body) == (503, b"")


def test_the_version(edge, envoy_version):
    """The Envoy under test is the version that it is said to be."""
    assert edge.version == envoy_version
