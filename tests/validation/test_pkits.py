"""NIST PKITS: what the validation says to each of its runs, and by name and group where it says something else.

``pkits.json`` is the table of the runs (path below the trust anchor, CRLs beside the anchor's, expected result); certificates
and CRLs come out of the package ``cryptography-vectors``. They end in 2030, so the clock stands at a day of 2022. The suite
knows no purposes, so the profile is that of any purpose.
"""

import json
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest

from authz_server.model import Certificate, PresentedChain
from authz_server.reasons import Reason, Rejection
from authz_server.validation import Profile, TrustBundle, verify_path
from authz_server.validation.revocation import (
    CrlError,
    RevocationData,
    RevocationMode,
    RevocationPolicy,
    RevocationStatus,
    check_revocation,
    parse_crl,
)

NOW = datetime(2022, 5, 1, tzinfo=UTC)
DATA = files("cryptography_vectors") / "x509" / "PKITS_data"
RUNS = {run["id"]: run for run in json.loads((Path(__file__).parent / "pkits.json").read_text("utf-8"))}
HARD = RevocationPolicy(RevocationMode.HARD)
NIST_POLICY = "2.16.840.1.101.3.2.1.48."

# Refused by the suite, accepted here: initial-explicit-policy without naming a policy cannot be asked for.
ACCEPTED = ("4.8.2/2", "4.8.3/2")

# Accepted by the suite, refused here, and why.
REFUSED = {
    "DSA is not supported": {
        Reason.CERTIFICATE_KEY_UNACCEPTABLE: "4.1.4",
        Reason.CERTIFICATE_MALFORMED: "4.1.5",  # a key without its parameters does not parse
    },
    "a date before 2050 is a UTCTime": {Reason.PATH_INVALID: "4.2.4"},
    "names are compared byte for byte": {Reason.ISSUER_UNKNOWN: "4.3.3 4.3.4 4.3.5 4.3.10 4.3.11"},
    "a CRL by another key than the certificate's": {Reason.REVOCATION_UNAVAILABLE: "4.4.19 4.5.4 4.5.6"},
    "self-issued certificates that are no anchors are dropped": {
        Reason.PATH_INVALID: "4.5.1 4.5.3 4.6.15 4.6.17 4.12.9",
    },
    "anyPolicy of a leaf stands for no policy": {Reason.POLICY_MISSING: "4.8.11/2 4.8.18/2"},
    "critical extensions about policies are not processed": {
        Reason.PATH_INVALID: (
            "4.9.1 4.9.2 4.9.4 4.9.6 4.10.1/1 4.10.3/2 4.10.5/1 4.10.6/1 4.10.9 4.10.11 4.10.12/1 4.10.12/2 4.10.13/1 4.10.13/2 "
            "4.10.14 4.11.2 4.11.4 4.11.7 4.12.2 4.12.3/1 4.12.7"
        )
    },
    "constraints on directory names": {
        Reason.PATH_INVALID: "4.13.1 4.13.4 4.13.5 4.13.6 4.13.11 4.13.14 4.13.18 4.13.19 4.13.27"
    },
    "constraints on URIs": {Reason.PATH_INVALID: "4.13.34 4.13.36"},
    "indirect CRLs and cRLIssuer": {Reason.REVOCATION_UNAVAILABLE: "4.14.22 4.14.24 4.14.25 4.14.28 4.14.29 4.14.30 4.14.33"},
}
REFUSALS = {name: reason for group in REFUSED.values() for reason, names in group.items() for name in names.split()}


@cache
def crl(name):
    """One CRL in a tuple, or an empty one if it cannot be used."""
    try:
        return (parse_crl((DATA / "crls" / f"{name}.crl").read_bytes()).index,)
    except CrlError:
        return ()


@cache
def certificate(name):
    try:
        return Certificate.from_der((DATA / "certs" / f"{name}.crt").read_bytes())
    except ValueError as error:
        raise Rejection(Reason.CERTIFICATE_MALFORMED) from error


def profile(run):
    """Purpose any, and the policies of which the run wants one."""
    policies = (name.replace("NIST-test-policy-", NIST_POLICY) for name in run.get("policies", ()))
    return Profile(max_depth=8, is_any_purpose=True, policies=frozenset(policies))


def answer(run):
    """GOOD, or the reason of the refusal."""
    lists = [each for name in ("TrustAnchorRootCRL", *run["crls"]) for each in crl(name)]
    trust = TrustBundle("pkits", (certificate("TrustAnchorRootCertificate"),))
    try:
        *middle, leaf = map(certificate, run["path"])
        path = verify_path(PresentedChain(leaf, tuple(middle)), trust, profile(run), NOW)
        return check_revocation(path, RevocationData(tuple(lists)), HARD, NOW)
    except Rejection as refused:
        return refused.reason


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # serial numbers below one
@pytest.mark.parametrize("name", RUNS)
def test_run(name):
    """Each run ends as the suite says, but for those that are listed above."""
    run = RUNS[name]
    said = answer(run)
    if name in REFUSALS:
        assert run["valid"]
        assert said is REFUSALS[name]
    elif name in ACCEPTED:
        assert not run["valid"]
        assert said is RevocationStatus.GOOD
    else:
        assert (said is RevocationStatus.GOOD) == run["valid"]


def test_score():
    """190 of 249 runs agree."""
    assert len(RUNS) == 249
    assert len(REFUSALS) + len(ACCEPTED) == 59


REVOCATION = ("4.4.", "4.14.", "4.15.")
# A negative serial number is refused before anything is looked up.
BEFORE_REVOCATION = {"4.4.15": Reason.CERTIFICATE_MALFORMED}


@pytest.mark.parametrize("name", [name for name, run in RUNS.items() if name.startswith(REVOCATION) and not run["valid"]])
def test_refused_for_revocation(name):
    """What the sections on revocation refuse is refused for revocation."""
    assert answer(RUNS[name]) in {
        Reason.CERTIFICATE_REVOKED,
        Reason.ISSUER_REVOKED,
        Reason.REVOCATION_STALE,
        Reason.REVOCATION_UNAVAILABLE,
    } | {BEFORE_REVOCATION.get(name)}
