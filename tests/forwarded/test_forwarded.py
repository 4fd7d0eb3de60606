"""``forwarded/``: each format is decoded exactly or refused by name; no byte of a header is skipped."""

import base64
import json
from dataclasses import replace

import pytest
from cryptography import x509
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from authz_server.forwarded import DEFAULT_HEADERS, ElementChoice, ElementSelector, Format, Source, decode_chain, presented_chain
from authz_server.forwarded.appearance import describe_appearance
from authz_server.forwarded.encodings import decode_base64, encode_base64, encode_pem, encode_percent
from authz_server.forwarded.limits import MAX_HEADER_BYTES
from authz_server.forwarded.rfc9440 import encode_client_cert, encode_client_cert_chain
from authz_server.forwarded.url_pem import encode_url_pem
from authz_server.forwarded.xfcc_element import XfccElement
from authz_server.forwarded.xfcc_json import decode_json_elements, encode_json_elements
from authz_server.forwarded.xfcc_text import decode_text_elements, encode_text_elements
from authz_server.model import PresentedChain
from authz_server.reasons import Reason, Rejection
from tests.pki import alice, certificate, client, presented, request, root


def source(form, **fields):
    header, chain_header = DEFAULT_HEADERS[form]
    return Source("waf", form, header, **{"chain_header": chain_header} | fields)


URL_PEM, RFC9440, XFCC = source(Format.URL_PEM), source(Format.RFC9440), source(Format.XFCC)
SPLIT_PEM = source(Format.URL_PEM, chain_header="x-client-chain")


def by_choice(text):
    return replace(XFCC, element=ElementSelector.from_text(text))


def refused(where, value, chain=None):
    with pytest.raises(Rejection) as refusal:
        decode_chain(where, value if isinstance(value, bytes) else value.encode("latin-1"), chain)
    return refusal.value.reason


def alices():
    der = alice().chain_der
    return XfccElement(
        by=("spiffe://example.org/edge",),
        hash=certificate(alice()).sha256,
        cert=der[:1],
        chain=der,
        subject='CN="alice\\,O=Acme',
        issuer="CN=Intermediate",
        uri=("spiffe://example.org/alice",),
        dns=("alice.example.org",),
    )


ENCODERS = [encode_text_elements, encode_json_elements]


@pytest.mark.parametrize("safe", ["", "+/=", " +/=", "-"])
def test_url_pem_round_trip(safe):
    """What nginx, AWS ALB or a proxy that escapes less writes comes back: leaf first, a repeated leaf dropped."""
    if " " in safe:
        assert refused(URL_PEM, encode_url_pem(alice().chain_der, safe=safe)) is Reason.PERCENT_ENCODING_INVALID
        return
    assert decode_chain(URL_PEM, encode_url_pem(alice().chain_der, safe=safe).encode(), None) == presented(alice())
    twice = (alice().chain_der[0], *alice().chain_der)
    assert decode_chain(URL_PEM, encode_url_pem(twice).encode(), None) == presented(alice())


def test_url_pem_with_chain_header():
    """A separate chain header of url-pem is decoded the same way."""
    leaf, *above = alice().chain_der
    chain = encode_url_pem(tuple(above)).encode()
    assert decode_chain(SPLIT_PEM, encode_url_pem((leaf,)).encode(), chain) == presented(alice())


def test_rfc9440_round_trip():
    """Client-Cert and Client-Cert-Chain come back, the chain also when it is split over two lines."""
    leaf, above = alice().chain_der
    cert = encode_client_cert(leaf).encode()
    assert decode_chain(RFC9440, cert, encode_client_cert_chain((above,)).encode()) == presented(alice())
    line = encode_client_cert(above).encode()
    lines = request(("client-cert", cert), ("client-cert-chain", line), ("client-cert-chain", line))
    assert presented_chain(lines, RFC9440) == presented(alice())


