"""authz-server is killed under load and comes back: while it is away nobody gets in, and afterwards everybody does."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import pytest

from tests.e2e import sites
from tests.e2e.certificates import xfcc

THREADS = 4
WARM_SECONDS = AWAY_SECONDS = 1.5
# Envoy's health check finds the service again within its interval of 2 s.
RECOVERY_SECONDS = 10.0
PAUSE_SECONDS = 0.03  # each request is a TLS handshake, and the machine has other things to do


@dataclass
class Load:
    """Client threads that ask until told to stop: good requests and bad ones. Each answer is (when sent, when got, status)."""

    site: sites.Site
    good_headers: tuple[tuple[str, str], ...]
    good: list[tuple[float, float, int]] = field(default_factory=list)
    bad: list[tuple[float, float, int]] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        wanted = [(self.good_headers, self.good)] * THREADS + [((), self.bad)]
        self._threads = [threading.Thread(target=self._run, args=each) for each in wanted]

    def _run(self, headers, answers) -> None:
        try:
            while not self._stop.is_set():
                sent = time.monotonic()
                status = self.site.ask(headers).status
                answers.append((sent, time.monotonic(), status))
                time.sleep(PAUSE_SECONDS)
        except BaseException as error:  # noqa: BLE001 - a thread's error is the test's
            self.errors.append(error)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture(scope="module", params=["edge-mtls.yaml", "edge-plaintext.yaml"])
def site(request, binary, pki, upstream, tmp_path_factory):
    """A set-up of its own, over TCP and over a Unix socket, whose file a killed process leaves behind."""
    with sites.site(request.param, binary, pki, upstream.port, tmp_path_factory.mktemp("restart")) as running:
        yield running


def wait_for_200(load, since):
    """Wait until a request that was sent behind ``since`` gets through; when it was answered."""
    while time.monotonic() < since + RECOVERY_SECONDS:
        for sent, got, status in tuple(load.good):
            if sent > since and status == 200:
                return got
        time.sleep(0.05)
    pytest.fail(f"not one 200 within {RECOVERY_SECONDS} s of the restart")


def test_killed_under_load(site, pki, upstream):
    """200 before; 403 or 503 and never 200 while it is away; 200 again behind; every 200 was decided; a bad one never gets it."""
    reached = len(upstream.heads)
    with Load(site, (("x-forwarded-client-cert", xfcc(pki.alice)),)) as load:
        time.sleep(WARM_SECONDS)
        before_kill = time.monotonic()
        site.server.kill()
        killed = time.monotonic()
        time.sleep(AWAY_SECONDS)
        restarted = time.monotonic()
        site.server.start()
        site.server.wait_until_ready()
        back = wait_for_200(load, restarted)
        time.sleep(WARM_SECONDS)

    assert not load.errors
    before = {status for _, got, status in load.good if got < before_kill}
    away = {status for sent, got, status in load.good if sent > killed and got < restarted}
    behind = {status for sent, _, status in load.good if sent > back}
    assert (before, behind) == ({200}, {200})
    assert away
    assert away <= {403, 503}
    assert {status for _, _, status in load.bad} <= {401, 403, 503}
    through = sum(status == 200 for _, _, status in load.good)
    allowed = sum(record["outcome"] == "ALLOW" for record in site.server.decisions)
    assert 0 < through <= allowed
    assert len(upstream.heads) - reached == through
