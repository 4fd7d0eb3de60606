"""``distinguished_name.py``: the text of a name as products write it, read to what the certificate's name is compared by."""

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from authz_server.der import read_der
from authz_server.distinguished_name import parse_distinguished_name
from authz_server.model import comparable_name
from authz_server.reasons import Reason, Rejection
from tests.cost import is_cheap
from tests.pki import SUBJECT, altered, client, der, root


def name(*rdns):
    """A name, root first; each RDN is a tuple of (type, value)."""
    return x509.Name(
        [x509.RelativeDistinguishedName([x509.NameAttribute(oid, value, _validate=False) for oid, value in rdn]) for rdn in rdns]
    )


CN, ORG, COUNTRY = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.COUNTRY_NAME
ODD = 'Müller, "Söhne" + <Co>; x=y\\z'
PRIVATE = x509.ObjectIdentifier("1.2.3.4")

# As OpenSSL 3.0 prints them (`-nameopt RFC2253`, what nginx and Apache call), Go's `pkix.Name.String`, Java's
# `X500Principal.getName`.
WRITTEN = [
    ("CN=alice,O=Acme,C=DE", name([(COUNTRY, "DE")], [(ORG, "Acme")], [(CN, "alice")])),
    (
        "CN=alice,O=Acme , C=DE",
        name([(COUNTRY, "DE")], [(ORG, "Acme ")], [(CN, "alice")]),
    ),  # a space before the comma is the value's
    ("CN=alice, O=Acme, C=DE", name([(COUNTRY, "DE")], [(ORG, "Acme")], [(CN, "alice")])),
    ("cn=alice,o=Acme", name([(ORG, "Acme")], [(CN, "alice")])),
    ("2.5.4.3=alice", name([(CN, "alice")])),
    # OpenSSL
    (r"O=M\C3\BCller\, \"S\C3\B6hne\" \+ \<Co\>\; x=y\\z", name([(ORG, ODD)])),
    (r"O=Müller\, \"Söhne\" \+ \<Co\>\; x=y\\z", name([(ORG, ODD)])),  # Go, and OpenSSL with `-esc_msb`
    (
        r"emailAddress=a@b.de+CN=\#a b\ +serialNumber=\ 01",
        name([(CN, "#a b "), (NameOID.EMAIL_ADDRESS, "a@b.de"), (NameOID.SERIAL_NUMBER, " 01")]),
    ),
    ("1.2.3.4=#0C0648C3A46C6C6F", name([(PRIVATE, "Hällo")])),
    (r"OU=a\0Ab\7F\E2\80\AE\F0\9F\98\80", name([(NameOID.ORGANIZATIONAL_UNIT_NAME, "a\nb\x7f\u202e😀")])),
    (r"L=\ ,L=", name([(NameOID.LOCALITY_NAME, "")], [(NameOID.LOCALITY_NAME, " ")])),
    (
        "jurisdictionC=DE,organizationIdentifier=x",
        name([(NameOID.ORGANIZATION_IDENTIFIER, "x")], [(NameOID.JURISDICTION_COUNTRY_NAME, "DE")]),
    ),
    (
        "SN=Doe,GN=Jo,dnQualifier=1,title=Dr",
        name([(NameOID.TITLE, "Dr")], [(NameOID.DN_QUALIFIER, "1")], [(NameOID.GIVEN_NAME, "Jo")], [(NameOID.SURNAME, "Doe")]),
    ),
    # Go and Java
    ("1.2.840.113549.1.9.1=#0c0561406264,CN=a", None),  # the DER does not end where it says
    ("1.2.840.113549.1.9.1=#16066140622e6465,CN=a", name([(CN, "a")], [(NameOID.EMAIL_ADDRESS, "a@b.de")])),
    (
        "SERIALNUMBER=1,STREET=s,POSTALCODE=p",
        name([(NameOID.POSTAL_CODE, "p")], [(NameOID.STREET_ADDRESS, "s")], [(NameOID.SERIAL_NUMBER, "1")]),
    ),
    # every string type
    ("CN=#1E0400610062", name([(CN, "ab")])),
    ("CN=#1c080000006100000062", name([(CN, "ab")])),
    ("CN=#14026162", name([(CN, "ab")])),
    ("CN=#13026162", name([(CN, "ab")])),
    ("CN=#120131", name([(CN, "1")])),
    ("CN=#1a0131", name([(CN, "1")])),
    ("L=#0C00", name([(NameOID.LOCALITY_NAME, "")])),
    # refused
    ("", None),
    ("alice", None),
    ("CN", None),
    ("CN=a,", None),
    (",CN=a", None),
    ("CN=a,,O=b", None),
    ("CN=a+", None),
    ("CN=a;O=b", None),  # RFC 2253 §4
    ('CN="a, b"', None),  # RFC 2253 §4
    ("CN=a<b", None),
    ("CN=a\\", None),
    ("CN=a\\xy", None),
    (r"CN=\C3", None),  # cut UTF-8
    (r"CN=\FF", None),
    (r"CN=\C0\80", None),  # another spelling of NUL
    ("CN=a\0", None),
    ("/CN=alice/O=Acme", None),  # OpenSSL's one-line form
    ("CN = alice", None),  # OpenSSL's default form
    ("commonName=alice", None),
    ("XYZ=a", None),
    ("1=a", None),
    ("01.2=a", None),
    ("1.2.=a", None),
    ("-CN=a", None),
    ("\u0661.\u0662=a", None),  # digits of another script
    ("CN=#", None),
    ("CN=#0", None),
    ("CN=#0C", None),
    ("CN=#0C0161zz", None),
    ("CN=#0C026161ff", None),
    ("CN=#0C800000", None),
    ("CN=#0402ffff", None),  # OCTET STRING
    ("CN=#020101", None),  # INTEGER
    ("CN=#0C01ff", None),
    ("CN=#1e0161", None),  # half a character
    ("CN=#1e02d800", None),  # half a surrogate pair
    ("CN=#160180", None),
]


