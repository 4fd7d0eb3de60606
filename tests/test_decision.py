"""``decide``: total, in order, and deny is what remains."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz_server.decision import Allow, Deny, decide
from authz_server.forwarded import Format
from authz_server.forwarded.rfc9440 import encode_client_cert, encode_client_cert_chain
from authz_server.model import NameKind
from authz_server.reasons import Reason
from tests.pki import AFTER, NOW, SECOND, alice
from tests.samples import request, snapshot, source

BY_FIELD = {"source": source(Format.RFC9440), "identity": NameKind.SPIFFE}


def asked(leaf=None, **changes):
    der, *above = alice().chain_der
    chain = encode_client_cert_chain(tuple(above)).encode()
    cert = encode_client_cert(leaf or der).encode()
    return request(("client-cert", cert), ("client-cert-chain", chain), **changes)


def test_allow():
    """All steps hold: the rule is named, and the certificate's headers do not go on."""
    decision = decide(asked(), snapshot(**BY_FIELD), NOW)
    assert isinstance(decision, Allow)
    assert decision.rule == "*"
    assert dict(decision.headers)["x-auth-client-name"] == "spiffe://example.org/alice"
    assert {"client-cert", "client-cert-chain"} <= set(decision.headers_to_remove)
    assert not set(decision.headers_to_remove) & set(dict(decision.headers))


@pytest.mark.parametrize(
    ("ask", "how", "now", "reason", "known"),
    [
        (asked(context={}), snapshot(**BY_FIELD), NOW, Reason.HOP_CONTEXT_MISMATCH, 0),  # a valid certificate proves no hop
        (replace(asked(), headers=()), snapshot(**BY_FIELD), NOW, Reason.CREDENTIAL_MISSING, 1),
        (asked(), snapshot(**BY_FIELD), AFTER + SECOND, Reason.CERTIFICATE_EXPIRED, 2),
        (asked(), snapshot("dns:bob", source=source(Format.RFC9440), identity=NameKind.DNS), NOW, Reason.NOT_ALLOWED, 4),
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
    assert isinstance(
        decide(asked(bytes(der)), snapshot(**BY_FIELD), NOW), Allow if bytes(der) == alice().certificate_der else Deny
    )


@pytest.mark.parametrize("reason", Reason)
def test_reasons(reason):
    """Every reason has a step, a refusing status, and words; only our own faults are 503."""
    assert reason.status in {401, 403, 503}
    assert reason.is_our_fault == (reason.status == 503)
    assert reason.meaning.endswith(".")
    assert reason.action
