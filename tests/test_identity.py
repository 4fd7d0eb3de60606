"""``identity.py``: which names a client has; whatever is ambiguous, hidden or malformed is refused."""

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from authz_server.identity import identify, is_spiffe_id
from authz_server.model import NameKind, PresentedChain
from authz_server.reasons import Reason, Rejection
from authz_server.validation import Profile, verify_path
from tests.pki import NOW, SPIFFE, SUBJECT, alice, altered, bundle, certificate, client, der, presented, root


def who(issued, kind=NameKind.SUBJECT):
    return identify(verify_path(presented(issued), bundle(), Profile(), NOW), kind)


def common_names(*values):
    """A subject of these common names, whatever they hold."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, value, _validate=False) for value in values])


def with_email(text):
    """A client with an e-mail name that cryptography itself would not write."""
    names = x509.SubjectAlternativeName([x509.RFC822Name._init_without_validation(text)])  # noqa: SLF001 - it refuses to write one
    return client(extensions=((names, False),))


def test_every_name():
    """Every name is read from the certificate, DNS names and e-mail hosts in lower case."""
    principal = who(alice())
    assert principal.name.value == principal.subject == "CN=alice,O=Acme"
    assert principal.values(NameKind.EMAIL) == ("alice@example.org",)
    assert principal.values(NameKind.COMMON_NAME) == ("alice",)
    assert principal.values(NameKind.SPIFFE) == principal.values(NameKind.URI) == (SPIFFE,)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (NameKind.SPIFFE, SPIFFE),
        (NameKind.URI, SPIFFE),
        (NameKind.DNS, "a.example.org"),
        (NameKind.EMAIL, "Joe@example.org"),
        (NameKind.SUBJECT, "CN=Jörg,O=Acme,C=DE"),
        (NameKind.COMMON_NAME, "Jörg"),
    ],
)
def test_the_name(kind, value):
    """Each kind of name can be the name; letters outside ASCII are no hidden characters."""
    full = client(subject="CN=Jörg,O=Acme,C=DE", uris=[SPIFFE], dns=["A.example.org"], emails=["Joe@Example.ORG"])
    assert who(full, kind).name.value == value


@pytest.mark.parametrize(
    "odd",
    [
        "a\0b",
        "admin\x00",
        "a\r\nb",
        "alice\r\nx-admin: 1",
        "a\u202eb",
        "\u202enimda",
        "a\u200bb",
        "a\x85b",
        "a\u2028b",
        "a\ue000b",
    ],
)
def test_hidden_characters(odd):
    """Control, bidirectional, invisible, separating and private characters are refused, whichever name is asked for."""
    for kind in (NameKind.SUBJECT, NameKind.SHA256):
        with pytest.raises(Rejection) as refused:
            who(client(subject=common_names(odd)), kind)
        assert refused.value.reason is Reason.IDENTITY_INVALID


@pytest.mark.parametrize(
    ("issued", "kind", "reason"),
    [
        (client(), NameKind.DNS, Reason.IDENTITY_MISSING),  # never the common name instead
        (client(), NameKind.SPIFFE, Reason.IDENTITY_MISSING),
        (client(subject=x509.Name([]), dns=["a"]), NameKind.SUBJECT, Reason.IDENTITY_MISSING),
        (client(subject=common_names("a", "b")), NameKind.COMMON_NAME, Reason.IDENTITY_AMBIGUOUS),
        (client(subject="CN=a,CN=b"), NameKind.COMMON_NAME, Reason.IDENTITY_AMBIGUOUS),
        (client(dns=["a.b", "c.d"]), NameKind.DNS, Reason.IDENTITY_AMBIGUOUS),
        (client(emails=["a@b", "c@d"]), NameKind.EMAIL, Reason.IDENTITY_AMBIGUOUS),
        (client(uris=["spiffe://a/b", "https://a"]), NameKind.SPIFFE, Reason.IDENTITY_AMBIGUOUS),  # X509-SVID §2
        (with_email("a@b@c"), NameKind.EMAIL, Reason.IDENTITY_INVALID),
        (with_email("a@b@c"), NameKind.SHA256, Reason.IDENTITY_INVALID),
        (client(uris=["https://a\n"]), NameKind.URI, Reason.IDENTITY_INVALID),
        (client(uris=["https://x/\r\ny"]), NameKind.SHA256, Reason.IDENTITY_INVALID),
        (client(uris=[""]), NameKind.URI, Reason.IDENTITY_INVALID),
        (client(uris=["SPIFFE://a/b"]), NameKind.SUBJECT, Reason.IDENTITY_INVALID),
        (client(uris=["spiffe://x/../y"]), NameKind.SHA256, Reason.IDENTITY_INVALID),
        (client(dns=["admin\x00.evil.com"]), NameKind.SHA256, Reason.IDENTITY_INVALID),
        (client(dns=[""]), NameKind.SHA256, Reason.IDENTITY_INVALID),
    ],
)
def test_refused(issued, kind, reason):
    """There is exactly one name of the configured kind, and every other name is well formed, or the client is refused."""
    with pytest.raises(Rejection) as refused:
        who(issued, kind)
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (SPIFFE, True),
        ("spiffe://example.org/a/B.c_d-e", True),
        ("spiffe://example.org", False),
        ("spiffe://example.org/", False),
        ("spiffe://example.org/a/", False),
        ("spiffe://example.org//a", False),
        ("spiffe://example.org/./a", False),
        ("spiffe://example.org/..", False),
        ("spiffe://Example.org/a", False),
        ("Spiffe://example.org/a", False),
        ("spiffe://example.org:80/a", False),
        ("spiffe://u@example.org/a", False),
        ("spiffe://example.org/a?b", False),
        ("spiffe://example.org/a#b", False),
        ("spiffe://example.org/%61", False),
        ("spiffe://example.org/a\n", False),
        ("spiffe:///a", False),
        ("spiffe://a/" + "b" * 2037, True),
        ("spiffe://a/" + "b" * 2038, False),
    ],
)
def test_spiffe_id(text, valid):
    """SPIFFE-ID §2, as strictly as go-spiffe reads it."""
    assert is_spiffe_id(text) is valid


def test_malformed_extension():
    """A leaf whose names do not parse is refused by name here too, should validation ever let it through."""
    path = verify_path(presented(alice()), bundle(), Profile(), NOW)
    broken = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), b"\x04")
    with pytest.raises(Rejection) as refused:
        identify(replace(path, leaf=certificate(client(extensions=((broken, False),)))), NameKind.SUBJECT)
    assert refused.value.reason is Reason.CERTIFICATE_MALFORMED


def text_subject(tag, value, oid=b"\x55\x04\x03"):
    """A subject of one attribute of this string type."""
    return der(0x30, der(0x31, der(0x30, der(0x06, oid), der(tag, value))))


def with_names(*names):
    """A client whose alternative names are these DER values, which no builder would write."""
    san = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), der(0x30, *names))
    return client(extensions=((san, False),))


@pytest.mark.parametrize(
    "issued",
    [
        with_names(der(0x81, b"Admin <admin@example.org>")),  # no Mailbox
        with_names(der(0x81, b"admin@example.org\r\n")),
        with_names(der(0x81, "jörg@example.org".encode())),
        with_names(der(0x81, b"admin")),
        with_names(der(0x86, b"SPIFFE://example.org/a")),
        with_names(der(0x86, b"spiffe://example.org/a\n")),
        with_names(der(0x82, b"admin\0.evil.com")),
    ],
)
def test_names_that_are_none(issued):
    """Alternative names are returned by the library as they are; those that are not what they claim refuse the client."""
    with pytest.raises(Rejection) as refused:
        who(issued, NameKind.SHA256)
    assert refused.value.reason in {Reason.IDENTITY_INVALID, Reason.CERTIFICATE_MALFORMED}


def dns(text):
    return with_names(der(0x82, text.encode()))


def uri(text):
    return with_names(der(0x86, text.encode()))


LABEL = "a" * 63


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "a.example.org",
        "1and1.example",
        "x-y.example",
        "xn--bcher-kva.de",
        "_dmarc.example.org",
        "my_service.local",
        "1.2.3.4",
        LABEL,
        ".".join([LABEL, LABEL, LABEL, "a" * 61]),
    ],
)
def test_dns_names(text):
    """Letters, digits, hyphens within and underscores in labels of 63, 253 in all (RFC 5280 §4.2.1.6); case says nothing."""
    assert who(dns(text), NameKind.DNS).name.value == text
    assert who(dns(text.upper()), NameKind.DNS).name.value == text


@pytest.mark.parametrize(
    "text",
    [
        "*.example.org",
        "*",
        "a*.example.org",
        "bücher.de",
        "a b;c",
        "",
        " ",
        ".",
        "a.",
        ".a",
        "a..b",
        "-a",
        "a-",
        "a.-b",
        "a.b-",
        "a/b",
        "a:80",
        "a@b",
        "a,b",
        "a%2e",
        "a\n",
        "a\x00",
        LABEL + "a",
        ".".join([LABEL, LABEL, LABEL, "a" * 62]),
    ],
)
def test_names_that_are_not_dns(text):
    """A wildcard is no client's name, and text that is no host name is none either, whichever name is asked for."""
    for kind in (NameKind.DNS, NameKind.SUBJECT):
        with pytest.raises(Rejection) as refused:
            who(dns(text), kind)
        assert refused.value.reason in {Reason.IDENTITY_INVALID, Reason.CERTIFICATE_MALFORMED}


