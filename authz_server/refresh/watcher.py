"""The refresher's results in a server process: noticed cheaply, loaded without parsing a CRL."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from authz_server.refresh.cache import index_path
from authz_server.refresh.files import Identity
from authz_server.refresh.index_file import open_index
from authz_server.refresh.state import STATE_FILE, SourceStatus, StateError, read_state
from authz_server.validation.revocation import RevocationData

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from authz_server.validation.revocation import CrlIndex


@dataclass(frozen=True, slots=True)
class LoadedState:
    """The data of all sources, with each source's status; ``problems`` name index files that could not be opened.

    ``indexes`` holds each source's CRLs by their SHA-256.
    """

    data: RevocationData
    statuses: tuple[SourceStatus, ...] = ()
    problems: tuple[str, ...] = ()
    indexes: Mapping[str, Mapping[str, CrlIndex]] = field(default_factory=dict, repr=False)


def load_state(folder: Path, before: LoadedState | None = None) -> LoadedState:
    """Load what ``state.json`` names; what ``before`` has open already is reused.

    A source of which an index cannot be opened keeps what ``before`` has of it. Raises ``OSError`` where there is no
    ``state.json``, ``StateError`` where it cannot be used.
    """
    state = read_state((folder / STATE_FILE).read_bytes())
    known = {} if before is None else before.indexes
    opened = {sha256: index for indexes in known.values() for sha256, index in indexes.items()}
    indexes: dict[str, Mapping[str, CrlIndex]] = {}
    problems: list[str] = []
    for source in state.sources:
        try:
            for sha256 in source.crls:
                if sha256 not in opened:
                    opened[sha256] = open_index(index_path(folder, sha256)).index
            indexes[source.source] = {sha256: opened[sha256] for sha256 in source.crls}
        except ValueError as error:
            problems.append(str(error))
            indexes[source.source] = known.get(source.source, {})
    crls = {sha256: index for found in indexes.values() for sha256, index in found.items()}
    return LoadedState(RevocationData(crls=tuple(crls.values())), state.sources, tuple(problems), indexes)


class RevocationWatcher:
    """Polls one folder. Not to be shared between threads; its attributes may be read by any.

    ``published_at`` is when the refresher wrote what was loaded last; one at work writes at least once a minute.
    """

    def __init__(self, folder: Path) -> None:
        """Nothing is loaded until ``poll``."""
        self._folder = folder
        self._seen: Identity | None = None
        self._loaded: LoadedState | None = None
        self.problem: str | None = "nothing was loaded yet"
        self.published_at: datetime | None = None

    @property
    def statuses(self) -> tuple[SourceStatus, ...]:
        """Every source, as the refresher saw it last."""
        return () if self._loaded is None else self._loaded.statuses

    def poll(self) -> RevocationData | None:
        """The data if it is other than at the last poll, else ``None``: one ``stat`` where nothing changed.

        What cannot be read is told in ``problem`` and tried again at the next poll; the data given before stays good.
        A new CRL of a million entries takes some 20 ms, nearly all without the interpreter's lock: call it in a thread.
        """
        try:
            identity = Identity.of(self._folder / STATE_FILE)
            if identity == self._seen:
                return None
            loaded = load_state(self._folder, self._loaded)
        except (OSError, StateError) as error:
            self.problem = f"{STATE_FILE}: {error}"
            return None
        self.published_at = datetime.fromtimestamp(identity.mtime_ns / 1e9, UTC)
        before, self._loaded = self._loaded, loaded
        # An index may have been removed after this state was read: then the next one names another.
        self._seen = None if loaded.problems else identity
        self.problem = "; ".join(loaded.problems) or None
        return None if before is not None and _crls(before) == _crls(loaded) else loaded.data


def _crls(state: LoadedState) -> set[str]:
    return {sha256 for indexes in state.indexes.values() for sha256 in indexes}
