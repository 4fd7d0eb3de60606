"""``rewritten_pem.py``: PEM whose line breaks a proxy replaced (Apache, F5) or folded (nginx's old variable)."""

import pytest

from authz_server.forwarded import Format
from authz_server.forwarded.encodings import encode_pem
from authz_server.forwarded.rewritten_pem import encode_pem_folded, encode_pem_spaces
from authz_server.reasons import Reason
from tests.forwarded.values import LEAF, decoded, refused
from tests.pki import alice, client, presented
from tests.samples import source

SPACES, FOLDED = source(Format.PEM_SPACES), source(Format.PEM_FOLDED)
TEXT = encode_pem((LEAF,))


def test_writers():
    """Apache ends in a space, nginx in nothing; each line break is one space, or LF TAB."""
    assert encode_pem_spaces((LEAF,)) == TEXT.replace("\n", " ")
    assert encode_pem_folded((LEAF,)) == TEXT.rstrip().replace("\n", "\n\t")


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (SPACES, TEXT.replace("\n", " ")),  # Apache
        (SPACES, TEXT.replace("\n", " ").rstrip()),  # white space at the end is lost on the way (RFC 9110 §5.5)
        (SPACES, TEXT.replace("\n", "  ")),  # Apache, from a PEM with CRLF
        (SPACES, TEXT.replace("\n", " \t")),
        (SPACES, TEXT.replace("\n", "   ")),
        (SPACES, TEXT.replace("\n", "\t")),
        (SPACES, f"-----BEGIN CERTIFICATE----- {''.join(TEXT.split(chr(10))[1:-2])} -----END CERTIFICATE-----"),  # one line
        (FOLDED, TEXT.rstrip().replace("\n", "\n\t")),  # nginx
        (FOLDED, TEXT.rstrip().replace("\n", "\r\n\t")),
        (FOLDED, TEXT.rstrip().replace("\n", "\r\n ")),
        (FOLDED, TEXT.rstrip().replace("\n", "\n  ")),
        (FOLDED, TEXT.rstrip().replace("\n", " ")),  # the fold replaced on the way (RFC 9112 §5.2)
        (FOLDED, TEXT.rstrip().replace("\n", "   ")),
        (FOLDED, TEXT.rstrip().replace("\n", "\t")),
        (FOLDED, TEXT.replace("\n", "\n\t")),  # the last line break not dropped
    ],
)
def test_decoded(where, value):
    """However a line break was rewritten, the certificate comes out byte for byte."""
    chain = decoded(where, value)
    assert (chain.leaf.der, chain.intermediates) == (LEAF, ())


SPACED = encode_pem_spaces((LEAF,))
REFUSED = [
    "subject=CN = alice " + SPACED,
    " " + SPACED,
    SPACED + "text",
    SPACED + SPACED[:-30],
    SPACED + "-----BEGIN PRIVATE KEY----- AAAA -----END PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY----- AAAA -----END PRIVATE KEY----- " + SPACED,
    SPACED.replace("CERTIFICATE", "X509 CERTIFICATE"),
    SPACED.replace("CERTIFICATE", "TRUSTED CERTIFICATE"),
    SPACED.replace("CERTIFICATE", "certificate"),
    SPACED.replace("BEGIN CERTIFICATE", "BEGIN  CERTIFICATE"),
    SPACED.replace("END CERTIFICATE", "END PUBLIC KEY"),
    SPACED.replace("----- ", "-----", 1),  # no white space behind the marker
    SPACED.replace(" -----END", "-----END"),
    SPACED.replace(" ", ""),
    SPACED.replace(" ", "+"),
    SPACED.replace(" ", "%20"),
    SPACED.replace(" ", ","),
    SPACED.replace(" ", "\\n"),  # a line break in JSON or configuration syntax
    SPACED.replace(" ", " " * 9),
    SPACED.replace("-----BEGIN", "----BEGIN"),
    SPACED.replace("CERTIFICATE-----", "CERTIFICATE----", 1),
    f'"{SPACED}"',
    "-----BEGIN CERTIFICATE----- -----END CERTIFICATE-----",
    "-----BEGIN CERTIFICATE----- Proc-Type: 4,ENCRYPTED AAAA -----END CERTIFICATE-----",
    SPACED[: len(SPACED) // 2],
    SPACED[:-1].removesuffix("-"),
    SPACED.replace("M", "-", 1),
    SPACED.replace("M", "%4D", 1),
]


@pytest.mark.parametrize("value", REFUSED, ids=range(len(REFUSED)))
def test_refused(value):
    """Only the line breaks may differ from PEM (RFC 7468 §3): no other label, nothing before, between or behind."""
    assert refused(SPACES, value) is Reason.PEM_MALFORMED
    assert refused(FOLDED, value) is Reason.PEM_MALFORMED


@pytest.mark.parametrize("fold", ["\n", "\r\n", "\r", "\r\t", "\n\n\t", "\n\r\t", "\n" + "\t" * 9, "\n\t\n\t"])
def test_what_is_no_fold(fold):
    """A fold is a line break with white space behind it; a bare one would begin another header."""
    assert refused(FOLDED, TEXT.rstrip().replace("\n", fold)) is Reason.PEM_MALFORMED
    assert refused(SPACES, TEXT.rstrip().replace("\n", fold)) is Reason.HEADER_NOT_ASCII


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("AAAA", Reason.CERTIFICATE_MALFORMED),
        ("AAA", Reason.BASE64_INVALID),
        ("Zm9=", Reason.BASE64_INVALID),  # tail bits that are not zero
        ("Zg==  Zg==", Reason.BASE64_INVALID),  # data behind the padding
        ("====", Reason.BASE64_INVALID),
    ],
)
def test_base64_within(body, reason):
    """The joined lines are canonical base64 of one certificate."""
    for where in (SPACES, FOLDED):
        assert refused(where, f"-----BEGIN CERTIFICATE----- {body} -----END CERTIFICATE-----") is reason


def test_chain_headers_of_apache():
    """Apache numbers the headers of a chain; each holds one certificate, and those that it has none for say ``(null)``."""
    where = source(Format.PEM_SPACES, chain_headers=("x-chain-0", "x-chain-1"))
    leaf, above = alice().chain_der
    assert decoded(where, encode_pem_spaces((leaf,)), encode_pem_spaces((above,))) == presented(alice())
    assert refused(where, encode_pem_spaces((leaf, client().certificate_der))) is Reason.LEAF_AMBIGUOUS
