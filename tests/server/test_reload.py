"""Live reload of the real process: what changes on disk counts soon, whole or not at all, and never ends the service."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial

import pytest

from authz_server.demo.pki import Authority
from authz_server.forwarded.url_pem import encode_url_pem
from authz_server.loading import load_configuration
from authz_server.model import Certificate
from authz_server.observe import Metrics
from authz_server.server.reload import Reloader, Serving
from authz_server.server.revocation import RevocationFeed
from authz_server.snapshots import SnapshotStore
from authz_server.validation import RevocationData
from authz_server.validation.revocation import parse_crl
from tests.e2e.vouching import by_mac
from tests.hop.signing import SECRET
from tests.pki import root_of_today
from tests.refresh.crls import crl
from tests.server.running import CERTIFICATE_HEADER, Running, eventually, request_bytes

# A deny list that denies nobody; an empty file is a problem.
NOBODY = "# nobody\n"
SECONDS = 10.0  # for a loaded machine; a quiet one takes half a second


@pytest.fixture(scope="module")
def other():
    """Another CA."""
    return Authority.create("Other root")


@pytest.fixture(scope="module")
def alice():
    """A client of the first CA."""
    return root_of_today().issue("CN=alice")


@pytest.fixture(scope="module")
def bob(other):
    """A client of the other."""
    return other.issue("CN=bob")


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """One service for many changes; each test leaves its files as they were."""
    folder = tmp_path_factory.mktemp("reload")
    (folder / "ca.pem").write_bytes(root_of_today().certificate_pem)
    (folder / "denylist").write_text("# nobody\n")
    (folder / "authz.yaml").write_text("allow: ['*']\n")
    (folder / "secrets").mkdir()
    (folder / "secrets" / "1").write_text("1" * 32)
    settings = {
        "AUTHZ_CONFIG": "authz.yaml",
        "AUTHZ_TRUST_BUNDLE_FILE": "ca.pem",
        "AUTHZ_DENYLIST_FILE": "denylist",
        "AUTHZ_HOP_SECRET_FILES": "secrets",
    }
    paths = {name: str(folder / path) for name, path in settings.items()}
    with Running(folder, AUTHZ_ALLOW="", **paths) as running:
        yield running


def replace(path, content):
    """Write a file anew as tools should: whole."""
    new = path.with_name(".new")
    new.write_bytes(content.encode() if isinstance(content, str) else content)
    new.replace(path)


def ask(service, leaf, secret="1" * 32):
    """The reason why the client is refused, empty if it is let in."""
    return service.ask(leaf, x_hop_secret=secret).reason


def entry(issued):
    """The certificate's line of a deny list."""
    return f"sha256:{Certificate.from_der(issued.certificate_der).sha256}\n"


def reloads(service, outcome):
    """How often the configuration was loaded anew so far."""
    return service.metrics()[f'authz_reloads_total{{outcome="{outcome}"}}']


def test_bundle(service, alice, bob, other):
    """A new CA's client is let in and the old one's refused within two seconds of a new bundle, and the other way round."""
    assert (ask(service, alice), ask(service, bob)) == ("", "issuer_unknown")
    replace(service.folder / "ca.pem", other.certificate_pem)
    eventually(lambda: ask(service, bob) == "", SECONDS)
    assert ask(service, alice) == "issuer_unknown"
    anchor = Certificate.from_der(other.certificate_der)
    anchors = [name for name in service.metrics() if name.startswith("authz_anchor_expiry_timestamp_seconds")]
    assert anchors == [f'authz_anchor_expiry_timestamp_seconds{{sha256="{anchor.sha256}"}}']
    replace(service.folder / "ca.pem", root_of_today().certificate_pem)
    eventually(lambda: ask(service, alice) == "", SECONDS)
    assert ask(service, bob) == "issuer_unknown"


def test_denylist(service, alice):
    """A client is refused within a second of its line in the deny list, and let in again when that is gone."""
    path = service.folder / "denylist"
    assert ask(service, alice) == ""
    for way in (replace, lambda path, text: path.write_text(text)):
        way(path, entry(alice))
        eventually(lambda: ask(service, alice) == "certificate_denylisted", SECONDS)
        assert service.metrics()["authz_denylist_entries"] == 1
        way(path, NOBODY)
        eventually(lambda: ask(service, alice) == "", SECONDS)


