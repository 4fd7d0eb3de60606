"""``siblings.py``: what a proxy says beside the certificate must agree with it, and is never more than that."""

import base64
import hashlib

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from authz_server.forwarded import Check, Format, Sibling, presented_chain
from authz_server.forwarded.url_pem import encode_url_pem
from authz_server.reasons import Reason, Rejection
from tests.pki import ISSUER, SERIAL, altered_der, authority, certificate, client, der, root
from tests.samples import request, source

SUBJECT_RDNS = [
    [(NameOID.COUNTRY_NAME, "DE")],
    [(NameOID.ORGANIZATION_NAME, "Müller, Söhne")],
    [(NameOID.COMMON_NAME, "alice"), (NameOID.EMAIL_ADDRESS, "a@example.org")],
]
SUBJECT = x509.Name(
    [x509.RelativeDistinguishedName([x509.NameAttribute(oid, text) for oid, text in rdn]) for rdn in SUBJECT_RDNS]
)
CA = authority(r"CA\, of Müller")
SERIAL_NUMBER = 0x0ABC0001
LEAF = altered_der(client(CA, SUBJECT), CA, {SERIAL: der(0x02, SERIAL_NUMBER.to_bytes(4, "big"))})
SHA1 = hashlib.sha1(LEAF, usedforsecurity=False).hexdigest()
SHA256 = hashlib.sha256(LEAF).hexdigest()
HEADER = "x-sibling"


def colons(digest):
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def outcome(sibling, *values, leaf=LEAF):
    """What becomes of a request with the certificate and these lines of the sibling: ``None``, or the refusal."""
    where = source(Format.URL_PEM, siblings=(sibling,))
    lines = [(where.header, encode_url_pem((leaf,)).encode())]
    lines += [(sibling.header, value if isinstance(value, bytes) else value.encode()) for value in values]
    try:
        assert presented_chain(request(*lines), where).leaf.der == leaf
    except Rejection as refusal:
        return refusal
    return None


AGREE = [
    (Check.SHA256, SHA256),
    (Check.SHA256, SHA256.upper()),
    (Check.SHA256, colons(SHA256)),
    (Check.SHA256, colons(SHA256).upper()),
    (Check.SHA256, base64.b64encode(bytes.fromhex(SHA256)).decode()),  # Google's load balancer
    (Check.SHA1, SHA1),  # nginx
    (Check.SHA1, SHA1.upper()),  # HAProxy
    (Check.SHA1, base64.b64encode(bytes.fromhex(SHA1)).decode()),
    (Check.SERIAL, "0ABC0001"),  # nginx, Apache
    (Check.SERIAL, "abc0001"),  # without the zero in front
    (Check.SERIAL, "000000000ABC0001"),
    (Check.SERIAL, "0a:bc:00:01"),  # CloudFront
    (Check.SERIAL, "00:0A:BC:00:01"),
    (Check.SERIAL, "a:bc:00:01"),
    (Check.SERIAL_DECIMAL, str(SERIAL_NUMBER)),  # Caddy
    (Check.SERIAL_DECIMAL, f"000{SERIAL_NUMBER}"),
    (Check.SUBJECT, r"CN=alice+emailAddress=a@example.org,O=M\C3\BCller\, S\C3\B6hne,C=DE"),  # OpenSSL, nginx
    (Check.SUBJECT, r"emailAddress=a@example.org+CN=alice,O=M\C3\BCller\, S\C3\B6hne,C=DE"),
    (Check.SUBJECT, r"CN=alice+emailAddress=a@example.org,O=Müller\, Söhne,C=DE"),  # UTF-8 as it is
    (Check.SUBJECT, r"CN=alice+1.2.840.113549.1.9.1=#0c0d61406578616d706c652e6f7267,O=Müller\, Söhne,C=DE"),  # Go, Java
    (Check.ISSUER, r"CN=CA\, of M\C3\BCller"),
    (Check.VERIFIED, "SUCCESS"),
    (Check.VERIFIED, "0"),
    (Check.STRIP, "whatever"),
]


def sibling_of(check, **fields):
    return Sibling(HEADER, check, frozenset({"SUCCESS", "0"}) if check is Check.VERIFIED else frozenset(), **fields)


@pytest.mark.parametrize(("check", "value"), AGREE, ids=range(len(AGREE)))
def test_agrees(check, value):
    """What each product writes about this certificate agrees with it, in every spelling that says the same."""
    assert outcome(sibling_of(check), value) is None


