"""``identity.py``: which names a client has; whatever is ambiguous, hidden or malformed is refused."""

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from authz_server.identity import identify, is_spiffe_id
from authz_server.model import NameKind
from authz_server.reasons import Reason, Rejection
from authz_server.validation import Profile, verify_path
from tests.pki import NOW, alice, bundle, certificate, client, presented


def who(issued, kind=NameKind.SUBJECT):
    return identify(verify_path(presented(issued), bundle(), Profile(), NOW), kind)


def common_names(*values):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, value) for value in values])


def test_every_kind():
    """Every name is read from the certificate, DNS names and e-mail hosts in lower case."""
    principal = who(alice())
    assert principal.name.value == principal.subject == "CN=alice,O=Acme"
    assert principal.values(NameKind.EMAIL) == ("alice@example.org",)
    assert principal.values(NameKind.COMMON_NAME) == ("alice",)
    assert principal.values(NameKind.SPIFFE) == principal.values(NameKind.URI) == ("spiffe://example.org/alice",)


@pytest.mark.parametrize("odd", ["a\0b", "a\r\nb", "a\u202eb", "a\u200bb", "a\x85b", "a\u2028b", "a\ue000b", ""])
def test_hidden_characters(odd):
    """Control, bidirectional, invisible, private characters and an empty name are refused."""
    if not odd:
        assert who(client(subject=common_names("Zoë"))).values(NameKind.COMMON_NAME) == ("Zoë",)  # letters are not
        return
    with pytest.raises(Rejection) as refused:
        who(client(subject=common_names(odd)))
    assert refused.value.reason is Reason.IDENTITY_INVALID


@pytest.mark.parametrize(
    ("fields", "kind", "reason"),
    [
        ({"subject": common_names("a", "b")}, NameKind.COMMON_NAME, Reason.IDENTITY_AMBIGUOUS),
        ({"emails": ["a@b", "c@d"]}, NameKind.EMAIL, Reason.IDENTITY_AMBIGUOUS),
        ({"uris": ["spiffe://a/b", "https://a"]}, NameKind.SPIFFE, Reason.IDENTITY_AMBIGUOUS),  # X509-SVID §2
        ({}, NameKind.DNS, Reason.IDENTITY_MISSING),  # never the common name instead
        ({"subject": x509.Name([]), "dns": ["a"]}, NameKind.SUBJECT, Reason.IDENTITY_MISSING),
        ({"emails": ["a@b@c"]}, NameKind.EMAIL, Reason.IDENTITY_INVALID),
        ({"uris": ["https://a\n"]}, NameKind.URI, Reason.IDENTITY_INVALID),
        ({"uris": [""]}, NameKind.URI, Reason.IDENTITY_INVALID),
        ({"uris": ["SPIFFE://a/b"]}, NameKind.SUBJECT, Reason.IDENTITY_INVALID),
    ],
)
def test_refused(fields, kind, reason):
    """There is exactly one name of the configured kind, well formed, or a refusal."""
    if fields.get("emails") == ["a@b@c"]:
        odd = x509.SubjectAlternativeName([x509.RFC822Name._init_without_validation("a@b@c")])
        fields = {"extensions": ((odd, False),)}
    with pytest.raises(Rejection) as refused:
        who(client(**fields), kind)
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("spiffe://example.org/a", True),
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
def test_spiffe_forms(text, valid):
    """SPIFFE-ID §2, strictly as go-spiffe reads it."""
    assert is_spiffe_id(text) is valid


def test_malformed_extension():
    """A leaf whose names do not parse is refused by name here too, should validation ever let it through."""
    path = verify_path(presented(alice()), bundle(), Profile(), NOW)
    broken = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), b"\x04")
    with pytest.raises(Rejection) as refused:
        identify(replace(path, leaf=certificate(client(extensions=((broken, False),)))), NameKind.SUBJECT)
    assert refused.value.reason is Reason.CERTIFICATE_MALFORMED
