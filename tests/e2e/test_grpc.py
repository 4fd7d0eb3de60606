"""gRPC clients: calls through the real Envoy over HTTP/2, with grpcio as the client."""

from __future__ import annotations

import json
import re

import grpc
import pytest

from authz_server.reasons import Reason
from tests.e2e.certificates import ALICE, xfcc
from tests.e2e.doors import ABSENT

METHOD = "/shop.Orders/Get"
XFCC = "x-forwarded-client-cert"
DETAILS = re.compile(r"([a-z_0-9]+) ([0-9a-f]{32})")


@pytest.fixture
def call(edge, pki):
    """Call the upstream as the WAF, with this metadata; the answer's message, or ``grpc.RpcError``."""

    def send(*metadata, house="xfcc"):
        read = {name: (pki.folder / name).read_bytes() for name in ("hop-ca.crt", "waf.key", "waf.crt")}
        target = f"127.0.0.1:{edge.ports['grpc-upstream', house]}"
        options = (("grpc.ssl_target_name_override", "edge.internal"),)
        with grpc.secure_channel(target, grpc.ssl_channel_credentials(*read.values()), options) as channel:
            return channel.unary_unary(METHOD)(b"\0", metadata=metadata, timeout=10)

    return send


def test_allowed(call, pki):
    """Alice's call arrives, with who she is in its metadata and without her certificate or her own claims."""
    answer = call((XFCC, xfcc(pki.alice)), ("x-auth-client-name", "admin"), ("x-auth-client-role", "admin"))

    metadata = json.loads(answer)
    assert [value for name, value in metadata if name == "x-auth-client-name"] == [ALICE]
    assert not {XFCC, "x-auth-client-role"} & {name for name, _ in metadata}


@pytest.mark.parametrize(
    ("uri", "code", "reason"),
    [
        (None, grpc.StatusCode.UNAUTHENTICATED, Reason.CREDENTIAL_MISSING),
        ("https://no.spiffe.example/", grpc.StatusCode.UNAUTHENTICATED, Reason.IDENTITY_MISSING),
        ("spiffe://example.org/mallory", grpc.StatusCode.PERMISSION_DENIED, Reason.NOT_ALLOWED),
    ],
    ids=["no certificate", "no such name", "not allowed"],
)
def test_refused(call, pki, edge, uri, code, reason):
    """A denial is gRPC's own status, and its message is the reason and the decision's id, no more."""
    metadata = ((XFCC, xfcc(pki.client(uris=(uri,)))),) if uri else ()

    with pytest.raises(grpc.RpcError) as refused:
        call(*metadata, ("x-auth-client-name", "admin"))

    assert refused.value.code() is code
    shown, decision_id = DETAILS.fullmatch(refused.value.details()).groups()
    assert shown == reason.value
    (record,) = [each for each in edge.houses["xfcc"].decisions if each["id"] == decision_id]
    assert record["reason"] == reason.value
    trailers = [*refused.value.initial_metadata(), *refused.value.trailing_metadata()]
    assert not [name for name, _ in trailers if name.startswith("x-auth-client-")]


def test_a_service_that_does_not_answer(call, pki):
    """Nobody to ask is UNAVAILABLE, which clients may try again."""
    with pytest.raises(grpc.RpcError) as refused:
        call((XFCC, xfcc(pki.alice)), house=ABSENT)

    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
