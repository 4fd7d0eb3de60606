"""Proof by HMAC: one text, one request."""

from __future__ import annotations

import hashlib
import hmac
import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta

import pytest

from authz_server.hop import Freshness, MacProof, ReplayMemory
from authz_server.reasons import Reason
from tests import samples
from tests.hop.signing import CREATED, NOW, SECRET, proven, refusal, with_headers, without

NONCE = b"6f1c2d3e4b5a69788796a5b4c3d2e1f0"
OTHER = b"fedcba9876543210fedcba9876543210"
COVERED = ("client-cert", "client-cert-chain", "client-verify")

# What the proxy signs, written down whole, and what `openssl dgst -sha256 -hmac` and Python's hashlib both make of it.
TEXT = (
    b"authz-hop-v1\n1780315200\n6f1c2d3e4b5a69788796a5b4c3d2e1f0\nGET\napi.example.org\n/orders?token=secret\n:Zm9v:\n\nSUCCESS"
)
MAC = b"0d6b1646afd6618d2029a484d14274c4d0014d36e5ff5f10c3f409ba93610212"


def plain(**changes):
    """An unsigned request with a certificate, no chain, and the proxy's verdict."""
    return samples.request(("client-cert", b":Zm9v:"), ("client-verify", b"SUCCESS"), **{"stream_id": "1"} | changes)


def with_mac(value, request=None):
    return with_headers(request or plain(), ("x-hop-signature", value))


def header(time=b"%d" % CREATED, nonce=NONCE, mac=MAC):
    return b"t=%s,n=%s,mac=%s" % (time, nonce, mac)


def signed(request=None, time=CREATED, nonce=NONCE, key=SECRET):
    """The request with an HMAC of its own, over a text put together here."""
    request = request or plain()
    values = [b"".join(request.header_lines(name)) for name in COVERED]
    line = [request.method.encode(), request.host.encode(), request.path.encode()]
    text = b"\n".join([b"authz-hop-v1", b"%d" % time, nonce, *line, *values])
    return with_mac(header(b"%d" % time, nonce, hmac.new(key, text, hashlib.sha256).hexdigest().encode()), request)


def proof(*keys, **changes):
    fields = {"freshness": Freshness(), "memory": ReplayMemory()} | changes
    return MacProof("x-hop-signature", keys or (SECRET,), COVERED, **fields)


def test_vector():
    """The text is this one, byte for byte, and so is the HMAC: proxies are written against it."""
    assert hmac.new(SECRET, TEXT, hashlib.sha256).hexdigest().encode() == MAC
    assert proven(with_mac(header()), proof()) == ("hmac",)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_vector_by_openssl():
    """Another program makes the same of it."""
    made = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", SECRET.decode()],  # noqa: S607 - whichever openssl there is
        input=TEXT,
        capture_output=True,
        check=True,
    )
    assert made.stdout.split()[-1] == MAC


@pytest.mark.parametrize(
    "change",
    [
        {"method": "POST"},
        {"method": "get"},
        {"host": "admin.example.org"},
        {"host": "API.example.org"},
        {"host": "api.example.org:443"},
        {"path": "/orders"},
        {"path": "/orders?token=other"},
        {"host": "api.example.org\n/orders?token=secret", "path": ":Zm9v:"},  # the border between two lines, moved
    ],
)
def test_another_request(change):
    """Any other method, authority, path or query is another text."""
    assert refusal(replace(signed(), **change), proof())[0] is Reason.HOP_SIGNATURE_MISMATCH


@pytest.mark.parametrize(
    "change",
    [
        lambda r: with_headers(r, ("client-cert", b":YmFk:")),
        lambda r: without(r, "client-cert"),
        lambda r: with_headers(r, ("client-cert-chain", b":YmFy:")),  # added
        lambda r: with_headers(r, ("client-verify", b"FAILED")),
        lambda r: without(r, "client-verify"),
        lambda r: with_headers(r, ("client-cert", b""), ("client-cert-chain", b":Zm9v:")),  # moved to the neighbour
        lambda r: with_headers(without(r, "client-verify"), ("client-cert", b":Zm9v:\n\nSUCCESS")),  # three in one
    ],
)
def test_another_header(change):
    """What was signed for one header is not signed for another, nor for none."""
    assert refusal(change(signed()), proof())[0] is Reason.HOP_SIGNATURE_MISMATCH


