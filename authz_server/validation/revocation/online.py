"""Whether responders are asked about the certificates of a trust domain while it is served. Asking is an edge's work."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class OcspMode(StrEnum):
    """What happens where nothing fresh is known: ``off`` asks nobody, ``background`` answers at once, ``inline`` waits."""

    OFF = "off"
    BACKGROUND = "background"
    INLINE = "inline"


@dataclass(frozen=True, slots=True)
class OcspPolicy:
    """``urls`` are the domain's responders, in the order to try; without any the certificates' own may be asked."""

    mode: OcspMode = OcspMode.OFF
    urls: tuple[str, ...] = ()
    require_nonce: bool = False
