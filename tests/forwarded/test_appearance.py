"""``appearance.py``: what a value looks like, for an operator; nothing is decided by it."""

import pytest

from authz_server.forwarded import Format
from authz_server.forwarded.appearance import describe_appearance
from authz_server.forwarded.encodings import encode_base64, encode_pem
from authz_server.forwarded.rfc9440 import encode_client_cert, encode_client_cert_chain
from authz_server.forwarded.url_pem import encode_url_pem
from authz_server.forwarded.xfcc_json import encode_json_elements
from authz_server.forwarded.xfcc_text import encode_text_elements
from tests.forwarded.values import HASH, LEAF, alices
from tests.forwarded.writers import written
from tests.pki import alice

PEM, BASE64, TEXT = encode_url_pem((LEAF,)), encode_base64(LEAF), encode_pem((LEAF,))


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
        *((written(form, alice().chain_der), "", form.value) for form in Format),
        (encode_client_cert_chain((LEAF, LEAF)), "list of RFC 9440", "rfc9440"),
        (encode_base64(LEAF + LEAF), "several DER certificates", "base64-der-concat"),
        (BASE64[:-8], "cut off", "base64-der"),
        (BASE64 + "====", "changed", "base64-der"),
        (PEM[:10], "URL-encoded PEM that was cut off", "url-pem"),
        (PEM.replace("-", "%2D"), "URL-encoded PEM", "url-pem"),
        (PEM.replace("%20", "+"), "form-encoded", None),
        (PEM.replace("CERTIFICATE", "PRIVATE%20KEY"), "something else", None),
        (TEXT, "raw line breaks", None),
        (TEXT.replace("\n", ""), "removed", None),
        (TEXT.replace("\n", " "), "spaces", "pem-spaces"),
        (TEXT.replace("\n", "\r\n "), "folded", "pem-folded"),
        (TEXT.replace("CERTIFICATE", "PKCS7"), "something else", None),
        (BASE64[:64] + "\r\n" + BASE64[64:], "line breaks", None),
        (BASE64[:64] + " " + BASE64[64:], "spaces", None),
        ("MIIB-_==", "base64url", None),
        (BASE64[:64] + "%2B" + BASE64[64:], "URL-encoded base64", None),
        (LEAF.hex(), "DER in hex", None),
        (HASH, "fingerprint", None),
        (":".join(HASH[at : at + 2] for at in range(0, 64, 2)), "fingerprint", None),
        ("0ABC01", "serial number", None),
        ("/C=DE/CN=alice", "distinguished name", None),
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
