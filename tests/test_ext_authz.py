"""Envoy's messages in and out: what is read from a CheckRequest, and that nothing but Allow answers code 0."""

from __future__ import annotations

import json

import pytest
from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import attribute_context_pb2, external_auth_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authz_server.decision import Allow, Deny
from authz_server.ext_authz import check_response, decide_check, forwarded_request, is_grpc
from authz_server.forwarded.url_pem import encode_url_pem
from authz_server.hop import HopPolicy, PeerProof
from authz_server.reasons import Reason, Rejection
from tests.pki import NOW, alice
from tests.samples import MARK, WAF, snapshot

OUR_FAULTS = [reason for reason in Reason if reason.is_our_fault]
CLIENT_FAULTS = [reason for reason in Reason if not reason.is_our_fault]
OVERWRITE = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD


def check_request(**http: object) -> external_auth_pb2.CheckRequest:
    """A request that ``snapshot`` allows, but for what ``http`` changes."""
    message = external_auth_pb2.CheckRequest()
    fields = {
        "method": "GET",
        "host": "api.example.org",
        "path": "/orders?token=1",
        "headers": {"x-client-cert": encode_url_pem(alice().chain_der), "x-request-id": "req-1"},
    }
    message.attributes.request.http.CopyFrom(attribute_context_pb2.AttributeContext.HttpRequest(**fields | http))
    message.attributes.source.principal = WAF
    message.attributes.source.address.socket_address.address = "192.0.2.7"
    message.attributes.context_extensions["hop"] = "mtls"
    return message


def allow() -> Allow:
    """A real ``Allow``."""
    _, decision = decide_check(check_request(), snapshot(), NOW)
    assert isinstance(decision, Allow)
    return decision


def raw_headers(*lines: tuple[str, bytes, str]) -> base_pb2.HeaderMap:
    """Headers as ``encode_raw_headers`` sends them: (key, raw_value, value)."""
    return base_pb2.HeaderMap(headers=[base_pb2.HeaderValue(key=key, raw_value=raw, value=text) for key, raw, text in lines])


def test_joined_headers() -> None:
    """The headers map is read as UTF-8 bytes under lower-case names."""
    request = forwarded_request(check_request(headers={"X-Name": "zoë"}))
    assert request.headers == (("x-name", "zoë".encode()),)


def test_raw_headers() -> None:
    """A header map keeps every line, its bytes and their order, and falls back to ``value``."""
    lines = raw_headers(("X-A", b"\xff", ""), ("x-b", b"", "text"), ("X-A", b"2", ""), ("x-empty", b"", ""))
    request = forwarded_request(check_request(headers={}, header_map=lines))
    assert request.headers == (("x-a", b"\xff"), ("x-b", b"text"), ("x-a", b"2"), ("x-empty", b""))


@pytest.mark.parametrize(
    ("http", "reason", "facts"),
    [
        ({"method": ""}, Reason.REQUEST_MALFORMED, {"detail": "no method"}),
        ({"method": "CONNECT", "path": ""}, Reason.METHOD_UNSUPPORTED, {"method": "CONNECT"}),
        ({"path": ""}, Reason.REQUEST_MALFORMED, {"detail": "the path does not begin with /"}),
        ({"path": "*"}, Reason.REQUEST_MALFORMED, {"detail": "the path does not begin with /"}),
        (
            {"headers": {"a": "1"}, "header_map": raw_headers(("a", b"1", ""))},
            Reason.REQUEST_MALFORMED,
            {"detail": "both headers and header_map are set"},
        ),
    ],
)
def test_unusable_request(http: dict[str, object], reason: Reason, facts: dict[str, object]) -> None:
    """What cannot be decided about is refused by name."""
    with pytest.raises(Rejection) as refused:
        forwarded_request(check_request(**http))
    assert (refused.value.reason, refused.value.facts) == (reason, facts)


def test_empty_message() -> None:
    """A CheckRequest without attributes is malformed, with and without HTTP part."""
    message = external_auth_pb2.CheckRequest()
    for _ in range(2):
        request, decision = decide_check(message, snapshot(), NOW)
        assert (request, decision.reason, decision.facts) == (None, Reason.REQUEST_MALFORMED, {"detail": "no HTTP request"})
        message.attributes.request.SetInParent()


def test_peer() -> None:
    """The peer is Envoy's direct one; without a socket address it has none."""
    message = check_request()
    assert forwarded_request(message).peer.address == "192.0.2.7"
    message.attributes.source.address.pipe.path = "/run/envoy.sock"
    assert forwarded_request(message).peer.address is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("req-1", "req-1"),
        ("a" * 128, "a" * 128),
        ("a" * 129, ""),  # one too many
        ("a b", ""),
        ("a\n", ""),  # `$` would match before it
        ("é", ""),
        ("", ""),
    ],
)
def test_request_id(value: str, expected: str) -> None:
    """A request id is at most 128 visible ASCII characters, or nothing."""
    assert forwarded_request(check_request(headers={"x-request-id": value})).request_id == expected


def test_without_snapshot() -> None:
    """Before a configuration is loaded every request is denied, as our fault."""
    request, decision = decide_check(check_request(), None, NOW)
    assert request is not None
    assert decision == Deny(Reason.CONFIGURATION_UNAVAILABLE, {})


def test_allow_response() -> None:
    """An allow overwrites the identity headers, removes the certificate's, and never names one header twice."""
    response = check_response(allow(), "id-1", is_grpc=False)
    assert (response.status.code, response.WhichOneof("http_response")) == (0, "ok_response")
    headers = response.ok_response.headers
    assert {each.header.key: each.header.value for each in headers}["x-auth-client-name"] == "CN=alice,O=Acme"
    assert all(each.append_action == OVERWRITE and not each.HasField("append") for each in headers)
    assert not any(each.header.raw_value for each in headers)
    assert "x-client-cert" in response.ok_response.headers_to_remove
    assert not {each.header.key for each in headers} & set(response.ok_response.headers_to_remove)


