"""``trust.py`` and ``profile.py``: bundles, configured intermediates, pins, policies and named leniencies."""

import dataclasses

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from authz_server.demo.pki import Issued, key_usage
from authz_server.model import Certificate, PresentedChain
from authz_server.reasons import Reason, Rejection
from authz_server.validation import PinnedCertificates, Profile, TrustBundle, verify_path
from authz_server.validation import path as path_module
from tests.pki import (
    AFTER,
    BEFORE,
    NOW,
    SECOND,
    alice,
    authority,
    bob,
    bundle,
    certificate,
    client,
    der,
    intermediate,
    key,
    parts,
    presented,
    root,
)


def verify(issued, *more, trust=None, profile=None, now=NOW):
    return verify_path(presented(issued, *more), trust or bundle(), profile or Profile(), now)


def refusal(issued, *more, **how):
    with pytest.raises(Rejection) as refused:
        verify(issued, *more, **how)
    return refused.value


def bare(issued):
    """Without the intermediates above it, as a proxy forwards it that sends leaves only."""
    return Issued(issued.certificate, issued.key)


def with_intermediates(*above, anchors=None):
    return TrustBundle("test", tuple(map(certificate, anchors or (root(),))), tuple(map(certificate, above)))


# --- configured intermediates


def test_configured_intermediate():
    """A leaf that comes without its intermediate leads to the anchor by one that the operator configured."""
    path = verify(bare(alice()), trust=with_intermediates(intermediate()))
    assert (path.intermediates, path.anchor) == ((certificate(intermediate()),), certificate(root()))


def test_configured_intermediates_above_one_of_the_header():
    """A header may hold the lower part of a chain and the configuration the upper."""
    second = authority("Second", parent=intermediate())
    path = verify(bare(client(second)), second, trust=with_intermediates(intermediate()))
    assert path.intermediates == (certificate(second), certificate(intermediate()))


def test_a_configured_intermediate_is_no_anchor():
    """A configured intermediate, and a root among them, anchors nothing: trust comes from the bundle alone."""
    stranger = authority("Stranger")
    below = authority("Below", parent=stranger)
    trust = with_intermediates(below, stranger)
    assert refusal(bare(client(below)), trust=trust).reason is Reason.ISSUER_UNKNOWN
    assert refusal(bare(client(stranger)), trust=trust).reason is Reason.ISSUER_UNKNOWN


def test_intermediates_of_a_header_beside_configured_ones():
    """An attacker's intermediate of the configured one's name neither helps a forged leaf nor keeps out a good one."""
    fake = authority("Intermediate", parent=authority("Stranger"))
    trust = with_intermediates(intermediate())
    assert refusal(bare(client(fake)), fake, trust=trust).reason is Reason.PATH_INVALID
    assert verify(bare(alice()), fake, trust=trust).intermediates == (certificate(intermediate()),)


def test_intermediates_that_certify_each_other():
    """Intermediates that certify each other in a circle end the search; the way out of it is found."""
    first, second = authority("A"), authority("B")
    circle = (
        authority("A", parent=second, key=first.key),
        authority("B", parent=first, key=second.key),
    )
    assert refusal(bare(client(first)), trust=with_intermediates(*circle)).reason is Reason.ISSUER_UNKNOWN
    out = authority("B", parent=root(), key=second.key)
    assert verify(bare(client(first)), trust=with_intermediates(*circle, out)).anchor == certificate(root())


def test_only_what_lies_above_is_a_candidate():
    """Of a thousand configured intermediates only those above the certificate are handed to path building."""
    shared = key()
    many = [authority(f"I{n}", parent=root(), key=shared) for n in range(1000)]
    trust = with_intermediates(*many, intermediate())
    assert trust.intermediates_above(certificate(alice())) == (certificate(intermediate()),)
    several = trust.intermediates_above(certificate(alice()), certificate(client(many[7])), certificate(alice()))
    assert sorted(each.sha256 for each in several) == sorted(certificate(each).sha256 for each in (many[7], intermediate()))
    assert bundle().intermediates_above(certificate(alice())) == ()
    assert verify(bare(client(many[999])), trust=trust).intermediates == (certificate(many[999]),)


def test_expired_configured_intermediate():
    """An expired configured intermediate is named by the refusal, and does not stand in the way of its successor."""
    old = authority("Intermediate", parent=root(), key=intermediate().key, not_after=NOW - SECOND)
    refused = refusal(bare(alice()), trust=with_intermediates(old))
    assert (refused.reason, refused.facts["expired"]) == (Reason.ISSUER_EXPIRED, [certificate(old).sha256])
    assert verify(bare(alice()), trust=with_intermediates(old, intermediate())).anchor == certificate(root())


