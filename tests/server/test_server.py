"""The real server on a loopback port, spoken to in bytes by an independent codec."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest
from cryptography import x509
from envoy.service.auth.v3 import external_auth_pb2
from grpc_health.v1 import health_pb2

from authz_server.demo.envoys import free_port
from authz_server.demo.pki import Authority, Issued
from authz_server.model import Certificate
from authz_server.observe import DecisionLog, Metrics, Redaction
from authz_server.server.admin import AdminServer
from authz_server.server.asyncio_transport import AsyncioTransport
from authz_server.server.service import CheckService
from authz_server.server.transport import TlsMaterial
from authz_server.snapshots import SnapshotStore
from tests.pki import NOW, client, root_of_today
from tests.samples import WAF, snapshot
from tests.server.running import CHECK, SERVICE, request_bytes, wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

HEALTH = "/grpc.health.v1.Health/Check"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


ALICE = client(subject="CN=alice")


class Server:
    """A service with everything that hangs on it."""

    def __init__(self, clock: Callable[[], datetime] = lambda: NOW) -> None:
        self.lines = io.BytesIO()
        self.store, self.metrics = SnapshotStore(snapshot()), Metrics()
        self.service = CheckService(self.store, self.metrics, DecisionLog(self.lines, Redaction()), clock)

    @contextlib.asynccontextmanager
    async def listening(self, listen: str = "127.0.0.1:0", tls: TlsMaterial | None = None) -> AsyncIterator[AsyncioTransport]:
        """Its transport, started; not yet serving."""
        transport = AsyncioTransport(self.service.check, listen, tls)
        await transport.start()
        try:
            yield transport
        finally:
            await transport.stop(0)

    @property
    def records(self) -> list[dict[str, object]]:
        """The decision lines."""
        return [json.loads(line) for line in self.lines.getvalue().splitlines()]


async def call(channel: grpc.aio.Channel, message: bytes, method: str = CHECK) -> bytes:
    """One call in bytes."""
    return await channel.unary_unary(method)(message, timeout=5)


async def health(channel: grpc.aio.Channel, service: str = "") -> int:
    """What a health check is answered."""
    answer = await call(channel, health_pb2.HealthCheckRequest(service=service).SerializeToString(), HEALTH)
    return health_pb2.HealthCheckResponse.FromString(answer).status


def test_check() -> None:
    """Allow, client's fault and our fault as Envoy reads them, each with its decision line."""

    async def play() -> None:
        server = Server()
        async with server.listening() as transport, grpc.aio.insecure_channel(f"127.0.0.1:{transport.port}") as channel:
            allowed = wire.CheckResponse.parse(await call(channel, request_bytes(ALICE)))
            denied = wire.CheckResponse.parse(await call(channel, request_bytes()))
            unproven = wire.CheckResponse.parse(await call(channel, request_bytes(ALICE, "CN=other")))
            server.store.current = None
            broken = wire.CheckResponse.parse(await call(channel, request_bytes(ALICE)))
        assert allowed.status.code == 0
        assert ("x-auth-client-name", "CN=alice") in [
            (each.header.key, each.header.value) for each in allowed.ok_response.headers
        ]
        assert (denied.status.code, denied.denied_response.status.code) == (16, 401)
        assert (unproven.status.code, unproven.denied_response.status.code) == (7, 403)
        assert (broken.status.code, broken.error_response.status.code) == (14, 503)
        assert [record.get("reason") for record in server.records] == [
            None,
            "credential_missing",
            "hop_principal_mismatch",
            "configuration_unavailable",
        ]

    asyncio.run(play())


def test_garbage() -> None:
    """Bytes that are no CheckRequest, and unknown methods, get a gRPC error: Envoy denies on any."""

    async def play() -> None:
        async with Server().listening() as transport, grpc.aio.insecure_channel(f"127.0.0.1:{transport.port}") as channel:
            for message, method in ((b"\xff\xff", CHECK), (b"", f"/{SERVICE}/Other")):
                with pytest.raises(grpc.aio.AioRpcError):
                    await call(channel, message, method)
            empty = wire.CheckResponse.parse(await call(channel, b""))
        assert empty.status.code == 7

    asyncio.run(play())


