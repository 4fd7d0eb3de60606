"""What decision lines hide."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

_MASK = "***"
_PSEUDONYM_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Redaction:
    """``masked`` holds ``query``, ``names`` and ``address``; with ``key`` a name becomes a keyed pseudonym instead of ``***``."""

    masked: frozenset[str] = frozenset({"query"})
    key: bytes | None = None

    def path(self, path: str) -> str:
        """The path, without its query if that is masked: queries carry tokens."""
        head, mark, _ = path.partition("?")
        return head + mark + _MASK if mark and "query" in self.masked else path

    def address(self, address: str) -> str:
        """The peer's address."""
        return _MASK if address and "address" in self.masked else address

    def name(self, name: str) -> str:
        """A client's name; the same name has the same pseudonym under one key."""
        if not name or "names" not in self.masked:
            return name
        if self.key is None:
            return _MASK
        return f"hmac:{hmac.new(self.key, name.encode(), hashlib.sha256).hexdigest()[:_PSEUDONYM_DIGITS]}"