# --- anchors


def test_anchors_of_one_name():
    """Two anchors of one name, a key roll-over, both anchor; a refusal blames expiry only if both have expired."""
    old, new = authority(not_after=NOW - SECOND), authority()
    for order in ((old, new), (new, old)):
        trust = bundle(*order)
        assert verify(client(new), trust=trust).anchor == certificate(new)
        assert refusal(client(authority()), trust=trust).reason is Reason.PATH_INVALID
    assert refusal(client(old), trust=bundle(old)).reason is Reason.ISSUER_EXPIRED


def test_many_anchors_are_looked_up():
    """Among many anchors the right one is looked up by name: every index is a hash table, built once."""
    shared = key()
    others = tuple(certificate(authority(f"Other {n}", key=shared)) for n in range(50))
    trust = TrustBundle("many", (*others, certificate(root())))
    assert verify(alice(), trust=trust).anchor == certificate(root())
    assert {type(trust.by_subject), type(trust.by_parsed), type(trust.intermediates_by_subject)} == {dict}
    assert isinstance(trust.fingerprints, frozenset)


# --- the signature's form


@pytest.mark.parametrize("kind", ["p256", "rsa2048"])
def test_a_signature_is_whole_octets(kind):
    """A signature with unused bits, which the verifier takes, is refused: it would be the same certificate by another SHA-256."""
    issuer = authority(key=key(kind))
    even = next(leaf for leaf in (client(issuer) for _ in range(200)) if leaf.certificate.signature[-1] % 2 == 0)
    signed, algorithm, _ = parts(even.certificate_der)
    other = Certificate.from_der(der(0x30, signed, algorithm, der(0x03, b"\1" + even.certificate.signature)))
    assert verify(even, trust=bundle(issuer)).anchor == certificate(issuer)
    for chain in (PresentedChain(other, ()), PresentedChain(certificate(alice()), (other,))):
        with pytest.raises(Rejection) as refused:
            verify_path(chain, bundle(issuer), Profile(), NOW)
        assert refused.value.reason is Reason.CERTIFICATE_MALFORMED
        assert refused.value.facts == {"sha256": other.sha256, "unused_bits": 1}


# --- pins


SELF_SIGNED = authority("device")


def pins(*issued):
    return PinnedCertificates("pins", tuple(map(certificate, issued)))


