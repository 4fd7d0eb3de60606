"""``spiffe.py``: X509-SVIDs of one trust domain, leaf and CAs, clause by clause."""

import pytest
from cryptography import x509

from authz_server.demo.pki import key_usage
from authz_server.model import PresentedChain
from authz_server.reasons import Reason, Rejection
from authz_server.validation import Profile, presented_trust_domain, verify_path
from tests.pki import EXTENSIONS, NOW, altered, authority, bundle, certificate, client, der, parts, presented, root

SVID = Profile(spiffe_trust_domain="example.org", allow_missing_eku=True)
ALICE = "spiffe://example.org/alice"


def verify(issued, profile=SVID, trust=None):
    return verify_path(presented(issued), trust or bundle(), profile, NOW)


def refusal(issued, **how):
    with pytest.raises(Rejection) as refused:
        verify(issued, **how)
    return refused.value


@pytest.mark.parametrize(
    ("uris", "claimed"),
    [
        ([ALICE], "example.org"),
        (["spiffe://example.org"], "example.org"),
        (["spiffe://example.org/"], "example.org"),
        (["spiffe://a_b-c.1/x"], "a_b-c.1"),
        (["spiffe://" + "a" * 255 + "/x"], "a" * 255),
        (["spiffe://" + "a" * 256 + "/x"], None),
        ([], None),
        ([ALICE, "spiffe://other.org/alice"], None),
        ([ALICE, "https://example.org"], None),  # X509-SVID §2: exactly one URI
        (["SPIFFE://example.org/alice"], None),
        (["spiffe://Example.org/alice"], None),
        (["spiffe://example.org:443/alice"], None),  # SPIFFE-ID §2.1
        (["spiffe://user@example.org/alice"], None),
        (["spiffe://example.org?x"], None),
        (["spiffe://example.org#x"], None),
        (["spiffe://ex%61mple.org/x"], None),
        (["spiffe:///alice"], None),
        (["spiffe:example.org/alice"], None),
        (["https://example.org/spiffe://example.org/"], None),
        (["spiffe://example.org\n/alice"], None),
    ],
)
def test_claims(uris, claimed):
    """A leaf claims the trust domain of its only URI, if that is written as a SPIFFE ID is."""
    assert presented_trust_domain(certificate(client(uris=uris))) == claimed


def test_a_claim_that_cannot_be_read():
    """Names that cannot be read claim nothing: the certificate is refused."""
    names = (x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), b"\x04"), False)
    with pytest.raises(Rejection) as refused:
        presented_trust_domain(certificate(client(extensions=(names,))))
    assert refused.value.reason is Reason.CERTIFICATE_MALFORMED


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"eku": "none"},  # X509-SVID §4.4: optional
        {"dns": ["a.example.org"]},  # §2: other kinds of name may stand beside the URI
        {"subject": x509.Name([])},
    ],
)
def test_svid(fields):
    """An SVID of the trust domain is accepted, with or without what the specification leaves open."""
    assert verify(client(uris=[ALICE], **fields)).anchor == certificate(root())


@pytest.mark.parametrize(
    ("fields", "reason", "facts"),
    [
        ({"uris": []}, Reason.SVID_INVALID, {"presented": None, "expected": "example.org"}),
        ({"uris": ["spiffe://other.org/a"]}, Reason.SVID_INVALID, {"presented": "other.org", "expected": "example.org"}),
        ({"uris": ["spiffe://example.org.evil/a"]}, Reason.SVID_INVALID, None),
        ({"uris": [ALICE, "spiffe://example.org/bob"]}, Reason.SVID_INVALID, None),  # §2
        ({"uris": ["https://example.org/alice"]}, Reason.SVID_INVALID, None),
        ({"uris": [ALICE], "extensions": ((key_usage(digital_signature=True), False),)}, Reason.SVID_INVALID, None),  # §4.3
        ({"uris": [ALICE], "usage": key_usage(key_encipherment=True)}, Reason.CERTIFICATE_KEY_USAGE, None),
        ({"uris": [ALICE], "usage": key_usage(digital_signature=True, key_cert_sign=True)}, Reason.CERTIFICATE_KEY_USAGE, None),
        ({"uris": [ALICE], "eku": "server"}, Reason.CERTIFICATE_EXTENDED_KEY_USAGE, None),
        (
            {"uris": [ALICE], "extensions": ((x509.BasicConstraints(ca=True, path_length=None), True),)},  # §4.1, §5.2
            Reason.CERTIFICATE_IS_CA,
            None,
        ),
    ],
)
def test_no_svid(fields, reason, facts):
    """What is no SVID of the trust domain is refused, though its CA is trusted."""
    refused = refusal(client(**fields))
    assert refused.reason is reason
    if facts is not None:
        assert refused.facts == facts


def test_no_key_usage():
    """An SVID without key usage is none (X509-SVID §4.3), although RFC 5280 would let it pass."""
    leaf = client(uris=[ALICE])
    fields = parts(leaf.certificate.tbs_certificate_bytes)
    (sequence,) = parts(fields[EXTENSIONS])
    kept = [extension for extension in parts(sequence) if b"\x06\x03\x55\x1d\x0f" not in extension]
    chain = PresentedChain(altered(leaf, root(), {EXTENSIONS: der(0xA3, der(0x30, *kept))}), ())
    assert verify_path(chain, bundle(), Profile(), NOW).anchor == certificate(root())
    with pytest.raises(Rejection) as refused:
        verify_path(chain, bundle(), SVID, NOW)
    assert (refused.value.reason, refused.value.facts) == (Reason.SVID_INVALID, {"detail": "no key usage"})


def named(*uris):
    return ((x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in uris]), False),)


@pytest.mark.parametrize(
    ("uris", "accepted"),
    [
        (["spiffe://example.org"], True),
        (["https://ca.example.org"], True),  # no SPIFFE ID: §3.2 does not ask for one
        (["spiffe://example.org/ca"], False),  # §3.2: no path
        (["spiffe://example.org/"], False),
        (["spiffe://other.org"], False),
        (["SPIFFE://other.org"], False),
        (["spiffe://example.org", "spiffe://other.org"], False),
        (["spiffe://example.org", "https://ca.example.org"], True),
    ],
)
@pytest.mark.parametrize("is_anchor", [False, True])
def test_authorities(uris, accepted, is_anchor):
    """A CA that names itself in SPIFFE names its trust domain and nothing else, as an intermediate or as the anchor."""
    ca = authority("SPIFFE", parent=None if is_anchor else root(), extensions=named(*uris))
    leaf, trust = client(ca, uris=[ALICE]), bundle(ca) if is_anchor else bundle()
    if accepted:
        assert verify(leaf, trust=trust).anchor.sha256 in trust.fingerprints
    else:
        refused = refusal(leaf, trust=trust)
        assert refused.reason is Reason.SVID_INVALID
        assert refused.facts["authority"] == certificate(ca).sha256


def test_without_the_profile():
    """Without the SPIFFE profile none of this is asked for."""
    ca = authority("Other", parent=root(), extensions=named("spiffe://other.org/ca"))
    assert verify(client(ca, uris=[ALICE, "https://example.org"]), profile=Profile()).anchor == certificate(root())
