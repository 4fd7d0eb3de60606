"""What a certificate says of its own revocation, and parts of it that cannot be read."""

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from authz_server.model import CertificationPath
from authz_server.reasons import Reason, Rejection
from authz_server.validation.revocation import RevocationData, RevocationStatus, ask, check_revocation, questions_about
from tests.pki import AFTER, NOW, SERIAL, alice, altered, authority, certificate, client, der, intermediate, root
from tests.validation.revocation.making import HARD, SOFT, crl, data, outcome, point

NO_REV_AVAIL = (x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.56"), b"\x05\x00"), False)


def access(method):
    location = x509.UniformResourceIdentifier("http://a")
    return (x509.AuthorityInformationAccess([x509.AccessDescription(method, location)]), False)


POINT = point("http://a/1.crl")
PROMISED = client(extensions=(NO_REV_AVAIL,))


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [
        ((NO_REV_AVAIL,), RevocationStatus.GOOD),
        ((NO_REV_AVAIL, access(AuthorityInformationAccessOID.CA_ISSUERS)), RevocationStatus.GOOD),
        # RFC 9608 §3: what contradicts the promise voids it
        ((NO_REV_AVAIL, access(AuthorityInformationAccessOID.OCSP)), Reason.REVOCATION_UNAVAILABLE),
        ((NO_REV_AVAIL, (x509.CRLDistributionPoints([POINT]), False)), Reason.REVOCATION_UNAVAILABLE),
        ((NO_REV_AVAIL, (x509.FreshestCRL([POINT]), False)), Reason.REVOCATION_UNAVAILABLE),
    ],
)
def test_no_revocation_available(extensions, expected):
    """RFC 9608: a certificate of which nothing will ever be published is good without."""
    assert outcome(client(extensions=extensions)) is expected


def test_no_revocation_available_and_revoked():
    """A list that names the certificate all the same counts."""
    assert outcome(PROMISED, crl(PROMISED)) is Reason.CERTIFICATE_REVOKED


def test_no_revocation_available_on_a_ca():
    """RFC 9608 §3: a CA certificate must not promise it, and is looked up."""
    promising = authority("Promising", parent=root(), extensions=(NO_REV_AVAIL,))
    assert outcome(client(promising), crl(issuer=promising)) is Reason.REVOCATION_UNAVAILABLE


def path(leaf, *middle):
    """A path as if it had been verified."""
    return CertificationPath(leaf, middle, certificate(root()), NOW, AFTER)


BROKEN_POINTS = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.31"), b"\x30\x01")


@pytest.mark.parametrize("policy", [SOFT, HARD])
@pytest.mark.parametrize(
    "leaf",
    [
        # 21 octets: on a CA certificate the verifier lets them pass, and no list could name the number
        altered(client(), root(), {SERIAL: der(0x02, b"\x01" + bytes(20))}),
        altered(client(), root(), {SERIAL: der(0x02, b"\x80")}),
        certificate(client(extensions=((BROKEN_POINTS, False),))),
        certificate(client(extensions=(NO_REV_AVAIL, (x509.UnrecognizedExtension(x509.FreshestCRL.oid, b"\0"), False)))),
    ],
)
def test_unreadable(leaf, policy):
    """A part that cannot be read refuses the certificate in every mode: it might be what names the list."""
    with pytest.raises(Rejection) as refused:
        check_revocation(path(leaf), data(crl()), policy, NOW)
    assert (refused.value.reason, refused.value.facts["sha256"]) == (Reason.CERTIFICATE_MALFORMED, leaf.sha256)


def test_facts():
    """A refusal names the certificate, and the number that the list has or the CA that owes one."""
    chain = path(*map(certificate, (alice(), intermediate())))
    questions = questions_about(chain)
    with pytest.raises(Rejection) as refused:
        ask(questions, data(crl(intermediate())), HARD, NOW)
    serial = f"{intermediate().certificate.serial_number:x}"
    assert refused.value.facts == {"sha256": certificate(intermediate()).sha256, "serial": serial}
    with pytest.raises(Rejection) as refused:
        ask(questions, RevocationData(), HARD, NOW)
    assert refused.value.facts == {"sha256": certificate(alice()).sha256, "issuer": "CN=Intermediate"}


def test_questions_are_asked_again():
    """Questions are taken out of a path once and asked of every later state."""
    questions = questions_about(path(certificate(alice()), certificate(intermediate())))
    lists = crl(), crl(issuer=intermediate())
    assert ask(questions, data(*lists), HARD, NOW) is RevocationStatus.GOOD
    with pytest.raises(Rejection):
        ask(questions, data(lists[0], crl(alice(), issuer=intermediate())), HARD, NOW)
