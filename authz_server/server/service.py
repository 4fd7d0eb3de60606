"""The outermost handler: one CheckRequest in, one CheckResponse out, whatever happens between."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from authz_server.decision import Deny, decide_again
from authz_server.ext_authz import check_response, decide_check, is_grpc, outcome
from authz_server.observe import decision_record
from authz_server.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from authz_server.decision import Decision, Snapshot
    from authz_server.model import ForwardedRequest
    from authz_server.observe import DecisionLog, Metrics
    from authz_server.server.ocsp import OnlineStatus
    from authz_server.snapshots import SnapshotStore

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Call:
    """One Check call: what came, and the request in it once it was read. ``decision_id`` is in answer and decision line."""

    message: Any
    seconds_left: float | None
    decision_id: str
    started: float
    request: ForwardedRequest | None = None


class CheckService:
    """Decides, counts, logs and answers. Never raises."""

    def __init__(
        self,
        store: SnapshotStore,
        metrics: Metrics,
        log: DecisionLog,
        clock: Callable[[], datetime],
        online: OnlineStatus | None = None,
    ) -> None:
        """``clock`` gives the current time, aware UTC; it is read once a request. ``online`` asks OCSP responders."""
        self._store = store
        self._metrics = metrics
        self._decisions = log
        self._clock = clock
        self._online = online

    def check(self, message: Any, seconds_left: float | None = None) -> Any:
        """Answer one CheckRequest at once; or with a coroutine of the answer, where a responder's is to be waited for.

        ``seconds_left`` is what is left of the caller's deadline.
        """
        call = _Call(message, seconds_left, os.urandom(16).hex(), time.perf_counter())
        return self._guarded(call, partial(self._decide, call))

    def _guarded(self, call: _Call, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except Exception:  # noqa: BLE001 - the one place that catches everything, and it denies
            _log.exception("decision %s failed", call.decision_id)
            return self._failure(call.decision_id, call.request, call.started)

    def _decide(self, call: _Call) -> Any:
        now = self._clock()
        snapshot = self._store.current
        call.request, decision = decide_check(call.message, snapshot, now)
        if self._online is not None and snapshot is not None:
            lookups = self._online.look_up(decision, snapshot, now)
            patience = self._online.patience(call.seconds_left)
            if lookups and patience > 0:
                return self._answer_later(call, lookups, patience, partial(self._decide_again, call, decision, snapshot, now))
        return self._answer(call, decision, snapshot, now)

    async def _answer_later(
        self, call: _Call, lookups: tuple[Future[bool], ...], patience: float, work: Callable[[], Any]
    ) -> Any:
        await asyncio.wait([asyncio.wrap_future(each) for each in lookups], timeout=patience)
        return self._guarded(call, work)

    def _decide_again(self, call: _Call, decision: Decision, snapshot: Snapshot, now: datetime) -> Any:
        """With the same snapshot and time; where nothing more became known, the same decision."""
        if call.request is not None:
            decision = decide_again(call.request, decision, snapshot, now)
        return self._answer(call, decision, snapshot, now)

    def _answer(self, call: _Call, decision: Decision, snapshot: Snapshot | None, now: datetime) -> Any:
        response = check_response(decision, call.decision_id, is_grpc=is_grpc(call.request))
        self._observe(decision, call.decision_id, call.request, snapshot, now, call.started)
        return response

    def _failure(self, decision_id: str, request: ForwardedRequest | None, started: float) -> Any:
        """Deny because of our own fault, and say so where that is still possible."""
        decision = Deny(Reason.INTERNAL_ERROR, {})
        try:
            # The clock that was handed in may be what failed.
            self._observe(decision, decision_id, request, None, datetime.now(UTC), started)
        except (OSError, ValueError):  # the sink of decision lines is broken or closed: the count and our own log remain
            revocation = decision.evidence.revocation.value
            self._metrics.count(outcome(decision).lower(), decision.reason.value, revocation, time.perf_counter() - started)
        return check_response(decision, decision_id, is_grpc=is_grpc(request))

    def _observe(  # noqa: PLR0913, PLR0917 - the parts of a record
        self,
        decision: Decision,
        decision_id: str,
        request: ForwardedRequest | None,
        snapshot: Snapshot | None,
        now: datetime,
        started: float,
    ) -> None:
        """Write the decision line, then count: a decision that cannot be written down is an error, and counted as one."""
        seconds = time.perf_counter() - started
        record = decision_record(
            decision,
            decision_id=decision_id,
            request=request,
            snapshot=snapshot,
            time=now,
            seconds=seconds,
            redaction=self._decisions.redaction,
        )
        self._decisions.write(record)
        reason = decision.reason.value if isinstance(decision, Deny) else ""
        self._metrics.count(outcome(decision).lower(), reason, decision.evidence.revocation.value, seconds)
