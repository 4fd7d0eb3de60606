"""RFC 9421's own examples: Appendix B, with its published test keys, which are nobody's."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from authz_server.hop import Key
from authz_server.reasons import Reason
from tests import samples
from tests.hop.signing import proof, proven, refusal, with_headers

# Appendix B.2: every signature is of this second.
SIGNED = datetime.fromtimestamp(1618884473, UTC)

# Appendix B.1.2, B.1.3, B.1.4 and B.1.5.
RSA_PSS = """\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2
+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+
oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq
gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W
Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4
aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI
2wIDAQAB"""
ECC_P256 = """\
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf
w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ=="""
ED25519 = "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="
SHARED_SECRET = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="


def public(text):
    return Key.from_public_pem(f"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n".encode())


KEYS = {
    "test-key-rsa-pss": public(RSA_PSS),
    "test-key-ecc-p256": public(ECC_P256),
    "test-key-ed25519": public(ED25519),
    "test-shared-secret": Key.from_secret(base64.b64decode(SHARED_SECRET)),
}

DIGEST = b"sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
# Appendix B.3: what a TLS-terminating proxy says about its client.
CLIENT_CERT = (
    b":MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVybWVkaWF0ZSBD"
    b"QTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8YnXXfaUgmnMtOXU"
    b"/IncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADAfBgNVHSMEGDAWgBRm3WjLa38l"
    b"bEYCuiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/BBMwEYEPYmRjQGV4YW1wbGUuY29tMAoGCCqG"
    b"SM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmiZ0NX5r5XarmPk0wmuydBVoU4hBVZ1yhk=:"
)
REQUEST = samples.request(
    ("date", b"Tue, 20 Apr 2021 02:07:55 GMT"),
    ("content-type", b"application/json"),
    ("content-digest", DIGEST),
    ("content-length", b"18"),
    method="POST",
    host="example.com",
    path="/foo?param=Value&Pet=dog",
)
PROXIED = with_headers(replace(REQUEST, host="service.internal.example"), ("client-cert", CLIENT_CERT))

# The example, its request, Signature-Input and Signature.
EXAMPLES = [
    (
        "B.2.3",
        REQUEST,
        (
            'sig-b23=("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length")'
            ';created=1618884473;keyid="test-key-rsa-pss"'
        ),
        (
            "sig-b23=:bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38"
            "K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA"
            "1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4c"
            "UA==:"
        ),
    ),
    (
        "B.2.5",
        REQUEST,
        'sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
        "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
    ),
    (
        "B.2.6",
        REQUEST,
        (
            'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")'
            ';created=1618884473;keyid="test-key-ed25519"'
        ),
        "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
    ),
    (
        "B.3",
        PROXIED,
        'ttrp=("@path" "@query" "@method" "@authority" "client-cert");created=1618884473;keyid="test-key-ecc-p256"',
        "ttrp=:xVMHVpawaAC/0SbHrKRs9i8I3eOs5RtTMGCWXm/9nvZzoHsIg6Mce9315T6xoklyy0yzhD9ah4JHRwMLOgmizw==:",
    ),
]


def asked(**changes):
    """Believe the RFC's keys, for whatever is covered: its signatures have no nonce."""
    return proof(**{"keys": KEYS, "signed_headers": ("@authority",), "components": (), "is_nonce_required": False} | changes)


@pytest.mark.parametrize(("_example", "request_", "described", "value"), EXAMPLES)
def test_example(_example, request_, described, value):
    """The RFC's own signatures verify, and do not for another host or a changed byte of the signature."""
    signed = with_headers(request_, ("signature-input", described.encode()), ("signature", value.encode()))
    assert proven(signed, asked(), SIGNED) == ("signature",)
    assert refusal(replace(signed, host="example.org"), asked(), SIGNED)[0] is Reason.HOP_SIGNATURE_MISMATCH
    flipped = value[:30] + ("A" if value[30] != "A" else "B") + value[31:]
    changed = with_headers(signed, ("signature", flipped.encode()))
    assert refusal(changed, asked(), SIGNED)[0] is Reason.HOP_SIGNATURE_MISMATCH


def test_terminating_proxy():
    """Appendix B.3 is what is asked for here by default, except that it has no nonce."""
    (*_, (_, request, described, value)) = EXAMPLES
    signed = with_headers(request, ("signature-input", described.encode()), ("signature", value.encode()))
    strict = {"signed_headers": ("client-cert", "client-cert-chain"), "components": ("@method", "@authority", "@path", "@query")}
    assert proven(signed, asked(**strict), SIGNED) == ("signature",)
    refused = refusal(signed, asked(**strict, is_nonce_required=True), SIGNED)
    assert refused == (Reason.HOP_SIGNATURE_INCOMPLETE, {"missing": ["nonce"]})


def test_minimal_signature_covers_nothing():
    """Appendix B.2.1 signs no part of the message: refused, before any cryptography."""
    described = 'sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"'
    signed = with_headers(PROXIED, ("signature-input", described.encode()), ("signature", b"sig-b21=:AA==:"))
    assert refusal(signed, asked(signed_headers=("client-cert",)), SIGNED)[1] == {"missing": ["client-cert"]}
