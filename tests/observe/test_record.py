"""The decision record: the JSON form of ``DecisionRecord``, bounded and masked."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import orjson
import pytest
from google.protobuf import json_format
from prometheus_client import generate_latest

from authz_server._proto.v1.decision_pb2 import DecisionRecord
from authz_server.decision import Allow, Decision, Deny, Evidence, Snapshot, decide
from authz_server.hop import HopPolicy
from authz_server.model import ForwardedRequest
from authz_server.observe import DecisionLog, Metrics, Redaction, decision_record
from authz_server.reasons import Reason
from tests import samples
from tests.pki import NOW, authority, bundle, certificate, client
from tests.samples import showing

OPEN = Redaction(frozenset())
UNPROVEN = HopPolicy("waf", (), unsafe_unproven=True)
ACME = client()


def snapshot(allow: str = "*") -> Snapshot:
    """A snapshot that asks for no proof of the hop."""
    return samples.snapshot(allow, hops=(UNPROVEN,))


def record_of(decision: Decision, asked: ForwardedRequest | None, redaction: Redaction = OPEN) -> dict[str, Any]:
    """The record, read back through the protobuf message: what it says is what a consumer gets."""
    made = decision_record(
        decision, decision_id="id-1", request=asked, snapshot=snapshot(), time=NOW, seconds=0.000123, redaction=redaction
    )
    message = json_format.ParseDict(made, DecisionRecord())
    assert json_format.MessageToDict(message, preserving_proto_field_name=True) == made | {
        "time": message.time.ToJsonString(),
        "duration": message.duration.ToJsonString(),
        **(
            {"principal": made["principal"] | {"not_after": message.principal.not_after.ToJsonString()}}
            if "not_after" in made.get("principal", {})
            else {}
        ),
        **({"request": {key: value for key, value in made["request"].items() if value}} if asked else {}),
    }
    return made


def test_allow() -> None:
    """An allow names hop, source, principal, rule and snapshot, and parses as the protobuf message."""
    asked = showing(ACME)
    record = record_of(decide(asked, snapshot(), NOW), asked)
    assert (record["outcome"], record["rule"], record["revocation"]) == ("ALLOW", "*", "not-checked")
    assert record["hop"] == {"name": "waf", "proofs": ["unsafe-unproven"]}
    assert record["source"] == {"name": "default", "format": "url-pem", "header": "x-client-cert"}
    assert (record["principal"]["name"], record["principal"]["kind"]) == ("CN=alice,O=Acme", "subject")
    assert record["duration"] == "0.000123s"
    assert record["snapshot_revision"] == "r1"


def test_presented_only() -> None:
    """A certificate that was not verified appears by serial and fingerprint, never by a name."""
    leaf = client(authority("Other CA"), "CN=mallory")
    asked = showing(leaf)
    record = record_of(decide(asked, snapshot(), NOW), asked)
    assert (record["outcome"], record["reason"], record["http_status"]) == ("DENY", "issuer_unknown", 401)
    digest = certificate(leaf).sha256
    assert record["principal"] == {"serial": f"{leaf.certificate.serial_number:x}", "sha256": digest}


def test_our_fault() -> None:
    """Our own fault has the outcome ERROR."""
    record = record_of(Deny(Reason.CONFIGURATION_UNAVAILABLE, {}), None)
    assert (record["outcome"], record["reason"], record["http_status"]) == ("ERROR", "configuration_unavailable", 503)


def test_facts() -> None:
    """Every kind of fact survives the protobuf Struct."""
    facts = {"text": "a", "number": 3.0, "flag": True, "none": None, "list": ["1.2.3"]}
    assert record_of(Deny(Reason.PATH_INVALID, facts), None)["detail"] == facts


@pytest.mark.parametrize("length", [1024, 1025, 60_000])
def test_bounds(length: int) -> None:
    """No text is longer than 1024 characters, whatever a client sent."""
    asked = replace(showing(ACME), method="M" * length, host="h" * length, path="/" + "p" * length)
    record = record_of(Deny(Reason.PATH_INVALID, {"detail": "d" * length, "list": ["l" * length]}), asked)
    longest = [record["detail"]["detail"], record["detail"]["list"][0], *record["request"].values()]
    assert max(map(len, longest)) == 1024


def test_query_is_cut() -> None:
    """The query is masked: it carries tokens."""
    asked = showing(ACME)
    masked = record_of(Deny(Reason.NOT_ALLOWED, {}), asked, Redaction(frozenset({"query"})))
    assert masked["request"]["path"].partition("?")[0] == "/orders"
    assert "token" not in str(masked)
    assert record_of(Deny(Reason.NOT_ALLOWED, {}), asked)["request"]["path"] == "/orders?token=secret"


def test_address_is_masked() -> None:
    """The peer's address is hidden in the request and in the facts."""
    asked = showing(ACME)
    record = record_of(Deny(Reason.HOP_ADDRESS_MISMATCH, {"address": "192.0.2.7"}), asked, Redaction(frozenset({"address"})))
    assert "192.0.2.7" not in str(record)


