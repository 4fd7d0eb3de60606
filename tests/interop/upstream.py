"""The application behind Envoy: echoes the headers it got, for GET and for POST with any body, trailers included."""

from __future__ import annotations

import threading
from typing import Self

from authz_server.demo.upstream import _Echo, echo_server
from tests.interop.wire import read_chunks


class _Application(_Echo):
    def do_GET(self) -> None:  # noqa: N802 - the base class asks for this name
        """Write down whom this request is said to come from, then answer."""
        self.server.identities.append(self.headers.get("x-auth-client-sha256", ""))
        super().do_GET()

    def do_POST(self) -> None:  # noqa: N802 - the base class asks for this name
        """Read the body, then answer as for GET."""
        if "chunked" in self.headers.get("transfer-encoding", ""):
            read_chunks(self.rfile)
        else:
            self.rfile.read(int(self.headers.get("content-length", "0")))
        self.do_GET()


class Upstream:
    """The application in a thread; a context manager."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._server = echo_server("127.0.0.1", port)
        self._server.RequestHandlerClass = _Application
        self._server.identities = self.identities = []  # SHA-256 of every client that ever came through, smuggled ones too
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
