"""``base64_der.py``, ``base64_der_list.py``, ``base64_der_concat.py``, ``base64_pem.py``: canonical base64 of exact DER."""

import base64

import pytest
from cryptography import x509

from authz_server.der import split_der
from authz_server.forwarded import Format
from authz_server.forwarded.encodings import encode_base64, encode_pem
from authz_server.reasons import Reason, Rejection
from tests.forwarded.values import ABOVE, LEAF, decoded, refused
from tests.pki import alice, bob, certificate, client, der, intermediate, presented, root
from tests.samples import source

BASE64, QUOTED, LIST, CONCAT = map(
    source, (Format.BASE64_DER, Format.BASE64_DER_QUOTED, Format.BASE64_DER_LIST, Format.BASE64_DER_CONCAT)
)
PEM = source(Format.BASE64_PEM)


def with_padding(count):
    """The base64 of a certificate that ends in so many padding characters."""
    while True:
        text = encode_base64(client().certificate_der)
        if len(text) - len(text.rstrip("=")) == count:
            return text


def with_both():
    """A certificate whose base64 holds a plus and a slash."""
    while not {"+", "/"} <= set(text := encode_base64(client().certificate_der)):
        pass
    return text


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
BARE, ONE, TWO, BOTH = with_padding(0), with_padding(1), with_padding(2), with_both()


def tail(text):
    """The same bytes for a decoder that does not look at the bits that are left over."""
    body = text.rstrip("=")
    return body[:-1] + ALPHABET[ALPHABET.index(body[-1]) + 1] + "=" * (len(text) - len(body))


ODD = [
    "=",
    "====",
    "A",
    "%",
    BARE + "=",
    BARE + "====",
    ONE[:-1],  # padding left out
    ONE + "=",
    ONE + "AAAA",  # data behind the padding
    TWO[:-1],
    TWO[:-2],
    TWO + "=",
    tail(ONE),
    tail(TWO),
    " " + BARE,
    BARE + " ",
    BARE + "\t",
    BARE[:64] + " " + BARE[64:],
    BARE[:64] + "=" + BARE[64:],
    BARE[:64] + "-" + BARE[65:],
    BARE[:-1],  # cut within a group
    BARE[:-2],
    BARE[:-3],
    BOTH.replace("+", " "),  # form decoding on the way
    BOTH.replace("+", "-").replace("/", "_"),  # base64url
    BOTH.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"),  # URL-encoded, as Traefik did before 2.9.4
    BOTH.replace("+", "%252B"),
    f"'{BARE}'",
    f":{BARE}:",
    "data:;base64," + BARE,
]


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_not_canonical(text):
    """Base64 that two decoders could read differently, or that something on the way changed, is refused in every format."""
    for where in (BASE64, LIST, CONCAT):
        assert refused(where, text) is Reason.BASE64_INVALID
    assert refused(QUOTED, f'"{text}"') is Reason.BASE64_INVALID
    assert refused(LIST, f"{BARE},{text}") is Reason.BASE64_INVALID
    assert refused(PEM, text) in {Reason.BASE64_INVALID, Reason.PEM_MALFORMED}


def test_why_not_the_librarys():
    """Standard decoders read several of those as if nothing were wrong, Python's in its strict mode too."""
    leaf = base64.b64decode(ONE)
    for text in (tail(ONE), BARE[:64] + " " + BARE[64:], BARE + "===="):
        assert base64.b64decode(text) in {leaf, base64.b64decode(BARE)}
    assert base64.b64decode(tail(ONE), validate=True) == leaf


@pytest.mark.parametrize("text", [BARE, ONE, TWO, BOTH])
def test_every_padding(text):
    """Whatever its padding, and with both characters that other alphabets replace, the certificate comes out."""
    for where, value in ((BASE64, text), (QUOTED, f'"{text}"'), (LIST, text), (CONCAT, text)):
        assert decoded(where, value).leaf.der == base64.b64decode(text)


QUOTES = [
    (BARE, Reason.QUOTES_MISSING),
    (f'"{BARE}', Reason.QUOTES_MISSING),
    (f'{BARE}"', Reason.QUOTES_MISSING),
    ('"', Reason.QUOTES_MISSING),
    (f'"{BARE}" ', Reason.QUOTES_MISSING),
    (f' "{BARE}"', Reason.QUOTES_MISSING),
    (f"'{BARE}'", Reason.QUOTES_MISSING),
    (f'\\"{BARE}\\"', Reason.QUOTES_MISSING),
    ('""', Reason.BASE64_INVALID),  # what HAProxy writes without a certificate
    (f'""{BARE}""', Reason.BASE64_INVALID),
    (f'"{BARE}","{BARE}"', Reason.BASE64_INVALID),  # two lines joined
]


