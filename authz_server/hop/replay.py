"""Memory of messages already used, and the window of time in which one is fresh."""

from __future__ import annotations

import hashlib
import heapq
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from authz_server.reasons import Reason, Rejection

# About 200 bytes an entry (measured), 200 MB when full. With the default window an entry stays for at most 51 s, so this holds
# 19,000 signed requests a second, more than one process can decide.
MAX_REMEMBERED = 1_000_000

# How much longer than needed a message is remembered: the time is read before the request waits for its turn, so that a later
# one may be asked about first; and a clock that is set back by less than this forgets nothing that is fresh again.
_SLACK_SECONDS = 10


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


@dataclass(frozen=True, slots=True)
class Use:
    """A verified message that may be used once: ``nonce`` among those of one key (``scope``), fresh until ``until``."""

    memory: ReplayMemory = field(repr=False)
    scope: str
    nonce: str
    until: datetime

    def spend(self, stream_id: str, now: datetime) -> None:
        """Raise ``Rejection`` if the message was used before; from now on it was."""
        self.memory.remember(self.scope, self.nonce, stream_id, until=self.until, now=now)


class ReplayMemory:
    """Which messages were used while they are fresh. One a process; safe for threads.

    It knows no clock: the caller says what time it is. What it remembers is lost at a restart and is not shared between
    processes, so a message can be replayed once to each other process within its freshness.
    """

    def __init__(self, limit: int = MAX_REMEMBERED) -> None:
        """Remember at most ``limit`` messages."""
        self._limit = limit
        self._seen: dict[bytes, str] = {}
        self._ending: dict[int, list[bytes]] = {}  # by the second in which they end
        self._seconds: list[int] = []  # a heap of its keys: hops differ in how long they remember
        self._lock = threading.Lock()

    def remember(self, scope: str, nonce: str, stream_id: str, *, until: datetime, now: datetime) -> None:
        """Remember ``nonce`` until it is stale; raises ``Rejection`` if it was seen before, or if nothing more fits.

        Call it for verified messages only, or anybody could fill the memory. Envoy asking again about one request (the same
        ``stream_id``, a retry) is not a replay.
        """
        key = hashlib.blake2b(f"{scope}\n{nonce}".encode(), digest_size=16).digest()
        with self._lock:
            self._forget(int(now.timestamp()))
            seen_in = self._seen.get(key)
            if seen_in is not None:
                if stream_id and seen_in == stream_id:
                    return
                raise Rejection(Reason.HOP_REPLAYED, nonce=nonce)
            if len(self._seen) >= self._limit:
                raise Rejection(Reason.HOP_REPLAY_MEMORY_FULL, limit=self._limit)
            self._seen[key] = stream_id
            self._note(key, int(until.timestamp()) + 1 + _SLACK_SECONDS)

    def _note(self, key: bytes, second: int) -> None:
        if second not in self._ending:
            self._ending[second] = []
            heapq.heappush(self._seconds, second)
        self._ending[second].append(key)

    def _forget(self, now: int) -> None:
        while self._seconds and self._seconds[0] < now:
            for key in self._ending.pop(heapq.heappop(self._seconds)):
                del self._seen[key]

    @property
    def size(self) -> int:
        """How many messages are remembered. Not ``len``: an empty memory must not count as none."""
        return len(self._seen)