@pytest.mark.parametrize(
    "pin",
    [
        SELF_SIGNED,  # CA:TRUE, keyCertSign and no purpose, as `openssl req -x509` writes it
        client(eku="none"),
        client(eku="server"),
        client(usage=key_usage(key_encipherment=True)),
        client(authority("Unknown")),
        client(extensions=((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00"), True),)),
    ],
)
def test_pinned(pin):
    """A pinned certificate is accepted whoever issued it and whatever it is for, and is its own anchor."""
    path = verify(pin, trust=pins(pin))
    assert (path.leaf, path.intermediates, path.anchor) == (certificate(pin), (), certificate(pin))
    assert path.valid_until == pin.certificate.not_valid_after_utc


def test_pinned_with_a_chain():
    """What a header holds beside a pinned certificate is not looked at: not believed, and no reason to refuse."""
    assert verify(alice(), *(authority(f"S{n}") for n in range(9)), trust=pins(alice())).intermediates == ()


@pytest.mark.parametrize(
    ("leaf", "pinned"),
    [
        (bob(), alice()),
        (client(SELF_SIGNED), SELF_SIGNED),  # a pin with CA:TRUE is no CA
        (client(key=alice().key), client(key=alice().key)),  # the same names and key, another certificate
        (intermediate(), alice()),  # the pin's issuer
    ],
)
def test_not_pinned(leaf, pinned):
    """A certificate that is not itself on the list is refused, whatever it shares with one that is."""
    refused = refusal(leaf, trust=pins(pinned))
    assert (refused.reason, refused.facts) == (Reason.CERTIFICATE_NOT_PINNED, {"sha256": certificate(leaf).sha256})


@pytest.mark.parametrize(
    ("pin", "now", "reason"),
    [
        (client(), AFTER + SECOND, Reason.CERTIFICATE_EXPIRED),
        (client(), BEFORE - SECOND, Reason.CERTIFICATE_NOT_YET_VALID),
        (client(), AFTER, None),
        (client(), BEFORE, None),
        (client(key=key("rsa1024")), NOW, Reason.CERTIFICATE_KEY_UNACCEPTABLE),
        (client(key=key("p224")), NOW, Reason.CERTIFICATE_KEY_UNACCEPTABLE),
        (client(dns=[f"h{n}" for n in range(101)]), NOW, Reason.CERTIFICATE_EXCESSIVE),
    ],
)
def test_pins_are_held_to_time_key_and_size(pin, now, reason):
    """A pinned certificate counts between its dates only, to the second, and with an ordinary key."""
    if reason is None:
        assert verify(pin, trust=pins(pin), now=now).anchor == certificate(pin)
    else:
        assert refusal(pin, trust=pins(pin), now=now).reason is reason


def test_no_pins():
    """A list without pins is the operator's mistake."""
    with pytest.raises(ValueError, match="at least one certificate"):
        PinnedCertificates("empty", ())


# --- policies


GOLD, SILVER, ANY = "1.3.6.1.4.1.99999.1", "1.3.6.1.4.1.99999.2", "2.5.29.32.0"
POLICY_MAPPINGS = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.33"), bytes.fromhex("300a3008060312030406012a"))


def policies(*oids):
    return (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in oids]), False)


def policed(leaf, ca, *more, name="Policed", parent=None):
    """A leaf with these policies below a CA with those; ``None`` for no such extension."""
    issuer = authority(name, parent=parent or root(), extensions=((policies(*ca),) if ca is not None else ()) + more)
    return client(issuer, extensions=(policies(*leaf),) if leaf is not None else ())


@pytest.mark.parametrize(
    ("leaf", "ca", "required", "accepted"),
    [
        ([GOLD], [GOLD], [GOLD], True),
        ([GOLD, SILVER], [GOLD], [GOLD], True),
        ([SILVER], [GOLD, SILVER], [GOLD, SILVER], True),
        ([GOLD], [ANY], [GOLD], True),  # §6.1.3 (d) (1) (ii)
        ([GOLD], [ANY, SILVER], [GOLD], True),
        ([GOLD], [SILVER], [GOLD], False),
        ([GOLD], [SILVER], [GOLD, SILVER], False),  # one policy for the whole path, not one for each certificate
        ([GOLD], [], [GOLD], False),
        ([GOLD], None, [GOLD], False),  # §6.1.3 (e): the tree is empty from there on
        ([SILVER], [GOLD], [GOLD], False),
        ([ANY], [GOLD], [GOLD], False),  # stricter than the text
        ([ANY], [ANY], [GOLD], False),
        ([ANY], [ANY], [ANY], True),  # who asks for it by name gets it
        (None, [GOLD], [GOLD], False),
        (None, None, [GOLD], False),
        (None, None, [], True),  # nothing was asked for
    ],
)
def test_policies(leaf, ca, required, accepted):
    """Every certificate below the anchor must assert one required policy, the same one; a CA may by anyPolicy."""
    try:
        issued = policed(leaf, ca)
    except ValueError:  # the library makes no empty extension
        issued = policed(leaf, None)
    profile = Profile(policies=frozenset(required))
    if accepted:
        assert verify(issued, profile=profile).anchor == certificate(root())
    else:
        refused = refusal(issued, profile=profile)
        assert (refused.reason, refused.facts) == (Reason.POLICY_MISSING, {"required": sorted(required), "presented": leaf or []})


def test_policies_of_the_anchor():
    """The anchor's own policies do not matter (RFC 5280 §6.1: it is no part of the path)."""
    anchor = authority("Silver", extensions=(policies(SILVER),))
    leaf = client(anchor, extensions=(policies(GOLD),))
    assert verify(leaf, trust=bundle(anchor), profile=Profile(policies=frozenset({GOLD}))).anchor == certificate(anchor)


def test_policies_of_a_self_issued_certificate():
    """A configured self-issued CA certificate must assert the policy like any other, and its anyPolicy counts."""
    rolled = authority("Root", parent=root(), extensions=(policies(ANY),))
    mute = authority("Root", parent=root())
    profile = Profile(policies=frozenset({GOLD}))
    for above, accepted in ((rolled, True), (mute, False)):
        leaf = bare(client(above, extensions=(policies(GOLD),)))
        trust = with_intermediates(above)
        assert verify(leaf, trust=trust).intermediates == (certificate(above),)
        if accepted:
            assert verify(leaf, trust=trust, profile=profile).intermediates == (certificate(above),)
        else:
            assert refusal(leaf, trust=trust, profile=profile).reason is Reason.POLICY_MISSING


@pytest.mark.parametrize("extension", [POLICY_MAPPINGS, x509.InhibitAnyPolicy(0)])
def test_what_changes_policies(extension):
    """Mappings and inhibitAnyPolicy, not critical, refuse where a policy is asked for; else they mean nothing."""
    issued = policed([GOLD], [GOLD], (extension, False))
    assert verify(issued).anchor == certificate(root())
    assert refusal(issued, profile=Profile(policies=frozenset({GOLD}))).reason is Reason.POLICY_MISSING


def test_an_extension_that_cannot_be_read():
    """An extension of an intermediate that cannot be read refuses by name where policies are looked up, and is no crash."""
    points = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.31"), b"\x30\x01")
    issued = policed([GOLD], None, (points, False))
    assert refusal(issued, profile=Profile(policies=frozenset({GOLD}))).reason is Reason.CERTIFICATE_MALFORMED


# --- leniencies


LENIENT = Profile(allow_missing_eku=True, allow_any_eku=True, allow_missing_digital_signature=True)
ENCIPHERMENT = key_usage(key_encipherment=True)
ANY_AND_SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])


