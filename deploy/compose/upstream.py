"""An upstream that answers with the request headers it got, as JSON."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Echo(BaseHTTPRequestHandler):
    """Echoes headers, names in lower case."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with the headers."""
        body = json.dumps([(name.lower(), value) for name, value in self.headers.items()]).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("0.0.0.0", 8080), Echo).serve_forever()  # noqa: S104 - reached from the compose network only
