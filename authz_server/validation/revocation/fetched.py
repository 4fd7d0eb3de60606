"""Memory of OCSP answers that were fetched while the service runs. Only answers that were verified enter."""

from __future__ import annotations

import heapq
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz_server.validation.revocation.ocsp import OcspStatus

if TYPE_CHECKING:
    from datetime import datetime

    from authz_server.validation.revocation.check import RevocationPolicy
    from authz_server.validation.revocation.ocsp import OcspAnswer
    from authz_server.validation.revocation.question import Question

# About 1.3 KB an answer (measured), without the certificate of a delegate: 65 MB when full, and twice that with them.
MAX_FETCHED = 50_000

_Key = tuple[bytes, bytes, int]


@dataclass(frozen=True, slots=True)
class _Entry:
    answer: OcspAnswer
    until: datetime


class FetchedAnswers:
    """The newest fetched answer about each certificate. One a process; safe for threads.

    It knows no clock: the caller says what time it is. What it holds is lost at a restart and is not shared between
    processes. Every request checks an answer again, its signer and its times: what is here too long is not believed.
    """

    def __init__(self, limit: int = MAX_FETCHED) -> None:
        """Remember at most ``limit`` answers."""
        self._limit = limit
        self._entries: dict[_Key, _Entry] = {}
        self._by_serial: dict[int, tuple[OcspAnswer, ...]] = {}
        self._ending: list[tuple[datetime, _Key]] = []  # a heap; what was replaced is passed over
        self._lock = threading.Lock()

    def remember(self, answer: OcspAnswer, question: Question, policy: RevocationPolicy, now: datetime) -> bool:
        """Keep ``answer`` for as long as ``policy`` believes it; whether there was a reason to.

        There is none if it does not answer ``question``, nobody who may signed it, or an answer that is held is newer. A
        revocation is kept until the certificate expires, or until a newer answer takes it back: forgetting it would let the
        client in where a soft policy finds nothing.
        """
        if not answer.is_verified_for(question, now):
            return False
        until = policy.believed_until(answer.this_update, answer.next_update)
        if answer.status is OcspStatus.REVOKED:
            until = max(until, question.certificate.x509.not_valid_after_utc)
        key = _key(question)
        with self._lock:
            self._forget(now)
            held = self._entries.get(key)
            if until < now or (held is not None and not _is_newer(answer, held.answer)):
                return False
            self._put(key, _Entry(answer, until))
            return True

    def about(self, serial: int) -> tuple[OcspAnswer, ...]:
        """The answers about a serial number, whichever issuer's."""
        return self._by_serial.get(serial, ())  # one look-up: no lock

    def answer_to(self, question: Question) -> OcspAnswer | None:
        """What is held about exactly this certificate, fresh or not."""
        entry = self._entries.get(_key(question))
        return None if entry is None else entry.answer

    @property
    def size(self) -> int:
        """How many answers are held. Not ``len``: an empty memory must not count as none."""
        return len(self._entries)

    def _put(self, key: _Key, entry: _Entry) -> None:
        held = self._entries.get(key)
        while held is None and len(self._entries) >= self._limit:
            self._drop_next()
        serial = key[2]
        others = (each for each in self._by_serial.get(serial, ()) if held is None or each is not held.answer)
        # One assignment: whoever reads meanwhile, without the lock, sees the answer before or this one.
        self._by_serial[serial] = (*others, entry.answer)
        self._entries[key] = entry
        heapq.heappush(self._ending, (entry.until, key))
        if len(self._ending) > 2 * self._limit:  # of answers replaced long before they end
            self._ending = [(each.until, known) for known, each in self._entries.items()]
            heapq.heapify(self._ending)

    def _forget(self, now: datetime) -> None:
        while self._ending and self._ending[0][0] < now:
            self._drop_next()

    def _drop_next(self) -> None:
        until, key = heapq.heappop(self._ending)
        entry = self._entries.get(key)
        if entry is not None and entry.until == until:
            self._drop(key)

    def _drop(self, key: _Key) -> None:
        entry = self._entries.pop(key)
        serial = key[2]
        others = tuple(answer for answer in self._by_serial[serial] if answer is not entry.answer)
        if others:
            self._by_serial[serial] = others
        else:
            del self._by_serial[serial]


def _key(question: Question) -> _Key:
    return question.issuer_name, question.issuer_spki, question.serial


def _is_newer(new: OcspAnswer, held: OcspAnswer) -> bool:
    """By thisUpdate; of two of one moment a revocation stays."""
    if new.this_update == held.this_update:
        return held.status is not OcspStatus.REVOKED
    return new.this_update > held.this_update
