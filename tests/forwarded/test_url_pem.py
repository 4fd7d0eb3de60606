"""``url_pem.py``: percent-encoded PEM as nginx, ingress-nginx, Kong and AWS ALB write it."""

import pytest

from authz_server.forwarded.limits import MAX_HEADER_BYTES
from authz_server.forwarded.rfc9440 import encode_client_cert
from authz_server.forwarded.url_pem import encode_url_pem
from authz_server.reasons import Reason
from tests.forwarded.values import ABOVE, LEAF, SPLIT_PEM, URL_PEM, decoded, refused
from tests.pki import bob, presented

ONE, BOTH = encode_url_pem((LEAF,)), encode_url_pem((LEAF, ABOVE))
NO_CERTIFICATE = "-----BEGIN%20CERTIFICATE-----%0AAAAA%0A-----END%20CERTIFICATE-----"


@pytest.mark.parametrize(
    ("value", "intermediates"),
    [
        (ONE, ()),
        (encode_url_pem((LEAF,), safe="+/="), ()),  # AWS ALB
        (encode_url_pem((LEAF,), safe="-"), ()),
        (ONE.replace("%2B", "%2b").replace("%2F", "%2f").replace("%0A", "%0a"), ()),  # RFC 3986 §2.1: digits have no case
        (ONE.removesuffix("%0A"), ()),  # without the last line break
        (ONE.replace("%0A", "%0D%0A"), ()),  # RFC 7468 §3 lets lines end in CRLF
        (BOTH, (ABOVE,)),
        (encode_url_pem((LEAF, ABOVE), safe="+/="), (ABOVE,)),
        (encode_url_pem((LEAF, LEAF)), ()),  # the chain repeats the leaf
        (encode_url_pem((LEAF, LEAF, ABOVE)), (ABOVE,)),
    ],
)
def test_decoded(value, intermediates):
    """The leaf and the intermediates come out byte for byte, a repeated leaf once."""
    chain = decoded(URL_PEM, value)
    assert chain.leaf.der == LEAF
    assert tuple(each.der for each in chain.intermediates) == intermediates


def test_chain_header():
    """A separate chain header is decoded the same way, whether it repeats the leaf or not."""
    leaf, *above = bob().chain_der
    for chain in (tuple(above), bob().chain_der):
        assert decoded(SPLIT_PEM, encode_url_pem((leaf,)), encode_url_pem(chain)) == presented(bob())


REFUSED = [
    # nothing
    ("", Reason.CREDENTIAL_MISSING),
    ("-", Reason.CREDENTIAL_MISSING),
    ("(null)", Reason.CREDENTIAL_MISSING),
    ("NONE", Reason.CREDENTIAL_MISSING),
    # size and bytes
    ("x" * (MAX_HEADER_BYTES + 1), Reason.HEADER_TOO_LARGE),
    ("x" * 60 * 1024, Reason.PEM_MALFORMED),
    (ONE.encode() + b"\xff", Reason.HEADER_NOT_ASCII),
    (ONE + ONE + "é", Reason.HEADER_NOT_ASCII),
    (ONE + "\n", Reason.HEADER_NOT_ASCII),
    (ONE + "\x00", Reason.HEADER_NOT_ASCII),
    (encode_url_pem((LEAF,) + (bob().certificate_der,) * 10), Reason.CHAIN_TOO_LONG),
    (encode_url_pem((b"0" * 9000,)), Reason.CHAIN_TOO_LONG),
    # percent-encoding
    (ONE[:-1], Reason.PERCENT_ENCODING_INVALID),  # cut within %0A
    (ONE + "%GG", Reason.PERCENT_ENCODING_INVALID),
    (ONE + "%", Reason.PERCENT_ENCODING_INVALID),
    (ONE + "%4", Reason.PERCENT_ENCODING_INVALID),
    (ONE.replace("%", "%25"), Reason.PERCENT_ENCODING_DOUBLED),
    (ONE.replace("%20", "+"), Reason.PEM_MALFORMED),  # form encoding: "+" is a plus
    (ONE.replace("%20", " "), Reason.PERCENT_ENCODING_INVALID),
    (encode_url_pem((LEAF, ABOVE), safe=" +/="), Reason.PERCENT_ENCODING_INVALID),
    # PEM
    (ONE[: len(ONE) // 2].rsplit("%", 1)[0], Reason.PEM_MALFORMED),  # cut within the base64
    ("junk%0A" + ONE, Reason.PEM_MALFORMED),
    (ONE + "junk", Reason.PEM_MALFORMED),
    (ONE + "%0A" + ONE, Reason.PEM_MALFORMED),  # an empty line between
    (ONE + "%00", Reason.PEM_MALFORMED),
    (ONE.replace("%0A", "%00", 1), Reason.PEM_MALFORMED),
    (ONE.replace("CERTIFICATE", "X509%20CERTIFICATE"), Reason.PEM_MALFORMED),
    (ONE.replace("CERTIFICATE", "PRIVATE%20KEY"), Reason.PEM_MALFORMED),
    (ONE.replace("%0A", "%20"), Reason.PEM_MALFORMED),
    (ONE.replace("%0A", ""), Reason.PEM_MALFORMED),
    (encode_client_cert(LEAF), Reason.PEM_MALFORMED),  # another format
    # base64
    (ONE.replace("MI", "MI%3D", 1), Reason.BASE64_INVALID),
    # DER
    (NO_CERTIFICATE, Reason.CERTIFICATE_MALFORMED),
    (ONE + NO_CERTIFICATE, Reason.CERTIFICATE_MALFORMED),
    (encode_url_pem((b"junk",)), Reason.CERTIFICATE_MALFORMED),
    (encode_url_pem((LEAF + b"\0",)), Reason.CERTIFICATE_MALFORMED),  # trailing data
    (encode_url_pem((LEAF + ABOVE,)), Reason.CERTIFICATE_MALFORMED),  # two in one block
]


@pytest.mark.parametrize(("value", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_refused(value, reason):
    """One oddity of percent-encoded PEM, one reason."""
    assert refused(URL_PEM, value) is reason
