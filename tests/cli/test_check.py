"""``authz-server check``: what ``serve`` would load, or every problem with it."""

import json

import pytest

from authz_server.cli import main
from authz_server.model import Certificate
from tests.pki import root_of_today
from tests.samples import WAF


def test_good(environ, capsys):
    """It prints the settings, hides secrets, shows the bundle, and ends with 0."""
    assert main(["check"]) == 0
    shown = capsys.readouterr().out
    assert "CN=Root of today" in shown
    assert environ["AUTHZ_LOG_MASK_KEY"] not in shown


def test_json(environ, capsys):
    """With --json it prints one document: settings with masked secrets, revision, anchors, and no problem."""
    assert main(["check", "--json"]) == 0
    text = capsys.readouterr().out
    shown = json.loads(text)
    assert set(shown) == {"settings", "revision", "trust_anchors", "warnings", "problems"}
    assert shown["settings"]["hops"]["waf"]["principals"] == [WAF]
    assert shown["settings"]["sources"]["default"]["format"] == "url-pem"
    assert environ["AUTHZ_LOG_MASK_KEY"] not in text
    (anchor,) = shown["trust_anchors"]
    assert anchor["sha256"] == Certificate.from_der(root_of_today().certificate_der).sha256
    assert anchor["subject"] == "CN=Root of today"
    assert shown["problems"] == []
    assert len(shown["warnings"]) == 1  # it expires within a month
    assert len(shown["revision"]) == 12


@pytest.mark.usefixtures("environ")
def test_json_of_problems(monkeypatch, capsys):
    """With --json problems stand in the document too, what could not be made is null, and the end is 1."""
    monkeypatch.setenv("AUTHZ_TRUST_BUNDLE_FILE", "/nonexistent")
    monkeypatch.setenv("AUTHZ_ALLOW", "alice")
    assert main(["check", "--json"]) == 1
    out, err = capsys.readouterr()
    shown = json.loads(out)
    assert err == ""
    assert (shown["revision"], shown["trust_anchors"]) == (None, None)
    assert [problem["name"] for problem in shown["problems"]] == ["AUTHZ_TRUST_BUNDLE_FILE", "AUTHZ_ALLOW"]
    monkeypatch.setenv("AUTHZ_SOURCE_FORMAT", "pkcs7")
    assert main(["check", "--json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["settings"] is None
    assert [problem["name"] for problem in shown["problems"]] == ["AUTHZ_SOURCE_FORMAT"]


@pytest.mark.usefixtures("environ")
def test_everything_is_reported(monkeypatch, capsys):
    """`check` and `serve` name every problem at once and end with 1."""
    monkeypatch.setenv("AUTHZ_TRUST_BUNDLE_FILE", "/nonexistent")
    monkeypatch.setenv("AUTHZ_ALLOW", "alice")
    assert [main(["check"]), main(["serve"])] == [1, 1]
    shown = capsys.readouterr().err
    assert shown.count("AUTHZ_TRUST_BUNDLE_FILE") == shown.count("AUTHZ_ALLOW: ") == 2