@pytest.mark.parametrize("allowed", ["*", "subject:CN=alice,O=Acme", "common-name:al*", "sha256:" + "0" * 64])
def test_names_are_masked(allowed: str) -> None:
    """With names masked, no allow and no denial shows the client's name anywhere, not even through the rule."""
    asked = showing(ACME)
    record = record_of(decide(asked, snapshot(allowed), NOW), asked, Redaction(frozenset({"names"})))
    assert "alice" not in str(record)
    assert (record["principal"]["name"], record["principal"]["subject"]) == ("***", "***")


def test_names_are_masked_in_validation_errors() -> None:
    """The validation library's own words name certificates; with names masked they do not get through."""
    top = authority("Top", path_length=0)
    asked = showing(client(authority("alice CA", parent=top), "CN=alice"))
    strict = samples.snapshot("*", hops=(UNPROVEN,), trust=bundle(top))
    decision = decide(asked, strict, NOW)
    assert isinstance(decision, Deny)
    assert decision.reason is Reason.PATH_INVALID
    assert "alice" not in str(record_of(decision, asked, Redaction(frozenset({"names"}))))


def test_pseudonyms() -> None:
    """With a key, the same name has the same pseudonym, and another key gives another."""
    one, two = (Redaction(frozenset({"names"}), key) for key in (b"1", b"2"))
    assert one.name("alice") == one.name("alice") != one.name("bob")
    assert one.name("alice") != two.name("alice")
    assert len(one.name("alice")) == len("hmac:") + 16


def test_decision_line() -> None:
    """A record is one line of JSON, and allows are left out if only denials are asked for."""
    asked = showing(client(subject="CN=alice"))
    allowed, denied = (
        record_of(each, asked) for each in (decide(asked, snapshot(), NOW), Deny(Reason.NOT_ALLOWED, {"a": "x\ny"}))
    )
    every, denials = io.BytesIO(), io.BytesIO()
    for record in (allowed, denied):
        DecisionLog(every, OPEN).write(record)
        DecisionLog(denials, OPEN, denials_only=True).write(record)
    assert [json.loads(line) for line in every.getvalue().splitlines()] == [allowed, denied]
    assert orjson.loads(denials.getvalue()) == denied
    assert every.getvalue().count(b"\n") == 2


def test_metrics() -> None:
    """Decisions are counted by outcome and reason; the snapshot and its anchors are shown, the old ones gone."""
    metrics = Metrics()
    metrics.count("deny", "not_allowed", "unknown", 0.0002)
    metrics.show_snapshot(replace(snapshot(), revision="r0"))
    metrics.show_snapshot(snapshot())
    metrics.set_ready(ready=True)
    text = generate_latest(metrics.registry).decode()
    anchor = snapshot().anchors[0]
    assert 'authz_decisions_total{outcome="deny",reason="not_allowed"} 1.0' in text
    assert 'authz_decisions_by_revocation_total{outcome="deny",revocation="unknown"} 1.0' in text
    assert 'authz_snapshot_info{revision="r1"} 1.0' in text
    assert "r0" not in text
    assert f'authz_anchor_expiry_timestamp_seconds{{sha256="{anchor.sha256}"}}' in text
    assert "authz_ready 1.0" in text
    assert "authz_check_duration_seconds_count 1.0" in text


def test_evidence_is_optional() -> None:
    """A refusal before any step has neither hop nor principal."""
    record = record_of(Deny(Reason.REQUEST_MALFORMED, {}, Evidence()), None)
    assert not {"hop", "principal", "request", "rule"} & set(record)


def test_allow_is_real() -> None:
    """The fixture is allowed: the masks above are tried on an allow."""
    asked = showing(ACME)
    assert isinstance(decide(asked, snapshot("subject:CN=alice,O=Acme"), NOW), Allow)
