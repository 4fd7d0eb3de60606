"""The HTTP/2 side of ``wire.py``: one request, its header fields as they are told, valid or not."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from tests.interop.pki import HOST
from tests.interop.wire import Answer, Connection, NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_HTTP2, RESET, CLOSED, LATE = "no HTTP/2", "stream reset", "connection closed", "no answer in time"
Fields = tuple[tuple[bytes, bytes], ...]


def fields(path: str, *more: tuple[bytes, bytes], method: bytes = b"GET") -> Fields:
    """The fields of a request: the pseudo-header fields and ``more``."""
    start = ((b":method", method), (b":scheme", b"https"), (b":authority", HOST.encode()), (b":path", path.encode()))
    return (*start, (b"user-agent", b"interop/2"), (b"accept", b"*/*"), *more)


def exchange(port: int, context: ssl.SSLContext, head: Fields, body: bytes = b"", trailer: Fields = ()) -> Answer:
    """Send a request, read its answer; ``NoAnswerError`` names a refused stream, connection or protocol."""
    context.set_alpn_protocols(["h2"])
    with Connection(port, context) as connection:
        if connection.socket.selected_alpn_protocol() != "h2":
            raise NoAnswerError(NO_HTTP2)
        loose = h2.config.H2Configuration(
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            validate_inbound_headers=False,
            header_encoding=None,
        )
        session = h2.connection.H2Connection(loose)
        session.initiate_connection()
        session.send_headers(1, head, end_stream=not body and not trailer)
        if body:
            session.send_data(1, body, end_stream=not trailer)
        if trailer:
            session.send_headers(1, trailer, end_stream=True)
        connection.send(session.data_to_send())
        return _answer(connection, session)


def _answer(connection: Connection, session: h2.connection.H2Connection) -> Answer:
    status, headers, body = 0, (), b""
    while True:
        for event in _events(connection, session):
            if isinstance(event, h2.events.ResponseReceived):
                received = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers]
                status, headers = int(dict(received)[":status"]), tuple(received)
            elif isinstance(event, h2.events.DataReceived):
                body += event.data
                session.acknowledge_received_data(event.flow_controlled_length, 1)
            elif isinstance(event, h2.events.StreamEnded):
                return Answer(status, headers, body)
            elif isinstance(event, h2.events.StreamReset):
                raise NoAnswerError(RESET)
            elif isinstance(event, h2.events.ConnectionTerminated):
                raise NoAnswerError(CLOSED)
        connection.send(session.data_to_send())


def _events(connection: Connection, session: h2.connection.H2Connection) -> Iterable[h2.events.Event]:
    try:
        data = connection.socket.recv(65536)
    except TimeoutError as error:
        raise NoAnswerError(LATE) from error
    except (ssl.SSLError, ConnectionError) as error:
        raise NoAnswerError(CLOSED) from error
    if not data:
        raise NoAnswerError(CLOSED)
    try:
        return session.receive_data(data)
    except h2.exceptions.ProtocolError as error:
        raise NoAnswerError(CLOSED) from error
