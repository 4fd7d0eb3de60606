"""Start, serve, drain."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from cryptography import x509

from authz_server.observe import DecisionLog, Metrics, Redaction
from authz_server.refresh import Refresher, RefresherJob, RevocationWatcher, Schedule
from authz_server.refresh.destinations import Destination
from authz_server.server.admin import AdminServer
from authz_server.server.asyncio_transport import AsyncioTransport
from authz_server.server.reload import Reloader, follow_revocation, take_revocation
from authz_server.server.service import CheckService
from authz_server.server.transport import TlsMaterial
from authz_server.snapshots import SnapshotStore

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from authz_server.decision import Snapshot
    from authz_server.loading import Loaded
    from authz_server.server.transport import Transport
    from authz_server.settings import Settings

_log = logging.getLogger(__name__)
_FIRST_REVOCATION_SECONDS = 5.0


def run(
    settings: Settings,
    snapshot: Snapshot,
    environ: Mapping[str, str],
    load: Callable[[], tuple[Settings | None, Loaded]],
) -> int:
    """Serve until SIGTERM or SIGINT; 0 after a drain, 1 if an address cannot be bound or TLS material not be used.

    ``load`` loads the configuration that ``environ`` describes anew.
    """
    refresher = Refresher(revocation_job(settings)) if settings.has_crls else None
    try:
        asyncio.run(_serve(settings, snapshot, environ, load, refresher))
    except (OSError, RuntimeError, ValueError) as error:
        _log.error("cannot start: %s", error)
        return 1
    finally:
        if refresher:
            refresher.stop()
    return 0


def revocation_job(settings: Settings) -> RefresherJob:
    """What the refresher is told."""
    domains = settings.trust_domains.values()
    bundles = (domain.trust_bundle_file for domain in domains if domain.trust_kind == "ca")
    own = (source.trust_bundle_file for source in settings.sources.values())
    intermediates = (domain.trust_intermediates_file for domain in domains)
    return RefresherJob(
        paths=settings.crl_files,
        urls=settings.crl_urls,
        allow=tuple(dict.fromkeys(Destination.parse(url).origin for url in settings.crl_urls)),
        networks=settings.crl_networks,
        ca_files=tuple(dict.fromkeys(path for path in (*bundles, *own, *intermediates) if path is not None)),
        folder=settings.crl_cache_folder,
        schedule=Schedule(interval_seconds=settings.crl_interval_seconds),
    )


async def _serve(
    settings: Settings,
    snapshot: Snapshot,
    environ: Mapping[str, str],
    load: Callable[[], tuple[Settings | None, Loaded]],
    refresher: Refresher | None,
) -> None:
    store, metrics = SnapshotStore(), Metrics()
    service = CheckService(store, metrics, _decision_log(settings), lambda: datetime.now(UTC))
    transport: Transport = AsyncioTransport(service.check, settings.listen, _tls_material(settings))
    ready = asyncio.Event()
    reloader = Reloader(settings, environ, load, store, metrics)
    watcher = RevocationWatcher(refresher.folder) if refresher else None
    detail = partial(_detail, reloader, watcher)
    admin = AdminServer(settings.admin_listen, metrics.registry, ready.is_set, detail) if settings.admin_listen else None
    if admin:
        admin.start()
    stop = _stop_signal()
    try:
        await transport.start()
        store.replace(snapshot)
        metrics.show_snapshot(snapshot)
        if refresher and watcher:
            refresher.start()
            await _first_revocation(watcher, store, metrics)
        await _set_serving(transport, metrics, ready, serving=True)
        _log.info("serving at %s, configuration %s", settings.listen, snapshot.revision)
        followers = [reloader.run(), *([follow_revocation(watcher, store, metrics)] if watcher else [])]
        await _until(stop, followers)
        _log.info("draining")
        await _set_serving(transport, metrics, ready, serving=False)
        # Envoy goes on sending calls until its health check has failed often enough; they are still answered.
        await asyncio.sleep(settings.drain_delay_seconds)
        await transport.stop(settings.drain_timeout_seconds)
    finally:
        if admin:
            admin.stop()


async def _first_revocation(watcher: RevocationWatcher, store: SnapshotStore, metrics: Metrics) -> None:
    """Wait until every source was tried once, so that a start answers no 503 that the next second would not; not for long."""
    deadline = asyncio.get_running_loop().time() + _FIRST_REVOCATION_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        await take_revocation(watcher, store, metrics)
        tried = [status.is_loaded or status.refusal is not None for status in watcher.statuses]
        if tried and all(tried):
            return
        await asyncio.sleep(0.05)
    _log.warning("serving although not every source of revocation data was tried yet")


async def _until(stop: asyncio.Event, followers: list[Coroutine[Any, Any, None]]) -> None:
    """Run ``followers`` until ``stop`` is set. One that fails is a bug, and ends the service."""
    tasks = [asyncio.create_task(follower) for follower in followers]
    stopping = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in (stopping, *tasks):
        task.cancel()
    for task in done - {stopping}:
        task.result()


def _detail(reloader: Reloader, watcher: RevocationWatcher | None) -> str:
    """What readiness says beside yes or no: what is not as it should be, although requests are decided."""
    failing = (status for status in (watcher.statuses if watcher else ()) if status.refusal is not None)
    return "\n".join(
        [
            *([f"configuration: {reloader.problem}"] if reloader.problem else []),
            *(f"revocation: {status.source}: {status.refusal} {status.detail}".rstrip() for status in failing),
        ]
    )


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
