"""How an operator writes the name of a setting.

Flat settings describe one hop, one source and one trust domain: ``AUTHZ_HOP_NETWORKS`` is ``networks`` of the only member
of ``hops``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz_server.settings.hop import HopSettings
from authz_server.settings.source import SourceSettings
from authz_server.settings.trust import TrustDomainSettings

if TYPE_CHECKING:
    from pydantic import BaseModel

PREFIX = "AUTHZ_"


@dataclass(frozen=True, slots=True)
class Flat:
    """A group of settings whose only member, called ``name``, may be written flat, with ``prefix``."""

    prefix: str
    group: str
    name: str
    model: type[BaseModel]

    @property
    def fields(self) -> dict[str, str]:
        """Flat name to field."""
        return {self.prefix + field: field for field in self.model.model_fields}


FLATS = (
    Flat("hop_", "hops", "waf", HopSettings),
    Flat("source_", "sources", "default", SourceSettings),
    Flat("", "trust_domains", "default", TrustDomainSettings),
)


def variable(group: str, name: str, field: str) -> str:
    """The variable for a field of a group's member: flat if it is the only one, else the group and where in it."""
    for flat in FLATS:
        if (flat.group, flat.name) == (group, name):
            return (PREFIX + flat.prefix + field).upper()
    return f"{PREFIX}{group.upper()} ({name}.{field})"
