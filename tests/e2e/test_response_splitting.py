"""Nothing that a client chose can begin a new header line, in the answer or at the upstream."""

from __future__ import annotations

import re

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest

from authz_server.ext_authz import forwarded_request
from tests.e2e.capture import Case, recording, writes_json
from tests.e2e.certificates import Pki, xfcc
from tests.e2e.wire import exchange, hop_tls, request_bytes

PREFIX = "x-auth-client-"
CANARY = "injected"  # the header that an attack would make; no other part of any message holds it
BREAKS = {
    "CRLF": "\r\n",
    "LF": "\n",
    "CR": "\r",
    "NUL": "\0",
    "tab": "\t",
    "vertical tab": "\x0b",
    "escape": "\x1b",
    "delete": "\x7f",
    "next line": "\x85",
    "line separator": "\u2028",
    "right-to-left override": "\u202e",
}
# What becomes a break only for somebody who decodes once too often or narrows characters to bytes (U+560D -> 0x0D).
LATE_BREAKS = {
    "percent CRLF": "%0d%0a",
    "doubly percent CRLF": "%250d%250a",
    "backslash CRLF": "\\r\\n",
    "narrowing CRLF": "\u560d\u560a",
    "obs-text": "\u00e9\u00ff",
    "quote and comma": '","',
}
# The name, or the whole certificate where the name cannot even be parsed.
REFUSED = {(401, "identity_invalid"), (401, "certificate_malformed")}
VISIBLE = re.compile(r"[ -~]*")


def in_common_name(text):
    return {"subject": x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]), "uris": ()}


def in_organization(text):
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, text), x509.NameAttribute(NameOID.COMMON_NAME, "alice")]
    return {"subject": x509.Name(attributes), "uris": ()}


def in_uri(text):
    return raw_alternative_name(6, "https://a.example/" + text)


def in_dns(text):
    return raw_alternative_name(2, text + ".example")


def in_email(text):
    return raw_alternative_name(1, text + "@example.org")


def raw_alternative_name(tag, text):
    """A subjectAltName of one GeneralName, with bytes that an IA5String may not hold and a CA might sign all the same."""
    name = text.encode()
    assert len(name) < 126
    der = bytes([0x30, len(name) + 2, 0x80 | tag, len(name)]) + name
    extension = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, der)
    return {"uris": (), "extensions": ((extension, False),)}


PLACES = pytest.mark.parametrize("place", [in_common_name, in_organization, in_uri, in_dns, in_email])


@pytest.fixture
def ask(edge, pki):
    """Send headers through the shipped listener to a service that lets everybody with a valid certificate in."""

    def send(*headers, line="GET /orders"):
        request = request_bytes(headers, line)
        return exchange(edge.ports["edge", "anybody"], request, hop_tls(pki.folder), to_the_end=True)

    return send


def issue(pki, fields):
    """A certificate with these names."""
    return pki.client(**({"subject": "CN=alice"} | fields))


def assert_nothing_raw(answer):
    """No header line was made, none is repeated or holds anything but visible ASCII, and nothing follows the answer."""
    length = dict(answer.headers)["content-length"]
    assert len(answer.body) == int(length)
    messages = [answer.head]
    if answer.status == 200:
        messages.append(answer.upstream_head)
        assert all(VISIBLE.fullmatch(value) for value in answer.identity().values())
    for message in messages:
        assert not re.search(rb"[^\r]\n|\r[^\n]|\0", message)
        names = [line.partition(b":")[0].strip().lower() for line in re.split(rb"\r\n|\r|\n", message)[1:]]
        assert CANARY.encode() not in names
        assert len(names) == len(set(names))


@PLACES
@pytest.mark.parametrize("text", BREAKS.values(), ids=BREAKS)
def test_breaks_in_names(ask, pki, place, text):
    """A control character in a name of a valid certificate refuses the client; no part of it comes back."""
    leaf = issue(pki, place(f"a{text}{CANARY}: yes"))

    answer = ask(("x-forwarded-client-cert", xfcc(leaf)))

    assert_nothing_raw(answer)
    assert (answer.status, answer.reason) in REFUSED
    assert CANARY.encode() not in answer.head + answer.body


@PLACES
@pytest.mark.parametrize("text", LATE_BREAKS.values(), ids=LATE_BREAKS)
def test_late_breaks_in_names(ask, pki, place, text):
    """What looks like an encoded break stays one value, encoded once more, or refuses the client."""
    leaf = issue(pki, place(f"a{text}{CANARY}: yes"))

    answer = ask(("x-forwarded-client-cert", xfcc(leaf)))

    assert_nothing_raw(answer)
    assert (answer.status, answer.reason) in {(200, ""), *REFUSED}