def test_internal_error() -> None:
    """Whatever breaks inside is answered with an error, never with an allow, and is counted."""

    def no_clock() -> datetime:
        raise RuntimeError

    async def play() -> None:
        server = Server(no_clock)
        async with server.listening() as transport, grpc.aio.insecure_channel(f"127.0.0.1:{transport.port}") as channel:
            answer = wire.CheckResponse.parse(await call(channel, request_bytes(ALICE)))
        assert (answer.status.code, answer.error_response.status.code) == (14, 503)
        labels = {"outcome": "error", "reason": "internal_error"}
        assert server.metrics.registry.get_sample_value("authz_decisions_total", labels) == 1

    asyncio.run(play())


def test_broken_sink() -> None:
    """A decision that cannot be written down is denied as an error of ours, and counted once."""

    class Full(io.BytesIO):
        def write(self, _data: bytes) -> int:
            raise OSError(errno.ENOSPC, "no space left on device")

    metrics = Metrics()
    service = CheckService(SnapshotStore(snapshot()), metrics, DecisionLog(Full(), Redaction()), lambda: NOW)
    answer = service.check(external_auth_pb2.CheckRequest.FromString(request_bytes(ALICE)))
    assert (answer.status.code, answer.error_response.status.code) == (14, 503)
    samples = [sample for metric in metrics.registry.collect() for sample in metric.samples]
    counted = {sample.labels["reason"]: sample.value for sample in samples if sample.name == "authz_decisions_total"}
    assert counted == {"internal_error": 1}


def test_internal_error_has_a_line() -> None:
    """What failed inside has a decision line like any other decision."""

    def no_clock() -> datetime:
        raise RuntimeError

    lines = io.BytesIO()
    service = CheckService(SnapshotStore(snapshot()), Metrics(), DecisionLog(lines, Redaction()), no_clock)
    service.check(external_auth_pb2.CheckRequest())
    (line,) = lines.getvalue().splitlines()
    assert (json.loads(line)["outcome"], json.loads(line)["reason"]) == ("ERROR", "internal_error")


def test_health() -> None:
    """Health is NOT_SERVING until it is set, for the service and for the server as a whole."""

    async def play() -> None:
        async with Server().listening() as transport, grpc.aio.insecure_channel(f"127.0.0.1:{transport.port}") as channel:
            for serving, expected in ((None, NOT_SERVING), (True, SERVING), (False, NOT_SERVING)):
                if serving is not None:
                    await transport.set_serving(serving=serving)
                assert [await health(channel), await health(channel, SERVICE)] == [expected, expected]

    asyncio.run(play())


def test_unix_socket(tmp_path: Path) -> None:
    """A Unix socket serves as well as a port."""

    async def play() -> None:
        listen = f"unix:{tmp_path}/authz.sock"
        async with Server().listening(listen), grpc.aio.insecure_channel(listen) as channel:
            answer = wire.CheckResponse.parse(await call(channel, request_bytes(ALICE)))
        assert answer.status.code == 0

    asyncio.run(play())


def test_port_taken() -> None:
    """A port that another process has is an error, not shared with it."""

    async def play() -> None:
        async with Server().listening() as transport:
            with pytest.raises(RuntimeError):
                async with Server().listening(f"127.0.0.1:{transport.port}"):
                    pass

    asyncio.run(play())


def loopback_listener(issuer: Authority) -> Issued:
    """A server certificate for 127.0.0.1."""
    san = ((x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False),)
    return issuer.issue("CN=authz", eku="server", extensions=san)


