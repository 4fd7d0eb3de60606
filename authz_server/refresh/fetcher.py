"""One message to one URL: only to where the operator allows, within bounds of size and time, and every refusal has a name.

Does NOT look at what was fetched beyond its size: that is ``content.py``.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError

from authz_server.refresh.destinations import Destination, permitted, refuse_unlisted
from authz_server.refresh.job import Limits
from authz_server.refresh.refusals import Refusal, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from urllib3.response import HTTPResponse

    from authz_server.refresh.destinations import Address, Network, Origin

Resolver = Callable[[str, int], list[str]]

_CHUNK_BYTES = 1 << 16
_REDIRECTS = (301, 302, 303, 307, 308)
# RFC 9110 §15.4: after the others a POST would become a GET.
_SAME_METHOD = (307, 308)
_OK, _NOT_MODIFIED = 200, 304
_MAX_VALIDATOR = 1024
_TRANSFER_ERRORS = (HTTPError, http.client.HTTPException, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class Validators:
    """RFC 9110 §8.8: what the server calls the version that we have."""

    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: a GET, or with a body a POST. ``is_conditional`` if an answer "as you have it" makes sense."""

    headers: Mapping[str, str]
    body: bytes | None = field(default=None, repr=False)
    is_conditional: bool = False


@dataclass(frozen=True, slots=True)
class Fetched:
    """What the server sent, and what it calls this version."""

    content: bytes = field(repr=False)
    validators: Validators


@dataclass(frozen=True, slots=True)
class NotModified:
    """The version that we have is the current one."""


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name in the system's order; raises ``OSError``."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class _Deadline:
    """The end of one fetch. A watchdog shuts the connection down at it: timeouts of single reads do not add up to a bound."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return max(0.0, self._end - time.monotonic())

    @contextmanager
    def over(self, find_socket: Callable[[], socket.socket | None]) -> Iterator[None]:
        watchdog = threading.Timer(self.left, _shut_down, [find_socket])
        watchdog.daemon = True
        watchdog.start()
        try:
            yield
        finally:
            watchdog.cancel()


def _shut_down(find_socket: Callable[[], socket.socket | None]) -> None:
    found = find_socket()
    if found is not None:
        with suppress(OSError):  # it is closed already
            # Not SSLSocket's own shutdown: that one takes the TLS state from under a read that is under way.
            socket.socket.shutdown(found, socket.SHUT_RDWR)


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches from the listed origins. ``resolver`` is the port to the name service, ``tls`` makes each TLS context."""

    allow: tuple[Origin, ...]
    networks: tuple[Network, ...] = ()
    limits: Limits = field(default_factory=Limits)
    tls: Callable[[], ssl.SSLContext] = ssl.create_default_context
    resolver: Resolver = resolve

    def fetch(self, url: str, previous: Validators | None = None) -> Fetched | NotModified:
        """Fetch ``url``; ``previous`` names the version that is held. Raises ``RefusedError``."""
        return self._follow(url, Message(_conditions(previous), is_conditional=previous is not None))

    def ask(self, url: str, message: Message) -> bytes:
        """The content of the answer to ``message``, which sets no conditions. Raises ``RefusedError``."""
        answer = self._follow(url, message)
        if isinstance(answer, NotModified):  # a message without conditions is never answered so
            raise RefusedError(Refusal.HTTP_STATUS, str(_NOT_MODIFIED))
        return answer.content

    def _follow(self, url: str, message: Message) -> Fetched | NotModified:
        deadline = _Deadline(self.limits.total_seconds)
        destination = Destination.parse(url)
        refuse_unlisted(destination.origin, self.allow)
        answer = self._ask(destination, message, deadline)
        if isinstance(answer, str):
            answer = self._ask(self._redirected(url, answer), message, deadline)
        if isinstance(answer, str):
            raise RefusedError(Refusal.REDIRECT_REFUSED, "a second redirect")
        return answer

    def _redirected(self, url: str, location: str) -> Destination:
        try:
            target = Destination.parse(urljoin(url, location))
            refuse_unlisted(target.origin, self.allow)
        except (RefusedError, ValueError) as error:
            raise RefusedError(Refusal.REDIRECT_REFUSED, str(error)) from error
        return target

    def _ask(self, to: Destination, message: Message, deadline: _Deadline) -> Fetched | NotModified | str:
        """One request; the answer is text where it is the target of a redirect."""
        connection = self._connect(to.origin, deadline)
        # The connection forgets its socket where the answer ends with it; the watchdog must not.
        sock = connection.sock
        with closing(connection), _translated(deadline), deadline.over(lambda: sock):
            connection.timeout = deadline.left
            method = "GET" if message.body is None else "POST"
            headers = {**_headers(to.origin), **message.headers}
            connection.request(method, to.target, message.body, headers, preload_content=False)
            response = connection.getresponse()
            with closing(response):
                if response.status in (_REDIRECTS if message.body is None else _SAME_METHOD):
                    return response.headers.get("location", "")
                if response.status == _NOT_MODIFIED and message.is_conditional:
                    return NotModified()
                if response.status != _OK:
                    raise RefusedError(Refusal.HTTP_STATUS, str(response.status))
                content = self._read(response, deadline)
                return Fetched(content, _validators(response))

    def _connect(self, origin: Origin, deadline: _Deadline) -> HTTPConnection:
        """Connect to one of the permitted addresses of the origin, in their order."""
        refused = RefusedError(Refusal.TIMED_OUT)
        for address in permitted(self._resolve(origin, deadline), self.networks):
            if not deadline.left:
                break
            connection = self._connection(origin, address, min(self.limits.connect_seconds, deadline.left))
            try:
                with _translated(deadline), deadline.over(partial(_socket_of, connection)):
                    connection.connect()
            except RefusedError as error:
                connection.close()
                refused = error
            else:
                return connection
        raise refused

    def _resolve(self, origin: Origin, deadline: _Deadline) -> list[str]:
        """Ask for the addresses, once a fetch; the name service has no timeout that a caller could set."""
        found: list[list[str] | Exception] = []

        def ask() -> None:
            try:
                found.append(self.resolver(origin.host, origin.port))
            except (OSError, UnicodeError) as error:
                found.append(error)

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(deadline.left)
        if not found:
            raise RefusedError(Refusal.TIMED_OUT, "the name service does not answer")
        if isinstance(found[0], Exception):
            raise RefusedError(Refusal.NAME_UNRESOLVED, f"{origin.host}: {found[0]}") from found[0]
        return found[0]

    def _connection(self, origin: Origin, address: Address, timeout: float) -> HTTPConnection:
        """To exactly this address; TLS is still with the name. The environment's proxies have no part in it."""
        if origin.scheme == "http":
            return HTTPConnection(str(address), origin.port, timeout=timeout)
        try:
            context = self.tls()
        except OSError as error:
            raise RefusedError(Refusal.TLS_FAILED, f"the roots cannot be read: {error}") from error
        name = origin.host.rstrip(".")
        return HTTPSConnection(str(address), origin.port, timeout=timeout, ssl_context=context, server_hostname=name)

    def _read(self, response: HTTPResponse, deadline: _Deadline) -> bytes:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            # None was asked for, and a small one can unpack to anything.
            raise RefusedError(Refusal.ANSWER_BROKEN, "a content encoding")
        if (response.length_remaining or 0) > self.limits.max_bytes:
            raise RefusedError(Refusal.TOO_LARGE, f"{response.length_remaining} bytes announced")
        content = bytearray()
        while chunk := response.read1(_CHUNK_BYTES, decode_content=False):
            content += chunk
            if len(content) > self.limits.max_bytes:
                raise RefusedError(Refusal.TOO_LARGE, f"over {self.limits.max_bytes} bytes")
            if not deadline.left:
                break
        if not deadline.left:
            # Without a length a connection that was shut down looks like the end of the content.
            raise RefusedError(Refusal.TIMED_OUT, f"after {len(content)} bytes")
        if response.length_remaining:
            raise RefusedError(Refusal.ANSWER_BROKEN, f"{response.length_remaining} bytes are missing")
        return bytes(content)


