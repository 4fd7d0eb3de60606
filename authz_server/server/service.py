"""The outermost handler: one CheckRequest in, one CheckResponse out, whatever happens between."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Any

from authz_server.decision import Deny
from authz_server.ext_authz import check_response, decide_check, is_grpc, outcome
from authz_server.observe import decision_record
from authz_server.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

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
        try:
            return self._answer(message, decision_id)
        except Exception:  # noqa: BLE001 - the one place that catches everything, and it denies
            _log.exception("decision %s failed", decision_id)
            self._metrics.count("error", Reason.INTERNAL_ERROR.value, 0.0)
            return check_response(Deny(Reason.INTERNAL_ERROR, {}), decision_id, is_grpc=False)

    def _answer(self, message: Any, decision_id: str) -> Any:
        started = time.perf_counter()
        snapshot, now = self._store.current, self._clock()
        request, decision = decide_check(message, snapshot, now)
        response = check_response(decision, decision_id, is_grpc=is_grpc(request))
        seconds = time.perf_counter() - started
        reason = decision.reason.value if isinstance(decision, Deny) else ""
        self._metrics.count(outcome(decision).lower(), reason, seconds)
        self._decisions.write(
            decision_record(
                decision,
                decision_id=decision_id,
                request=request,
                snapshot=snapshot,
                time=now,
                seconds=seconds,
                redaction=self._decisions.redaction,
            )
        )
        return response
