"""Proof by shared secret."""

from __future__ import annotations

import pytest

from authz_server.hop import SecretProof
from authz_server.reasons import Reason
from tests import samples
from tests.hop.signing import proven, refusal

SECRET, NEXT = b"0123456789abcdef0123456789abcdef", b"fedcba9876543210fedcba9876543210"
PROOF = SecretProof("x-hop-secret", (SECRET, NEXT))
MISMATCH = (Reason.HOP_SECRET_MISMATCH, {"header": "x-hop-secret"})


def showing(*values):
    return samples.request(*(("x-hop-secret", value) for value in values))


@pytest.mark.parametrize("secret", [SECRET, NEXT])
def test_secret(secret):
    """Either secret proves the hop while they change."""
    assert proven(showing(secret), PROOF) == ("secret",)


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        ((), (Reason.HOP_SECRET_MISSING, {"header": "x-hop-secret"})),
        ((b"",), (Reason.HOP_SECRET_MISSING, {"header": "x-hop-secret"})),
        ((SECRET, SECRET), (Reason.HEADER_DUPLICATED, {"header": "x-hop-secret", "lines": 2})),
        ((SECRET[:-1],), MISMATCH),
        ((SECRET + b"\n",), MISMATCH),
        ((SECRET.upper(),), MISMATCH),
        ((SECRET + b"," + SECRET,), MISMATCH),  # the client's line and the proxy's, joined
        ((SECRET + NEXT,), MISMATCH),
        ((b"\xff",), MISMATCH),
    ],
)
def test_refused(values, refused):
    """The header holds one secret, once, exactly."""
    assert refusal(showing(*values), PROOF) == refused


def test_no_secrets_prove_nothing():
    """An empty list of secrets is matched by nothing."""
    assert refusal(showing(SECRET), SecretProof("x-hop-secret", ())) == MISMATCH


def test_secrets_are_not_shown():
    """No secret stands where a proof is printed."""
    assert repr(SECRET) not in repr(PROOF)
