"""The commands as an operator types them."""

from __future__ import annotations

import io
import json
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from authz_server.cli import main
from authz_server.cli.reference import PAGES
from authz_server.demo.pki import Authority
from authz_server.forwarded.encodings import encode_pem
from authz_server.forwarded.url_pem import encode_url_pem
from authz_server.loading import load_anchors, load_snapshot
from authz_server.settings import read_settings
from tests.samples import ALICE, BOB, NOW, ROOT

A = ALICE.certificate_der
DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def environ(tmp_path, monkeypatch):
    bundle = tmp_path / "ca.crt"
    bundle.write_text(encode_pem((ROOT.certificate_der,)))
    values = {
        "AUTHZ_HOP_PRINCIPALS": "spiffe://lab/waf",
        "AUTHZ_SOURCE_FORMAT": "url-pem",
        "AUTHZ_TRUST_BUNDLE_FILE": str(bundle),
        "AUTHZ_ALLOW": "*",
        "AUTHZ_LOG_MASK_KEY": "a-secret",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


@pytest.mark.parametrize("page", PAGES)
def test_reference_pages_are_current(page):
    """The committed reference pages are what the command prints."""
    assert (DOCS / f"{page}.md").read_text(encoding="utf-8") == PAGES[page]()


def test_check(environ, capsys):
    """`check` prints the settings, hides secrets, shows the bundle, and ends with 0."""
    assert main(["check"]) == 0
    shown = capsys.readouterr().out
    assert "CN=Root CA" in shown
    assert environ["AUTHZ_LOG_MASK_KEY"] not in shown


@pytest.mark.usefixtures("environ")
def test_check_reports_everything(monkeypatch, capsys):
    """`check` and `serve` name every problem at once and end with 1."""
    monkeypatch.setenv("AUTHZ_TRUST_BUNDLE_FILE", "/nonexistent")
    monkeypatch.setenv("AUTHZ_ALLOW", "alice")
    assert [main(["check"]), main(["serve"])] == [1, 1]
    shown = capsys.readouterr().err
    assert shown.count("AUTHZ_TRUST_BUNDLE_FILE") == shown.count("AUTHZ_ALLOW: ") == 2


def test_inspect(capsys, tmp_path):
    """`inspect` shows a value or says why not and what it looks like; with a bundle it validates."""
    bundle = tmp_path / "ca.crt"
    bundle.write_text(encode_pem((ROOT.certificate_der,)))
    value = encode_url_pem((A,))
    assert main(["inspect", "--format", "url-pem", "--trust-bundle", str(bundle), value]) == 0
    assert "spiffe://example.org/alice" in capsys.readouterr().out
    assert main(["inspect", "--format", "rfc9440", value]) == 1
    assert "looks like URL-encoded PEM" in capsys.readouterr().out
    assert main(["inspect", "--format", "xfcc", "--json", "x"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["reason"] == "xfcc_malformed"
    assert main(["inspect", "--format", "xfcc", "--element", "third", "x"]) == 2
    assert main(["inspect"]) == 2


def test_inspect_batch(capsys, monkeypatch):
    """`inspect --batch` answers each line, whatever the line holds."""
    lines = [
        {"id": 1, "format": "url-pem", "value": encode_url_pem(BOB.chain_der)},
        {"id": 2, "format": "url-pem", "value": "é"},
        {"id": 3, "format": "unknown", "value": ""},
        {"id": 4},
        [],
    ]
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO(("".join(json.dumps(line) + "\n" for line in lines) + "junk\n").encode()))
    )
    assert main(["inspect", "--batch"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert answers[0]["leaf"]["subject"] == "CN=bob"
    assert len(answers[0]["intermediates"]) == 1
    reasons = ["header_not_ascii", "usage", "usage", "usage", "usage"]
    assert [answer["error"]["reason"] for answer in answers[1:]] == reasons


@pytest.mark.usefixtures("environ")
@pytest.mark.parametrize(("principal", "code", "last"), [("spiffe://lab/waf", 0, "ALLOW"), ("", 1, "DENY")])
def test_explain(tmp_path, capsys, principal, code, last):
    """`explain` goes through the steps of one captured request."""
    capture = tmp_path / "request.json"
    http = {"method": "GET", "path": "/", "headers": {"x-client-cert": encode_url_pem((A,))}}
    attributes = {"source": {"principal": principal}, "request": {"http": http}, "contextExtensions": {"hop": "mtls"}}
    capture.write_text(json.dumps({"attributes": attributes}))
    assert main(["explain", "--json", str(capture)]) == code
    shown = json.loads(capsys.readouterr().out)
    assert shown["outcome"] == last
    assert [step["result"] for step in shown["steps"]] == (["pass"] * 6 if code == 0 else ["pass", "fail"] + ["not reached"] * 4)
    assert main(["explain", str(capture)]) == code
    assert main(["explain", str(tmp_path / "none.pb")]) == 2


BASE = {"AUTHZ_HOP_NETWORKS": "10.0.0.0/8", "AUTHZ_SOURCE_FORMAT": "xfcc", "AUTHZ_TRUST_BUNDLE_FILE": "x", "AUTHZ_ALLOW": "*"}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"AUTHZ_UNKNOWN": "1"}, "AUTHZ_UNKNOWN"),
        ({"AUTHZ_HOP_NETWORKS": ""}, "AUTHZ_HOP_PRINCIPALS"),
        ({"AUTHZ_HOP_NETWORKS": "10.0.0.1/8"}, "AUTHZ_HOP_NETWORKS"),
        ({"AUTHZ_UNSAFE_NO_HOP_PROOF": "true"}, "AUTHZ_UNSAFE_NO_HOP_PROOF"),
        ({"AUTHZ_HOP_CERTIFICATE_SHA256": "00"}, "AUTHZ_HOP_PRINCIPALS"),
        ({"AUTHZ_HOP_PRINCIPALS": "CN=waf,O=Lab"}, "AUTHZ_HOP_PRINCIPALS"),
        ({"AUTHZ_LISTEN": "0.0.0.0:9001"}, "AUTHZ_LISTEN"),
        ({"AUTHZ_TLS_CERTIFICATE_FILE": "x"}, "AUTHZ_TLS_CERTIFICATE_FILE"),
        ({"AUTHZ_SOURCE_HEADER": "x-auth-client-cert"}, "AUTHZ_HEADER_PREFIX"),
        ({"AUTHZ_SOURCE_ELEMENT": "third"}, "AUTHZ_SOURCE_ELEMENT"),
        ({"AUTHZ_ALLOW": ""}, "AUTHZ_ALLOW"),
        ({"AUTHZ_ALLOW": "["}, "AUTHZ_ALLOW"),
        ({"AUTHZ_ALLOW_FILE": "/nonexistent"}, "AUTHZ_ALLOW_FILE"),
        ({"AUTHZ_CONFIG": "/nonexistent"}, "AUTHZ_CONFIG"),
    ],
)
def test_settings_problems(changes, name):
    """A wrong setting is reported by the name of its variable."""
    settings, problems = read_settings(BASE | changes)

    assert settings is None
    assert name in {problem.name for problem in problems}