@pytest.mark.parametrize(
    "text",
    [
        "https://a.example/x?y=1#z",
        "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "tag:a@b,2026:x",
        "mailto:a@b",
        "a+b-c.d:e",
        "https://[2001:db8::1]/",
        "https://a/%C3%BC",
        "x:1",
        "https://a/?#",
    ],
)
def test_uris(text):
    """An absolute URI of RFC 3986's characters is a name as it stands."""
    assert who(uri(text), NameKind.URI).name.value == text


@pytest.mark.parametrize(
    "text",
    [
        "no uri at all",
        "relative/path",
        "//a/b",
        ":a",
        "1a:b",
        "a:",
        "a:#b",
        "https://a b",
        "https://a/é",
        "https://a/%",
        "https://a/%4",
        "https://a/%GG",
        "https://a/#b#c",
        "https://a/<b>",
        'https://a/"',
        "https://a/\\b",
        "https://a/{b}",
        "a:b\n",
        "a:b\x00",
        "a:^",
        "",
    ],
)
def test_names_that_are_no_uris(text):
    """A URI without a scheme, and what RFC 3986 wants encoded, refuse the client, whichever name is asked for."""
    for kind in (NameKind.URI, NameKind.SUBJECT):
        with pytest.raises(Rejection) as refused:
            who(uri(text), kind)
        assert refused.value.reason in {Reason.IDENTITY_INVALID, Reason.CERTIFICATE_MALFORMED}


