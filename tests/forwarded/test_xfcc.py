"""``xfcc*.py``: X-Forwarded-Client-Cert in both forms, and which of its elements is the client's."""

import json
from dataclasses import replace

import pytest
from cryptography import x509

from authz_server.forwarded import ElementChoice, ElementSelector
from authz_server.forwarded.encodings import encode_pem
from authz_server.forwarded.url_pem import encode_url_pem
from authz_server.forwarded.xfcc_element import XfccElement
from authz_server.forwarded.xfcc_json import decode_json_elements, encode_json_elements
from authz_server.forwarded.xfcc_text import decode_text_elements, encode_text_elements
from authz_server.reasons import Reason, Rejection
from tests.forwarded.values import ABOVE, ENCODERS, HASH, LEAF, XFCC, alices, decoded, refused, xfcc
from tests.pki import SPIFFE, alice, bob, certificate, client, presented, root

PEM, OTHER_PEM = encode_url_pem((LEAF,)), encode_url_pem(bob().chain_der[:1])
OTHER_HASH = certificate(bob()).sha256
WAF = "spiffe://example.org/waf"
BARE = client(subject="CN=no names")
BARE_PEM = encode_url_pem(BARE.chain_der)

# What two proxies write: the first about alice, without DNS names, the second about bob, with its own name.
ALICES = encode_text_elements((XfccElement(hash=HASH, cert=(LEAF,), subject="CN=alice", uri=(SPIFFE,), dns=()),))
BOBS = encode_text_elements((XfccElement(by=(WAF,), hash=OTHER_HASH, cert=bob().chain_der[:1], chain=bob().chain_der),))


@pytest.mark.parametrize("encode", ENCODERS)
def test_round_trip(encode):
    """Both forms come back element for element, and the chosen one is the client's chain."""
    decode = decode_text_elements if encode is encode_text_elements else decode_json_elements
    elements = (alices(), XfccElement(by=("a",)), XfccElement(uri=("x",), dns=("y", "z")))
    assert decode(encode(elements)) == elements
    assert decoded(XFCC, encode((alices(),))) == presented(alice())
    only_cert = replace(alices(), chain=())
    assert decoded(XFCC, encode((only_cert,))).intermediates == ()


@pytest.mark.parametrize(
    ("value", "element", "who"),
    [
        (ALICES, "sole", (LEAF,)),
        (ALICES.replace("Hash", "HASH"), "sole", (LEAF,)),  # keys have no case
        (f'Chain="{encode_url_pem((LEAF, ABOVE))}"', "sole", (LEAF, ABOVE)),
        (BOBS, "sole", bob().chain_der),
        (f'Cert="{PEM}";Subject="CN=\\"a,b;c=d\\"";URI={SPIFFE}', "sole", (LEAF,)),  # separators within quotes
        (f"{ALICES},{BOBS}", "first", (LEAF,)),
        (f"{ALICES}, {BOBS}", "last", bob().chain_der),  # two lines joined by a proxy
        (f"{ALICES},{BOBS}", f"by={WAF}", bob().chain_der),
        (f'Cert="{BARE_PEM}";URI=', "sole", BARE.chain_der),  # Envoy writes it for a certificate without names
        (encode_json_elements((XfccElement(hash=HASH, cert=(LEAF,), uri=(SPIFFE,)),)), "sole", (LEAF,)),
        (encode_json_elements((XfccElement(by=("x",), chain=bob().chain_der, dns=()),)), "sole", bob().chain_der),
    ],
)
def test_decoded(value, element, who):
    """The leaf and the intermediates come out byte for byte."""
    chain = decoded(xfcc(element), value)
    assert (chain.leaf.der, *(each.der for each in chain.intermediates)) == who