DISAGREE = [
    # another certificate's
    (Check.SHA256, hashlib.sha256(b"").hexdigest()),
    (Check.SHA1, hashlib.sha1(b"", usedforsecurity=False).hexdigest()),
    (Check.SERIAL, "0ABC0002"),
    (Check.SERIAL_DECIMAL, str(SERIAL_NUMBER + 1)),
    (Check.SUBJECT, r"CN=bob+emailAddress=a@example.org,O=M\C3\BCller\, S\C3\B6hne,C=DE"),
    (Check.ISSUER, "CN=CA"),
    # of another kind
    (Check.SHA256, SHA1),
    (Check.SHA1, SHA256),
    (Check.SHA256, SHA256[:40]),
    (Check.SHA256, f"sha256:{SHA256}"),
    (Check.SERIAL, str(SERIAL_NUMBER)),
    (Check.SERIAL_DECIMAL, "0ABC0001"),
    (Check.SUBJECT, r"CN=CA\, of M\C3\BCller"),
    (Check.ISSUER, r"CN=alice+emailAddress=a@example.org,O=M\C3\BCller\, S\C3\B6hne,C=DE"),
    # digests
    (Check.SHA256, SHA256[:-1]),
    (Check.SHA256, SHA256 + "00"),
    (Check.SHA256, f" {SHA256}"),
    (Check.SHA256, f"{SHA256[:2]} {SHA256[2:]}"),  # `bytes.fromhex` skips white space
    (Check.SHA256, colons(SHA256) + ":"),
    (Check.SHA256, SHA256[:2] + ":" + SHA256[2:]),
    (Check.SHA256, SHA256.replace("a", "\uff41")),
    (Check.SHA256, base64.b64encode(bytes.fromhex(SHA256)).decode().rstrip("=")),
    (Check.SHA256, base64.b64encode(bytes.fromhex(SHA256)).decode() + "===="),
    (Check.SHA256, "é"),
    # serials: `int` takes all of these
    (Check.SERIAL, "0x0ABC0001"),
    (Check.SERIAL, "+0ABC0001"),
    (Check.SERIAL, "0ABC_0001"),
    (Check.SERIAL, " 0ABC0001"),
    (Check.SERIAL, "0ABC0001\t"),
    (Check.SERIAL, "0ABC000\u0661"),
    (Check.SERIAL, "0a:bc:0001"),
    (Check.SERIAL, "0a::bc:00:01"),
    (Check.SERIAL, ":"),
    (Check.SERIAL, "0" * 65 + "ABC0001"),
    (Check.SERIAL_DECIMAL, f"+{SERIAL_NUMBER}"),
    (Check.SERIAL_DECIMAL, f"{SERIAL_NUMBER:_}"),
    (Check.SERIAL_DECIMAL, f" {SERIAL_NUMBER}"),
    (Check.SERIAL_DECIMAL, f"{SERIAL_NUMBER}.0"),
    (Check.SERIAL_DECIMAL, str(SERIAL_NUMBER).replace("1", "\u0661")),
    (Check.SERIAL_DECIMAL, "1" * 60_000),
    # names: the same words in another structure
    (Check.SUBJECT, r"C=DE,O=M\C3\BCller\, S\C3\B6hne,CN=alice+emailAddress=a@example.org"),
    (Check.SUBJECT, r"CN=alice,emailAddress=a@example.org,O=M\C3\BCller\, S\C3\B6hne,C=DE"),
    (Check.SUBJECT, r"CN=Alice+emailAddress=a@example.org,O=M\C3\BCller\, S\C3\B6hne,C=DE"),
    (Check.SUBJECT, r"CN=alice+emailAddress=a@example.org,O=M\C3\BCller, S\C3\B6hne,C=DE"),
    (Check.SUBJECT, "/C=DE/O=M\\xC3\\xBCller, S\\xC3\\xB6hne/CN=alice/emailAddress=a@example.org"),
    (Check.SUBJECT, b"CN=alice+emailAddress=a@example.org,O=M\xfcller\\, S\xf6hne,C=DE"),  # Latin-1
    (Check.SUBJECT, "junk"),
    # verify results: anything else than the word
    (Check.VERIFIED, "FAILED:certificate has expired"),
    (Check.VERIFIED, "GENEROUS"),
    (Check.VERIFIED, "NONE"),
    (Check.VERIFIED, "success"),
    (Check.VERIFIED, " SUCCESS"),
    (Check.VERIFIED, "SUCCESS,SUCCESS"),  # two lines joined
    (Check.VERIFIED, "SUCCESS\xa0"),
    (Check.VERIFIED, "00"),
    (Check.VERIFIED, "\uff10"),
]


@pytest.mark.parametrize(("check", "value"), DISAGREE, ids=range(len(DISAGREE)))
def test_disagrees(check, value):
    """What contradicts the certificate, or is not written to the letter, is refused, and the start of it is told."""
    refusal = outcome(sibling_of(check), value)
    reason = Reason.PROXY_VERIFICATION_FAILED if check is Check.VERIFIED else Reason.SIBLING_MISMATCH
    assert (refusal.reason, refusal.facts["header"]) == (reason, HEADER)
    assert refusal.facts["presented"].isascii()
    assert len(refusal.facts["presented"]) <= 1000