@pytest.mark.parametrize(
    ("fields", "used"),
    [
        ({}, ()),
        ({"eku": "none"}, ("missing-eku",)),
        ({"eku": "any"}, ("any-eku",)),
        ({"extensions": ((ANY_AND_SERVER, False),)}, ("any-eku",)),
        ({"usage": ENCIPHERMENT}, ("missing-digital-signature",)),
        ({"usage": ENCIPHERMENT, "eku": "none"}, ("missing-digital-signature", "missing-eku")),
    ],
)
def test_leniencies_are_named(fields, used):
    """A path names the leniencies without which it would have been refused, and no others; each needs its own switch."""
    leaf = client(**fields)
    assert verify(leaf, profile=LENIENT).leniencies == used
    switches = {"missing-eku": "allow_missing_eku", "any-eku": "allow_any_eku"}
    for name in used:
        switch = switches.get(name, "allow_missing_digital_signature")
        assert refusal(leaf, profile=dataclasses.replace(LENIENT, **{switch: False})).reason in {
            Reason.CERTIFICATE_KEY_USAGE,
            Reason.CERTIFICATE_EXTENDED_KEY_USAGE,
        }


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"eku": "server"}, Reason.CERTIFICATE_EXTENDED_KEY_USAGE),
        ({"usage": key_usage(key_cert_sign=True)}, Reason.CERTIFICATE_KEY_USAGE),
        ({"usage": key_usage(digital_signature=True, key_cert_sign=True)}, Reason.CERTIFICATE_KEY_USAGE),
        ({"extensions": ((x509.BasicConstraints(ca=True, path_length=None), True),)}, Reason.CERTIFICATE_IS_CA),
    ],
)
def test_what_no_leniency_covers(fields, reason):
    """With every leniency a server's certificate, a CA's and a signer's of certificates are still no client's."""
    assert refusal(client(**fields), profile=LENIENT).reason is reason


def test_any_purpose_is_for_others():
    """A profile of any purpose looks at no purpose, of leaf or CA, and still at dates, keys, sizes and signatures."""
    lenient = Profile(is_any_purpose=True)
    servers = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    below = authority("Servers", parent=root(), extensions=(servers,))
    for leaf in (client(below, eku="server"), bare(intermediate()), client(eku="none", usage=ENCIPHERMENT)):
        path = verify(leaf, profile=lenient)
        assert (path.anchor, path.leniencies) == (certificate(root()), ())
    assert refusal(client(), profile=lenient, now=AFTER + SECOND).reason is Reason.CERTIFICATE_EXPIRED
    assert refusal(client(authority()), profile=lenient).reason is Reason.PATH_INVALID
    assert refusal(client(key=key("rsa1024")), profile=lenient).reason is Reason.CERTIFICATE_KEY_UNACCEPTABLE


def test_a_path_ends_at_an_anchor(monkeypatch):
    """A chain that the verifier ended elsewhere than at an anchor is refused: nothing relies on it alone."""
    chain = [certificate(each).x509 for each in (alice(), intermediate())]
    monkeypatch.setattr(path_module, "_verified_chain", lambda *_: chain)
    assert refusal(alice()).facts == {"detail": "the path does not end at an anchor"}