REFUSED = [
    # nothing
    ("-", Reason.CREDENTIAL_MISSING),
    ("[]", Reason.CREDENTIAL_MISSING),
    # the text form's grammar
    ("Cert", Reason.XFCC_MALFORMED),
    ("Hash", Reason.XFCC_MALFORMED),
    ("Hash=a;", Reason.XFCC_MALFORMED),
    ("Hash=a,", Reason.XFCC_MALFORMED),
    (",Hash=a", Reason.XFCC_MALFORMED),
    (" Hash=a", Reason.XFCC_MALFORMED),
    (f"{ALICES};", Reason.XFCC_MALFORMED),
    (f"{ALICES},", Reason.XFCC_MALFORMED),
    # quotes
    (f'Cert="{PEM}', Reason.XFCC_MALFORMED),  # left open
    ('Subject="CN=a', Reason.XFCC_MALFORMED),
    (f'Cert="{PEM}"x', Reason.XFCC_MALFORMED),  # text behind the quote
    ('Subject="CN=a"b', Reason.XFCC_MALFORMED),
    (f'URI=a"b;Cert="{PEM}"', Reason.XFCC_MALFORMED),  # in the middle
    ('Subject=C"N"', Reason.XFCC_MALFORMED),
    ('Subject="CN=a\\"', Reason.XFCC_MALFORMED),  # the closing quote is escaped
    # keys
    (f"{ALICES};SAN=x", Reason.XFCC_UNKNOWN_KEY),
    ("Serial=1", Reason.XFCC_UNKNOWN_KEY),
    (f"{ALICES};Hash={HASH}", Reason.XFCC_DUPLICATE_KEY),  # even with the same value
    (f'{ALICES};cert="{OTHER_PEM}"', Reason.XFCC_DUPLICATE_KEY),
    ("Hash=a;hash=b", Reason.XFCC_DUPLICATE_KEY),  # keys have no case
    ("Cert=;Cert=", Reason.XFCC_DUPLICATE_KEY),
    # elements
    (f"{ALICES},{BOBS}", Reason.XFCC_ELEMENT_AMBIGUOUS),
    ("Hash=a,Hash=b", Reason.XFCC_ELEMENT_AMBIGUOUS),
    # no certificate
    (f"Hash={HASH};URI={SPIFFE}", Reason.XFCC_CERTIFICATE_MISSING),  # a fingerprint is no certificate
    ("Hash=a", Reason.XFCC_CERTIFICATE_MISSING),
    ("URI=", Reason.XFCC_CERTIFICATE_MISSING),
    (f'Hash={HASH};Cert=""', Reason.XFCC_CERTIFICATE_MISSING),
    ('Cert=""', Reason.XFCC_CERTIFICATE_MISSING),
    # the certificate's encoding
    ('Cert="abc"', Reason.PEM_MALFORMED),
    ('Cert="%GG"', Reason.PERCENT_ENCODING_INVALID),
    ('Cert="%2541"', Reason.PERCENT_ENCODING_DOUBLED),
    (f'Cert="{encode_url_pem((LEAF, bob().certificate_der))}"', Reason.XFCC_MALFORMED),
    # keys that contradict the certificate beside them
    (f'Hash={OTHER_HASH};Cert="{PEM}"', Reason.XFCC_INCONSISTENT),
    (f'Cert="{PEM}";Chain="{OTHER_PEM}"', Reason.XFCC_INCONSISTENT),
    (f'Cert="{PEM}";URI=spiffe://example.org/admin', Reason.XFCC_INCONSISTENT),
    (f'Cert="{PEM}";DNS=admin', Reason.XFCC_INCONSISTENT),
    (f'Cert="{BARE_PEM}";URI=x', Reason.XFCC_INCONSISTENT),
    (f'Cert="{BARE_PEM}";URI=spiffe://a/b', Reason.XFCC_INCONSISTENT),
    # the JSON form
    ("{}", Reason.XFCC_MALFORMED),
    ("[", Reason.XFCC_MALFORMED),
    ("[1]", Reason.XFCC_MALFORMED),
    ("[,{}]", Reason.XFCC_MALFORMED),
    ("[{}],By=x", Reason.XFCC_MALFORMED),  # a proxy appended the text form
    ("[{}],[{}]", Reason.XFCC_MALFORMED),  # two lines joined
    ("[" * 60000, Reason.XFCC_MALFORMED),
    ("[" + "9" * 5000 + "]", Reason.XFCC_MALFORMED),
    ('[{"hash":"a","hash":"a"}]', Reason.XFCC_DUPLICATE_KEY),
    ('[{"cert":"a","cert":"b"}]', Reason.XFCC_DUPLICATE_KEY),
    ('[{"admin":1}]', Reason.XFCC_UNKNOWN_KEY),
    ('[{"Hash":"a"}]', Reason.XFCC_UNKNOWN_KEY),  # JSON's names have case
    ('[{"cert":1}]', Reason.XFCC_MALFORMED),
    ('[{"hash":1}]', Reason.XFCC_MALFORMED),
    ('[{"hash":null}]', Reason.XFCC_MALFORMED),
    ('[{"uri":1}]', Reason.XFCC_MALFORMED),
    ('[{"uri":[1]}]', Reason.XFCC_MALFORMED),
    ('[{"cert":"\\u00e9"}]', Reason.HEADER_NOT_ASCII),
    ('[{"cert":"junk"}]', Reason.PEM_MALFORMED),
    ("[{},{}]", Reason.XFCC_ELEMENT_AMBIGUOUS),
    ("[{}]", Reason.XFCC_CERTIFICATE_MISSING),
    (json.dumps([{"cert": encode_pem((LEAF, bob().certificate_der))}]), Reason.XFCC_MALFORMED),
]


