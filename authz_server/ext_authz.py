"""CheckRequest -> ``ForwardedRequest`` and ``Decision`` -> CheckResponse: the only room that touches Envoy's messages.

Envoy looks at nothing but ``status.code``: an empty CheckResponse allows, and so does a ``denied_response`` whose code is
0 (``envoy.service.auth.v3.CheckResponse``). So one function here makes every response.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson
from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2
from google.rpc import status_pb2

from authz_server.decision import Allow, Decision, Deny, decide
from authz_server.model import ForwardedRequest, Peer
from authz_server.reasons import Reason, Rejection

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from authz_server.decision import Snapshot

# google.rpc.Code
_OK = 0
_PERMISSION_DENIED = 7
_UNAVAILABLE = 14
_UNAUTHENTICATED = 16
_UNAUTHORIZED_STATUS = 401

_REQUEST_ID = re.compile(r"[!-~]{1,128}")


def decide_check(
    message: Any, snapshot: Snapshot | None, now: datetime
) -> tuple[ForwardedRequest | None, Decision]:  # fmt: skip
    """The decision for one CheckRequest, and the request as far as it could be read. Total for every message."""
    try:
        request = forwarded_request(message)
    except Rejection as refusal:
        return None, Deny(refusal.reason, refusal.facts)
    if snapshot is None:
        return request, Deny(Reason.CONFIGURATION_UNAVAILABLE, {})
    return request, decide(request, snapshot, now)


def forwarded_request(message: Any) -> ForwardedRequest:
    """Read what the decision needs; raises ``Rejection`` for a message that Envoy's filter would not send for a request."""
    attributes = message.attributes
    if not attributes.HasField("request") or not attributes.request.HasField("http"):
        raise Rejection(Reason.REQUEST_MALFORMED, detail="no HTTP request")
    http = attributes.request.http
    if not http.method:
        raise Rejection(Reason.REQUEST_MALFORMED, detail="no method")
    if http.method == "CONNECT":
        raise Rejection(Reason.METHOD_UNSUPPORTED, method="CONNECT")
    if not http.path.startswith("/"):
        raise Rejection(Reason.REQUEST_MALFORMED, detail="the path does not begin with /")
    headers = _headers(http)
    source = attributes.source
    return ForwardedRequest(
        method=http.method,
        host=http.host,
        path=http.path,
        headers=headers,
        peer=Peer(source.address.socket_address.address or None, source.principal, source.certificate),
        request_id=_request_id(headers),
        context=dict(attributes.context_extensions),
        stream_id=http.id,
    )


def _headers(http: Any) -> tuple[tuple[str, bytes], ...]:
    """Both ways Envoy hands headers over: ``header_map`` (``encode_raw_headers``) with every line, or the joined map."""
    lines = http.header_map.headers
    if lines and http.headers:
        raise Rejection(Reason.REQUEST_MALFORMED, detail="both headers and header_map are set")
    if lines:
        return tuple((line.key.lower(), line.raw_value or line.value.encode()) for line in lines)
    return tuple((name.lower(), value.encode()) for name, value in http.headers.items())


def _request_id(headers: tuple[tuple[str, bytes], ...]) -> str:
    for name, value in headers:
        if name == "x-request-id":
            text = value.decode("ascii", "replace")
            return text if _REQUEST_ID.fullmatch(text) else ""
    return ""


def is_grpc(request: ForwardedRequest | None) -> bool:
    """Whether the caller speaks gRPC: its library shows the body of a denial as the error's message."""
    return request is not None and any(line.startswith(b"application/grpc") for line in request.header_lines("content-type"))


def check_response(decision: Decision, decision_id: str, *, is_grpc: bool) -> Any:
    """The answer to Envoy. Code 0 comes from ``Allow`` and from nothing else."""
    if isinstance(decision, Allow):
        response = external_auth_pb2.CheckResponse(
            status=status_pb2.Status(code=_OK),
            ok_response=external_auth_pb2.OkHttpResponse(
                # `append` must stay unset: with it Envoy appends to what the client sent, or adds nothing at all.
                headers=[_overwriting(name, value) for name, value in decision.headers],
                headers_to_remove=decision.headers_to_remove,
            ),
        )
    else:
        response = _denial(decision.reason, decision_id, is_grpc=is_grpc)
    response.dynamic_metadata.update(_metadata(decision, decision_id))
    return response


def _denial(reason: Reason, decision_id: str, *, is_grpc: bool) -> Any:
    if is_grpc:
        content_type, body = "text/plain", f"{reason.value} {decision_id}"
    else:
        content_type, body = "application/problem+json", _problem(reason, decision_id)
    headers = [("content-type", content_type), ("cache-control", "no-store")]
    if reason.is_our_fault:
        headers.append(("retry-after", "1"))
    answer = external_auth_pb2.DeniedHttpResponse(
        status={"code": reason.status}, headers=[_overwriting(*header) for header in headers], body=body
    )
    if reason.is_our_fault:
        # An error, not a denial: Envoy counts it as such. Before 1.37 it does not know the field and answers 403.
        return external_auth_pb2.CheckResponse(status=status_pb2.Status(code=_UNAVAILABLE), error_response=answer)
    code = _UNAUTHENTICATED if reason.status == _UNAUTHORIZED_STATUS else _PERMISSION_DENIED
    return external_auth_pb2.CheckResponse(status=status_pb2.Status(code=code), denied_response=answer)


def _problem(reason: Reason, decision_id: str) -> str:
    """A problem document (RFC 9457) that tells the caller the reason and nothing about the configuration."""
    document = {
        "type": "about:blank",
        "title": reason.meaning,
        "status": reason.status,
        "reason": reason.value,
        "decision_id": decision_id,
    }
    return orjson.dumps(document).decode()


def _metadata(decision: Decision, decision_id: str) -> Mapping[str, Any]:
    """Dynamic metadata, in the words of the decision record (``protos/v1/decision.proto``)."""
    metadata: dict[str, Any] = {"id": decision_id, "outcome": outcome(decision)}
    if isinstance(decision, Deny):
        metadata["reason"] = decision.reason.value
    principal = decision.evidence.principal
    if principal is not None:
        metadata["principal"] = {
            "name": principal.name.value,
            "kind": principal.name.kind.value,
            "trust_domain": principal.trust_domain,
        }
        metadata["revocation"] = decision.evidence.revocation.value
    return metadata


def outcome(decision: Decision) -> str:
    """``ALLOW``, ``DENY``, or ``ERROR`` when the service itself could not decide."""
    if isinstance(decision, Allow):
        return "ALLOW"
    return "ERROR" if decision.reason.is_our_fault else "DENY"


def _overwriting(name: str, value: str) -> Any:
    return base_pb2.HeaderValueOption(
        header=base_pb2.HeaderValue(key=name, value=value),
        append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
    )