@pytest.mark.parametrize("grpc_caller", [False, True])
@pytest.mark.parametrize("reason", CLIENT_FAULTS)
def test_denial(reason: Reason, grpc_caller: bool) -> None:  # noqa: FBT001
    """A client's fault is a denied response with the reason's status and code 16 or 7."""
    response = check_response(Deny(reason, {"secret": "fact"}), "id-1", is_grpc=grpc_caller)
    assert response.WhichOneof("http_response") == "denied_response"
    assert response.status.code == {401: 16, 403: 7}[reason.status]
    assert_denial_body(response.denied_response, reason, grpc_caller=grpc_caller)


@pytest.mark.parametrize("grpc_caller", [False, True])
@pytest.mark.parametrize("reason", OUR_FAULTS)
def test_our_fault(reason: Reason, grpc_caller: bool) -> None:  # noqa: FBT001
    """Our fault is an error response: 503, code 14, and when to try again."""
    response = check_response(Deny(reason, {}), "id-1", is_grpc=grpc_caller)
    assert (response.status.code, response.WhichOneof("http_response")) == (14, "error_response")
    assert reason.status == 503
    headers = assert_denial_body(response.error_response, reason, grpc_caller=grpc_caller)
    assert headers["retry-after"] == "1"


def assert_denial_body(answer: object, reason: Reason, *, grpc_caller: bool) -> dict[str, str]:
    """The parts that denials and errors have in common; the headers."""
    headers = {each.header.key: each.header.value for each in answer.headers}
    assert (answer.status.code, headers["cache-control"]) == (reason.status, "no-store")
    if grpc_caller:
        assert (headers["content-type"], answer.body) == ("text/plain", f"{reason.value} id-1")
    else:
        assert headers["content-type"] == "application/problem+json"
        assert json.loads(answer.body) == {
            "type": "about:blank",
            "title": reason.meaning,
            "status": reason.status,
            "reason": reason.value,
            "decision_id": "id-1",
        }
    return headers


def test_metadata() -> None:
    """Dynamic metadata names decision, outcome and principal on allow, and the reason on deny."""
    allowed = dict(check_response(allow(), "id-1", is_grpc=False).dynamic_metadata)
    assert (allowed["id"], allowed["outcome"]) == ("id-1", "ALLOW")
    assert "reason" not in allowed
    assert dict(allowed["principal"]) == {"name": "CN=alice,O=Acme", "kind": "subject", "trust_domain": "default"}
    assert allowed["revocation"] == "not-checked"
    denied = dict(check_response(Deny(Reason.NOT_ALLOWED, {}), "id-2", is_grpc=False).dynamic_metadata)
    assert denied == {"id": "id-2", "outcome": "DENY", "reason": "not_allowed"}


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [("application/grpc", True), ("application/grpc+proto", True), ("application/json", False), ("", False)],
)
def test_grpc_callers(content_type: str, expected: bool) -> None:  # noqa: FBT001
    """A gRPC caller is known by its content type."""
    assert is_grpc(forwarded_request(check_request(headers={"content-type": content_type}))) is expected
    assert is_grpc(None) is False


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = st.sampled_from(["x-client-cert", "X-Client-Cert", "x-request-id", "content-type", "x_client_cert"]) | texts


@st.composite
def messages(draw: st.DrawFn) -> external_auth_pb2.CheckRequest:
    """Any CheckRequest: from almost right to anything."""
    message = check_request() if draw(st.booleans()) else external_auth_pb2.CheckRequest()
    if draw(st.booleans()):
        http = message.attributes.request.http
        http.method, http.host = draw(st.sampled_from(["GET", "CONNECT", ""]) | texts), draw(texts)
        http.path = draw(st.sampled_from(["/", "/a?b", "*", ""]) | texts)
        if draw(st.booleans()):
            http.headers.clear()
        http.headers.update(draw(st.dictionaries(names, texts, max_size=3)))
        for key, raw in draw(st.lists(st.tuples(names, st.binary(max_size=30)), max_size=3)):
            http.header_map.headers.add(key=key, raw_value=raw)
    if draw(st.booleans()):
        message.attributes.source.principal = draw(texts)
        message.attributes.source.certificate = draw(texts)
        message.attributes.context_extensions.update(draw(st.dictionaries(texts, texts, max_size=2)))
    return message


@given(messages(), st.booleans())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_unproven_is_allowed(message: external_auth_pb2.CheckRequest, loaded: bool) -> None:  # noqa: FBT001
    """No message is answered with code 0 by a snapshot whose proof cannot hold, and none raises."""
    impossible = snapshot(hops=(HopPolicy("waf", (PeerProof(frozenset({"no peer\0has this principal"}), MARK),)),))
    request, decision = decide_check(message, impossible if loaded else None, NOW)
    response = check_response(decision, "id", is_grpc=is_grpc(request))
    assert response.status.code != 0
    assert response.WhichOneof("http_response") in {"denied_response", "error_response"}


@given(messages())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_code_zero_is_allow(message: external_auth_pb2.CheckRequest) -> None:
    """With a proof that can hold, code 0 is answered if and only if the decision is ``Allow``."""
    _, decision = decide_check(message, snapshot(), NOW)
    assert (check_response(decision, "id", is_grpc=False).status.code == 0) is isinstance(decision, Allow)