def test_half_written_denylist(service, alice):
    """While a deny list is written in place, and empty for a moment, nobody who is on it is let in."""
    path = service.folder / "denylist"
    replace(path, entry(alice))
    eventually(lambda: ask(service, alice) == "certificate_denylisted", SECONDS)
    for milliseconds in (1, 10, 30, 60, 90, 120, 150):
        with path.open("w") as file:
            file.flush()
            end = time.monotonic() + milliseconds / 1000
            while time.monotonic() < end:
                assert ask(service, alice) == "certificate_denylisted"
            file.write(entry(alice))
    replace(path, NOBODY)
    eventually(lambda: ask(service, alice) == "", SECONDS)


def test_broken_bundle(service, alice, bob, other):
    """A bundle that breaks or vanishes changes nothing but what readiness and metrics say; a good one counts again."""
    path = service.folder / "ca.pem"
    good = path.read_bytes()
    for breaking in (lambda: replace(path, good[:-40]), path.unlink):
        failures = reloads(service, "failure")
        breaking()
        eventually(lambda failures=failures: reloads(service, "failure") > failures, SECONDS)
        status, text = service.readiness()
        assert status == 200
        assert "configuration: AUTHZ_TRUST_BUNDLE_FILE: cannot be loaded since" in text
        assert (ask(service, alice), ask(service, bob)) == ("", "issuer_unknown")
        before = service.metrics()["authz_reload_last_success_timestamp_seconds"]
        replace(path, good + other.certificate_pem)
        eventually(lambda: ask(service, bob) == "", SECONDS)
        replace(path, good)
        eventually(lambda: ask(service, bob) == "issuer_unknown", SECONDS)
        assert service.readiness() == (200, "ready\n")
        assert service.metrics()["authz_reload_last_success_timestamp_seconds"] > before
    assert "AUTHZ_TRUST_BUNDLE_FILE" in service.log


def test_denylist_beside_a_broken_bundle(service, alice):
    """The deny list waits for nothing: it counts although the rest of the configuration cannot be loaded."""
    bundle, denylist = service.folder / "ca.pem", service.folder / "denylist"
    good = bundle.read_bytes()
    replace(bundle, good[:-40])
    replace(denylist, entry(alice))
    eventually(lambda: ask(service, alice) == "certificate_denylisted", SECONDS)
    assert "AUTHZ_TRUST_BUNDLE_FILE" in service.readiness()[1]
    replace(denylist, "no entry")
    eventually(lambda: "AUTHZ_DENYLIST_FILE" in service.readiness()[1], SECONDS)
    assert ask(service, alice) == "certificate_denylisted"
    # Both as they were at first: no list that was put in force by itself may outlive that.
    denylist.unlink()
    replace(bundle, good)
    replace(denylist, NOBODY)
    eventually(lambda: ask(service, alice) == "", SECONDS)
    assert service.readiness() == (200, "ready\n")


def test_hang_up(service):
    """SIGHUP reloads, and says so, where nothing has changed; by itself nothing is loaded again and again."""
    time.sleep(0.5)
    before = reloads(service, "success")
    said = service.log.count("as before")
    time.sleep(0.7)
    assert reloads(service, "success") == before
    service.hang_up()
    eventually(lambda: reloads(service, "success") == before + 1, SECONDS)
    assert service.log.count("as before") == said + 1


def test_secrets_of_a_hop(service, alice):
    """A secret that is put into the folder counts beside the old one, and the old one no longer when it is taken out."""
    folder = service.folder / "secrets"
    assert ask(service, alice, "2" * 32) == "hop_secret_mismatch"
    (folder / "2").write_text("2" * 32)
    eventually(lambda: ask(service, alice, "2" * 32) == "", SECONDS)
    assert ask(service, alice) == ""
    (folder / "1").unlink()
    eventually(lambda: ask(service, alice) == "hop_secret_mismatch", SECONDS)
    assert ask(service, alice, "2" * 32) == ""
    (folder / "2").write_text("1" * 32)
    eventually(lambda: ask(service, alice) == "", SECONDS)


def test_settings(service, alice, tmp_path):
    """The settings file counts as well: rules, files that are yet to come, and whatever nonsense somebody writes."""
    path = service.folder / "authz.yaml"
    good = path.read_text()
    replace(path, "allow: ['subject:CN=bob']\n")
    eventually(lambda: ask(service, alice) == "not_allowed", SECONDS)
    for broken in ("allow: 2024-99-99", "log_mask_key: top-s3cret: x", "[" * 3000, "unknown: 1"):
        failures = reloads(service, "failure")
        replace(path, broken)
        eventually(lambda failures=failures: reloads(service, "failure") > failures, SECONDS)
        assert "configuration: " in service.readiness()[1]
        assert "s3cret" not in service.readiness()[1]
        assert ask(service, alice) == "not_allowed"
    intermediates = tmp_path / "intermediates.pem"
    replace(path, f"{good}trust_intermediates_file: {intermediates}\n")
    eventually(lambda: "AUTHZ_TRUST_INTERMEDIATES_FILE" in service.readiness()[1], SECONDS)
    intermediates.write_bytes(root_of_today().certificate_pem)
    eventually(lambda: ask(service, alice) == "", SECONDS)
    assert service.readiness() == (200, "ready\n")
    replace(path, good)


