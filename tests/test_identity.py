"""Names come from the certificate; ambiguity and hidden characters are refused."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from authz_server.access import AllowList, authorize, parse_pattern
from authz_server.identity import identify, is_spiffe_id
from authz_server.identity_headers import SUFFIXES, identity_headers
from authz_server.model import NameKind
from authz_server.reasons import Reason, Rejection
from authz_server.validation import Profile, verify_path
from tests.samples import ALICE, NOW, ROOT, SPIFFE, TRUST, presented


def principal(issued, kind=NameKind.SHA256):
    return identify(verify_path(presented(issued), TRUST, Profile(), NOW), kind)


def named(value):
    return ROOT.issue(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, value, _validate=False)]))


def two_at_signs():
    names = x509.SubjectAlternativeName([x509.RFC822Name._init_without_validation("a@b@c")])
    return ROOT.issue("CN=a", extensions=((names, False),))


FULL = ROOT.issue("CN=Jörg,O=Acme,C=DE", uris=(SPIFFE,), dns=("A.example.org",), emails=("Joe@Example.ORG",))


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
    """Each kind of name can be the name."""
    assert principal(FULL, kind).name.value == value


@pytest.mark.parametrize(
    ("issued", "kind", "reason"),
    [
        (ROOT.issue("CN=a"), NameKind.SPIFFE, Reason.IDENTITY_MISSING),
        (ROOT.issue("CN=a", dns=("a.b", "c.d")), NameKind.DNS, Reason.IDENTITY_AMBIGUOUS),
        (ROOT.issue("CN=a,CN=b"), NameKind.COMMON_NAME, Reason.IDENTITY_AMBIGUOUS),
        (ROOT.issue("CN=a", uris=(SPIFFE, "https://x")), NameKind.SPIFFE, Reason.IDENTITY_AMBIGUOUS),
        (ROOT.issue("CN=a", uris=("spiffe://x/../y",)), NameKind.SHA256, Reason.IDENTITY_INVALID),
        (ROOT.issue("CN=a", uris=("SPIFFE://x/y",)), NameKind.SHA256, Reason.IDENTITY_INVALID),
        (ROOT.issue("CN=a", uris=("https://x/\r\ny",)), NameKind.SHA256, Reason.IDENTITY_INVALID),
        (ROOT.issue("CN=a", dns=("admin\x00.evil.com",)), NameKind.SHA256, Reason.IDENTITY_INVALID),
        (ROOT.issue("CN=a", dns=("",)), NameKind.SHA256, Reason.IDENTITY_INVALID),
        (two_at_signs(), NameKind.SHA256, Reason.IDENTITY_INVALID),
        (named("alice\r\nx-admin: 1"), NameKind.SHA256, Reason.IDENTITY_INVALID),
        (named("admin\x00"), NameKind.SHA256, Reason.IDENTITY_INVALID),
        (named("\u202enimda"), NameKind.SHA256, Reason.IDENTITY_INVALID),
    ],
)
def test_refused(issued, kind, reason):
    """A missing, ambiguous or dishonest name is refused."""
    with pytest.raises(Rejection) as refused:
        principal(issued, kind)

    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SPIFFE, True),
        ("spiffe://x", False),
        ("spiffe://x/", False),
        ("spiffe://X/y", False),
        ("spiffe://u@x/y", False),
        ("spiffe://x:1/y", False),
        ("spiffe://x/y?z", False),
        ("spiffe://x/%41", False),
        ("spiffe://x/./y", False),
        (f"spiffe://x/{'y' * 2048}", False),
    ],
)
def test_spiffe_id(text, expected):
    """SPIFFE-ID §2, as strictly as go-spiffe reads it."""
    assert is_spiffe_id(text) is expected


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("*", True),
        (f"spiffe:{SPIFFE}", True),
        ("spiffe:spiffe://example.org/*", True),
        ("spiffe:spiffe://example.org/al", False),
        ("dns:A.Example.org", True),
        ("email:Joe@EXAMPLE.org", True),
        ("email:joe@example.org", False),  # the local part has case
        ("email:Joe*", True),
        ("common-name:J*", True),
        ("subject:CN=Jörg,O=Acme,C=DE", True),
        ("subject:O=Acme,CN=Jörg,C=DE", False),
        ("subject:*,O=Acme,C=DE", True),
        ("subject:*,C=DE", True),
        ("subject:*,CN=Jörg,O=Acme,C=DE", False),  # not below itself
        ("subject:*,O=Acme", False),  # not from the root
        (f"sha256:{principal(FULL).certificate_sha256.upper()}", True),
        (f"public-key-sha256:{'0' * 64}", False),
    ],
)
def test_patterns(pattern, matches):
    """Patterns match names by kind, subjects by their parts."""
    rules = AllowList((parse_pattern(pattern),))
    if matches:
        assert authorize(principal(FULL), rules).rule == pattern
        return
    with pytest.raises(Rejection) as refused:
        authorize(principal(FULL), rules)
    assert refused.value.reason is Reason.NOT_ALLOWED


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "alice",
        "who:x",
        "dns:",
        "dns:*",
        "dns:a*b",
        "spiffe:spiffe://exam*",
        "subject:",
        "subject:*,",
        "subject:x",
        "sha256:ab",
    ],
)
def test_bad_patterns(pattern):
    """A pattern that cannot mean anything, or could mean too much, is an error at load."""
    with pytest.raises(ValueError, match="expected|empty|end only|trust domain"):
        parse_pattern(pattern)


def test_empty_allow_list():
    """An empty allow list cannot be built."""
    with pytest.raises(ValueError, match="pattern"):
        AllowList(())


def test_headers_are_a_closed_set():
    """Every header of the set is either written or removed, in visible ASCII, and never both."""
    headers, unset = identity_headers(principal(FULL), "x-auth-client-")

    assert {name for name, _ in headers} | set(unset) == {f"x-auth-client-{suffix}" for suffix in SUFFIXES}
    assert not {name for name, _ in headers} & set(unset)
    assert dict(headers)["x-auth-client-subject"] == "CN=J%C3%B6rg,O=Acme,C=DE"
    assert all(value.isascii() and value.isprintable() for _, value in headers)
    assert "x-auth-client-dns" in identity_headers(principal(ALICE), "x-auth-client-")[1]


@pytest.mark.parametrize("names", [["a" * 2100, "b" * 2100], []])
def test_headers_are_bounded(names):
    """Names that do not fit are refused, never cut."""
    many = {"dns": [f"{n}{'d' * 200}" for n in range(16)], "emails": [f"{n}{'e' * 200}@x" for n in range(16)]}
    uris = [f"https://x/{n}/{'u' * 200}" for n in range(16)]
    issued = ROOT.issue("CN=a", uris=[f"https://{name}/" for name in names]) if names else ROOT.issue("CN=a", uris=uris, **many)
    if names:
        with pytest.raises(Rejection) as refused:
            identity_headers(principal(issued), "x-auth-client-")
        assert refused.value.reason is Reason.IDENTITY_TOO_LONG
        return
    with pytest.raises(Rejection) as refused:
        identity_headers(principal(issued), "x-" + "p" * 900 + "-")
    assert refused.value.reason is Reason.IDENTITY_TOO_LONG
