"""A service that asks responders: when it answers at once, when it waits, and whom it never asks about."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from authz_server.demo.pki import Authority
from authz_server.loading import load_snapshot
from authz_server.observe import Metrics
from authz_server.server.ocsp import OnlineStatus
from authz_server.server.reload import Serving
from authz_server.server.revocation import RevocationFeed, put_crls_in_force
from authz_server.settings import read_settings
from authz_server.snapshots import SnapshotStore
from authz_server.validation import RevocationData
from tests.ocsp.responder import Truth, responder, send
from tests.ocsp.service import fresh, service, today
from tests.ocsp.test_client import CA, issue, naming
from tests.samples import snapshot
from tests.validation.revocation.making import REVOKED, crl_der

UNAVAILABLE, REVOKED_REASON = "revocation_unavailable", "certificate_revoked"
LOOPBACK = {"OCSP_NETWORKS": "127.0.0.0/8"}


def test_background(tmp_path):
    """Hard refuses and soft allows at once while the answer is fetched; the next request finds it."""
    leaf, bad = issue(), issue()
    truth = Truth(CA, leaf, bad)
    truth.statuses = {bad.certificate.serial_number: REVOKED}
    with responder(truth) as server:
        settings = LOOPBACK | {"OCSP": "background", "OCSP_URLS": server.origin}
        with service(tmp_path, **settings) as running:
            assert running.ask(leaf) == UNAVAILABLE
            assert running.comes_to(leaf, "good")
            assert {running.ask(leaf) for _ in range(5)} == {"good"}
            assert len(server.seen) == 1
            assert 'authz_ocsp_queries_total{result="answered"} 1.0' in running.metrics()
            assert "authz_ocsp_answers 1.0" in running.metrics()
        with service(tmp_path, **settings, REVOCATION="soft") as running:
            assert running.ask(bad) == "unknown"
            assert running.comes_to(bad, REVOKED_REASON)


def test_inline(tmp_path):
    """The first request has its answer already: good, or revoked; every certificate of the path is asked about."""
    middle = Authority.create("Middle", parent=CA)
    below = middle.issue("CN=carol", not_before=today() - timedelta(hours=1), not_after=today() + timedelta(days=1))
    leaf, bad = issue(), issue()
    truth, other = Truth(CA, leaf, bad, middle), Truth(middle, below)
    truth.statuses = {bad.certificate.serial_number: REVOKED}

    def both(handler, request):
        (truth if request.serial_number in truth.issued else other)(handler, request)

    with responder(both) as server:
        settings = LOOPBACK | {"OCSP": "inline", "OCSP_URLS": server.origin, "OCSP_REQUIRE_NONCE": "true"}
        with service(tmp_path, **settings) as running:
            assert running.ask(leaf) == "good"
            assert running.ask(bad) == REVOKED_REASON
            assert running.ask(below) == "good"
            truth.statuses[middle.certificate.serial_number] = REVOKED
            assert running.ask(below) == "good"  # remembered
            assert len(server.seen) == 4


@pytest.mark.parametrize("mode", ["hard", "soft"])
def test_inline_and_nobody_answers(tmp_path, mode):
    """A responder that is slow or broken delays a request to the end of its deadline at the most; the first answer stands."""
    leaf, other = issue(), issue()
    expected = UNAVAILABLE if mode == "hard" else "unknown"
    with responder(lambda *_: time.sleep(3)) as server:
        settings = LOOPBACK | {"OCSP": "inline", "OCSP_URLS": server.origin, "OCSP_TIMEOUT_SECONDS": "2"}
        with service(tmp_path, **settings, REVOCATION=mode) as running:
            started = time.monotonic()
            assert running.ask(leaf, seconds=1.5) == expected
            assert time.monotonic() - started < 1.5
            server.behave = lambda handler, _: send(handler, b"garbage")
            started = time.monotonic()
            assert running.ask(other) == expected
            assert running.ask(other) == expected  # and asks nobody
            assert time.monotonic() - started < 1.5
            assert len(server.seen) == 2
            assert 'authz_ocsp_queries_total{result="not_an_answer"} 1.0' in running.metrics()


def test_revoked_after_good(tmp_path):
    """A client that was good is refused once its answer was renewed, before that one ends; and stays refused."""
    leaf = issue()
    truth = Truth(CA, leaf, times=(today() - timedelta(minutes=1), today() + timedelta(seconds=20)))
    with responder(truth) as server:
        settings = LOOPBACK | {"OCSP": "inline", "OCSP_URLS": server.origin, "OCSP_INTERVAL_SECONDS": "1"}
        with service(tmp_path, **settings) as running:
            assert running.ask(leaf) == "good"
            truth.statuses, truth.times = {leaf.certificate.serial_number: REVOKED}, None
            started = time.monotonic()
            assert running.comes_to(leaf, REVOKED_REASON)
            assert time.monotonic() - started < 10
            server.behave = lambda handler, _: send(handler, b"", 503)
            assert running.ask(leaf) == REVOKED_REASON


def test_whom_it_never_asks_about(tmp_path):
    """Nothing is sent for a certificate whose path does not verify, for one of an unlisted origin, or where lists answer."""
    with responder(Truth(CA)) as server, responder(Truth(CA)) as unlisted:
        stranger = Authority.create("Stranger").issue(
            "CN=mallory", not_before=fresh()[0], not_after=fresh()[1], extensions=naming(server.origin)
        )
        elsewhere = issue(extensions=naming(unlisted.origin))
        listed = issue(extensions=naming(server.origin))
        lists = tmp_path / "ca.crl"
        settings = LOOPBACK | {"OCSP": "inline", "OCSP_ALLOW": server.origin}
        with service(tmp_path, **settings) as running:
            assert running.ask(stranger) == "issuer_unknown"
            assert running.ask(elsewhere) == UNAVAILABLE
        lists.write_bytes(crl_der(issuer=CA, times=fresh()))
        with service(tmp_path, **settings, CRL_FILES=str(lists)) as running:
            assert running.ask(listed) == "good"
        assert (server.seen, unlisted.seen) == ([], [])


def test_names_of_certificates(tmp_path):
    """A responder that the certificate names is asked where its origin is listed."""
    with responder(Truth(CA)) as server:
        leaf = issue(extensions=naming(server.origin + "/ca"))
        server.behave.issued[leaf.certificate.serial_number] = leaf
        with service(tmp_path, **LOOPBACK, OCSP="inline", OCSP_ALLOW=server.origin) as running:
            assert running.ask(leaf) == "good"
        assert server.seen[0][1].startswith("/ca/")


def test_what_was_fetched_stays():
    """Neither a reload nor new lists of revoked certificates forget what was fetched."""
    serving = Serving(SnapshotStore(), RevocationFeed(), Metrics(), OnlineStatus())
    serving.put_in_force(snapshot())
    put_crls_in_force(serving.store, RevocationData())
    assert serving.store.current.revocation.fetched is serving.online.fetched
    serving.put_in_force(snapshot(revision="r2"))
    assert serving.store.current.revocation.fetched is serving.online.fetched


BASE = {"SOURCE_FORMAT": "xfcc", "ALLOW": "*", "HOP_PRINCIPALS": "w", "TRUST_BUNDLE_FILE": "x"}
URL, ORIGIN = "http://ocsp.example.org/x", "http://ocsp.example.org"


@pytest.mark.parametrize(
    ("more", "blamed"),
    [
        ({"OCSP": "inline", "OCSP_URLS": URL}, None),
        ({"OCSP": "background", "OCSP_ALLOW": ORIGIN, "REVOCATION": "soft"}, None),
        ({"OCSP": "inline"}, "AUTHZ_OCSP_URLS"),  # nobody to ask
        ({"OCSP": "on", "OCSP_URLS": URL}, "AUTHZ_OCSP"),
        ({"OCSP": "inline", "OCSP_URLS": URL, "REVOCATION": "off"}, "AUTHZ_OCSP"),
        ({"OCSP": "inline", "OCSP_URLS": URL, "TRUST_KIND": "pin"}, "AUTHZ_OCSP"),
        ({"OCSP_URLS": URL}, "AUTHZ_OCSP_URLS"),
        ({"OCSP_REQUIRE_NONCE": "true"}, "AUTHZ_OCSP_REQUIRE_NONCE"),
        ({"OCSP_ALLOW": ORIGIN}, "AUTHZ_OCSP_ALLOW"),
        ({"OCSP_TIMEOUT_SECONDS": "0"}, "AUTHZ_OCSP_TIMEOUT_SECONDS"),
    ],
)
def test_settings(more, blamed):
    """What would ask nobody, or change nothing, is a problem with the name of the setting."""
    found, problems = read_settings({f"AUTHZ_{name}": value for name, value in (BASE | more).items()})
    assert [problem.name for problem in problems] == ([] if blamed is None else [blamed])
    if found is not None:
        domain = found.trust_domains["default"]
        assert domain.revocation_policy(has_revocation_data=False).mode == more.get("REVOCATION", "hard")


def test_urls_that_are_none(tmp_path):
    """Responders and origins that are none are problems when they are loaded."""
    (tmp_path / "ca.pem").write_bytes(CA.certificate_pem)
    more = {"OCSP": "inline", "OCSP_URLS": "ldap://x", "OCSP_ALLOW": URL, "TRUST_BUNDLE_FILE": str(tmp_path / "ca.pem")}
    settings, _ = read_settings({f"AUTHZ_{name}": value for name, value in (BASE | more).items()})
    names = {problem.name for problem in load_snapshot(settings).problems}
    assert names == {"AUTHZ_OCSP_URLS", "AUTHZ_OCSP_ALLOW"}


def test_patience():
    """What is left of the caller's deadline bounds the wait, less a margin; without one the setting does."""
    online = OnlineStatus()
    settings, _ = read_settings({f"AUTHZ_{name}": value for name, value in BASE.items()})
    online.use(settings)
    assert online.patience(None) == settings.ocsp_timeout_seconds
    assert 0.1 < online.patience(0.2) < 0.2
    assert online.patience(0.01) < 0
    assert online.patience(60) == settings.ocsp_timeout_seconds