@pytest.mark.parametrize(("value", "reason"), QUOTES, ids=range(len(QUOTES)))
def test_quotes(value, reason):
    """The quotes are two, around everything, or there are none to speak of."""
    assert refused(QUOTED, value) is reason


@pytest.mark.parametrize("value", [f'"{BARE}"', f'"{BARE}', f'{BARE}"'])
def test_quotes_where_none_belong(value):
    """A quote is no character of base64."""
    for where in (BASE64, LIST, CONCAT, PEM):
        assert refused(where, value) is Reason.BASE64_INVALID


ALICE, CA, BOB, ROOT = map(encode_base64, (LEAF, ABOVE, bob().certificate_der, root().certificate_der))
JUNK = encode_base64(b"junk")
MEMBERS = [
    ([ALICE, CA, JUNK], Reason.CERTIFICATE_MALFORMED),
    ([JUNK, ALICE, CA], Reason.CERTIFICATE_MALFORMED),  # dropping it would promote the next
    ([ALICE, "", CA], Reason.BASE64_INVALID),
    ([ALICE, CA, ""], Reason.BASE64_INVALID),
    (["", ALICE, CA], Reason.BASE64_INVALID),
    ([ALICE, " " + CA], Reason.BASE64_INVALID),
    ([ALICE, "(null)"], Reason.BASE64_INVALID),
    ([ALICE, BOB], Reason.LEAF_AMBIGUOUS),  # two lines, each of a client without intermediates
    ([BOB, ALICE, CA], Reason.LEAF_AMBIGUOUS),  # a client's own line before the proxy's
    ([ALICE, CA, BOB], Reason.LEAF_AMBIGUOUS),  # and behind it
    ([ALICE, CA, ALICE, BOB, CA], Reason.LEAF_AMBIGUOUS),
]


@pytest.mark.parametrize(("members", "reason"), MEMBERS, ids=range(len(MEMBERS)))
def test_list_refused(members, reason):
    """One bad member refuses the list, and so does one behind the first that is no CA: it may be another client's."""
    assert refused(LIST, ",".join(members)) is reason


@pytest.mark.parametrize(
    ("extensions", "reason"),
    [
        (b"\x30\x00", Reason.LEAF_AMBIGUOUS),  # cA left out is false
        (b"\x04", Reason.CERTIFICATE_MALFORMED),
    ],
)
def test_list_member_with_odd_constraints(extensions, reason):
    """A further member says that it is a CA, legibly."""
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.19"), extensions)
    member = encode_base64(client(extensions=((odd, True),)).certificate_der)
    assert refused(LIST, f"{ALICE},{member}") is reason


def test_list_decoded():
    """The leaf first, then what the client sent with it, in order; a repeated certificate counts once."""
    assert decoded(LIST, f"{ALICE},{CA},{ROOT}") == presented(alice(), root())
    assert decoded(LIST, f"{ALICE},{ALICE},{CA},{CA}") == presented(alice())
    assert decoded(LIST, f"{ALICE},{ROOT},{CA}").intermediates == (certificate(root()), certificate(intermediate()))


