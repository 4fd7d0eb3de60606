"""Every format decodes what its products send, and refuses by name what they would not."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz_server.forwarded import ElementSelector, Format, decode_chain, presented_chain
from authz_server.forwarded.appearance import describe_appearance
from authz_server.forwarded.encodings import encode_base64, encode_pem
from authz_server.forwarded.rfc9440 import encode_client_cert, encode_client_cert_chain
from authz_server.forwarded.url_pem import encode_url_pem
from authz_server.forwarded.xfcc_element import XfccElement
from authz_server.forwarded.xfcc_json import encode_json_elements
from authz_server.forwarded.xfcc_text import encode_text_elements
from authz_server.model import Certificate
from authz_server.reasons import Reason, Rejection
from tests.samples import ALICE, BOB, MIDDLE, ROOT, SPIFFE, request, source

A, B = ALICE.certificate_der, BOB.certificate_der
CHAIN = BOB.chain_der
HASH_A, HASH_B = (Certificate.from_der(der).sha256 for der in (A, B))
PEM_A, PEM_B = encode_url_pem((A,)), encode_url_pem((B,))
XFCC_A = encode_text_elements((XfccElement(hash=HASH_A, cert=(A,), subject="CN=alice", uri=(SPIFFE,), dns=()),))
XFCC_B = encode_text_elements((XfccElement(by=("spiffe://lab/waf",), hash=HASH_B, cert=(B,), chain=CHAIN),))
NO_NAMES = ROOT.issue("CN=plain").certificate_der


def decode(form, value, chain=None, element="sole"):
    text = value if isinstance(value, bytes) else value.encode()
    return decode_chain(source(form, element), text, None if chain is None else chain.encode())


@pytest.mark.parametrize(
    ("form", "value", "chain", "element", "leaf", "intermediates"),
    [
        (Format.URL_PEM, PEM_A, None, "sole", A, ()),
        (Format.URL_PEM, encode_url_pem((A,), safe="+/="), None, "sole", A, ()),  # AWS ALB
        (Format.URL_PEM, PEM_A.removesuffix("%0A"), None, "sole", A, ()),
        (Format.URL_PEM, PEM_A.replace("%0A", "%0D%0A"), None, "sole", A, ()),
        (Format.URL_PEM, encode_url_pem(CHAIN), None, "sole", B, CHAIN[1:]),
        (Format.URL_PEM, PEM_B, encode_url_pem(CHAIN[1:]), "sole", B, CHAIN[1:]),
        (Format.URL_PEM, encode_url_pem((A, A)), None, "sole", A, ()),  # the chain repeats the leaf
        (Format.RFC9440, encode_client_cert(A), None, "sole", A, ()),
        (Format.RFC9440, encode_client_cert(B), encode_client_cert_chain(CHAIN[1:]), "sole", B, CHAIN[1:]),
        (Format.XFCC, XFCC_A, None, "sole", A, ()),
        (Format.XFCC, XFCC_A.replace("Hash", "HASH"), None, "sole", A, ()),  # keys have no case
        (Format.XFCC, f'Chain="{encode_url_pem(CHAIN)}"', None, "sole", B, CHAIN[1:]),
        (Format.XFCC, XFCC_B, None, "sole", B, CHAIN[1:]),
        (Format.XFCC, f'Cert="{PEM_A}";Subject="CN=\\"a,b;c=d\\"";URI={SPIFFE}', None, "sole", A, ()),
        (Format.XFCC, f"{XFCC_A},{XFCC_B}", None, "first", A, ()),
        (Format.XFCC, f"{XFCC_A}, {XFCC_B}", None, "last", B, CHAIN[1:]),
        (Format.XFCC, f"{XFCC_A},{XFCC_B}", None, "by=spiffe://lab/waf", B, CHAIN[1:]),
        (Format.XFCC, f'Cert="{encode_url_pem((NO_NAMES,))}";URI=', None, "sole", NO_NAMES, ()),  # asked for, absent
        (Format.XFCC, encode_json_elements((XfccElement(hash=HASH_A, cert=(A,), uri=(SPIFFE,)),)), None, "sole", A, ()),
        (Format.XFCC, encode_json_elements((XfccElement(by=("x",), chain=CHAIN, dns=()),)), None, "sole", B, CHAIN[1:]),
    ],
)
def test_decoded(form, value, chain, element, leaf, intermediates):
    """The leaf and the intermediates come out byte for byte."""
    decoded = decode(form, value, chain, element)

    assert decoded.leaf.der == leaf
    assert tuple(each.der for each in decoded.intermediates) == intermediates


def smuggled(text: str) -> str:
    """What Envoy writes for a client whose URI name is `text`: the hash and certificate are the attacker's own."""
    evil = ROOT.issue("CN=mallory", uris=(text,)).certificate_der
    element = XfccElement(hash=Certificate.from_der(evil).sha256, cert=(evil,), uri=(text,))
    return encode_text_elements((element,))


