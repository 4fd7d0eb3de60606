"""What holds for every value of a header, tried with values that nobody thought of."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from authz_server.forwarded import Format, decode_chain
from authz_server.forwarded.encodings import decode_base64, encode_base64
from authz_server.forwarded.rfc9440 import encode_client_cert
from authz_server.forwarded.url_pem import encode_url_pem
from authz_server.forwarded.xfcc_element import XfccElement
from authz_server.forwarded.xfcc_json import decode_json_elements, encode_json_elements
from authz_server.forwarded.xfcc_text import decode_text_elements, encode_text_elements
from authz_server.model import PresentedChain
from authz_server.reasons import Reason, Rejection
from tests.forwarded.values import ABOVE, HASH, LEAF, RFC9440, URL_PEM, XFCC, alices, decoded, xfcc
from tests.pki import SPIFFE
from tests.samples import source

SOURCES = st.sampled_from(
    [
        *(source(form) for form in Format),
        *(source(form, chain_headers=("x-client-cert-chain",)) for form in Format if form is not Format.XFCC),
        *map(xfcc, ("first", "last", "by=a", "hops=2")),
    ]
)
XFCC_LIKE = st.text(alphabet='ByHashCertURI=;,"\\ []{}:%20-a', max_size=60).map(str.encode)
PEM = encode_url_pem((LEAF,))

# A damaged certificate may have any serial number, version and so on; cryptography warns about some of them.
hostile = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


def outcome(where, value, chain=None):
    """The chain, or the reason of our own refusal; any other exception gets through."""
    try:
        return decode_chain(where, value, () if chain is None else (chain,))
    except Rejection as refusal:
        return refusal.reason


@hostile
@settings(max_examples=400, deadline=None)
@given(SOURCES, st.binary(max_size=300) | XFCC_LIKE, st.none() | st.binary(max_size=100))
@example(URL_PEM, b"%", None)
def test_any_bytes(where, value, chain):
    """Any bytes give a chain or our own refusal, and nothing else."""
    assert isinstance(outcome(where, value, chain), PresentedChain | Reason)


TOKENS = ["By=", "Hash=", HASH, "Cert=", '"', PEM, ";", ",", "\\", "URI=", SPIFFE, "[", "{", "]", '{"cert":"', "}", " ", "x"]


@given(st.lists(st.sampled_from(TOKENS), max_size=12).map("".join), st.sampled_from(["sole", "first", "last"]))
def test_any_tokens(text, element):
    """Whatever is put together of the grammar's own tokens decodes to the one certificate in it, or is refused."""
    try:
        chain = decoded(xfcc(element), text)
    except Rejection:
        return
    assert chain.leaf.der == LEAF


@hostile
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["pem", "rfc", "text", "json"]), st.integers(0, 10_000), st.integers(0, 255), st.booleans())
def test_damaged_value(form, position, byte, insert):
    """A good value with one byte changed or added gives a well-formed chain or a refusal, never a crash."""
    where, text = {
        "pem": (URL_PEM, encode_url_pem((LEAF, ABOVE))),
        "rfc": (RFC9440, encode_client_cert(LEAF)),
        "text": (XFCC, encode_text_elements((alices(),))),
        "json": (XFCC, encode_json_elements((alices(),))),
    }[form]
    value, at = text.encode(), position % len(text)
    value = value[:at] + bytes([byte]) + value[at + (not insert) :]
    assert isinstance(outcome(where, value), PresentedChain | Reason)


NAMES = st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=',;"'), max_size=20)
ELEMENTS = st.builds(
    XfccElement,
    by=st.lists(NAMES, min_size=1, max_size=2).map(tuple),
    hash=st.none() | NAMES,
    subject=st.none() | st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
    uri=st.none() | st.lists(NAMES, min_size=1, max_size=2).map(tuple),
    dns=st.none() | st.lists(NAMES, min_size=1, max_size=2).map(tuple),
)


@given(st.lists(ELEMENTS, min_size=1, max_size=3).map(tuple))
def test_xfcc_writers(elements):
    """What either writer writes, its parser reads back."""
    assert decode_text_elements(encode_text_elements(elements)) == elements
    assert decode_json_elements(encode_json_elements(elements)) == elements


@given(st.binary(min_size=1, max_size=200))
def test_base64_round_trip(data):
    """Every byte string survives base64."""
    assert decode_base64(encode_base64(data).encode()) == data
