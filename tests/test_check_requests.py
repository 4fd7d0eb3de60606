"""CheckRequests that the real Envoy sent (tests/fixtures/check_requests): read twice, and decided by a running server."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import grpc
import pytest
from envoy.service.auth.v3 import external_auth_pb2

from authz_server.demo.envoys import free_port
from authz_server.ext_authz import forwarded_request
from tests.e2e.processes import authz_servers

with warnings.catch_warnings():
    # Its own use of pydantic is deprecated; nothing of ours is.
    warnings.simplefilter("ignore")
    from envoy_data_plane.envoy.service.auth import v3 as wire

FIXTURES = sorted((Path(__file__).parent / "fixtures" / "check_requests").glob("*/*.pb"))
NAMES = [f"{path.parent.name}-{path.name.removesuffix('.pb')}" for path in FIXTURES]
each_fixture = pytest.mark.parametrize("path", FIXTURES, ids=NAMES)

ALICE = "spiffe://example.org/alice"
# What must come of each case: the client's name, or the reason of the denial. By edge where it depends on it.
EXPECTED = {
    "xfcc-text": ALICE,
    "xfcc-json": ALICE,
    "grpc": ALICE,
    "names-text": "spiffe://example.org/names",
    "names-json": "spiffe://example.org/names",
    "no-certificate": "credential_missing",
    "nameless-text": "identity_missing",
    "nameless-json": "identity_missing",
    # A URI name that holds `;Cert=…,Hash=…`: in the text form keys of their own, in JSON one string that is no SPIFFE ID.
    "injection-text": "xfcc_duplicate_key",
    "injection-json": "identity_invalid",
    "appended-text": "xfcc_element_ambiguous",
    "appended-json": "xfcc_element_ambiguous",
    "appended-to-text-json": "xfcc_element_ambiguous",
    "appended-to-json-text": "xfcc_element_ambiguous",
    "rfc9440": ALICE,
    "everything": ALICE,
    "rfc9440-twice": {"raw": "header_duplicated", "joined": "structured_field_malformed"},
    # Envoy writes `!` for what is not UTF-8 where it joins.
    "obs-text": {"raw": "header_not_ascii", "joined": "structured_field_malformed"},
}
RFC9440 = {"rfc9440", "rfc9440-twice", "obs-text", "everything"}
# What comes of an appended header where the operator says whose element counts.
APPENDED = [
    ("appended-text", "last", ALICE),
    ("appended-json", "last", ALICE),
    ("appended-text", "by=spiffe://lab/waf", ALICE),
    ("appended-json", "by=spiffe://lab/waf", ALICE),
    ("appended-text", "first", ALICE),
    ("appended-json", "first", "xfcc_certificate_missing"),
    ("appended-json", "by=spiffe://lab/first-waf", "xfcc_element_not_found"),
]
HOUSES = {"xfcc": ("xfcc", "sole"), "rfc9440": ("rfc9440", "sole")} | {element: ("xfcc", element) for _, element, _ in APPENDED}


def case_of(path: Path) -> tuple[str, str]:
    """Case and edge out of the file's name."""
    case, edge, _, _ = path.name.split(".")
    return case, edge


def expected(path: Path) -> str:
    """The client's name or the reason."""
    case, edge = case_of(path)
    outcome = EXPECTED[case]
    return outcome if isinstance(outcome, str) else outcome[edge]


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """A running authz-server for each way to look at the header, as channels. It trusts the CAs of all captures."""
    folder = tmp_path_factory.mktemp("servers")
    bundle = folder / "clients-ca.crt"
    bundle.write_bytes(b"".join(ca.read_bytes() for ca in sorted({path.parent / bundle.name for path in FIXTURES})))
    listens = {house: f"127.0.0.1:{free_port()}" for house in HOUSES}
    configured = {
        f"house-{number}": {
            "AUTHZ_LISTEN": listens[house],
            "AUTHZ_HOP_PRINCIPALS": "spiffe://lab/waf",
            "AUTHZ_SOURCE_FORMAT": form,
            "AUTHZ_SOURCE_ELEMENT": element,
            "AUTHZ_TRUST_BUNDLE_FILE": str(bundle),
            "AUTHZ_IDENTITY": "spiffe",
            "AUTHZ_ALLOW": "*",
        }
        for number, (house, (form, element)) in enumerate(HOUSES.items())
    }
    with authz_servers(folder, configured):
        channels = {key: grpc.insecure_channel(listen) for key, listen in listens.items()}
        yield channels
        for channel in channels.values():
            channel.close()


