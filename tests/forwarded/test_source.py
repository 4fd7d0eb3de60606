"""``source.py``: exactly one line under exactly one name, and no chain without a certificate."""

import pytest

from authz_server.forwarded import presented_chain
from authz_server.forwarded.rfc9440 import encode_client_cert
from authz_server.forwarded.url_pem import encode_url_pem
from authz_server.reasons import Reason, Rejection
from tests.forwarded.values import LEAF, RFC9440, SPLIT_PEM, URL_PEM
from tests.pki import alice, bob, presented
from tests.samples import request

PEM, OTHER = encode_url_pem((LEAF,)).encode(), encode_url_pem(bob().chain_der).encode()
CERT = encode_client_cert(LEAF).encode()


def test_one_line():
    """One line of the configured header is the chain; lines of other headers are not looked at."""
    lines = request(("x-client-cert", encode_url_pem(alice().chain_der).encode()), ("client-cert", b"junk"))
    assert presented_chain(lines, URL_PEM) == presented(alice())


REFUSED = [
    (URL_PEM, [], Reason.CREDENTIAL_MISSING),
    (URL_PEM, [("x-client-cert", b"a")] * 2, Reason.HEADER_DUPLICATED),
    (URL_PEM, [("x-client-cert", PEM)] * 2, Reason.HEADER_DUPLICATED),  # even if both say the same
    (URL_PEM, [("x-client-cert", PEM + b"," + PEM)], Reason.PEM_MALFORMED),  # joined by Envoy's map
    (URL_PEM, [("x_client_cert", b"a")], Reason.HEADER_ALIASED),
    (URL_PEM, [("x-client_cert", PEM)], Reason.HEADER_ALIASED),
    (URL_PEM, [("x-client-cert", PEM), ("x_client_cert", OTHER)], Reason.HEADER_ALIASED),
    (URL_PEM, [("x-client_cert", b"a"), ("x-client-cert", b"a")], Reason.HEADER_ALIASED),
    (SPLIT_PEM, [("x-client-chain", b"a")] * 2, Reason.HEADER_DUPLICATED),
    (SPLIT_PEM, [("x-client-chain", PEM)], Reason.CHAIN_WITHOUT_CERTIFICATE),
    (RFC9440, [("client-cert", b"a"), ("client-cert", b"b")], Reason.HEADER_DUPLICATED),
    (RFC9440, [("client-cert_chain", b"a")], Reason.HEADER_ALIASED),
    (RFC9440, [("client-cert", CERT), ("client_cert_chain", b"x")], Reason.HEADER_ALIASED),
    (RFC9440, [("client-cert-chain", b":AAAA:")], Reason.CHAIN_WITHOUT_CERTIFICATE),
    (RFC9440, [("client-cert-chain", CERT)], Reason.CHAIN_WITHOUT_CERTIFICATE),
    (RFC9440, [("client-cert", b"(null)"), ("client-cert-chain", CERT)], Reason.CHAIN_WITHOUT_CERTIFICATE),
    (RFC9440, [("client-cert", b"(null)"), ("client-cert-chain", b"")], Reason.CREDENTIAL_MISSING),
]


@pytest.mark.parametrize("nothing", [b"", b"(null)", b"-"])
def test_empty_chain_header(nothing):
    """A chain header without a value counts as not sent: HAProxy and Apache set it for clients that send no intermediates."""
    lines = request(("client-cert", CERT), ("client-cert-chain", nothing))
    assert presented_chain(lines, RFC9440).intermediates == ()


@pytest.mark.parametrize(("where", "headers", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_lines_refused(where, headers, reason):
    """Missing, repeated and aliased lines, and a chain without a certificate, are refused by name."""
    with pytest.raises(Rejection) as refusal:
        presented_chain(request(*headers), where)
    assert refusal.value.reason is reason
