"""``encodings.py``: base64, percent-encoding and PEM are decoded exactly or refused; no byte is skipped."""

import base64
from urllib.parse import unquote

import pytest
from cryptography import x509

from authz_server.forwarded.encodings import decode_base64, decode_pem, decode_percent, encode_pem
from authz_server.reasons import Reason, Rejection
from tests.pki import alice


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"Zm9",  # no padding, a rest of three
        b"Zm9=",  # tail bits that are not zero
        b"Zh==",  # the same with two padding characters
        b"Zm9v====",  # padding behind whole groups
        b"Zm9v=",
        b"Zg",  # padding left out
        b"Zm 9v",
        b"Zm9v\n",
        b"Zg==Zg==",  # data behind the padding
        b"Zm-_",  # base64url
    ],
)
def test_base64_refused(text):
    """Base64 that another decoder may read differently is refused."""
    with pytest.raises(Rejection) as refusal:
        decode_base64(text)
    assert refusal.value.reason is Reason.BASE64_INVALID


@pytest.mark.parametrize("text", [b"%", b"%4", b"%GG", b"%+1", b"a b", b"a\n", b"\xff"])
def test_percent_refused(text):
    """A percent sign without two hex digits, and what should have been encoded, are refused (RFC 3986 §2.1)."""
    with pytest.raises(Rejection) as refusal:
        decode_percent(text)
    assert refusal.value.reason is Reason.PERCENT_ENCODING_INVALID


@pytest.mark.parametrize("text", [b"%2541", b"%252B", b"%25", b"%2525"])
def test_percent_is_undone_once(text):
    """A percent sign that is left after decoding is a second layer, and refused."""
    with pytest.raises(Rejection) as refusal:
        decode_percent(text)
    assert refusal.value.reason is Reason.PERCENT_ENCODING_DOUBLED


def test_plus_is_a_plus():
    """``+`` is never read as a space."""
    assert decode_percent(b"a+b%2Bc") == b"a+b+c"


def test_library_decoders_would_differ():
    """Why there are own decoders: the libraries' drop, repair or take the first of what ours refuse."""
    assert base64.b64decode("Zm 9v") == b"foo"
    assert base64.b64decode("Zm9=", validate=True) == b"fo"
    assert unquote("%GG%") == "%GG%"
    two = b"junk\n" + alice().chain_pem
    assert x509.load_pem_x509_certificate(two) == alice().certificate
    with pytest.raises(Rejection) as refusal:
        decode_pem(two)
    assert refusal.value.reason is Reason.PEM_MALFORMED


def test_pem_blocks():
    """Blocks come back in order, whatever the length of their lines."""
    text = encode_pem(alice().chain_der)
    assert decode_pem(text.encode()) == alice().chain_der
    one_line = "-----BEGIN CERTIFICATE-----\nZm9v\n-----END CERTIFICATE-----"
    assert decode_pem(one_line.encode()) == (b"foo",)
