"""Requests through every shipped configuration: who gets through, and what nobody gets through."""

from __future__ import annotations

import ssl

import pytest

from tests.e2e import sites
from tests.e2e.certificates import ALICE, xfcc
from tests.e2e.configurations import OUTSIDE
from tests.e2e.sites import guide_parts
from tests.e2e.wire import exchange, hop_tls, request_bytes

PREFIX = "x-auth-client-"

# Ways in which a client writes identity headers of its own.
SPOOFED = (
    ("x-auth-client-name", "admin"),
    ("X-Auth-Client-Name", "admin"),  # another spelling, and a second line
    ("x-auth-client-email", "admin@example.org"),  # one that alice's certificate has no value for
    ("x-auth-client-role", "admin"),  # one that the service does not know
    ("x-auth-client-", "admin"),  # the bare prefix
)


@pytest.fixture(scope="module", params=sites.NAMES)
def site(request, binary, pki, upstream, tmp_path_factory):
    """The set-up around one shipped configuration."""
    with sites.site(request.param, binary, pki, upstream.port, tmp_path_factory.mktemp("site")) as running:
        yield running


def alice(pki):
    return (("x-forwarded-client-cert", xfcc(pki.alice)),)


def mallory(pki):
    return (("x-forwarded-client-cert", xfcc(pki.client("CN=mallory", uris=("spiffe://example.org/mallory",)))),)


def nobody(_):
    return ()


REFUSED = pytest.mark.parametrize(
    ("who", "status", "reason"), [(mallory, 403, "not_allowed"), (nobody, 401, "credential_missing")], ids=["mallory", "nobody"]
)


def test_allowed(site, pki):
    """Alice gets through; the upstream learns who she is and gets her certificate's header no more."""
    answer = site.ask(alice(pki))

    assert answer.status == 200
    assert answer.identity()["x-auth-client-name"] == answer.identity()["x-auth-client-spiffe"] == ALICE
    assert "x-forwarded-client-cert" not in dict(answer.upstream_headers)


@REFUSED
def test_refused(site, pki, upstream, who, status, reason):
    """The others are refused with their reason, and the upstream hears nothing."""
    reached = len(upstream.heads)

    answer = site.ask(who(pki))

    assert (answer.status, answer.reason) == (status, reason)
    assert len(upstream.heads) == reached


def test_spoofed_and_allowed(site, pki):
    """None of the client's own identity headers reaches the upstream beside the real ones."""
    clean, spoofed = site.ask(alice(pki)), site.ask((*SPOOFED, *alice(pki), *SPOOFED))

    assert spoofed.status == 200
    assert spoofed.identity() == clean.identity()


@REFUSED
def test_spoofed_and_refused(site, pki, upstream, who, status, reason):
    """A denial echoes nothing of the client's own identity headers, and is the same denial."""
    reached = len(upstream.heads)

    answer = site.ask((*SPOOFED, *who(pki)))

    assert (answer.status, answer.reason) == (status, reason)
    assert not [name for name, _ in answer.headers if name.startswith(PREFIX)]
    assert b"admin" not in answer.head + answer.body
    assert len(upstream.heads) == reached


@pytest.mark.parametrize("who", [alice, mallory, nobody])
def test_spoofed_on_a_route_that_asks_nobody(site, pki, who):
    """Where the service is not asked, the upstream gets no identity header at all."""
    decided = len(site.server.decisions)

    answer = site.ask((*SPOOFED, *who(pki)), "GET /open")

    assert answer.status == 200
    assert answer.identity(PREFIX) == {}
    assert len(site.server.decisions) == decided


@pytest.mark.parametrize(
    "line",
    [
        "x_auth_client_name: admin",  # the same variable to CGI and WSGI
        "x-auth-client_name: admin",
        "x-auth-client-name : admin",  # RFC 9112 §5.1: no white space before the colon
        "x-auth-client-name\t: admin",
        "x-auth-client-name\0: admin",
    ],
    ids=repr,
)
def test_other_spellings_of_an_identity_header(site, pki, upstream, line):
    """A name that an upstream might take for an identity header is refused by Envoy itself."""
    reached = len(upstream.heads)
    request = request_bytes(alice(pki)).replace(b"\r\n\r\n", f"\r\n{line}\r\n\r\n".encode())

    assert exchange(site.port, request, site.tls, source=site.source).status == 400
    assert len(upstream.heads) == reached


