"""``identity_headers.py``: visible ASCII, bounded, and nothing lost on the way."""

from dataclasses import replace

import pytest

from authz_server.identity import identify
from authz_server.identity_headers import SUFFIXES, identity_headers
from authz_server.model import Name, NameKind
from authz_server.reasons import Reason, Rejection
from authz_server.validation import Profile, verify_path
from tests.pki import NOW, alice, bundle, presented


def principal(**changes):
    return replace(identify(verify_path(presented(alice()), bundle(), Profile(), NOW), NameKind.SUBJECT), **changes)


def test_closed_set():
    """Every header of the set is either set or removed, never both."""
    headers, unset = identity_headers(principal(names=()), "x-")
    assert {name for name, _ in headers} | set(unset) == {"x-" + suffix for suffix in SUFFIXES}
    assert {name for name, _ in headers} & set(unset) == set()


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
