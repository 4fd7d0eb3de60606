"""The refresher and what it has found, for the configuration in force."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from authz_server.observe import source_label
from authz_server.refresh import Refresher, RefresherJob, RevocationWatcher, Schedule
from authz_server.refresh.destinations import Destination
from authz_server.refresh.state import STATE_FILE
from authz_server.server.apart import apart
from authz_server.validation import RevocationData

if TYPE_CHECKING:
    from datetime import datetime

    from authz_server.observe import Metrics
    from authz_server.settings import Settings
    from authz_server.snapshots import SnapshotStore

_log = logging.getLogger(__name__)
_FIRST_SECONDS = 5.0
_FIRST_POLL_SECONDS = 0.05
_POLL_SECONDS = 0.25
# A refresher at work writes once a minute.
_SILENT = timedelta(minutes=3)


def revocation_job(settings: Settings) -> RefresherJob | None:
    """What the refresher is told; ``None`` where no CRLs are configured."""
    if not settings.has_crls:
        return None
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


class RevocationFeed:
    """One refresher at a time and the watcher of its folder; another job is another refresher.

    ``use`` and ``poll`` take turns, so that data of one job never counts as another's.
    """

    def __init__(self) -> None:
        """Without a job until ``use``."""
        self.job: RefresherJob | None = None
        self.watcher: RevocationWatcher | None = None
        self._refresher: Refresher | None = None
        self._temporary: Path | None = None
        self._turn = asyncio.Lock()

    async def use(self, job: RefresherJob | None) -> RevocationData:
        """Let a refresher carry out ``job`` in place of the one before; its first data. Raises ``OSError``, and nothing changed.

        Waits until every source was tried once, so that no request is answered 503 that the next second's would not be; not
        for long.
        """
        async with self._turn:
            refresher = None if job is None else Refresher(dataclasses.replace(job, folder=self._folder(job)))
            before = self._refresher
            if before is not None:
                await apart(before.stop)
            self.job, self._refresher = job, refresher
            self.watcher = None if refresher is None else RevocationWatcher(refresher.folder)
            if refresher is None or self.watcher is None:
                return RevocationData()
            # What an earlier process left is good enough to begin with; what our own wrote for another job is not.
            old = None if before is None else _written_at(refresher.folder)
            refresher.start()
            return await _first_data(self.watcher, refresher.folder, old)

    async def poll(self) -> RevocationData | None:
        """New data, if there is any."""
        async with self._turn:
            return None if self.watcher is None else await apart(self.watcher.poll)

    def stop(self) -> None:
        """End the refresher."""
        if self._refresher is not None:
            self._refresher.stop()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _folder(self, job: RefresherJob) -> Path:
        """The job's, or a temporary one, which jobs after it use too: what they still name need not be fetched anew."""
        if job.folder is not None:
            return job.folder
        if self._temporary is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="authz-revocation-"))
        return self._temporary

    def problems(self, now: datetime) -> tuple[str, ...]:
        """What an operator should look at, in words that hold no content of files and nothing that a stranger's server said."""
        watcher = self.watcher
        if watcher is None:
            return ()
        failing = (
            f"{source_label(status.source)}: {status.refusal.value}, {'the last good data' if status.is_loaded else 'no data'}"
            " is in use; see the log"
            for status in watcher.statuses
            if status.refusal is not None
        )
        is_silent = watcher.published_at is not None and now - watcher.published_at > _SILENT
        return (
            *(["what the refresher found cannot be read; see the log"] if watcher.problem else []),
            *([f"the refresher has told nothing since {watcher.published_at:%Y-%m-%dT%H:%M:%SZ}"] if is_silent else []),
            *failing,
        )


async def follow_revocation(feed: RevocationFeed, store: SnapshotStore, metrics: Metrics) -> None:
    """Put new revocation data in force as it comes, until cancelled. It empties nothing and changes no revision."""
    told = None
    while True:
        data = await feed.poll()
        # Nothing waits between here and `replace`: a reload that ends meanwhile is not undone.
        if data is not None:
            put_crls_in_force(store, data)
        if feed.watcher is not None:
            metrics.show_revocation(feed.watcher.statuses, feed.watcher.published_at)
            if feed.watcher.problem and feed.watcher.problem != told:
                _log.error("revocation data: %s; what is loaded stays in use", feed.watcher.problem)
            told = feed.watcher.problem
        await asyncio.sleep(_POLL_SECONDS)


def put_crls_in_force(store: SnapshotStore, data: RevocationData) -> None:
    """Use the CRLs of ``data`` from now on; the OCSP answers stay as they are."""
    if store.current is not None:
        revocation = store.current.revocation.with_crls(data.crls)
        store.replace(dataclasses.replace(store.current, revocation=revocation))


async def _first_data(watcher: RevocationWatcher, folder: Path, old: int | None) -> RevocationData:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _FIRST_SECONDS
    data = RevocationData()
    while loop.time() < deadline:
        new = await apart(watcher.poll)
        is_told = watcher.published_at is not None and _written_at(folder) != old
        if is_told:
            # Polled once more: the state that was read may be the one before.
            new = await apart(watcher.poll) or new
        data = new or data
        if is_told and all(status.is_loaded or status.refusal is not None for status in watcher.statuses):
            return data
        await asyncio.sleep(_FIRST_POLL_SECONDS)
    _log.warning("not every source of revocation data was tried yet")
    return data


def _written_at(folder: Path) -> int | None:
    try:
        return (folder / STATE_FILE).stat().st_mtime_ns
    except OSError:
        return None
