"""Revocation through the real Envoy: what a client is told, and how soon a new list counts."""

from __future__ import annotations

import time

import pytest

from authz_server.reasons import Reason
from tests.e2e import sites
from tests.e2e.certificates import xfcc
from tests.e2e.refusals import below, good
from tests.e2e.versions import expected_denial
from tests.e2e.wire import exchange, hop_tls, request_bytes
from tests.refresh.crls import crl

SECONDS = 3.0


def shown(issued):
    """The certificate as the WAF forwards it."""
    return (("x-forwarded-client-cert", xfcc(issued)),)


def test_a_good_certificate(edge, pki):
    """Where revocation is checked and trust domains are named, what is good is let in."""
    tls = hop_tls(pki.folder)
    assert exchange(edge.ports["edge", "revocation"], request_bytes(good(pki)), tls).status == 200
    assert exchange(edge.ports["domains", "domains"], request_bytes(good(pki), "GET /default"), tls).status == 200


def test_not_to_know_is_our_fault(edge, pki, upstream, envoy_version):
    """Without a list the client is told to try again, not that its certificate is bad; nothing reaches the upstream."""
    reached = len(upstream.heads)

    answer = exchange(edge.ports["edge", "revocation"], request_bytes(below("No list")(pki)), hop_tls(pki.folder))

    assert (answer.status, answer.reason) == expected_denial(Reason.REVOCATION_UNAVAILABLE, envoy_version)
    if answer.reason:
        assert ("retry-after", "1") in answer.headers
    assert len(upstream.heads) == reached


@pytest.fixture
def site(binary, pki, upstream, tmp_path):
    """The shipped edge and a service with CRLs and a deny list of its own."""
    (tmp_path / "crls").mkdir()
    (tmp_path / "crls" / "clients.crl").write_bytes(crl(pki.clients, ()))
    (tmp_path / "denylist").write_text("# nobody\n")
    changes = {"AUTHZ_CRL_FILES": str(tmp_path / "crls"), "AUTHZ_DENYLIST_FILE": str(tmp_path / "denylist")}
    with sites.site("edge-mtls.yaml", binary, pki, upstream.port, tmp_path, **changes) as running:
        yield running


def becomes(site, headers, reason):
    """Wait until the client is answered so."""
    deadline = time.monotonic() + SECONDS
    while (answer := site.ask(headers)).reason != reason:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return answer


def test_lists_count_at_once(site, pki, tmp_path):
    """A client that is let in is refused once the CRL or the deny list names it, and let in again when they no longer do."""
    headers = shown(pki.alice)
    assert site.ask(headers).status == 200
    (tmp_path / "crls" / "clients.crl").write_bytes(crl(pki.clients, (pki.alice.certificate.serial_number,), number=2))
    assert becomes(site, headers, "certificate_revoked").status == 401
    assert site.ask(shown(pki.mallory)).status == 200
    (tmp_path / "crls" / "clients.crl").write_bytes(crl(pki.clients, (), number=3))
    assert becomes(site, headers, "").status == 200
    (tmp_path / "denylist").write_bytes((pki.folder / "denylist").read_bytes())
    assert becomes(site, shown(pki.withdrawn), "certificate_denylisted").status == 401
    assert site.ask(headers).status == 200
