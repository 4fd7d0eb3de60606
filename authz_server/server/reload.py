"""Live reload: what changed on disk is loaded beside the snapshot in force and put in its place whole, or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import signal
from typing import TYPE_CHECKING

from authz_server.loading import fingerprint, watched_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authz_server.loading import Loaded
    from authz_server.observe import Metrics
    from authz_server.refresh import RevocationWatcher
    from authz_server.settings import Settings
    from authz_server.snapshots import SnapshotStore

_log = logging.getLogger(__name__)

# The deny list takes effect within a second of a change: half of it for noticing, half for loading.
_POLL_SECONDS = 0.25

# What is read once, at the start.
_FIXED = ("listen", "admin_listen", "tls_certificate_file", "tls_private_key_file", "tls_client_ca_file", "log_level")
_FIXED_CRLS = ("crl_files", "crl_urls", "crl_cache_folder", "crl_interval_seconds", "crl_networks")


class Reloader:
    """Watches every file of the configuration; also reloads on SIGHUP and after ``reload_interval_seconds``."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        load: Callable[[], tuple[Settings | None, Loaded]],
        store: SnapshotStore,
        metrics: Metrics,
    ) -> None:
        """``settings`` are those that the store's snapshot was loaded from by ``load``. Needs a running event loop."""
        self._settings = settings
        self._environ = environ
        self._load = load
        self._store = store
        self._metrics = metrics
        self._seen = fingerprint(watched_paths(settings, environ))
        self._asked = asyncio.Event()
        self.problem = ""
        # Before anything else can wait: without a handler SIGHUP ends the process.
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._asked.set)

    async def run(self) -> None:
        """Reload whenever there is a reason to, until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._settings.reload_interval_seconds
        while True:
            seen = fingerprint(watched_paths(self._settings, self._environ))
            if self._asked.is_set() or seen != self._seen or loop.time() >= due:
                self._asked.clear()
                # Taken before the files are read: what changes meanwhile is a reason to read them again.
                self._seen = seen
                await self._reload()
                due = loop.time() + self._settings.reload_interval_seconds
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), _POLL_SECONDS)

    async def _reload(self) -> None:
        settings, loaded = await asyncio.to_thread(self._load)
        before = self._store.current
        if settings is None or loaded.snapshot is None or before is None:
            self.problem = "; ".join(f"{problem.name}: {problem.message}" for problem in loaded.problems)
            self._metrics.count_reload(succeeded=False)
            _log.error("the configuration cannot be loaded and stays as it was: %s", self.problem)
            return
        self.problem = ""
        self._metrics.count_reload(succeeded=True)
        if loaded.snapshot.revision == before.revision:
            return
        self._tell_what_needs_a_restart(settings)
        self._settings = settings
        self._store.replace(dataclasses.replace(loaded.snapshot, revocation=before.revocation))
        self._metrics.show_snapshot(loaded.snapshot)
        for warning in loaded.warnings:
            _log.warning(warning)
        _log.info("reloaded: configuration %s in place of %s", loaded.snapshot.revision, before.revision)

    def _tell_what_needs_a_restart(self, settings: Settings) -> None:
        changed = [name for name in (*_FIXED, *_FIXED_CRLS) if getattr(settings, name) != getattr(self._settings, name)]
        if changed:
            _log.warning(
                "changed, and without effect until a restart: %s", ", ".join(f"AUTHZ_{name.upper()}" for name in changed)
            )


async def follow_revocation(watcher: RevocationWatcher, store: SnapshotStore, metrics: Metrics) -> None:
    """Put new revocation data in force as it comes, until cancelled. It empties nothing and changes no revision."""
    while True:
        await take_revocation(watcher, store, metrics)
        await asyncio.sleep(_POLL_SECONDS)


async def take_revocation(watcher: RevocationWatcher, store: SnapshotStore, metrics: Metrics) -> None:
    """Look once."""
    data = await asyncio.to_thread(watcher.poll)
    if data is not None and store.current is not None:
        store.replace(dataclasses.replace(store.current, revocation=data))
        metrics.show_revocation(watcher.statuses)
