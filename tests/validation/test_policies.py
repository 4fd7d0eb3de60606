"""Certificate policies: who may ask for one, and what a path must assert then (RFC 5280 §6.1.3 (d) to (f))."""

import pytest
from cryptography import x509

from authz_server.reasons import Reason, Rejection
from authz_server.validation import Profile, verify_path
from tests.pki import NOW, authority, bundle, certificate, client, presented, root

ANY, FIRST, SECOND = "2.5.29.32.0", "1.2.3.1", "1.2.3.2"
REQUIRE = (x509.PolicyConstraints(require_explicit_policy=3, inhibit_policy_mapping=None), False)
NO_ANY = (x509.InhibitAnyPolicy(5), False)
INHIBIT = (x509.PolicyConstraints(require_explicit_policy=None, inhibit_policy_mapping=0), False)


def asserting(*policies):
    """The extension with these policies, nothing for none."""
    each = [x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in policies]
    return ((x509.CertificatePolicies(each), False),) if each else ()


def outcome(leaf, above=(), *constraints, required=()):
    """True, or the reason of the refusal, for Root -> CA -> leaf with these policies."""
    ca = authority("Policed", parent=root(), extensions=(*asserting(*above), *constraints))
    try:
        chain = presented(client(ca, extensions=asserting(*leaf)))
        return verify_path(chain, bundle(), Profile(policies=frozenset(required)), NOW).anchor == certificate(root())
    except Rejection as refused:
        return refused.reason


@pytest.mark.parametrize(
    ("leaf", "above", "required", "expected"),
    [
        ((), (), (), True),  # nobody asks
        ((FIRST,), (SECOND,), (), True),
        ((FIRST,), (FIRST,), (FIRST,), True),
        ((FIRST, SECOND), (SECOND,), (FIRST, SECOND), True),
        ((FIRST,), (ANY,), (FIRST,), True),
        ((FIRST,), (ANY,), (SECOND,), Reason.POLICY_MISSING),
        ((FIRST,), (SECOND,), (FIRST, SECOND), Reason.POLICY_MISSING),
        ((FIRST,), (), (FIRST,), Reason.POLICY_MISSING),
        ((), (FIRST,), (FIRST,), Reason.POLICY_MISSING),
        ((ANY,), (FIRST,), (FIRST,), Reason.POLICY_MISSING),
    ],
)
def test_operator_asks(leaf, above, required, expected):
    """One of the required policies is asserted by every certificate below the anchor."""
    assert outcome(leaf, above, required=required) is expected


@pytest.mark.parametrize(
    ("leaf", "above", "expected"),
    [
        ((FIRST,), (FIRST,), True),
        ((FIRST,), (ANY,), True),
        ((FIRST,), (SECOND,), Reason.POLICY_MISSING),
        ((), (FIRST,), Reason.POLICY_MISSING),
        ((FIRST,), (), Reason.POLICY_MISSING),
    ],
)
def test_authority_asks(leaf, above, expected):
    """A CA that requires explicit policy (§4.2.1.11) is heard though its extension is not critical; any policy will do."""
    assert outcome(leaf, above, REQUIRE) is expected
    assert outcome(leaf, above, INHIBIT) is True


def test_what_would_change_a_policy():
    """InhibitAnyPolicy of a CA is not processed: where a policy is asked for there is none, elsewhere it changes nothing."""
    assert outcome((FIRST,), (FIRST,), NO_ANY, required=(FIRST,)) is Reason.POLICY_MISSING
    assert outcome((FIRST,), (FIRST,), NO_ANY) is True


def test_extension_of_a_ca_that_cannot_be_read():
    """A part of an intermediate that cannot be read refuses the path; it is no error of ours."""
    broken = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.31"), b"\x30\x01")
    assert outcome((), (), (broken, False)) is Reason.CERTIFICATE_MALFORMED
