"""The refresher as a process, with real servers and files: outage, restart, death of either side."""

import contextlib
import dataclasses
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from authz_server.refresh import Limits, Origin, Refresher, RefresherJob, Refusal, RevocationWatcher, Schedule
from authz_server.refresh.job import JobError
from authz_server.refresh.refresher import _FIRST_BACK_OFF
from tests.refresh.crls import crl, root, stranger
from tests.refresh.site import site, versioned

FAST = Schedule(poll_seconds=0.05, interval_seconds=0.2, margin_seconds=0, retry_seconds=0.1)
SECONDS = 20


def eventually(condition):
    """What ``condition`` returns once it is true."""
    end = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


@pytest.fixture
def ca(tmp_path):
    """The file with the CA that the refresher knows."""
    path = tmp_path / "ca.pem"
    path.write_bytes(root().certificate_pem)
    return path


@pytest.fixture
def job(tmp_path, ca):
    """A job without sources that may go to loopback; with a fixed folder."""

    def make(server=None, *urls, **fields):
        allow = (Origin.parse(f"http://127.0.0.1:{server.port}"),) if server else ()
        return RefresherJob(
            **{
                "urls": tuple(f"{allow[0]}{url}" for url in urls),
                "allow": allow,
                "networks": (ipaddress.ip_network("127.0.0.0/8"),),
                "ca_files": (ca,),
                "folder": tmp_path / "refresh",
                "limits": Limits(connect_seconds=2, total_seconds=5),
                "schedule": FAST,
            }
            | fields
        )

    return make


@contextlib.contextmanager
def running(job):
    """A refresher at work, and the watcher of its folder."""
    refresher = Refresher(job)
    refresher.start()
    try:
        yield refresher, Watcher(refresher.folder)
    finally:
        refresher.stop()


class Watcher(RevocationWatcher):
    """Polls, and answers what is revoked of the numbers 1 to 9."""

    data = None

    def revoked(self):
        """The numbers that are listed as revoked now."""
        self.data = self.poll() or self.data
        if self.data is None:
            return None
        return sorted(number for number in range(1, 10) for index in self.data.crls if index.serials.find(number))

    def refusals(self):
        """What became of each source's last attempt."""
        self.revoked()
        return [status.refusal for status in self.statuses]


def test_job_travels(job, ca):
    """A job is the same after its journey as JSON."""
    full = job(paths=(ca,), urls=("http://crl.example/",), tls_ca_file=ca, schedule=FAST)
    assert RefresherJob.from_json(full.to_json()) == full
    assert RefresherJob.from_json("{}") == RefresherJob()


BAD_JOBS = [
    '{"limits": {"max_bytes": "1"}}',
    '{"limits": {"max_bytes": true}}',
    '{"schedule": {"poll_seconds": -1}}',
    '{"schedule": {"poll_seconds": NaN}}',
    "",
    "[]",
    '{"sources": []}',
    '{"allow": ["evil"]}',
    '{"networks": ["10.0.0.1/8"]}',
    '{"limits": {"bytes": 1}}',
]


