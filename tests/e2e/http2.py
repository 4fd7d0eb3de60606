"""HTTP/2 with trailers: a client that sends them, and an upstream that shows where each header came.

No library that tests usually speak HTTP/2 with lets a client send trailers.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, ResponseReceived, StreamEnded, StreamReset, TrailersReceived

from tests.e2e.wire import Answer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from h2.events import Event

Lines = tuple[tuple[str, str], ...]
_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Received:
    """One request as the upstream got it."""

    headers: Lines
    trailers: Lines


def post(port: int, headers: Lines, trailers: Lines, tls: ssl.SSLContext | None, *, source: str, path: str = "/orders") -> int:
    """POST one byte with these headers before it and these trailers behind it; the status of the answer, 0 for a reset."""
    connection = _connection()
    connection.send_headers(1, (*_request_line("POST", path), *headers))
    connection.send_data(1, b"x", end_stream=not trailers)
    if trailers:
        connection.send_headers(1, trailers, end_stream=True)
    for event in _events(connection, port, tls, source):
        if isinstance(event, ResponseReceived):
            return int(dict(event.headers)[":status"])
        if isinstance(event, StreamReset):
            return 0
    message = "closed without an answer"
    raise ConnectionResetError(message)


def get(port: int, headers: Lines, tls: ssl.SSLContext | None, path: str = "/orders") -> Answer:
    """GET with these headers; the answer as HTTP/1.1 would write it."""
    connection = _connection()
    connection.send_headers(1, (*_request_line("GET", path), *headers), end_stream=True)
    head, body = b"", b""
    for event in _events(connection, port, tls, "127.0.0.1"):
        if isinstance(event, ResponseReceived):
            (_, status), *lines = event.headers
            head = "\r\n".join([f"HTTP/2 {status} ", *(f"{name}: {value}" for name, value in lines)]).encode("latin-1")
        elif isinstance(event, DataReceived):
            body += event.data
        elif isinstance(event, StreamEnded):
            return Answer(head, body)
    message = "no whole answer"
    raise ConnectionResetError(message)


def _connection() -> H2Connection:
    connection = H2Connection(H2Configuration(client_side=True, header_encoding="latin-1"))
    connection.initiate_connection()
    return connection


def _request_line(method: str, path: str) -> Lines:
    return ((":method", method), (":path", path), (":scheme", "https"), (":authority", "api.example.org"))


def _events(connection: H2Connection, port: int, tls: ssl.SSLContext | None, source: str) -> Iterator[Event]:
    """Send what the connection holds; every event until the peer closes."""
    with socket.create_connection(("127.0.0.1", port), _SECONDS, source_address=(source, 0)) as plain:
        stream = tls.wrap_socket(plain) if tls else plain
        with stream:
            stream.sendall(connection.data_to_send())
            while data := stream.recv(65536):
                yield from connection.receive_data(data)
                stream.sendall(connection.data_to_send())


class _Upstream(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.received: list[Received] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def port(self) -> int:
        return self.server_address[1]


class _Handler(socketserver.BaseRequestHandler):
    server: _Upstream

    def handle(self) -> None:
        """Answer every stream with 200 when it has ended."""
        connection = H2Connection(H2Configuration(client_side=False, header_encoding="latin-1"))
        connection.initiate_connection()
        self.request.sendall(connection.data_to_send())
        headers: dict[int, Lines] = {}
        trailers: dict[int, Lines] = {}
        while data := self.request.recv(65536):
            for event in connection.receive_data(data):
                if isinstance(event, RequestReceived):
                    headers[event.stream_id] = tuple(event.headers)
                elif isinstance(event, TrailersReceived):
                    trailers[event.stream_id] = tuple(event.headers)
                elif isinstance(event, StreamEnded):
                    self.server.received.append(Received(headers[event.stream_id], trailers.get(event.stream_id, ())))
                    connection.send_headers(event.stream_id, ((":status", "200"),), end_stream=True)
            self.request.sendall(connection.data_to_send())


@contextmanager
def h2_upstream() -> Iterator[_Upstream]:
    """An HTTP/2 upstream on a free port; ``received`` are the requests that reached it."""
    with _Upstream() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
