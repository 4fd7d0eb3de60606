"""``access/``: who is allowed by which pattern; what no pattern allows is denied."""

import pytest

from authz_server.access import AllowList, authorize, parse_pattern
from authz_server.identity import identify
from authz_server.model import NameKind
from authz_server.reasons import Reason, Rejection
from authz_server.validation import Profile, verify_path
from tests.pki import NOW, SPIFFE, alice, bundle, certificate, client, presented

ALICE = alice()
JOERG = client(subject="CN=Jörg,O=Acme,C=DE", uris=[SPIFFE], dns=["A.example.org"], emails=["Joe@Example.ORG"])
DIGITS = certificate(ALICE).sha256.upper()


def grant(issued, text):
    principal = identify(verify_path(presented(issued), bundle(), Profile(), NOW), NameKind.SUBJECT)
    return authorize(principal, AllowList((parse_pattern(text),))).rule


@pytest.mark.parametrize(
    ("issued", "text"),
    [
        (ALICE, "*"),
        (ALICE, "subject:CN=alice,O=Acme"),
        (ALICE, "subject:*,O=Acme"),
        (JOERG, "subject:CN=Jörg,O=Acme,C=DE"),
        (JOERG, "subject:*,O=Acme,C=DE"),
        (JOERG, "subject:*,C=DE"),
        (ALICE, "common-name:alice"),
        (ALICE, "common-name:al*"),
        (JOERG, "common-name:J*"),
        (ALICE, "dns:ALICE.example.org"),
        (JOERG, "dns:A.Example.org"),
        (ALICE, "email:alice@EXAMPLE.org"),
        (JOERG, "email:Joe@EXAMPLE.org"),
        (ALICE, "email:alice*"),
        (JOERG, "email:Joe*"),
        (ALICE, f"spiffe:{SPIFFE}"),
        (ALICE, "spiffe:spiffe://example.org/*"),
        (ALICE, f"sha256:{DIGITS}"),
        (ALICE, "sha256:" + ":".join(DIGITS[n : n + 2] for n in range(0, 64, 2))),
    ],
)
def test_allowed(issued, text):
    """The pattern that matches is the rule that is named."""
    assert grant(issued, text) == text


@pytest.mark.parametrize(
    ("issued", "text"),
    [
        (ALICE, "subject:CN=alice"),
        (ALICE, "subject:CN=alice\\,O=Acme"),  # one part that reads like two
        (ALICE, "subject:*,CN=alice,O=Acme"),  # below, not the name itself
        (JOERG, "subject:*,CN=Jörg,O=Acme,C=DE"),
        (ALICE, "subject:*,O=Other"),
        (JOERG, "subject:*,O=Acme"),  # not from the root
        (JOERG, "subject:O=Acme,CN=Jörg,C=DE"),  # another order
        (ALICE, "common-name:Alice"),
        (ALICE, "common-name:alice2*"),
        (ALICE, "spiffe:spiffe://example.or/*"),
        (JOERG, "spiffe:spiffe://example.org/al"),  # no prefix without a star
        (ALICE, "email:Alice@example.org"),  # the local part has case
        (JOERG, "email:joe@example.org"),
        (ALICE, "uri:spiffe://example.org"),
        (ALICE, "public-key-sha256:" + "0" * 64),
    ],
)
def test_denied(issued, text):
    """A name that only resembles the pattern's is denied."""
    with pytest.raises(Rejection) as refused:
        grant(issued, text)
    assert refused.value.reason is Reason.NOT_ALLOWED


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "KIND:VALUE"),
        ("alice", "KIND:VALUE"),
        ("cn:alice", "KIND:VALUE"),
        ("who:x", "KIND:VALUE"),
        ("dns:", "empty"),
        ("dns:*", "empty"),
        ("dns:*.example.org", "at the end only"),
        ("dns:a*b", "at the end only"),
        ("spiffe:spiffe://exam*", "whole trust domain"),
        ("uri:https://example.org*", "whole trust domain or host"),
        ("subject:alice", "RFC 4514"),
        ("subject:x", "RFC 4514"),
        ("subject:", "RFC 4514"),
        ("subject:*,", "RFC 4514"),
        ("sha256:abc", "64 hex"),
        ("sha256:ab", "64 hex"),
        ("sha256:" + "g" * 64, "64 hex"),
    ],
)
def test_pattern_refused(text, words):
    """A pattern that cannot be meant, or could mean too much, is an error that says what would be right."""
    with pytest.raises(ValueError, match=words):
        parse_pattern(text)


def test_empty_list():
    """Allowing nobody is not a rule."""
    with pytest.raises(ValueError, match="at least one pattern"):
        AllowList(())
