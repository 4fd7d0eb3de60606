"""The admin port: metrics and probes over plain HTTP, for the operator's own network only."""

from __future__ import annotations

import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Bind. The base class looks the address up in DNS for a name that nobody needs; without DNS a start took seconds."""
        socketserver.TCPServer.server_bind(self)


class _Ipv6Server(_Server):
    address_family = socket.AF_INET6


class AdminServer:
    """``/metrics``, ``/healthz`` (the process runs) and ``/readyz`` (it serves) at ``HOST:PORT``."""

    def __init__(
        self, listen: str, registry: CollectorRegistry, is_ready: Callable[[], bool], detail: Callable[[], str] = str
    ) -> None:
        """Bind; raises ``OSError`` if the address is taken. ``detail`` is shown by ``/readyz`` below yes or no."""
        host, _, port = listen.rpartition(":")
        server = _Ipv6Server if host.startswith("[") else _Server
        self._server = server((host.strip("[]"), int(port)), _handler(registry, is_ready, detail))
        self.port: int = self._server.server_address[1]

    def start(self) -> None:
        """Serve in a thread of its own."""
        threading.Thread(target=self._server.serve_forever, name="admin", daemon=True).start()

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()


def _handler(
    registry: CollectorRegistry, is_ready: Callable[[], bool], detail: Callable[[], str]
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            """Answer one of the three paths."""
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
            elif path == "/healthz":
                self._answer(200, "text/plain", b"ok\n")
            elif path == "/readyz":
                ready = is_ready()
                body = f"{'ready' if ready else 'not ready'}\n{detail()}".rstrip() + "\n"
                self._answer(200 if ready else 503, "text/plain; charset=utf-8", body.encode(errors="backslashreplace"))
            else:
                self._answer(404, "text/plain", b"not found\n")

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Stay silent: probes are no news."""

    return Handler
