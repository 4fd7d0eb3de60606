"""The yardstick: the public ``grpc.aio`` server with a constant answer. No decision can be cheaper on that transport."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from google.rpc import status_pb2

_ANSWER = external_auth_pb2.CheckResponse(status=status_pb2.Status(code=0), ok_response={})


class _Constant(external_auth_pb2_grpc.AuthorizationServicer):  # type: ignore[misc] # generated, untyped
    async def Check(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the method's name in the service
        return _ANSWER


async def _serve(port: int) -> None:
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    external_auth_pb2_grpc.add_AuthorizationServicer_to_server(_Constant(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
