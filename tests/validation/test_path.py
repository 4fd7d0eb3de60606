"""``validation/``: which certificates lead to an anchor, and the name of the refusal for those that do not."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from authz_server.demo.pki import Authority, Issued, key_usage
from authz_server.model import Certificate, PresentedChain
from authz_server.reasons import Reason, Rejection
from authz_server.validation import Profile, TrustBundle, verify_path
from tests.pki import (
    AFTER,
    BEFORE,
    NOW,
    SECOND,
    alice,
    authority,
    bundle,
    certificate,
    client,
    intermediate,
    key,
    presented,
    root,
)


def verify(issued, *more, trust=None, profile=None, now=NOW):
    return verify_path(presented(issued, *more), trust or bundle(), profile or Profile(), now)


def refusal(issued, *more, **how):
    with pytest.raises(Rejection) as refused:
        verify(issued, *more, **how)
    return refused.value


def test_path():
    """Root -> Intermediate -> alice: the path names its anchor and ends with the shortest life on it."""
    path = verify(alice(), root())
    assert path.leaf == certificate(alice())
    assert path.intermediates == (certificate(intermediate()),)
    assert path.anchor == certificate(root())
    assert (path.validated_at, path.valid_until) == (NOW, AFTER)


def test_partial_chain():
    """An intermediate may be the anchor without its root (RFC 5280 §6.1.1 (d))."""
    assert verify(alice(), trust=bundle(intermediate())).anchor == certificate(intermediate())


@pytest.mark.parametrize("now", [BEFORE, AFTER, AFTER + timedelta(milliseconds=999)])
def test_valid_to_the_last_second(now):
    """NotBefore and notAfter are inclusive, in whole seconds (RFC 5280 §4.1.2.5)."""
    assert verify(client(), now=now).validated_at == now.replace(microsecond=0)


@pytest.mark.parametrize(
    ("now", "reason", "fact"),
    [
        (BEFORE - SECOND, Reason.CERTIFICATE_NOT_YET_VALID, {"not_before": BEFORE.isoformat()}),
        (AFTER + SECOND, Reason.CERTIFICATE_EXPIRED, {"not_after": AFTER.isoformat()}),
    ],
)
def test_first_invalid_second(now, reason, fact):
    """A second outside the validity is refused, with the date."""
    refused = refusal(client(), now=now)
    assert (refused.reason, refused.facts) == (reason, fact)


CLIENT_AND_SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
MANY_RDNS = x509.Name([x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, str(n)) for n in range(31)])


@pytest.mark.parametrize(
    "fields",
    [
        {"key": "ed25519"},
        {"key": "rsa2048"},
        {"key": "p384"},
        {"extensions": ((CLIENT_AND_SERVER, True),)},  # SPIFFE lets EKU be critical
        {"extensions": ((x509.BasicConstraints(ca=False, path_length=None), False),)},
        {"dns": [f"h{n}.example.org" for n in range(100)]},  # the most
        {"subject": x509.Name(list(MANY_RDNS)[:30])},  # the most
        {"subject": x509.Name([]), "uris": ["spiffe://example.org/a"]},  # empty subject, SAN not critical
    ],
)
def test_acceptable_leaf(fields):
    """Ordinary keys and purposes, and the largest sizes, are accepted."""
    if "key" in fields:
        fields = fields | {"key": key(fields["key"])}
    assert verify(client(**fields)).anchor == certificate(root())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"extensions": ((x509.BasicConstraints(ca=True, path_length=None), True),)}, Reason.CERTIFICATE_IS_CA),
        ({"extensions": ((x509.NameConstraints([x509.DNSName("a")], None), True),)}, Reason.CERTIFICATE_IS_CA),
        ({"usage": key_usage(key_encipherment=True)}, Reason.CERTIFICATE_KEY_USAGE),
        ({"usage": key_usage(digital_signature=True, key_cert_sign=True)}, Reason.CERTIFICATE_KEY_USAGE),
        ({"eku": "none"}, Reason.CERTIFICATE_EXTENDED_KEY_USAGE),
        ({"eku": "any"}, Reason.CERTIFICATE_EXTENDED_KEY_USAGE),
        ({"eku": "server"}, Reason.CERTIFICATE_EXTENDED_KEY_USAGE),
        ({"key": "rsa1024"}, Reason.CERTIFICATE_KEY_UNACCEPTABLE),
        ({"key": "p224"}, Reason.CERTIFICATE_KEY_UNACCEPTABLE),
        ({"dns": [f"h{n}.example.org" for n in range(101)]}, Reason.CERTIFICATE_EXCESSIVE),
        ({"subject": MANY_RDNS}, Reason.CERTIFICATE_EXCESSIVE),
        # an extension that nobody processes, critical: RFC 5280 §4.2
        ({"extensions": ((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00"), True),)}, Reason.PATH_INVALID),
        # a SAN that is no GeneralNames
        (
            {"extensions": ((x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), b"\x04"), False),)},
            Reason.CERTIFICATE_MALFORMED,
        ),
    ],
)
def test_defective_leaf(fields, reason):
    """One defect of the leaf, one reason."""
    if "key" in fields:
        fields = fields | {"key": key(fields["key"])}
    assert refusal(client(**fields)).reason is reason


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_negative_serial():
    """A serial number below one is refused (RFC 5280 §4.1.2.2)."""
    leaf = certificate(client())
    serial = leaf.x509.serial_number.to_bytes(leaf.x509.serial_number.bit_length() // 8 + 1)
    negative = leaf.der.replace(serial, b"\x80" + serial[1:], 1)
    with pytest.raises(Rejection) as refused:
        verify_path(PresentedChain(Certificate.from_der(negative), ()), bundle(), Profile(), NOW)
    assert refused.value.reason == Reason.CERTIFICATE_MALFORMED
    assert refused.value.facts["serial"].startswith("-")


def test_rsa_exponent_three():
    """An RSA exponent below 65537 is refused (FIPS 186-5 §5.1)."""
    odd = rsa.generate_private_key(public_exponent=3, key_size=2048)
    assert refusal(client(key=odd)).reason is Reason.CERTIFICATE_KEY_UNACCEPTABLE


def test_missing_eku_is_a_written_leniency():
    """The profile can accept a missing EKU, and still no EKU for something else."""
    lenient = Profile(allow_missing_eku=True)
    assert verify(client(eku="none"), profile=lenient).anchor == certificate(root())
    assert refusal(client(eku="server"), profile=lenient).reason is Reason.CERTIFICATE_EXTENDED_KEY_USAGE


def test_self_signed_leaf():
    """A certificate that nobody trusted signed leads nowhere, and an unknown issuer is named."""
    stranger = authority("Stranger")
    refused = refusal(client(stranger), stranger)
    assert (refused.reason, refused.facts) == (Reason.ISSUER_UNKNOWN, {"issuer": "CN=Stranger"})


def test_missing_intermediate():
    """Root -> (Intermediate) -> alice without the intermediate: its name is the unknown issuer."""
    refused = refusal(Issued(alice().certificate, alice().key))
    assert refused.facts == {"issuer": "CN=Intermediate"}


def test_fake_root_of_the_same_name():
    """A CA that only has the root's name signs nothing that is believed, whether it is sent along or not."""
    fake = authority()
    assert refusal(client(fake)).reason is Reason.PATH_INVALID
    assert refusal(client(fake), fake).reason is Reason.PATH_INVALID


