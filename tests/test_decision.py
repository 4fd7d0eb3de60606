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
from authz_server.validation import (
    Denylist,
    PinnedCertificates,
    Profile,
    RevocationData,
    RevocationMode,
    RevocationPolicy,
    RevocationStatus,
)
from tests.hop import test_mac as mac
from tests.hop.signing import proof, signed
from tests.pki import AFTER, BEFORE, NOW, SECOND, alice, authority, bundle, certificate, client
from tests.samples import MARK, NOBODY, PROOF, request, showing, snapshot, source, trust_domain
from tests.validation.revocation import making

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


@pytest.mark.parametrize("name", ["x_auth_client_name", "x-auth-client_name", "x_auth-client-anything"])
def test_aliases_of_identity_headers(name):
    """CGI and WSGI take ``x_auth_client_name`` for the identity header: a client that sends it is refused."""
    asking = asked()
    decision = decide(replace(asking, headers=(*asking.headers, (name, b"admin"))), snapshot(**BY_FIELD), NOW)
    assert isinstance(decision, Deny)
    assert (decision.reason, decision.facts) == (Reason.HEADER_ALIASED, {"header": name})


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


# Whom clients may belong to: two SPIFFE trust domains, one strict and one lenient, a corporate CA and pinned devices.
LENIENT_CA, CORPORATE = authority("Lenient"), authority("Corporate")
DEVICE = client(authority("Device"), "CN=device", eku="none")
SVID = client(uris=["spiffe://strict.example/alice"])
DOMAINS = (
    trust_domain(
        "strict",
        profile=Profile(spiffe_trust_domain="strict.example"),
        identity=NameKind.SPIFFE,
        spiffe_trust_domain="strict.example",
    ),
    trust_domain(
        "lenient", trust=bundle(LENIENT_CA), profile=Profile(allow_missing_eku=True), spiffe_trust_domain="lenient.example"
    ),
    trust_domain("corporate", trust=bundle(CORPORATE)),
    trust_domain("devices", trust=PinnedCertificates("devices", (certificate(DEVICE),))),
)


def among(*domains, **changes):
    """A configuration with these trust domains, the four of them unless told."""
    way = Ingress(source(Format.URL_PEM), (HopPolicy("waf", (PROOF,)),), domains or DOMAINS)
    return snapshot(ingresses={"default": way}, **changes)


def belongs(issued, name=None, how=None):
    """The trust domain of the client, or the reason and facts of the refusal."""
    context = dict([MARK]) | ({} if name is None else {"trust_domain": name})
    decision = decide(showing(issued, context=context), how or among(), NOW)
    return decision.principal.trust_domain if isinstance(decision, Allow) else (decision.reason, dict(decision.facts))


@pytest.mark.parametrize(
    ("issued", "name", "domain"),
    [
        (SVID, None, "strict"),  # by its claim
        (SVID, "strict", "strict"),
        (client(LENIENT_CA, uris=["spiffe://lenient.example/a"], eku="none"), None, "lenient"),
        (client(LENIENT_CA), "lenient", "lenient"),  # Envoy's word needs no claim
        (client(CORPORATE), "corporate", "corporate"),
        (client(CORPORATE, uris=["spiffe://unknown.example/a"]), "corporate", "corporate"),  # nobody's here
        (DEVICE, "devices", "devices"),
    ],
)
def test_trust_domain(issued, name, domain):
    """The trust domain is Envoy's word, else the certificate's claim, and is part of who the client is."""
    assert belongs(issued, name) == domain


