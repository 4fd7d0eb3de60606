"""``appearance.py``: what a value looks like, for an operator; nothing is decided by it."""

import pytest

from authz_server.forwarded.appearance import describe_appearance
from authz_server.forwarded.encodings import encode_base64
from authz_server.forwarded.rfc9440 import encode_client_cert
from authz_server.forwarded.url_pem import encode_url_pem
from authz_server.forwarded.xfcc_json import encode_json_elements
from authz_server.forwarded.xfcc_text import encode_text_elements
from tests.forwarded.values import LEAF, alices
from tests.pki import alice

PEM, BASE64 = encode_url_pem((LEAF,)), encode_base64(LEAF)


@pytest.mark.parametrize(
    ("value", "words", "form"),
    [
        ("", "no certificate at all: what a proxy writes when the client had none", None),
        ("(null)", "no certificate", None),
        (PEM, "URL-encoded PEM", "url-pem"),
        (encode_url_pem(alice().chain_der), "URL-encoded PEM", "url-pem"),
        (PEM.replace("%", "%25"), "twice", None),
        (encode_client_cert(LEAF), "RFC 9440", "rfc9440"),
        (encode_text_elements((alices(),)), "X-Forwarded-Client-Cert", "xfcc"),
        (encode_json_elements((alices(),)), "JSON", "xfcc"),
        (BASE64, "base64 DER", "base64-der"),
        (f'"{BASE64}"', "quotes", "base64-der-quoted"),
        ("CN=alice,O=Acme", "distinguished name", None),
        ("hello", "nothing", None),
        ("\x00", "nothing", None),
    ],
)
def test_appearance(value, words, form):
    """Looks are described in words; a format is named only where one decodes such values."""
    shown, fitting = describe_appearance(value.encode())
    assert words in shown
    assert fitting == form
