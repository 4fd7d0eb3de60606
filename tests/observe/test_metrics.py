"""What the metrics show of revocation data and reloads."""

from __future__ import annotations

from datetime import UTC, datetime

from authz_server.observe import Metrics, source_label
from authz_server.refresh import SourceStatus
from tests.pki import AFTER

PUBLISHED = datetime(2026, 6, 1, tzinfo=UTC)


def value(metrics, name, **labels):
    """A sample."""
    return metrics.registry.get_sample_value(name, labels)


def test_sources():
    """Each source has its state; one that is gone has none, and what is not known is not there."""
    metrics = Metrics()
    gone = SourceStatus("/gone.crl", crls=("a",))
    one = SourceStatus("/one.crl", crls=("a", "b"), entries=3, next_update=AFTER)
    two = SourceStatus("http://crl.example/?token=secret", failures=2)
    metrics.show_revocation((gone,), None)
    assert value(metrics, "authz_revocation_published_timestamp_seconds") is None
    metrics.show_revocation((one, two), PUBLISHED)
    label = source_label(two.source)
    assert "secret" not in label
    assert [value(metrics, "authz_revocation_source_loaded", source=name) for name in ("/gone.crl", "/one.crl", label)] == [
        None,
        1,
        0,
    ]
    assert value(metrics, "authz_revocation_source_entries", source="/one.crl") == 3
    assert value(metrics, "authz_revocation_source_failures", source=label) == 2
    next_update = "authz_revocation_source_next_update_timestamp_seconds"
    assert value(metrics, next_update, source="/one.crl") == AFTER.timestamp()
    assert value(metrics, next_update, source=label) is None
    assert value(metrics, "authz_revocation_published_timestamp_seconds") == PUBLISHED.timestamp()


def test_labels_of_sources():
    """Two URLs that differ in their query stay two; files are shown as they are."""
    labels = [source_label(source) for source in ("http://a/?1", "http://a/?2", "http://a/", "/a?b.crl")]
    assert len(set(labels)) == 4
    assert labels[2:] == ["http://a/", "/a?b.crl"]


def test_reloads():
    """Both outcomes are there from the beginning; only a good load renews the time of the last one."""
    metrics = Metrics()
    assert [value(metrics, "authz_reloads_total", outcome=outcome) for outcome in ("success", "failure")] == [0, 0]
    metrics.count_reload(succeeded=False)
    assert value(metrics, "authz_reload_last_success_timestamp_seconds") == 0
    metrics.count_reload(succeeded=True)
    assert value(metrics, "authz_reload_last_success_timestamp_seconds") > PUBLISHED.timestamp()
    assert [value(metrics, "authz_reloads_total", outcome=outcome) for outcome in ("success", "failure")] == [1, 1]
