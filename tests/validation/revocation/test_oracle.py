"""A second opinion: ``pyhanko-certvalidator`` never says revoked or unknown where we say good, on some random small PKIs.

It is no model in everything. In its mode ``require`` it asks for fresh lists of every certificate, as ``hard`` does, but

- it uses a delta CRL only if the complete one names one (freshestCRL), and misses it then, so a list does if there is one;
- a stale list stays stale beside a fresh delta CRL (RFC 5280 §5.2.4 brings it up to date), so no list here has both;
- a list that a newer one replaced still counts (§5.2.3), and of several delta CRLs it reads one, so there is one of each
  for each scope here.
"""

import asyncio
from collections import Counter
from datetime import timedelta
from random import Random

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.errors import PathValidationError
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.validate import async_validate_path

from authz_server.reasons import Reason
from authz_server.validation.revocation import RevocationStatus, parse_crl
from tests.pki import AFTER, BEFORE, NOW, SECOND, authority, client, intermediate, root
from tests.validation.revocation.making import (
    COMPROMISE,
    HOLD,
    HOUR,
    OTHER_REASONS,
    REMOVED,
    crl_der,
    entry,
    number_of,
    outcome,
    point,
    points,
    scope,
)

FRESHEST = ((x509.FreshestCRL([point("http://a/delta.crl")]), False),)
ISSUERS = {
    # who signs truly, and who only has the name
    "root": (root(), authority("Root")),
    "intermediate": (intermediate(), authority("Intermediate", parent=root())),
}
LEAVES = (
    client(intermediate()),
    client(intermediate(), extensions=points(point("http://a/1.crl"))),
    client(intermediate(), extensions=points(point("http://a/1.crl"), point("http://a/2.crl"))),
)
LISTED = (*LEAVES, intermediate())
SCOPES = (
    None,
    scope(only_contains_user_certs=True),
    scope(only_contains_ca_certs=True),
    scope("http://a/1.crl"),
    scope("http://a/2.crl", only_contains_user_certs=True),
    scope(only_some_reasons=frozenset({COMPROMISE})),
    scope(only_some_reasons=OTHER_REASONS),
)
FRESH, STALE, FUTURE = (BEFORE, AFTER), (BEFORE, NOW - SECOND), (NOW + HOUR, AFTER)


def entries(random, *reasons):
    """Each certificate with a small chance."""
    return [entry(number_of(each), reason=random.choice(reasons)) for each in LISTED if random.random() < 0.15]


def lists_of(random, who):
    """The lists of one CA: for some scopes a complete one, and delta CRLs."""
    scopes = random.choices(range(len(SCOPES)), weights=(9, 1, 1, 1, 1, 1, 1), k=random.randint(1, 3))
    for within in (SCOPES[chosen] for chosen in set(scopes)):
        times = random.choices((FRESH, STALE, FUTURE), weights=(10, 1, 1))[0]
        number = random.randint(1, 3)
        is_updated = False
        if times is not STALE and random.random() < 0.5:
            base = random.randint(1, 3)
            numbers = {"base": base, "number": random.randint(base + 1, 4)}
            is_true, age = random.random() < 0.9, random.choice((FRESH, FRESH, STALE))
            is_updated |= is_true and age is FRESH and numbers["base"] <= number < numbers["number"]
            fields = {"issuer": ISSUERS[who][not is_true], "within": within, "times": age}
            yield crl_der(*entries(random, None, HOLD, REMOVED), **fields, **numbers)
        fields = {"issuer": ISSUERS[who][random.random() < 0.05], "within": within, "times": times, "number": number}
        yield crl_der(*entries(random, None, HOLD), extensions=FRESHEST if is_updated else (), **fields)


def second_opinion(leaf, lists):
    """``good``, or the name of the library's error."""
    load = asn1_x509.Certificate.load
    anchor, middle, last = (load(each.certificate_der) for each in (root(), intermediate(), leaf))
    context = ValidationContext(
        trust_roots=[anchor],
        other_certs=[middle],
        crls=lists,
        moment=NOW,
        revocation_mode="require",
        time_tolerance=timedelta(0),
        allow_fetching=False,
    )
    try:
        asyncio.run(async_validate_path(context, ValidationPath(CertTrustAnchor(anchor), [middle], last)))
    except PathValidationError as refused:
        return type(refused).__name__
    return "good"


@pytest.mark.parametrize("seed", range(6))
def test_second_opinion(seed):
    """Nothing that the library calls revoked or unknown is good here, and every answer occurs."""
    random = Random(seed)  # noqa: S311 - the same PKIs in every run
    seen = Counter()
    for _ in range(100):
        lists = [der for who in ISSUERS for der in lists_of(random, who)]
        leaf = random.choice(LEAVES)
        ours = outcome(leaf, *(parse_crl(der).index for der in lists))
        theirs = second_opinion(leaf, lists)
        seen[ours, theirs] += 1
        assert ours is not RevocationStatus.GOOD or theirs == "good", (seed, len(lists))
    assert seen[RevocationStatus.GOOD, "good"] >= 10
    assert {ours for ours, _ in seen} >= {Reason.CERTIFICATE_REVOKED, Reason.ISSUER_REVOKED, Reason.REVOCATION_UNAVAILABLE}
