"""OCSP answers: whose word counts, about which certificate, and for how long (RFC 6960 §3.2, §4.2)."""

import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from authz_server.demo.pki import key_usage
from authz_server.reasons import Reason
from authz_server.validation.revocation import OcspError, RevocationMode, RevocationPolicy, RevocationStatus, parse_ocsp
from authz_server.validation.revocation.question import Question
from tests.pki import (
    AFTER,
    BEFORE,
    NOW,
    PUBLIC_KEY,
    SECOND,
    alice,
    altered,
    altered_der,
    authority,
    bundle,
    certificate,
    client,
    der,
    intermediate,
    key,
    parts,
    root,
)
from tests.validation.revocation.making import (
    GOOD,
    HOUR,
    REVOKED,
    SOFT,
    UNKNOWN,
    answer,
    answer_der,
    crl,
    number_of,
    outcome,
)

IS_GOOD = RevocationStatus.GOOD
IS_REVOKED, MISSING, STALE = Reason.CERTIFICATE_REVOKED, Reason.REVOCATION_UNAVAILABLE, Reason.REVOCATION_STALE

LEAF = client()
STRANGER = authority()  # the root's name, another key
SIGNING = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)
NO_CHECK = (x509.OCSPNoCheck(), False)
UNKNOWN_EXTENSION = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00")
SHA1 = hashes.SHA1()  # noqa: S303 - what must be refused
ECDSA_WITH_SHA1 = der(0x30, der(0x06, bytes.fromhex("2a8648ce3d0401")))
OLD = (BEFORE - HOUR, NOW - SECOND)


def delegate(issuer=None, *more, without=(), **fields):
    """A responder that ``issuer`` (the root unless told) authorized."""
    extensions = {SIGNING, NO_CHECK} - set(without)
    return client(issuer, "CN=Responder", eku="none", extensions=(*extensions, *more), **fields)


RESPONDER = delegate()
EXPIRED = delegate(not_after=NOW - SECOND)


def by(signer, status=GOOD, **fields):
    return answer(LEAF, status, signer=signer, **fields)


def resigned(change=None, signer=None, response=None, algorithm=None, sequence=None):
    """A response, the root's about LEAF unless told, whose ResponseData (§4.2.1) was changed field by field, signed anew."""
    status, content = parts(response or answer_der(LEAF))
    kind, octets = parts(parts(content)[0])
    body, by_ecdsa, _, *along = parts(parts(octets)[0])
    body = der(0x30, *(change or list)(parts(body)))
    signature = (signer or root()).key.sign(body, ec.ECDSA(algorithm or hashes.SHA256()))
    basic = der(0x30, body, sequence or by_ecdsa, der(0x03, b"\0", signature), *along)
    return der(0x30, status, der(0xA0, der(0x30, kind, der(0x04, basic))))


def naming(issued):
    """The responder ID names this certificate by its key."""
    identifier = x509.SubjectKeyIdentifier.from_public_key(issued.certificate.public_key())
    return lambda fields: [der(0xA2, der(0x04, identifier.digest)), *fields[1:]]


