"""``identity.py``: which names a client has; whatever is ambiguous, hidden or malformed is refused."""

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from authz_server.identity import identify, is_spiffe_id
from authz_server.model import NameKind
from authz_server.reasons import Reason, Rejection
from authz_server.validation import Profile, verify_path
from tests.pki import NOW, SPIFFE, alice, bundle, certificate, client, presented


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
