"""CRLs: which list counts for a certificate, and what several of them say together (RFC 5280 §5.2, §6.3.3)."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from authz_server.reasons import Reason
from authz_server.validation.revocation import RevocationMode, RevocationPolicy, RevocationStatus
from tests.pki import AFTER, BEFORE, NOW, SECOND, alice, authority, bundle, client, intermediate, key, root
from tests.validation.revocation.making import (
    COMPROMISE,
    HARD,
    HOLD,
    HOUR,
    OTHER_REASONS,
    REMOVED,
    SOFT,
    SUPERSEDED,
    crl,
    delta,
    entry,
    number_of,
    outcome,
    point,
    points,
    scope,
)

GOOD, UNKNOWN = RevocationStatus.GOOD, RevocationStatus.UNKNOWN
REVOKED, MISSING, STALE = Reason.CERTIFICATE_REVOKED, Reason.REVOCATION_UNAVAILABLE, Reason.REVOCATION_STALE

LEAF = client()
POINTED = client(extensions=points(point("http://a/1.crl"), point("http://a/2.crl")))
NEXT_TO_ROOT = client(extensions=points(point(relative="OU=1")))
SOME = client(extensions=points(point("http://a/some.crl", reasons=frozenset({COMPROMISE})), point("http://a/all.crl")))
INDIRECT = client(extensions=points(point("http://a/1.crl", issuer=[x509.DirectoryName(root().certificate.subject)])))
DIRECTORY = scope(root().certificate.subject)
BELOW_ROOT = scope(x509.Name([*root().certificate.subject, x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "1")]))

OLD = (BEFORE - HOUR, NOW - SECOND)
FUTURE = (NOW + HOUR, AFTER)
HELD = entry(number_of(LEAF), reason=HOLD)
TAKEN_BACK = entry(number_of(LEAF), reason=REMOVED)
STRANGER = authority("Root")  # the root's name, another key


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ([], MISSING),
        ([crl()], GOOD),
        ([crl(LEAF)], REVOKED),
        ([crl(HELD)], REVOKED),  # a hold is a revocation
        ([crl(entry(number_of(LEAF), date=AFTER))], REVOKED),  # a date to come is one as well
        ([crl(number_of(LEAF) + 1, number_of(LEAF) - 1)], GOOD),  # its neighbours
        ([crl(LEAF, number=None), crl(number=None, times=OLD)], REVOKED),  # without numbers thisUpdate tells
        # age: a revocation counts however old or young its list is; good is only what is fresh
        ([crl(times=OLD)], STALE),
        ([crl(LEAF, times=OLD)], REVOKED),
        ([crl(LEAF, times=FUTURE)], REVOKED),
        ([crl(times=FUTURE)], MISSING),
        ([crl(), crl(LEAF, times=FUTURE, number=2)], REVOKED),
        ([crl(LEAF), crl(times=FUTURE, number=2)], REVOKED),  # what has not begun replaces nothing
        # a newer complete list replaces an older one, however fresh either is
        ([crl(LEAF, times=OLD), crl(number=2)], GOOD),
        ([crl(number=2), crl(LEAF, times=OLD)], GOOD),
        ([crl(LEAF, number=2), crl(times=OLD)], REVOKED),
        ([crl(LEAF), crl(number=2, times=(BEFORE + SECOND, NOW - SECOND))], STALE),
        # number and time contradict each other, or are the same: neither list replaces the other
        ([crl(LEAF), crl(number=2, times=(BEFORE - SECOND, AFTER))], REVOKED),
        ([crl(LEAF), crl(times=(BEFORE + SECOND, AFTER))], REVOKED),
        ([crl(LEAF, number=2), crl(times=(BEFORE + SECOND, AFTER))], REVOKED),
        ([crl(LEAF, number=None), crl(times=(BEFORE + SECOND, AFTER))], GOOD),
        # who signed it
        ([crl(issuer=STRANGER)], MISSING),
        ([crl(LEAF, issuer=STRANGER)], MISSING),
        ([crl(), crl(LEAF, issuer=STRANGER, number=9)], GOOD),
        ([crl(LEAF), crl(issuer=STRANGER, number=9)], REVOKED),  # a forged newer list replaces nothing
        ([crl(issuer=intermediate())], MISSING),
        ([crl(name="CN=Other")], MISSING),  # the right key under another name
        # §6.3.3 (b): users and authorities
        ([crl(within=scope(only_contains_user_certs=True))], GOOD),
        ([crl(LEAF, within=scope(only_contains_user_certs=True))], REVOKED),
        ([crl(within=scope(only_contains_ca_certs=True))], MISSING),
        ([crl(LEAF, within=scope(only_contains_ca_certs=True))], MISSING),
        # a list for distribution points, and a certificate without any: the issuer's name stands for one
        ([crl(within=scope("http://a/1.crl"))], MISSING),
        ([crl(within=DIRECTORY)], GOOD),
        ([crl(LEAF, within=DIRECTORY)], REVOKED),
        # of lists of two scopes the worst counts
        ([crl(), crl(LEAF, within=scope(only_contains_user_certs=True), times=OLD)], REVOKED),
        ([crl(LEAF, times=OLD), crl(within=scope(only_contains_user_certs=True), number=2)], REVOKED),
        # §6.3.3 (l): lists of some reasons are good together only
        ([crl(within=scope(only_some_reasons=frozenset({COMPROMISE})))], MISSING),
        (
            [crl(within=scope(only_some_reasons=frozenset({COMPROMISE}))), crl(within=scope(only_some_reasons=OTHER_REASONS))],
            GOOD,
        ),
        (
            [
                crl(within=scope(only_some_reasons=frozenset({COMPROMISE}))),
                crl(within=scope(only_some_reasons=OTHER_REASONS), times=OLD),
            ],
            STALE,
        ),
        ([crl(), crl(entry(number_of(LEAF), reason=SUPERSEDED), within=scope(only_some_reasons=OTHER_REASONS))], REVOKED),
        # §5.3.1: removeFromCRL belongs into delta CRLs; in a complete one the entry is an entry
        ([crl(TAKEN_BACK)], REVOKED),
    ],
)
def test_complete_lists(lists, expected):
    """One client without distribution points, and lists about it."""
    assert outcome(LEAF, *lists) is expected


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ([delta()], MISSING),  # a delta alone vouches for nothing
        ([delta(LEAF)], REVOKED),  # and revokes all the same
        ([crl(), delta()], GOOD),
        ([crl(), delta(LEAF)], REVOKED),
        ([crl(), delta(LEAF, times=OLD)], REVOKED),
        ([crl(), delta(LEAF, times=FUTURE)], REVOKED),
        ([crl(LEAF), delta()], REVOKED),  # does not mention it: no change
        ([crl(HELD), delta(TAKEN_BACK)], GOOD),
        ([delta(TAKEN_BACK), crl(HELD)], GOOD),  # in any order
        ([crl(HELD), delta(TAKEN_BACK, times=OLD)], REVOKED),  # taken back by fresh ones only
        ([crl(HELD), delta(TAKEN_BACK, times=FUTURE)], REVOKED),
        ([crl(HELD), delta(TAKEN_BACK, entry(number_of(LEAF)))], REVOKED),  # says both: the worse
        ([crl(HELD), delta(TAKEN_BACK), delta(LEAF, number=3)], REVOKED),  # revoked again
        ([crl(), delta(HELD), delta(TAKEN_BACK, number=3)], GOOD),
        ([crl(), delta(HELD, number=3), delta(TAKEN_BACK)], REVOKED),  # the older one takes nothing back
        # §5.2.4 (c), (d): from no later base, and newer than the list
        ([crl(HELD), delta(TAKEN_BACK, number=3, base=2)], REVOKED),
        ([crl(HELD, number=2), delta(TAKEN_BACK)], REVOKED),
        ([crl(HELD, number=5), delta(TAKEN_BACK, number=9, base=3)], GOOD),
        ([crl(number=2), delta(LEAF, times=(BEFORE - SECOND, AFTER))], REVOKED),  # of one number: neither is newer
        ([crl(number=3), delta(LEAF, times=(BEFORE - SECOND, AFTER))], GOOD),  # replaced by the complete list
        ([crl(number=3, times=FUTURE), delta(LEAF)], REVOKED),
        # (a): a fresh delta brings a stale list up to date, if it belongs to it
        ([crl(times=OLD), delta()], GOOD),
        ([crl(times=OLD), delta(times=OLD)], STALE),
        ([crl(times=OLD), delta(base=2, number=3)], STALE),
        ([crl(), delta(times=OLD)], GOOD),  # the list itself is fresh
        ([crl(times=FUTURE), delta()], MISSING),  # nothing makes a list begin earlier
        # (b): the same scope, the same key
        ([crl(HELD), delta(TAKEN_BACK, within=scope(only_contains_user_certs=True))], REVOKED),
        ([crl(times=OLD), delta(within=scope(only_contains_user_certs=True))], STALE),
        ([crl(), delta(LEAF, within=scope(only_contains_user_certs=True))], REVOKED),
        ([crl(HELD), delta(TAKEN_BACK, issuer=STRANGER)], REVOKED),
        ([crl(times=OLD), delta(issuer=STRANGER)], STALE),
        ([crl(), delta(LEAF, issuer=STRANGER)], GOOD),
        # without numbers nothing says that they belong together
        ([crl(HELD, number=None), delta(TAKEN_BACK)], REVOKED),
        ([crl(HELD), delta(TAKEN_BACK, number=None)], REVOKED),
        ([crl(number=None), delta(LEAF, number=None)], REVOKED),
    ],
)
def test_delta_lists(lists, expected):
    """RFC 5280 §5.2.4: what a delta CRL adds, and when it takes something back."""
    assert outcome(LEAF, *lists) is expected


@pytest.mark.parametrize(
    ("leaf", "within", "expected"),
    [
        (POINTED, scope("http://a/1.crl"), GOOD),
        (POINTED, scope("http://a/2.crl"), GOOD),
        (POINTED, scope("http://a/3.crl"), MISSING),
        (POINTED, scope("http://A/1.crl"), MISSING),  # compared as text
        (POINTED, DIRECTORY, MISSING),  # the issuer's name stands for a missing extension only
        (POINTED, None, GOOD),  # a list for everything
        (NEXT_TO_ROOT, scope(relative="OU=1"), GOOD),  # both continue the issuer's name
        (NEXT_TO_ROOT, scope(relative="OU=2"), MISSING),
        (NEXT_TO_ROOT, BELOW_ROOT, GOOD),  # the same name, written out
        (SOME, scope("http://a/some.crl"), MISSING),  # the point speaks of one reason
        (SOME, scope("http://a/all.crl"), GOOD),
        (SOME, scope("http://a/all.crl", only_some_reasons=OTHER_REASONS), MISSING),
        (INDIRECT, scope("http://a/1.crl"), MISSING),  # the point asks for an indirect CRL
    ],
)
def test_distribution_points(leaf, within, expected):
    """RFC 5280 §6.3.3 (b) (2), (d): a list for certain points speaks of the certificates that name one of them."""
    assert outcome(leaf, crl(within=within)) is expected
    assert outcome(leaf, crl(leaf, within=within)) is (
        MISSING if within and expected is MISSING and leaf is not SOME else REVOKED
    )


def test_points_of_one_name():
    """Points that share a name speak for their reasons together."""
    halves = (point("http://a/1.crl", reasons=frozenset({COMPROMISE})), point("http://a/1.crl", reasons=OTHER_REASONS))
    assert outcome(client(extensions=points(*halves)), crl(within=scope("http://a/1.crl"))) is GOOD


@pytest.mark.parametrize(
    ("policy", "now", "expected"),
    [
        (HARD, AFTER, GOOD),  # the last second
        (HARD, AFTER + timedelta(milliseconds=999), GOOD),
        (HARD, AFTER + SECOND, STALE),
        (HARD, BEFORE - timedelta(seconds=60), GOOD),  # the skew
        (HARD, BEFORE - timedelta(seconds=61), MISSING),
        (RevocationPolicy(RevocationMode.HARD, stale_grace=HOUR), AFTER + HOUR, GOOD),
        (RevocationPolicy(RevocationMode.HARD, stale_grace=HOUR), AFTER + HOUR + SECOND, STALE),
        (SOFT, AFTER + SECOND, UNKNOWN),
        (SOFT, AFTER, GOOD),
    ],
)
def test_times(policy, now, expected):
    """ThisUpdate and nextUpdate are inside, in whole seconds; skew before, grace behind."""
    assert outcome(LEAF, crl(), policy=policy, now=now) is expected


def test_list_until_the_end_of_time():
    """A nextUpdate in the year 9999 and a grace behind it."""
    endless = crl(times=(BEFORE, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)))
    assert outcome(LEAF, endless, policy=RevocationPolicy(RevocationMode.HARD, stale_grace=HOUR)) is GOOD


def test_rollover():
    """A CA that changed its key: each certificate is looked up in the lists of the key that signed it."""
    old, new = authority("Rolling", key=key("rsa2048")), authority("Rolling")
    trust = bundle(old, new)
    before, after = client(old), client(new)
    lists = crl(before, issuer=old), crl(issuer=new, number=2)
    assert outcome(before, *lists, trust=trust) is REVOKED
    assert outcome(after, *lists, trust=trust) is GOOD
    assert outcome(before, lists[1], trust=trust) is MISSING


@pytest.mark.parametrize(("policy", "expected"), [(HARD, MISSING), (SOFT, UNKNOWN)])
def test_issuer_that_may_not_sign_lists(policy, expected):
    """RFC 5280 §6.3.3 (f): a CA whose key usage lacks cRLSign signs no lists; one without key usage does."""
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    mute = authority("Mute", extensions=((usage, True),))
    assert outcome(client(mute), crl(issuer=mute), policy=policy, trust=bundle(mute)) is expected


def test_whole_path():
    """Every certificate but the anchor is looked up, and a revoked CA comes before not knowing about the client."""
    assert outcome(alice(), crl(), crl(issuer=intermediate())) is GOOD
    assert outcome(alice(), crl()) is MISSING
    assert outcome(alice(), crl(), policy=SOFT) is UNKNOWN
    assert outcome(alice(), crl(issuer=intermediate())) is MISSING
    assert outcome(alice(), crl(intermediate())) is Reason.ISSUER_REVOKED
    assert outcome(alice(), crl(intermediate(), times=OLD), policy=SOFT) is Reason.ISSUER_REVOKED
    assert outcome(alice(), crl(intermediate()), crl(alice(), issuer=intermediate())) is REVOKED
    assert outcome(alice(), crl(within=scope(only_contains_ca_certs=True)), crl(issuer=intermediate())) is GOOD
    assert outcome(alice(), crl(within=scope(only_contains_user_certs=True)), crl(issuer=intermediate())) is MISSING


def test_anchor_is_not_asked_about():
    """RFC 5280 §6: an anchor is trusted until it is taken out of the bundle, whatever list names it."""
    assert outcome(LEAF, crl(root())) is GOOD


def test_off():
    """``off`` asks nothing, and says so."""
    assert outcome(LEAF, crl(LEAF), policy=RevocationPolicy()) is RevocationStatus.NOT_CHECKED
