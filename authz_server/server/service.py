"""The outermost handler: one CheckRequest in, one CheckResponse out, whatever happens between."""

from __future__ import annotations

import logging
import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from authz_server.decision import Deny
from authz_server.ext_authz import check_response, decide_check, is_grpc, outcome
from authz_server.observe import decision_record
from authz_server.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz_server.decision import Decision, Snapshot
    from authz_server.model import ForwardedRequest
    from authz_server.observe import DecisionLog, Metrics
    from authz_server.snapshots import SnapshotStore

_log = logging.getLogger(__name__)


class CheckService:
    """Decides, counts, logs and answers. Never raises."""

    def __init__(self, store: SnapshotStore, metrics: Metrics, log: DecisionLog, clock: Callable[[], datetime]) -> None:
        """``clock`` gives the current time, aware UTC; it is read once a request."""
        self._store = store
        self._metrics = metrics
        self._decisions = log
        self._clock = clock

    def check(self, message: Any) -> Any:
        """Answer one CheckRequest."""
        decision_id = os.urandom(16).hex()
        started = time.perf_counter()
        request = None
        try:
            now = self._clock()
            snapshot = self._store.current
            request, decision = decide_check(message, snapshot, now)
            response = check_response(decision, decision_id, is_grpc=is_grpc(request))
            self._observe(decision, decision_id, request, snapshot, now, started)
        except Exception:  # noqa: BLE001 - the one place that catches everything, and it denies
            _log.exception("decision %s failed", decision_id)
            return self._failure(decision_id, request, started)
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
