"""One CRL: what cannot be used and why, and what of it is kept (RFC 5280 §5.1, §5.2, §5.3)."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding

from authz_server.validation.revocation import CrlError, RevocationStatus, parse_crl
from authz_server.validation.revocation.signature import DetachedSignature
from tests.pki import AFTER, BEFORE, authority, bundle, client, der, key, parts, root
from tests.validation.revocation.making import COMPROMISE, crl, crl_der, entry, number_of, outcome, point, scope

UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00")
POINT = x509.ObjectIdentifier("2.5.29.28")
SHA1 = hashes.SHA1()  # noqa: S303 - what must be refused
ECDSA_WITH_SHA1 = der(0x30, der(0x06, bytes.fromhex("2a8648ce3d0401")))
FIELDS = parts(parts(crl_der(7))[0])
VERSION, ALGORITHM, _, THIS_UPDATE, NEXT_UPDATE, ENTRIES, EXTENSIONS = range(7)


def altered(changes, outer=None, algorithm=None):
    """A CRL with fields that no builder would write (empty: left out), signed by the root."""
    body = der(0x30, *(changes.get(number, field) for number, field in enumerate(FIELDS)))
    signature = root().key.sign(body, ec.ECDSA(algorithm or hashes.SHA256()))
    return der(0x30, body, outer or changes.get(ALGORITHM, FIELDS[ALGORITHM]), der(0x03, b"\0", signature))


def raw_point(content):
    """An issuing distribution point with this content."""
    return crl_der(extensions=((x509.UnrecognizedExtension(POINT, der(0x30, content)), True),))


def test_alteration_alone_is_harmless():
    """Signed anew without a change the list is accepted: the refusals below are about what was changed."""
    assert outcome(client(), parse_crl(altered({})).index) is RevocationStatus.GOOD


@pytest.mark.parametrize(
    "unusable",
    [
        b"",
        crl_der()[:-1],
        crl_der() + b"\0",
        client().certificate_der,
        altered({NEXT_UPDATE: b""}),  # §5.1.2.5: without it nobody knows when the list is stale
        altered({}, outer=der(0x30, der(0x06, bytes.fromhex("2a8648ce3d040303")))),  # §5.1.1.2: two algorithms
        altered({EXTENSIONS: der(0xA0, der(0x30, *parts(parts(FIELDS[EXTENSIONS])[0]) * 2))}),  # a number twice
        crl_der(extensions=((UNKNOWN, True),)),  # §5.2: critical and unknown
        crl_der(extensions=((x509.AuthorityKeyIdentifier(b"k", None, None), True),)),
        crl_der(within=scope(indirect_crl=True)),
        crl_der(within=scope("http://a/1.crl", indirect_crl=True)),
        crl_der(within=scope(only_contains_attribute_certs=True)),
        raw_point(b""),  # §5.2.5: says nothing
        raw_point(b"\x81\x01\xff\x82\x01\xff"),  # for users only, and for authorities only
        raw_point(b"\x04"),
        crl_der(entry(7, (UNKNOWN, True))),  # §5.3
        crl_der(entry(7, (x509.CertificateIssuer([x509.DNSName("a")]), True))),  # §5.3.3
        altered({ALGORITHM: ECDSA_WITH_SHA1}, algorithm=SHA1),
        crl_der(issuer=authority(key=key("ed25519"))),
    ],
)
def test_unusable(unusable):
    """A CRL that is not understood whole says nothing, and is no other error."""
    with pytest.raises(CrlError):
        parse_crl(unusable)


@pytest.mark.parametrize(
    "listed",
    [
        crl_der(7),
        altered({}),
        # version 1, as it was before extensions
        altered({VERSION: b"", EXTENSIONS: b""}),
        crl_der(7, extensions=((UNKNOWN, False),)),
        crl_der(entry(7, (UNKNOWN, False))),
        crl_der(entry(7, reason=COMPROMISE)),
        crl_der(entry(7, (x509.InvalidityDate(AFTER.replace(tzinfo=None)), False))),
        crl_der(7, algorithm=hashes.SHA384()),
        crl_der(7, 9, 8, 7),
    ],
)
def test_listed(listed):
    """What a list holds beside its numbers does not hide them."""
    index = parse_crl(listed).index
    assert [index.serials.find(number) for number in (6, 7, 2**159)] == [None, True, None]


def test_what_is_kept():
    """Numbers, times and scope; the SHA-256 is of the exact bytes."""
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(root().certificate.public_key())
    whole = crl_der(number=5, base=3, within=scope("http://a/1.crl"), extensions=((identifier, False),))
    parsed = parse_crl(whole)
    index = parsed.index
    assert (index.number, index.base_number, index.this_update, index.next_update) == (5, 3, BEFORE, AFTER)
    assert (index.key_id, index.issuer) == (identifier.key_identifier, root().certificate.subject.public_bytes())
    assert index.scope.names == {"UniformResourceIdentifier:http://a/1.crl"}
    digest = hashes.Hash(hashes.SHA256())
    digest.update(whole)
    assert parsed.sha256 == digest.finalize().hex()


def test_longest_numbers():
    """Twenty octets can be looked up; longer and negative ones, which no certificate has, are left out and hide no other."""
    octets = b"\0" + b"\xff" * 20, b"\x01" + bytes(20), b"\x80", b"\x07"
    listed = [der(0x30, der(0x02, each), der(0x17, b"260101000000Z")) for each in octets]
    serials = parse_crl(altered({ENTRIES: der(0x30, *listed)})).index.serials
    assert (len(serials), serials.find(7), serials.find(2**160 - 1)) == (2, True, True)


@pytest.mark.parametrize("kind", ["p256", "p384", "rsa2048"])
def test_keys(kind):
    """Lists of the ordinary kinds of CA are verified."""
    by = authority(key=key(kind))
    leaf = client(by)
    assert outcome(leaf, crl(issuer=by), trust=bundle(by)) is RevocationStatus.GOOD


def test_pss():
    """RSA-PSS with a salt as long as the hash is verified; with another salt it is by nobody."""
    by = authority(key=key("rsa2048"))
    builder = x509.CertificateRevocationListBuilder().last_update(BEFORE).next_update(AFTER)
    builder = builder.issuer_name(by.certificate.subject)
    for salt, expected in ((32, True), (20, False)):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
        index = parse_crl(builder.sign(by.key, hashes.SHA256(), rsa_padding=pss).public_bytes(Encoding.DER)).index
        assert index.signature.is_by(by.key.public_key()) is expected


@pytest.mark.parametrize(
    ("algorithm", "parameters", "why"),
    [
        (SHA1, padding.PKCS1v15(), "signed with sha1"),
        (hashes.MD5(), padding.PKCS1v15(), "signed with md5"),  # noqa: S303 - what must be refused
        (hashes.SHA224(), ec.ECDSA(hashes.SHA224()), "signed with sha224"),
        (None, None, "signed with none"),
        (hashes.SHA256(), None, "signed with an algorithm that is not supported"),
    ],
)
def test_algorithm_that_is_not_acceptable(algorithm, parameters, why):
    """A signature is of a hash and a scheme that cannot be forged, or it is none."""
    with pytest.raises(ValueError, match=f"^{why}$"):
        DetachedSignature.over(b"", b"", algorithm, parameters)


def test_signature_by_a_key_of_another_kind():
    """A key that cannot have made the signature did not make it."""
    index = crl()
    keys = [key(kind).public_key() for kind in ("rsa2048", "p384", "ed25519")]
    assert not any(index.signature.is_by(each) for each in keys)
    assert not crl(issuer=authority(key=key("rsa2048"))).signature.is_by(root().key.public_key())


def test_memory_of_keys_is_bounded():
    """Keys that did not sign a list are remembered up to a number, and the one that did in any case."""
    index = crl()
    wrong = key("p384").public_key()
    for number in range(100):
        assert not index.is_by(wrong, b"%d" % number)
    assert index.is_by(root().key.public_key(), b"right")
    assert len(index._verified) == 65  # noqa: SLF001 - the bound itself
    assert index.is_by(wrong, b"right")  # remembered


def test_many_points_cost_once():
    """A certificate's points are read once, however many lists there are for other points."""
    many = [point(f"http://a/{number}") for number in range(300)]
    leaf = client(extensions=((x509.CRLDistributionPoints(many), False),))
    others = [crl(within=scope(f"http://b/{number}")) for number in range(3)]
    assert outcome(leaf, *others, crl(number_of(leaf), within=scope("http://a/299"))).value == "certificate_revoked"
