"""``decide``: total, in order, and deny is what remains."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz_server.decision import Allow, Deny, Ingress, decide
from authz_server.forwarded import Check, Format, Sibling
from authz_server.forwarded.rfc9440 import encode_client_cert, encode_client_cert_chain
from authz_server.forwarded.url_pem import encode_url_pem
from authz_server.hop import HopPolicy, SecretProof
from authz_server.model import NameKind
from authz_server.reasons import Reason
from tests.hop import test_mac as mac
from tests.hop.signing import proof, signed
from tests.pki import AFTER, NOW, SECOND, alice, authority, bundle, client
from tests.samples import MARK, NOBODY, PROOF, request, snapshot, source, trust_domain

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


PARTNERS = authority("Partners")
PARTNER = client(PARTNERS, "CN=partner")
SECRET = b"0123456789abcdef0123456789abcdef"

# Two ways in: employees by mTLS with RFC 9440, partners by a secret with URL-encoded PEM and a verdict beside it.
WAYS = {
    "employees": Ingress(source(Format.RFC9440), (HopPolicy("waf", (PROOF,)),), (trust_domain(),)),
    "partners": Ingress(
        source(Format.URL_PEM, siblings=(Sibling("x-verify", Check.VERIFIED, frozenset({"SUCCESS"})),)),
        (HopPolicy("cdn", (SecretProof("x-hop-secret", (SECRET,)),)), HopPolicy("signed", (mac.proof(), proof()))),
        (trust_domain("partners", trust=bundle(PARTNERS)),),
    ),
}
TWO = snapshot(ingresses=WAYS)


def at_employees(issued=None, name="employees"):
    der, *above = (issued or alice()).chain_der
    headers = [("client-cert", encode_client_cert(der).encode())]
    if above:
        headers.append(("client-cert-chain", encode_client_cert_chain(tuple(above)).encode()))
    return request(*headers, context={"source": name, **dict([MARK])})


def at_partners(issued=PARTNER, name="partners"):
    headers = [("x-client-cert", encode_url_pem(issued.chain_der).encode()), ("x-verify", b"SUCCESS")]
    return request(*headers, ("x-hop-secret", SECRET), context={"source": name}, peer=NOBODY)


def outcome(asked):
    """The reason of a refusal, the hop that was proven otherwise."""
    decision = decide(asked, TWO, NOW)
    return decision.reason if isinstance(decision, Deny) else decision.evidence.hop.name


def test_each_way_in_has_its_own():
    """Each source has its header, its hops and its anchors."""
    assert (outcome(at_employees()), outcome(at_partners())) == ("waf", "cdn")


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (at_employees(PARTNER), Reason.ISSUER_UNKNOWN),  # the partners' CA counts for partners only
        (at_partners(alice()), Reason.ISSUER_UNKNOWN),
        (at_employees(name="partners"), Reason.HOP_SECRET_MISSING),  # the employees' hop proves nothing at the partners'
        (at_partners(name="employees"), Reason.HOP_CONTEXT_MISMATCH),
        (at_employees(name=""), Reason.SOURCE_UNKNOWN),
        (at_employees(name="Employees"), Reason.SOURCE_UNKNOWN),
        (at_employees(name="nobody"), Reason.SOURCE_UNKNOWN),
        (replace(at_employees(), context=dict([MARK])), Reason.SOURCE_UNSPECIFIED),
        (replace(at_employees(), headers=at_partners().headers), Reason.CREDENTIAL_MISSING),  # another source's header
    ],
)
def test_ways_in_do_not_mix(asked, reason):
    """Nothing of one source counts at another, and a request of none is refused."""
    assert outcome(asked) is reason


def test_a_request_does_not_choose():
    """Only Envoy's context extension names the source; headers of that name, or the path, do not."""
    claims = request(("source", b"partners"), ("x-source", b"partners"), path="/?source=partners", context={})
    decision = decide(claims, TWO, NOW)
    assert (decision.reason, decision.facts) == (Reason.SOURCE_UNSPECIFIED, {"context": "source"})
    unknown = decide(at_employees(name="nobody"), TWO, NOW)
    assert (unknown.facts, unknown.evidence.source) == ({"source": "nobody"}, None)


def test_a_single_way_in_needs_no_name():
    """One source is meant without a name, but a wrong name is refused as well."""
    one = snapshot(ingresses={"employees": WAYS["employees"]})
    assert isinstance(decide(at_employees(), one, NOW), Allow)
    assert isinstance(decide(replace(at_employees(), context=dict([MARK])), one, NOW), Allow)
    assert decide(at_employees(name="partners"), one, NOW).reason is Reason.SOURCE_UNKNOWN


def test_everything_consumed_is_removed():
    """The headers of every source and hop go, those of the ways that were not taken too; what was not sent does not."""
    strays = [
        ("x-client-cert", b"stray"),
        ("x-verify", b"SUCCESS"),
        ("x-hop-secret", SECRET),
        ("x-hop-signature", b"stray"),
        ("signature", b"stray"),
        ("accept", b"*/*"),
    ]
    asked = at_employees()
    decision = decide(replace(asked, headers=(*asked.headers, *strays)), TWO, NOW)
    removed = set(decision.headers_to_remove)
    assert {name for name, _ in strays if name != "accept"} | {"client-cert", "client-cert-chain"} <= removed
    assert not removed & {"accept", "signature-input"}
    assert not removed & set(dict(decision.headers))
    assert TWO.consumed_headers >= {"signature", "signature-input", "x-hop-signature"}


def test_anchors_of_all_ways_in():
    """The anchors of a snapshot are those of every way in, each once."""
    assert {anchor.sha256 for anchor in TWO.anchors} == {
        anchor.sha256 for way in WAYS.values() for anchor in way.domains[0].trust.anchors
    }
    shared = snapshot(ingresses=dict.fromkeys("ab", WAYS["employees"]))
    assert len(shared.anchors) == 1


def test_nothing_is_an_error():
    """No way in, and one by no hop, are mistakes of the program and no configuration."""
    with pytest.raises(ValueError, match="at least one ingress"):
        snapshot(ingresses={})
    with pytest.raises(ValueError, match="at least one hop"):
        replace(WAYS["employees"], hops=())


def test_a_used_message_is_used_whatever_is_decided():
    """A signed request that is refused for its certificate does not prove the hop a second time."""
    how = snapshot(source=source(Format.RFC9440), hops=(HopPolicy("signed", (proof(),)),))
    assert decide(signed(), how, NOW).reason is Reason.CERTIFICATE_MALFORMED
    assert decide(replace(signed(), stream_id="2"), how, NOW).reason is Reason.HOP_REPLAYED


@pytest.mark.parametrize("reason", Reason)
def test_reasons(reason):
    """Every reason has a step, a refusing status, and words; only our own faults are 503."""
    assert reason.status in {401, 403, 503}
    assert reason.is_our_fault == (reason.status == 503)
    assert reason.meaning.endswith(".")
    assert reason.action
