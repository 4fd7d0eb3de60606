"""Prometheus metrics."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from prometheus_client import Metric

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
        self._revocation = Counter(
            "authz_decisions_by_revocation",
            "Decisions by outcome and what was known about revocation: good, unknown, not-checked.",
            ("outcome", "revocation"),
            registry=self.registry,
        )
        self._duration = Histogram(
            "authz_check_duration_seconds", "Time from request to decision.", buckets=_BUCKETS, registry=self.registry
        )
        self._reloads = Counter(
            "authz_reloads", "Attempts to load the configuration anew, by outcome.", ("outcome",), registry=self.registry
        )
        for outcome in ("success", "failure"):
            self._reloads.labels(outcome)  # a rate over a counter that appears with its first failure is blind to it
        self._ocsp = Counter(
            "authz_ocsp_queries", "Queries to OCSP responders, by how they ended.", ("result",), registry=self.registry
        )
        self._ocsp.labels("answered")
        self._fetched = Gauge("authz_ocsp_answers", "Fetched OCSP answers that are remembered.", registry=self.registry)
        self._loaded_at = Gauge(
            "authz_reload_last_success_timestamp_seconds",
            "When the configuration was last loaded without a problem.",
            registry=self.registry,
        )
        self._ready = Gauge("authz_ready", "1 while Check requests are served.", registry=self.registry)
        self._in_force = _InForce()
        self.registry.register(self._in_force)

    def count(self, outcome: str, reason: str, revocation: str, seconds: float) -> None:
        """Count one decision; ``outcome`` in lower case, ``reason`` empty on allow."""
        self._decisions.labels(outcome, reason).inc()
        self._revocation.labels(outcome, revocation).inc()
        self._duration.observe(seconds)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Describe the configuration in force."""
        self._in_force.snapshot = snapshot

    def count_reload(self, *, succeeded: bool) -> None:
        """Count one attempt to load the configuration anew."""
        self._reloads.labels("success" if succeeded else "failure").inc()
        if succeeded:
            self.set_loaded()

    def count_ocsp(self, result: str) -> None:
        """Count one query: ``answered``, or why nothing was taken. Safe for threads."""
        self._ocsp.labels(result).inc()

    def show_fetched(self, count: Callable[[], int]) -> None:
        """Show how many answers are remembered."""
        self._fetched.set_function(count)

    def set_loaded(self) -> None:
        """The configuration was loaded without a problem just now."""
        self._loaded_at.set(time.time())

    def show_revocation(self, statuses: tuple[SourceStatus, ...], published_at: datetime | None) -> None:
        """Describe the sources of revocation data, as the refresher told at ``published_at``."""
        self._in_force.revocation = statuses, published_at

    def set_ready(self, *, ready: bool) -> None:
        """Whether Check requests are served."""
        self._ready.set(int(ready))


class _InForce(Collector):
    """What is in force, described when it is asked for: a scrape never sees half of a change."""

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None
        self.revocation: tuple[tuple[SourceStatus, ...], datetime | None] = ((), None)

    def collect(self) -> Iterator[Metric]:
        """Every gauge."""
        yield from _of_snapshot(self.snapshot)
        yield from _of_sources(*self.revocation)


def _of_snapshot(snapshot: Snapshot | None) -> Iterator[Metric]:
    revisions = [snapshot.revision] if snapshot else []
    yield _gauge("authz_snapshot_info", "The configuration in force.", "revision", ((each, 1.0) for each in revisions))
    expiry = {each.sha256: each.x509.not_valid_after_utc.timestamp() for each in (snapshot.anchors if snapshot else ())}
    yield _gauge("authz_anchor_expiry_timestamp_seconds", "notAfter of each trust anchor.", "sha256", expiry.items())
    yield GaugeMetricFamily(
        "authz_denylist_entries", "Entries of the deny list in force.", value=len(snapshot.denylist) if snapshot else 0
    )


def _of_sources(statuses: tuple[SourceStatus, ...], published_at: datetime | None) -> Iterator[Metric]:
    labelled = [(source_label(status.source), status) for status in statuses]
    yield _gauge(
        "authz_revocation_source_loaded",
        "1 while data of the source is in use.",
        "source",
        ((label, float(status.is_loaded)) for label, status in labelled),
    )
    yield _gauge(
        "authz_revocation_source_failures",
        "Failed attempts since the last good one.",
        "source",
        ((label, float(status.failures)) for label, status in labelled),
    )
    yield _gauge(
        "authz_revocation_source_entries",
        "Entries of the data in use.",
        "source",
        ((label, float(status.entries)) for label, status in labelled),
    )
    yield _gauge(
        "authz_revocation_source_next_update_timestamp_seconds",
        "nextUpdate of the data in use.",
        "source",
        ((label, status.next_update.timestamp()) for label, status in labelled if status.next_update is not None),
    )
    published = GaugeMetricFamily(
        "authz_revocation_published_timestamp_seconds", "When the refresher last told; once a minute at the least."
    )
    if published_at is not None:
        published.add_metric([], published_at.timestamp())
    yield published


def _gauge(name: str, meaning: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for value, number in values:
        family.add_metric([value], number)
    return family


def source_label(source: str) -> str:
    """A source of revocation data as it is shown outside of the log: a URL's query may hold a token, so it is digested."""
    address, mark, query = source.partition("?")
    return f"{address}?{hashlib.sha256(query.encode()).hexdigest()[:8]}" if mark and "://" in address else source
