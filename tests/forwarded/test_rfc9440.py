"""``rfc9440.py``: the Client-Cert and Client-Cert-Chain fields."""

import http_sf
import pytest

from authz_server.forwarded import presented_chain
from authz_server.forwarded.encodings import encode_base64
from authz_server.forwarded.rfc9440 import encode_client_cert, encode_client_cert_chain
from authz_server.forwarded.url_pem import encode_url_pem
from authz_server.reasons import Reason
from tests.forwarded.values import ABOVE, LEAF, RFC9440, decoded, refused
from tests.pki import alice, certificate, client, presented, root
from tests.samples import request

CERT, CHAIN = encode_client_cert(LEAF), encode_client_cert_chain((ABOVE,))
BASE64 = encode_base64(LEAF)


def test_decoded():
    """Client-Cert is the leaf, Client-Cert-Chain what stands above it (RFC 9440 §2.2, §2.3)."""
    assert decoded(RFC9440, CERT).leaf == certificate(alice())
    assert decoded(RFC9440, CERT).intermediates == ()
    assert decoded(RFC9440, CERT, CHAIN) == presented(alice())


def test_split_chain():
    """Client-Cert-Chain is a list, so its lines are read as one (RFC 9110 §5.3); what is repeated counts once."""
    cert, line, top = CERT.encode(), CHAIN.encode(), encode_client_cert(root().certificate_der).encode()
    twice = request(("client-cert", cert), ("client-cert-chain", line), ("client-cert-chain", line))
    assert presented_chain(twice, RFC9440) == presented(alice())
    two = request(("client-cert", cert), ("client-cert-chain", line), ("client-cert-chain", top))
    assert presented_chain(two, RFC9440) == presented(alice(), root())


REFUSED = [
    ("NONE", Reason.CREDENTIAL_MISSING),
    ("-", Reason.CREDENTIAL_MISSING),
    (CERT[:-1], Reason.STRUCTURED_FIELD_MALFORMED),  # cut
    (BASE64, Reason.STRUCTURED_FIELD_MALFORMED),  # no colons: HAProxy
    (CERT + ";a=1", Reason.STRUCTURED_FIELD_MALFORMED),  # parameters
    (f"{CERT},{CERT}", Reason.STRUCTURED_FIELD_MALFORMED),  # two lines joined
    (f"{CERT}, {CERT}", Reason.STRUCTURED_FIELD_MALFORMED),
    (f": {BASE64}:", Reason.STRUCTURED_FIELD_MALFORMED),
    (CERT.replace("M", "-", 1), Reason.STRUCTURED_FIELD_MALFORMED),  # base64url
    (":Z-_v:", Reason.STRUCTURED_FIELD_MALFORMED),
    (CERT.replace("M", "%4D", 1), Reason.STRUCTURED_FIELD_MALFORMED),
    ("::", Reason.STRUCTURED_FIELD_MALFORMED),
    (encode_url_pem((LEAF,)), Reason.STRUCTURED_FIELD_MALFORMED),  # another product's format
    (":AAA:", Reason.BASE64_INVALID),  # padding is not repaired
    (":Zg:", Reason.BASE64_INVALID),
    (":Zm9=:", Reason.BASE64_INVALID),  # tail bits that are not zero
    (":Zm9v=:", Reason.BASE64_INVALID),
    (":AAAA:", Reason.CERTIFICATE_MALFORMED),
    (f":{BASE64[:-8]}:", Reason.CERTIFICATE_MALFORMED),  # cut within the DER
    (f":{encode_base64(LEAF + b'x')}:", Reason.CERTIFICATE_MALFORMED),  # trailing byte
    (f":{encode_base64(LEAF * 2)}:", Reason.CERTIFICATE_MALFORMED),
    (f":{encode_base64(bytes(8193))}:", Reason.CHAIN_TOO_LONG),
]


@pytest.mark.parametrize(("value", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_refused(value, reason):
    """One oddity of Client-Cert, one reason."""
    assert refused(RFC9440, value) is reason


@pytest.mark.parametrize("chain", ["", ",", ":AAAA:;x", ":AAAA:,"])
def test_chain_refused(chain):
    """A damaged chain refuses the request although the leaf is good."""
    assert refused(RFC9440, CERT, chain) is Reason.STRUCTURED_FIELD_MALFORMED


def test_too_many_certificates():
    """More than ten certificates are refused, in one header or over two; ten are not."""
    many = tuple(client(subject=f"CN=c{n}").certificate_der for n in range(11))
    cert = encode_client_cert(many[0])
    assert refused(RFC9440, cert, encode_client_cert_chain(many[1:])) is Reason.CHAIN_TOO_LONG
    assert refused(RFC9440, cert, encode_client_cert_chain(many)) is Reason.CHAIN_TOO_LONG
    assert len(decoded(RFC9440, cert, encode_client_cert_chain(many[1:10])).intermediates) == 9


@pytest.mark.parametrize("value", [":Zg:", ":Zh==:", ":Zm9=:", ":Zm9v=:", "::", ":Zm9v:;a=1"])
def test_what_the_library_would_accept(value):
    """Why RFC 9440 has an own decoder: a library may repair padding (RFC 8941 §4.2.7) and takes parameters."""
    http_sf.parse(value.encode(), tltype="item")
    assert refused(RFC9440, value) in {Reason.BASE64_INVALID, Reason.STRUCTURED_FIELD_MALFORMED}