@pytest.mark.parametrize("encode", ENCODERS)
def test_xfcc_round_trip(encode):
    """Both forms come back element for element, and the chosen one is the client's chain."""
    decode = decode_text_elements if encode is encode_text_elements else decode_json_elements
    elements = (alices(), XfccElement(by=("a",)), XfccElement(uri=("x",), dns=("y", "z")))
    assert decode(encode(elements)) == elements
    assert decode_chain(XFCC, encode((alices(),)).encode(), None) == presented(alice())
    only_cert = replace(alices(), chain=())
    assert decode_chain(XFCC, encode((only_cert,)).encode(), None).intermediates == ()


def pem():
    return encode_pem(alice().chain_der[:1])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda v: v[:-1], Reason.PERCENT_ENCODING_INVALID),  # cut within %0A
        (lambda v: v[: len(v) // 2].rsplit("%", 1)[0], Reason.PEM_MALFORMED),  # cut between lines
        (lambda v: v + "%GG", Reason.PERCENT_ENCODING_INVALID),
        (lambda v: v + "%", Reason.PERCENT_ENCODING_INVALID),
        (lambda v: v + "%4", Reason.PERCENT_ENCODING_INVALID),
        (lambda v: v.replace("%", "%25"), Reason.PERCENT_ENCODING_DOUBLED),
        (lambda v: v.replace("%20", "+"), Reason.PEM_MALFORMED),  # form encoding: "+" is a plus
        (lambda v: v.replace("%20", " "), Reason.PERCENT_ENCODING_INVALID),
        (lambda v: "junk%0A" + v, Reason.PEM_MALFORMED),
        (lambda v: v + "junk", Reason.PEM_MALFORMED),
        (lambda v: v + "%0A" + v, Reason.PEM_MALFORMED),  # an empty line between
        (lambda v: v + "%00", Reason.PEM_MALFORMED),
        (lambda v: v.replace("CERTIFICATE", "X509%20CERTIFICATE"), Reason.PEM_MALFORMED),
        (lambda v: v.replace("CERTIFICATE", "PRIVATE%20KEY"), Reason.PEM_MALFORMED),
        (lambda v: v.replace("%0A", "%20"), Reason.PEM_MALFORMED),
        (lambda v: v.replace("%0A", ""), Reason.PEM_MALFORMED),
        (lambda v: v.replace("MI", "MI%3D", 1), Reason.BASE64_INVALID),
        (lambda v: "-----BEGIN%20CERTIFICATE-----%0AAAAA%0A-----END%20CERTIFICATE-----", Reason.CERTIFICATE_MALFORMED),
        (
            lambda v: v + "-----BEGIN%20CERTIFICATE-----%0AAAAA%0A-----END%20CERTIFICATE-----",
            Reason.CERTIFICATE_MALFORMED,
        ),
        (lambda v: v + v + "é", Reason.HEADER_NOT_ASCII),
        (lambda v: v + "\n", Reason.HEADER_NOT_ASCII),
        (lambda v: v + "\0", Reason.HEADER_NOT_ASCII),
        (lambda v: "", Reason.CREDENTIAL_MISSING),
        (lambda v: "-", Reason.CREDENTIAL_MISSING),
        (lambda v: "(null)", Reason.CREDENTIAL_MISSING),
        (lambda v: "NONE", Reason.CREDENTIAL_MISSING),
        (lambda v: "x" * (MAX_HEADER_BYTES + 1), Reason.HEADER_TOO_LARGE),
        (lambda v: "x" * 60 * 1024, Reason.PEM_MALFORMED),
    ],
)
def test_url_pem_refused(change, reason):
    """One oddity of percent-encoded PEM, one reason."""
    assert refused(URL_PEM, change(encode_percent(pem()))) is reason


def test_crlf_lines():
    """RFC 7468 lets lines end in CRLF."""
    value = encode_percent(pem().replace("\n", "\r\n")).encode()
    assert decode_chain(URL_PEM, value, None).leaf == certificate(alice())