@pytest.mark.parametrize(("client", "accepted"), [("good", True), ("other", False), (None, False)])
def test_mutual_tls(client: str | None, accepted: bool) -> None:  # noqa: FBT001
    """With a client CA, only a caller with a certificate of that CA gets through."""
    ours, other = Authority.create("Hop CA"), Authority.create("Other CA")
    listener = loopback_listener(ours)
    shown = {"good": ours.issue("CN=envoy"), "other": other.issue("CN=envoy"), None: None}[client]
    credentials = grpc.ssl_channel_credentials(
        ours.certificate_pem, *((shown.key_pem, shown.certificate_pem) if shown else (None, None))
    )

    async def play() -> int:
        tls = TlsMaterial(listener.certificate_pem, listener.key_pem, ours.certificate_pem)
        async with (
            Server().listening(tls=tls) as transport,
            grpc.aio.secure_channel(f"127.0.0.1:{transport.port}", credentials) as channel,
        ):
            return wire.CheckResponse.parse(await call(channel, request_bytes(ALICE))).status.code

    if accepted:
        assert asyncio.run(play()) == 0
    else:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            asyncio.run(play())
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


def test_empty_client_ca() -> None:
    """An empty client CA lets nobody in: it does not become "any client"."""
    ours = Authority.create("Hop CA")
    envoy = ours.issue("CN=envoy")
    credentials = grpc.ssl_channel_credentials(ours.certificate_pem, envoy.key_pem, envoy.certificate_pem)
    listener = loopback_listener(ours)

    async def play() -> None:
        tls = TlsMaterial(listener.certificate_pem, listener.key_pem, b"")
        async with (
            Server().listening(tls=tls) as transport,
            grpc.aio.secure_channel(f"127.0.0.1:{transport.port}", credentials) as channel,
        ):
            await call(channel, request_bytes())

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        asyncio.run(play())
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


def get(url: str) -> int:
    """The status of a GET."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_admin() -> None:
    """The admin port answers metrics and probes, and nothing else."""
    ready: list[bool] = []
    admin = AdminServer("127.0.0.1:0", Metrics().registry, lambda: bool(ready))
    admin.start()
    base = f"http://127.0.0.1:{admin.port}"
    try:
        assert [get(base + path) for path in ("/healthz", "/readyz", "/metrics", "/other")] == [200, 503, 200, 404]
        ready.append(True)
        assert get(f"{base}/readyz") == 200
    finally:
        admin.stop()


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="no IPv6 on this machine")
def test_admin_ipv6() -> None:
    """The admin port binds an IPv6 address too."""
    admin = AdminServer("[::1]:0", Metrics().registry, lambda: True)
    admin.start()
    try:
        assert get(f"http://[::1]:{admin.port}/readyz") == 200
    finally:
        admin.stop()


@contextlib.contextmanager
def serving(tmp_path: Path, **settings: str | None):
    """``authz-server serve`` in a process of its own (``None`` unsets a setting): it, its gRPC port and its admin port."""
    (tmp_path / "ca.pem").write_bytes(root_of_today().certificate_pem)
    listen, admin = free_port(), free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "AUTHZ_LISTEN": f"127.0.0.1:{listen}",
        "AUTHZ_ADMIN_LISTEN": f"127.0.0.1:{admin}",
        "AUTHZ_SOURCE_FORMAT": "url-pem",
        "AUTHZ_TRUST_BUNDLE_FILE": str(tmp_path / "ca.pem"),
        "AUTHZ_ALLOW": "*",
        "AUTHZ_HOP_PRINCIPALS": WAF,
        **settings,
    }
    environment = {name: value for name, value in environment.items() if value is not None}
    command = [sys.executable, "-m", "authz_server", "serve"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process, listen, admin
        finally:
            process.kill()


def await_ready(admin: int) -> None:
    """Wait until the readiness probe answers 200."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if get(f"http://127.0.0.1:{admin}/readyz") == 200:
                return
        time.sleep(0.01)
    pytest.fail("never ready")


