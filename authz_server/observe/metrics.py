"""Prometheus metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from authz_server.decision import Snapshot

# Seconds. A warm decision takes tens of microseconds, a new certificate some hundreds.
_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)


class Metrics:
    """The service's metrics in a registry of their own."""

    def __init__(self) -> None:
        """Register every metric."""
        self.registry = CollectorRegistry()
        self._decisions = Counter(
            "authz_decisions", "Decisions by outcome and reason.", ("outcome", "reason"), registry=self.registry
        )
        self._duration = Histogram(
            "authz_check_duration_seconds", "Time from request to decision.", buckets=_BUCKETS, registry=self.registry
        )
        self._anchor_expiry = Gauge(
            "authz_anchor_expiry_timestamp_seconds", "notAfter of each trust anchor.", ("sha256",), registry=self.registry
        )
        self._snapshot = Gauge("authz_snapshot_info", "The configuration in force.", ("revision",), registry=self.registry)
        self._ready = Gauge("authz_ready", "1 while Check requests are served.", registry=self.registry)

    def count(self, outcome: str, reason: str, seconds: float) -> None:
        """Count one decision; ``outcome`` in lower case, ``reason`` empty on allow."""
        self._decisions.labels(outcome, reason).inc()
        self._duration.observe(seconds)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Describe the configuration in force."""
        self._snapshot.clear()
        self._anchor_expiry.clear()
        self._snapshot.labels(snapshot.revision).set(1)
        for anchor in snapshot.anchors:
            self._anchor_expiry.labels(anchor.sha256).set(anchor.x509.not_valid_after_utc.timestamp())

    def set_ready(self, *, ready: bool) -> None:
        """Whether Check requests are served."""
        self._ready.set(int(ready))