@pytest.mark.parametrize(("text", "expected"), WRITTEN, ids=range(len(WRITTEN)))
def test_names(text, expected):
    """A name is read as what it stands for whoever wrote it, or refused because it stands for none."""
    if expected is None:
        with pytest.raises(ValueError, match=r"."):
            parse_distinguished_name(text)
    else:
        assert parse_distinguished_name(text) == comparable_name(expected)


def test_why_not_the_librarys():
    """What OpenSSL and Go write for unknown types, and empty common names, the library's parser reads wrongly or refuses."""
    expected = name([(PRIVATE, "Hällo")])
    assert x509.Name.from_rfc4514_string("1.2.3.4=#0C0648C3A46C6C6F") != expected
    for text in ("CN=", "emailAddress=a"):
        with pytest.raises(ValueError, match=r".*"):
            x509.Name.from_rfc4514_string(text)


def test_bit_string():
    """The one type of value that is no text is compared by its octets."""
    unique = der(0x03, b"\0abc")
    subject = der(0x30, der(0x31, der(0x30, der(0x06, b"\x55\x04\x2d"), unique)))
    found = altered(client(), root(), {SUBJECT: subject}).x509.subject
    assert parse_distinguished_name(f"x500UniqueIdentifier=#{unique.hex()}") == comparable_name(found)


TYPES = [oid for label, oid in vars(NameOID).items() if isinstance(oid, x509.ObjectIdentifier) and "UNIQUE" not in label]


@pytest.mark.filterwarnings("ignore:Attribute's length")
@pytest.mark.parametrize("oid", TYPES, ids=str)
def test_every_type(oid):
    """The library's own text of every type that it knows is read back, and the structure is kept."""
    odd = name([(oid, "a,b+c=d"), (CN, "ü")], [(oid, " #x ")])
    assert parse_distinguished_name(odd.rfc4514_string()) == comparable_name(odd)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CN=a,O=b", "O=b,CN=a"),  # the order
        ("CN=a,O=b", "CN=a+O=b"),  # one RDN or two
        ("CN=a", "CN=A"),
        ("CN=a", r"CN=a\ "),
        ("CN=a,CN=b", r"CN=a\,CN\=b"),
        ("CN=ü", "CN=u\u0308"),
        ("CN=a", "UID=a"),
    ],
)
def test_structure(one, other):
    """Names that differ in structure, case or spelling are different names."""
    assert parse_distinguished_name(one) != parse_distinguished_name(other)


def test_order_within_an_rdn():
    """An RDN is a set: the order in it says nothing."""
    assert parse_distinguished_name("CN=a+O=b") == parse_distinguished_name("O=b+ CN=a")


@pytest.mark.parametrize("data", [b"", b"\x0c", b"\x0c\x01", b"\x0c\x00\x00"])
def test_read_der(data):
    """One value is one value: nothing missing, nothing behind."""
    with pytest.raises(Rejection) as refusal:
        read_der(data)
    assert refusal.value.reason is Reason.CERTIFICATE_MALFORMED


@pytest.mark.parametrize(
    "text", ["CN=a," * 12_000, "CN=" + "\\" * 60_001, "CN=" + "a" * 60_000 + '"', "C" * 60_000, "CN=#" + "0" * 60_001]
)
def test_no_text_is_slow(text):
    """The largest texts of the worst shapes are refused cheaply: nothing is tried twice."""

    def refuse():
        with pytest.raises(ValueError, match=r"."):
            parse_distinguished_name(text)

    assert is_cheap(refuse)
