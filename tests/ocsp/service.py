"""``authz-server serve`` as a process with a client of today's root; it ends with its context."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import grpc
from envoy.service.auth.v3 import external_auth_pb2

from authz_server.demo.envoys import free_port
from authz_server.forwarded.url_pem import encode_url_pem
from tests.pki import root_of_today
from tests.samples import WAF

CHECK = "/envoy.service.auth.v3.Authorization/Check"
_SECONDS = 20


def today():
    """Now, in whole seconds as OCSP has them."""
    return datetime.now(UTC).replace(microsecond=0)


def fresh(hours=1):
    """The times of an answer that is good for so long."""
    return today() - timedelta(minutes=1), today() + timedelta(hours=hours)


class Service:
    """One that was started."""

    def __init__(self, listen, admin, process):
        self.process, self.admin = process, admin
        self._channel = grpc.insecure_channel(listen)
        self._check = self._channel.unary_unary(
            CHECK,
            request_serializer=external_auth_pb2.CheckRequest.SerializeToString,
            response_deserializer=external_auth_pb2.CheckResponse.FromString,
        )

    def ask(self, leaf, seconds=5.0):
        """The reason of a refusal, or what is known about revocation where the request is allowed."""
        message = external_auth_pb2.CheckRequest()
        message.attributes.source.principal = WAF
        message.attributes.context_extensions["hop"] = "mtls"
        http = message.attributes.request.http
        http.method, http.path, http.host = "GET", "/orders", "api.example.org"
        http.headers["x-client-cert"] = encode_url_pem(leaf.chain_der)
        metadata = self._check(message, timeout=seconds).dynamic_metadata
        return metadata["revocation"] if metadata["outcome"] == "ALLOW" else metadata["reason"]

    def comes_to(self, leaf, expected):
        """Whether it answers so within some seconds."""
        return within(lambda: self.ask(leaf) == expected)

    def metrics(self):
        """The page of metrics."""
        with urllib.request.urlopen(f"http://{self.admin}/metrics") as answer:
            return answer.read().decode()

    def is_ready(self):
        """Whether it serves."""
        with suppress(OSError), urllib.request.urlopen(f"http://{self.admin}/readyz") as answer:
            return answer.status == 200
        return False

    def close(self):
        """End the connection to it."""
        self._channel.close()


def within(is_so, seconds=_SECONDS):
    """Whether something comes to be so in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_so():
            return True
        time.sleep(0.05)
    return False


@contextmanager
def service(folder, **settings):
    """A service that believes the proxy and today's root, with these settings."""
    bundle = folder / "ca.pem"
    bundle.write_bytes(root_of_today().certificate_pem)
    listen, admin = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    values = {
        "LISTEN": listen,
        "ADMIN_LISTEN": admin,
        "ALLOW": "*",
        "SOURCE_FORMAT": "url-pem",
        "SOURCE_HEADER": "x-client-cert",
        "HOP_PRINCIPALS": WAF,
        "HOP_CONTEXT": "hop=mtls",
        "TRUST_BUNDLE_FILE": str(bundle),
        "DRAIN_DELAY_SECONDS": "0",
    } | settings
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AUTHZ_")}
    environment |= {f"AUTHZ_{name}": value for name, value in values.items()}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "authz_server", "serve"], env=environment, stdout=log, stderr=log)
    started = Service(listen, admin, process)
    try:
        assert within(lambda: started.is_ready() or process.poll() is not None)
        assert process.poll() is None, (folder / "log").read_text()
        yield started
    finally:
        started.close()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
