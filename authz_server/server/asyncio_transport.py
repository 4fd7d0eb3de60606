"""The transport on ``grpc.aio``, grpcio's public asyncio API."""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any

import grpc
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

if TYPE_CHECKING:
    from authz_server.server.transport import Handler, TlsMaterial

_SERVICE: str = external_auth_pb2.DESCRIPTOR.services_by_name["Authorization"].full_name
_NAMES = (_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)

# Two processes must not share a port by accident: Envoy keeps one connection an endpoint, so one of them would starve.
_OPTIONS = (("grpc.so_reuseport", 0),)


class _Authorization(external_auth_pb2_grpc.AuthorizationServicer):  # type: ignore[misc] # generated, untyped
    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - the method's name in the service
        answer = self._handler(request, context.time_remaining())
        return await answer if isinstance(answer, CoroutineType) else answer


class AsyncioTransport:
    """``Transport`` on ``grpc.aio``."""

    def __init__(self, handler: Handler, listen: str, tls: TlsMaterial | None) -> None:
        """Serve ``handler`` at ``listen``."""
        self._handler = handler
        self._listen = listen
        self._tls = tls
        self._server: Any = None
        self._health = health.aio.HealthServicer()
        self.port = 0

    async def start(self) -> None:
        """Listen, NOT_SERVING."""
        self._server = grpc.aio.server(options=_OPTIONS)
        external_auth_pb2_grpc.add_AuthorizationServicer_to_server(_Authorization(self._handler), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(_NAMES, self._server)
        await self.set_serving(serving=False)
        if self._tls is None:
            self.port = self._server.add_insecure_port(self._listen)
        else:
            self.port = self._server.add_secure_port(self._listen, _credentials(self._tls))
        await self._server.start()

    async def set_serving(self, *, serving: bool) -> None:
        """Answer health checks with SERVING or NOT_SERVING, for the service and for the server as a whole."""
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", _SERVICE):
            await self._health.set(name, status)

    async def stop(self, grace: float) -> None:
        """Close, giving calls in flight ``grace`` seconds."""
        await self._server.stop(grace)


def _credentials(tls: TlsMaterial) -> Any:
    return grpc.ssl_server_credentials(
        [(tls.private_key, tls.certificate)], root_certificates=tls.client_ca, require_client_auth=tls.client_ca is not None
    )
