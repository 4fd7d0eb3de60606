"""The refresher's process: polls files, fetches URLs, publishes ``state.json``; ends with SIGTERM or with its parent."""

from __future__ import annotations

import fcntl
import logging
import os
import random
import ssl
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authz_server.refresh.acceptance import Authorities
from authz_server.refresh.cache import Cache
from authz_server.refresh.destinations import Destination
from authz_server.refresh.fetcher import Fetcher, NotModified
from authz_server.refresh.files import Identity, read_bounded
from authz_server.refresh.folders import Folders
from authz_server.refresh.refusals import Refusal, RefusedError
from authz_server.refresh.source import Source
from authz_server.refresh.state import write_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from authz_server.refresh.job import RefresherJob

_log = logging.getLogger(__name__)
_PARENT_SECONDS = 0.5
# At the latest: what is no longer needed is removed then, and what somebody else removed is written again.
_PUBLISH_SECONDS = 60.0


def refresh(job: RefresherJob, folder: Path, stop: threading.Event, parent: int | None) -> None:
    """Keep ``folder`` up to date until ``stop`` is set, or until the process ``parent`` is no longer our parent."""

    def is_over() -> bool:
        return stop.is_set() or (parent is not None and os.getppid() != parent)

    with _alone(folder, is_over) as is_ours:
        if not is_ours:
            return
        engine = Engine(job, folder, stop)
        engine.start()
        while not is_over():
            stop.wait(_PARENT_SECONDS)


@contextmanager
def _alone(folder: Path, is_over: Callable[[], bool]) -> Iterator[bool]:
    """Hold the folder's lock: during a rolling restart two refreshers may be given the same folder."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        is_told = False
        while not is_over():
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not is_told:
                    _log.warning("%s: another refresher has it; waiting", folder)
                is_told = True
                time.sleep(_PARENT_SECONDS)
            else:
                yield True
                return
        yield False
    finally:
        os.close(handle)


@dataclass
class _AuthorityFiles:
    """The CA certificate files, watched like CRL files."""

    paths: tuple[Path, ...]
    max_bytes: int
    seen: tuple[Identity | None, ...] | None = None
    problem: str = ""

    def poll(self) -> Authorities | None:
        """The authorities, if a file changed and all can be read; those that were known stay otherwise."""
        identities = tuple(map(_identity, self.paths))
        if identities == self.seen:
            return None
        self.seen = identities
        try:
            found = Authorities.of([read_bounded(path, self.max_bytes) for path in self.paths])
        except (RefusedError, ValueError) as error:
            if str(error) != self.problem:
                self.problem = str(error)
                _log.error("CA certificates: %s; those that were known stay", error)
            self.seen = None
            return None
        self.problem = ""
        return found


def _identity(path: Path) -> Identity | None:
    try:
        return Identity.of(path)
    except OSError:
        return None


@dataclass
class Engine:
    """All sources of a job and the threads that renew them: one for files, one for each host of URLs."""

    job: RefresherJob
    folder: Path
    stop: threading.Event
    authorities: Authorities = field(default_factory=lambda: Authorities({}))

    def __post_init__(self) -> None:
        """Nothing runs yet."""
        self.cache = Cache(self.folder)
        self.folders = Folders(self.job, self.cache)
        self.urls = [Source(url, is_local=False, cache=self.cache) for url in dict.fromkeys(self.job.urls)]
        self.fetcher = Fetcher(self.job.allow, self.job.networks, self.job.limits, self._tls)
        self._authority_files = _AuthorityFiles(self.job.ca_files, self.job.limits.max_bytes)
        self._changed = threading.Condition()
        self._generation = 0
        self._publishing = threading.Lock()
        # Parsing a million entries takes a quarter of a gigabyte for two seconds: one at a time.
        self._parsing = threading.Lock()

    def start(self) -> None:
        """Restore what the folder has, publish it, and start the threads; they end with the process."""
        self.cache.remove_remains()
        self._poll_authorities()
        self.folders.restore(self.authorities)
        for source in self.urls:
            source.restore(self.authorities)
        self.folders.poll(self.authorities)
        self.publish()
        hosts: dict[str, list[Source]] = defaultdict(list)
        for source in self.urls:
            hosts[_host(source.name)].append(source)
        for sources in hosts.values():
            threading.Thread(target=self._fetch_all, args=(sources,), daemon=True).start()
        threading.Thread(target=self._poll_all, daemon=True).start()

    def publish(self) -> None:
        """Write ``state.json`` as things are now."""
        with self._publishing:
            sources = (*self.folders.sources, *self.urls)
            statuses = [source.status for source in sources]
            try:
                self.cache.repair(crl for source in sources for crl in source.held.crls)
                write_state(self.folder, statuses)
                self.cache.collect(
                    [status.source for status in statuses], [sha256 for status in statuses for sha256 in status.crls]
                )
            except OSError as error:
                _log.error("%s cannot be written: %s", self.folder, error)

    def _poll_authorities(self) -> None:
        found = self._authority_files.poll()
        if found is None:
            return
        self.authorities = found
        self.folders.judge_again(found)
        with self._changed:
            self._generation += 1
            self._changed.notify_all()

    def _poll_all(self) -> None:
        published = time.monotonic()
        while not self.stop.wait(self.job.schedule.poll_seconds):
            self._poll_authorities()
            with self._parsing:
                is_new = self.folders.poll(self.authorities)
            if is_new or time.monotonic() - published > _PUBLISH_SECONDS:
                self.publish()
                published = time.monotonic()

    def _fetch_all(self, sources: list[Source]) -> None:
        """The URLs of one host, one after the other."""
        due = {source.name: time.monotonic() for source in sources}
        generation = self._generation
        while not self.stop.is_set():
            source = min(sources, key=lambda each: due[each.name])
            if self._is_other_generation(generation, due[source.name] - time.monotonic()):
                generation = self._generation
                due.update({each.name: 0.0 for each in sources if self._judge_again(each)})
                continue
            self.renew(source)
            self.publish()
            due[source.name] = time.monotonic() + source.delay(self.job.schedule, random.random())  # noqa: S311 - jitter

    def _is_other_generation(self, generation: int, seconds: float) -> bool:
        """Wait until the authorities are no longer those of ``generation``, or the time is over."""
        with self._changed:
            return self._changed.wait_for(lambda: self._generation != generation, max(0.0, seconds))

    def _judge_again(self, source: Source) -> bool:
        """After the authorities changed; whether the source is worth another attempt now: its signer may be known."""
        if source.held.crls:
            source.judge_again(self.authorities)
        else:
            source.restore(self.authorities)
        return source.status.refusal is Refusal.SIGNER_UNKNOWN or not source.held.crls

    def renew(self, source: Source) -> None:
        """One attempt to renew what is held of a URL."""
        try:
            answer = self.fetcher.fetch(source.name, source.validators if source.held.crls else None)
            if isinstance(answer, NotModified):
                source.confirm(self.authorities)
                return
            with self._parsing:
                source.take(answer.content, answer.validators, self.authorities)
        except RefusedError as error:
            source.fail(error)

    def _tls(self) -> ssl.SSLContext:
        """Made for every connection: the roots are files that change too."""
        return ssl.create_default_context(cafile=None if self.job.tls_ca_file is None else str(self.job.tls_ca_file))


def _host(url: str) -> str:
    try:
        return Destination.parse(url).origin.host
    except RefusedError:
        return ""