@pytest.mark.parametrize(("lasts", "reason"), [(NOW, None), (NOW - SECOND, Reason.ISSUER_EXPIRED)])
def test_intermediate_expiry(lasts, reason):
    """An intermediate counts to its last second; behind it the refusal says which CA expired."""
    old = authority("Old", parent=root(), not_after=lasts)
    if reason is None:
        assert verify(client(old)).valid_until == NOW
    else:
        refused = refusal(client(old))
        assert (refused.reason, refused.facts["expired"]) == (reason, [certificate(old).sha256])


def test_expired_anchor():
    """An expired anchor is refused by name, although RFC 5280 §6.1 lets an anchor live for ever."""
    old = authority(not_after=NOW - SECOND)
    assert refusal(client(old), trust=bundle(old)).reason is Reason.ISSUER_EXPIRED


def test_path_length():
    """Root(pathlen 0) -> A -> leaf: too long (RFC 5280 §4.2.1.9); A(pathlen 0) below an unlimited root is not."""
    short = authority("Short", path_length=0)
    below = authority("Below", parent=short)
    assert refusal(client(below), trust=bundle(short)).reason is Reason.PATH_INVALID
    assert verify(client(authority("Last", parent=root(), path_length=0))).anchor == certificate(root())


def test_depth():
    """The profile's depth is the most intermediates on a path."""
    chain = [authority("A1", parent=root())]
    for name in ("A2", "A3"):
        chain.append(authority(name, parent=chain[-1]))
    assert len(verify(client(chain[-1]), profile=Profile(max_depth=3)).intermediates) == 3
    assert refusal(client(chain[-1]), profile=Profile(max_depth=2)).reason is Reason.PATH_INVALID