@pytest.mark.xfail(strict=True, reason="a common name of any string type is read, OCTET STRING too (RFC 5280 §4.1.2.4)")
def test_subject_that_is_no_text():
    """A common name that is an OCTET STRING is not read as text (X.520 DirectoryString)."""
    odd = altered(client(), root(), {SUBJECT: text_subject(0x04, b"alice")})
    path = verify_path(PresentedChain(odd, ()), bundle(), Profile(), NOW)
    with pytest.raises(Rejection) as refused:
        identify(path, NameKind.COMMON_NAME)
    assert refused.value.reason in {Reason.IDENTITY_INVALID, Reason.CERTIFICATE_MALFORMED}


@pytest.mark.filterwarnings("ignore:Attribute's length")  # cryptography says so too
def test_empty_common_name():
    """A common name of no characters is a malformed name, not one that is missing."""
    empty = altered(client(), root(), {SUBJECT: text_subject(0x0C, b"")})
    with pytest.raises(Rejection) as refused:
        identify(verify_path(PresentedChain(empty, ()), bundle(), Profile(), NOW), NameKind.SHA256)
    assert refused.value.reason is Reason.IDENTITY_INVALID


def test_bmp_string():
    """A BMPString is read as the text that it is, and its hidden characters are seen."""

    def named(text):
        odd = altered(client(), root(), {SUBJECT: text_subject(0x1E, text.encode("utf-16-be"))})
        return identify(verify_path(PresentedChain(odd, ()), bundle(), Profile(), NOW), NameKind.COMMON_NAME)

    assert named("Zoë").name.value == "Zoë"
    with pytest.raises(Rejection) as refused:
        named("a\u202eb")
    assert refused.value.reason is Reason.IDENTITY_INVALID


def test_address_within_the_subject():
    """An e-mail address in the subject is no e-mail name: name constraints do not hold for it."""
    subject = x509.Name([x509.NameAttribute(NameOID.EMAIL_ADDRESS, "root@example.org"), *common_names("a")])
    with pytest.raises(Rejection) as refused:
        who(client(subject=subject), NameKind.EMAIL)
    assert refused.value.reason is Reason.IDENTITY_MISSING


def test_slash_within_a_common_name():
    """A common name that looks like two parts of OpenSSL's one-line form is one part."""
    principal = who(client(subject=common_names("alice/CN=admin")), NameKind.COMMON_NAME)
    assert principal.name.value == "alice/CN=admin"
    assert principal.subject == "CN=alice/CN=admin"


def test_composed_and_decomposed():
    """Names are compared as they stand: two spellings of one letter, and letters that look alike, are two names."""
    names = {who(client(subject=common_names(text)), NameKind.COMMON_NAME).name.value for text in ("Zo\u00eb", "Zoe\u0308")}
    assert len(names) == 2
    assert who(client(subject=common_names("\u0430lice")), NameKind.COMMON_NAME).name.value != "alice"


def test_serial_and_fingerprints():
    """The serial is lower-case hex without zeros in front; a renewal keeps the key's fingerprint and not the certificate's."""
    one, renewed = client(key=alice().key), client(key=alice().key)
    first, second = who(one), who(renewed)
    assert first.serial == f"{one.certificate.serial_number:x}" != second.serial
    assert first.public_key_sha256 == second.public_key_sha256
    assert first.certificate_sha256 == certificate(one).sha256 != second.certificate_sha256


def test_the_anchor_is_part_of_it():
    """Which anchor vouched is known: the same subject below another anchor is another principal."""
    assert who(client()).anchor_sha256 == certificate(root()).sha256


@pytest.mark.parametrize(("length", "valid"), [(255, True), (256, False)])
def test_trust_domain_length(length, valid):
    """A trust domain has at most 255 bytes (SPIFFE-ID §2.3)."""
    assert is_spiffe_id(f"spiffe://{'a' * length}/b") is valid
