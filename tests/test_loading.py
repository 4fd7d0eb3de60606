"""Files and settings -> snapshot. A trust bundle with one certificate that cannot be an anchor is refused whole."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from datetime import timedelta

import pytest
from cryptography import x509

from authz_server.hop import NetworkProof, PeerProof
from authz_server.loading import load_anchors, load_snapshot
from authz_server.settings import read_settings
from tests import pki


@pytest.fixture
def load(tmp_path):
    """Load with this bundle and these settings at ``now``."""

    def load_bundle(bundle: bytes, now=pki.NOW, **more):
        file = tmp_path / "ca.pem"
        file.write_bytes(bundle)
        variables = {"SOURCE_FORMAT": "xfcc", "ALLOW": "*", "HOP_PRINCIPALS": "w", "TRUST_BUNDLE_FILE": str(file)} | more
        settings, problems = read_settings({f"AUTHZ_{name}": value for name, value in variables.items()})
        assert problems == ()
        return load_snapshot(settings, now)

    return load_bundle


ROOT = pki.root().certificate_pem
NOT_CA = pki.client(extensions=((x509.BasicConstraints(ca=False, path_length=None), True),))


@pytest.mark.parametrize(
    ("bundle", "words"),
    [
        (b"", "no PEM"),
        (b"no PEM at all", "no PEM"),
        (ROOT[:-40], "PEM"),  # half-written, the only one
        (ROOT[:-10], "PEM"),
        (ROOT + ROOT[:200], "whole certificates"),  # half-written, the last one: a PEM loader skips it
        (ROOT + pki.root().key_pem, "private key"),  # has no business here
        (ROOT + pki.alice().certificate_pem, "alice"),  # one of two is no CA
        (pki.alice().certificate_pem, "not a CA certificate (no basic constraints)"),
        (ROOT + NOT_CA.certificate_pem, "not a CA certificate (CA:FALSE)"),
        (pki.authority("Old", not_after=pki.NOW - pki.SECOND).certificate_pem, "expired"),
    ],
)
def test_bundle_refused(load, bundle, words):
    """The problem names the file, what is wrong, and the certificate where it is one certificate's fault."""
    loaded = load(bundle)
    assert loaded.snapshot is None
    (problem,) = loaded.problems
    assert problem.name == "AUTHZ_TRUST_BUNDLE_FILE"
    assert "ca.pem" in problem.message
    assert words in problem.message


def test_anchors_of_a_file(tmp_path):
    """A bundle alone, as `inspect` takes it, is held to the same, and the error names the file."""
    file = tmp_path / "ca.crt"
    file.write_bytes(ROOT)
    assert load_anchors(file, pki.NOW) == (pki.certificate(pki.root()),)
    for content, words in ((b"", "no PEM"), (pki.alice().certificate_pem, "not a CA certificate")):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=words) as refused:
            load_anchors(file, pki.NOW)
        assert str(file) in str(refused.value)


def test_unreadable(load, tmp_path):
    """A bundle that is not there keeps the service from starting."""
    loaded = load(ROOT, TRUST_BUNDLE_FILE=str(tmp_path / "absent"))
    assert [problem.name for problem in loaded.problems] == ["AUTHZ_TRUST_BUNDLE_FILE"]
    assert loaded.snapshot is None


def test_expiry_boundary(load):
    """RFC 5280 §4.1.2.5: the last second is valid to its end, the next is not."""
    last = pki.root().certificate.not_valid_after_utc
    assert load(ROOT, last + timedelta(microseconds=999_999)).snapshot is not None
    assert load(ROOT, last + pki.SECOND).snapshot is None


def test_expiry_warning(load):
    """A CA certificate that expires soon is a warning, not a problem."""
    (warning,) = load(ROOT, TRUST_EXPIRY_WARNING_DAYS="3").warnings
    assert "CN=Root" in warning
    assert load(ROOT, TRUST_EXPIRY_WARNING_DAYS="1").warnings == ()


PIN = "ab" * 32


@pytest.mark.parametrize("text", [PIN, PIN.upper(), ":".join(["ab"] * 32), base64.b64encode(bytes.fromhex(PIN)).decode()])
def test_pins(load, text):
    """Pins are hex, with colons or without, or base64 as Envoy writes them."""
    loaded = load(ROOT, HOP_CERTIFICATE_SHA256=text)
    assert loaded.snapshot.ingresses["default"].hops[0].proofs == (
        PeerProof(frozenset({"w"}), ("hop", "mtls"), frozenset({PIN}), frozenset()),
    )


@pytest.mark.parametrize("text", [PIN[:-2], "zz" * 32, "é" * 32])
def test_pins_refused(load, text):
    """Anything that is not 32 bytes is named."""
    assert [p.name for p in load(ROOT, HOP_PUBLIC_KEY_SHA256=text).problems] == ["AUTHZ_HOP_PUBLIC_KEY_SHA256"]


def test_both_proofs(load):
    """A principal and a network are both asked for."""
    (hop,) = load(ROOT, HOP_NETWORKS="10.0.0.0/8").snapshot.ingresses["default"].hops
    assert [type(proof) for proof in hop.proofs] == [PeerProof, NetworkProof]


def test_all_problems(load):
    """A bad pattern and a bad bundle are reported together."""
    assert {p.name for p in load(b"", ALLOW="nobody:x").problems} == {"AUTHZ_ALLOW", "AUTHZ_TRUST_BUNDLE_FILE"}


def test_revision_follows_content(load):
    """The revision changes with the settings and with the bundle, and with nothing else."""
    first = load(ROOT).snapshot.revision
    assert load(ROOT, pki.NOW + pki.SECOND).snapshot.revision == first
    assert load(ROOT, HOP_NAME="other").snapshot.revision != first
    assert load(ROOT + b"\n").snapshot.revision != first


_DUMP = """
from authz_server.settings import read_settings
base = {"SOURCE_FORMAT": "xfcc", "ALLOW": "*", "HOP_PRINCIPALS": "w", "TRUST_BUNDLE_FILE": "/x"}
base["LOG_MASK"] = "query,names,address"
print(read_settings({"AUTHZ_" + k: v for k, v in base.items()})[0].model_dump_json())
"""


def test_revision_is_the_same_in_every_process():
    """What the revision is made from does not depend on the process's hash seed, which orders sets."""
    dumps = {
        subprocess.run(
            [sys.executable, "-c", _DUMP], env=os.environ | {"PYTHONHASHSEED": str(seed)}, capture_output=True, check=True
        ).stdout
        for seed in range(6)
    }
    assert len(dumps) == 1
