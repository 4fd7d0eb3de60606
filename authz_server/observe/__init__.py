"""One decision line and one count for each decision. Nothing else logs requests."""

from authz_server.observe.log import DecisionLog
from authz_server.observe.metrics import Metrics, source_label
from authz_server.observe.record import decision_record
from authz_server.observe.redaction import Redaction

__all__ = ["DecisionLog", "Metrics", "Redaction", "decision_record", "source_label"]