@pytest.mark.parametrize("text", [b"", b"Zm9", b"Zm9=", b"Zm9v====", b"Zm 9v", b"Zm9v\n", b"Zg==Zg==", b"Zm-_", b"Zh=="])
def test_base64_refused(text):
    """Base64 that another decoder may read differently is refused."""
    with pytest.raises(Rejection) as refusal:
        decode_base64(text)
    assert refusal.value.reason is Reason.BASE64_INVALID


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda v: v[:-1], Reason.STRUCTURED_FIELD_MALFORMED),  # cut
        (lambda v: v.strip(":"), Reason.STRUCTURED_FIELD_MALFORMED),  # bare base64
        (lambda v: v + ";a=1", Reason.STRUCTURED_FIELD_MALFORMED),  # parameters
        (lambda v: v + ", " + v, Reason.STRUCTURED_FIELD_MALFORMED),  # two lines joined
        (lambda v: v.replace("M", "-", 1), Reason.STRUCTURED_FIELD_MALFORMED),  # base64url
        (lambda v: v.replace("M", "%4D", 1), Reason.STRUCTURED_FIELD_MALFORMED),
        (lambda v: "::", Reason.STRUCTURED_FIELD_MALFORMED),
        (lambda v: encode_percent(pem()), Reason.STRUCTURED_FIELD_MALFORMED),  # another product's format
        (lambda v: ":AAA:", Reason.BASE64_INVALID),  # padding is not repaired
        (lambda v: ":AAAA:", Reason.CERTIFICATE_MALFORMED),
        (lambda v: f":{encode_base64(alice().certificate_der + b'x')}:", Reason.CERTIFICATE_MALFORMED),  # trailing byte
        (lambda v: f":{encode_base64(alice().certificate_der * 2)}:", Reason.CERTIFICATE_MALFORMED),
        (lambda v: f":{encode_base64(bytes(8193))}:", Reason.CHAIN_TOO_LONG),
        (lambda v: "-", Reason.CREDENTIAL_MISSING),
    ],
)
def test_rfc9440_refused(change, reason):
    """One oddity of Client-Cert, one reason."""
    assert refused(RFC9440, change(encode_client_cert(alice().certificate_der))) is reason


@pytest.mark.parametrize("chain", [b"", b",", b":AAAA:;x", b":AAAA:,"])
def test_rfc9440_chain_refused(chain):
    """A damaged chain refuses the request although the leaf is good."""
    cert = encode_client_cert(alice().certificate_der)
    assert refused(RFC9440, cert, chain) is Reason.STRUCTURED_FIELD_MALFORMED


def test_too_many_certificates():
    """More than ten certificates, or more bytes than any chain has, are refused, in one header or over two."""
    many = tuple(client(subject=f"CN=c{n}").certificate_der for n in range(11))
    cert = encode_client_cert(many[0])
    assert refused(RFC9440, cert, encode_client_cert_chain(many[1:]).encode()) is Reason.CHAIN_TOO_LONG
    assert refused(RFC9440, cert, encode_client_cert_chain(many).encode()) is Reason.CHAIN_TOO_LONG
    assert len(decode_chain(RFC9440, cert.encode(), encode_client_cert_chain(many[1:10]).encode()).intermediates) == 9