def header_lines(message: wire.CheckRequest) -> list[tuple[str, bytes]]:
    """The headers as envoy-data-plane reads them."""
    http = message.attributes.request.http
    if http.header_map and http.header_map.headers:
        return [(line.key, line.raw_value or line.value.encode()) for line in http.header_map.headers]
    return [(name, value.encode()) for name, value in http.headers.items()]


def decided(channel: grpc.Channel, path: Path) -> str:
    """What a running server makes of it: the client's name, or the reason of the denial."""
    check = channel.unary_unary("/envoy.service.auth.v3.Authorization/Check")
    response = external_auth_pb2.CheckResponse.FromString(check(path.read_bytes(), timeout=10))
    if response.status.code:
        return json.loads(response.denied_response.body)["reason"]
    return {option.header.key: option.header.value for option in response.ok_response.headers}["x-auth-client-name"]


@each_fixture
def test_two_codecs_read_the_same(path):
    """What the service reads is what an independent codec reads in the same bytes."""
    ours = forwarded_request(external_auth_pb2.CheckRequest.FromString(path.read_bytes()))
    theirs = wire.CheckRequest.parse(path.read_bytes()).attributes

    http = theirs.request.http
    assert sorted(ours.headers) == sorted(header_lines(wire.CheckRequest.parse(path.read_bytes())))
    assert (ours.method, ours.host, ours.path) == (http.method, http.host, http.path)
    assert ours.context == theirs.context_extensions == {"hop": "mtls"}
    assert ours.peer.principal == theirs.source.principal == "spiffe://lab/waf"
    assert ours.peer.unverified_certificate == theirs.source.certificate
    assert ours.peer.unverified_certificate.startswith("-----BEGIN%20CERTIFICATE-----%0A")
    assert ours.peer.address == theirs.source.address.socket_address.address == "127.0.0.1"
    assert dict(ours.headers)["x-request-id"].decode() == ours.request_id != http.id


@each_fixture
def test_where_the_headers_are(path):
    """``encode_raw_headers`` fills one of the two fields and leaves the other empty; the protocol is what the name says."""
    http = external_auth_pb2.CheckRequest.FromString(path.read_bytes()).attributes.request.http
    _, edge, protocol, _ = path.name.split(".")

    assert bool(http.header_map.headers) == edge.startswith("raw")
    assert bool(http.headers) == edge.startswith("joined")
    assert http.protocol == {"h1": "HTTP/1.1", "h2": "HTTP/2"}[protocol]


@each_fixture
def test_a_running_server_decides(servers, path):
    """The running server decides each one as its case says."""
    house = "rfc9440" if case_of(path)[0] in RFC9440 else "xfcc"

    assert decided(servers[house], path) == expected(path)


@pytest.mark.parametrize(("case", "element", "outcome"), APPENDED)
def test_a_chosen_element(servers, case, element, outcome):
    """Of the elements that a chain of proxies wrote, the configured one counts."""
    (path,) = [path for path in FIXTURES if path.name.startswith(case + ".") and path.parent.name == "1.40.0"]

    assert decided(servers[element], path) == outcome


def test_the_json_form():
    """Envoy's JSON form has the keys and shapes that ``forwarded/xfcc_json.py`` reads, and no ``issuer``."""
    message = next(path for path in FIXTURES if path.name == "names-json.raw.h1.pb").read_bytes()
    request = forwarded_request(external_auth_pb2.CheckRequest.FromString(message))

    (element,) = json.loads(dict(request.headers)["x-forwarded-client-cert"])

    assert {key: type(value) for key, value in element.items()} == {
        "by": list,
        "hash": str,
        "cert": str,
        "chain": list,
        "subject": str,
        "uri": list,
        "dns": list,
    }
    assert element["by"] == ["spiffe://lab/waf", "https://waf.example.org"]
    assert element["chain"][0] == element["cert"]
    assert element["cert"].startswith("-----BEGIN CERTIFICATE-----\n")
    assert element["cert"].endswith("\n-----END CERTIFICATE-----\n")


def test_every_case_is_captured():
    """Each expectation has a fixture, and each fixture one."""
    assert {case_of(path)[0] for path in FIXTURES} == set(EXPECTED)
