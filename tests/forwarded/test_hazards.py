"""What goes wrong with certificates in headers, one test a hazard, named after it. The odd rows stand in each format's tests."""

import base64
import contextlib
import json

import pytest

from authz_server.forwarded import Format, presented_chain
from authz_server.forwarded.encodings import encode_base64, encode_pem
from authz_server.forwarded.limits import MAX_HEADER_BYTES
from authz_server.forwarded.rfc9440 import encode_client_cert, encode_client_cert_chain
from authz_server.forwarded.url_pem import encode_url_pem
from authz_server.forwarded.xfcc_element import XfccElement
from authz_server.forwarded.xfcc_json import encode_json_elements
from authz_server.forwarded.xfcc_text import encode_text_elements
from authz_server.reasons import Reason, Rejection
from tests.cost import is_cheap
from tests.forwarded.values import ABOVE, ENCODERS, HASH, LEAF, RFC9440, SPLIT_PEM, URL_PEM, XFCC, alices, decoded, refused, xfcc
from tests.pki import (
    EXTENSIONS,
    SERIAL,
    SPIFFE,
    SUBJECT,
    VALIDITY,
    VERSION,
    alice,
    altered_der,
    bob,
    certificate,
    client,
    der,
    intermediate,
    presented,
    root,
)
from tests.samples import request, source

PEM, CERT = encode_url_pem((LEAF,)), encode_client_cert(LEAF)
TEXT, JSON = encode_text_elements((alices(),)), encode_json_elements((alices(),))
BOBS = XfccElement(cert=bob().chain_der[:1])
GOOD = [(URL_PEM, PEM), (RFC9440, CERT), (XFCC, TEXT), (XFCC, JSON)]