def test_settings_that_need_a_restart(service, alice):
    """What cannot change while the service runs is named in the log; everything else of that file counts."""
    path = service.folder / "authz.yaml"
    good = path.read_text()
    replace(path, "allow: ['subject:CN=bob']\nlog_mask_key: another\nlog_mask: [query, names]\nlog_level: debug\n")
    eventually(lambda: ask(service, alice) == "not_allowed", SECONDS)
    told = "without effect until a restart: AUTHZ_LOG_LEVEL, AUTHZ_LOG_MASK, AUTHZ_LOG_MASK_KEY"
    eventually(lambda: told in service.log, SECONDS)
    replace(path, good)
    eventually(lambda: ask(service, alice) == "", SECONDS)


def mounted(folder, version, **files):
    """Files as Kubernetes mounts them: links through ``..data``, which is swapped to a new version."""
    versioned = folder / f"..{version}"
    versioned.mkdir()
    for name, content in files.items():
        (versioned / name).write_bytes(content)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    (folder / "..data_tmp").symlink_to(versioned.name)
    os.replace(folder / "..data_tmp", folder / "..data")  # noqa: PTH105 - a link, not what it leads to


@dataclass
class Load:
    """Clients that ask without a pause while the context lasts; their answers are the decision lines."""

    service: Running
    messages: tuple[bytes, ...]
    errors: list[BaseException] = field(default_factory=list)

    def __enter__(self):
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._play, args=(message,)) for message in self.messages for _ in range(2)]
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _play(self, message):
        try:
            while not self._stop.is_set():
                self.service.send(message)
        except BaseException as error:  # noqa: BLE001 - a thread's error is the test's
            self.errors.append(error)


