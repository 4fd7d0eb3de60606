"""Proof by a shared secret: a header whose value only the trusted proxy knows.

The weakest proof that survives an appliance which ends TLS in between. It shows that the sender knows the secret; whoever
reads the traffic or the upstream's logs knows it too, so the header never goes on to the upstream.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from authz_server.hop.proof import sole_line
from authz_server.reasons import Reason, Rejection

if TYPE_CHECKING:
    from datetime import datetime

    from authz_server.model import ForwardedRequest


@dataclass(frozen=True, slots=True)
class SecretProof:
    """``header`` must hold one of ``secrets``; several allow for rotation."""

    kind: ClassVar[str] = "secret"
    header: str
    secrets: tuple[bytes, ...] = field(repr=False)

    @property
    def headers(self) -> tuple[str, ...]:
        """The header with the secret."""
        return (self.header,)

    def verify(self, request: ForwardedRequest, _now: datetime) -> None:
        """Raise ``Rejection`` unless the header was sent once and holds a secret; every secret is compared."""
        presented = sole_line(request, self.header)
        if not presented:
            raise Rejection(Reason.HOP_SECRET_MISSING, header=self.header)
        # The time does not depend on which secret matches, nor on how much of it.
        if not sum([hmac.compare_digest(presented, secret) for secret in self.secrets]):
            raise Rejection(Reason.HOP_SECRET_MISMATCH, header=self.header)