def constrained(extension, critical):
    return authority("Constrained", parent=root(), extensions=((extension, critical),))


DIRECTORY = x509.DirectoryName(x509.Name.from_rfc4514_string("O=Other"))


@pytest.mark.parametrize(
    ("extension", "critical", "accepted"),
    [
        (x509.NameConstraints([x509.DNSName("example.org")], None), True, True),
        (x509.NameConstraints(None, [x509.DNSName("example.org")]), True, False),
        (x509.NameConstraints([x509.DNSName("other.org")], None), True, False),
        (x509.NameConstraints([DIRECTORY], None), True, False),
        (x509.NameConstraints([DIRECTORY], None), False, False),  # what the verifier alone would skip
        (x509.NameConstraints([x509.UniformResourceIdentifier("example.org")], None), False, False),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False, True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False, True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False, False),
        (key_usage(digital_signature=True), True, False),  # RFC 5280 §6.1.4 (n)
        (x509.BasicConstraints(ca=False, path_length=None), True, False),  # RFC 5280 §6.1.4 (k)
        (x509.BasicConstraints(ca=True, path_length=None), False, True),
    ],
)
def test_intermediate_extensions(extension, critical, accepted):
    """What a CA above the client says of itself binds, critical or not; what cannot be processed refuses."""
    leaf = client(constrained(extension, critical), dns=["a.example.org"])
    if accepted:
        assert verify(leaf).anchor == certificate(root())
    else:
        assert refusal(leaf).reason is Reason.PATH_INVALID


@pytest.mark.parametrize("kind", ["rsa1024", "p224", "ed25519"])
def test_odd_intermediate_key(kind):
    """An intermediate with an unusual key is refused before any signature is checked with it."""
    odd = authority("Odd", parent=root(), key=key(kind))
    refused = refusal(client(), odd)
    assert (refused.reason, refused.facts) == (Reason.INTERMEDIATE_UNACCEPTABLE, {"sha256": certificate(odd).sha256})


def test_too_many_intermediates():
    """Six candidates are the most, and self-issued strangers do not count because they are dropped."""
    strangers = [authority(f"S{n}") for n in range(4)]
    many = [authority(f"I{n}", parent=root()) for n in range(7)]
    assert verify(client(), *strangers, *many[:6]).intermediates == ()
    refused = refusal(client(), *many)
    assert (refused.reason, refused.facts) == (Reason.INTERMEDIATE_UNACCEPTABLE, {"intermediates": 7, "limit": 6})


