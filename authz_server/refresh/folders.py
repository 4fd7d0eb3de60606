"""CRL files and folders of them, watched by the identity of each path: nothing is read that has not changed."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from authz_server.refresh.fetcher import Validators
from authz_server.refresh.files import Identity, read_bounded
from authz_server.refresh.refusals import Refusal, RefusedError
from authz_server.refresh.source import Source

if TYPE_CHECKING:
    from authz_server.refresh.acceptance import Authorities
    from authz_server.refresh.cache import Cache
    from authz_server.refresh.job import RefresherJob

_SUFFIXES = frozenset({".crl", ".pem", ".der"})
# What time heals, or somebody with the disk.
_RETRIED = frozenset({Refusal.NOT_YET_VALID, Refusal.CACHE_UNWRITABLE, Refusal.UNREADABLE})


@dataclass
class _File:
    """A file, as it was when it was last read."""

    source: Source
    identity: Identity | None = None
    retry_at: float = 0.0

    def poll(self, authorities: Authorities, job: RefresherJob) -> bool:
        """Read it if it has changed; whether anything is new."""
        path = Path(self.source.name)
        try:
            identity = Identity.of(path)
            if identity == self.identity and not self._is_due():
                return False
            # Before it is read: what is written meanwhile is another identity, and read at the next poll.
            self.identity = identity
            self.source.take(read_bounded(path, job.limits.max_bytes), Validators(), authorities)
        except RefusedError as error:
            return self._fail(error, job)
        except OSError as error:
            self.identity = None
            return self._fail(RefusedError(Refusal.UNREADABLE, error.strerror or str(error)), job)
        return True

    def _is_due(self) -> bool:
        return self.source.status.refusal in _RETRIED and time.monotonic() >= self.retry_at

    def _fail(self, error: RefusedError, job: RefresherJob) -> bool:
        is_new = error.refusal is not self.source.status.refusal or error.refusal not in _RETRIED
        if is_new:
            self.source.fail(error)
        self.retry_at = time.monotonic() + job.schedule.retry_seconds
        return is_new


@dataclass
class Folders:
    """Every file that the job's paths name, now. ``sources``: the files, and the folders that cannot be read."""

    job: RefresherJob
    cache: Cache
    files: dict[str, _File] = field(default_factory=dict)
    unreadable: dict[str, Source] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()

    def restore(self, authorities: Authorities) -> None:
        """Take from the cache the files of an earlier run; the first look into their folder drops those that are gone."""
        named = set(self.job.paths)
        for name in self.cache.sources():
            if Path(name) in named or Path(name).parent in named:
                self._file(name).source.restore(authorities)

    def poll(self, authorities: Authorities) -> bool:
        """Look at every path; whether anything is new."""
        is_new = False
        wanted: set[str] = set()
        for path in self.job.paths:
            try:
                wanted.update(_listed(path))
                is_new |= self.unreadable.pop(str(path), None) is not None
            except OSError as error:
                below = [name for name in self.files if Path(name).parent == path]
                if below or not isinstance(error, FileNotFoundError):
                    # A folder. What is held of its files stays: it may be back in a moment.
                    wanted.update(below)
                    is_new |= self._fail(path, error)
                else:
                    wanted.add(str(path))
        gone = set(self.files) - wanted
        for name in gone:
            del self.files[name]
        for name in sorted(wanted):
            is_new |= self._file(name).poll(authorities, self.job)
        # Made whole: other threads read it while this one goes on.
        self.sources = (*(file.source for file in self.files.values()), *self.unreadable.values())
        return is_new or bool(gone)

    def judge_again(self, authorities: Authorities) -> None:
        """The CA certificates changed: every file is read anew."""
        for file in self.files.values():
            file.source.judge_again(authorities)
            file.identity = None

    def _file(self, name: str) -> _File:
        return self.files.setdefault(name, _File(Source(name, is_local=True, cache=self.cache)))

    def _fail(self, path: Path, error: OSError) -> bool:
        if str(path) in self.unreadable:
            return False
        source = self.unreadable[str(path)] = Source(str(path), is_local=True, cache=self.cache)
        source.fail(RefusedError(Refusal.UNREADABLE, error.strerror or str(error)))
        return True


def _listed(path: Path) -> list[str]:
    """The path itself, or a folder's files that are not hidden: Kubernetes keeps its versions in hidden folders (``..data``)."""
    if not stat.S_ISDIR(path.stat().st_mode):
        return [str(path)]
    return [
        os.path.join(path, name)  # noqa: PTH118 - thousands of names, twice a second
        for name in os.listdir(path)  # noqa: PTH208 - the same
        if not name.startswith(".") and os.path.splitext(name)[1].lower() in _SUFFIXES  # noqa: PTH122 - the same
    ]
