"""An ext_authz service that allows everything and remembers the header lines that Envoy handed to it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc
from envoy.service.auth.v3 import external_auth_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

if TYPE_CHECKING:
    from pathlib import Path


_SERVICE = "envoy.service.auth.v3.Authorization"


class Recorder:
    """Listens on ``port`` with the certificate of the real service; ``close`` it."""

    def __init__(self, pki: Path, port: int) -> None:
        self.seen: list[tuple[tuple[str, bytes], ...]] = []
        self._server = grpc.server(ThreadPoolExecutor(4))
        check = grpc.unary_unary_rpc_method_handler(
            self._check,
            request_deserializer=external_auth_pb2.CheckRequest.FromString,
            response_serializer=external_auth_pb2.CheckResponse.SerializeToString,
        )
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, {"Check": check}),))
        state = health.HealthServicer()  # Envoy sends nothing to a replica that does not say it is serving
        state.set(_SERVICE, health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(state, self._server)
        pair = ((pki / "authz.key").read_bytes(), (pki / "authz.crt").read_bytes())
        credentials = grpc.ssl_server_credentials([pair], (pki / "hop-ca.crt").read_bytes(), require_client_auth=True)
        self._server.add_secure_port(f"127.0.0.1:{port}", credentials)
        self._server.start()

    def _check(self, message: external_auth_pb2.CheckRequest, _context: grpc.ServicerContext) -> external_auth_pb2.CheckResponse:
        lines = message.attributes.request.http.header_map.headers
        self.seen.append(tuple((line.key, line.raw_value or line.value.encode()) for line in lines))
        return external_auth_pb2.CheckResponse(status={"code": 0})

    def close(self) -> None:
        """Stop listening."""
        self._server.stop(grace=None).wait()