def test_drain(tmp_path: Path) -> None:
    """On SIGTERM health flips at once, calls are still answered for the drain delay, and the process ends with 0."""
    with serving(tmp_path, AUTHZ_DRAIN_DELAY_SECONDS="1.5", AUTHZ_DRAIN_TIMEOUT_SECONDS="1") as (process, listen, admin):
        await_ready(admin)
        with grpc.insecure_channel(f"127.0.0.1:{listen}") as channel:
            ask_health, check = channel.unary_unary(HEALTH), channel.unary_unary(CHECK)
            assert health_pb2.HealthCheckResponse.FromString(ask_health(b"", timeout=5)).status == SERVING
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            assert health_pb2.HealthCheckResponse.FromString(ask_health(b"", timeout=5)).status == NOT_SERVING
            assert get(f"http://127.0.0.1:{admin}/readyz") == 503
            answer = wire.CheckResponse.parse(check(request_bytes(root_of_today().issue("CN=alice")), timeout=5))
            assert answer.status.code == 0
        out, _ = process.communicate(timeout=10)
        assert process.returncode == 0
        assert [json.loads(line)["outcome"] for line in out.splitlines()] == ["ALLOW"]


def scrape(admin: int) -> dict[str, float]:
    """The samples of ``/metrics`` by name and labels, as Prometheus reads them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=5) as answer:
        assert answer.headers["content-type"].startswith("text/plain")
        text = answer.read().decode()
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def test_metrics(tmp_path: Path) -> None:
    """A scrape shows each decision under its outcome and reason, when each anchor expires, and that the service is ready."""
    root = root_of_today()
    with serving(tmp_path) as (_, listen, admin):
        await_ready(admin)
        with grpc.insecure_channel(f"127.0.0.1:{listen}") as channel:
            check = channel.unary_unary(CHECK)
            for message in (request_bytes(root.issue("CN=alice")), request_bytes(ALICE), request_bytes(), request_bytes()):
                check(message, timeout=5)
        samples = scrape(admin)
    decisions = {name: value for name, value in samples.items() if name.startswith("authz_decisions_total")}
    assert decisions == {
        'authz_decisions_total{outcome="allow",reason=""}': 1,
        'authz_decisions_total{outcome="deny",reason="certificate_expired"}': 1,  # its times stand still
        'authz_decisions_total{outcome="deny",reason="credential_missing"}': 2,
    }
    anchor = Certificate.from_der(root.certificate_der)
    expiry = samples[f'authz_anchor_expiry_timestamp_seconds{{sha256="{anchor.sha256}"}}']
    assert expiry == anchor.x509.not_valid_after_utc.timestamp()
    assert samples["authz_check_duration_seconds_count"] == 4
    assert samples["authz_ready"] == 1


def test_term_when_ready(tmp_path: Path) -> None:
    """A SIGTERM in the very moment of readiness drains as well."""
    with serving(tmp_path, AUTHZ_DRAIN_DELAY_SECONDS="0") as (process, _, admin):
        await_ready(admin)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_problems_are_told_together(tmp_path: Path) -> None:
    """A configuration with two mistakes names both on standard error and exits 1."""
    with serving(tmp_path, AUTHZ_SOURCE_FORMAT="nonsense", AUTHZ_TYPO="1") as (process, _, _):
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out) == (1, b"")
        assert {"AUTHZ_SOURCE_FORMAT", "AUTHZ_TYPO"} <= {line.partition(b":")[0].decode() for line in err.splitlines()}


def test_danger_is_said(tmp_path: Path) -> None:
    """Every start with an unsafe setting says so."""
    with serving(tmp_path, AUTHZ_HOP_PRINCIPALS=None, AUTHZ_UNSAFE_NO_HOP_PROOF="true", AUTHZ_DRAIN_DELAY_SECONDS="0") as (
        process,
        _,
        admin,
    ):
        await_ready(admin)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=10)
        assert b"AUTHZ_UNSAFE_NO_HOP_PROOF is set" in err
