"""Memory of messages already seen, and the window of time in which one is fresh."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from authz_server.reasons import Reason, Rejection

# About 150 bytes an entry. At 30 s of freshness this holds 30,000 signed requests a second.
MAX_REMEMBERED = 1_000_000


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old a signed message may be, and by how much the proxy's clock may differ from ours."""

    max_age: timedelta = timedelta(seconds=30)
    clock_skew: timedelta = timedelta(seconds=5)

    def verify(self, created: int, now: datetime, expires: int | None = None) -> datetime:
        """Until when a message of ``created`` (Unix seconds) is fresh; raises ``Rejection`` if it is not fresh at ``now``."""
        try:
            begin = datetime.fromtimestamp(created, UTC)
            end = begin + self.max_age
            if expires is not None:
                end = min(end, datetime.fromtimestamp(expires, UTC))
        except (ValueError, OverflowError, OSError) as error:
            raise Rejection(Reason.HOP_SIGNATURE_MALFORMED, created=created, expires=expires) from error
        if begin > now + self.clock_skew:
            raise Rejection(Reason.HOP_SIGNATURE_FUTURE, created=begin.isoformat())
        if end < now - self.clock_skew:
            raise Rejection(Reason.HOP_SIGNATURE_EXPIRED, created=begin.isoformat(), expired=end.isoformat())
        return end + self.clock_skew


class ReplayMemory:
    """Which messages were seen while they are fresh. One a process; safe for threads.

    It knows no clock: the caller says what time it is. What it remembers is lost at a restart and is not shared between
    processes, so a message can be replayed once to each other process within its freshness.
    """

    def __init__(self, limit: int = MAX_REMEMBERED) -> None:
        """Remember at most ``limit`` messages."""
        self._limit = limit
        self._seen: dict[tuple[str, str], str] = {}
        self._ends: deque[tuple[datetime, tuple[str, str]]] = deque()
        self._lock = threading.Lock()

    def remember(self, scope: str, nonce: str, stream_id: str, *, until: datetime, now: datetime) -> None:
        """Remember ``nonce`` until it is stale; raises ``Rejection`` if it was seen before, or if nothing more fits.

        Call it for verified messages only, or anybody could fill the memory. Envoy asking again about one request (the same
        ``stream_id``, a retry) is not a replay.
        """
        key = (scope, nonce)
        with self._lock:
            self._forget(now)
            seen_in = self._seen.get(key)
            if seen_in is not None:
                if stream_id and seen_in == stream_id:
                    return
                raise Rejection(Reason.HOP_REPLAYED, nonce=nonce)
            if len(self._seen) >= self._limit:
                raise Rejection(Reason.HOP_REPLAY_MEMORY_FULL, limit=self._limit)
            self._seen[key] = stream_id
            self._ends.append((until, key))

    def _forget(self, now: datetime) -> None:
        # Ends come nearly in order; one that is late is kept a little longer than needed, never shorter.
        while self._ends and self._ends[0][0] < now:
            del self._seen[self._ends.popleft()[1]]

    def __len__(self) -> int:
        """How many messages are remembered."""
        return len(self._seen)