def test_mounted_files_under_load(tmp_path, alice, bob, other):
    """A swapped ``..data`` link is one change: under load no request fails, and none sees one file new and another old."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    # While alice's CA is trusted bob is on the deny list, and the other way round: so nobody is ever refused for that.
    one = {"ca": root_of_today().certificate_pem, "deny": entry(bob).encode(), "secret": b"1" * 32}
    two = {"ca": other.certificate_pem, "deny": entry(alice).encode(), "secret": b"1" * 32}
    mounted(folder, 0, **one)
    settings = {"TRUST_BUNDLE_FILE": "ca", "DENYLIST_FILE": "deny", "HOP_SECRET_FILES": "secret"}
    messages = tuple(request_bytes(leaf, x_hop_secret="1" * 32) for leaf in (alice, bob))
    with Running(tmp_path, **{f"AUTHZ_{name}": str(folder / path) for name, path in settings.items()}) as service:
        load = Load(service, messages)
        with load:
            for number in range(1, 21):
                mounted(folder, number, **(two if number % 2 else one))
                if number % 5:
                    time.sleep(number / 100)
                    continue
                let_in = bob if number % 2 else alice
                eventually(lambda let_in=let_in: ask(service, let_in) == "", SECONDS)
        assert not load.errors
        assert reloads(service, "failure") == 0
        assert service.readiness() == (200, "ready\n")
        reasons = defaultdict(set)
        for record in service.decisions:
            reasons[record["snapshot_revision"], record["principal"]["serial"]].add(record.get("reason", ""))
        assert len(reasons) == 4
        assert sorted(map(sorted, reasons.values())) == [[""], [""], ["issuer_unknown"], ["issuer_unknown"]]


def test_replay_memory(tmp_path, alice):
    """What was used once stays used when the configuration is loaded anew."""
    (tmp_path / "ca.pem").write_bytes(root_of_today().certificate_pem)
    (tmp_path / "key").write_bytes(SECRET)
    (tmp_path / "denylist").write_text(NOBODY)
    settings = {"TRUST_BUNDLE_FILE": "ca.pem", "HOP_HMAC_KEY_FILES": "key", "DENYLIST_FILE": "denylist"}
    with Running(tmp_path, **{f"AUTHZ_{name}": str(tmp_path / path) for name, path in settings.items()}) as service:
        headers = ((CERTIFICATE_HEADER, encode_url_pem(alice.chain_der)),)
        used, new = (request_bytes(**dict(by_mac(headers, covered=(CERTIFICATE_HEADER,)))) for _ in range(2))
        assert service.send(used).reason == ""
        replace(tmp_path / "denylist", entry(root_of_today().issue("CN=other")))
        eventually(lambda: service.metrics()["authz_denylist_entries"] == 1, SECONDS)
        assert service.send(used).reason == "hop_replayed"
        assert service.send(new).reason == ""


def test_signals_at_any_moment(tmp_path, alice):
    """SIGHUP ends the service at no moment: not before it serves, not while it drains; and the deny list counts until the end."""
    (tmp_path / "ca.pem").write_bytes(root_of_today().certificate_pem)
    (tmp_path / "denylist").write_text(NOBODY)
    settings = {"TRUST_BUNDLE_FILE": "ca.pem", "DENYLIST_FILE": "denylist"}
    paths = {f"AUTHZ_{name}": str(tmp_path / path) for name, path in settings.items()}
    with Running(tmp_path, **paths, AUTHZ_DRAIN_DELAY_SECONDS="2") as service:
        service.process.send_signal(signal.SIGTERM)
        eventually(lambda: service.readiness()[0] == 503, SECONDS)
        service.hang_up()
        replace(tmp_path / "denylist", entry(alice))
        eventually(lambda: service.ask(alice).reason == "certificate_denylisted", SECONDS)
        service.process.send_signal(signal.SIGTERM)
        service.hang_up()
        assert service.process.wait(10) == 0


def test_hang_up_before_it_serves(tmp_path):
    """A service that is told to reload while it starts, starts."""
    (tmp_path / "ca.pem").write_bytes(root_of_today().certificate_pem)
    service = Running(tmp_path, AUTHZ_TRUST_BUNDLE_FILE=str(tmp_path / "ca.pem"), AUTHZ_ADMIN_LISTEN="").start()
    try:
        # Once the process ignores or handles it: the interpreter needs a moment until any of our code runs.
        status = f"/proc/{service.process.pid}/status"
        eventually(lambda: handles_hang_up(status))
        while not service.log.count("serving at"):
            service.hang_up()
            time.sleep(0.01)
            assert service.process.poll() is None
        assert service.ask(root_of_today().issue("CN=alice")).reason == ""
    finally:
        service.__exit__()


def handles_hang_up(status):
    """Whether the process of this status file ignores SIGHUP or has a handler."""
    with open(status, encoding="ascii") as file:  # noqa: PTH123 - not a file of a folder
        masks = dict(line.split(":", 1) for line in file)
    return any(int(masks[name], 16) & 1 << (signal.SIGHUP - 1) for name in ("SigIgn", "SigCgt"))


class Feed(RevocationFeed):
    """A refresher whose first list for a new job is followed by a newer one as soon as anything waits."""

    def __init__(self, store):
        super().__init__()
        self._store = store
        self.has_newer = asyncio.Event()

    async def use(self, job):
        """The first list."""
        self.job = job
        self._newer = asyncio.get_running_loop().create_task(self._put_newer())
        return RevocationData(crls=(parse_crl(crl(number=1)).index,))

    async def _put_newer(self):
        revocation = RevocationData(crls=(parse_crl(crl(number=2)).index,))
        self._store.replace(dataclasses.replace(self._store.current, revocation=revocation))
        self.has_newer.set()


def test_newer_crls_meanwhile(tmp_path):
    """A CRL that comes while a reload ends is not replaced by the one before it, which nothing would bring back."""
    bundle, crls = tmp_path / "ca.pem", tmp_path / "crls"
    bundle.write_bytes(root_of_today().certificate_pem)
    environ = {"AUTHZ_TRUST_BUNDLE_FILE": str(bundle), "AUTHZ_SOURCE_FORMAT": "url-pem", "AUTHZ_ALLOW": "*"}
    environ["AUTHZ_HOP_PRINCIPALS"] = "waf"

    async def reload():
        settings, loaded = load_configuration(environ)
        store = SnapshotStore(loaded.snapshot)
        load = partial(load_configuration, environ | {"AUTHZ_CRL_FILES": str(crls)})
        feed = Feed(store)
        run = asyncio.create_task(Reloader(settings, environ, load, Serving(store, feed, Metrics())).run())
        await feed.has_newer.wait()
        await asyncio.sleep(0.3)  # until the reload, which began before, has ended
        run.cancel()
        return store.current

    before = signal.getsignal(signal.SIGHUP)
    try:
        current = asyncio.run(reload())
    finally:
        signal.signal(signal.SIGHUP, before)
    assert [found.number for found in current.revocation.crls] == [2]