VICTIM = f'Hash={HASH_A};Cert="{PEM_A}"'
BASE64 = encode_base64(A)

REFUSED = [
    # nothing
    (Format.URL_PEM, "", Reason.CREDENTIAL_MISSING),
    (Format.URL_PEM, "(null)", Reason.CREDENTIAL_MISSING),
    (Format.XFCC, "-", Reason.CREDENTIAL_MISSING),
    (Format.XFCC, "[]", Reason.CREDENTIAL_MISSING),
    (Format.RFC9440, "NONE", Reason.CREDENTIAL_MISSING),
    # size and bytes
    (Format.URL_PEM, "a" * 65537, Reason.HEADER_TOO_LARGE),
    (Format.URL_PEM, "a" * 60000, Reason.PEM_MALFORMED),
    (Format.URL_PEM, PEM_A.encode() + b"\xff", Reason.HEADER_NOT_ASCII),
    (Format.URL_PEM, PEM_A + "\x00", Reason.HEADER_NOT_ASCII),
    (Format.URL_PEM, encode_url_pem((A,) + (B,) * 10), Reason.CHAIN_TOO_LONG),
    # percent-encoding
    (Format.URL_PEM, PEM_A + "%GG", Reason.PERCENT_ENCODING_INVALID),
    (Format.URL_PEM, PEM_A + "%", Reason.PERCENT_ENCODING_INVALID),
    (Format.URL_PEM, PEM_A + "%4", Reason.PERCENT_ENCODING_INVALID),
    (Format.URL_PEM, PEM_A.replace("%", "%25"), Reason.PERCENT_ENCODING_DOUBLED),
    (Format.URL_PEM, PEM_A.replace("%20", "+"), Reason.PEM_MALFORMED),  # `+` is no space
    (Format.URL_PEM, PEM_A.replace("%20", " "), Reason.PERCENT_ENCODING_INVALID),
    # PEM
    (Format.URL_PEM, "junk%0A" + PEM_A, Reason.PEM_MALFORMED),
    (Format.URL_PEM, PEM_A + "junk", Reason.PEM_MALFORMED),
    (Format.URL_PEM, PEM_A.replace("CERTIFICATE", "X509%20CERTIFICATE"), Reason.PEM_MALFORMED),
    (Format.URL_PEM, PEM_A.replace("CERTIFICATE", "PRIVATE%20KEY"), Reason.PEM_MALFORMED),
    (Format.URL_PEM, PEM_A[: len(PEM_A) // 2], Reason.PEM_MALFORMED),  # truncated
    (Format.URL_PEM, PEM_A.replace("%0A", "%00", 1), Reason.PEM_MALFORMED),
    (Format.URL_PEM, PEM_A.replace("%0A", "%20"), Reason.PEM_MALFORMED),
    (Format.URL_PEM, encode_url_pem((b"junk",)), Reason.CERTIFICATE_MALFORMED),
    (Format.URL_PEM, encode_url_pem((A + b"\0",)), Reason.CERTIFICATE_MALFORMED),  # trailing data
    (Format.URL_PEM, encode_url_pem((A + B,)), Reason.CERTIFICATE_MALFORMED),
    (Format.URL_PEM, encode_url_pem((b"0" * 9000,)), Reason.CHAIN_TOO_LONG),
    (Format.URL_PEM, encode_client_cert(A), Reason.PEM_MALFORMED),  # another format
    # RFC 9440
    (Format.RFC9440, BASE64, Reason.STRUCTURED_FIELD_MALFORMED),  # no colons: HAProxy
    (Format.RFC9440, f":{BASE64}:;a=1", Reason.STRUCTURED_FIELD_MALFORMED),
    (Format.RFC9440, f":{BASE64}:,:{BASE64}:", Reason.STRUCTURED_FIELD_MALFORMED),
    (Format.RFC9440, f": {BASE64}:", Reason.STRUCTURED_FIELD_MALFORMED),
    (Format.RFC9440, f":{BASE64[:-8]}:", Reason.CERTIFICATE_MALFORMED),
    (Format.RFC9440, ":Zm9=:", Reason.BASE64_INVALID),  # non-zero tail bits
    (Format.RFC9440, ":Zm9v=:", Reason.BASE64_INVALID),
    (Format.RFC9440, ":Zg:", Reason.BASE64_INVALID),  # missing padding
    (Format.RFC9440, ":Z-_v:", Reason.STRUCTURED_FIELD_MALFORMED),  # base64url
    (Format.RFC9440, "::", Reason.STRUCTURED_FIELD_MALFORMED),
    # XFCC text
    (Format.XFCC, "Cert", Reason.XFCC_MALFORMED),
    (Format.XFCC, f"{XFCC_A};", Reason.XFCC_MALFORMED),
    (Format.XFCC, f"{XFCC_A},", Reason.XFCC_MALFORMED),
    (Format.XFCC, f'Cert="{PEM_A}', Reason.XFCC_MALFORMED),  # unbalanced quote
    (Format.XFCC, f'Cert="{PEM_A}"x', Reason.XFCC_MALFORMED),
    (Format.XFCC, f'URI=a"b;Cert="{PEM_A}"', Reason.XFCC_MALFORMED),  # quote in the middle
    (Format.XFCC, f"{XFCC_A};SAN=x", Reason.XFCC_UNKNOWN_KEY),
    (Format.XFCC, f"{XFCC_A};Hash={HASH_A}", Reason.XFCC_DUPLICATE_KEY),
    (Format.XFCC, f'{XFCC_A};cert="{PEM_B}"', Reason.XFCC_DUPLICATE_KEY),
    (Format.XFCC, f"{XFCC_A},{XFCC_B}", Reason.XFCC_ELEMENT_AMBIGUOUS),
    (Format.XFCC, f'Cert="{encode_url_pem((A, B))}"', Reason.XFCC_MALFORMED),
    (Format.XFCC, f"Hash={HASH_A};URI={SPIFFE}", Reason.XFCC_CERTIFICATE_MISSING),
    (Format.XFCC, f'Hash={HASH_A};Cert=""', Reason.XFCC_CERTIFICATE_MISSING),
    (Format.XFCC, f'Hash={HASH_B};Cert="{PEM_A}"', Reason.XFCC_INCONSISTENT),
    (Format.XFCC, f'Cert="{PEM_A}";Chain="{PEM_B}"', Reason.XFCC_INCONSISTENT),
    (Format.XFCC, f'Cert="{PEM_A}";URI=spiffe://example.org/admin', Reason.XFCC_INCONSISTENT),
    (Format.XFCC, f'Cert="{PEM_A}";DNS=admin', Reason.XFCC_INCONSISTENT),
    (Format.XFCC, f'Cert="{encode_url_pem((NO_NAMES,))}";URI=x', Reason.XFCC_INCONSISTENT),
    # XFCC smuggling by a URI name
    (Format.XFCC, smuggled(f'spiffe://a;Cert="{PEM_A}"'), Reason.XFCC_DUPLICATE_KEY),
    (Format.XFCC, smuggled(f"spiffe://a,{VICTIM}"), Reason.XFCC_ELEMENT_AMBIGUOUS),
    (Format.XFCC, smuggled("spiffe://a;URI=spiffe://example.org/alice"), Reason.XFCC_INCONSISTENT),
    (Format.XFCC, smuggled("spiffe://a;Admin=1"), Reason.XFCC_UNKNOWN_KEY),
    # XFCC JSON
    (Format.XFCC, "{}", Reason.XFCC_MALFORMED),
    (Format.XFCC, "[1]", Reason.XFCC_MALFORMED),
    (Format.XFCC, "[" * 60000, Reason.XFCC_MALFORMED),
    (Format.XFCC, "[{}],By=x", Reason.XFCC_MALFORMED),  # what Envoy writes behind a broken value
    (Format.XFCC, "[,{}]", Reason.XFCC_MALFORMED),
    (Format.XFCC, '[{"cert":"a","cert":"b"}]', Reason.XFCC_DUPLICATE_KEY),
    (Format.XFCC, '[{"admin":1}]', Reason.XFCC_UNKNOWN_KEY),
    (Format.XFCC, '[{"cert":1}]', Reason.XFCC_MALFORMED),
    (Format.XFCC, '[{"uri":[1]}]', Reason.XFCC_MALFORMED),
    (Format.XFCC, '[{"cert":"\\u00e9"}]', Reason.HEADER_NOT_ASCII),
    (Format.XFCC, "[{},{}]", Reason.XFCC_ELEMENT_AMBIGUOUS),
    (Format.XFCC, "[{}]", Reason.XFCC_CERTIFICATE_MISSING),
    (Format.XFCC, json.dumps([{"cert": encode_pem((A, B))}]), Reason.XFCC_MALFORMED),
]


@pytest.mark.parametrize(("form", "value", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_refused(form, value, reason):
    """Each oddity is refused by its own name."""
    with pytest.raises(Rejection) as refused:
        decode(form, value)

    assert refused.value.reason is reason


@pytest.mark.parametrize("element", ["first", "last"])
def test_smuggled_element_is_never_chosen(element):
    """Whichever element is chosen, a whole element written through a certificate's name is noticed."""
    with pytest.raises(Rejection) as refused:
        decode(Format.XFCC, smuggled(f"spiffe://a,{VICTIM};URI={SPIFFE}"), element=element)

    assert refused.value.reason is Reason.XFCC_INCONSISTENT


@pytest.mark.parametrize("element", ["last", "by=spiffe://lab/waf"])
def test_names_without_certificate_carry_nothing(element):
    """An element that shows names but no certificate may have written the elements behind it: the header is refused."""
    with pytest.raises(Rejection) as refused:
        decode(Format.XFCC, f"Hash={HASH_B};URI=spiffe://a,{XFCC_B}", element=element)

    assert refused.value.reason is Reason.XFCC_CERTIFICATE_MISSING


def test_by_element():
    """An element by an unknown proxy is not found, and two by the known one are ambiguous."""
    for value, reason in (
        (XFCC_A, Reason.XFCC_ELEMENT_NOT_FOUND),
        (f"{XFCC_B},{XFCC_B}", Reason.XFCC_ELEMENT_AMBIGUOUS),
    ):
        with pytest.raises(Rejection) as refused:
            decode(Format.XFCC, value, element="by=spiffe://lab/waf")
        assert refused.value.reason is reason


@pytest.mark.parametrize("text", ["", "second", "by", "by=", "first=x"])
def test_element_selector(text):
    """An unknown choice of element is an error at load."""
    with pytest.raises(ValueError, match="."):
        ElementSelector.from_text(text)


@pytest.mark.parametrize(
    ("form", "headers", "reason"),
    [
        (Format.URL_PEM, [], Reason.CREDENTIAL_MISSING),
        (Format.URL_PEM, [("x-client-cert", PEM_A)] * 2, Reason.HEADER_DUPLICATED),
        (Format.URL_PEM, [("x-client-cert", f"{PEM_A},{PEM_A}")], Reason.PEM_MALFORMED),  # joined by Envoy's map
        (Format.URL_PEM, [("x-client-cert", PEM_A), ("x_client_cert", PEM_B)], Reason.HEADER_ALIASED),
        (Format.URL_PEM, [("x-client_cert", PEM_A)], Reason.HEADER_ALIASED),
        (Format.RFC9440, [("client-cert-chain", encode_client_cert(A))], Reason.CHAIN_WITHOUT_CERTIFICATE),
        (Format.RFC9440, [("client-cert", encode_client_cert(A)), ("client_cert_chain", "x")], Reason.HEADER_ALIASED),
        (Format.RFC9440, [("client-cert", encode_client_cert(A)), ("client-cert-chain", "")], Reason.STRUCTURED_FIELD_MALFORMED),
    ],
)
def test_header_lines_refused(form, headers, reason):
    """Missing, repeated and aliased header lines are refused by name."""
    lines = tuple((name, value.encode()) for name, value in headers)
    with pytest.raises(Rejection) as refused:
        presented_chain(request(*lines), source(form))

    assert refused.value.reason is reason


def test_split_chain_header():
    """RFC 9440 §2.3: Client-Cert-Chain may be split over several lines."""
    middle, root = (encode_client_cert(each.certificate_der).encode() for each in (MIDDLE, ROOT))
    lines = (("client-cert", encode_client_cert(B).encode()), ("client-cert-chain", middle), ("client-cert-chain", root))

    assert len(presented_chain(request(*lines), source(Format.RFC9440)).intermediates) == 2


@given(value=st.binary(max_size=300), chain=st.none() | st.binary(max_size=100), form=st.sampled_from(list(Format)))
def test_any_bytes(value, chain, form):
    """Any bytes give a chain or our own refusal, never another exception."""
    try:
        decode_chain(source(form, "first"), value, chain)
    except Rejection as refusal:
        assert isinstance(refusal.reason, Reason)


TOKENS = ["By=", "Hash=", HASH_A, "Cert=", '"', PEM_A, ";", ",", "\\", "URI=", SPIFFE, "[", "{", "]", '{"cert":"', "}", " ", "x"]


@given(st.lists(st.sampled_from(TOKENS), max_size=12).map("".join), st.sampled_from(["sole", "first", "last"]))
def test_any_tokens(text, element):
    """Whatever is put together of the grammar's own tokens decodes to the one certificate in it, or is refused."""
    try:
        decoded = decode(Format.XFCC, text, element=element)
    except Rejection:
        return
    assert decoded.leaf.der == A


@pytest.mark.parametrize(
    ("value", "words", "form"),
    [
        (PEM_A, "URL-encoded PEM", "url-pem"),
        (encode_client_cert(A), "RFC 9440", "rfc9440"),
        (XFCC_A, "X-Forwarded-Client-Cert", "xfcc"),
        (BASE64, "base64 DER", None),
        (f'"{BASE64}"', "quotes", None),
        (PEM_A.replace("%", "%25"), "twice", None),
        ("(null)", "no certificate", None),
        ("CN=alice,O=Acme", "distinguished name", None),
        ("hello", "nothing", None),
    ],
)
def test_appearance(value, words, form):
    """An operator is told what a value looks like."""
    shown, fitting = describe_appearance(value.encode())

    assert re.search(re.escape(words), shown)
    assert fitting == form
