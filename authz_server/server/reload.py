"""Live reload: what changed on disk is loaded beside the snapshot in force and put in its place whole, or not at all.

Only the deny list, which is for emergencies, does not wait for the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import signal
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from authz_server.loading import Loaded, fingerprint, watched_paths
from authz_server.server.apart import apart
from authz_server.server.ocsp import OnlineStatus
from authz_server.server.revocation import revocation_job
from authz_server.settings import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from authz_server.decision import Snapshot
    from authz_server.observe import Metrics
    from authz_server.server.revocation import RevocationFeed
    from authz_server.settings import Settings
    from authz_server.snapshots import SnapshotStore
    from authz_server.validation import Denylist

_log = logging.getLogger(__name__)

# The deny list takes effect within a second of a change: one look to notice it, one to see that it is over, then loading.
_POLL_SECONDS = 0.2
# Files that somebody goes on writing to are loaded all the same.
_RESTLESS_SECONDS = 2.0
# How often to begin again because a file changed while others were being read.
_ATTEMPTS = 3
_MAX_TOLD = 2000  # characters of problems in one line of the log

# What is read once, at the start. The files of TLS are too: their content counts as well.
_FIXED = (
    "listen",
    "admin_listen",
    "tls_certificate_file",
    "tls_private_key_file",
    "tls_client_ca_file",
    "log_level",
    "log_decisions",
    "log_mask",
    "log_mask_key",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Serving:
    """What a reload replaces: the snapshot in ``store``, the job of ``feed``, what ``metrics`` show, whom ``online`` asks."""

    store: SnapshotStore
    feed: RevocationFeed
    metrics: Metrics
    online: OnlineStatus = dataclasses.field(default_factory=OnlineStatus)

    def put_in_force(self, snapshot: Snapshot) -> None:
        """Use ``snapshot`` from now on, with the answers that were fetched."""
        revocation = dataclasses.replace(snapshot.revocation, fetched=self.online.fetched)
        snapshot = dataclasses.replace(snapshot, revocation=revocation)
        self.store.replace(snapshot)
        self.metrics.show_snapshot(snapshot)


class Reloader:
    """Watches every file of the configuration; also reloads on SIGHUP and after ``reload_interval_seconds``."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        load: Callable[[], tuple[Settings | None, Loaded]],
        serving: Serving,
    ) -> None:
        """``settings`` are those that the first snapshot was loaded from by ``load``. Needs a running event loop."""
        self.settings = settings
        self._first_settings, self._first_tls = settings, fingerprint(_tls_files(settings))
        self._environ = environ
        self._load = load
        self._serving = serving
        # What changed between the first load and now is a reason too: so nothing counts as seen.
        self._seen: tuple[object, ...] | None = None
        self._refused: Settings | None = None
        self._told, self._told_fixed, self._failing_since = "", "", ""
        self._asked = asyncio.Event()
        self.problem = ""
        # Before anything else can wait: without a handler SIGHUP ends the process.
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._asked.set)

    async def run(self) -> None:
        """Reload whenever there is a reason to, until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self.settings.reload_interval_seconds
        while True:
            if self._asked.is_set() or loop.time() >= due or await self._look() != self._seen:
                is_asked = self._asked.is_set()
                self._asked.clear()
                await self._reload(is_asked=is_asked)
                due = loop.time() + self.settings.reload_interval_seconds
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), _POLL_SECONDS)

    async def _look(self) -> tuple[object, ...]:
        """What every file is now; also those that a configuration names which could not be loaded: they may be yet to come."""
        paths = watched_paths(self.settings, self._environ)
        if self._refused is not None:
            paths = tuple(dict.fromkeys((*paths, *watched_paths(self._refused, self._environ))))
        return await apart(partial(fingerprint, paths))

    async def _settled(self) -> tuple[object, ...]:
        """The same, once nobody writes: a deny list that is written in place is empty for a moment, and lets everybody in."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _RESTLESS_SECONDS
        before, now = None, await self._look()
        while now != before and loop.time() < end:
            await asyncio.sleep(_POLL_SECONDS)
            before, now = now, await self._look()
        return now

    async def _reload(self, *, is_asked: bool) -> None:
        settings, loaded = None, Loaded(None, (), ())
        for _ in range(_ATTEMPTS):
            # Taken before the files are read: what changes meanwhile is a reason to read them again. Otherwise one file would
            # be from before a change, and another from after it.
            self._seen = await self._settled()
            settings, loaded = await self._loaded()
            if await self._look() == self._seen:
                break
        problems = loaded.problems
        if settings is not None and loaded.snapshot is not None:
            problems = await self._take(settings, loaded.snapshot, loaded.warnings, is_asked=is_asked)
        elif loaded.denylist is not None:
            self._take_denylist(loaded.denylist)
        self._refused = settings if problems else None
        self._serving.metrics.count_reload(succeeded=not problems)
        self._tell(problems, is_asked=is_asked)

    async def _loaded(self) -> tuple[Settings | None, Loaded]:
        try:
            return await apart(self._load)
        except Exception as error:  # noqa: BLE001 - told as a failed reload
            # What somebody writes into a file, however odd, must not end a service that serves.
            _log.exception("loading the configuration failed")
            return None, Loaded(None, (Problem("the configuration", f"{type(error).__name__}, a bug"),), ())

    async def _take(
        self, settings: Settings, snapshot: Snapshot, warnings: tuple[str, ...], *, is_asked: bool
    ) -> tuple[Problem, ...]:
        """Put what was loaded in force, unless it is what already is; what keeps it from that."""
        serving, job = self._serving, revocation_job(settings)
        data = None
        if job != serving.feed.job:
            try:
                data = await serving.feed.use(job)
            except OSError as error:
                return (Problem("AUTHZ_CRL_CACHE_FOLDER", str(error)),)
        self.settings = settings
        serving.online.use(settings)
        # Read now and not before: new revocation data may have come while the files were read. And nothing waits between here
        # and what is put in force: newer data that came meanwhile would be undone, and not come again.
        before = serving.store.current
        if before is None or before.revision != snapshot.revision:
            if data is None and before is not None:
                data = before.revocation
            crls = () if data is None else data.crls
            serving.put_in_force(dataclasses.replace(snapshot, revocation=snapshot.revocation.with_crls(crls)))
            for warning in warnings:
                _log.warning(warning)
            _log.info("reloaded: configuration %s in place of %s", snapshot.revision, before.revision if before else "none")
        elif before.revocation.answers != snapshot.revocation.answers:
            revocation = snapshot.revocation.with_crls(before.revocation.crls)
            serving.put_in_force(dataclasses.replace(before, revocation=revocation))
            _log.info("reloaded: %d OCSP answers from files", len(revocation.answers))
        elif is_asked:
            _log.info("reloaded: configuration %s as before", snapshot.revision)
        await self._tell_what_needs_a_restart(settings)
        return ()

    def _take_denylist(self, denylist: Denylist) -> None:
        """Put the deny list in force by itself: an emergency does not wait for whatever else is wrong."""
        before = self._serving.store.current
        if before is not None and before.denylist != denylist:
            # A revision of its own: what is loaded next must not be taken for what is already in force.
            revision = f"{before.revision.partition('+')[0]}+denylist"
            self._serving.put_in_force(dataclasses.replace(before, denylist=denylist, revision=revision))
            _log.warning("the deny list of %d entries is in force, although the rest cannot be loaded", len(denylist))

    def _tell(self, problems: tuple[Problem, ...], *, is_asked: bool) -> None:
        """In the log with everything, but not again and again; names only for ``problem``, as messages may quote the files."""
        text = "; ".join(f"{problem.name}: {problem.message}" for problem in problems)
        if text and (text != self._told or is_asked):
            _log.error("the configuration cannot be loaded and stays as it was: %s", text[:_MAX_TOLD])
        elif self._told and not text:
            _log.info("the configuration can be loaded again")
        self._told = text
        names = ", ".join(dict.fromkeys(problem.name for problem in problems))
        if not names:
            self._failing_since = ""
        elif not self._failing_since:
            self._failing_since = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        self.problem = names and (
            f"{names[:_MAX_TOLD]}: cannot be loaded since {self._failing_since}; what was in force stays; see the log"
        )

    async def _tell_what_needs_a_restart(self, settings: Settings) -> None:
        changed = [name for name in _FIXED if getattr(settings, name) != getattr(self._first_settings, name)]
        if await apart(partial(fingerprint, _tls_files(self._first_settings))) != self._first_tls:
            changed.append("content of the files of TLS")
        told = ", ".join(f"AUTHZ_{name.upper()}" if name in _FIXED else name for name in changed)
        if told and told != self._told_fixed:
            _log.warning("changed, and without effect until a restart: %s", told)
        self._told_fixed = told


def _tls_files(settings: Settings) -> tuple[Path, ...]:
    named = (settings.tls_certificate_file, settings.tls_private_key_file, settings.tls_client_ca_file)
    return tuple(path for path in named if path is not None)
