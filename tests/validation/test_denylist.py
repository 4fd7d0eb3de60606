"""``denylist.py``: what is on the list is refused in every form in which it verifies; what is no entry is named by its line."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from authz_server.identity import identify
from authz_server.model import Certificate, NameKind, PresentedChain, comparable_name
from authz_server.reasons import Reason, Rejection
from authz_server.validation import Denylist, PinnedCertificates, Profile, check_denylist, verify_path
from tests.pki import NOW, alice, authority, bundle, certificate, client, der, intermediate, key, parts, presented, root

ALICE = verify_path(presented(alice()), bundle(), Profile(), NOW)
KEY_SHA256 = identify(ALICE, NameKind.SUBJECT).public_key_sha256
FINGERPRINT = certificate(alice()).sha256
SERIAL = alice().certificate.serial_number


def refusal(path, text):
    with pytest.raises(Rejection) as refused:
        check_denylist(path, Denylist.from_text(text))
    assert refused.value.reason is Reason.CERTIFICATE_DENYLISTED
    return refused.value.facts


def key_entry(issued):
    path = verify_path(presented(client(key=issued.key)), bundle(), Profile(), NOW)
    return f"public-key-sha256:{identify(path, NameKind.SUBJECT).public_key_sha256}"


@pytest.mark.parametrize(
    ("entry", "whose", "by"),
    [
        (f"sha256:{FINGERPRINT}", alice(), "sha256"),
        (f"  sha256:{FINGERPRINT.upper()}\t# stolen", alice(), "sha256"),
        ("sha256:" + ":".join(FINGERPRINT[n : n + 2] for n in range(0, 64, 2)), alice(), "sha256"),
        (f"public-key-sha256:{KEY_SHA256}", alice(), "public-key-sha256"),
        (f"serial:{SERIAL:x} issuer:CN=Intermediate\n", alice(), "serial"),
        (f"serial:00:{SERIAL:X}   issuer:cn=Intermediate \r\n", alice(), "serial"),
        (f"sha256:{certificate(intermediate()).sha256}", intermediate(), "sha256"),
        (key_entry(intermediate()), intermediate(), "public-key-sha256"),
        (f"serial:{intermediate().certificate.serial_number:x} issuer:CN=Root\n", intermediate(), "serial"),
        (f"sha256:{certificate(root()).sha256}", root(), "sha256"),
        (key_entry(root()), root(), "public-key-sha256"),
        (f"serial:{root().certificate.serial_number:x} issuer:CN=Root\n", root(), "serial"),
    ],
)
def test_on_the_list(entry, whose, by):
    """Leaf, intermediate and anchor are refused by fingerprint, key, or serial number, and the facts say which and by what."""
    assert refusal(ALICE, entry) == {"sha256": certificate(whose).sha256, "entry": by}


@pytest.mark.parametrize(
    "text",
    [
        "\n\n# nobody\n  # nobody either\n",
        "sha256:" + "ab" * 32,
        f"public-key-sha256:{FINGERPRINT}",  # a fingerprint of the other kind
        f"sha256:{KEY_SHA256}",
        f"serial:{SERIAL:x} issuer:CN=Root\n",  # the serial number of another issuer
        f"serial:{SERIAL:x} issuer:CN=intermediate\n",  # names are compared with case
        f"serial:{SERIAL + 1:x} issuer:CN=Intermediate\n",
        f"serial:{SERIAL:x} issuer:CN=Intermediate,O=Acme\n",
    ],
)
def test_not_on_the_list(text):
    """An entry is about exactly what it names; an empty list is about nobody."""
    check_denylist(ALICE, Denylist.from_text(text))


def other_form(issued, curve=ec.SECP256R1):
    """The same certificate with (r, n - s) for (r, s): anybody can make it, and it verifies."""
    signed, algorithm, _ = parts(issued.certificate_der)
    r, s = decode_dss_signature(issued.certificate.signature)
    signature = encode_dss_signature(r, curve().group_order - s)
    return Certificate.from_der(der(0x30, signed, algorithm, der(0x03, b"\0" + signature)))


P384 = authority("P384", parent=root(), key=key("p384"))


@pytest.mark.parametrize(
    ("listed", "leaf", "above"),
    [
        (certificate(alice()), other_form(alice()), certificate(intermediate())),
        (other_form(alice()), certificate(alice()), certificate(intermediate())),
        (certificate(intermediate()), certificate(alice()), other_form(intermediate())),
    ],
)
def test_the_other_form_of_a_signature(listed, leaf, above):
    """A certificate on the list is refused also with the other form of its ECDSA signature, which has another SHA-256."""
    path = verify_path(PresentedChain(leaf, (above,)), bundle(), Profile(), NOW)
    assert listed.sha256 not in {each.sha256 for each in (path.leaf, *path.intermediates)}
    assert refusal(path, f"sha256:{listed.sha256}")["entry"] == "sha256"


def test_the_order_is_the_issuers():
    """The other form is reckoned with the issuer's curve, not the certificate's own."""
    leaf = client(P384)
    path = verify_path(PresentedChain(other_form(leaf, ec.SECP384R1), (certificate(P384),)), bundle(), Profile(), NOW)
    assert refusal(path, f"sha256:{certificate(leaf).sha256}")["entry"] == "sha256"


def test_rsa_signatures_have_one_form():
    """Below an RSA key there is no other form to reckon, and the list works as elsewhere."""
    rsa = authority("RSA", key=key("rsa2048"))
    path = verify_path(presented(client(rsa)), bundle(rsa), Profile(), NOW)
    check_denylist(path, Denylist.from_text("sha256:" + "ab" * 32))
    assert refusal(path, f"sha256:{path.leaf.sha256}")["entry"] == "sha256"


@pytest.mark.parametrize("issuer", [root(), authority("RSA", key=key("rsa2048"))])
def test_pins(issuer):
    """A pinned certificate is refused by fingerprint, key and serial number too, whatever signed it."""
    pin = client(issuer)
    path = verify_path(presented(pin), PinnedCertificates("pins", (certificate(pin),)), Profile(), NOW)
    name = issuer.certificate.subject.rfc4514_string()
    for entry in (f"sha256:{path.leaf.sha256}", key_entry(pin), f"serial:{path.leaf.x509.serial_number:x} issuer:{name}\n"):
        assert refusal(path, entry)["sha256"] == path.leaf.sha256
    check_denylist(path, Denylist.from_text("sha256:" + "ab" * 32))


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("CN=Dept #5,O=Acme", None),  # cut at the number sign it would be about CN=Dept
        ("CN=Root # stolen laptop", None),  # a comment, or the name?
        ("CN=Dept#5,O=Acme", [("O", "Acme"), ("CN", "Dept#5")]),
        (r"CN=Dept \#5,O=Acme", [("O", "Acme"), ("CN", "Dept #5")]),
        ("CN=#0c0141", [("CN", "A")]),  # RFC 4514 §2.4: the value's DER
        ("CN=A\u2028B", [("CN", "A\u2028B")]),  # not the end of a line
    ],
)
def test_number_signs_in_names(name, attributes):
    """A name with a number sign is read whole, or refused where it could be a comment; it is never cut."""
    text = f"serial:01 issuer:{name}\n"
    if attributes is None:
        with pytest.raises(ValueError, match="line 1: 'serial:01"):
            Denylist.from_text(text)
        return
    oids = {"O": x509.NameOID.ORGANIZATION_NAME, "CN": x509.NameOID.COMMON_NAME}
    expected = x509.Name([x509.NameAttribute(oids[kind], value) for kind, value in attributes])
    assert Denylist.from_text(text).serials == {(comparable_name(expected), 1)}


@pytest.mark.parametrize(
    "line",
    [
        "sha256:" + "ab" * 31,  # half-written
        "sha256:" + "ab" * 33,
        "sha256:" + "zz" * 32,
        "sha256: " + "ab" * 32,
        "SHA256:" + "ab" * 32,
        "sha1:" + "ab" * 20,
        "ab" * 32,
        "\ufeffsha256:" + "ab" * 32,
        "sha256:" + "ab" * 32 + "\r" + "sha256:" + "cd" * 32,  # the line breaks of old Macs
        "serial:01",
        "serial:01 issuer:",
        "serial: issuer:CN=Root",
        "serial::: issuer:CN=Root",
        "serial:0x1 issuer:CN=Root",
        "serial:-1 issuer:CN=Root",
        "serial:01 issuer:/CN=Root",
        "serial:01 issuer:Nope=Root",
        "serial:01 issuer:CN=Root # comment",
        "serial:" + "1" * 61 + " issuer:CN=Root",
    ],
)
def test_lines_that_are_none(line):
    """A line that is no entry refuses the whole list, and is named by its number; it never stands for nobody."""
    with pytest.raises(ValueError, match=r"^line 2: .*: expected sha256:HEX"):
        Denylist.from_text(f"# first\n{line}\n")


def test_every_wrong_line_is_named():
    """All lines that are wrong are named at once."""
    with pytest.raises(ValueError, match=r"^line 1: 'a'; line 3: 'b': expected"):
        Denylist.from_text("a\n\nb\n")


def test_the_last_line_is_whole():
    """An issuer's name that was cut off in the middle would be another name; a fingerprint cannot be cut unnoticed."""
    whole = f"serial:{SERIAL:x} issuer:CN=Intermediate"
    assert refusal(ALICE, whole + "\n")["entry"] == "serial"
    for text in (whole, whole[:-3]):
        with pytest.raises(ValueError, match="line 1: "):
            Denylist.from_text(text)
    assert len(Denylist.from_text(f"sha256:{FINGERPRINT}")) == 1


def test_size():
    """The list counts each entry once, however often and in whatever form it stands there; it is looked up, not walked."""
    many = Denylist.from_text(
        "".join(f"sha256:{n:064x}\npublic-key-sha256:{n:064X}\nserial:{n:x} issuer:CN=R\n" for n in range(99))
    )
    assert len(many) == 297
    again = Denylist.from_text(f"sha256:{FINGERPRINT}\nsha256:{FINGERPRINT.upper()}\n")
    assert len(again) == 1
    assert {type(each) for each in (many.certificates, many.keys, many.serials)} == {frozenset}
