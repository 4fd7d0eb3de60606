"""``formats.py``: what holds for every format alike. The oddities of each stand in the tests of its module."""

import contextlib
from itertools import permutations

import pytest

from authz_server.forwarded import DEFAULT_HEADERS, Format, presented_chain
from authz_server.forwarded.formats import WIRES
from authz_server.forwarded.limits import MAX_HEADER_BYTES
from authz_server.model import Certificate, PresentedChain
from authz_server.reasons import Reason, Rejection
from tests.forwarded.values import decoded, refused
from tests.forwarded.writers import CHAINS, WRITERS, written
from tests.pki import alice, authority, bob, client, intermediate, key, root
from tests.samples import request, source

# Root -> Intermediate -> client, the keys of one kind throughout.
RSA_ROOT = authority("RSA Root", key=key("rsa2048"))
RSA_CA = authority("RSA Intermediate", parent=RSA_ROOT, key=key("rsa2048"))
P256 = alice().chain_der
RSA = client(RSA_CA, "CN=rsa,O=Acme", key=key("rsa2048"), uris=["spiffe://example.org/rsa"]).chain_der


def chain_of(ders):
    leaf, *above = map(Certificate.from_der, ders)
    return PresentedChain(leaf, tuple(above))


def test_every_format_is_known():
    """Each format has a decoder, a writer and a header of its own."""
    assert set(WRITERS) == set(DEFAULT_HEADERS) == set(WIRES) | {Format.XFCC} == set(Format)
    assert {form for form, wire in WIRES.items() if wire.is_chain} == CHAINS - {Format.XFCC}


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize("chain", [P256, RSA, P256[:1], RSA[:1]], ids=["p256", "rsa", "p256 leaf", "rsa leaf"])
def test_written_and_read(form, chain):
    """What the product writes is read back byte for byte, with the intermediates where the format holds them."""
    expected = chain if form in CHAINS else chain[:1]
    assert decoded(source(form), written(form, chain)) == chain_of(expected)


@pytest.mark.parametrize("form", sorted(WIRES))
def test_chain_header(form):
    """A separate chain header is written like the certificate, and may repeat the leaf."""
    where = source(form, chain_headers=("x-chain",))
    for chain, expected in ((P256[1:], P256), (P256[:1], P256[:1])):
        assert decoded(where, written(form, P256[:1]), written(form, chain)) == chain_of(expected)


# (written for, read as): one value that is well formed in both formats, and means the same certificate in both.
READ_BY_BOTH = {
    (Format.BASE64_DER, Format.BASE64_DER_LIST),  # a list of one
    (Format.BASE64_DER, Format.BASE64_DER_CONCAT),  # one DER value behind none
    (Format.BASE64_DER_LIST, Format.BASE64_DER),
    (Format.BASE64_DER_LIST, Format.BASE64_DER_CONCAT),
    (Format.BASE64_DER_CONCAT, Format.BASE64_DER),
    (Format.BASE64_DER_CONCAT, Format.BASE64_DER_LIST),
    (Format.PEM_SPACES, Format.PEM_FOLDED),  # a fold that was undone on the way
}
CHAINS_READ_BY_BOTH = {(Format.BASE64_DER, form) for form in (Format.BASE64_DER_LIST, Format.BASE64_DER_CONCAT)} | {
    (Format.PEM_SPACES, Format.PEM_FOLDED)
}


@pytest.mark.parametrize(("writer", "reader"), [*permutations(Format, 2)])
@pytest.mark.parametrize("both", [READ_BY_BOTH, CHAINS_READ_BY_BOTH], ids=["leaf", "chain"])
def test_no_decoder_reads_anothers_value(writer, reader, both):
    """A value that one format's writer made is refused by every other decoder, but for the pairs that say the same in both."""
    value = written(writer, P256[:1] if both is READ_BY_BOTH else P256)
    if (writer, reader) in both:
        assert decoded(source(reader), value) == chain_of(P256[:1])
    else:
        assert refused(source(reader), value) in {
            Reason.BASE64_INVALID,
            Reason.CERTIFICATE_MALFORMED,
            Reason.HEADER_NOT_ASCII,
            Reason.PEM_MALFORMED,
            Reason.PERCENT_ENCODING_INVALID,
            Reason.QUOTES_MISSING,
            Reason.STRUCTURED_FIELD_MALFORMED,
            Reason.XFCC_MALFORMED,
            Reason.XFCC_UNKNOWN_KEY,
        }


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize("nothing", ["", "(null)", "-", "NONE"])
def test_words_for_nothing(form, nothing):
    """What proxies write when there is no certificate counts as none in every format."""
    assert refused(source(form), nothing) is Reason.CREDENTIAL_MISSING


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize("octets", [b"\xff", b"\x7f", b"\x00", "é".encode(), "é".encode("latin-1"), "\uff41".encode()])
def test_not_ascii(form, octets):
    """A byte that is no visible ASCII is refused wherever it stands, also where a decoder would skip it."""
    value = written(form, P256).encode()
    for damaged in (octets + value, value[:50] + octets + value[50:], value + octets):
        assert refused(source(form), damaged) is Reason.HEADER_NOT_ASCII


