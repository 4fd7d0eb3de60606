"""Whatever stands in a proof's header: a refusal with a name, never another exception and never a proof."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from authz_server.hop import HopPolicy, SecretProof, prove_hop
from authz_server.reasons import Rejection
from tests.hop import test_mac as mac
from tests.hop.signing import ALGORITHMS, NOW, SECRET, plain, proof, signed, with_headers

SECRETS = SecretProof("x-hop-secret", (SECRET,))
# Envoy's strings are UTF-8: no lone surrogates.
TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)

# Pieces of structured fields, in any order, and other bytes between.
PIECES = st.sampled_from(
    rb'sig|=|(|)|"@method"|"client-cert"|;|created|keyid|"waf"|nonce|tag|1780315200|,| |?1|?0|:|:AA==:|@1|@99999999999999|-1.5|'
    rb'%"%c3%a9"|\|"|*|bs'.split(b"|")
)
STRUCTURED = st.lists(PIECES | st.binary(max_size=3), max_size=25).map(b"".join)
VALUES = STRUCTURED | st.binary(max_size=200)


def refused(request, asked):
    """No proof, and no other exception."""
    try:
        prove_hop(request, (HopPolicy("waf", (asked,)),), NOW)
    except Rejection:
        return True
    return False


@settings(max_examples=400, deadline=None)
@given(VALUES, VALUES, st.sampled_from(["", "waf"]))
@example(b"sig=(" * 1000, b"sig", "")
@example(b"a;" * 4000, b"sig", "")
@example(b"sig=@999999999999999", b"sig", "")
@example(b"sig=();created=9999999999999999999999", b"sig", "")
def test_signature_headers(described, value, tag):
    """Arbitrary Signature-Input and Signature."""
    request = with_headers(plain(), ("signature-input", described), ("signature", value))
    assert refused(request, proof(tag=tag))


@settings(max_examples=200, deadline=None)
@given(STRUCTURED, st.sampled_from(ALGORITHMS))
def test_signature_value(value, by):
    """A real Signature-Input and an arbitrary signature."""
    assert refused(with_headers(signed(by=by), ("signature", b"sig=" + value)), proof(by))


SIGNED = signed()


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 400), st.binary(max_size=3), st.integers(0, 5))
def test_damaged_signature_input(position, inserted, removed):
    """A real Signature-Input in which bytes are replaced, removed or inserted: none, or one that means the same."""
    value = dict(SIGNED.headers)["signature-input"]
    position %= len(value)
    changed = value[:position] + inserted + value[position + removed :]
    if not refused(with_headers(SIGNED, ("signature-input", changed)), proof()):
        # Spaces between items and before parameters do not count, nor does a label of both headers.
        assert re.sub(rb"[ \t]", b"", changed) == re.sub(rb"[ \t]", b"", value)


@settings(max_examples=200, deadline=None)
@given(TEXTS, TEXTS, TEXTS)
def test_arbitrary_requests(method, host, path):
    """Arbitrary methods, hosts and paths under one signature and one HMAC."""
    change = {"method": method, "host": host, "path": path}
    if host.lower().removesuffix(":443") != SIGNED.host or (method, path) != (SIGNED.method, SIGNED.path):
        assert refused(replace(SIGNED, **change), proof())
        assert refused(replace(mac.signed(), **change), mac.proof())


@settings(max_examples=100, deadline=None)
@given(TEXTS, TEXTS, TEXTS)
def test_whatever_is_signed_is_signed_for_itself(method, host, path):
    """An HMAC over any request proves that request, unless a value holds the separator."""
    request = mac.signed(mac.plain(method=method, host=host, path=path))
    assert refused(request, mac.proof()) == ("\n" in method + host + path)


@settings(max_examples=300, deadline=None)
@given(VALUES | st.from_regex(rb"t=[0-9]{1,13},n=[A-Za-z0-9_-]{14,18},mac=[0-9a-f]{64}\n?", fullmatch=True))
def test_mac_header(value):
    """Arbitrary HMAC headers."""
    assert refused(mac.with_mac(value), mac.proof())


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_secret_header(value):
    """Arbitrary secrets."""
    assert refused(with_headers(plain(), ("x-hop-secret", value)), SECRETS)