def naming_by_name(issued):
    """The responder ID names this certificate by its subject."""
    return lambda fields: [der(0xA1, issued.certificate.subject.public_bytes()), *fields[1:]]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([answer(LEAF)], IS_GOOD),
        ([answer(LEAF, by_name=True)], IS_GOOD),
        ([answer(LEAF, cert_id=hashes.SHA256())], IS_GOOD),
        ([answer(LEAF, algorithm=hashes.SHA512())], IS_GOOD),
        ([answer(LEAF, REVOKED)], IS_REVOKED),
        ([answer(LEAF, UNKNOWN)], MISSING),  # unknown is not good
        # about whom
        ([answer(LEAF, serial=number_of(LEAF) + 1)], MISSING),
        ([answer(LEAF, REVOKED, serial=number_of(LEAF) + 1)], MISSING),
        ([answer(LEAF, issuer=STRANGER, signer=root())], MISSING),  # another key of the same name
        ([answer(LEAF, issuer=intermediate(), signer=root())], MISSING),
        # by whom
        ([by(STRANGER)], MISSING),
        ([parse_ocsp(resigned(naming(root()), STRANGER))], MISSING),
        ([parse_ocsp(resigned(naming(root())))], IS_GOOD),
        ([parse_ocsp(resigned(naming(STRANGER)))], MISSING),  # signed by the CA, and the responder ID names another key
        ([parse_ocsp(resigned(naming_by_name(STRANGER)))], IS_GOOD),  # its name is the CA's
        ([parse_ocsp(resigned(naming_by_name(intermediate())))], MISSING),
        ([by(intermediate())], MISSING),  # a CA below is no responder
        # how old
        ([answer(LEAF, times=OLD)], STALE),
        ([answer(LEAF, REVOKED, times=OLD)], IS_REVOKED),
        ([answer(LEAF, times=(NOW + HOUR, AFTER))], MISSING),
        ([answer(LEAF, REVOKED, times=(NOW + HOUR, AFTER))], IS_REVOKED),
        ([answer(LEAF, times=(NOW + timedelta(seconds=60), AFTER))], IS_GOOD),
        ([answer(LEAF, times=(BEFORE, NOW))], IS_GOOD),
        # without nextUpdate: a day
        ([answer(LEAF, times=(NOW - HOUR, None))], IS_GOOD),
        ([answer(LEAF, times=(NOW - 24 * HOUR, None))], IS_GOOD),
        ([answer(LEAF, times=(NOW - 24 * HOUR - SECOND, None))], STALE),
        # of several the worst
        ([answer(LEAF), answer(LEAF, REVOKED, times=OLD)], IS_REVOKED),
        ([answer(LEAF, REVOKED), answer(LEAF)], IS_REVOKED),
        ([answer(LEAF, UNKNOWN), answer(LEAF, REVOKED)], IS_REVOKED),
        ([answer(LEAF), answer(LEAF, UNKNOWN)], MISSING),
        ([answer(LEAF, UNKNOWN), answer(LEAF)], MISSING),
        ([answer(LEAF, UNKNOWN, times=OLD), answer(LEAF)], IS_GOOD),
        ([answer(LEAF, times=OLD), answer(LEAF)], IS_GOOD),
        ([answer(LEAF, times=OLD), answer(LEAF, UNKNOWN)], MISSING),
        ([answer(LEAF, UNKNOWN, times=OLD)], MISSING),
        ([by(STRANGER, REVOKED), answer(LEAF)], IS_GOOD),  # anybody can write one
        # beside a list: a revocation by either counts, and either is enough for good
        ([answer(LEAF), crl(LEAF)], IS_REVOKED),
        ([answer(LEAF, REVOKED), crl()], IS_REVOKED),
        ([answer(LEAF, UNKNOWN), crl()], IS_GOOD),
        ([answer(LEAF, times=OLD), crl()], IS_GOOD),
        ([answer(LEAF), crl(times=OLD)], IS_GOOD),
        ([answer(LEAF, UNKNOWN), crl(times=OLD)], STALE),
    ],
)
def test_answers(answers, expected):
    """One client, and answers about it by its CA."""
    assert outcome(LEAF, *answers) is expected


WEAK = delegate(key=key("rsa1024"))
ELSEWHERE = authority("Elsewhere", parent=root())


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([by(RESPONDER)], IS_GOOD),
        ([by(RESPONDER, by_name=True)], IS_GOOD),
        ([by(RESPONDER, REVOKED)], IS_REVOKED),
        ([by(RESPONDER, UNKNOWN)], MISSING),
        ([by(delegate(key=key("rsa2048")))], IS_GOOD),
        ([by(delegate(usage=key_usage(digital_signature=True)))], IS_GOOD),
        ([by(RESPONDER, sent=(alice(), RESPONDER))], IS_GOOD),  # others are sent along
        ([by(RESPONDER, sent=(EXPIRED,))], MISSING),  # its certificate is not
        ([parse_ocsp(resigned(naming(EXPIRED), RESPONDER, answer_der(LEAF, signer=RESPONDER)))], MISSING),
        ([parse_ocsp(resigned(None, STRANGER, answer_der(LEAF, signer=RESPONDER)))], MISSING),  # signed by another
        # §4.2.2.2: directly by the issuer, for this purpose
        ([by(delegate(without=(SIGNING,)))], MISSING),
        ([by(delegate(without=(SIGNING,)), REVOKED)], MISSING),
        ([by(client(eku="any", extensions=(NO_CHECK,)))], MISSING),
        ([by(delegate(without=(NO_CHECK,)))], MISSING),
        ([by(delegate(STRANGER))], MISSING),
        ([by(delegate(authority("Other", key=root().key)))], MISSING),  # the CA's key under another name
        ([by(delegate(intermediate()))], MISSING),
        ([by(delegate(ELSEWHERE), REVOKED)], MISSING),
        # the usual rules for certificates
        ([by(delegate(None, (key_usage(key_encipherment=True), True)))], MISSING),
        ([by(delegate(None, (UNKNOWN_EXTENSION, True)))], MISSING),
        ([by(delegate(None, (UNKNOWN_EXTENSION, False)))], IS_GOOD),
        ([by(WEAK)], MISSING),
        ([by(EXPIRED)], MISSING),
        ([by(delegate(not_after=NOW))], IS_GOOD),  # its last second
        ([by(delegate(not_before=NOW + SECOND))], MISSING),
        ([by(EXPIRED, REVOKED)], IS_REVOKED),  # what it said stays said
    ],
)
def test_delegates(answers, expected):
    """One client, and answers about it by a responder that its CA authorized, or did not."""
    assert outcome(LEAF, *answers) is expected


