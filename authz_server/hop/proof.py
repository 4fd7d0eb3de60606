"""What every proof of the hop can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from authz_server.reasons import Reason, Rejection

if TYPE_CHECKING:
    from datetime import datetime

    from authz_server.hop.replay import Use
    from authz_server.model import ForwardedRequest


class Proof(Protocol):
    """One thing that shows that a request came through the trusted proxy."""

    kind: ClassVar[str]

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers (lower case) that carry the proof; none of them goes on to the upstream."""

    def verify(self, request: ForwardedRequest, now: datetime) -> Use | None:
        """Raise ``Rejection`` unless ``request`` gives the proof at ``now`` (aware, UTC).

        Returns the use of a message that proves one request only; it is spent when every other proof of the hop holds.
        """


def sole_line(request: ForwardedRequest, header: str) -> bytes | None:
    """The value of the one line of ``header``, ``None`` without one; a second line is a client's own, and refused."""
    lines = request.header_lines(header)
    if len(lines) > 1:
        raise Rejection(Reason.HEADER_DUPLICATED, header=header, lines=len(lines))
    return lines[0] if lines else None
