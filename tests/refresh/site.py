"""Small real HTTP servers on loopback, whose pages misbehave as told."""

from __future__ import annotations

import ssl
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers with the page of the path; a page is bytes or a function of the handler."""

    def do_GET(self):
        """Remember the request and answer it."""
        self.server.seen.append((self.path, dict(self.headers.items())))
        page = self.server.pages.get(self.path)
        if page is None:
            self.send_error(404)
        elif isinstance(page, bytes):
            answer(page)(self)
        else:
            page(self)

    def log_message(self, *_):
        """Say nothing."""


def answer(body, status=200, **headers):
    """A page with these headers; a Content-Length that is given is kept, right or wrong."""

    def page(handler):
        handler.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | {k.replace("_", "-"): v for k, v in headers.items()}).items():
            if value is not None:
                handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return page


def raw(data):
    """A page that is these bytes, HTTP or not."""

    def page(handler):
        handler.wfile.write(data)

    return page


def redirect(location, status=302):
    """A page that sends to another."""
    return answer(b"", status, Location=location)


def versioned(body, etag):
    """A page that answers 304 to whoever has it."""

    def page(handler):
        if handler.headers.get("If-None-Match") == etag:
            answer(b"", 304, Content_Length=None)(handler)
        else:
            answer(body, ETag=etag, Last_Modified="Mon, 01 Jun 2026 12:00:00 GMT")(handler)

    return page


def dripping(prefix, seconds=0.05):
    """A page that goes on for ever, a byte at a time."""

    def page(handler):
        handler.wfile.write(prefix)
        try:
            for _ in range(400):
                handler.wfile.write(b"0")
                time.sleep(seconds)
        except OSError:
            return

    return page


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that went away is no news."""


@contextmanager
def site(pages=None, issued=None, port=0):
    """A server on loopback; with ``issued`` (a server certificate) it speaks TLS."""
    server = _Server(("127.0.0.1", port), Handler)
    server.pages, server.seen = pages if pages is not None else {}, []
    if issued is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued)
        server.names = []
        context.sni_callback = lambda _socket, name, _context: server.names.append(name)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
