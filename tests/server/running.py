"""``authz-server serve`` as a process, asked over gRPC in bytes of an independent codec; it ends with its context."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import grpc

from authz_server.demo.envoys import free_port
from authz_server.forwarded.url_pem import encode_url_pem
from tests.samples import WAF

with warnings.catch_warnings():
    # Its own use of pydantic is deprecated; nothing of ours is.
    warnings.simplefilter("ignore")
    from envoy_data_plane.envoy.service.auth import v3 as wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from authz_server.demo.pki import Issued

SERVICE = "envoy.service.auth.v3.Authorization"
CHECK = f"/{SERVICE}/Check"
CERTIFICATE_HEADER = "x-client-cert"
_SECONDS = 20


def request_bytes(leaf: Issued | None = None, principal: str = WAF, **headers: str) -> bytes:
    """A CheckRequest, written by envoy-data-plane and not by the library that the server reads it with."""
    shown = {name.replace("_", "-"): value for name, value in headers.items()}
    if leaf:
        shown[CERTIFICATE_HEADER] = encode_url_pem(leaf.chain_der)
    http = wire.AttributeContextHttpRequest(method="GET", path="/orders", host="api.example.org", headers=shown)
    return bytes(
        wire.CheckRequest(
            attributes=wire.AttributeContext(
                source=wire.AttributeContextPeer(principal=principal),
                request=wire.AttributeContextRequest(http=http),
                context_extensions={"hop": "mtls"},
            )
        )
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What Envoy would make of a CheckResponse."""

    response: wire.CheckResponse

    @property
    def reason(self) -> str:
        """The reason of a denial or error; empty: let in."""
        if self.response.status.code == 0:
            return ""
        return json.loads((self.response.error_response or self.response.denied_response).body)["reason"]

    @property
    def status(self) -> int:
        """The HTTP status that the client gets, 200 where the upstream is asked."""
        if self.response.status.code == 0:
            return 200
        return int((self.response.error_response or self.response.denied_response).status.code)

    @property
    def is_error(self) -> bool:
        """Whether Envoy counts it as an error of the service, not as a denial."""
        return self.response.error_response is not None


class Running:
    """The service with a listener of gRPC and an admin port; ``folder`` gets its output."""

    def __init__(self, folder: Path, **settings: str) -> None:
        """``settings`` are ``AUTHZ_`` variables; those of the listeners, the hop and the source are set."""
        self.folder = folder
        self.port, self.admin = free_port(), free_port()
        self._environment = {
            "PATH": os.environ["PATH"],
            "AUTHZ_LISTEN": f"127.0.0.1:{self.port}",
            "AUTHZ_ADMIN_LISTEN": f"127.0.0.1:{self.admin}",
            "AUTHZ_SOURCE_FORMAT": "url-pem",
            "AUTHZ_ALLOW": "*",
            "AUTHZ_HOP_PRINCIPALS": WAF,
            "AUTHZ_DRAIN_DELAY_SECONDS": "0",
            **settings,
        }
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}")
        self._check = self.channel.unary_unary(CHECK)

    def start(self) -> Self:
        """Start the process; ``wait_until_ready`` says when it serves."""
        # Blank values unset what is set above.
        environment = {name: value for name, value in self._environment.items() if value}
        command = [sys.executable, "-m", "authz_server", "serve"]
        with (self.folder / "decisions").open("ab") as out, (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=out, stderr=log)
        return self

    def __enter__(self) -> Self:
        """Start it, and wait until it is ready."""
        self.start()
        try:
            self.wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End it, whether it still runs or not."""
        self.channel.close()
        self.stop()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        try:
            return self.process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def hang_up(self) -> None:
        """SIGHUP."""
        self.process.send_signal(signal.SIGHUP)

    def wait_until_ready(self) -> None:
        """Return when it serves."""
        eventually(lambda: self.process.poll() is not None or self.readiness()[0] == 200)
        assert self.process.poll() is None, self.log

    def ask(self, leaf: Issued | None = None, **headers: str) -> Answer:
        """Ask about a request with the client's certificate."""
        return self.send(request_bytes(leaf, **headers))

    def send(self, message: bytes) -> Answer:
        """Ask in bytes."""
        return Answer(wire.CheckResponse.parse(self._check(message, timeout=5, wait_for_ready=True)))

    def readiness(self) -> tuple[int, str]:
        """Status and text of ``/readyz``; 0 while nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/readyz", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metrics(self) -> dict[str, float]:
        """The samples of ``/metrics`` by name and labels, as Prometheus reads them."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=5) as answer:
            assert answer.headers["content-type"].startswith("text/plain")
            text = answer.read().decode()
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    @property
    def log(self) -> str:
        """Its own log."""
        return (self.folder / "log").read_text()

    @property
    def decisions(self) -> list[dict[str, object]]:
        """The decision lines so far."""
        return [json.loads(line) for line in (self.folder / "decisions").read_text().splitlines()]


def eventually(condition: Callable[[], object], seconds: float = _SECONDS) -> float:
    """Wait until ``condition`` is true; the seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - began
