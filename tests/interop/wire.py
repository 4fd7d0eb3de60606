"""A client that writes what it is told, byte for byte: forgers do not keep to what an HTTP library lets them send."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from tests.interop.pki import HOST

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS = 10.0


class NoAnswerError(Exception):
    """The other side refused the handshake or closed the connection instead of answering; the text names how."""

    def __init__(self, how: str = "closed without an answer") -> None:
        super().__init__(how)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP/1.1 response."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def request(path: str, *lines: bytes, method: str = "GET", body: bytes = b"") -> bytes:
    """A request of these header lines, each without its line break."""
    start = (f"{method} {path} HTTP/1.1".encode(), b"Host: " + HOST.encode(), b"User-Agent: interop/1", b"Accept: */*")
    return b"\r\n".join((*start, *lines)) + b"\r\n\r\n" + body


def tls_context(folder: Path, client: str | None) -> ssl.SSLContext:
    """TLS as the client named; ``None`` shows no certificate."""
    context = ssl.create_default_context(cafile=str(folder / "hop-ca.crt"))
    context.check_hostname = False
    if client is not None:
        context.load_cert_chain(folder / f"{client}.crt", folder / f"{client}.key")
    return context


class Connection:
    """One connection to a port of this machine, over TLS if it has a ``context``."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None, session: ssl.SSLSession | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)
        try:
            self.socket = context.wrap_socket(plain, server_hostname=HOST, session=session) if context else plain
        except (ssl.SSLError, ConnectionError) as error:
            plain.close()
            raise NoAnswerError(_words(error)) from error
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def exchange(self, raw: bytes) -> Answer:
        """Send a request and read its answer."""
        self.send(raw)
        return self.receive()

    def send(self, raw: bytes) -> None:
        """Send bytes as they are."""
        try:
            self.socket.sendall(raw)
        except (ssl.SSLError, ConnectionError) as error:
            raise NoAnswerError(_words(error)) from error

    def receive(self) -> Answer:
        """Read the next answer; interim ones (1xx) are skipped."""
        try:
            answer = self._receive()
            return answer if answer.status >= 200 else self.receive()
        except (ssl.SSLError, ConnectionError) as error:
            raise NoAnswerError(_words(error)) from error
        except TimeoutError as error:
            raise NoAnswerError(_words(error)) from error

    def _receive(self) -> Answer:
        start = self._file.readline()
        if not start:
            raise NoAnswerError
        status = int(start.split(b" ", 2)[1])
        headers = []
        while (line := self._file.readline().rstrip(b"\r\n")) != b"":
            name, _, value = line.decode("latin-1").partition(":")
            headers.append((name.lower(), value.strip()))
        return Answer(status, tuple(headers), self._body(dict(headers), status))

    def _body(self, headers: dict[str, str], status: int) -> bytes:
        if status < 200 or status in {204, 304}:
            return b""
        if "chunked" in headers.get("transfer-encoding", ""):
            return read_chunks(self._file)
        if "content-length" in headers:
            return self._file.read(int(headers["content-length"]))
        return self._file.read()


def read_chunks(file: object) -> bytes:
    """The body of a chunked message, its trailers read and dropped."""
    body = b""
    while (size := int(file.readline().split(b";")[0], 16)) > 0:
        body += file.read(size)
        file.readline()
    while file.readline().rstrip(b"\r\n"):
        pass
    return body


def _words(error: OSError) -> str:
    reason = getattr(error, "reason", None) or type(error).__name__
    return reason.removeprefix("SSLV3_").removeprefix("TLSV1_").removeprefix("TLSV13_").lower().replace("_", " ")
