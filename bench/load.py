"""A closed loop of gRPC calls over HTTP/2 with ready-made frames: cheap enough not to be what is measured.

Speaks just enough HTTP/2 (RFC 9113) for unary calls to a well-behaved server. Like Envoy, it sends the header block as
references into the dynamic table after the first request of a connection (RFC 7541 §6.1).
"""

from __future__ import annotations

import selectors
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS = 0x1, 0x1, 0x4
_INITIAL_WINDOW_SIZE = 4  # a setting's identifier
_DEFAULT_WINDOW = 65_535
_WIDE_WINDOW = 2**31 - 1
_GRPC_PREFIX = 5
_READ = 1 << 18  # bytes a read; larger than what the responses in flight take
_STALLED_SECONDS = 20.0


class LoadError(RuntimeError):
    """The server did not answer as a gRPC server does."""


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name: bytes, value: bytes) -> bytes:
    """A literal with incremental indexing, nothing Huffman-coded; both shorter than 127 bytes (RFC 7541 §6.2.1)."""
    return b"\x40" + bytes([len(name)]) + name + bytes([len(value)]) + value


_NEW = (
    (b":path", b"/envoy.service.auth.v3.Authorization/Check"),
    (b":authority", b"authz"),
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
)
_STATIC = b"\x83\x86"  # :method POST, :scheme http
_FIRST_BLOCK = _STATIC + b"".join(_literal(name, value) for name, value in _NEW)
# The newest entry of the dynamic table has index 62.
_NEXT_BLOCK = _STATIC + bytes(0x80 | 62 + place for place in reversed(range(len(_NEW))))


@dataclass
class Round:
    """What one round of calls came to."""

    calls: int
    seconds: float
    latencies: list[float] = field(repr=False)
    codes: dict[int, int]


class _Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(0)
        settings = struct.pack(">HI", _INITIAL_WINDOW_SIZE, _WIDE_WINDOW)
        widen = struct.pack(">I", _WIDE_WINDOW - _DEFAULT_WINDOW)
        self.out = bytearray(_PREFACE + _frame(_SETTINGS, 0, 0, settings) + _frame(_WINDOW_UPDATE, 0, 0, widen))
        self.inbox = bytearray()
        self.next_stream = 1
        self.window = _DEFAULT_WINDOW
        self.started: dict[int, float] = {}
        self.answers: dict[int, bytes] = {}
        self.waiting: bytes | None = None
        """A message that waits for the connection's window."""

    def send(self, message: bytes) -> None:
        """Start a call, or keep its message until the server's window is wide enough."""
        if len(message) > self.window:
            self.waiting = message
            return
        block = _FIRST_BLOCK if self.next_stream == 1 else _NEXT_BLOCK
        self.out += _frame(_HEADERS, _END_HEADERS, self.next_stream, block)
        self.out += _frame(_DATA, _END_STREAM, self.next_stream, message)
        self.window -= len(message)
        self.started[self.next_stream] = time.perf_counter()
        self.next_stream += 2

    def flush(self) -> None:
        """Write as much as the socket takes."""
        if self.out:
            try:
                del self.out[: self.socket.send(self.out)]
            except BlockingIOError:
                return

    def read(self) -> list[tuple[float, bytes]]:
        """The calls that ended: seconds each took, and its answer."""
        chunk = self.socket.recv(_READ)
        if not chunk:
            message = "the server closed the connection"
            raise LoadError(message)
        self.inbox += chunk
        ended, at = [], 0
        now = time.perf_counter()
        while len(self.inbox) - at >= 9:  # noqa: PLR2004 - a frame's header, RFC 9113 §4.1
            length = int.from_bytes(self.inbox[at : at + 3])
            if len(self.inbox) - at < 9 + length:
                break
            kind, flags = self.inbox[at + 3], self.inbox[at + 4]
            stream = int.from_bytes(self.inbox[at + 5 : at + 9])
            payload = bytes(self.inbox[at + 9 : at + 9 + length])
            at += 9 + length
            if kind == _DATA:
                self.answers[stream] = self.answers.get(stream, b"") + payload
            elif kind == _HEADERS and flags & _END_STREAM:
                ended.append((now - self.started.pop(stream), self.answers.pop(stream, b"")))
            elif kind not in {_DATA, _HEADERS}:
                self._control(kind, flags, stream, payload)
        del self.inbox[:at]
        return ended

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _WINDOW_UPDATE and stream == 0:
            self.window += int.from_bytes(payload)
            if self.waiting is not None and len(self.waiting) <= self.window:
                parked, self.waiting = self.waiting, None
                self.send(parked)
        elif kind in {_SETTINGS, _PING} and not flags & _ACK:
            self.out += _frame(kind, _ACK, 0, payload if kind == _PING else b"")
        elif kind in {_RST_STREAM, _GOAWAY}:
            message = f"the server sent frame {kind}: {payload!r}"
            raise LoadError(message)


class Load:
    """Connections to one server, each with at most one call waiting for its window."""

    def __init__(self, port: int, connections: int, calls_each: int) -> None:
        """Connect; ``calls_each`` calls are kept in flight on each connection."""
        self._calls_each = calls_each
        self._connections = [_Connection(port) for _ in range(connections)]
        self._selector = selectors.DefaultSelector()
        for connection in self._connections:
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)

    def close(self) -> None:
        """Close every connection."""
        for connection in self._connections:
            connection.socket.close()
        self._selector.close()

    def run(self, messages: Iterator[bytes], seconds: float) -> Round:
        """Call until ``messages`` or the time ends, and wait for the last answers."""
        began = last = time.perf_counter()
        latencies: list[float] = []
        codes: dict[int, int] = {}
        for _ in range(self._calls_each):
            for connection in self._connections:
                self._next(connection, messages)
        while any(each.started or each.waiting for each in self._connections):
            for connection in self._connections:
                connection.flush()
            ready = self._selector.select(0.05 if any(each.out for each in self._connections) else 1.0)
            if not ready and time.perf_counter() - last > _STALLED_SECONDS:
                stalled = "the server stopped answering"
                raise LoadError(stalled)
            for key, _ in ready:
                for took, answer in key.data.read():
                    last = time.perf_counter()
                    latencies.append(took)
                    code = _status_code(answer)
                    codes[code] = codes.get(code, 0) + 1
                    if last - began < seconds:
                        self._next(key.data, messages)
        return Round(len(latencies), last - began, latencies, codes)

    @staticmethod
    def _next(connection: _Connection, messages: Iterator[bytes]) -> None:
        if connection.waiting is None and (message := next(messages, None)) is not None:
            connection.send(message)


def _status_code(answer: bytes) -> int:
    """``CheckResponse.status.code``, read from the wire: field 1 a message, its field 1 a varint below 128."""
    body = answer[_GRPC_PREFIX:]
    if not body:
        message = "a call ended without an answer"
        raise LoadError(message)
    if body[0] != 0x0A:  # noqa: PLR2004 - field 1, length-delimited; Envoy reads a missing status as code 0
        return 0
    status = body[2 : 2 + body[1]]
    return status[1] if status[:1] == b"\x08" else 0


def grpc_message(body: bytes) -> bytes:
    """A gRPC message, not compressed."""
    return b"\0" + struct.pack(">I", len(body)) + body