@pytest.mark.parametrize("text", BAD_JOBS)
def test_bad_jobs(text):
    """A job description that is not understood whole is refused."""
    with pytest.raises(JobError):
        RefresherJob.from_json(text)
    ended = subprocess.run(
        [sys.executable, "-m", "authz_server.refresh"], input=text, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr


def test_life_of_a_url(job):
    """A URL is fetched, renewed, and kept through outage, garbage, rollback and strangers, each of which has its name."""
    with site({"/": versioned(crl(serials=(1,), number=1), '"1"')}) as server:
        port = server.port
        with running(job(server, "/")) as (_, watcher):
            eventually(lambda: watcher.revoked() == [1])
            (status,) = watcher.statuses
            assert (status.refusal, status.is_verified, status.number, status.entries) == (None, True, 1, 1)
            asked = len(server.seen)
            eventually(lambda: len(server.seen) > asked + 1)
            assert server.seen[-1][1]["If-None-Match"] == '"1"'
            server.pages["/"] = crl(serials=(1, 2), number=2)
            eventually(lambda: watcher.revoked() == [1, 2])
            for page, refusal in {
                b"garbage": Refusal.NOT_A_CRL,
                crl(serials=(), number=3)[:-1]: Refusal.CRL_UNUSABLE,
                crl(serials=(), number=1): Refusal.ROLLBACK,
                crl(stranger(), serials=(), number=3): Refusal.SIGNER_UNKNOWN,
                None: Refusal.HTTP_STATUS,
            }.items():
                server.pages["/"] = page
                eventually(lambda refusal=refusal: watcher.refusals() == [refusal])
                assert watcher.revoked() == [1, 2]
            server.shutdown()
            server.server_close()
            eventually(lambda: watcher.refusals() == [Refusal.CONNECT_FAILED])
            assert watcher.revoked() == [1, 2]
            (status,) = watcher.statuses
            assert status.failures > 1
            assert status.last_success < status.last_failure
            with site({"/": crl(serials=(3,), number=3)}, port=port):
                eventually(lambda: watcher.revoked() == [3])
                assert watcher.refusals() == [None]


def test_restart_while_the_server_is_down(job):
    """After a restart what was fetched before is in use, though its server is down, and a rollback is still refused."""
    with site({"/": crl(serials=(1,), number=5)}) as server:
        described = job(server, "/")
        with running(described) as (_, watcher):
            eventually(lambda: watcher.revoked() == [1])
    with running(described) as (_, watcher):
        eventually(lambda: watcher.refusals() == [Refusal.CONNECT_FAILED])
        assert watcher.revoked() == [1]
        with site({"/": crl(serials=(), number=4)}, port=server.port):
            eventually(lambda: watcher.refusals() == [Refusal.ROLLBACK])
            assert watcher.revoked() == [1]


def test_killed_and_restarted(job, tmp_path):
    """A refresher that is killed is started again, and what it had published stays in use meanwhile."""
    path = tmp_path / "a.crl"
    path.write_bytes(crl(serials=(1,)))
    with running(job(paths=(path,))) as (refresher, watcher):
        eventually(lambda: watcher.revoked() == [1])
        pid = refresher.pid
        os.kill(pid, signal.SIGKILL)
        path.write_bytes(crl(serials=(2,), number=2))
        assert watcher.revoked() == [1]
        eventually(lambda: watcher.revoked() == [2])
        assert refresher.pid != pid
        assert refresher.restarts == 1
    assert _FIRST_BACK_OFF <= 1


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - no path of ours
            return file.read().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_stops(job, tmp_path):
    """Stopping ends the process; a temporary folder goes with it, a given one stays."""
    with running(job()) as (refresher, watcher):
        eventually(lambda: watcher.revoked() == [])
        pid = refresher.pid
    assert not is_alive(pid)
    assert (tmp_path / "refresh" / "state.json").exists()
    with running(job(folder=None)) as (refresher, watcher):
        assert refresher.folder.stat().st_mode & 0o777 == 0o700
        eventually(lambda: watcher.revoked() == [])
    assert not refresher.folder.exists()
    Refresher(job(folder=None)).stop()


PARENT = """
import sys, time
from authz_server.refresh import Refresher, RefresherJob
refresher = Refresher(RefresherJob.from_json(sys.stdin.read()))
refresher.start()
while not (refresher.folder / "state.json").exists():
    time.sleep(0.02)
print(refresher.pid, flush=True)
time.sleep(60)
"""


def test_parent_death(job):
    """The refresher does not outlive the server, even one that was killed."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with parent:
        parent.stdin.write(job().to_json())
        parent.stdin.close()
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
    eventually(lambda: not is_alive(pid))


def test_one_at_a_time(job, tmp_path):
    """Of two refreshers with one folder the second waits for the first, as in a rolling restart."""
    path = tmp_path / "a.crl"
    path.write_bytes(crl(serials=(1,)))
    described = job(paths=(path,))
    with running(described) as (first, watcher):
        eventually(lambda: watcher.revoked() == [1])
        with running(described) as (second, _):
            eventually(lambda: second.pid)
            first.stop()
            path.write_bytes(crl(serials=(2,), number=2))
            eventually(lambda: watcher.revoked() == [2])


BUG = """
from authz_server.refresh import __main__, folders
polls = []
def poll(self, authorities, original=folders.Folders.poll):
    polls.append(1)
    if len(polls) == 2:
        raise RuntimeError("a bug")
    return original(self, authorities)
folders.Folders.poll = poll
__main__.main()
"""


def test_a_bug_ends_the_process(job):
    """A thread that dies takes the process along, so that it is started again and no source grows old unnoticed."""
    command = [sys.executable, "-c", BUG]
    ended = subprocess.run(command, input=job().to_json(), capture_output=True, text=True, check=False, timeout=SECONDS)
    assert ended.returncode == 70
    assert "RuntimeError" in ended.stderr


def test_terminated_at_a_file(job, tmp_path):
    """From a job file, the process runs until SIGTERM and ends with 0."""
    (tmp_path / "job.json").write_text(job().to_json())
    with subprocess.Popen([sys.executable, "-m", "authz_server.refresh", tmp_path / "job.json"]) as process:
        eventually((tmp_path / "refresh" / "state.json").exists)
        process.terminate()
        assert process.wait(SECONDS) == 0


def test_other_authorities(job, ca):
    """A CA certificate that is added later lets in at once what was refused for its signer."""
    with site({"/": crl(stranger(), serials=(4,))}) as server:
        schedule = Schedule(poll_seconds=0.05, interval_seconds=3600, retry_seconds=3600)
        with running(job(server, "/", schedule=schedule)) as (_, watcher):
            eventually(lambda: watcher.refusals() == [Refusal.SIGNER_UNKNOWN])
            ca.write_bytes(b"half a certificate")
            time.sleep(0.2)
            ca.write_bytes(root().certificate_pem + stranger().certificate_pem)
            eventually(lambda: watcher.revoked() == [4])


def test_a_slow_host_holds_up_no_other(job):
    """While one host does not answer, other hosts are asked; one host is asked one thing at a time."""
    with socket.create_server(("127.0.0.2", 0)) as silent, site({"/": crl(serials=(1,))}) as server:
        slow = Origin("http", "127.0.0.2", silent.getsockname()[1])
        quick = job(server, "/")
        both = dataclasses.replace(quick, urls=(f"{slow}/a", f"{slow}/b", *quick.urls), allow=(slow, *quick.allow))
        with running(both) as (_, watcher):
            eventually(lambda: watcher.revoked() == [1])
            assert [status.failures for status in watcher.statuses] == [0, 0, 0]
            with silent.accept()[0]:
                silent.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    silent.accept()