def test_settings_file(tmp_path):
    """The environment wins over the file; a value may stand in a file of its own; lists may be JSON."""
    config, allow = tmp_path / "config.yaml", tmp_path / "allow"
    config.write_text("hop_principals: ['CN=waf,O=Lab']\nidentity: dns\nsource_format: xfcc\ntrust_bundle_file: x\n")
    allow.write_text('["dns:a", "dns:b"]\n')
    settings, problems = read_settings(
        {"AUTHZ_CONFIG": str(config), "AUTHZ_ALLOW_FILE": str(allow), "AUTHZ_IDENTITY": "email", "PATH": "/bin"}
    )
    assert problems == ()
    assert (settings.identity, settings.allow, settings.hop_principals) == ("email", ("dns:a", "dns:b"), ("CN=waf,O=Lab",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no PEM"),
        (ROOT.certificate_pem[:-10], "PEM"),
        (ROOT.certificate_pem + ROOT.certificate_pem[:200], "whole certificates"),
        (ROOT.certificate_pem + ROOT.key_pem, "private key"),
        (ALICE.certificate_pem, "not a CA certificate"),
        (Authority.create("Old", not_before=NOW - timedelta(9), not_after=NOW - timedelta(1)).certificate_pem, "expired"),
    ],
)
def test_bad_bundles(tmp_path, content, message):
    """A bundle that is not wholly good is refused, naming the file."""
    bundle = tmp_path / "ca.crt"
    bundle.write_bytes(content)
    with pytest.raises(ValueError, match=message) as refused:
        load_anchors(bundle, NOW)

    assert str(bundle) in str(refused.value)


def test_expiring_bundle_warns(environ):
    """An anchor that expires soon is warned about."""
    settings, _ = read_settings(environ | {"AUTHZ_TRUST_EXPIRY_WARNING_DAYS": "40"})

    assert "CN=Root CA" in load_snapshot(settings).warnings[0]
