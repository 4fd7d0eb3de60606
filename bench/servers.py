"""The servers under test as processes of their own, and what the system says they cost."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from authz_server.demo.envoys import free_port
from bench.scenes import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

_START_SECONDS = 20.0


@contextlib.contextmanager
def _on_core(place: int) -> Iterator[None]:
    """Let this process, and what it starts meanwhile, run on one core only, where it has more than one."""
    cores = os.sched_getaffinity(0)
    if len(cores) > 1:
        os.sched_setaffinity(0, {sorted(cores)[place]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def cpu_seconds(pid: int) -> float:
    """CPU time of all of a process's threads so far, user and system, in nanosecond resolution (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


class Server:
    """A running server process."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        """``port`` of 127.0.0.1 is where it listens."""
        self.process, self.port = process, port

    @property
    def cpu_seconds(self) -> float:
        """CPU time so far."""
        return cpu_seconds(self.process.pid)

    @property
    def peak_memory_mib(self) -> float:
        """The largest resident size so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        return int(status.split("VmHWM:")[1].split()[0]) / 1024


@contextlib.contextmanager
def running(folder: Path, trust_bundle: bytes) -> Iterator[dict[str, Server]]:
    """Both servers on the first core, and this process, the load, on the second; the servers end with the block."""
    (folder / "ca.pem").write_bytes(trust_bundle)
    ports = [free_port(), free_port()]
    environment = ENVIRONMENT | {
        "AUTHZ_LISTEN": f"127.0.0.1:{ports[1]}",
        "AUTHZ_TRUST_BUNDLE_FILE": str(folder / "ca.pem"),
    }
    commands: dict[str, tuple[list[str], dict[str, str]]] = {
        "constant": ([sys.executable, "-m", "bench.constant", str(ports[0])], {}),
        "authz": ([sys.executable, "-m", "authz_server", "serve"], environment),
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AUTHZ_")}
    with contextlib.ExitStack() as stack:
        servers = {}
        for (name, (command, extra)), port in zip(commands.items(), ports, strict=True):
            # Decision lines are written, as in production; to a file, as a container runtime would.
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            with _on_core(0):
                process = subprocess.Popen(command, env=inherited | extra, stdout=log, stderr=log)  # noqa: S603 - our own
            stack.callback(_end, process)
            servers[name] = Server(process, port)
        for name, server in servers.items():
            _wait(server, folder / f"{name}.log")
        stack.enter_context(_on_core(1))
        yield servers


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(server: Server, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", server.port)) == 0:
                return
        time.sleep(0.05)
    message = f"a server did not start: {log.read_text(errors='replace')[-2000:]}"
    raise RuntimeError(message)
