"""``identity_headers.py``: visible ASCII, bounded, and nothing lost on the way."""

from dataclasses import replace

import pytest

from authz_server.identity import identify
from authz_server.identity_headers import SUFFIXES, identity_headers
from authz_server.model import Name, NameKind
from authz_server.reasons import Reason, Rejection
from authz_server.validation import Profile, verify_path
from tests.pki import NOW, alice, bundle, client, presented


def principal(issued=None, **changes):
    path = verify_path(presented(issued or alice()), bundle(), Profile(), NOW)
    return replace(identify(path, NameKind.SUBJECT), **changes)


@pytest.mark.parametrize("names", [{}, {"names": ()}])
def test_closed_set(names):
    """Every header of the set is either set or removed, never both, and in visible ASCII."""
    headers, unset = identity_headers(principal(**names), "x-auth-client-")
    assert {name for name, _ in headers} | set(unset) == {f"x-auth-client-{suffix}" for suffix in SUFFIXES}
    assert {name for name, _ in headers} & set(unset) == set()
    assert all(value.isascii() and value.isprintable() for _, value in headers)


def test_of_a_certificate():
    """Letters outside ASCII are percent-encoded, and what the certificate does not hold is removed."""
    headers, unset = identity_headers(principal(client(subject="CN=Jörg,O=Acme,C=DE")), "x-auth-client-")
    assert dict(headers)["x-auth-client-subject"] == "CN=J%C3%B6rg,O=Acme,C=DE"
    assert "x-auth-client-dns" in unset


@pytest.mark.parametrize(
    ("value", "text"), [("Zoë", "Zo%C3%AB"), ("100%", "100%25"), (" a b ", "%20a b%20"), ("  ", "%20%20"), ("a\r\nb", "a%0D%0Ab")]
)
def test_encoding(value, text):
    """Another name never arrives as the same text, the spaces at its ends included."""
    assert dict(identity_headers(principal(name=Name(NameKind.COMMON_NAME, value)), "x-")[0])["x-name"] == text


def test_separator():
    """A comma within a name is no separator."""
    names = (Name(NameKind.URI, "a,b"), Name(NameKind.URI, "c"))
    assert dict(identity_headers(principal(names=names), "x-")[0])["x-uri"] == "a%2Cb,c"


@pytest.mark.parametrize(
    "changes", [{"subject": "a" * 4097}, dict.fromkeys(("subject", "issuer", "serial", "public_key_sha256"), "a" * 4096)]
)
def test_too_long(changes):
    """Nothing is cut: one value too long, or all together, is refused."""
    with pytest.raises(Rejection) as refused:
        identity_headers(principal(**changes), "x-")
    assert refused.value.reason is Reason.IDENTITY_TOO_LONG


def test_names_of_a_certificate_too_long():
    """A certificate that is accepted can still hold more names than headers can carry."""
    long = client(uris=[f"https://{letter * 2100}/" for letter in "ab"])
    many = client(
        uris=[f"https://x/{n}/{'u' * 200}" for n in range(16)],
        dns=[f"{n}{f'.{chr(100) * 49}' * 4}" for n in range(16)],
        emails=[f"{n}{'e' * 200}@x" for n in range(16)],
    )
    for issued, prefix in ((long, "x-auth-client-"), (many, "x-" + "p" * 900 + "-")):
        with pytest.raises(Rejection) as refused:
            identity_headers(principal(issued), prefix)
        assert refused.value.reason is Reason.IDENTITY_TOO_LONG