@pytest.mark.parametrize("form", Format)
def test_line_breaks(form):
    """A raw line break is refused, but for the folds of the one format that is made of them."""
    value = written(form, P256)
    for octets in ("\r", "\n", "\r\n", "\n\t"):
        if form is not Format.PEM_FOLDED:
            assert refused(source(form), value + octets) is Reason.HEADER_NOT_ASCII


@pytest.mark.parametrize("form", Format)
def test_too_large(form):
    """A value over the limit is refused before it is looked at."""
    assert refused(source(form), b"\xff" * (MAX_HEADER_BYTES + 1)) is Reason.HEADER_TOO_LARGE


@pytest.mark.parametrize("form", Format)
def test_cut_anywhere(form):
    """However short a buffer on the way was, a cut value is refused or still the same client, never another one."""
    value = written(form, P256)
    for end in range(1, len(value)):
        with contextlib.suppress(Rejection):
            assert decoded(source(form), value[:end]).leaf.der == P256[0], end


@pytest.mark.parametrize("form", sorted(WIRES))
@pytest.mark.parametrize("der", [b"junk", P256[0] + b"\0", P256[0][:-1], b"\0" + P256[0], b"\x30\x80" + P256[0][4:] + b"\0\0"])
def test_what_is_no_certificate(form, der):
    """A well-formed encoding of something that is no DER certificate is refused, as the leaf and behind it."""
    assert refused(source(form), written(form, (der,))) is Reason.CERTIFICATE_MALFORMED
    if form in CHAINS:
        assert refused(source(form), written(form, (P256[0], der))) is Reason.CERTIFICATE_MALFORMED


TWO = {
    Format.BASE64_DER: Reason.BASE64_INVALID,
    Format.BASE64_DER_QUOTED: Reason.BASE64_INVALID,
    Format.BASE64_DER_CONCAT: Reason.BASE64_INVALID,
    Format.BASE64_PEM: Reason.BASE64_INVALID,
    Format.URL_PEM: Reason.PEM_MALFORMED,  # or, with a space, percent_encoding_invalid
    Format.PEM_SPACES: Reason.PEM_MALFORMED,
    Format.PEM_FOLDED: Reason.PEM_MALFORMED,
    Format.RFC9440: Reason.STRUCTURED_FIELD_MALFORMED,
    Format.XFCC: Reason.XFCC_ELEMENT_AMBIGUOUS,
}


@pytest.mark.parametrize(("form", "reason"), [*TWO.items(), (Format.BASE64_DER_LIST, Reason.LEAF_AMBIGUOUS)])
def test_a_clients_own_line_joined_to_the_proxys(form, reason):
    """Two lines that were joined with a comma on the way are refused, whichever comes first; apart they are duplicates."""
    where, lines = source(form), [written(form, each.chain_der) for each in (alice(), bob())]
    for comma in (",", ", ") if form is not Format.BASE64_DER_LIST else (",",):
        for joined in (comma.join(lines), comma.join(reversed(lines))):
            assert refused(where, joined) in {reason, Reason.PERCENT_ENCODING_INVALID}
    with pytest.raises(Rejection) as refusal:
        presented_chain(request(*((where.header, line.encode()) for line in lines)), where)
    assert refusal.value.reason is Reason.HEADER_DUPLICATED


@pytest.mark.parametrize("form", sorted(CHAINS - {Format.XFCC}))
def test_as_many_as_fit(form):
    """Ten certificates are taken, eleven are not, in whatever encoding."""
    cas = tuple(authority(f"CA {number}", parent=root()).certificate_der for number in range(10))
    assert len(decoded(source(form), written(form, (P256[0], *cas[:9]))).intermediates) == 9
    assert refused(source(form), written(form, (P256[0], *cas))) is Reason.CHAIN_TOO_LONG


@pytest.mark.parametrize("form", sorted(CHAINS - {Format.XFCC}))
def test_product_that_sends_only_a_leaf(form):
    """Where the product sends no intermediates, a second certificate was put there by somebody else."""
    assert refused(source(form, is_leaf_only=True), written(form, P256)) is Reason.LEAF_AMBIGUOUS
    assert decoded(source(form, is_leaf_only=True), written(form, P256[:1])) == chain_of(P256[:1])


@pytest.mark.parametrize("form", [Format.PEM_SPACES, Format.PEM_FOLDED])
def test_format_that_holds_only_a_leaf(form):
    """Apache and nginx write the leaf alone: a second block behind it makes unclear who the client is."""
    for second in (intermediate(), bob()):
        both = WRITERS[form]((P256[0], second.certificate_der))
        assert refused(source(form), both) is Reason.LEAF_AMBIGUOUS


def test_base64_of_two_where_one_is_allowed():
    """Two DER values in a format of one are no certificate: bytes are left behind the first."""
    for form in (Format.BASE64_DER, Format.BASE64_DER_QUOTED, Format.RFC9440, Format.BASE64_DER_LIST, Format.BASE64_PEM):
        assert refused(source(form), written(form, (P256[0] + P256[1],))) is Reason.CERTIFICATE_MALFORMED
