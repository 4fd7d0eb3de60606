"""HTTP/1.1 in bytes: a client that sends exactly what it is told, and an upstream that shows exactly what it got.

HTTP libraries repair, fold and refuse; here a stray line break must be seen where it is.
"""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Headers = tuple[tuple[str, "str | bytes"], ...]
_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer. ``head`` is the status line and the header lines as they came."""

    head: bytes
    body: bytes

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.head.split(b" ", 2)[1])

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Header lines, names in lower case."""
        return header_lines(self.head)

    @property
    def problem(self) -> dict[str, object]:
        """The problem document of a denial; empty where the body is none."""
        is_problem = ("content-type", "application/problem+json") in self.headers
        return json.loads(self.body) if is_problem else {}

    @property
    def reason(self) -> str:
        """The reason of a denial."""
        return str(self.problem.get("reason", ""))

    @property
    def upstream_head(self) -> bytes:
        """The request as it arrived at the upstream."""
        return json.loads(self.body)["head"].encode("latin-1")

    @property
    def upstream_headers(self) -> tuple[tuple[str, str], ...]:
        """Header lines that the upstream got."""
        return header_lines(self.upstream_head)

    def identity(self, prefix: str = "x-auth-client-") -> dict[str, str]:
        """The identity headers that the upstream got; fails if one came twice."""
        lines = [(name, value) for name, value in self.upstream_headers if name.startswith(prefix)]
        assert len(dict(lines)) == len(lines), lines
        return dict(lines)


def header_lines(head: bytes) -> tuple[tuple[str, str], ...]:
    """The header lines of a message's head, split at CRLF only."""
    lines = head.decode("latin-1").split("\r\n")[1:]
    return tuple((name.lower(), value.strip(" ")) for name, _, value in (line.partition(":") for line in lines if line))


def hop_tls(pki: Path, name: str | None = "waf") -> ssl.SSLContext:
    """TLS as the WAF speaks it to Envoy, with the certificate ``name`` (``None``: without one)."""
    context = ssl.create_default_context(cafile=str(pki / "hop-ca.crt"))
    context.check_hostname = False
    if name:
        context.load_cert_chain(pki / f"{name}.crt", pki / f"{name}.key")
    return context


def request_bytes(headers: Headers = (), line: str = "GET /orders") -> bytes:
    """A request; ``line`` is method and target."""
    lines = [f"{line} HTTP/1.1".encode(), b"host: api.example.org", b"connection: close"]
    for name, value in headers:
        lines.append(name.encode("latin-1") + b": " + (value if isinstance(value, bytes) else value.encode("latin-1")))
    return b"\r\n".join(lines) + b"\r\n\r\n"


def exchange(
    port: int, request: bytes, tls: ssl.SSLContext | None, *, source: str = "127.0.0.1", to_the_end: bool = False
) -> Answer:
    """Send the bytes over a connection of their own and read the answer; TLS and connection errors go to the caller.

    ``to_the_end`` reads on behind the answer until Envoy closes, which it may do a second later.
    """
    with socket.create_connection(("127.0.0.1", port), _SECONDS, source_address=(source, 0)) as plain:
        stream = tls.wrap_socket(plain) if tls else plain
        with stream:
            stream.sendall(request)
            received = bytearray()
            while (to_the_end or not _is_complete(received)) and (chunk := stream.recv(65536)):
                received += chunk
    if not received:
        message = "closed without an answer"
        raise ConnectionResetError(message)
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    return Answer(head, _dechunked(body) if b"transfer-encoding: chunked" in head.lower() else body)


def _is_complete(received: bytearray) -> bool:
    head, end, body = bytes(received).partition(b"\r\n\r\n")
    lengths = [int(value) for name, value in header_lines(head) if name == "content-length"]
    return bool(end) and (body.endswith(b"0\r\n\r\n") if not lengths else len(body) >= lengths[0])


def _dechunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            break
        whole, body = whole + body[:length], body[length + 2 :]
    return whole


class _Upstream(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def port(self) -> int:
        return self.server_address[1]


class _Handler(socketserver.StreamRequestHandler):
    server: _Upstream

    def handle(self) -> None:
        """Answer request after request with its own head."""
        while head := self._head():
            self.server.heads.append(head)
            body = json.dumps({"head": head.decode("latin-1")}).encode()
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

    def _head(self) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return b""
            head += line
        return head.removesuffix(b"\r\n\r\n")


@contextmanager
def upstream() -> Iterator[_Upstream]:
    """An upstream on a free port; ``heads`` are the requests that reached it."""
    with _Upstream() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