@pytest.mark.parametrize(
    ("headers", "where", "reason"),
    [
        ((), URL_PEM, Reason.CREDENTIAL_MISSING),
        ((("x-client-cert", b"a"), ("x-client-cert", b"a")), URL_PEM, Reason.HEADER_DUPLICATED),
        ((("x-client-chain", b"a"), ("x-client-chain", b"a")), SPLIT_PEM, Reason.HEADER_DUPLICATED),
        ((("x_client_cert", b"a"),), URL_PEM, Reason.HEADER_ALIASED),
        ((("x-client_cert", b"a"), ("x-client-cert", b"a")), URL_PEM, Reason.HEADER_ALIASED),
        ((("client-cert_chain", b"a"),), RFC9440, Reason.HEADER_ALIASED),
        ((("client-cert-chain", b":AAAA:"),), RFC9440, Reason.CHAIN_WITHOUT_CERTIFICATE),
        ((("client-cert", b"(null)"), ("client-cert-chain", b"")), RFC9440, Reason.CHAIN_WITHOUT_CERTIFICATE),
        ((("client-cert", b"a"), ("client-cert", b"b")), RFC9440, Reason.HEADER_DUPLICATED),
    ],
)
def test_lines_refused(headers, where, reason):
    """Exactly one line under exactly one name, and no chain without a certificate."""
    with pytest.raises(Rejection) as refusal:
        presented_chain(request(*headers), where)
    assert refusal.value.reason is reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("Hash", Reason.XFCC_MALFORMED),
        ("Hash=a;", Reason.XFCC_MALFORMED),
        ("Hash=a,", Reason.XFCC_MALFORMED),
        (",Hash=a", Reason.XFCC_MALFORMED),
        (" Hash=a", Reason.XFCC_MALFORMED),
        ('Subject="CN=a', Reason.XFCC_MALFORMED),  # open quote
        ('Subject="CN=a"b', Reason.XFCC_MALFORMED),  # text behind the quote
        ('Subject=C"N"', Reason.XFCC_MALFORMED),  # quote in the middle
        ('Subject="CN=a\\"', Reason.XFCC_MALFORMED),  # the closing quote is escaped
        ("Hash=a;hash=b", Reason.XFCC_DUPLICATE_KEY),  # keys are case-insensitive
        ("Cert=;Cert=", Reason.XFCC_DUPLICATE_KEY),
        ("Serial=1", Reason.XFCC_UNKNOWN_KEY),
        ("Hash=a,Hash=b", Reason.XFCC_ELEMENT_AMBIGUOUS),
        ("URI=", Reason.XFCC_CERTIFICATE_MISSING),
        ("Hash=a", Reason.XFCC_CERTIFICATE_MISSING),
        ('Cert=""', Reason.XFCC_CERTIFICATE_MISSING),
        ('Cert="abc"', Reason.PEM_MALFORMED),
        ('Cert="%GG"', Reason.PERCENT_ENCODING_INVALID),
        ('Cert="%2541"', Reason.PERCENT_ENCODING_DOUBLED),
        ("[", Reason.XFCC_MALFORMED),
        ("{}", Reason.XFCC_MALFORMED),
        ("[1]", Reason.XFCC_MALFORMED),
        ("[]", Reason.CREDENTIAL_MISSING),
        ("[{}],By=a", Reason.XFCC_MALFORMED),  # a proxy appended the text form
        ("[{}],[{}]", Reason.XFCC_MALFORMED),  # two lines joined
        ('[{"hash":"a","hash":"a"}]', Reason.XFCC_DUPLICATE_KEY),
        ('[{"Hash":"a"}]', Reason.XFCC_UNKNOWN_KEY),
        ('[{"hash":1}]', Reason.XFCC_MALFORMED),
        ('[{"hash":null}]', Reason.XFCC_MALFORMED),
        ('[{"uri":1}]', Reason.XFCC_MALFORMED),
        ('[{"uri":[1]}]', Reason.XFCC_MALFORMED),
        ('[{"cert":"\\u00e9"}]', Reason.HEADER_NOT_ASCII),
        ('[{"cert":"junk"}]', Reason.PEM_MALFORMED),
        ("[{},{}]", Reason.XFCC_ELEMENT_AMBIGUOUS),
        ("[" * 60000, Reason.XFCC_MALFORMED),
        ("[" + "9" * 5000 + "]", Reason.XFCC_MALFORMED),
    ],
)
def test_xfcc_refused(value, reason):
    """One oddity of X-Forwarded-Client-Cert, one reason."""
    assert refused(XFCC, value) is reason