@pytest.mark.parametrize(
    ("issued", "name", "reason", "facts"),
    [
        # No word and no claim: nobody is tried in turn.
        (client(CORPORATE), None, Reason.TRUST_DOMAIN_UNDETERMINED, {"claimed": None}),
        (client(uris=["spiffe://other.example/a"]), None, Reason.TRUST_DOMAIN_UNDETERMINED, {"claimed": "other.example"}),
        (DEVICE, None, Reason.TRUST_DOMAIN_UNDETERMINED, {"claimed": None}),
        (client(uris=["spiffe://corporate/a"]), None, Reason.TRUST_DOMAIN_UNDETERMINED, {"claimed": "corporate"}),  # its name
        (
            client(uris=["spiffe://strict.example/a", "spiffe://lenient.example/a"]),
            None,
            Reason.TRUST_DOMAIN_UNDETERMINED,
            {"claimed": None},
        ),
        (client(uris=[""]), None, Reason.TRUST_DOMAIN_UNDETERMINED, {"claimed": None}),  # is no claim of those without one
        # An unknown word is refused, whatever the certificate claims.
        (SVID, "", Reason.TRUST_DOMAIN_UNKNOWN, {"trust_domain": ""}),
        (SVID, "Strict", Reason.TRUST_DOMAIN_UNKNOWN, {"trust_domain": "Strict"}),
        (SVID, "strict.example", Reason.TRUST_DOMAIN_UNKNOWN, {"trust_domain": "strict.example"}),
        # A claim chooses anchors and nothing more: who claims the lenient domain must lead to its CA.
        (client(uris=["spiffe://lenient.example/a"], eku="none"), None, Reason.ISSUER_UNKNOWN, {"issuer": "CN=Root"}),
        (client(LENIENT_CA, uris=["spiffe://strict.example/a"]), None, Reason.ISSUER_UNKNOWN, {"issuer": "CN=Lenient"}),
        (client(uris=["spiffe://strict.example/a"], eku="none"), None, Reason.CERTIFICATE_EXTENDED_KEY_USAGE, {"presented": []}),
        # Stores are never merged.
        (client(CORPORATE), "strict", Reason.SVID_INVALID, {"presented": None, "expected": "strict.example"}),
        (client(), "corporate", Reason.ISSUER_UNKNOWN, {"issuer": "CN=Root"}),
        (DEVICE, "corporate", Reason.CERTIFICATE_EXTENDED_KEY_USAGE, {"presented": []}),
        (SVID, "devices", Reason.SVID_INVALID, {"presented": "strict.example", "expected": None}),
        # No domain vouches for another's SPIFFE IDs, not where Envoy names it either.
        (
            client(LENIENT_CA, uris=["spiffe://strict.example/alice"]),
            "lenient",
            Reason.SVID_INVALID,
            {"presented": "strict.example", "expected": "lenient.example"},
        ),
        (
            client(LENIENT_CA, uris=["spiffe://unknown.example/alice"]),
            "lenient",
            Reason.SVID_INVALID,
            {"presented": "unknown.example", "expected": "lenient.example"},
        ),
        (
            client(CORPORATE, uris=["spiffe://strict.example/alice"]),
            "corporate",
            Reason.SVID_INVALID,
            {"presented": "strict.example", "expected": None},
        ),
        (
            client(CORPORATE, uris=["spiffe://strict.example/alice", "https://example.org"]),
            "corporate",
            Reason.IDENTITY_AMBIGUOUS,  # X509-SVID §2, whichever name is asked for
            {"kind": "spiffe", "names": 2},
        ),
    ],
)
def test_trust_domains_do_not_mix(issued, name, reason, facts):
    """Nothing of one trust domain counts in another, and a certificate chooses no more than whom it must lead to."""
    assert belongs(issued, name) == (reason, facts)


def test_a_request_does_not_choose_its_trust_domain():
    """Only Envoy's context extension names the trust domain; headers of that name, or the path, do not."""
    claims = showing(client(CORPORATE), path="/?trust_domain=corporate")
    claims = replace(claims, headers=(*claims.headers, ("trust_domain", b"corporate"), ("x-trust-domain", b"corporate")))
    assert decide(claims, among(), NOW).reason is Reason.TRUST_DOMAIN_UNDETERMINED


def test_another_context_extension():
    """The extension's name is the operator's, and then the usual one means nothing."""
    how = among(trust_domain_context="td")
    asked = showing(client(CORPORATE), context={"td": "corporate", "trust_domain": "strict", **dict([MARK])})
    assert isinstance(decide(asked, how, NOW), Allow)


@pytest.mark.parametrize("domain", DOMAINS, ids=lambda domain: domain.name)
def test_a_single_trust_domain_needs_no_name(domain):
    """One trust domain is meant without a name and a claim; a wrong name is refused as well, and so is another's claim."""
    issued = {
        "strict": SVID,
        "lenient": client(LENIENT_CA),
        "corporate": client(CORPORATE, uris=["spiffe://any.example/a"]),
        "devices": DEVICE,
    }[domain.name]
    assert belongs(issued, None, among(domain)) == domain.name
    assert belongs(issued, "other", among(domain))[0] is Reason.TRUST_DOMAIN_UNKNOWN


def test_claims_of_other_ways_in():
    """A CA of one way in vouches for no SPIFFE ID of a trust domain that another way in has."""
    strict, _, corporate, _ = DOMAINS
    ways = {
        name: Ingress(source(Format.URL_PEM), (HopPolicy("waf", (PROOF,)),), (domain,))
        for name, domain in {"a": strict, "b": corporate}.items()
    }
    how = snapshot(ingresses=ways)
    asked = showing(client(CORPORATE, uris=["spiffe://strict.example/alice"]), context={"source": "b", **dict([MARK])})
    decision = decide(asked, how, NOW)
    assert (decision.reason, decision.evidence.path) == (Reason.SVID_INVALID, None)
    assert how.spiffe_trust_domains == {"strict.example"}


LISTED = Denylist.from_text(f"sha256:{certificate(alice()).sha256}\n")


def test_denylist_comes_after_verification():
    """The deny list is asked about verified paths: a certificate that leads nowhere keeps its own reason."""
    decision = decide(showing(alice()), snapshot(denylist=LISTED), NOW)
    assert (decision.reason, decision.facts["entry"]) == (Reason.CERTIFICATE_DENYLISTED, "sha256")
    assert decision.evidence.path is not None
    assert decision.evidence.revocation is RevocationStatus.NOT_CHECKED
    assert decision.evidence.principal is None
    elsewhere = snapshot(denylist=LISTED, trust=bundle(CORPORATE))
    assert decide(showing(alice()), elsewhere, NOW).reason is Reason.ISSUER_UNKNOWN
    assert isinstance(decide(showing(SVID), snapshot(denylist=LISTED), NOW), Allow)


