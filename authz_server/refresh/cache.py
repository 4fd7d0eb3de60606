"""The folder of last good data: index files named by the CRL's SHA-256, and for each source what it is made of.

Everything in it was checked before it was written; it must be writable by the service alone.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from authz_server.refresh.fetcher import Validators
from authz_server.refresh.files import TEMPORARY, write_atomically
from authz_server.refresh.index_file import IndexFileError, open_index, write_index
from authz_server.refresh.refusals import Refusal, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authz_server.validation.revocation import ParsedCrl

_VERSION = 1
_INDEX_SUFFIX, _ENTRY_SUFFIX = ".crlx", ".source.json"
# A reader may still be about to open what the state named a moment ago.
_GRACE_SECONDS = 60.0
_HEX = frozenset("0123456789abcdef")


def index_path(folder: Path, sha256: str) -> Path:
    """The index file of a CRL; raises ``ValueError`` for what is no SHA-256."""
    if len(sha256) != hashlib.sha256().digest_size * 2 or not _HEX.issuperset(sha256):
        msg = f"not a SHA-256: {sha256[:80]!r}"
        raise ValueError(msg)
    return folder / f"{sha256}{_INDEX_SUFFIX}"


@dataclass(frozen=True, slots=True)
class Entry:
    """The last good content of one source."""

    source: str
    crls: tuple[ParsedCrl, ...] = field(repr=False)
    content_sha256: str
    validators: Validators
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class Cache:
    """Reads and writes the folder; one process at a time."""

    folder: Path
    _unused_since: dict[Path, float] = field(default_factory=dict, repr=False)

    def store(self, entry: Entry) -> Entry:
        """Write ``entry``; the result's CRLs are maps of the files. Raises ``RefusedError``."""
        try:
            mapped = tuple(self._store_index(crl) for crl in entry.crls)
            document = {
                "version": _VERSION,
                "source": entry.source,
                "crls": [crl.sha256 for crl in mapped],
                "content_sha256": entry.content_sha256,
                "etag": entry.validators.etag,
                "last_modified": entry.validators.last_modified,
                "fetched_at": entry.fetched_at.isoformat(),
            }
            write_atomically(self._entry_path(entry.source), [json.dumps(document).encode()])
        except (OSError, IndexFileError) as error:
            raise RefusedError(Refusal.CACHE_UNWRITABLE, str(error)) from error
        return Entry(entry.source, mapped, entry.content_sha256, entry.validators, entry.fetched_at)

    def _store_index(self, crl: ParsedCrl) -> ParsedCrl:
        path = index_path(self.folder, crl.sha256)
        try:
            return open_index(path)  # the same CRL from another source, or from before
        except IndexFileError:
            write_index(path, crl)
            return open_index(path)

    def repair(self, crls: Iterable[ParsedCrl]) -> None:
        """Write anew the index files that somebody removed, such as a cleaner of old temporary files; raises ``OSError``."""
        for crl in crls:
            path = index_path(self.folder, crl.sha256)
            if not path.exists():
                write_index(path, crl)

    def load(self, source: str) -> Entry | None:
        """What was stored for ``source``, ``None`` if nothing was; raises ``RefusedError`` if it is not as it was written."""
        try:
            text = self._entry_path(source).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RefusedError(Refusal.CACHE_CORRUPT, str(error)) from error
        try:
            document = json.loads(text)
            if document["version"] != _VERSION or document["source"] != source:
                raise RefusedError(Refusal.CACHE_CORRUPT, "of another version or source")
            return Entry(
                source=source,
                crls=tuple(open_index(index_path(self.folder, sha256)) for sha256 in document["crls"]),
                content_sha256=str(document["content_sha256"]),
                validators=Validators(str(document["etag"]), str(document["last_modified"])),
                fetched_at=datetime.fromisoformat(document["fetched_at"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise RefusedError(Refusal.CACHE_CORRUPT, str(error)) from error

    def sources(self) -> list[str]:
        """The sources of which something is stored; what cannot be read is passed over."""
        found: list[str] = []
        for path in sorted(self.folder.glob(f"*{_ENTRY_SUFFIX}")):
            try:
                found.append(str(json.loads(path.read_bytes())["source"]))
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return found

    def remove_remains(self) -> None:
        """Remove what a process left half-written that ended meanwhile."""
        for path in self.folder.glob(f"{TEMPORARY}*"):
            path.unlink(missing_ok=True)

    def collect(self, sources: Iterable[str], sha256s: Iterable[str]) -> None:
        """Remove what no source of these names and no CRL of these has needed for a grace period."""
        kept = {self._entry_path(source) for source in sources} | {index_path(self.folder, sha256) for sha256 in sha256s}
        found = {*self.folder.glob(f"*{_ENTRY_SUFFIX}"), *self.folder.glob(f"*{_INDEX_SUFFIX}")}
        now = time.monotonic()
        for path in kept:
            self._unused_since.pop(path, None)
        for path in found - kept:
            if now - self._unused_since.setdefault(path, now) > _GRACE_SECONDS:
                path.unlink(missing_ok=True)
                del self._unused_since[path]

    def _entry_path(self, source: str) -> Path:
        return self.folder / f"{hashlib.sha256(source.encode()).hexdigest()}{_ENTRY_SUFFIX}"
