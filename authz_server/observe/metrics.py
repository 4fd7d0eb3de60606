"""Prometheus metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authz_server.decision import Snapshot
    from authz_server.refresh import SourceStatus

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
        self._reloads = Counter(
            "authz_reloads", "Attempts to load the configuration anew, by outcome.", ("outcome",), registry=self.registry
        )
        self._denylist = Gauge("authz_denylist_entries", "Entries of the deny list in force.", registry=self.registry)
        self._revocation_loaded = Gauge(
            "authz_revocation_source_loaded", "1 while data of the source is in use.", ("source",), registry=self.registry
        )
        self._revocation_failures = Gauge(
            "authz_revocation_source_failures", "Failed attempts since the last good one.", ("source",), registry=self.registry
        )
        self._revocation_next_update = Gauge(
            "authz_revocation_source_next_update_timestamp_seconds",
            "nextUpdate of the data in use.",
            ("source",),
            registry=self.registry,
        )
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
        self._denylist.set(len(snapshot.denylist))
        for anchor in snapshot.anchors:
            self._anchor_expiry.labels(anchor.sha256).set(anchor.x509.not_valid_after_utc.timestamp())

    def count_reload(self, *, succeeded: bool) -> None:
        """Count one attempt to load the configuration anew."""
        self._reloads.labels("success" if succeeded else "failure").inc()

    def show_revocation(self, statuses: Iterable[SourceStatus]) -> None:
        """Describe the sources of revocation data."""
        for gauge in (self._revocation_loaded, self._revocation_failures, self._revocation_next_update):
            gauge.clear()
        for status in statuses:
            self._revocation_loaded.labels(status.source).set(int(status.is_loaded))
            self._revocation_failures.labels(status.source).set(status.failures)
            if status.next_update is not None:
                self._revocation_next_update.labels(status.source).set(status.next_update.timestamp())

    def set_ready(self, *, ready: bool) -> None:
        """Whether Check requests are served."""
        self._ready.set(int(ready))
