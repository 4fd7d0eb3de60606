"""The client of responders: what is sent where, what is believed of what comes back, and how often it asks."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_network

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from authz_server.demo.envoys import free_port
from authz_server.refresh.destinations import Origin
from authz_server.refresh.fetcher import Fetcher
from authz_server.refresh.job import Limits
from authz_server.refresh.ocsp_client import OcspClient, OcspOptions, Query
from authz_server.validation.revocation import FetchedAnswers, Question, RevocationMode, RevocationPolicy
from tests.ocsp.responder import Truth, nonce_of, responder, send
from tests.ocsp.service import fresh, today, within
from tests.pki import certificate, root_of_today
from tests.validation.revocation.making import REVOKED, UNKNOWN, answer_der

CA = root_of_today()
HARD = RevocationPolicy(RevocationMode.HARD)
LOOPBACK = (ip_network("127.0.0.0/8"),)
LIMITS = Limits(max_bytes=1 << 16, connect_seconds=1, total_seconds=1)
SIGNING = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)
NO_CHECK = (x509.OCSPNoCheck(), False)


def issue(subject="CN=alice", **fields):
    """A client of today's root."""
    return CA.issue(subject, **{"not_before": today() - timedelta(hours=1), "not_after": today() + timedelta(days=1)} | fields)


def naming(*urls):
    """The argument for a certificate that names these responders, after another way of access."""
    access = [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url)) for url in urls]
    issuers = x509.UniformResourceIdentifier("http://127.0.0.1/ca.cer")
    other = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, issuers)
    return ((x509.AuthorityInformationAccess([other, *access]), False),)


def about(leaf):
    """The question about a client of today's root."""
    return Question.about(certificate(leaf), certificate(CA))


class Asking:
    """A client of responders, and how its queries ended."""

    def __init__(self, allow=(), networks=LOOPBACK, limits=LIMITS, retry=60.0, interval=3600.0):
        self.results = []
        fetcher = Fetcher((), networks, limits)
        options = OcspOptions(tuple(map(Origin.parse, allow)), interval, retry, fetcher)
        self.fetched = FetchedAnswers()
        self.client = OcspClient(self.fetched, options, observe=self.results.append)

    def begin(self, leaf, *urls, **fields):
        """Begin a query."""
        return self.client.ask(Query(about(leaf), HARD, urls, **fields))

    def ask(self, leaf, *urls, **fields):
        """How a query ended, ``None`` if none was made."""
        future = self.begin(leaf, *urls, **fields)
        if future is None:
            return None
        future.result(10)
        return self.results[-1]

    def knows(self, leaf):
        """The status that is held about a certificate."""
        held = self.fetched.answer_to(about(leaf))
        return held and held.status.value


def test_what_is_sent():
    """A short request is a GET (RFC 5019), a long one or one to a URL with a query a POST; each with a nonce of its own."""
    leaf, other, third = issue(), issue(), issue()
    with responder(Truth(CA, leaf, other, third)) as server:
        asking = Asking()
        assert asking.ask(leaf, server.origin + "/ocsp/") == "answered"
        assert asking.ask(other, server.origin + "/" + "x" * 200) == "answered"
        assert asking.ask(third, server.origin + "/?ca=1") == "answered"
    assert [asking.knows(each) for each in (leaf, other, third)] == ["good"] * 3
    assert [method for method, *_ in server.seen] == ["GET", "POST", "POST"]
    assert server.seen[0][1].startswith("/ocsp/M")
    assert server.seen[1][2]["Content-Type"] == "application/ocsp-request"
    assert {each[3].hash_algorithm.name for each in server.seen} == {"sha1"}
    nonces = [nonce_of(request) for *_, request in server.seen]
    assert [len(set(nonces)), {len(each) for each in nonces}] == [3, {32}]


def test_statuses():
    """Every status is taken as it is; an unknown one is asked about again after a while only."""
    leaf, other = issue(), issue()
    truth = Truth(CA, leaf, other)
    truth.statuses = {leaf.certificate.serial_number: REVOKED, other.certificate.serial_number: UNKNOWN}
    with responder(truth) as server:
        asking = Asking()
        asking.ask(leaf, server.origin)
        asking.ask(other, server.origin)
        assert [asking.knows(leaf), asking.knows(other)] == ["revoked", "unknown"]
        assert asking.ask(other, server.origin) is None


def test_delegated_and_without_nonce():
    """A delegate may answer; a responder that leaves the nonce out is believed unless a nonce is required."""
    leaf, other = issue(), issue()
    delegate = issue("CN=Responder", eku="none", extensions=(SIGNING, NO_CHECK))
    with responder(Truth(CA, leaf, other, echo=False, signer=delegate)) as server:
        asking = Asking()
        assert asking.ask(leaf, server.origin) == "answered"
        assert asking.ask(other, server.origin, require_nonce=True) == "nonce_missing"
    assert [asking.knows(leaf), asking.knows(other)] == ["good", None]


