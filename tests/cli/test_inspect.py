"""``authz-server inspect``: one value, or a batch of them that nothing in it can stop."""

from __future__ import annotations

import io
import json

import pytest

from authz_server.cli import main
from authz_server.forwarded.rfc9440 import encode_client_cert
from authz_server.forwarded.url_pem import encode_url_pem
from tests import pki


def field(issued):
    return encode_client_cert(issued.certificate_der)


ALICE = field(pki.alice())


@pytest.fixture
def root(tmp_path):
    """The trusted root as a file."""
    file = tmp_path / "ca.pem"
    file.write_bytes(pki.root().certificate_pem)
    return str(file)


def batch(monkeypatch, capsys, *lines: bytes):
    """The answers to these lines."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\n".join(lines)), encoding="ascii"))
    assert main(["inspect", "--batch"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_decoded(capsys):
    """Leaf and intermediates are shown with names, validity and fingerprint."""
    chain = field(pki.intermediate())
    assert main(["inspect", "--format", "rfc9440", "--json", "--chain", chain, ALICE]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["leaf"]["sha256"] == pki.certificate(pki.alice()).sha256
    assert shown["leaf"]["names"][0] == "uri:spiffe://example.org/alice"
    assert [each["subject"] for each in shown["intermediates"]] == ["CN=Intermediate"]


@pytest.mark.parametrize("value", ["-----BEGIN%20CERTIFICATE-----", encode_url_pem((pki.alice().certificate_der,))])
def test_refused_in_words(capsys, value):
    """The refusal says what the value looks like beside what was asked for."""
    assert main(["inspect", "--format", "rfc9440", value]) == 1
    out = capsys.readouterr().out
    assert out.startswith("structured_field_malformed:")
    assert "looks like URL-encoded PEM; you asked for rfc9440" in out


def test_refused_in_json(capsys):
    """With --json the refusal is a document with the reason."""
    assert main(["inspect", "--format", "xfcc", "--json", "x"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["reason"] == "xfcc_malformed"


def test_standard_input_of_any_bytes(monkeypatch, capsys):
    """Bytes that are no text are refused as the header would be, and never a traceback."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), encoding="utf-8"))
    assert main(["inspect", "--format", "rfc9440", "--json", "-"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["reason"] == "header_not_ascii"


@pytest.mark.parametrize("at", ["2026-06-01T12:00:00Z", "2026-06-01T12:00:00"])
def test_validated(root, at):
    """With a bundle the path is verified at the given time; a time without zone is UTC."""
    arguments = ["inspect", "--format", "rfc9440", "--trust-bundle", root, "--at", at]
    assert main([*arguments, "--chain", field(pki.intermediate()), ALICE]) == 0


def test_validated_today(tmp_path, capsys):
    """Without a time the path is verified now, and the names are shown in words."""
    bundle = tmp_path / "today.pem"
    bundle.write_bytes(pki.root_of_today().certificate_pem)
    value = encode_url_pem(pki.root_of_today().issue("CN=alice", uris=[pki.SPIFFE]).chain_der)
    assert main(["inspect", "--format", "url-pem", "--trust-bundle", str(bundle), value]) == 0
    assert pki.SPIFFE in capsys.readouterr().out


def test_one_document_for_a_refused_path(root, capsys):
    """With --json exactly one document is printed, here the refusal of the path."""
    arguments = ["inspect", "--format", "rfc9440", "--json", "--trust-bundle", root, "--at", pki.NOW.isoformat()]
    assert main([*arguments, ALICE]) == 1  # the intermediate is missing
    assert json.loads(capsys.readouterr().out)["error"]["reason"] == "issuer_unknown"


@pytest.mark.parametrize("arguments", [[], ["x"], ["--format", "xfcc", "--element", "third", "x"]])
def test_usage(arguments):
    """Wrong usage is 2."""
    assert main(["inspect", *arguments]) == 2


def test_batch_answers_every_line(monkeypatch, capsys):
    """A bad line gets the reason ``usage`` and the lines behind it are still answered."""
    good = json.dumps({"id": 9, "format": "rfc9440", "value": ALICE}).encode()
    answers = batch(
        monkeypatch,
        capsys,
        b"not JSON",
        b"\xff\xfe",  # not UTF-8
        b"[]",  # JSON, but no request
        b'{"id": 1, "format": "pkcs7", "value": "x"}',  # unknown format
        b'{"id": 1, "format": "unknown", "value": ""}',
        b'{"id": 1}',
        b'{"id": 2, "format": "rfc9440"}',  # no value
        b'{"id": 3, "format": "rfc9440", "value": 5}',
        b'{"id": 4, "format": "xfcc", "value": "x", "element": "middle"}',
        b"[" * 100_000,  # deeper than any parser goes
        good,
    )
    assert [answer["id"] for answer in answers] == [None, None, None, 1, 1, 1, 2, 3, 4, None, 9]
    assert {answer["error"]["reason"] for answer in answers[:-1]} == {"usage"}
    leaf = pki.certificate(pki.alice())
    assert answers[-1] == {
        "id": 9,
        "leaf": {"sha256": leaf.sha256, "subject": "CN=alice,O=Acme"},
        "intermediates": [],
    }


def test_batch_of_a_chain(monkeypatch, capsys):
    """Each answer shows the intermediates too."""
    line = json.dumps({"id": 1, "format": "url-pem", "value": encode_url_pem(pki.bob().chain_der)}).encode()
    (answer,) = batch(monkeypatch, capsys, line)
    assert answer["leaf"]["subject"] == "CN=bob"
    assert len(answer["intermediates"]) == 1


@pytest.mark.parametrize("form", ["rfc9440", "url-pem"])
@pytest.mark.parametrize("value", ["é", "\ud800", "\x00"])
def test_batch_not_ascii(monkeypatch, capsys, value, form):
    """Text outside visible ASCII is refused as a header's bytes would be."""
    line = json.dumps({"id": "a", "format": form, "value": value}).encode()
    assert batch(monkeypatch, capsys, line) == [{"id": "a", "error": {"reason": "header_not_ascii"}}]
