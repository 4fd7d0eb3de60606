"""What goes wrong with certificates as such, one test a pitfall, named after it. The clauses of a path stand in ``test_path``."""

import warnings

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from authz_server.model import Certificate, PresentedChain
from authz_server.reasons import Reason, Rejection
from authz_server.validation import Profile, verify_path
from tests.pki import (
    ALGORITHM,
    EXTENSIONS,
    ISSUER,
    NOW,
    PUBLIC_KEY,
    SECOND,
    SERIAL,
    SUBJECT,
    VALIDITY,
    VERSION,
    alice,
    altered,
    authority,
    bundle,
    certificate,
    client,
    der,
    intermediate,
    parts,
    presented,
    root,
)

PLAIN = client()
FIELDS = parts(PLAIN.certificate.tbs_certificate_bytes)
ECDSA_WITH_SHA1 = der(0x30, der(0x06, bytes.fromhex("2a8648ce3d0401")))
SHA1 = hashes.SHA1()  # noqa: S303 - what must be refused


def verify(leaf, *above, trust=None):
    return verify_path(PresentedChain(leaf, above), trust or bundle(), Profile(), NOW)


def refusal(leaf, *above, trust=None):
    with pytest.raises(Rejection) as refused:
        verify(leaf, *above, trust=trust)
    return refused.value.reason


def twice(extensions):
    """The extensions with the first of them repeated."""
    (sequence,) = parts(extensions)
    return der(0xA3, der(0x30, *parts(sequence), parts(sequence)[0]))


def test_alteration_alone_is_harmless():
    """Signed anew without a change the certificate is accepted: the refusals below are about what was changed."""
    assert verify(altered(PLAIN, root(), {})).anchor == certificate(root())


ODD = [
    # RFC 5280 §4.1.2.1: extensions need version 3, and a client needs extensions
    ({VERSION: b"", EXTENSIONS: b""}, Reason.CERTIFICATE_EXTENDED_KEY_USAGE),
    ({VERSION: b""}, Reason.PATH_INVALID),
    # RFC 5280 §4.1.2.2: positive, at most 20 octets
    ({SERIAL: der(0x02, b"\x00")}, Reason.CERTIFICATE_MALFORMED),
    ({SERIAL: der(0x02, b"\xff")}, Reason.CERTIFICATE_MALFORMED),
    ({SERIAL: der(0x02, b"\x01" + bytes(21))}, Reason.CERTIFICATE_MALFORMED),
    # RFC 5280 §4.1.2.5: UTCTime through 2049
    ({VALIDITY: der(0x30, der(0x18, b"20260101000000Z"), der(0x18, b"20270101000000Z"))}, Reason.PATH_INVALID),
    # RFC 5280 §4.2: not more than one of a kind
    ({EXTENSIONS: twice(FIELDS[EXTENSIONS])}, Reason.CERTIFICATE_MALFORMED),
    # a key that is none
    ({PUBLIC_KEY: der(0x30, *parts(FIELDS[PUBLIC_KEY])[:1], der(0x03, b"\0garbage"))}, Reason.CERTIFICATE_MALFORMED),
    ({PUBLIC_KEY: der(0x30, der(0x30, der(0x06, b"\x2a\x03")), der(0x03, b"\0key"))}, Reason.CERTIFICATE_MALFORMED),
    # a name that is no text: TeletexString with a byte that is no UTF-8
    ({SUBJECT: der(0x30, der(0x31, der(0x30, der(0x06, b"\x55\x04\x03"), der(0x14, b"a\xff"))))}, Reason.CERTIFICATE_MALFORMED),
]


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # it warns of such serial numbers
@pytest.mark.parametrize(("changes", "reason"), ODD, ids=range(len(ODD)))
def test_fields_that_no_ca_should_write(changes, reason):
    """An odd field is refused by name, though a trusted CA signed it, and never a crash."""
    assert refusal(altered(PLAIN, root(), changes)) is reason


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_serial_number_of_21_octets():
    """A serial number has at most 20 octets (RFC 5280 §4.1.2.2)."""
    assert verify(altered(PLAIN, root(), {SERIAL: der(0x02, b"\x7f" + b"\xff" * 19)})).leaf.x509.serial_number == 2**159 - 1
    assert refusal(altered(PLAIN, root(), {SERIAL: der(0x02, b"\x00\x80" + bytes(19))})) is Reason.CERTIFICATE_MALFORMED
    assert refusal(altered(PLAIN, root(), {SERIAL: der(0x02, b"\x01" + bytes(20))})) is Reason.CERTIFICATE_MALFORMED


