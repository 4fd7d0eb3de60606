"""gRPC servers that know no messages: they take and give bytes."""

from __future__ import annotations

import json
from concurrent import futures
from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, answer: Callable[[bytes, grpc.ServicerContext], bytes]) -> None:
        self._answer = answer

    def service(self, _details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """The same for every method."""
        return grpc.unary_unary_rpc_method_handler(self._answer)


@contextmanager
def bytes_server(
    answer: Callable[[bytes, grpc.ServicerContext], bytes], credentials: grpc.ServerCredentials | None = None
) -> Iterator[int]:
    """A server on a free port that answers every call with ``answer``; over TLS with ``credentials``."""
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((_Handler(answer),))
    address = "127.0.0.1:0"
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


@contextmanager
def echoing_server() -> Iterator[int]:
    """An upstream that answers every call with its own metadata, as JSON."""

    def answer(_: bytes, context: grpc.ServicerContext) -> bytes:
        lines = [(name, value) for name, value in context.invocation_metadata() if isinstance(value, str)]
        return json.dumps(lines).encode()

    with bytes_server(answer) as port:
        yield port
