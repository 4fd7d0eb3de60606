"""``authz-server verify``: one chain or a batch, by the code that serves."""

from __future__ import annotations

import base64
import io
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from authz_server.cli import main
from tests import pki
from tests.validation.revocation.making import REVOKED, answer_der, crl_der

AT = pki.NOW.isoformat()
LEAF = pki.client()
SVID = pki.client(uris=[pki.SPIFFE], subject="CN=workload")
LENIENT = pki.client(subject="CN=old", eku="none")
CA = pki.intermediate()


def pem_crl(der):
    return x509.load_der_x509_crl(der).public_bytes(Encoding.PEM).decode()


GOOD_CRL, REVOKING_CRL = crl_der(), crl_der(LEAF)


@pytest.fixture
def run(tmp_path, capsys):
    """The exit code and the printed JSON for a chain and these options, with CRLs and OCSP responses as files."""
    (tmp_path / "ca.pem").write_bytes(pki.root().certificate_pem)

    def play(issued, *options, crls=(), answers=()):
        (tmp_path / "chain.pem").write_bytes(issued.chain_pem)
        files = []
        for number, (option, content) in enumerate(
            [*(("--crl", each) for each in crls), *(("--ocsp", each) for each in answers)]
        ):
            (tmp_path / f"{number}").write_bytes(content)
            files += [option, str(tmp_path / f"{number}")]
        code = main(
            [
                *("verify", "--json", "--at", AT, "--trust-bundle", str(tmp_path / "ca.pem")),
                *(*files, *options, str(tmp_path / "chain.pem")),
            ]
        )
        out = capsys.readouterr().out
        return code, json.loads(out) if out else None

    return play


def test_valid(run):
    """A valid chain gives its path, leaf first and anchor last."""
    code, shown = run(pki.alice())
    path = [pki.certificate(pki.alice()).sha256, pki.certificate(CA).sha256, pki.certificate(pki.root()).sha256]
    assert (code, shown["valid"], shown["path"], shown["revocation"]) == (0, True, path, "not-checked")


@pytest.mark.parametrize(
    ("issued", "options", "crls", "answers", "reason"),
    [
        (LEAF, [], [REVOKING_CRL], [], "certificate_revoked"),
        (LEAF, ["--revocation", "soft"], [REVOKING_CRL], [], "certificate_revoked"),
        (LEAF, [], [], [answer_der(LEAF, REVOKED)], "certificate_revoked"),
        (LEAF, ["--revocation", "hard"], [], [], "revocation_unavailable"),
        (LEAF, [], [b"no CRL"], [], None),  # nothing is left of it, and so there is nothing to check
        (LEAF, ["--revocation", "hard"], [b"no CRL"], [b"no answer"], "revocation_unavailable"),
        (LENIENT, [], [], [], "certificate_extended_key_usage"),
        (CA, [], [], [], "certificate_is_ca"),
        (LEAF, ["--profile", "spiffe"], [], [], "svid_invalid"),
    ],
)
def test_refused(run, issued, options, crls, answers, reason):
    """What is not valid is refused with the reason that the service would give."""
    code, shown = run(issued, *options, crls=crls, answers=answers)
    assert (code, shown.get("reason")) == (0 if reason is None else 1, reason)


@pytest.mark.parametrize(
    ("issued", "options", "crls", "leniencies"),
    [
        (LEAF, [], [GOOD_CRL], []),
        (LEAF, ["--revocation", "off"], [REVOKING_CRL], []),
        (LENIENT, ["--profile", "compatible"], [], ["missing-eku"]),
        (LENIENT, ["--purpose", "any"], [], []),
        (CA, ["--purpose", "any"], [], []),
        (SVID, ["--profile", "spiffe"], [], []),
    ],
)
def test_accepted(run, issued, options, crls, leniencies):
    """Profiles, purposes and modes let in what they say, and name what they overlooked."""
    code, shown = run(issued, *options, crls=crls)
    assert (code, shown["valid"], shown["leniencies"]) == (0, True, leniencies)


def test_several_crls_in_one_file(run):
    """A file may hold several CRLs in PEM; the one that revokes counts."""
    both = pem_crl(crl_der(issuer=CA)) + pem_crl(REVOKING_CRL)
    assert run(LEAF, crls=[both.encode()])[1]["reason"] == "certificate_revoked"


def test_words(run, capsys, tmp_path):
    """Without --json the answer is for people: the path a line each, or the reason and what it means."""
    run(LEAF)
    command = ["verify", "--at", AT, "--trust-bundle", str(tmp_path / "ca.pem"), str(tmp_path / "chain.pem")]
    assert main(command) == 0
    assert "CN=alice,O=Acme" in capsys.readouterr().out
    assert main([*command[:2], "2040-01-01", *command[3:]]) == 1
    assert "certificate_expired" in capsys.readouterr().out


@pytest.mark.parametrize("options", [[], ["chain.pem"], ["--trust-bundle", "absent", "absent"]])
def test_usage(options, capsys):
    """A missing argument or file is wrong usage, said on standard error."""
    assert main(["verify", *options]) == 2
    shown = capsys.readouterr()
    assert (shown.out, bool(shown.err)) == ("", True)


CHAIN = [LEAF.certificate_pem.decode()]
ANCHORS = [pki.root().certificate_pem.decode()]
QUESTION = {"id": 1, "chain": CHAIN, "anchors": ANCHORS, "at": AT}


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({}, {"valid": True, "path": [pki.certificate(LEAF).sha256, pki.certificate(pki.root()).sha256]}),
        ({"crls": [pem_crl(REVOKING_CRL)], "revocation": "hard"}, {"valid": False, "reason": "certificate_revoked"}),
        ({"crls": [pem_crl(REVOKING_CRL)]}, {"valid": False, "reason": "certificate_revoked"}),
        (
            {"ocsp": [base64.b64encode(answer_der(LEAF, REVOKED)).decode()]},
            {"valid": False, "reason": "certificate_revoked"},
        ),
        ({"revocation": "hard"}, {"valid": False, "reason": "revocation_unavailable"}),
        ({"at": "2040-01-01T00:00:00Z"}, {"valid": False, "reason": "certificate_expired"}),
        ({"chain": [LENIENT.certificate_pem.decode()]}, {"valid": False, "reason": "certificate_extended_key_usage"}),
        (
            {"chain": ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]},
            {"valid": False, "reason": "certificate_malformed"},
        ),
        ({"chain": []}, {"valid": False, "reason": "usage"}),
        ({"chain": "text"}, {"valid": False, "reason": "usage"}),
        ({"anchors": None}, {"valid": False, "reason": "usage"}),
        ({"profile": "lax"}, {"valid": False, "reason": "usage"}),
        ({"purpose": "server"}, {"valid": False, "reason": "usage"}),
        ({"revocation": "sometimes"}, {"valid": False, "reason": "usage"}),
        ({"at": "yesterday"}, {"valid": False, "reason": "usage"}),
        ({"ocsp": ["no base64!"]}, {"valid": False, "reason": "usage"}),
    ],
)
def test_batch(monkeypatch, capsys, changes, answer):
    """Each line gets its answer, a line that is no question the reason ``usage``, and none ends the batch."""
    lines = [json.dumps(QUESTION | changes).encode(), b"\xff", json.dumps(QUESTION).encode()]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\n".join(lines)), encoding="ascii"))
    assert main(["verify", "--batch"]) == 0
    first, second, third = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {"id": 1} | answer
    assert second == {"id": None, "valid": False, "reason": "usage"}
    assert third["valid"] is True