def blocks(*bodies, label="CERTIFICATE"):
    """URL-encoded PEM blocks of these base64 texts, which may be anything."""
    text = "".join(f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n" for body in bodies)
    return text.replace("%", "%25").replace(" ", "%20").replace("\n", "%0A").replace("\t", "%09").replace("\r", "%0D")


@pytest.mark.parametrize("encode", ENCODERS)
def test_several_proxies_wrote_an_element(encode):
    """Whose element is the client's is the operator's choice; unless he chose, more than one is refused."""
    both = encode((alices(), BOBS))
    assert refused(XFCC, both) is Reason.XFCC_ELEMENT_AMBIGUOUS
    assert decoded(xfcc("first"), both).leaf == certificate(alice())
    assert decoded(xfcc("last"), both).leaf == certificate(bob())


@pytest.mark.parametrize("pair", ["Hash=a", 'Cert=""', 'Chain=""', 'Subject="a"', 'Issuer="a"'])
def test_a_single_key_twice(pair):
    """A key that Envoy writes once stands once, or a second one came out of a name."""
    assert refused(XFCC, f"{TEXT};{pair}") is Reason.XFCC_DUPLICATE_KEY


@pytest.mark.parametrize("subject", ["CN=a,URI=x;Cert=y", 'CN=\\"a\\",O=b', "CN=a\\\\", "a=b=c;;,,"])
def test_separators_within_quotes(subject):
    """Commas, semicolons, equals signs, escaped quotes and backslashes within quotes are text."""
    assert decoded(XFCC, f'Subject="{subject}";Cert="{PEM}"').leaf.der == LEAF


def test_an_escaped_quote_is_no_end():
    """A quote behind a backslash does not end the value, and one in the middle of a bare value does not begin one."""
    assert refused(XFCC, f'Subject="CN=a\\";Cert="{PEM}"') is Reason.XFCC_MALFORMED
    assert refused(XFCC, f'Subject=CN="a";Cert="{PEM}"') is Reason.XFCC_MALFORMED


@pytest.mark.parametrize(("where", "value"), GOOD)
def test_a_line_twice(where, value):
    """Two lines of one header are refused, whether Envoy hands them over apart or joined by a comma."""
    line = (where.header, value.encode())
    with pytest.raises(Rejection) as refusal:
        presented_chain(request(line, line), where)
    assert refusal.value.reason is Reason.HEADER_DUPLICATED
    for comma in (",", ", "):
        assert refused(where, value + comma + value) in {
            Reason.PEM_MALFORMED,
            Reason.PERCENT_ENCODING_INVALID,
            Reason.STRUCTURED_FIELD_MALFORMED,
            Reason.XFCC_ELEMENT_AMBIGUOUS,
            Reason.XFCC_MALFORMED,
        }


def certificate_with_a_plus():
    """A certificate whose base64 holds a plus, so that its reading as a space would show."""
    while "+" not in encode_base64((issued := client()).certificate_der):
        pass
    return issued.certificate_der


def test_a_plus_is_no_space():
    """``+`` stands for itself within base64 (AWS ALB) and is never a space between words."""
    leaf = certificate_with_a_plus()
    assert decoded(URL_PEM, encode_url_pem((leaf,), safe="+/=")).leaf.der == leaf
    assert decoded(XFCC, f'Cert="{encode_url_pem((leaf,), safe="+/=")}"').leaf.der == leaf
    assert refused(URL_PEM, encode_url_pem((leaf,)).replace("%20", "+")) is Reason.PEM_MALFORMED
    assert refused(URL_PEM, encode_url_pem((leaf,)).replace("%2B", "%20")) is Reason.PEM_MALFORMED


@pytest.mark.parametrize("junk", ["%GG", "%", "%4", "%%41", "%u0041", "%-1"])
def test_broken_percent_signs(junk):
    """What ``urllib`` would leave as it is makes the value refused."""
    assert refused(URL_PEM, PEM + junk) is Reason.PERCENT_ENCODING_INVALID
    assert refused(XFCC, f'Cert="{PEM}{junk}"') is Reason.PERCENT_ENCODING_INVALID


def test_percent_encoded_bytes_that_are_no_text():
    """Bytes that are no ASCII, which a lenient decoder turns into a replacement character, are refused."""
    for octets in ("%FF", "%C3%A9", "%EF%BB%BF"):
        assert refused(URL_PEM, octets + PEM) is Reason.PEM_MALFORMED
        assert refused(URL_PEM, PEM + octets) is Reason.PEM_MALFORMED


def test_encoded_twice():
    """A value is decoded once; one that was encoded twice is refused by that name."""
    twice = PEM.replace("%", "%25")
    assert refused(URL_PEM, twice) is Reason.PERCENT_ENCODING_DOUBLED
    assert refused(URL_PEM, twice.replace("%", "%25")) is Reason.PERCENT_ENCODING_DOUBLED
    assert refused(XFCC, f'Cert="{twice}"') is Reason.PERCENT_ENCODING_DOUBLED


BODY = encode_base64(LEAF)


@pytest.mark.parametrize(
    "value",
    [
        encode_pem((LEAF,)).replace("\n", " ").replace(" ", "%20"),  # spaces for line breaks
        encode_pem((LEAF,)).replace("\n", "%09").replace(" ", "%20"),  # tabs for line breaks
        encode_pem((LEAF,)).replace("\n", "").replace(" ", "%20"),  # no line breaks
        encode_pem((LEAF,)).replace("\n", "%0D").replace(" ", "%20"),  # CR alone
        "subject=alice%0A" + PEM,  # text in front
        PEM + "text%20behind",
        PEM.replace("%0A-----END", "%0A%0A-----END"),  # an empty line within
        blocks(BODY, label="X509 CERTIFICATE"),
        blocks(BODY, label="TRUSTED CERTIFICATE"),
        blocks(BODY, label="certificate"),
        blocks(BODY, label="PRIVATE KEY") + PEM,  # another block in front
        PEM + blocks(BODY, label="PRIVATE KEY"),
        blocks(f"Proc-Type: 4,ENCRYPTED\n\n{BODY}"),  # RFC 1421 headers
        PEM.replace("-----END", "----END"),
        PEM.replace("-----BEGIN", "------BEGIN"),
    ],
)
def test_what_pem_loaders_forgive(value):
    """A PEM block is read to the letter (RFC 7468 §3, strict grammar) although every library's loader is lenient."""
    assert refused(URL_PEM, value) is Reason.PEM_MALFORMED


def der_variants():
    """The same certificate as BER that is no DER, and with something behind."""
    content = LEAF[4:]
    assert LEAF[:2] == b"\x30\x82"
    yield b"\x30\x83\x00" + LEAF[2:4] + content  # length in more bytes than needed
    yield b"\x30\x80" + content + b"\x00\x00"  # indefinite length
    yield LEAF + b"\x00"
    yield LEAF + ABOVE
    yield LEAF[:-1]
    yield b"\x00" + LEAF


@pytest.mark.parametrize("variant", list(der_variants()))
def test_der_that_is_not_der(variant):
    """A certificate is exactly one DER value: no other encoding of it, nothing behind it, nothing missing."""
    body = encode_base64(variant)
    assert refused(URL_PEM, blocks(body)) is Reason.CERTIFICATE_MALFORMED
    assert refused(RFC9440, f":{body}:") is Reason.CERTIFICATE_MALFORMED
    assert refused(XFCC, f'Cert="{blocks(body)}"') is Reason.CERTIFICATE_MALFORMED


def padded_certificate():
    """A certificate whose base64 ends in one padding character."""
    while not (text := encode_base64(client().certificate_der)).endswith("=") or text.endswith("=="):
        pass
    return text


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
PADDED = padded_certificate()
TAIL = ALPHABET[ALPHABET.index(PADDED[-2]) + 1]  # one of the two bits that nobody reads


@pytest.mark.parametrize(
    "body",
    [
        PADDED[:-2] + TAIL + "=",  # the same bytes for most decoders
        PADDED + "====",
        PADDED + "AAAA",  # data behind the padding
        PADDED[:-1],  # padding left out
        PADDED[:40] + "=" + PADDED[40:],
    ],
)
def test_another_base64_of_the_same_bytes(body):
    """Only the canonical base64 of a certificate is read, so that no two decoders see two certificates."""
    assert refused(URL_PEM, blocks(body)) is Reason.BASE64_INVALID
    assert refused(RFC9440, f":{body}:") in {Reason.BASE64_INVALID, Reason.STRUCTURED_FIELD_MALFORMED}


@pytest.mark.parametrize("junk", [" ", "!", "-", "_", "\t", ".", "%"])
def test_base64_with_something_else_in_it(junk):
    """Characters outside the alphabet, base64url's among them, are refused and not skipped."""
    body = PADDED[:40] + junk + PADDED[40:]
    assert refused(URL_PEM, blocks(body)) in {Reason.PEM_MALFORMED, Reason.PERCENT_ENCODING_DOUBLED}
    assert refused(RFC9440, f":{body}:") is Reason.STRUCTURED_FIELD_MALFORMED


def test_base64url():
    """RFC 4648 §5's alphabet is no other spelling of §4's."""
    body = base64.urlsafe_b64encode(certificate_with_a_plus()).decode()
    assert refused(URL_PEM, blocks(body)) is Reason.PEM_MALFORMED
    assert refused(RFC9440, f":{body}:") is Reason.STRUCTURED_FIELD_MALFORMED


def test_several_certificates_in_one_value():
    """In a value that is a chain the leaf is the first, never the last; a value that is one certificate holds one."""
    both = encode_url_pem((LEAF, ABOVE))
    assert decoded(URL_PEM, both).leaf.der == decoded(XFCC, f'Chain="{both}"').leaf.der == LEAF
    assert decoded(URL_PEM, encode_url_pem((ABOVE, LEAF))).leaf.der == ABOVE  # whom validation then refuses as a CA
    assert refused(XFCC, f'Cert="{both}"') is Reason.XFCC_MALFORMED
    assert refused(XFCC, json.dumps([{"cert": encode_pem((LEAF, ABOVE))}])) is Reason.XFCC_MALFORMED
    assert refused(XFCC, json.dumps([{"chain": [encode_pem((LEAF, ABOVE))]}])) is Reason.XFCC_MALFORMED


@pytest.mark.parametrize(
    ("where", "value", "chain"),
    [
        (URL_PEM, encode_url_pem((b"junk", ABOVE)), None),
        (URL_PEM, encode_url_pem((LEAF, b"junk")), None),
        (SPLIT_PEM, PEM, encode_url_pem((b"junk", ABOVE))),
        (RFC9440, CERT, encode_client_cert_chain((b"junk", ABOVE))),
        (RFC9440, encode_client_cert(b"junk"), encode_client_cert_chain((ABOVE,))),
        (XFCC, f'Chain="{encode_url_pem((b"junk", LEAF))}"', None),
        (XFCC, f'Cert="{encode_url_pem((b"junk",))}";Chain="{encode_url_pem((LEAF, ABOVE))}"', None),
        (XFCC, json.dumps([{"chain": [encode_pem((b"junk",)), encode_pem((LEAF,))]}]), None),
        (xfcc("first"), f'Cert="{PEM}",Cert="{encode_url_pem((b"junk",))}"', None),
    ],
)
def test_no_entry_is_skipped(where, value, chain):
    """An entry that does not parse refuses the value: skipped, it would make its neighbour the client."""
    expected = {Reason.CERTIFICATE_MALFORMED, Reason.XFCC_INCONSISTENT}
    assert refused(where, value, chain) in expected


def test_chains_of_every_product():
    """With or without the leaf, with or without the root, with repetitions: the same chain; more than ten are refused."""
    top = root().certificate_der
    for above in ((ABOVE,), (LEAF, ABOVE), (ABOVE, ABOVE), (LEAF, LEAF, ABOVE, LEAF)):
        assert decoded(RFC9440, CERT, encode_client_cert_chain(above)) == presented(alice())
        assert decoded(SPLIT_PEM, PEM, encode_url_pem(above)) == presented(alice())
        assert decoded(URL_PEM, encode_url_pem((LEAF, *above))) == presented(alice())
    assert decoded(RFC9440, CERT, encode_client_cert_chain((ABOVE, top))) == presented(alice(), root())
    many = encode_url_pem(tuple(client(subject=f"CN={n}").certificate_der for n in range(11)))
    for where, value in ((URL_PEM, many), (XFCC, f'Chain="{many}"')):
        assert refused(where, value) is Reason.CHAIN_TOO_LONG


FOREIGN = [
    (where, value)
    for where in (URL_PEM, RFC9440, XFCC)
    for value in (
        PEM,
        CERT,
        TEXT,
        JSON,
        BODY,  # HAProxy
        f'"{BODY}"',  # OpenShift's router
        f"{BODY},{encode_base64(ABOVE)}",  # Traefik
        encode_base64(LEAF + ABOVE),  # HAProxy's chain
        encode_pem((LEAF,)).replace("\n", " "),  # Apache
        base64.b64encode(encode_pem((LEAF,)).encode()).decode(),
        BODY.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"),
        "serial=01, subject=CN=alice",  # fields under the same name
        "CN=alice,O=Acme",
    )
    if (where, value) not in GOOD
]


@pytest.mark.parametrize(("where", "value"), FOREIGN, ids=range(len(FOREIGN)))
def test_another_products_format(where, value):
    """A format is never guessed: what another one would decode is refused, whatever the header is called."""
    assert refused(where, value) in {
        Reason.PEM_MALFORMED,
        Reason.PERCENT_ENCODING_INVALID,
        Reason.STRUCTURED_FIELD_MALFORMED,
        Reason.XFCC_MALFORMED,
        Reason.XFCC_UNKNOWN_KEY,
    }


@pytest.mark.parametrize("where", [URL_PEM, RFC9440, XFCC])
@pytest.mark.parametrize("value", ["", "(null)", "-", "NONE"])
def test_words_for_nothing(where, value):
    """What proxies write for "no certificate" counts as none, and none is refused."""
    with pytest.raises(Rejection) as refusal:
        presented_chain(request((where.header, value.encode())), where)
    assert refusal.value.reason is Reason.CREDENTIAL_MISSING


def test_keys_without_values():
    """Envoy's keys without values are no certificate either."""
    for value in ("URI=", "By=;Hash=;URI=", 'Cert="";Chain=""', "DNS="):
        assert refused(XFCC, value) is Reason.XFCC_CERTIFICATE_MISSING


@pytest.mark.parametrize("alias", ["x_forwarded_client_cert", "x-forwarded_client-cert", "x_forwarded-client-cert"])
def test_another_spelling_of_the_header(alias):
    """A header that CGI maps to the same variable is refused beside the right one and alone."""
    for lines in ([(alias, TEXT.encode())], [(alias, b""), (XFCC.header, TEXT.encode())]):
        with pytest.raises(Rejection) as refusal:
            presented_chain(request(*lines), XFCC)
        assert (refusal.value.reason, refusal.value.facts) == (Reason.HEADER_ALIASED, {"header": alias})


@pytest.mark.parametrize(("where", "value"), GOOD)
@pytest.mark.parametrize("octets", [b"\xff", "é".encode(), "é".encode("latin-1"), b"\x7f"])
def test_bytes_outside_ascii(where, value, octets):
    """A value is visible ASCII: neither UTF-8 nor Latin-1 is guessed."""
    assert refused(where, value.encode() + octets) is Reason.HEADER_NOT_ASCII


def test_what_envoy_makes_of_bad_bytes():
    """Envoy's joined map turns a byte that is no UTF-8 into ``!``: the value is refused all the same."""
    assert refused(RFC9440, CERT[:40] + "!" + CERT[41:]) is Reason.STRUCTURED_FIELD_MALFORMED
    assert refused(URL_PEM, PEM[:60] + "!" + PEM[61:]) in {Reason.PEM_MALFORMED, Reason.PERCENT_ENCODING_INVALID}


@pytest.mark.parametrize(("where", "value"), GOOD)
@pytest.mark.parametrize("octets", [b"\r\n", b"\n", b"\r", b"\x00", b"\n\t", b"\x1b[31m"])
def test_line_breaks_and_control_characters(where, value, octets):
    """A raw line break, a folded line, NUL and other control characters are refused."""
    for damaged in (value.encode() + octets, value.encode()[:40] + octets + value.encode()[40:]):
        assert refused(where, damaged) is Reason.HEADER_NOT_ASCII


@pytest.mark.parametrize("octets", ["%0D", "%00", "%0A%0D", "%0A%09", "%1B", "%0B", "%0C"])
def test_encoded_control_characters(octets):
    """Once decoded, nothing but LF and CRLF ends a line of PEM."""
    assert refused(URL_PEM, PEM.replace("%0A", octets, 1)) is Reason.PEM_MALFORMED
    assert refused(XFCC, f'Cert="{PEM.replace("%0A", octets, 1)}"') is Reason.PEM_MALFORMED


@pytest.mark.parametrize(("where", "value"), [*GOOD, (URL_PEM, encode_url_pem((LEAF, ABOVE)))])
def test_cut_anywhere(where, value):
    """However short a proxy's buffer was, a cut value is refused or still the same client, never another one."""
    for end in range(len(value)):
        try:
            chain = decoded(where, value[:end])
        except Rejection:
            continue
        assert chain.leaf.der == LEAF
        assert where is not RFC9440


def test_leaf_before_chain():
    """Of a broken leaf and a broken chain the leaf is told: it is what the client sent."""
    assert refused(RFC9440, ":AAAA:", "junk") is Reason.CERTIFICATE_MALFORMED
    assert refused(SPLIT_PEM, blocks("AAAA"), "junk") is Reason.CERTIFICATE_MALFORMED


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # it warns of such serial numbers
@pytest.mark.parametrize(
    ("changes", "parses"),
    [
        ({VERSION: b"", EXTENSIONS: b""}, True),  # version 1
        ({SERIAL: der(0x02, b"\xff")}, True),  # negative
        ({SERIAL: der(0x02, b"\x7f" * 21)}, True),  # too long
        ({SERIAL: der(0x02, b"\x00\x01")}, False),  # in more bytes than needed
        ({SUBJECT: der(0x30)}, True),  # nobody
        ({VALIDITY: der(0x30)}, False),
    ],
)
def test_certificates_that_no_ca_should_write(changes, parses):
    """Decoding says whether it is a certificate, never whether it is a good one, and does not crash over an odd one."""
    body = altered_der(bob(), intermediate(), changes)
    if parses:
        assert decoded(URL_PEM, encode_url_pem((body,))).leaf.der == body
    else:
        assert refused(URL_PEM, encode_url_pem((body,))) is Reason.CERTIFICATE_MALFORMED


@pytest.mark.parametrize(
    "value",
    [
        HASH.upper(),  # Envoy writes lower case
        base64.b64encode(bytes.fromhex(HASH)).decode(),  # Google's load balancer
        HASH[:40],  # as long as SHA-1
        f"sha256:{HASH}",
        "",
    ],
)
def test_a_hash_of_another_kind(value):
    """``Hash`` is SHA-256 in lower-case hex, or it contradicts the certificate."""
    assert refused(XFCC, f'Hash="{value}";Cert="{PEM}"') is Reason.XFCC_INCONSISTENT


@pytest.mark.parametrize("value", [f"Hash={HASH}", f'Hash={HASH};Subject="CN=alice";URI={SPIFFE}', json.dumps([{"hash": HASH}])])
def test_a_hash_is_no_identity(value):
    """A fingerprint is public: without the certificate it is nobody."""
    assert refused(XFCC, value) is Reason.XFCC_CERTIFICATE_MISSING


def test_json_of_two_schemas():
    """A name that may be a list or a text is read as either; everything else has one type, and no name stands twice."""
    pem = encode_pem((LEAF,))
    for uri in (SPIFFE, [SPIFFE]):
        assert decoded(XFCC, json.dumps([{"cert": pem, "uri": uri}])).leaf.der == LEAF
    for odd in ({"cert": [pem]}, {"cert": None}, {"cert": {}}, {"cert": True}, {"cert": pem, "uri": {}}, {"chain": [[pem]]}):
        assert refused(XFCC, json.dumps([odd])) is Reason.XFCC_MALFORMED
    assert refused(XFCC, f'[{{"cert":{json.dumps(pem)},"cert":{json.dumps(pem)}}}]') is Reason.XFCC_DUPLICATE_KEY
    for mixed in (f"{JSON},{TEXT}", f"{TEXT},{JSON}", f"{JSON},{JSON}", f"{JSON}x", "[NaN]", "[{}]\t[{}]"):
        assert refused(XFCC, mixed) in {Reason.XFCC_MALFORMED, Reason.XFCC_ELEMENT_AMBIGUOUS, Reason.XFCC_UNKNOWN_KEY}


@pytest.mark.parametrize("where", [URL_PEM, RFC9440, XFCC])
def test_size_is_looked_at_first(where):
    """One byte over the limit is refused before anything else is looked at; at the limit something else is wrong."""
    assert refused(where, b"\xff" * (MAX_HEADER_BYTES + 1)) is Reason.HEADER_TOO_LARGE
    assert refused(where, b"\xff" * MAX_HEADER_BYTES) is Reason.HEADER_NOT_ASCII


SLOW = [
    (URL_PEM, "%41" * (MAX_HEADER_BYTES // 3)),
    (URL_PEM, "-----BEGIN%20CERTIFICATE-----%0A" + "A" * 60_000),
    (URL_PEM, "-----BEGIN%20CERTIFICATE-----%0A" + "A%0A" * 15_000),
    (URL_PEM, ("-----BEGIN%20CERTIFICATE-----%0AAAAA%0A-----END%20CERTIFICATE-----%0A" * 900)[:60_000]),
    (RFC9440, ":" + "A" * 60_000),
    (RFC9440, " " * 60_000 + ":"),
    (XFCC, '"\\' * 30_000),
    (XFCC, 'Subject="' + "\\\\" * 30_000),
    (XFCC, "By=a," * 13_000),
    (XFCC, "By=a;" * 13_000),
    (XFCC, "By=a," + " \t" * 30_000),
    (XFCC, "A" * 60_000),
    (xfcc("first"), ",".join([f'Cert="{PEM}"'] * (60_000 // len(PEM)))),
    (XFCC, "[" + "{}," * 20_000 + "{}]"),
    (XFCC, '[{"by":[' + '"",' * 20_000 + '""]}]'),
    (XFCC, "[" + '{"by":' * 10_000),
    (source(Format.BASE64_DER_LIST), "MAA=," * 12_000 + "MAA="),
    (source(Format.BASE64_DER_LIST), "," * 60_000),
    (source(Format.BASE64_DER_CONCAT), encode_base64(b"\x30\x00" * 24_000)),
    (source(Format.PEM_SPACES), "-----BEGIN CERTIFICATE----- " + "A   " * 15_000),
    (source(Format.PEM_FOLDED), "-----BEGIN CERTIFICATE----- " + "A\n        " * 6_000),
    (source(Format.BASE64_PEM), encode_base64(b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n" * 750)),
    (source(Format.BASE64_DER_QUOTED), '"' * 60_000),
]


@pytest.mark.parametrize(("where", "value"), SLOW, ids=range(len(SLOW)))
def test_no_value_is_slow(where, value):
    """The largest values of the worst shapes are cheap: nothing is tried twice."""

    def decode():
        with contextlib.suppress(Rejection):
            decoded(where, value)

    assert is_cheap(decode)