def _socket_of(connection: HTTPConnection) -> socket.socket | None:
    return connection.sock


@contextmanager
def _translated(deadline: _Deadline) -> Iterator[None]:
    """The transfer's many exceptions as the refusals that they are."""
    try:
        yield
    except RefusedError:
        raise
    except _TRANSFER_ERRORS as error:
        raise RefusedError(_refusal(error, deadline), f"{type(error).__name__}: {error}"[:300]) from error


def _refusal(error: Exception, deadline: _Deadline) -> Refusal:
    if not deadline.left:
        return Refusal.TIMED_OUT
    if isinstance(error, NewConnectionError):  # before the timeouts: urllib3 has it below one of them
        return Refusal.CONNECT_FAILED
    if isinstance(error, (TimeoutError, ReadTimeoutError, ConnectTimeoutError)):
        return Refusal.TIMED_OUT
    if isinstance(error, ssl.SSLError):
        return Refusal.TLS_FAILED
    return Refusal.ANSWER_BROKEN


def _headers(origin: Origin) -> dict[str, str]:
    return {"Host": origin.host_header, "User-Agent": "authz-server", "Accept-Encoding": "identity"}


def _conditions(previous: Validators | None) -> dict[str, str]:
    headers = {"Accept": "application/pkix-crl, */*;q=0.1"}
    if previous is not None and previous.etag:
        headers["If-None-Match"] = previous.etag
    if previous is not None and previous.last_modified:
        headers["If-Modified-Since"] = previous.last_modified
    return headers


def _validators(response: HTTPResponse) -> Validators:
    """What the server calls this version; what could not be sent back as it is, is not kept."""
    found = (response.headers.get(name, "") for name in ("etag", "last-modified"))
    return Validators(*(text if text.isascii() and text.isprintable() and len(text) <= _MAX_VALIDATOR else "" for text in found))