def test_delegate_with_sha1_signature():
    """A responder's certificate that is signed with SHA-1 authorizes nobody: it can be forged."""
    forged = altered(RESPONDER, root(), {2: ECDSA_WITH_SHA1}, SHA1)
    known = by(RESPONDER)
    assert forged.x509.signature_hash_algorithm.name == "sha1"
    assert outcome(LEAF, swapped(known, forged.x509)) is MISSING
    assert outcome(LEAF, swapped(known, altered(RESPONDER, root(), {}).x509)) is IS_GOOD


def test_delegate_that_cannot_be_read():
    """A certificate that came with an answer and cannot be read is nobody's fault but its sender's."""
    odd = altered_der(RESPONDER, root(), {PUBLIC_KEY: der(0x30, der(0x30, der(0x06, b"\x2a\x03")), der(0x03, b"\0key"))})
    known = by(RESPONDER)
    assert outcome(LEAF, swapped(known, x509.load_der_x509_certificate(odd))) is MISSING


def swapped(known, *delegates):
    """The same answer with other certificates along: those are not covered by its signature."""
    return replace(known, delegates=delegates, _signers={})


def test_answers_about_the_whole_path():
    """Each certificate needs an answer by the CA directly above it."""
    about_leaf = answer(alice(), issuer=intermediate())
    about_ca = answer(intermediate())
    assert outcome(alice(), about_leaf, about_ca) is IS_GOOD
    assert outcome(alice(), about_leaf) is MISSING
    assert outcome(alice(), about_leaf, policy=SOFT) is RevocationStatus.UNKNOWN
    assert outcome(alice(), about_leaf, answer(intermediate(), REVOKED)) is Reason.ISSUER_REVOKED
    assert outcome(alice(), answer(alice(), issuer=intermediate(), signer=root()), about_ca) is MISSING


@pytest.mark.parametrize("kind", ["rsa2048", "p384"])
def test_keys(kind):
    """Answers of the ordinary kinds of CA are verified."""
    issuer = authority(key=key(kind))
    leaf = client(issuer)
    assert outcome(leaf, answer(leaf, issuer=issuer), trust=bundle(issuer)) is IS_GOOD


def test_max_age():
    """How long an answer without nextUpdate is believed can be set, and the grace comes behind it."""
    policy = RevocationPolicy(RevocationMode.HARD, max_age=HOUR, stale_grace=HOUR)
    assert outcome(LEAF, answer(LEAF, times=(NOW - 2 * HOUR, None)), policy=policy) is IS_GOOD
    assert outcome(LEAF, answer(LEAF, times=(NOW - 2 * HOUR - SECOND, None)), policy=policy) is STALE


def test_memory_of_issuers_is_bounded():
    """Issuers that an answer is not by are remembered up to a number, and the one that it is by in any case."""
    known = answer(LEAF)
    question = Question.about(certificate(LEAF), certificate(root()))
    wrong = Question.about(certificate(LEAF), certificate(STRANGER))
    for number in range(100):
        known._signers[(b"%d" % number, b"")] = ()  # noqa: SLF001 - as a hundred issuers of this name would leave it
    assert known.signers(wrong) == ()
    assert len(known._signers) == 100  # noqa: SLF001 - the bound itself
    assert known.signers(question)
    assert known.signers(question) is known.signers(question)