def test_unknown_json_key_is_loggable():
    """A key that is a lone surrogate is refused with a fact that every log can hold."""
    with pytest.raises(Rejection) as refusal:
        decode_json_elements('[{"\\ud800":1}]')
    assert (refusal.value.reason, refusal.value.facts) == (Reason.XFCC_UNKNOWN_KEY, {"key": "\\ud800"})


@pytest.mark.parametrize("encode", ENCODERS)
@pytest.mark.parametrize(
    "changes",
    [
        {"hash": "00" * 32},
        {"hash": ""},
        {"cert": "root"},  # Cert is not the first of Chain
        {"uri": ("spiffe://example.org/bob",)},
        {"uri": ()},
        {"uri": ("spiffe://example.org/alice", "spiffe://example.org/bob")},
        {"dns": ("bob.example.org",)},
        {"dns": ("alice.example.org", "bob.example.org")},
    ],
)
def test_xfcc_inconsistent(encode, changes):
    """A key that contradicts the certificate beside it refuses the header, also in an element that is not chosen."""
    if changes.get("cert"):
        changes = {"cert": (root().certificate_der,)}
    odd = replace(alices(), **changes)
    if encode is encode_text_elements and odd.uri == ():
        odd = replace(odd, uri=("",))
    value = encode((odd,))
    assert refused(XFCC, value) is Reason.XFCC_INCONSISTENT
    assert refused(by_choice("first"), encode((alices(), odd))) is Reason.XFCC_INCONSISTENT


@pytest.mark.parametrize("encode", ENCODERS)
def test_cert_with_two_certificates(encode):
    """Cert is one certificate; several under it are refused, whichever would be taken."""
    assert refused(XFCC, encode((replace(alices(), cert=alice().chain_der, chain=()),))) is Reason.XFCC_MALFORMED


def test_names_of_a_certificate_without_any():
    """Envoy writes an empty `URI=` for a certificate without names; a name that it does not hold is refused."""
    bare = client()
    cert = f'Cert="{encode_url_pem((bare.certificate_der,))}"'
    assert decode_chain(XFCC, f"{cert};URI=".encode(), None).leaf == certificate(bare)
    assert refused(XFCC, f"{cert};URI=spiffe://a/b") is Reason.XFCC_INCONSISTENT


def test_names_of_a_malformed_extension():
    """A SAN that does not parse is refused by name when names are compared."""
    broken = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), b"\x04")
    odd = client(extensions=((broken, False),))
    assert refused(XFCC, f'Cert="{encode_url_pem((odd.certificate_der,))}";URI=') is Reason.CERTIFICATE_MALFORMED


@pytest.mark.parametrize("choice", ["sole", "first", "last", "by=evil"])
@pytest.mark.parametrize("kind", ["uris", "dns"])
@pytest.mark.parametrize("shape", ["keys", "element", "name", "by"])
def test_san_injection(choice, kind, shape):
    """A client whose name holds the header's own syntax cannot add a key, a name or an element, whichever is chosen."""
    victim = encode_url_pem((alice().certificate_der,))
    payload = {
        "keys": f'spiffe://a;Hash={certificate(alice()).sha256};Cert="{victim}"',
        "element": f'spiffe://a,By=evil;Hash={certificate(alice()).sha256};Cert="{victim}";URI=spiffe://example.org/alice',
        "name": "spiffe://a;URI=spiffe://example.org/admin",
        "by": "spiffe://a;By=evil",
    }[shape]
    mallory = client(**{kind: [payload]})
    envoy = XfccElement(
        by=("edge",),
        hash=certificate(mallory).sha256,
        cert=mallory.chain_der[:1],
        **{"uri" if kind == "uris" else "dns": (payload,)},
    )
    assert refused(by_choice(choice), encode_text_elements((envoy,))) in {
        Reason.XFCC_INCONSISTENT,
        Reason.XFCC_DUPLICATE_KEY,
        Reason.XFCC_ELEMENT_AMBIGUOUS,
        Reason.XFCC_ELEMENT_NOT_FOUND,
    }