def test_a_folded_identity_header(site, pki):
    """An identity header that hides in the continuation of another line stays a part of that line, or is refused."""
    request = request_bytes((*alice(pki), ("x-note", "a\r\n x-auth-client-role: admin")))

    answer = exchange(site.port, request, site.tls, source=site.source)

    assert answer.status in {200, 400}
    if answer.status == 200:
        assert "x-auth-client-role" not in dict(answer.upstream_headers)
        assert b"\nx-auth-client-role" not in answer.upstream_head.replace(b"\n ", b"\n")


@pytest.mark.parametrize("nominated", ["x-auth-client-name", "X-Auth-Client-Name, x-forwarded-client-cert"])
def test_connection_options(site, pki, nominated):
    """A client cannot have an identity header dropped on the way by calling it a connection option (RFC 9110 §7.6.1)."""
    request = request_bytes(alice(pki)).replace(b"connection: close", f"connection: close, {nominated}".encode())

    answer = exchange(site.port, request, site.tls, source=site.source)

    if answer.status == 200:
        assert answer.identity()["x-auth-client-name"] == ALICE
        assert "x-auth-client-name" not in dict(answer.upstream_headers).get("connection", "").lower()
    else:
        assert (answer.status, answer.reason) in {(400, ""), (401, "credential_missing")}


@pytest.mark.parametrize(
    "line",
    [
        "GET /open/",
        "GET /open/../orders",
        "GET /OPEN",
        "GET //open/x",
        "GET /open%2f..%2forders",
        "GET /open;a=1",
        "GET /open%3fa",
        "GET /open%00",
        "GET /open%20",
        "GET /open#/orders",
        "GET http://api.example.org/orders",  # absolute form
        "GET http://api.example.org/open/../orders",
    ],
)
def test_only_the_exact_path_asks_nobody(site, line):
    """No other spelling slips through the route that asks nobody."""
    assert site.ask((), line).status in {400, 401}


def test_a_path_that_is_another_spelling_of_the_open_one(site):
    """Where Envoy normalizes paths, the upstream gets the path that was decided about."""
    answer = site.ask((), "GET /x/../open")

    # The guide's parts leave an existing Envoy's path handling alone: there it is another path, and is asked about.
    expected = 401 if site.name == "add-to-existing.yaml" else 200
    assert answer.status == expected
    if expected == 200:
        assert answer.upstream_head.startswith(b"GET /open HTTP/1.1\r\n")


def test_strangers_cannot_connect(site, pki):
    """Whoever is not the WAF gets no HTTP answer, whatever certificate header he brings."""
    request = request_bytes(alice(pki))
    if site.tls is None:
        with pytest.raises(ConnectionError):
            exchange(site.port, request, None, source=OUTSIDE)
        return
    for certificate in (None, "neighbour", "alice"):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            exchange(site.port, request, hop_tls(pki.folder, certificate))


def test_a_wrong_host_is_asked_about_too(site, pki):
    """Every virtual host asks: a request for a host that nobody expects is decided like any other."""
    request = request_bytes(alice(pki)).replace(b"host: api.example.org", b"host: elsewhere.example.org")
    refused = request_bytes(mallory(pki)).replace(b"host: api.example.org", b"host: elsewhere.example.org")

    assert exchange(site.port, request, site.tls, source=site.source).status == 200
    assert exchange(site.port, refused, site.tls, source=site.source).reason == "not_allowed"


def test_the_route_that_is_shipped_open(edge, pki):
    """``/healthz`` of edge-mtls.yaml answers by itself: no service, no upstream, no identity."""
    answer = exchange(edge.ports["edge", "absent"], request_bytes(SPOOFED, "GET /healthz"), hop_tls(pki.folder))

    assert (answer.status, answer.body) == (200, b"ok\n")
    assert b"admin" not in answer.head


def test_the_parts_of_the_guide():
    """The marks in add-to-existing.yaml delimit exactly the parts that the guide names."""
    assert set(guide_parts()) == {"1 of 3", "2 of 3 (a)", "2 of 3 (b)", "3 of 3"}