def test_expired_twin():
    """Of twins (same name, key and issuer) the one that is valid now is used, whichever comes first."""
    valid = intermediate()
    twins = [authority("Intermediate", parent=root(), key=valid.key, not_after=NOW - SECOND) for _ in range(8)]
    bare = Issued(alice().certificate, alice().key)
    for order in ([*twins, valid], [valid, *twins]):
        assert verify(bare, *order).intermediates == (certificate(valid),)


def test_twins_are_not_tried_in_turn():
    """Of twins the one that lasts longest is the only candidate, also where another one would lead to an anchor."""
    key, bare = intermediate().key, Issued(alice().certificate, alice().key)
    servers = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    fitting = authority("Intermediate", parent=root(), key=key, not_after=AFTER)
    lasting = authority("Intermediate", parent=root(), key=key, extensions=((servers, False),))
    assert verify(bare, fitting).anchor == certificate(root())
    for order in ((fitting, lasting), (lasting, fitting)):
        assert refusal(bare, *order).reason is Reason.PATH_INVALID


def test_twin_in_its_last_second():
    """An intermediate is valid to the end of its last second also where a twin follows it."""
    key, bare = intermediate().key, Issued(alice().certificate, alice().key)
    old = authority("Intermediate", parent=root(), key=key, not_after=NOW)
    following = authority("Intermediate", parent=root(), key=key, not_before=NOW + SECOND)
    assert verify(bare, old, following, now=NOW).intermediates == (certificate(old),)
    assert verify(bare, old, following, now=NOW + timedelta(milliseconds=500)).intermediates == (certificate(old),)


def test_diagnosis_in_the_last_second():
    """A CA that is valid to the end of this second is not what a refusal within it names."""
    last = authority("Last", parent=root(), not_after=NOW, extensions=((key_usage(digital_signature=True), True),))
    leaf = client(last)
    assert refusal(leaf, now=NOW).reason is Reason.PATH_INVALID
    assert refusal(leaf, now=NOW + timedelta(milliseconds=500)).reason is Reason.PATH_INVALID


def test_malformed_intermediate():
    """An intermediate whose key does not parse is refused by name, never by a crash."""
    der = bytearray(intermediate().certificate_der)
    point = intermediate().certificate.public_key().public_numbers()
    der[bytes(der).index(point.x.to_bytes(32, "big"))] ^= 1  # the point leaves the curve
    chain = PresentedChain(certificate(alice()), (Certificate.from_der(bytes(der)),))
    with pytest.raises(Rejection) as refused:
        verify_path(chain, bundle(), Profile(), NOW)
    assert refused.value.reason is Reason.CERTIFICATE_MALFORMED


def test_leaf_that_is_an_anchor():
    """A leaf in the store would be accepted unchecked by the verifier; here no path of one certificate exists."""
    leaf = client()
    assert refusal(leaf, trust=bundle(leaf)).reason is Reason.PATH_INVALID


def test_root_as_client():
    """The root itself is no client."""
    assert refusal(Issued(root().certificate, root().key)).reason is Reason.CERTIFICATE_IS_CA


def test_empty_bundle():
    """A bundle without anchors is the operator's mistake."""
    with pytest.raises(ValueError, match="at least one anchor"):
        TrustBundle("empty", ())


def test_malformed_issuer():
    """A leaf whose issuer does not parse is refused by name, also while the refusal is being explained."""
    der = client(Authority.create("ZZZZ", not_before=BEFORE, not_after=AFTER)).certificate_der
    broken = Certificate.from_der(der.replace(b"\x0c\x04ZZZZ", b"\x0c\x04\xff\xff\xff\xff", 1))
    with pytest.raises(Rejection) as refused:
        verify_path(PresentedChain(broken, ()), bundle(), Profile(), NOW)
    assert refused.value.reason is Reason.CERTIFICATE_MALFORMED