def test_concat_decoded():
    """With the leaf (WebLogic), or as the chain header of another format without it (HAProxy)."""
    haproxy = source(Format.BASE64_DER, chain_headers=("x-chain",), chain_format=Format.BASE64_DER_CONCAT)
    above = encode_base64(ABOVE + root().certificate_der)
    assert decoded(CONCAT, encode_base64(LEAF + ABOVE + root().certificate_der)) == presented(alice(), root())
    assert decoded(haproxy, ALICE, above) == presented(alice(), root())
    assert refused(haproxy, ALICE, above[: len(above) // 2 // 4 * 4]) is Reason.CERTIFICATE_MALFORMED
    assert refused(haproxy, ALICE, f"{CA},{ROOT}") is Reason.BASE64_INVALID


def long_form(octets):
    """The leaf with its length in these octets, whatever they say."""
    return b"\x30" + octets + LEAF[4:]


SPLIT = [
    (LEAF + b"\0", len(LEAF), "no SEQUENCE"),
    (LEAF + b"\0\0", len(LEAF), "no SEQUENCE"),
    (LEAF + b"\x30", len(LEAF), "cut off"),  # one byte is no header
    (LEAF + LEAF[:3], len(LEAF), "length not in DER"),  # cut within the length
    (LEAF + b"\x30\x82", len(LEAF), "length not in DER"),
    (LEAF + ABOVE[:-1], len(LEAF), "cut off"),
    (LEAF[:-1] + ABOVE, 0, None),  # a byte short: the next header is read out of place, or the end
    (b"\x31" + LEAF[1:], 0, "no SEQUENCE"),  # SET
    (b"\0" + LEAF, 0, "no SEQUENCE"),
    (long_form(b"\x80") + b"\0\0", 0, "length not in DER"),  # indefinite
    (long_form(b"\x83\x00" + LEAF[2:4]), 0, "length not in DER"),  # in more octets than needed
    (long_form(b"\x84\x00\x00" + LEAF[2:4]), 0, "length not in DER"),
    (long_form(b"\x84" + LEAF[2:4] + b"\0\0"), 0, "length not in DER"),  # gigabytes
    (long_form(b"\xff" + b"\1" * 127), 0, "length not in DER"),  # reserved (X.690 §8.1.3.5)
    (b"\x30\x81\x05\x02\x03\x01\x02\x03", 0, "length not in DER"),  # short enough for the short form
    (b"\x30\x83\xff\xff\xff" + LEAF, 0, "cut off"),
]


@pytest.mark.parametrize(("data", "position", "detail"), SPLIT, ids=range(len(SPLIT)))
def test_concat_refused(data, position, detail):
    """Every byte belongs to one SEQUENCE in DER (X.690 §10.1), or the value is refused and says where."""
    with pytest.raises(Rejection) as refusal:
        split_der(data)
    assert refusal.value.reason is Reason.CERTIFICATE_MALFORMED
    if detail:
        assert refusal.value.facts == {"position": position, "detail": detail}
    assert refused(CONCAT, encode_base64(data)) is Reason.CERTIFICATE_MALFORMED


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65535, 65536])
def test_concat_cuts_at_every_length(size):
    """Lengths in the short form and in one, two and three octets are read where they belong."""
    element = der(0x30, bytes(size))
    assert split_der(element + LEAF + element) == (element, LEAF, element)


BLOCK = encode_pem((LEAF,))
TEXTS = [
    ("junk\n" + BLOCK, Reason.PEM_MALFORMED),
    (BLOCK + "junk", Reason.PEM_MALFORMED),
    ("\n" + BLOCK, Reason.PEM_MALFORMED),
    (BLOCK + "\n" + BLOCK, Reason.PEM_MALFORMED),
    (BLOCK.replace("\n", " "), Reason.PEM_MALFORMED),
    (BLOCK.replace("CERTIFICATE", "X509 CERTIFICATE"), Reason.PEM_MALFORMED),
    (BLOCK.replace("CERTIFICATE", "PRIVATE KEY"), Reason.PEM_MALFORMED),
    (BLOCK + BLOCK.replace("CERTIFICATE", "PRIVATE KEY"), Reason.PEM_MALFORMED),
    (BLOCK[: len(BLOCK) // 2], Reason.PEM_MALFORMED),
    (BLOCK.replace("MI", "M=I", 1), Reason.BASE64_INVALID),
    (encode_base64(BLOCK.encode()), Reason.PEM_MALFORMED),  # encoded twice
    ("\xff" + BLOCK, Reason.PEM_MALFORMED),
    ("\ufeff" + BLOCK, Reason.PEM_MALFORMED),  # a byte order mark
]


@pytest.mark.parametrize(("text", "reason"), TEXTS, ids=range(len(TEXTS)))
def test_base64_pem_refused(text, reason):
    """What is under the base64 is PEM to the letter."""
    assert refused(PEM, encode_base64(text.encode())) is reason


def test_base64_pem_decoded():
    """The chain, the leaf first, with either line break."""
    text = encode_pem(alice().chain_der)
    for variant in (text, text.removesuffix("\n"), text.replace("\n", "\r\n")):
        assert decoded(PEM, encode_base64(variant.encode())) == presented(alice())
