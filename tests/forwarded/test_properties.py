"""What holds for every value of a header, tried with values that nobody thought of."""

import contextlib

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from authz_server.distinguished_name import parse_distinguished_name
from authz_server.forwarded import Format, decode_chain
from authz_server.forwarded.encodings import decode_base64, encode_base64
from authz_server.forwarded.formats import WIRES
from authz_server.forwarded.url_pem import encode_url_pem
from authz_server.forwarded.xfcc_element import XfccElement
from authz_server.forwarded.xfcc_json import decode_json_elements, encode_json_elements
from authz_server.forwarded.xfcc_text import decode_text_elements, encode_text_elements
from authz_server.model import PresentedChain, comparable_name
from authz_server.reasons import Reason, Rejection
from tests.forwarded.values import ABOVE, HASH, LEAF, URL_PEM, decoded, xfcc
from tests.forwarded.writers import CHAINS, written
from tests.pki import SPIFFE, alice, authority, bob, client, der, intermediate, key, root
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


FORMS = st.sampled_from(list(Format))


@hostile
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(FORMS, st.integers(0, 10_000), st.integers(0, 255), st.booleans())
def test_damaged_value(form, position, byte, insert):
    """A good value with one byte changed or added gives a well-formed chain or a refusal, never a crash."""
    value = written(form, (LEAF, ABOVE)).encode()
    at = position % len(value)
    damaged = value[:at] + bytes([byte]) + value[at + (not insert) :]
    assert isinstance(outcome(source(form), damaged), PresentedChain | Reason)


CLIENTS = (alice(), bob(), client(key=key("rsa2048")), client(key=key("ed25519")))
CAS = (intermediate(), root(), authority("RSA", key=key("rsa3072")))
LEAVES = st.sampled_from([each.certificate_der for each in CLIENTS])
ABOVES = st.lists(st.sampled_from([each.certificate_der for each in CAS]), unique=True)


@given(FORMS, LEAVES, ABOVES)
def test_any_chain(form, leaf, above):
    """Whatever chain a format's writer writes, its decoder gives back, in order."""
    chain = decode_chain(source(form), written(form, (leaf, *above)).encode())
    expected = (leaf, *above) if form in CHAINS else (leaf,)
    assert tuple(each.der for each in (chain.leaf, *chain.intermediates)) == expected


CONTENTS = st.lists(st.binary(max_size=300), min_size=1, max_size=4)


@given(st.sampled_from(list(WIRES)), CONTENTS)
def test_any_bytes_survive_their_wire(form, contents):
    """Each encoding carries any DER values, of any length and so with any padding and any last line, byte for byte."""
    chain = tuple(der(0x30, content) for content in (contents if form in CHAINS else contents[:1]))
    assert WIRES[form].decode(written(form, chain).encode()) == chain


@given(st.sampled_from(list(Format)), st.sampled_from(list(Format)), LEAVES, ABOVES)
def test_no_two_formats_disagree(one, other, leaf, above):
    """A value that two decoders read means the same client to both: no confusion of formats changes who it is."""
    value = written(one, (leaf, *above)).encode()
    try:
        read = decode_chain(source(other), value)
    except Rejection:
        return
    assert read.leaf.der == leaf


ATTRIBUTES = st.tuples(
    st.sampled_from([NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.EMAIL_ADDRESS, x509.ObjectIdentifier("1.2.3.4")]),
    st.text(min_size=1, max_size=20),
)


@given(st.lists(st.lists(ATTRIBUTES, min_size=1, max_size=2, unique=True), min_size=1, max_size=4))
def test_any_name(rdns):
    """The text of any name, as RFC 4514 writes it, is read back to the same structure."""
    name = x509.Name(
        [x509.RelativeDistinguishedName([x509.NameAttribute(oid, text, _validate=False) for oid, text in rdn]) for rdn in rdns]
    )
    text = name.rfc4514_string()
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates, which no certificate holds
        return
    assert parse_distinguished_name(text) == comparable_name(name)


@given(st.text(max_size=60) | st.text(alphabet='CNO=,+\\ #"0C1.', max_size=30))
def test_any_text_for_a_name(text):
    """Any text is a name or a ``ValueError``."""
    with contextlib.suppress(ValueError):
        assert all(parse_distinguished_name(text))


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