NONCE = (x509.OCSPNonce(b"n" * 32), False)


def test_nonce():
    """The nonce is kept for whoever asked (RFC 9654); an answer without one has none."""
    assert answer(LEAF, extensions=(NONCE,)).nonce == b"n" * 32
    assert answer(LEAF).nonce is None


def twice(fields):
    """The single answer two times."""
    *before, answers = fields
    return [*before, der(0x30, *parts(answers) * 2)]


def none(fields):
    """No answer at all."""
    return [*fields[:-1], der(0x30)]


def with_critical(fields):
    """The single answer with an extension that nobody knows, critical."""
    *before, answers = fields
    extension = der(0x30, der(0x06, b"\x2a\x03"), der(0x01, b"\xff"), der(0x04, b"\x05\x00"))
    return [*before, der(0x30, der(0x30, *parts(parts(answers)[0]), der(0xA1, der(0x30, extension))))]


def test_alteration_alone_is_harmless():
    """Signed anew without a change the answer is accepted: the refusals below are about what was changed."""
    assert outcome(LEAF, parse_ocsp(resigned())) is IS_GOOD


MD5_WITH_RSA = der(0x30, der(0x06, bytes.fromhex("2a864886f70d010104")), b"\x05\x00")
ED25519 = der(0x30, der(0x06, bytes.fromhex("2b6570")))
UNKNOWN_SIGNATURE = der(0x30, der(0x06, b"\x2a\x03"))


@pytest.mark.parametrize(
    "unusable",
    [
        b"",
        answer_der(LEAF)[:-1],
        answer_der(LEAF) + b"\0",
        LEAF.certificate_der,
        *(
            ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
            for status in ocsp.OCSPResponseStatus
            if status is not ocsp.OCSPResponseStatus.SUCCESSFUL
        ),
        resigned(twice),
        resigned(none),
        resigned(with_critical),
        answer_der(LEAF, extensions=((UNKNOWN_EXTENSION, True),)),
        answer_der(LEAF, cert_id=hashes.SHA384()),  # a CertID by an uncommon hash
        answer_der(LEAF, sent=[RESPONDER] * 5),
        resigned(algorithm=SHA1, sequence=ECDSA_WITH_SHA1),
        resigned(sequence=MD5_WITH_RSA),
        resigned(sequence=ED25519),
        resigned(sequence=UNKNOWN_SIGNATURE),
    ],
)
def test_unusable(unusable):
    """A response that is not understood whole says nothing, and is no other error."""
    with pytest.raises(OcspError):
        parse_ocsp(unusable)


INDEX = "{status}\t270101000000Z\t{revoked}\t{serial:X}\tunknown\t/CN=alice\n"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the program openssl is not installed")
@pytest.mark.parametrize("by_responder", [False, True])
@pytest.mark.parametrize(("entry", "expected"), [(("V", ""), IS_GOOD), (("R", "260101000000Z"), IS_REVOKED), (None, MISSING)])
def test_answer_of_openssl(tmp_path, entry, expected, by_responder):
    """What ``openssl ocsp`` answers, as the CA and as a responder, is read as it was meant."""
    signer = RESPONDER if by_responder else root()
    files = {"ca.pem": root().certificate_pem, "signer.pem": signer.certificate_pem, "signer.key": signer.key_pem}
    files["index.txt"] = INDEX.format(status=entry[0], revoked=entry[1], serial=number_of(LEAF)).encode() if entry else b""
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    arguments = (
        "-index index.txt -CA ca.pem -rsigner signer.pem -rkey signer.key -issuer ca.pem -ndays 1 -respout answer.der -noverify"
    )
    command = ["openssl", "ocsp", *arguments.split(), "-serial", f"0x{number_of(LEAF):x}"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    known = parse_ocsp((tmp_path / "answer.der").read_bytes())
    # openssl has the clock of today, the certificates have that of the tests.
    assert outcome(LEAF, replace(known, this_update=BEFORE, next_update=AFTER, _signers={})) is expected