@pytest.mark.parametrize("check", Check)
def test_lines(check):
    """Nothing, or a word for it, says nothing unless it is required; two lines are never right."""
    good = next(value for kind, value in AGREE if kind is check)
    for nothing in ([], [""], ["-"], ["(null)"]):
        assert outcome(sibling_of(check), *nothing) is None
        if check is not Check.STRIP:
            refusal = outcome(sibling_of(check, is_required=True), *nothing)
            assert (refusal.reason, refusal.facts) == (Reason.SIBLING_MISSING, {"header": HEADER})
    assert outcome(sibling_of(check, is_required=True), good) is None
    if check is not Check.STRIP:
        refusal = outcome(sibling_of(check), good, good)
        assert (refusal.reason, refusal.facts) == (Reason.HEADER_DUPLICATED, {"header": HEADER, "lines": 2})


def test_an_alias_of_a_sibling():
    """A second spelling of a sibling's name is refused like one of the certificate header's."""
    where = source(Format.URL_PEM, siblings=(sibling_of(Check.VERIFIED),))
    lines = [(where.header, encode_url_pem((LEAF,)).encode()), ("x_sibling", b"SUCCESS")]
    with pytest.raises(Rejection) as refusal:
        presented_chain(request(*lines), where)
    assert (refusal.value.reason, refusal.value.facts) == (Reason.HEADER_ALIASED, {"header": "x_sibling"})


def test_no_certificate_but_a_verify_result():
    """Whatever stands beside it, without a certificate there is nobody."""
    where = source(Format.URL_PEM, siblings=(sibling_of(Check.VERIFIED), Sibling("x-subject", Check.SUBJECT)))
    with pytest.raises(Rejection) as refusal:
        presented_chain(request((HEADER, b"SUCCESS"), ("x-subject", b"CN=alice")), where)
    assert refusal.value.reason is Reason.CREDENTIAL_MISSING


def test_value_that_must_be_empty():
    """A header that names an error agrees only if there is none (Google's load balancer)."""
    error = Sibling(HEADER, Check.VERIFIED)
    assert outcome(error, "") is None
    assert outcome(error, "client_cert_not_provided").reason is Reason.PROXY_VERIFICATION_FAILED


def test_name_that_does_not_parse():
    """A certificate whose own name is no text agrees with no text."""
    broken = der(0x30, der(0x31, der(0x30, der(0x06, b"\x55\x04\x03"), der(0x0C, b"\xff"))))
    leaf = altered_der(client(), root(), {ISSUER: broken})
    assert outcome(sibling_of(Check.ISSUER), "CN=a", leaf=leaf).reason is Reason.SIBLING_MISMATCH


@pytest.mark.parametrize(
    ("text", "sibling"),
    [
        ("verified:X-Verify=SUCCESS", Sibling("x-verify", Check.VERIFIED, frozenset({"SUCCESS"}))),
        ("verified:x-verify=true|1", Sibling("x-verify", Check.VERIFIED, frozenset({"true", "1"}))),
        ("verified:x-verify=a=b", Sibling("x-verify", Check.VERIFIED, frozenset({"a=b"}))),
        ("subject:ssl-client-subject-dn", Sibling("ssl-client-subject-dn", Check.SUBJECT)),
        ("strip:$wsis", Sibling("$wsis", Check.STRIP)),
        ("verified!:x-verify=0", Sibling("x-verify", Check.VERIFIED, frozenset({"0"}), is_required=True)),
        ("sha1!:x-fingerprint", Sibling("x-fingerprint", Check.SHA1, is_required=True)),
        *(
            (text, None)
            for text in (
                "",
                "subject",
                "subject:",
                "subject:=x",
                "subject:x=y",
                "subject: x",
                "subject:x y",
                "subject:x:",
                "subject:\u00e9",
                "subject:\u212a",  # the Kelvin sign, which is a `k` in lower case
                "subject:" + "x" * 65,
                "verified:x",
                "verified:x=",
                "verified:x=|",
                "verify:x=1",
                "SUBJECT:x",
                "subject!!:x",
                "!:x",
                "strip!:x",
            )
        ),
    ],
)
def test_from_text(text, sibling):
    """``CHECK:HEADER``, or ``verified:HEADER=VALUE``, and nothing else."""
    if sibling is None:
        with pytest.raises(ValueError, match=r"."):
            Sibling.from_text(text)
    else:
        assert Sibling.from_text(text) == sibling


def test_siblings_are_of_the_leaf():
    """Siblings speak of the leaf, not of an intermediate behind it."""
    where = source(Format.URL_PEM, siblings=(Sibling(HEADER, Check.SHA256),))
    chain = (LEAF, CA.certificate_der)
    lines = [(where.header, encode_url_pem(chain).encode())]
    with pytest.raises(Rejection) as refusal:
        presented_chain(request(*lines, (HEADER, certificate(CA).sha256.encode())), where)
    assert refusal.value.reason is Reason.SIBLING_MISMATCH
    assert presented_chain(request(*lines, (HEADER, SHA256.encode())), where).intermediates == (certificate(CA),)