LEAF, OTHER = issue(), issue()
FORGER = issue("CN=forger", extensions=())
TRUE = Truth(CA, LEAF)
PAST = (today() - timedelta(hours=2), today() - timedelta(hours=1))
REPLAYED = [(x509.OCSPNonce(bytes(32)), False)]
MISBEHAVIOUR = {
    "outage": (lambda handler, _: send(handler, b"", 503), "http_status"),
    "slow": (lambda *_: time.sleep(3), "timed_out"),
    "garbage": (lambda handler, _: send(handler, b"<html>"), "not_an_answer"),
    "empty": (lambda handler, _: send(handler, b""), "not_an_answer"),
    "try later": (lambda handler, _: send(handler, b"\x30\x03\x0a\x01\x03"), "not_an_answer"),
    "endless": (lambda handler, _: send(handler, bytes(1 << 17)), "too_large"),
    "another certificate": (lambda handler, _: send(handler, answer_der(OTHER, issuer=CA, times=fresh())), "other_answer"),
    "forged": (lambda handler, request: send(handler, TRUE.der(request, signer=FORGER)), "other_answer"),
    "a replayed nonce": (lambda handler, request: send(handler, TRUE.der(request, extensions=REPLAYED)), "nonce_wrong"),
    "old": (lambda handler, request: send(handler, TRUE.der(request, times=PAST)), "answer_stale"),
    "to come": (lambda handler, request: send(handler, TRUE.der(request, times=fresh(9)[::-1])), "answer_stale"),
    "elsewhere": (lambda handler, _: send(handler, b"", 302, Location="http://127.0.0.1:1/"), "redirect_refused"),
    "not modified": (lambda handler, _: send(handler, b"", 304), "http_status"),
}


@pytest.mark.parametrize(("behave", "expected"), MISBEHAVIOUR.values(), ids=MISBEHAVIOUR)
def test_misbehaving_responders(behave, expected):
    """Each is refused by name, nothing is remembered of its answer, and it is left alone for a while."""
    with responder(behave) as server:
        asking = Asking()
        assert asking.ask(LEAF, server.origin) == expected
        assert asking.knows(LEAF) is None
        assert asking.ask(LEAF, server.origin) is None
        assert len(server.seen) == 1


def test_a_revocation_that_is_old():
    """A revocation counts though the answer is over, as it does from a file."""
    truth = Truth(CA, LEAF, times=PAST)
    truth.statuses = {LEAF.certificate.serial_number: REVOKED}
    with responder(truth) as server:
        asking = Asking()
        assert asking.ask(LEAF, server.origin) == "answered"
    assert asking.knows(LEAF) == "revoked"


def test_failures_are_forgotten():
    """After its time a failure is forgotten."""
    with responder(MISBEHAVIOUR["outage"][0]) as server:
        asking = Asking(retry=0.2)
        assert asking.ask(LEAF, server.origin) == "http_status"
        server.behave = TRUE
        assert asking.ask(LEAF, server.origin) is None
        assert within(lambda: asking.ask(LEAF, server.origin) == "answered", 5)


def test_redirects():
    """A redirect to a listed origin is followed: of a GET always, of a POST where it stays one."""
    leaf, other, third = issue(), issue(), issue()
    truth = Truth(CA, leaf, other, third)
    with responder(truth) as target, responder(None) as server:
        asking = Asking(allow=[target.origin])
        server.behave = lambda handler, _: send(handler, b"", 302, Location=target.origin + handler.path)
        assert asking.ask(leaf, server.origin) == "answered"
        server.behave = lambda handler, _: send(handler, b"", 307, Location=target.origin + "/")
        assert asking.ask(other, server.origin + "/?post") == "answered"
        server.behave = lambda handler, _: send(handler, b"", 302, Location=target.origin + "/")
        assert asking.ask(third, server.origin + "/?post") == "http_status"
    assert [method for method, *_ in target.seen] == ["GET", "POST"]


def test_whom_a_certificate_may_name():
    """A certificate's own responder is asked only if its origin is listed; the operator's takes its place."""
    truth = Truth(CA)
    with responder(truth) as server, responder(truth) as other:
        leaf = issue(extensions=naming("ldap://x", "nonsense", other.origin, server.origin))
        truth.issued[leaf.certificate.serial_number] = leaf
        assert Asking().ask(leaf) is None
        assert Asking(allow=["http://127.0.0.1:1"]).ask(leaf) is None
        assert Asking(allow=[server.origin]).ask(leaf) == "answered"
        assert (len(server.seen), len(other.seen)) == (1, 0)
        assert Asking(allow=[server.origin]).ask(leaf, other.origin) == "answered"
        assert (len(server.seen), len(other.seen)) == (1, 1)
        assert Asking(allow=[server.origin]).ask(LEAF) is None  # names nobody