@pytest.mark.parametrize(("value", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_refused(value, reason):
    """One oddity of X-Forwarded-Client-Cert, one reason."""
    assert refused(XFCC, value) is reason


@pytest.mark.parametrize(
    "value",
    [
        f'Hash = {HASH};Cert="{PEM}"',  # white space around key and value
        f'Hash={HASH}; Cert="{PEM}"',
        f';;Cert="{PEM}"',  # empty pairs
        f',,Cert="{PEM}"',  # empty elements
        f'URI=a"b;c"d;Cert="{PEM}"',  # quotes within a bare value
        f'Cert="{PEM}";Unknown=1',
        f'Cert="{PEM}";Cert="{OTHER_PEM}"',  # the leftmost counts
    ],
)
def test_what_envoy_itself_would_read(value):
    """Envoy's own reader (the XFCC_VALUE formatter) takes the leftmost pair of a key and skips what it does not know."""
    assert refused(XFCC, value) in {Reason.XFCC_MALFORMED, Reason.XFCC_UNKNOWN_KEY, Reason.XFCC_DUPLICATE_KEY}


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
        {"cert": (root().certificate_der,)},  # Cert is not the first of Chain
        {"uri": ("spiffe://example.org/bob",)},
        {"uri": ("",)},
        {"uri": (SPIFFE, "spiffe://example.org/bob")},
        {"dns": ("bob.example.org",)},
        {"dns": ("alice.example.org", "bob.example.org")},
    ],
)
def test_inconsistent(encode, changes):
    """A key that contradicts the certificate beside it refuses the header, also in an element that is not chosen."""
    odd = replace(alices(), **changes)
    assert refused(XFCC, encode((odd,))) is Reason.XFCC_INCONSISTENT
    assert refused(xfcc("first"), encode((alices(), odd))) is Reason.XFCC_INCONSISTENT


def test_no_json_names_beside_a_certificate_with_names():
    """JSON can write an empty list of names; beside a certificate with names it contradicts."""
    assert refused(XFCC, encode_json_elements((replace(alices(), uri=()),))) is Reason.XFCC_INCONSISTENT


@pytest.mark.parametrize("encode", ENCODERS)
def test_cert_with_two_certificates(encode):
    """Cert is one certificate; several under it are refused, whichever would be taken."""
    assert refused(XFCC, encode((replace(alices(), cert=(LEAF, ABOVE), chain=()),))) is Reason.XFCC_MALFORMED


def test_names_of_a_malformed_extension():
    """A SAN that does not parse is refused by name when names are compared."""
    broken = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), b"\x04")
    odd = client(extensions=((broken, False),))
    assert refused(XFCC, f'Cert="{encode_url_pem((odd.certificate_der,))}";URI=') is Reason.CERTIFICATE_MALFORMED


VICTIM = f'Hash={HASH};Cert="{PEM}"'


def smuggled(text, kind="uris", **more):
    """What Envoy writes for a client with this name: hash and certificate are the attacker's own, the name is not escaped."""
    mallory = client(subject="CN=mallory", **{kind: [text]})
    names = {"uri" if kind == "uris" else "dns": (text,)}
    return encode_text_elements((XfccElement(hash=certificate(mallory).sha256, cert=mallory.chain_der[:1], **names, **more),))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (f'spiffe://a;Cert="{PEM}"', Reason.XFCC_DUPLICATE_KEY),
        (f"spiffe://a,{VICTIM}", Reason.XFCC_ELEMENT_AMBIGUOUS),
        (f"spiffe://a;URI={SPIFFE}", Reason.XFCC_INCONSISTENT),
        ("spiffe://a;Admin=1", Reason.XFCC_UNKNOWN_KEY),
    ],
)
def test_smuggling_by_a_name(name, reason):
    """A name that holds the header's own syntax is refused by what it tries to add."""
    assert refused(XFCC, smuggled(name)) is reason


@pytest.mark.parametrize("choice", ["first", "last"])
def test_smuggled_element_is_never_chosen(choice):
    """Whichever element is chosen, a whole element written through a certificate's name is noticed."""
    assert refused(xfcc(choice), smuggled(f"spiffe://a,{VICTIM};URI={SPIFFE}")) is Reason.XFCC_INCONSISTENT