@pytest.mark.parametrize(
    "header",
    [
        ("x-request-id", b"a\xe9\xff"),
        ("x-request-id", "a%0d%0ainjected:%20yes"),
        ("content-type", b"application/grpc\xe9"),
        ("content-type", "application/problem+json%0d%0ainjected: yes"),
        ("x-forwarded-client-cert", b'Hash=\xe9;Subject="\xff"'),
        ("x-forwarded-client-cert", "Hash=a%0d%0ainjected:%20yes"),
        ("x-auth-client-name", "a%0d%0ainjected: yes"),
        ("cookie", "injected=yes; a=%0d%0a"),
    ],
    ids=str,
)
@pytest.mark.parametrize("is_good", [True, False], ids=["allowed", "refused"])
def test_header_values(ask, pki, header, is_good):
    """Odd values of any header that the service sees change nothing in the lines that go out."""
    certificate = (("x-forwarded-client-cert", xfcc(pki.alice)),) if is_good and header[0] != "x-forwarded-client-cert" else ()

    answer = ask(*certificate, header)

    length = dict(answer.headers)["content-length"]
    assert len(answer.body) == int(length)
    assert answer.status == (200 if certificate else 401)
    assert CANARY not in dict(answer.headers)
    assert b"%0d%0a" not in answer.head
    if certificate:
        assert CANARY not in dict(answer.upstream_headers)
        assert all(VISIBLE.fullmatch(value) for value in answer.identity().values())


@pytest.mark.parametrize("line", ["GET /orders/%0d%0ainjected:%20yes", "GET /orders?a=%0D%0Ainjected:%20yes", "GET /%E9%FF?%00"])
def test_request_lines(ask, pki, line):
    """An encoded break in the path stays encoded at the upstream and does not come back in an answer."""
    allowed, refused = ask(("x-forwarded-client-cert", xfcc(pki.alice)), line=line), ask(line=line)

    assert allowed.status in {200, 400}
    assert refused.status in {400, 401}
    for answer in (allowed, refused):
        assert CANARY not in dict(answer.headers)
        assert b"injected" not in answer.head
    if allowed.status == 200:
        assert_nothing_raw(allowed)


@pytest.mark.parametrize("value", [b"a\r\ninjected: yes", b"a\ninjected: yes", b"a\0b"], ids=repr)
def test_raw_breaks(ask, pki, value):
    """A raw break in a header is a header of its own, or Envoy refuses it; never part of what the service is shown."""
    answer = ask(("x-forwarded-client-cert", xfcc(pki.alice)), ("x-request-id", value))

    assert answer.status in {200, 400}
    assert CANARY not in dict(answer.headers)


def test_decision_lines_stay_lines(edge, ask, pki):
    """Names and paths with breaks leave one JSON line a decision."""
    server = edge.houses["anybody"]
    before = len(server.decisions)

    ask(("x-forwarded-client-cert", xfcc(issue(pki, in_common_name("a\r\nb")))), line="GET /a%0d%0ab")
    ask(("x-forwarded-client-cert", xfcc(pki.alice)), ("x-request-id", "a%0d%0ab"))

    assert [record["outcome"] for record in server.decisions[before:]] == ["DENY", "ALLOW"]


@pytest.fixture(scope="module")
def waf(binary, envoy_version, tmp_path_factory):
    """A WAF that ends the client's TLS, the edge behind it, and what the edge asks."""
    folder = tmp_path_factory.mktemp("waf")
    with recording(binary, Pki(folder), folder, with_json=writes_json(envoy_version)) as recorder:
        yield recorder


@PLACES
@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("text", (BREAKS | LATE_BREAKS).values(), ids=(BREAKS | LATE_BREAKS))
def test_breaks_through_a_waf(waf, place, form, text):
    """What a WAF makes of such names for X-Forwarded-Client-Cert is no header of its own at the edge, or is not sent."""
    if form not in waf.ports:
        pytest.skip("Envoy writes JSON since 1.38")
    waf.pki.write("odd", issue(waf.pki, place(f"a{text}{CANARY}: yes")))

    answer = waf.ask(Case("", "raw-all", "h1", form, "odd"))

    # 503: Envoy refuses to send the header on.
    assert answer.status in {403, 503}
    for question in waf.questions:
        request = forwarded_request(CheckRequest.FromString(question))
        assert not [name for name, _ in request.headers if CANARY in name]
        (value,) = request.header_lines("x-forwarded-client-cert")
        assert not re.search(rb"[\0\r\n]", value)
    assert len(waf.questions) == (answer.status == 403)
