"""A small OCSP responder on loopback that answers truly, or misbehaves as told."""

from __future__ import annotations

import base64
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from cryptography import x509
from cryptography.x509 import ocsp

from tests.ocsp.service import fresh
from tests.validation.revocation.making import GOOD, answer_der


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self._answer(base64.b64decode(unquote(self.path.rpartition("/")[2])))

    def do_POST(self):
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, der):
        request = ocsp.load_der_ocsp_request(der)
        self.server.seen.append((self.command, self.path, dict(self.headers.items()), request))
        self.server.behave(self, request)

    def log_message(self, *_):
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that went away is no news."""


def send(handler, body, status=200, **headers):
    """Send an HTTP answer."""
    handler.send_response(status)
    for name, value in ({"Content-Length": str(len(body)), "Content-Type": "application/ocsp-response"} | headers).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def nonce_of(request):
    """The nonce of a request."""
    return request.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce


class Truth:
    """Answers about these certificates of ``issuer``; ``echo`` says whether the nonce comes back."""

    def __init__(self, issuer, *issued, echo=True, times=None, **fields):
        self.issued = {each.certificate.serial_number: each for each in issued}
        self.statuses = {}
        self.issuer, self.echo, self.times, self.fields = issuer, echo, times, fields

    def __call__(self, handler, request):
        """Answer."""
        send(handler, self.der(request))

    def der(self, request, **changes):
        """The answer to a request."""
        leaf = self.issued[request.serial_number]
        nonce = [(x509.OCSPNonce(nonce_of(request)), False)] if self.echo else []
        fields = {"issuer": self.issuer, "times": self.times or fresh(), "extensions": nonce} | self.fields | changes
        return answer_der(leaf, self.statuses.get(request.serial_number, GOOD), **fields)


@contextmanager
def responder(behave):
    """A responder that behaves so; ``behave`` may be replaced, ``seen`` holds what it was asked."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.behave, server.seen = behave, []
    server.origin = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
