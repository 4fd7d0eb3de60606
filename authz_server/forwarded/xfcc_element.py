"""One element of X-Forwarded-Client-Cert, whichever form it was written in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class XfccElement:
    """What one proxy wrote about its peer. Unverified, every key of it.

    ``cert`` and ``chain`` are DER, ``chain`` leaf first; empty when the key is absent. ``hash``, ``uri`` and ``dns`` are
    ``None`` when the key is absent, which is not the same as empty.
    """

    by: tuple[str, ...] = ()
    hash: str | None = None
    cert: tuple[bytes, ...] = ()
    chain: tuple[bytes, ...] = ()
    subject: str | None = None
    issuer: str | None = None
    uri: tuple[str, ...] | None = None
    dns: tuple[str, ...] | None = None
