"""Start, serve, drain."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509

from authz_server.observe import DecisionLog, Metrics, Redaction
from authz_server.server.admin import AdminServer
from authz_server.server.asyncio_transport import AsyncioTransport
from authz_server.server.service import CheckService
from authz_server.server.transport import TlsMaterial
from authz_server.snapshots import SnapshotStore

if TYPE_CHECKING:
    from authz_server.decision import Snapshot
    from authz_server.server.transport import Transport
    from authz_server.settings import Settings

_log = logging.getLogger(__name__)


def run(settings: Settings, snapshot: Snapshot) -> int:
    """Serve until SIGTERM or SIGINT; 0 after a drain, 1 if an address cannot be bound or TLS material not be used."""
    try:
        asyncio.run(_serve(settings, snapshot))
    except (OSError, RuntimeError, ValueError) as error:
        _log.error("cannot start: %s", error)
        return 1
    return 0


async def _serve(settings: Settings, snapshot: Snapshot) -> None:
    store, metrics = SnapshotStore(), Metrics()
    service = CheckService(store, metrics, _decision_log(settings), lambda: datetime.now(UTC))
    transport: Transport = AsyncioTransport(service.check, settings.listen, _tls_material(settings))
    ready = asyncio.Event()
    admin = AdminServer(settings.admin_listen, metrics.registry, ready.is_set) if settings.admin_listen else None
    if admin:
        admin.start()
    stop = _stop_signal()
    try:
        await transport.start()
        store.replace(snapshot)
        metrics.show_snapshot(snapshot)
        await _set_serving(transport, metrics, ready, serving=True)
        _log.info("serving at %s, configuration %s", settings.listen, snapshot.revision)
        await stop.wait()
        _log.info("draining")
        await _set_serving(transport, metrics, ready, serving=False)
        # Envoy goes on sending calls until its health check has failed often enough; they are still answered.
        await asyncio.sleep(settings.drain_delay_seconds)
        await transport.stop(settings.drain_timeout_seconds)
    finally:
        if admin:
            admin.stop()


async def _set_serving(transport: Transport, metrics: Metrics, ready: asyncio.Event, *, serving: bool) -> None:
    await transport.set_serving(serving=serving)
    metrics.set_ready(ready=serving)
    if serving:
        ready.set()
    else:
        ready.clear()


def _stop_signal() -> asyncio.Event:
    """Set by SIGTERM or SIGINT. Made before the service is ready: whoever sees it ready may end it at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _decision_log(settings: Settings) -> DecisionLog:
    key = settings.log_mask_key.get_secret_value().encode() if settings.log_mask_key else None
    redaction = Redaction(frozenset(settings.log_mask), key)
    return DecisionLog(sys.stdout.buffer, redaction, denials_only=settings.log_decisions == "denials")


def _tls_material(settings: Settings) -> TlsMaterial | None:
    if settings.tls_certificate_file is None or settings.tls_private_key_file is None:
        return None
    client_ca = settings.tls_client_ca_file.read_bytes() if settings.tls_client_ca_file else None
    if client_ca is not None:
        x509.load_pem_x509_certificates(client_ca)  # raises ValueError: an empty file must not stand for other roots
    return TlsMaterial(settings.tls_certificate_file.read_bytes(), settings.tls_private_key_file.read_bytes(), client_ca)