def test_sha1_signature():
    """A signature over SHA-1 is none, on the leaf and above it."""
    assert refusal(altered(PLAIN, root(), {ALGORITHM: ECDSA_WITH_SHA1}, SHA1)) is Reason.PATH_INVALID
    weak = altered(intermediate(), root(), {ALGORITHM: ECDSA_WITH_SHA1}, SHA1)
    assert refusal(certificate(alice()), weak) is Reason.PATH_INVALID


def test_algorithms_that_differ():
    """The algorithm inside the signed part and the one beside it must agree (RFC 5280 §4.1.1.2)."""
    signed, _, signature = parts(PLAIN.certificate_der)
    with pytest.raises(Rejection) as refused:
        verify(Certificate.from_der(der(0x30, signed, ECDSA_WITH_SHA1, signature)))
    assert refused.value.reason is Reason.PATH_INVALID


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP256K1()), ed448.Ed448PrivateKey.generate()])
def test_unusual_leaf_keys(key):
    """The verifier takes any leaf key; here only kinds that TLS stacks negotiate."""
    assert refusal(certificate(client(key=key))) is Reason.CERTIFICATE_KEY_UNACCEPTABLE


@pytest.mark.parametrize(
    "names",
    [
        b"\x30\x02\xa3\x00",  # x400Address
        b"\x30\x05\x87\x03\x01\x02\x03",  # an IP address of three octets
        b"\x30\x00" + b"\x00",  # something behind
    ],
)
def test_alternative_names_that_do_not_parse(names):
    """A kind of name that the library cannot read refuses by name; it escapes the verifier as another exception."""
    san = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), names)
    assert refusal(certificate(client(extensions=((san, False),)))) is Reason.CERTIFICATE_MALFORMED


def test_certificates_of_a_header_are_no_anchors():
    """A self-signed CA that was sent along anchors nothing, whatever else is right."""
    own = authority("Root")
    assert refusal(certificate(client(own)), certificate(own)) is Reason.PATH_INVALID
    below = authority("Below", parent=own)
    assert refusal(certificate(client(below)), certificate(below), certificate(own)) is Reason.PATH_INVALID


def test_root_sent_along():
    """The anchor among the intermediates changes nothing."""
    path = verify_path(presented(alice(), root()), bundle(), Profile(), NOW)
    assert path.intermediates == (certificate(intermediate()),)


def test_order_of_the_intermediates():
    """Unordered, repeated and unrelated intermediates lead to the same path."""
    second = authority("Second", parent=intermediate())
    leaf, ours, other = certificate(client(second)), certificate(second), certificate(authority("Other", parent=root()))
    above = certificate(intermediate())
    for order in ((ours, above), (above, ours), (other, above, ours, above), (above, other, ours)):
        assert verify(leaf, *order).intermediates == (ours, above)


def test_cross_signed_dead_end():
    """Of two certificates of one intermediate, one of them by a root that is not ours, the other is found."""
    stranger = authority("Stranger")
    dead = authority("Intermediate", parent=stranger, key=intermediate().key)
    for order in ((dead, intermediate()), (intermediate(), dead)):
        assert verify(certificate(alice()), *map(certificate, order)).anchor == certificate(root())


def test_a_chain_of_one_that_is_an_intermediate():
    """An intermediate shown as the client is a CA, although its path is valid."""
    assert refusal(certificate(intermediate())) is Reason.CERTIFICATE_IS_CA


def test_other_purposes():
    """A certificate for servers, code or mail is no client's, although the same CA issued it."""
    for purpose in (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION):
        usage = ((x509.ExtendedKeyUsage([purpose]), False),)
        assert refusal(certificate(client(extensions=usage))) is Reason.CERTIFICATE_EXTENDED_KEY_USAGE


def constraints(*names, excluded=()):
    permitted = x509.NameConstraints(list(names) or None, list(excluded) or None)
    return authority("Constrained", parent=root(), extensions=((permitted, True),))


MAIL = x509.RFC822Name("example.org")


