"""``access/``: who is allowed by which pattern; what no pattern allows is denied."""

import pytest

from authz_server.access import AllowList, authorize, parse_pattern
from authz_server.identity import identify
from authz_server.model import NameKind
from authz_server.reasons import Reason, Rejection
from authz_server.validation import Profile, verify_path
from tests.pki import NOW, alice, bundle, certificate, presented


def grant(text):
    principal = identify(verify_path(presented(alice()), bundle(), Profile(), NOW), NameKind.SUBJECT)
    return authorize(principal, AllowList((parse_pattern(text),))).rule


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "subject:CN=alice,O=Acme",
        "subject:*,O=Acme",
        "common-name:alice",
        "common-name:al*",
        "dns:ALICE.example.org",
        "email:alice@EXAMPLE.org",
        "email:alice*",
        "spiffe:spiffe://example.org/*",
    ],
)
def test_allowed(text):
    """The pattern that matches is the rule that is named."""
    assert grant(text) == text


def test_fingerprint():
    """A fingerprint matches with colons and in upper case."""
    digits = certificate(alice()).sha256.upper()
    text = "sha256:" + ":".join(digits[n : n + 2] for n in range(0, 64, 2))
    assert grant(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "subject:CN=alice",
        "subject:CN=alice\\,O=Acme",  # one part that reads like two
        "subject:*,CN=alice,O=Acme",  # below, not the name itself
        "subject:*,O=Other",
        "common-name:Alice",
        "common-name:alice2*",
        "spiffe:spiffe://example.or/*",
        "email:Alice@example.org",
        "uri:spiffe://example.org",
        "public-key-sha256:" + "0" * 64,
    ],
)
def test_denied(text):
    """A name that only resembles the pattern's is denied."""
    with pytest.raises(Rejection) as refused:
        grant(text)
    assert refused.value.reason is Reason.NOT_ALLOWED


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "KIND:VALUE"),
        ("alice", "KIND:VALUE"),
        ("cn:alice", "KIND:VALUE"),
        ("dns:", "empty"),
        ("dns:*", "empty"),
        ("dns:*.example.org", "at the end only"),
        ("spiffe:spiffe://exam*", "whole trust domain"),
        ("subject:alice", "RFC 4514"),
        ("subject:", "RFC 4514"),
        ("subject:*,", "RFC 4514"),
        ("sha256:abc", "64 hex"),
        ("sha256:" + "g" * 64, "64 hex"),
    ],
)
def test_pattern_refused(text, words):
    """A pattern that cannot be meant is an error that says what would be right."""
    with pytest.raises(ValueError, match=words):
        parse_pattern(text)


def test_empty_list():
    """Allowing nobody is not a rule."""
    with pytest.raises(ValueError, match="at least one pattern"):
        AllowList(())
