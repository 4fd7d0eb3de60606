"""Decision lines: one JSON object a line."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from authz_server.observe.redaction import Redaction


class DecisionLog:
    """Writes records to a binary stream. ``denials_only`` leaves allowed requests out."""

    def __init__(self, stream: IO[bytes], redaction: Redaction, *, denials_only: bool = False) -> None:
        """``stream`` gets whole lines, each flushed."""
        self._stream = stream
        self.redaction = redaction
        self._denials_only = denials_only

    def write(self, record: dict[str, Any]) -> None:
        """Write one record, unless it is an allow and those are left out."""
        if self._denials_only and record["outcome"] == "ALLOW":
            return
        self._stream.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
        self._stream.flush()