@pytest.mark.parametrize(("choice", "who"), [("first", 0), ("last", 1), ("by=edge", 1), ("by=none", None), ("by=both", "two")])
@pytest.mark.parametrize("encode", ENCODERS)
def test_element_choice(choice, who, encode):
    """First, last and the element of a named proxy are found; none or several of a name are refused."""
    other = client(subject="CN=bob")
    elements = (replace(alices(), by=("waf", "both")), XfccElement(by=("edge", "both"), cert=(other.certificate_der,)))
    value = encode(elements).replace('",By=', '", By=').encode()
    if who is None or who == "two":
        reason = Reason.XFCC_ELEMENT_NOT_FOUND if who is None else Reason.XFCC_ELEMENT_AMBIGUOUS
        assert refused(by_choice(choice), value) is reason
    else:
        assert decode_chain(by_choice(choice), value, None).leaf == certificate((alice(), other)[who])


@pytest.mark.parametrize("text", ["", "second", "by", "by=", "sole=x", "first="])
def test_selector_refused(text):
    """Only sole, first, last and by=URI choose an element."""
    if text == "first=":
        assert ElementSelector.from_text(text).choice is ElementChoice.FIRST
        return
    with pytest.raises(ValueError, match=r"expected|not a valid"):
        ElementSelector.from_text(text)


def test_appearance():
    """Looks are described for an operator; a format is named only where one decodes it."""
    assert describe_appearance(b"") == ("no certificate at all: what a proxy writes when the client had none", None)
    assert describe_appearance(encode_url_pem(alice().chain_der).encode())[1] == "url-pem"
    assert describe_appearance(encode_client_cert(alice().certificate_der).encode())[1] == "rfc9440"
    assert describe_appearance(encode_json_elements((alices(),)).encode())[1] == "xfcc"
    assert describe_appearance(b"\x00")[1] is None


SELECTORS = st.sampled_from([URL_PEM, RFC9440, XFCC, SPLIT_PEM, by_choice("first"), by_choice("last"), by_choice("by=a")])
XFCC_LIKE = st.text(alphabet='ByHashCertURI=;,"\\ []{}:%20-a', max_size=60).map(str.encode)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # negative serials and the like
@settings(max_examples=400, deadline=None)
@given(SELECTORS, st.binary(max_size=200) | XFCC_LIKE, st.none() | st.binary(max_size=60))
@example(URL_PEM, b"%", None)
def test_any_bytes(where, value, chain):
    """Any bytes give a chain or a refusal, and nothing else."""
    try:
        assert isinstance(decode_chain(where, value, chain), PresentedChain)
    except Rejection as refusal:
        assert refusal.reason in Reason


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # negative serials and the like
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["pem", "rfc", "text", "json"]), st.integers(0, 10_000), st.integers(0, 255), st.booleans())
def test_damaged_value(form, position, byte, insert):
    """A good value with one byte changed or added gives the same leaf, another well-formed one, or a refusal."""
    where, text = {
        "pem": (URL_PEM, encode_url_pem(alice().chain_der)),
        "rfc": (RFC9440, encode_client_cert(alice().certificate_der)),
        "text": (XFCC, encode_text_elements((alices(),))),
        "json": (XFCC, encode_json_elements((alices(),))),
    }[form]
    value, at = text.encode(), position % len(text)
    value = value[:at] + bytes([byte]) + value[at + (not insert) :]
    try:
        assert isinstance(decode_chain(where, value, None), PresentedChain)
    except Rejection as refusal:
        assert refusal.reason in Reason


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


def test_library_decoders_would_differ():
    """Why there are own decoders: the library's drop what ours refuse."""
    assert base64.b64decode("Zm 9v") == b"foo"
    assert json.loads('{"a":1,"a":2}') == {"a": 2}
