"""The backend of the demo: answers every request with the headers it got, as JSON."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with method, path and headers."""
        headers = [[name.lower(), value] for name, value in self.headers.items()]
        body = json.dumps({"method": self.command, "path": self.path, "headers": headers}, indent=2).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the base class asks for this name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Stay silent: Envoy logs requests."""


def echo_server(address: str, port: int) -> ThreadingHTTPServer:
    """The server, listening; call ``serve_forever``."""
    return ThreadingHTTPServer((address, port), _Echo)


if __name__ == "__main__":
    echo_server(sys.argv[1], int(sys.argv[2])).serve_forever()
