"""What every transport does: take Check calls from Envoy to the handler, tell its health, and close without losing calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

Handler = Callable[[Any, float | None], Any]
"""A CheckRequest, and the seconds left of its deadline (``None``: it has none) -> the CheckResponse, or a coroutine of it."""


@dataclass(frozen=True, slots=True)
class TlsMaterial:
    """PEM of the listener's certificate chain and key, and of the CAs its callers must come from (``None``: not asked)."""

    certificate: bytes
    private_key: bytes
    client_ca: bytes | None


class Transport(Protocol):
    """A server of ``envoy.service.auth.v3.Authorization`` and ``grpc.health.v1.Health``."""

    def __init__(self, handler: Handler, listen: str, tls: TlsMaterial | None) -> None:
        """Serve ``handler`` at ``listen`` (``HOST:PORT`` or ``unix:/PATH``)."""

    async def start(self) -> None:
        """Listen; health is NOT_SERVING until told otherwise. Raises ``RuntimeError`` if the address cannot be bound."""

    async def set_serving(self, *, serving: bool) -> None:
        """What health checks are answered."""

    async def stop(self, grace: float) -> None:
        """Take no new calls, give those in flight ``grace`` seconds, and close."""
