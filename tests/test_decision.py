"""``decide``: total, in order, and deny is what remains."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz_server.access import AllowList, parse_pattern
from authz_server.decision import Allow, Deny, Snapshot, decide
from authz_server.forwarded import Format, Source
from authz_server.forwarded.rfc9440 import encode_client_cert, encode_client_cert_chain
from authz_server.hop import HopPolicy, PeerProof
from authz_server.model import NameKind, Peer
from authz_server.reasons import Reason, Step
from authz_server.validation import Profile
from tests.pki import AFTER, NOW, SECOND, alice, bundle, request

WAF, MARK = Peer("192.0.2.1", "waf", ""), {"hop": "mtls"}


def snapshot(allow="*", kind=NameKind.SPIFFE):
    hop = HopPolicy("waf", (PeerProof(frozenset({"waf"}), ("hop", "mtls")),))
    source = Source("waf", Format.RFC9440, "client-cert", "client-cert-chain")
    return Snapshot("r", hop, source, bundle(), Profile(), kind, AllowList((parse_pattern(allow),)), "x-auth-client-")


def asked(leaf=None, context=MARK):
    der, *above = alice().chain_der
    chain = encode_client_cert_chain(tuple(above)).encode()
    cert = encode_client_cert(leaf or der).encode()
    return request(("client-cert", cert), ("client-cert-chain", chain), peer=WAF, context=context)


def test_allow():
    """All steps hold: the rule is named, and the certificate's headers do not go on."""
    decision = decide(asked(), snapshot(), NOW)
    assert isinstance(decision, Allow)
    assert decision.rule == "*"
    assert dict(decision.headers)["x-auth-client-name"] == "spiffe://example.org/alice"
    assert {"client-cert", "client-cert-chain"} <= set(decision.headers_to_remove)
    assert not set(decision.headers_to_remove) & set(dict(decision.headers))


@pytest.mark.parametrize(
    ("ask", "how", "now", "reason", "known"),
    [
        (asked(context={}), snapshot(), NOW, Reason.HOP_CONTEXT_MISMATCH, 0),  # a valid certificate proves no hop
        (replace(asked(), headers=()), snapshot(), NOW, Reason.CREDENTIAL_MISSING, 1),
        (asked(), snapshot(), AFTER + SECOND, Reason.CERTIFICATE_EXPIRED, 2),
        (asked(), snapshot(kind=NameKind.DNS, allow="dns:bob"), NOW, Reason.NOT_ALLOWED, 4),
    ],
)
def test_deny(ask, how, now, reason, known):
    """The first step that refuses gives the reason; what the steps before established is evidence."""
    decision = decide(ask, how, now)
    assert isinstance(decision, Deny)
    assert decision.reason is reason
    evidence = decision.evidence
    found = [evidence.hop, evidence.presented, evidence.path, evidence.principal]
    assert [each is not None for each in found] == [n < known for n in range(4)]


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # negative serials and the like
@settings(max_examples=500, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_damaged_certificate(position, byte):
    """A certificate with any byte changed is decided, never a crash."""
    der = bytearray(alice().certificate_der)
    der[position % len(der)] = byte
    assert isinstance(decide(asked(bytes(der)), snapshot(), NOW), Allow if bytes(der) == alice().certificate_der else Deny)


@pytest.mark.parametrize("reason", Reason)
def test_reasons(reason):
    """Every reason has a step, a refusing status, and words; only our own faults are 503."""
    assert reason.status in {401, 403, 503}
    assert reason.is_our_fault == (reason.status == 503) == (reason.step is Step.SERVER)
    assert reason.meaning.endswith(".")
    assert reason.action