def test_denylist_holds_for_pins_and_comes_before_revocation():
    """A pin on the list is refused, and what is not known about revocation does not hide that a certificate is listed."""
    device = Denylist.from_text(f"sha256:{certificate(DEVICE).sha256}\n")
    assert belongs(DEVICE, "devices", among(denylist=device))[0] is Reason.CERTIFICATE_DENYLISTED
    hard = snapshot(denylist=LISTED, policy=RevocationPolicy(RevocationMode.HARD))
    assert decide(showing(alice()), hard, NOW).reason is Reason.CERTIFICATE_DENYLISTED


@pytest.mark.parametrize(
    ("mode", "status"),
    [(RevocationMode.OFF, RevocationStatus.NOT_CHECKED), (RevocationMode.SOFT, RevocationStatus.UNKNOWN)],
)
def test_revocation_is_evidence(mode, status):
    """What is known about revocation is evidence of an allowed request too: soft allows what is not known."""
    decision = decide(showing(alice()), snapshot(policy=RevocationPolicy(mode)), NOW)
    assert isinstance(decision, Allow)
    assert decision.evidence.revocation is status


def lists(*revoked, until=AFTER):
    """The root's list of these clients."""
    return RevocationData((making.crl(*revoked, times=(BEFORE, until)),))


def test_revocation_hard():
    """Hard refuses what is not known as our own fault, nothing loaded or too old; what is revoked is the client's."""
    revoked = client(uris=["spiffe://strict.example/revoked"])
    fresh, stale = lists(revoked), lists(revoked, until=NOW - SECOND)
    hard = RevocationPolicy(RevocationMode.HARD)
    cases = [
        (SVID, RevocationData(), Reason.REVOCATION_UNAVAILABLE, True),
        (SVID, stale, Reason.REVOCATION_STALE, True),
        (revoked, fresh, Reason.CERTIFICATE_REVOKED, False),
        (revoked, stale, Reason.CERTIFICATE_REVOKED, False),  # once on a list, always on it
    ]
    for issued, data, reason, is_ours in cases:
        decision = decide(showing(issued), snapshot(policy=hard, revocation=data), NOW)
        assert decision.reason is reason
        assert (decision.reason.status == 503) is is_ours
        assert decision.evidence.path is not None
        assert decision.evidence.principal is None
    decision = decide(showing(SVID), snapshot(policy=hard, revocation=fresh), NOW)
    assert decision.evidence.revocation is RevocationStatus.GOOD


def test_revocation_is_the_trust_domains():
    """Each trust domain has its own mode: what one must know, another need not."""
    strict, lenient, *_ = DOMAINS
    how = among(replace(strict, revocation=RevocationPolicy(RevocationMode.HARD)), lenient)
    assert belongs(SVID, None, how)[0] is Reason.REVOCATION_UNAVAILABLE
    assert belongs(client(LENIENT_CA), "lenient", how) == "lenient"


def test_order_of_the_steps():
    """Of everything that is wrong with a request the earlier step is named: hop, domain, path, list, revocation, rule."""
    refused_all = among(
        *(replace(domain, revocation=RevocationPolicy(RevocationMode.HARD)) for domain in DOMAINS),
        denylist=Denylist.from_text(f"sha256:{certificate(SVID).sha256}\n"),
        allow="dns:nobody.example",
    )
    steps = [
        (showing(SVID, context={"trust_domain": "other"}), refused_all, Reason.HOP_CONTEXT_MISMATCH),
        (showing(SVID, context={"trust_domain": "other", **dict([MARK])}), refused_all, Reason.TRUST_DOMAIN_UNKNOWN),
        (showing(client(LENIENT_CA, uris=["spiffe://strict.example/a"])), refused_all, Reason.ISSUER_UNKNOWN),
        (showing(SVID), refused_all, Reason.CERTIFICATE_DENYLISTED),
        (showing(SVID), replace(refused_all, denylist=Denylist()), Reason.REVOCATION_UNAVAILABLE),
        (showing(SVID), among(allow="dns:nobody.example"), Reason.NOT_ALLOWED),
    ]
    assert [decide(asked, how, NOW).reason for asked, how, _ in steps] == [reason for *_, reason in steps]


def test_the_claim_is_checked_before_the_path():
    """An SVID of another trust domain costs no signature check."""
    decision = decide(showing(SVID, context={"trust_domain": "lenient", **dict([MARK])}), among(), NOW)
    assert (decision.reason, decision.evidence.path) == (Reason.SVID_INVALID, None)


@pytest.mark.parametrize("reason", Reason)
def test_reasons(reason):
    """Every reason has a step, a refusing status, and words; only our own faults are 503."""
    assert reason.status in {401, 403, 503}
    assert reason.is_our_fault == (reason.status == 503)
    assert reason.meaning.endswith(".")
    assert reason.action
