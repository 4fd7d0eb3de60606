"""Whatever stands in a list, an answer or a certificate: a status or a refusal with a name, never another exception."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from authz_server.model import CERTIFICATE_PARSE_ERRORS, Certificate, CertificationPath
from authz_server.reasons import Reason, Rejection
from authz_server.validation.revocation import (
    CrlError,
    OcspError,
    RevocationData,
    RevocationStatus,
    check_revocation,
    parse_crl,
    parse_ocsp,
)
from tests.pki import AFTER, NOW, certificate, client, root
from tests.validation.revocation.making import HARD, answer_der, crl, crl_der, data, delta, outcome, point, points, scope
from tests.validation.revocation.test_ocsp import RESPONDER

LEAF = client(extensions=points(point("http://a/1.crl")))
LISTS = [crl_der(LEAF, within=scope("http://a/1.crl")), crl_der(LEAF, number=2, base=1)]
ANSWERS = [answer_der(LEAF), answer_der(LEAF, signer=RESPONDER)]

# Places in a document and what is put there.
CHANGES = st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 255)), min_size=1, max_size=3)


def changed(document, changes):
    """The document with some of its bytes replaced."""
    result = bytearray(document)
    for place, byte in changes:
        result[place % len(result)] = byte
    return bytes(result)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(LISTS), CHANGES)
def test_lists(document, changes):
    """An altered list is refused, or it is by nobody: none takes a revocation back or vouches for anything."""
    try:
        index = parse_crl(changed(document, changes)).index
    except CrlError:
        return
    if changed(document, changes) != document:
        assert outcome(LEAF, index) in {Reason.REVOCATION_UNAVAILABLE, Reason.CERTIFICATE_REVOKED}
    assert outcome(LEAF, index, crl(LEAF)) is Reason.CERTIFICATE_REVOKED


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(ANSWERS), CHANGES)
def test_answers(document, changes):
    """An altered answer is refused, or by nobody, or what was altered was not signed and says nothing else."""
    try:
        answer = parse_ocsp(changed(document, changes))
    except OcspError:
        return
    assert outcome(LEAF, answer) in {Reason.REVOCATION_UNAVAILABLE, RevocationStatus.GOOD}
    assert outcome(LEAF, answer, crl(LEAF)) is Reason.CERTIFICATE_REVOKED


@pytest.mark.filterwarnings("ignore:Attribute's length")  # a country of four letters
@settings(max_examples=400, deadline=None)
@given(CHANGES)
def test_certificates(changes):
    """A certificate with odd parts, even on a path, is looked up or refused."""
    try:
        odd = Certificate.from_der(changed(LEAF.certificate_der, changes))
    except CERTIFICATE_PARSE_ERRORS:
        return
    path = CertificationPath(odd, (), certificate(root()), NOW, AFTER)
    try:
        said = check_revocation(path, data(crl(), delta()), HARD, NOW)
    except Rejection as refused:
        said = refused.reason
    assert said in {RevocationStatus.GOOD, Reason.CERTIFICATE_MALFORMED, Reason.REVOCATION_UNAVAILABLE}


@given(st.binary(max_size=60))
@example(b"")
def test_bytes(document):
    """Arbitrary bytes are no list and no answer."""
    for parse, error in ((parse_crl, CrlError), (parse_ocsp, OcspError)):
        try:
            parse(document)
        except error:
            continue
        raise AssertionError(document)


@settings(max_examples=60, deadline=None)
@given(st.permutations([crl_der(LEAF), crl_der(number=2), crl_der(number=3, base=2), crl_der(LEAF, number=4, base=2)]))
def test_order_does_not_count(documents):
    """Lists mean the same in every order."""
    lists = RevocationData(tuple(parse_crl(document).index for document in documents))
    assert outcome(LEAF, *lists.crls) is Reason.CERTIFICATE_REVOKED
    assert outcome(LEAF, *(each for each in lists.crls if each.number != 4)) is RevocationStatus.GOOD
