"""Files that appear whole or not at all, and files that are read without trust in what they are."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz_server.refresh.refusals import Refusal, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# Half-written files begin so: they are never read, and removed at the next start.
TEMPORARY = ".new-"


def write_atomically(path: Path, chunks: Iterable[bytes | memoryview]) -> None:
    """Write ``path`` so that a reader sees the old content or the new one; raises ``OSError``.

    The file is readable by its owner only. It is on the disk before its name is (fsync, then rename). A folder that somebody
    removed is made again, or nothing new could be kept until a restart.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)  # noqa: PTH105 - `name` is the text that mkstemp gave
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108 - the same
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells one content of a path from the next without reading it. ``realpath`` notices a swapped symbolic link."""

    realpath: str
    device: int
    inode: int
    mtime_ns: int
    size: int

    @classmethod
    def of(cls, path: Path) -> Identity:
        """The identity of what ``path`` leads to; raises ``OSError``."""
        found = path.stat()
        return cls(os.path.realpath(path), found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)


def read_bounded(path: Path, limit: int) -> bytes:
    """The content of a regular file of at most ``limit`` bytes; raises ``RefusedError``."""
    try:
        # O_NONBLOCK: opening a named pipe must not wait for somebody to write.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise RefusedError(Refusal.UNREADABLE, "not a regular file")
            content = file.read(limit + 1)
    except OSError as error:
        raise RefusedError(Refusal.UNREADABLE, error.strerror or str(error)) from error
    if len(content) > limit:
        raise RefusedError(Refusal.TOO_LARGE, f"over {limit} bytes")
    return content