@pytest.mark.parametrize("choice", ["sole", "first", "last", "by=evil"])
@pytest.mark.parametrize("kind", ["uris", "dns"])
@pytest.mark.parametrize("shape", ["keys", "element", "name", "by"])
def test_san_injection(choice, kind, shape):
    """A client cannot add a key, a name or an element through its names, of either kind, whichever element is chosen."""
    payload = {
        "keys": f"spiffe://a;{VICTIM}",
        "element": f"spiffe://a,By=evil;{VICTIM};URI={SPIFFE}",
        "name": "spiffe://a;URI=spiffe://example.org/admin",
        "by": "spiffe://a;By=evil",
    }[shape]
    assert refused(xfcc(choice), smuggled(payload, kind, by=("edge",))) in {
        Reason.XFCC_INCONSISTENT,
        Reason.XFCC_DUPLICATE_KEY,
        Reason.XFCC_ELEMENT_AMBIGUOUS,
        Reason.XFCC_ELEMENT_NOT_FOUND,
    }


@pytest.mark.parametrize("element", ["last", f"by={WAF}"])
def test_names_without_certificate_carry_nothing(element):
    """An element that shows names but no certificate may have written the elements behind it: the header is refused."""
    assert refused(xfcc(element), f"Hash={OTHER_HASH};URI=spiffe://a,{BOBS}") is Reason.XFCC_CERTIFICATE_MISSING


@pytest.mark.parametrize("encode", ENCODERS)
@pytest.mark.parametrize(("choice", "who"), [("first", alice()), ("last", bob()), ("by=edge", bob())])
def test_element_choice(choice, who, encode):
    """First, last and the element of a named proxy are found, with and without a space between elements."""
    elements = (replace(alices(), by=("waf", "both")), XfccElement(by=("edge", "both"), cert=bob().chain_der[:1]))
    assert decoded(xfcc(choice), encode(elements)).leaf == certificate(who)
    assert decoded(xfcc(choice), encode(elements).replace(",By=", ", By=")).leaf == certificate(who)


@pytest.mark.parametrize("encode", ENCODERS)
@pytest.mark.parametrize(
    ("choice", "reason"),
    [("by=none", Reason.XFCC_ELEMENT_NOT_FOUND), ("by=both", Reason.XFCC_ELEMENT_AMBIGUOUS)],
)
def test_element_not_chosen(choice, reason, encode):
    """No element of a name, and several of it, are refused."""
    elements = (replace(alices(), by=("waf", "both")), XfccElement(by=("edge", "both"), cert=bob().chain_der[:1]))
    assert refused(xfcc(choice), encode(elements)) is reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [(ALICES, Reason.XFCC_ELEMENT_NOT_FOUND), (f"{BOBS},{BOBS}", Reason.XFCC_ELEMENT_AMBIGUOUS)],
)
def test_by_a_uri(value, reason):
    """An element without By is nobody's, and the same element twice is ambiguous."""
    assert refused(xfcc(f"by={WAF}"), value) is reason


@pytest.mark.parametrize("encode", ENCODERS)
def test_counted_from_the_end(encode):
    """With ``hops=N`` the client's element is the Nth from the end; what clients write before it changes nothing."""
    one, two = XfccElement(cert=bob().chain_der[:1]), replace(alices(), uri=None, dns=None)
    assert decoded(xfcc("hops=1"), encode((two, one))).leaf == certificate(bob())
    assert decoded(xfcc("hops=2"), encode((two, one))).leaf == certificate(alice())
    assert decoded(xfcc("hops=2"), encode((one, one, two, one))).leaf == certificate(alice())
    assert refused(xfcc("hops=3"), encode((two, one))) is Reason.XFCC_ELEMENT_NOT_FOUND


@pytest.mark.parametrize("encode", ENCODERS)
def test_number_of_elements(encode):
    """A hundred elements are looked at, one more is not: each costs time before anything is known about it."""
    some = (XfccElement(by=("a",)),) * 99
    assert decoded(xfcc("last"), encode((*some, alices()))).leaf == certificate(alice())
    assert refused(xfcc("last"), encode((*some, alices(), alices()))) is Reason.XFCC_MALFORMED


@pytest.mark.parametrize(
    "text",
    ["", "second", "by", "by=", "first=x", "sole=x", "hops", "hops=", "hops=0", "hops=-1", "hops=100", "hops=1.0", "hops=\u0661"],
)
def test_selector_refused(text):
    """Only sole, first, last, by=URI and hops=N choose an element; anything else is an error at load."""
    with pytest.raises(ValueError, match=r"expected sole|not a valid"):
        ElementSelector.from_text(text)


def test_selector_with_an_empty_name():
    """A choice that takes no name may be written with an empty one."""
    assert ElementSelector.from_text("first=").choice is ElementChoice.FIRST
