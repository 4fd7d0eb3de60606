"""What the refresher is told: plain values, which travel to its process as JSON."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from authz_server.refresh.destinations import Network, Origin

# Of bytes or seconds; keeps infinity and what is no number out as well.
_MAX_NUMBER = 1 << 32


class JobError(ValueError):
    """Why a job description cannot be carried out."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one fetch and of one file."""

    max_bytes: int = 64 << 20  # a CRL of a million entries has 39 MB
    connect_seconds: float = 5.0
    total_seconds: float = 120.0  # from resolving the name to the last byte; 64 MiB at 5 Mbit/s


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to look again. A URL is due ``margin`` before nextUpdate, at the latest after ``interval``."""

    poll_seconds: float = 0.5
    interval_seconds: float = 3600.0
    margin_seconds: float = 300.0
    retry_seconds: float = 10.0  # after the first failure; doubles up to the interval


@dataclass(frozen=True, slots=True)
class RefresherJob:
    """Where revocation data comes from and what is believed of it.

    ``paths`` are CRL files and folders of them; ``allow`` the origins that ``urls`` and redirects may lead to; ``networks``
    those of the non-public networks that may be connected to. A fetched CRL must be signed by a CA certificate of
    ``ca_files`` (PEM). ``tls_ca_file`` holds the roots for https, otherwise the system's are used. Without ``folder`` a
    private temporary one is made, and nothing outlives a restart of the service.
    """

    paths: tuple[Path, ...] = ()
    urls: tuple[str, ...] = ()
    allow: tuple[Origin, ...] = ()
    networks: tuple[Network, ...] = ()
    ca_files: tuple[Path, ...] = ()
    tls_ca_file: Path | None = None
    folder: Path | None = None
    limits: Limits = field(default_factory=Limits)
    schedule: Schedule = field(default_factory=Schedule)

    def to_json(self) -> str:
        """The job as one JSON object."""
        return json.dumps(
            {
                "paths": [str(path) for path in self.paths],
                "urls": list(self.urls),
                "allow": [str(origin) for origin in self.allow],
                "networks": [str(network) for network in self.networks],
                "ca_files": [str(path) for path in self.ca_files],
                "tls_ca_file": None if self.tls_ca_file is None else str(self.tls_ca_file),
                "folder": None if self.folder is None else str(self.folder),
                "limits": asdict(self.limits),
                "schedule": asdict(self.schedule),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> RefresherJob:
        """Read what ``to_json`` wrote, or an operator; what is left out has its default. Raises ``JobError``."""
        try:
            given = json.loads(text)
            _refuse_unknown(cls, given)
            return cls(
                paths=tuple(map(Path, given.get("paths", ()))),
                urls=tuple(map(str, given.get("urls", ()))),
                allow=tuple(map(Origin.parse, given.get("allow", ()))),
                networks=tuple(map(ipaddress.ip_network, given.get("networks", ()))),
                ca_files=tuple(map(Path, given.get("ca_files", ()))),
                tls_ca_file=_path(given.get("tls_ca_file")),
                folder=_path(given.get("folder")),
                limits=Limits(**_numbers(given.get("limits", {}))),
                schedule=Schedule(**_numbers(given.get("schedule", {}))),
            )
        except (ValueError, TypeError, AttributeError) as error:
            raise JobError(str(error)) from error


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _numbers(given: dict[str, Any]) -> dict[str, Any]:
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < _MAX_NUMBER:
            msg = f"{name}: expected a number, not negative"
            raise JobError(msg)
    return given


def _refuse_unknown(kind: type[RefresherJob], given: dict[str, Any]) -> None:
    unknown = set(given) - {each.name for each in fields(kind)}
    if unknown:
        msg = f"unknown: {', '.join(sorted(unknown))}"
        raise JobError(msg)