def test_addresses_that_are_not_public():
    """An address that is not public is not connected to unless its network is listed, listed origin or not."""
    with responder(TRUE) as server:
        assert Asking(networks=()).ask(LEAF, server.origin) == "address_refused"
        assert server.seen == []


def test_proxies_of_the_environment(monkeypatch):
    """The environment's proxies have no part in it."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with responder(TRUE) as server:
        assert Asking().ask(LEAF, server.origin) == "answered"


def test_the_next_responder():
    """After a failure the next of the domain's responders is asked."""
    with responder(MISBEHAVIOUR["garbage"][0]) as broken, responder(TRUE) as server:
        asking = Asking()
        assert asking.ask(LEAF, broken.origin, server.origin) == "answered"
        assert asking.results == ["not_an_answer", "answered"]


def test_single_flight_and_bound():
    """One query at a time about one certificate; four at a time of one origin, and another origin waits for none of them."""
    leaves = [issue() for _ in range(8)]
    truth, gate, inside, most = Truth(CA, LEAF, *leaves), threading.Event(), [], []

    def slowly(handler, request):
        inside.append(request)
        most.append(len(inside))
        gate.wait(5)
        inside.remove(request)
        truth(handler, request)

    with responder(slowly) as slow, responder(truth) as quick:
        asking = Asking(limits=Limits(1 << 16, 5, 9))
        futures = [asking.begin(leaf, slow.origin) for leaf in leaves]
        assert asking.begin(leaves[0], slow.origin) is futures[0]
        assert asking.ask(LEAF, quick.origin) == "answered"
        assert within(lambda: len(inside) == 4)
        gate.set()
        assert [future.result(10) for future in futures] == [True] * 8
    assert max(most) == 4
    assert len(slow.seen) == 8


def test_renewal():
    """A good answer is renewed when half of its time is over, and the revocation that came meanwhile takes its place."""
    truth = Truth(CA, LEAF, times=(today() - timedelta(minutes=1), today() + timedelta(seconds=4)))
    with responder(truth) as server:
        asking = Asking()
        assert not asking.client.is_due(about(LEAF))  # nothing to renew
        assert asking.ask(LEAF, server.origin) == "answered"
        assert not asking.client.is_due(about(LEAF))
        assert asking.ask(LEAF, server.origin) is None
        truth.statuses, truth.times = {LEAF.certificate.serial_number: REVOKED}, None
        assert within(lambda: asking.client.is_due(about(LEAF)), 4)
        assert asking.knows(LEAF) == "good"
        asking.ask(LEAF, server.origin)
        assert asking.knows(LEAF) == "revoked"


@contextmanager
def openssl_responder(folder, leaves, *, delegate=None):
    """``openssl ocsp`` with an index of these certificates and their states."""
    signer = delegate or CA
    (folder / "ca.pem").write_bytes(CA.certificate_pem)
    (folder / "signer.pem").write_bytes(signer.certificate_pem)
    (folder / "signer.key").write_bytes(signer.key_pem)
    lines = []
    for leaf, state in leaves:
        revoked = f"{today() - timedelta(minutes=5):%y%m%d%H%M%SZ}" if state == "R" else ""
        end = f"{leaf.certificate.not_valid_after_utc:%y%m%d%H%M%SZ}"
        serial = f"{leaf.certificate.serial_number:X}"
        lines.append(f"{state}\t{end}\t{revoked}\t{serial.zfill(len(serial) + len(serial) % 2)}\tunknown\t/CN=x\n")
    (folder / "index.txt").write_text("".join(lines))
    port = free_port()
    arguments = ["-index", "index.txt", "-CA", "ca.pem", "-rsigner", "signer.pem", "-rkey", "signer.key", "-nmin", "5"]
    command = [shutil.which("openssl"), "ocsp", "-port", str(port), *arguments]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        # Not by a connection: it answers one at a time, and waits for what that one has to say.
        assert within(lambda: "waiting" in (folder / "log").read_text(), 10), (folder / "log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("is_delegated", [False, True], ids=["issuer", "delegate"])
def test_openssl(tmp_path, is_delegated):
    """A responder that somebody else wrote says good and revoked, by GET and by POST, and echoes the nonce."""
    good, bad = issue(), issue()
    delegate = issue("CN=Responder", eku="none", extensions=(SIGNING, NO_CHECK)) if is_delegated else None
    with openssl_responder(tmp_path, [(good, "V"), (bad, "R")], delegate=delegate) as url:
        asking = Asking()
        assert asking.ask(good, url, require_nonce=True) == "answered", (tmp_path / "log").read_text()
        assert asking.ask(bad, url + "/?", require_nonce=True) == "answered", (tmp_path / "log").read_text()
    assert [asking.knows(good), asking.knows(bad)] == ["good", "revoked"]
