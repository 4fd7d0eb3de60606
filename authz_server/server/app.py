"""Start, serve, drain."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import signal
import sys
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from cryptography import x509

from authz_server.observe import DecisionLog, Metrics, Redaction
from authz_server.server.admin import AdminServer
from authz_server.server.apart import apart
from authz_server.server.asyncio_transport import AsyncioTransport
from authz_server.server.ocsp import OnlineStatus
from authz_server.server.reload import Reloader, Serving
from authz_server.server.revocation import RevocationFeed, follow_revocation, revocation_job
from authz_server.server.service import CheckService
from authz_server.server.transport import TlsMaterial
from authz_server.snapshots import SnapshotStore

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from authz_server.decision import Snapshot
    from authz_server.loading import Loaded
    from authz_server.refresh import RefresherJob
    from authz_server.server.transport import Transport
    from authz_server.settings import Settings

_log = logging.getLogger(__name__)
# How long a thread that loads a configuration may keep a request from running, several times a request: by default it is 5 ms,
# and a deny list of 100,000 entries made requests wait five times as long (bench/live.py).
_SWITCH_SECONDS = 0.0005


def run(
    settings: Settings,
    snapshot: Snapshot,
    environ: Mapping[str, str],
    load: Callable[[], tuple[Settings | None, Loaded]],
) -> int:
    """Serve until SIGTERM or SIGINT; 0 after a drain, 1 if an address cannot be bound or TLS material not be used.

    ``load`` loads the configuration that ``environ`` describes anew.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        return asyncio.run(_serve(settings, snapshot, environ, load))
    except (OSError, RuntimeError, ValueError) as error:
        _log.error("cannot start: %s", error)
        return 1


async def _serve(
    settings: Settings,
    snapshot: Snapshot,
    environ: Mapping[str, str],
    load: Callable[[], tuple[Settings | None, Loaded]],
) -> int:
    metrics = Metrics()
    online = OnlineStatus(metrics.count_ocsp)
    metrics.show_fetched(lambda: online.fetched.size)
    online.use(settings)
    serving = Serving(SnapshotStore(), RevocationFeed(), metrics, online)
    # Before anything that waits: whoever sees the service start may signal it at once.
    stop = _stop_signal()
    reloader = Reloader(settings, environ, load, serving)
    service = CheckService(serving.store, serving.metrics, _decision_log(settings), lambda: datetime.now(UTC), online)
    transport: Transport = AsyncioTransport(service.check, settings.listen, _tls_material(settings))
    ready = asyncio.Event()
    detail = partial(_detail, reloader, serving.feed)
    listen = settings.admin_listen
    admin = AdminServer(listen, serving.metrics.registry, ready.is_set, detail) if listen else None
    if admin:
        admin.start()
    followers: list[asyncio.Task[None]] = []
    try:
        await transport.start()
        await _unless(stop, _put_in_force(serving, snapshot, revocation_job(settings)))
        if not stop.is_set():
            await _set_serving(transport, serving.metrics, ready, serving=True)
            _log.info("serving at %s, configuration %s", settings.listen, snapshot.revision)
            followers = [
                asyncio.create_task(reloader.run()),
                asyncio.create_task(follow_revocation(serving.feed, serving.store, serving.metrics)),
            ]
        await _any_of(stop, followers)
        _log.info("draining")
        await _set_serving(transport, serving.metrics, ready, serving=False)
        # Envoy goes on sending calls until its health check has failed often enough; they are still answered, and what
        # changes meanwhile still counts.
        await asyncio.sleep(reloader.settings.drain_delay_seconds)
        await transport.stop(reloader.settings.drain_timeout_seconds)
        return int(_has_failed(followers))
    finally:
        for follower in followers:
            follower.cancel()
        if admin:
            admin.stop()
        # Within the loop, which handles signals: another SIGTERM or SIGHUP must not leave the refresher behind.
        await apart(serving.feed.stop)


async def _put_in_force(serving: Serving, snapshot: Snapshot, job: RefresherJob | None) -> None:
    """The first snapshot, once it has its CRLs: without them the mode ``soft`` would let in whom they revoke."""
    data = await serving.feed.use(job)
    serving.put_in_force(dataclasses.replace(snapshot, revocation=snapshot.revocation.with_crls(data.crls)))
    serving.metrics.set_loaded()


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do ``work``, or leave it once ``stop`` is set; raises what it raises."""
    task = asyncio.create_task(work)
    await _any_of(stop, [task])
    if not task.cancel():
        task.result()


async def _any_of(stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    """Wait until ``stop`` is set or one of ``tasks`` has ended."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()


def _has_failed(followers: list[asyncio.Task[None]]) -> bool:
    """Whether one has ended by itself: a bug. To serve on without it would be to serve old trust without a word."""
    failed = [follower for follower in followers if follower.done()]
    for follower in failed:
        _log.critical("the service ends because it could no longer follow changes", exc_info=follower.exception())
    return bool(failed)


def _detail(reloader: Reloader, feed: RevocationFeed) -> str:
    """What readiness says beside yes or no: what is not as it should be, although requests are decided."""
    configuration = [f"configuration: {reloader.problem}"] if reloader.problem else []
    return "\n".join([*configuration, *(f"revocation: {problem}" for problem in feed.problems(datetime.now(UTC)))])


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
