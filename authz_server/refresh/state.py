"""``state.json``: what the refresher tells the server, written whole."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from authz_server.refresh.files import write_atomically
from authz_server.refresh.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

STATE_FILE = "state.json"
_VERSION = 1


class StateError(ValueError):
    """Why ``state.json`` cannot be used."""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source: ``refusal`` is what became of the last attempt, ``None`` if it was good or there was none yet.

    The times and the number are those of the data in use, the oldest where it is several CRLs. ``crls`` are their SHA-256;
    empty: nothing is loaded from this source.
    """

    source: str
    refusal: Refusal | None = None
    detail: str = ""
    crls: tuple[str, ...] = ()
    is_verified: bool = False
    number: int | None = None
    entries: int = 0
    this_update: datetime | None = None
    next_update: datetime | None = None
    last_success: datetime | None = None
    last_failure: datetime | None = None
    failures: int = 0

    @property
    def is_loaded(self) -> bool:
        """Whether there is data of this source, however old."""
        return bool(self.crls)


@dataclass(frozen=True, slots=True)
class State:
    """All sources at one moment."""

    sources: tuple[SourceStatus, ...] = field(default=())


def write_state(folder: Path, sources: Iterable[SourceStatus]) -> None:
    """Publish; raises ``OSError``."""
    document = {"version": _VERSION, "sources": [_to_json(source) for source in sources]}
    write_atomically(folder / STATE_FILE, [json.dumps(document, indent=1).encode()])


def read_state(content: bytes) -> State:
    """Read what ``write_state`` wrote; raises ``StateError``."""
    try:
        document = json.loads(content)
        if document["version"] != _VERSION:
            msg = f"version {document['version']}"
            raise StateError(msg)
        return State(tuple(_from_json(each) for each in document["sources"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(str(error)) from error


_TIMES = ("this_update", "next_update", "last_success", "last_failure")


def _to_json(status: SourceStatus) -> dict[str, Any]:
    times = {name: getattr(status, name) for name in _TIMES}
    return {
        "source": status.source,
        "status": "ok" if status.refusal is None else status.refusal.value,
        "detail": status.detail,
        "crls": list(status.crls),
        "is_verified": status.is_verified,
        # Hexadecimal: a CRL number may have more digits than Python converts to decimal.
        "number": None if status.number is None else f"{status.number:x}",
        "entries": status.entries,
        "failures": status.failures,
        **{name: None if value is None else value.isoformat() for name, value in times.items()},
    }


def _from_json(fields: dict[str, Any]) -> SourceStatus:
    times = {name: None if fields[name] is None else datetime.fromisoformat(fields[name]) for name in _TIMES}
    return SourceStatus(
        source=fields["source"],
        refusal=None if fields["status"] == "ok" else Refusal(fields["status"]),
        detail=fields["detail"],
        crls=tuple(fields["crls"]),
        is_verified=fields["is_verified"],
        number=None if fields["number"] is None else int(fields["number"], 16),
        entries=fields["entries"],
        failures=fields["failures"],
        **times,
    )
