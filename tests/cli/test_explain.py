"""``authz-server explain``: one captured request, step by step."""

import json

import pytest

from authz_server.cli import main
from authz_server.forwarded.url_pem import encode_url_pem
from tests.pki import SPIFFE, root_of_today
from tests.samples import WAF


@pytest.mark.usefixtures("environ")
@pytest.mark.parametrize(("principal", "code", "outcome"), [(WAF, 0, "ALLOW"), ("", 1, "DENY")])
def test_explain(tmp_path, capsys, principal, code, outcome):
    """Every step up to the one that refuses is shown, and the exit code is the outcome."""
    capture = tmp_path / "request.json"
    alice = root_of_today().issue("CN=alice", uris=[SPIFFE])
    http = {"method": "GET", "path": "/", "headers": {"x-client-cert": encode_url_pem((alice.certificate_der,))}}
    attributes = {"source": {"principal": principal}, "request": {"http": http}, "contextExtensions": {"hop": "mtls"}}
    capture.write_text(json.dumps({"attributes": attributes}))
    assert main(["explain", "--json", str(capture)]) == code
    shown = json.loads(capsys.readouterr().out)
    assert shown["outcome"] == outcome
    assert [step["result"] for step in shown["steps"]] == (["pass"] * 6 if code == 0 else ["pass", "fail"] + ["not reached"] * 4)
    assert main(["explain", str(capture)]) == code


@pytest.mark.usefixtures("environ")
def test_unreadable_capture(tmp_path):
    """A capture that is not there is wrong usage."""
    assert main(["explain", str(tmp_path / "none.pb")]) == 2
