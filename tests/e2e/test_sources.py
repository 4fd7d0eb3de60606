"""Several sources behind one Envoy, chosen by route and virtual host: each its preset, trust anchors and hops."""

from __future__ import annotations

import base64

import pytest

from tests.e2e.certificates import ALICE, percent_pem
from tests.e2e.doors import PARTNERS
from tests.e2e.vouching import NGINX, by_secret, by_signature
from tests.e2e.wire import exchange, hop_tls, request_bytes

SIBLINGS = {
    "x-ssl-client-verify": "SUCCESS",
    "x-ssl-client-subject-dn": "CN=alice",
    "x-ssl-client-issuer-dn": "CN=Clients CA",
}


@pytest.fixture
def ask(edge, pki):
    """Send a request to one of the sources, by a proxy with a certificate or without; ``options`` are the connection's."""

    def send(source, headers, door="sources", options="close"):
        request = request_bytes(headers, f"GET /{source}/orders").replace(b"connection: close", f"connection: {options}".encode())
        if source == "partners":
            request = request.replace(b"host: api.example.org", b"host: " + PARTNERS.encode())
        return exchange(edge.ports[door, "sources"], request, hop_tls(pki.folder) if door == "sources" else None)

    return send


def as_nginx(issued):
    return (("x-ssl-client-cert", percent_pem(issued)), *SIBLINGS.items())


def as_rfc9440(issued):
    return (("client-cert", f":{base64.b64encode(issued.certificate_der).decode()}:"),)


@pytest.fixture(scope="module")
def partner(pki):
    """Another alice, by the partners' CA: in the name of this one she would be let in."""
    return pki.client(issuer=pki.partners)


def test_each_source_by_its_own(ask, edge, pki, partner):
    """Each way in reads its own header, leads to its own anchors, and asks for its own hops."""
    own, partners = ask("nginx", as_nginx(pki.alice)), ask("partners", by_secret(as_rfc9440(partner)))

    assert [each.identity()["x-auth-client-issuer"] for each in (own, partners)] == ["CN=Clients CA", "CN=Partners CA"]
    assert [each["hop"] for each in edge.houses["sources"].decisions[-2:]] == [
        {"name": "waf", "proofs": ["principal"]},
        {"name": "appliance", "proofs": ["secret"]},
    ]


def test_the_anchors_of_another_source(ask, pki, partner):
    """A client of one source is unknown at the other, even under the same name."""
    assert ask("nginx", as_nginx(partner)[:1]).reason == "issuer_unknown"
    assert ask("partners", by_secret(as_rfc9440(pki.alice))).reason == "issuer_unknown"


def test_the_header_of_another_source(ask, pki, partner):
    """What another source would read is not read."""
    assert ask("nginx", as_rfc9440(pki.alice)).reason == "credential_missing"
    assert ask("partners", by_secret(as_nginx(partner))).reason == "credential_missing"


def test_the_hop_of_another_source(ask, partner):
    """A hop that may bring requests of one source may not bring the other's."""
    assert ask("partners", as_rfc9440(partner)).reason == "hop_secret_missing"


@pytest.mark.parametrize("door", ["sources", "sources-plaintext"])
def test_any_hop(ask, pki, door):
    """Either hop proves a request of a source that both may bring: mTLS without the secret, the secret without mTLS."""
    headers = as_nginx(pki.alice)

    answer = ask("nginx", headers if door == "sources" else by_secret(headers), door)

    assert answer.identity()["x-auth-client-name"] == ALICE


def test_no_hop(ask, pki):
    """Without mTLS and without the secret nobody is believed."""
    headers = as_nginx(pki.alice)

    for sent in (headers, by_secret(headers, "s" * 32)):
        assert ask("nginx", sent, "sources-plaintext").reason == "hop_principal_missing"


def test_a_client_cannot_choose(ask, pki, partner):
    """The source is the operator's word alone: no header, query or host of a client's changes it."""
    chosen = (("source", "partners"), ("x-source", "partners"), ("x-envoy-auth-source", "partners"))

    assert ask("nginx/?source=partners", (*chosen, *by_secret(as_rfc9440(partner)))).reason == "credential_missing"
    assert ask("nginx", (*chosen, *as_nginx(pki.alice))).status == 200
    assert ask("elsewhere", (*chosen, *as_nginx(pki.alice))).reason == "source_unspecified"


def test_nothing_of_any_source_goes_on(ask, pki, partner):
    """The upstream gets neither certificate, siblings nor proof, not even those of the sources that were not asked."""
    everything = (*as_nginx(pki.alice), *as_rfc9440(partner), ("client-cert-chain", ":AAAA:"), ("x-ssl-client-serial", ""))

    answer = ask("nginx", by_secret(everything))

    assert answer.status == 200
    sent = {name for name, _ in by_secret(everything)}
    assert not sent & dict(answer.upstream_headers).keys()
    assert not sent & dict(answer.headers).keys()


@pytest.mark.parametrize("name", SIBLINGS)
def test_a_denial_by_a_sibling_does_not_show_it(ask, pki, name):
    """A sibling that contradicts the certificate is refused, and the answer holds none of it."""
    headers = tuple((each, "CN=mallory" if each == name else value) for each, value in as_nginx(pki.alice))

    answer = ask("nginx", headers)

    assert answer.reason == ("proxy_verification_failed" if name == "x-ssl-client-verify" else "sibling_mismatch")
    assert b"mallory" not in answer.head + answer.body
    assert not {each for each, _ in headers} & dict(answer.headers).keys()


@pytest.mark.parametrize("verdict", ["SUCCESS", "FAILED:certificate revoked"])
@pytest.mark.parametrize(
    ("source", "reason"), [("nginx-signed", "hop_signature_mismatch"), ("nginx-required", "sibling_missing")]
)
def test_a_verdict_dropped_on_the_way(ask, pki, source, reason, verdict):
    """A client that calls the verdict a connection option (RFC 9110 §7.6.1) has Envoy drop it: it is signed or required."""
    headers = (("x-ssl-client-cert", percent_pem(pki.alice)), ("x-ssl-client-verify", verdict))

    def proven():
        return by_signature(headers, f"GET /{source}/orders", NGINX)

    assert ask(source, proven()).status == (200 if verdict == "SUCCESS" else 401)
    assert ask(source, proven(), options="close, x-ssl-client-verify").reason == reason
