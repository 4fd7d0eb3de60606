"""A WAF that proves itself in headers, through the real Envoy: what is let in, what is let in once, and what nobody sees."""

from __future__ import annotations

import secrets

import pytest

from tests.e2e import http2, sites
from tests.e2e.certificates import ALICE
from tests.e2e.doors import PKI
from tests.e2e.refusals import by_nginx, good
from tests.e2e.vouching import NGINX, by_mac, by_secret, by_signature
from tests.e2e.wire import exchange, hop_tls, request_bytes

# House -> how the WAF proves itself to it.
PROVE = {"secret": by_secret, "hmac": by_mac, "signature": by_signature}
PROOF_HEADERS = {"x-hop-secret", "x-hop-signature", "signature", "signature-input"}

each_proof = pytest.mark.parametrize("house", PROVE)
each_signing = pytest.mark.parametrize("house", ["hmac", "signature"])
each_protocol = pytest.mark.parametrize("protocol", ["h1", "h2"])


@pytest.fixture
def ask(edge, pki):
    """Send these headers to a house as the WAF."""

    def send(house, headers, protocol="h1", path="/orders", door="edge"):
        port, tls = edge.ports[door, house], hop_tls(pki.folder)
        if protocol == "h2":
            return http2.get(port, headers, tls, path)
        return exchange(port, request_bytes(headers, f"GET {path}"), tls)

    return send


@each_protocol
@each_proof
def test_allowed(ask, edge, pki, house, protocol):
    """Alice gets through with each proof beside mTLS, and the decision line says which were given."""
    answer = ask(house, PROVE[house](good(pki)), protocol)

    assert (answer.status, answer.identity()["x-auth-client-name"]) == (200, ALICE)
    assert edge.houses[house].decisions[-1]["hop"] == {"name": "waf", "proofs": ["principal", house]}


@each_protocol
@each_proof
def test_nobody_sees_the_proof(ask, pki, house, protocol):
    """The headers that prove the hop reach no upstream, and none of their values comes back."""
    headers = PROVE[house](good(pki))

    answer = ask(house, headers, protocol)

    assert answer.status == 200
    assert not PROOF_HEADERS & dict(answer.upstream_headers).keys()
    assert_not_shown(answer, headers)


@each_protocol
@each_proof
def test_a_denial_does_not_show_the_proof(ask, pki, house, protocol):
    """A denial behind a good proof shows nothing of it, and neither does one because of it."""
    mallory = (("x-forwarded-client-cert", "Hash=" + "0" * 64),)
    proven, unproven = PROVE[house](mallory), (*good(pki), *((name, secrets.token_hex(20)) for name in PROOF_HEADERS))

    for headers, reasons in (
        (proven, {"xfcc_certificate_missing"}),
        (unproven, {"hop_secret_mismatch", "hop_signature_malformed"}),
    ):
        answer = ask(house, headers, protocol)
        assert answer.reason in reasons
        assert_not_shown(answer, headers)


def assert_not_shown(answer, headers):
    """None of the values of proofs stands anywhere in the answer."""
    shown = answer.head + answer.body
    values = [value for name, value in headers if name in PROOF_HEADERS]
    assert values
    assert not [value for value in values if value.encode() in shown]
    assert not [name for name, _ in answer.headers if name in PROOF_HEADERS]


@pytest.mark.parametrize("again", ["h1", "h2"])
@each_protocol
@each_signing
def test_replayed(ask, pki, upstream, house, protocol, again):
    """What proved one request proves no other, on another connection or in another protocol."""
    headers = PROVE[house](good(pki))
    assert ask(house, headers, protocol).status == 200
    reached = len(upstream.heads)

    answer = ask(house, headers, again)

    assert (answer.status, answer.reason) == (403, "hop_replayed")
    assert len(upstream.heads) == reached


@each_protocol
@each_signing
def test_another_request(ask, pki, house, protocol):
    """A proof of one request proves neither another path, nor another query, nor another client."""
    headers = PROVE[house](good(pki))
    proof = headers[len(good(pki)) :]
    others = (("/orders/1", headers), ("/orders?all", headers), ("/orders", (("x-forwarded-client-cert", "Hash=00"), *proof)))

    for path, sent in others:
        assert ask(house, sent, protocol, path).reason == "hop_signature_mismatch"
    assert ask(house, headers, protocol).status == 200


@pytest.mark.parametrize("path", ["/orders/../orders?a=%2e%2E", "//orders", "/%6frders", "/orders?a=1&b=%20;c"])
@each_signing
def test_what_is_signed_is_what_was_sent_on(ask, pki, house, path):
    """A path that Envoy normalizes is signed as Envoy sends it on: it is the decision's path, and the upstream's."""
    sent_on = {"/orders/../orders?a=%2e%2E": "/orders?a=%2e%2E", "//orders": "/orders", "/%6frders": "/orders"}.get(path, path)

    assert ask(house, PROVE[house](good(pki), f"GET {sent_on}"), path=path).status == 200


@each_proof
def test_a_second_line(ask, pki, house):
    """A client's own line beside the WAF's is never chosen by its place: both orders are refused."""
    own, waf = PROVE[house](()), PROVE[house](good(pki))

    for headers in ((*own, *waf), (*waf, *own)):
        assert ask(house, headers).reason == "header_duplicated"


@each_proof
def test_no_log_shows_the_proof(ask, edge, pki, house):
    """Neither decision lines nor the service's log hold a proof, good or bad."""
    sent = [PROVE[house](good(pki)), (*good(pki), *((name, secrets.token_hex(20)) for name in PROOF_HEADERS))]
    for headers in sent:
        ask(house, headers)

    values = [value for headers in sent for name, value in headers if name in PROOF_HEADERS]
    assert not [value for value in values if value in edge.houses[house].written]


@pytest.mark.parametrize("name", sites.NAMES)
def test_every_shipped_configuration(binary, pki, upstream, tmp_path, name):
    """Through each shipped Envoy nginx can prove itself in every way at once, and the upstream sees nothing of it."""
    settings = {
        "AUTHZ_SOURCE_FORMAT": "",
        "AUTHZ_SOURCE_PRESET": "nginx",
        "AUTHZ_HOP_SECRET_FILES": PKI + "hop-secret",
        "AUTHZ_HOP_HMAC_KEY_FILES": PKI + "hop-hmac.key",
        "AUTHZ_HOP_SIGNATURE_KEYS": f"waf={PKI}hop-signature.pem",
    }
    headers = by_secret(by_nginx(("x-ssl-client-verify", "SUCCESS"), ("x-ssl-client-subject-dn", "CN=alice"))(pki))
    headers = by_signature(by_mac(headers, covered=NGINX), covered=NGINX)

    with sites.site(name, binary, pki, upstream.port, tmp_path, **settings) as site:
        answer, again = site.ask(headers), site.ask(headers)

    assert answer.identity()["x-auth-client-name"] == ALICE
    assert not {each for each, _ in headers} & dict(answer.upstream_headers).keys()
    assert_not_shown(answer, headers)
    assert again.reason == "hop_replayed"