def test_line_feed():
    """No signed value holds the separator, not even under a right HMAC."""
    for request in (plain(path="/a\nb"), with_headers(plain(), ("client-cert", b"a\nb"))):
        reason, facts = refusal(signed(request), proof())
        assert (reason, facts) == (Reason.HOP_SIGNATURE_MISMATCH, {"detail": "a line feed within a signed value"})


@pytest.mark.parametrize(
    "value",
    [
        b"x",
        header() + b"\n",
        b" " + header(),
        header() + b"," + header(),  # the client's line and the proxy's, joined
        header(time=b""),
        header(time=b"-1"),
        header(time=b"+1"),
        header(time=b"1e9"),
        header(time=b"1" * 13),
        header(time="\u0661".encode()),  # a digit, not ASCII
        header(time=b"999999999999"),  # after year 9999
        header(nonce=b"n" * 15),
        header(nonce=b"n" * 129),
        header(nonce=b"n" * 16 + b"."),
        header(mac=MAC[:-1]),
        header(mac=MAC + b"0"),
        header(mac=MAC.upper()),
        header().replace(b"t=", b"T="),
        header().replace(b",", b", "),
        b"\xff" * 100,
    ],
)
def test_malformed(value):
    """The header has one form, and nothing stands around it."""
    reason = refusal(with_mac(value), proof())[0]
    assert reason in {Reason.HOP_SIGNATURE_MALFORMED, Reason.HOP_SIGNATURE_MISMATCH}
    assert (reason is Reason.HOP_SIGNATURE_MISMATCH) == (value == header(time=b"999999999999"))  # of a form, but not signed


def test_signed_for_a_time_that_is_none():
    """A time after year 9999 is no time, whoever signed it."""
    far = refusal(signed(time=999_999_999_999), proof())
    assert far == (Reason.HOP_SIGNATURE_MALFORMED, {"created": 999_999_999_999, "expires": None})


def test_missing_and_doubled():
    """No header, an empty one and two lines have their own reasons; so has a second line of what is signed."""
    assert refusal(plain(), proof()) == (Reason.HOP_SIGNATURE_MISSING, {"header": "x-hop-signature"})
    assert refusal(with_mac(b""), proof()) == (Reason.HOP_SIGNATURE_MISSING, {"header": "x-hop-signature"})
    for name, value in (("x-hop-signature", header()), ("client-cert", b":Zm9v:")):
        doubled = replace(signed(), headers=(*signed().headers, (name, value)))
        assert refusal(doubled, proof()) == (Reason.HEADER_DUPLICATED, {"header": name, "lines": 2})


@pytest.mark.parametrize("keys", [(OTHER, SECRET), (SECRET, OTHER)])
def test_rotation(keys):
    """While keys change, either counts; another does not."""
    assert proven(signed(), proof(*keys)) == ("hmac",)
    assert refusal(signed(), proof(OTHER)) == (Reason.HOP_SIGNATURE_MISMATCH, {"header": "x-hop-signature"})


def test_no_keys_prove_nothing():
    """An empty list of keys is matched by nothing."""
    assert refusal(signed(key=b""), replace(proof(), keys=()))[0] is Reason.HOP_SIGNATURE_MISMATCH


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [(-6, Reason.HOP_SIGNATURE_FUTURE), (-5, None), (35, None), (36, Reason.HOP_SIGNATURE_EXPIRED)],
)
def test_time(seconds, reason):
    """The first and last second in which an HMAC counts."""
    assert refusal(signed(), proof(), NOW + timedelta(seconds=seconds))[0] is reason


def test_used_once():
    """A signed request proves the hop once, as long as it is fresh; with a new nonce it is another."""
    once = proof()
    assert proven(signed(), once) == ("hmac",)
    last = NOW + timedelta(seconds=35)
    assert refusal(replace(signed(), stream_id="2"), once, last) == (Reason.HOP_REPLAYED, {"nonce": NONCE.decode()})
    assert proven(signed(nonce=OTHER), once) == ("hmac",)


def test_refused_is_not_remembered():
    """Nobody without the key fills the memory or uses up a nonce, and neither does a stale message."""
    once = proof()
    for request, now in ((with_mac(header(mac=b"0" * 64)), NOW), (signed(), NOW + timedelta(hours=1))):
        assert refusal(request, once, now)[0] is not None
    assert once.memory.size == 0
    assert proven(signed(), once) == ("hmac",)


def test_keys_are_not_shown():
    """No key stands where a proof is printed."""
    assert repr(SECRET) not in repr(proof())