def test_name_constraints_on_mail():
    """Constraints on e-mail hold for the alternative names, and no identity is taken from an address in the subject."""
    inside, outside = constraints(MAIL), constraints(excluded=[MAIL])
    assert verify(certificate(client(inside, emails=["a@example.org"])), certificate(inside))
    assert refusal(certificate(client(outside, emails=["a@example.org"])), certificate(outside)) is Reason.PATH_INVALID
    assert refusal(certificate(client(inside, emails=["a@other.org"])), certificate(inside)) is Reason.PATH_INVALID


def test_name_constraints_on_an_address_in_the_subject():
    """Constraints on e-mail do not hold for an address in the subject, which is therefore no name here."""
    outside = constraints(excluded=[MAIL])
    subject = x509.Name([x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@example.org")])
    assert verify(certificate(client(outside, subject)), certificate(outside)).anchor == certificate(root())


def test_name_constraints_of_the_anchor():
    """An anchor's own constraints bind too, which RFC 5280 §6.1 does not ask for."""
    anchor = authority("Bound", extensions=((x509.NameConstraints([x509.DNSName("example.org")], None), True),))
    assert verify(certificate(client(anchor, dns=["a.example.org"])), trust=bundle(anchor))
    assert refusal(certificate(client(anchor, dns=["a.other.org"])), trust=bundle(anchor)) is Reason.PATH_INVALID


OID = x509.ObjectIdentifier("1.2.3.4")


@pytest.mark.parametrize(
    ("extension", "accepted"),
    [
        (x509.CertificatePolicies([x509.PolicyInformation(OID, None)]), True),
        (x509.PolicyConstraints(0, None), False),
        (x509.InhibitAnyPolicy(0), False),
        (x509.UnrecognizedExtension(OID, b"\x05\x00"), False),
    ],
)
def test_critical_extensions_of_a_ca(extension, accepted):
    """Policies may be critical because nobody here relies on them; what would restrict them is refused (RFC 5280 §4.2)."""
    ca = authority("Policed", parent=root(), extensions=((extension, True),))
    if accepted:
        assert verify(certificate(client(ca)), certificate(ca))
    else:
        assert refusal(certificate(client(ca)), certificate(ca)) is Reason.PATH_INVALID


def test_names_of_another_string_type():
    """Issuer and subject are compared byte for byte: PrintableString is not UTF8String (stricter than RFC 5280 §7.1)."""
    issuer = FIELDS[ISSUER].replace(b"\x0c\x04Root", b"\x13\x04Root")
    assert issuer != FIELDS[ISSUER]
    assert refusal(altered(PLAIN, root(), {ISSUER: issuer})) is Reason.ISSUER_UNKNOWN


def test_leaf_without_key_usage():
    """A leaf need not have a key usage; RFC 5280 asks CAs to write one, not validators to want it."""
    (sequence,) = parts(FIELDS[EXTENSIONS])
    kept = [extension for extension in parts(sequence) if b"\x06\x03\x55\x1d\x0f" not in extension]
    assert len(kept) == len(parts(sequence)) - 1
    assert verify(altered(PLAIN, root(), {EXTENSIONS: der(0xA3, der(0x30, *kept))})).anchor == certificate(root())


def test_self_issued_rollover():
    """A CA's new key certified by its old one under the same name is dropped: it looks like a stranger's root."""
    old = authority("Rolling")
    rollover = authority("Rolling", parent=old)
    leaf = certificate(client(rollover))
    assert refusal(leaf, certificate(rollover), trust=bundle(old)) is Reason.PATH_INVALID
    assert verify(leaf, trust=bundle(old, rollover)).anchor == certificate(rollover)  # the new one as an anchor is the way


def test_anchor_within_its_last_second():
    """The anchor counts to its last second, and the path not longer than it."""
    last = authority(not_after=NOW)
    assert verify(certificate(client(last)), trust=bundle(last)).valid_until == NOW
    over = authority(not_after=NOW - SECOND)
    assert refusal(certificate(client(over)), trust=bundle(over)) is Reason.ISSUER_EXPIRED


def test_a_signature_changed():
    """One changed bit of the signature, and there is no path."""
    damaged = bytearray(PLAIN.certificate_der)
    damaged[-1] ^= 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert refusal(Certificate.from_der(bytes(damaged))) is Reason.PATH_INVALID


def test_a_key_of_a_stranger():
    """A leaf that names our intermediate but was signed by another key leads nowhere."""
    forged = authority("Intermediate", parent=root())
    assert refusal(certificate(client(forged)), certificate(intermediate())) is Reason.PATH_INVALID
