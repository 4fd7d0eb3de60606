"""authz-server and Envoy as processes of this machine; each is a context manager that ends what it started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Self

from authz_server.demo.envoys import free_port, start_envoy, wait_for_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_START_SECONDS = 30.0
_POLL_SECONDS = 0.05
# A start takes about a second of a processor; more at once only take longer each.
_STARTS_AT_ONCE = 4


class AuthzServer:
    """``python -m authz_server serve`` with these settings; it can be killed and started again."""

    def __init__(self, folder: Path, name: str, settings: Mapping[str, str]) -> None:
        """``settings`` are ``AUTHZ_`` variables; the admin address and the logs are this class's."""
        self._admin = free_port()
        ours = {"AUTHZ_ADMIN_LISTEN": f"127.0.0.1:{self._admin}", "AUTHZ_DRAIN_DELAY_SECONDS": "0"}
        others = {key: value for key, value in os.environ.items() if not key.startswith("AUTHZ_")}
        self._environment = others | ours | dict(settings)
        self._decisions, self._log = folder / f"{name}.decisions", folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start; ``wait_until_ready`` says when it serves."""
        command = [sys.executable, "-m", "authz_server", "serve"]
        with self._decisions.open("ab") as out, self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=out, stderr=log, env=self._environment)

    def wait_until_ready(self) -> None:
        """Return when it serves; raises ``RuntimeError`` with its log if it ends or takes too long."""
        deadline = time.monotonic() + _START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self._admin}/readyz", timeout=1):
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(_POLL_SECONDS)
        raise RuntimeError(self._log.read_text())

    def kill(self) -> None:
        """SIGKILL: no drain, no last words."""
        self._process.kill()
        self._process.wait()

    def terminate(self) -> None:
        """SIGTERM; leaving the context waits for the end."""
        self._process.terminate()

    @property
    def decisions(self) -> list[dict[str, object]]:
        """Every decision line so far, also of processes that were killed; a torn last line is none."""
        whole, _, _ = self._decisions.read_bytes().rpartition(b"\n")
        return [json.loads(line) for line in whole.splitlines()]

    @property
    def written(self) -> str:
        """Everything that it wrote so far: decision lines and its log."""
        return self._decisions.read_text() + self._log.read_text()

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it, whether it still runs or not."""
        if self._process is not None:
            self.terminate()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.kill()


@contextmanager
def authz_servers(folder: Path, settings: Mapping[str, Mapping[str, str]]) -> Iterator[dict[str, AuthzServer]]:
    """Several at once, by name, all serving."""
    with ExitStack() as stack:
        servers = {name: AuthzServer(folder, name, each) for name, each in settings.items()}
        waiting = list(servers.values())
        while waiting:
            starting, waiting = waiting[:_STARTS_AT_ONCE], waiting[_STARTS_AT_ONCE:]
            for server in starting:
                stack.enter_context(server)
            for server in starting:
                server.wait_until_ready()
        yield servers
        for server in servers.values():
            server.terminate()


@contextmanager
def envoy(binary: Path, config: dict[str, object], folder: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """Envoy, listening on every TCP port of ``config``; it must still run at the end."""
    process = start_envoy(binary, config, folder, name)
    try:
        for listener in config["static_resources"]["listeners"]:
            try:
                wait_for_port(listener["address"]["socket_address"]["port_value"], process)
            except RuntimeError as error:
                raise RuntimeError((folder / f"{name}.log").read_text()[-4000:]) from error
        yield process
        assert process.poll() is None, "Envoy crashed"
    finally:
        process.terminate()
        process.wait()
