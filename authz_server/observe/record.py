"""The decision record as a dictionary: the JSON form of ``DecisionRecord`` in ``protos/v1/decision.proto``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authz_server.decision import Allow, Decision, Deny, Evidence

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from authz_server.decision import Snapshot
    from authz_server.model import ForwardedRequest
    from authz_server.observe.redaction import Redaction
    from authz_server.reasons import Fact

# A path or a host may be as long as Envoy lets a header be; a line stays a line.
MAX_TEXT = 1024

# Facts of a refusal that hold a client's name or the peer's address.
_NAME_FACTS = frozenset({"issuer", "presented"})


def decision_record(  # noqa: PLR0913 - the parts of a record
    decision: Decision,
    *,
    decision_id: str,
    request: ForwardedRequest | None,
    snapshot: Snapshot | None,
    time: datetime,
    seconds: float,
    redaction: Redaction,
) -> dict[str, Any]:
    """One record; ``time`` is aware UTC, ``seconds`` what the decision took. Certificates appear as serial and fingerprint."""
    record: dict[str, Any] = {
        "id": decision_id,
        "time": _timestamp(time),
        "outcome": "ALLOW",
        "revocation": decision.evidence.revocation.value,
        "duration": f"{seconds:.6f}s",
    }
    if isinstance(decision, Allow):
        # A rule may be one client's exact name.
        record["rule"] = decision.rule if decision.rule == "*" else redaction.name(_text(decision.rule))
    else:
        record |= _refusal(decision, redaction)
    if request is not None:
        record["request"] = _request(request, redaction)
    if snapshot is not None:
        record["snapshot_revision"] = snapshot.revision
    record |= _evidence(decision.evidence, redaction)
    return record


def _refusal(decision: Deny, redaction: Redaction) -> dict[str, Any]:
    reason = decision.reason
    return {
        "outcome": "ERROR" if reason.is_our_fault else "DENY",
        "reason": reason.value,
        "http_status": reason.status,
        "detail": _facts(decision.facts, redaction),
    }


def _facts(facts: Mapping[str, Fact], redaction: Redaction) -> dict[str, Fact]:
    shown: dict[str, Fact] = {}
    for key, fact in facts.items():
        text = fact
        if isinstance(text, str):
            text = redaction.name(text) if key in _NAME_FACTS else redaction.address(text) if key == "address" else text
            text = _text(text)
        elif isinstance(text, list):
            text = [_text(each) for each in text]
        shown[key] = text
    return shown


def _request(request: ForwardedRequest, redaction: Redaction) -> dict[str, str]:
    return {
        "id": request.request_id,
        "method": _text(request.method),
        "host": _text(request.host),
        "path": _text(redaction.path(request.path)),
        "peer_address": redaction.address(_text(request.peer.address or "")),
    }


def _evidence(evidence: Evidence, redaction: Redaction) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if evidence.source is not None:
        source = evidence.source
        shown["source"] = {"name": source.name, "format": source.format.value, "header": source.header}
    if evidence.hop is not None:
        shown["hop"] = {"name": evidence.hop.name, "proofs": list(evidence.hop.proofs)}
    if evidence.path is not None and evidence.path.leniencies:
        shown["leniencies"] = list(evidence.path.leniencies)
    principal = evidence.principal
    if principal is not None:
        shown["principal"] = {
            "name": redaction.name(_text(principal.name.value)),
            "kind": principal.name.kind.value,
            "subject": redaction.name(_text(principal.subject)),
            "issuer": _text(principal.issuer),
            "serial": principal.serial,
            "sha256": principal.certificate_sha256,
            "public_key_sha256": principal.public_key_sha256,
            "anchor_sha256": principal.anchor_sha256,
            "not_after": _timestamp(principal.not_after),
            "trust_domain": principal.trust_domain,
        }
    elif evidence.presented is not None:
        leaf = evidence.presented.leaf
        shown["principal"] = {"serial": f"{leaf.x509.serial_number:x}", "sha256": leaf.sha256}
    return shown


def _text(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
