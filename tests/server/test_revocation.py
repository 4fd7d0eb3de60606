"""Revocation data in the real process: CRLs of files and over HTTP, in each mode, through outage, restart and mishap."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from authz_server.demo.pki import Authority
from tests.refresh.crls import HOUR, NOW, crl
from tests.refresh.site import site, versioned
from tests.server.running import Running, eventually

FILES_SECONDS = 10.0  # for a loaded machine: the refresher looks twice a second, the server four times


@pytest.fixture(scope="module")
def current():
    """A CA whose CRL is current."""
    return Authority.create("Current CA")


@pytest.fixture(scope="module")
def stale():
    """A CA whose CRL is past its nextUpdate."""
    return Authority.create("Stale CA")


@pytest.fixture(scope="module")
def silent():
    """A CA without a CRL."""
    return Authority.create("Silent CA")


@pytest.fixture(scope="module")
def clients(current, stale, silent):
    """Clients by name: two of the current CA, ``mallory`` being revoked, and one of each other."""
    return {
        "alice": current.issue("CN=alice"),
        "mallory": current.issue("CN=mallory"),
        "stale": stale.issue("CN=stale"),
        "mallory-of-stale": stale.issue("CN=mallory"),
        "silent": silent.issue("CN=silent"),
    }


def serials(*issued):
    """Their serial numbers."""
    return tuple(each.certificate.serial_number for each in issued)


@pytest.fixture
def folder(tmp_path, current, stale, silent, clients):
    """A bundle of all CAs, and the CRLs of those that have one."""
    (tmp_path / "ca.pem").write_bytes(b"".join(ca.certificate_pem for ca in (current, stale, silent)))
    (tmp_path / "crls").mkdir()
    put(tmp_path / "crls" / "current.crl", crl(current, serials(clients["mallory"])))
    old = crl(stale, serials(clients["mallory-of-stale"]), this=NOW - 3 * HOUR, following=NOW - 2 * HOUR)
    put(tmp_path / "crls" / "stale.crl", old)
    return tmp_path


def put(path, content):
    """Write a file whole."""
    path.with_suffix(".new").write_bytes(content)
    path.with_suffix(".new").replace(path)


@contextmanager
def checking(folder, **settings):
    """A service of this folder's bundle; with the folder of CRLs unless told."""
    given = {"AUTHZ_CRL_FILES": str(folder / "crls")} if not any("CRL" in name for name in settings) else {}
    with Running(folder, **{"AUTHZ_TRUST_BUNDLE_FILE": str(folder / "ca.pem"), **given, **settings}) as service:
        yield service


def reasons(service, clients):
    """Why each is refused, by name."""
    return {name: service.ask(each).reason for name, each in clients.items()}


def sources(service, what="loaded"):
    """A metric of every source, by its last path segment."""
    prefix = f'authz_revocation_source_{what}{{source="'
    found = {name.removeprefix(prefix): value for name, value in service.metrics().items() if name.startswith(prefix)}
    return {name.partition('"')[0].rpartition("/")[2]: value for name, value in found.items()}


def test_hard(folder, current, clients):
    """Revoked is 401; not to know and to know too little are 503 as errors of ours. A newer CRL counts as it comes."""
    with checking(folder) as service:
        answers = {name: service.ask(each) for name, each in clients.items()}
        assert {name: (answer.status, answer.reason, answer.is_error) for name, answer in answers.items()} == {
            "alice": (200, "", False),
            "mallory": (401, "certificate_revoked", False),
            "stale": (503, "revocation_stale", True),
            "mallory-of-stale": (401, "certificate_revoked", False),
            "silent": (503, "revocation_unavailable", True),
        }
        assert [record["revocation"] for record in service.decisions] == ["good", *["not-checked"] * 4]
        assert sources(service) == {"current.crl": 1, "stale.crl": 1}
        assert sources(service, "next_update_timestamp_seconds")["current.crl"] == (NOW + HOUR).timestamp()
        path = folder / "crls" / "current.crl"
        put(path, crl(current, serials(clients["alice"]), number=2))
        eventually(lambda: service.ask(clients["alice"]).reason == "certificate_revoked", FILES_SECONDS)
        assert service.ask(clients["mallory"]).reason == ""
        put(path, b"garbage")
        eventually(lambda: sources(service, "failures")["current.crl"] > 0, FILES_SECONDS)
        put(path, crl(current, (), number=1))
        eventually(lambda: "rollback" in service.readiness()[1], FILES_SECONDS)
        assert service.ask(clients["alice"]).reason == "certificate_revoked"
        put(path, crl(current, (), number=3))
        eventually(lambda: service.ask(clients["alice"]).reason == "", FILES_SECONDS)
        eventually(lambda: "revocation" not in service.readiness()[1], FILES_SECONDS)
        path.unlink()
        eventually(lambda: service.ask(clients["alice"]).reason == "revocation_unavailable", FILES_SECONDS)


def test_soft(folder, clients):
    """Soft lets in what nothing is known about, and says so in the answer's metadata, the decision line and the metrics."""
    with checking(folder, AUTHZ_REVOCATION="soft") as service:
        assert reasons(service, clients) == {
            "alice": "",
            "mallory": "certificate_revoked",
            "stale": "",
            "mallory-of-stale": "certificate_revoked",
            "silent": "",
        }
        for name, known in (("alice", "good"), ("silent", "unknown"), ("stale", "unknown")):
            metadata = service.ask(clients[name]).response.dynamic_metadata.fields
            assert metadata["revocation"].string_value == known
            assert (service.decisions[-1]["outcome"], service.decisions[-1]["revocation"]) == ("ALLOW", known)
        counted = {name: value for name, value in service.metrics().items() if "by_revocation_total" in name}
        assert counted == {
            'authz_decisions_by_revocation_total{outcome="allow",revocation="good"}': 2,
            'authz_decisions_by_revocation_total{outcome="allow",revocation="unknown"}': 4,
            'authz_decisions_by_revocation_total{outcome="deny",revocation="not-checked"}': 2,
        }


def test_over_http(folder, current, clients):
    """An outage within nextUpdate is invisible, a stranger's CRL is never taken, and a restart meanwhile decides by the cache."""
    impostor = Authority.create("Current CA")
    alice, mallory = clients["alice"], clients["mallory"]
    with site({"/crl": versioned(crl(current, serials(mallory)), '"1"')}) as server:
        settings = {
            "AUTHZ_CRL_URLS": f"http://127.0.0.1:{server.port}/crl?token=s3cret",
            "AUTHZ_CRL_NETWORKS": "127.0.0.0/8",
            "AUTHZ_CRL_CACHE_FOLDER": str(folder / "cache"),
            "AUTHZ_CRL_INTERVAL_SECONDS": "0.3",
        }
        server.pages["/crl?token=s3cret"] = server.pages["/crl"]
        with checking(folder, **settings) as service:
            both = {"alice": alice, "mallory": mallory}
            assert reasons(service, both) == {"alice": "", "mallory": "certificate_revoked"}
            server.pages["/crl?token=s3cret"] = crl(impostor, serials(alice), number=9)
            eventually(lambda: "signer_unknown, the last good data is in use" in service.readiness()[1], FILES_SECONDS)
            assert "s3cret" not in service.readiness()[1] + "".join(service.metrics())
            assert reasons(service, both) == {"alice": "", "mallory": "certificate_revoked"}
            server.pages["/crl?token=s3cret"] = crl(current, serials(alice, mallory), number=2)
            eventually(lambda: service.ask(alice).reason == "certificate_revoked", FILES_SECONDS)
            server.shutdown()
            server.server_close()
            eventually(lambda: "connect_failed" in service.readiness()[1], FILES_SECONDS)
            assert service.readiness()[0] == 200
            assert reasons(service, clients)["silent"] == "revocation_unavailable"
            assert reasons(service, both) == dict.fromkeys(both, "certificate_revoked")
        with checking(folder, **settings) as service:
            assert reasons(service, both) == dict.fromkeys(both, "certificate_revoked")
            eventually(lambda: "connect_failed" in service.readiness()[1], FILES_SECONDS)
            assert max(sources(service, "failures").values()) > 0


def refresher(service):
    """The process ids of the service's children: the refresher."""
    found = []
    for task in Path(f"/proc/{service.process.pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended since
            found += [int(pid) for pid in (task / "children").read_text().split()]
    return found


def test_mishaps_of_the_refresher(folder, current, clients, tmp_path):
    """What was loaded stays in use when the refresher dies or its folder vanishes; both come back, and what is new counts."""
    cache = tmp_path / "cache"
    crls = {"AUTHZ_CRL_FILES": str(folder / "crls"), "AUTHZ_CRL_CACHE_FOLDER": str(cache)}
    with checking(folder, **crls) as service:
        assert service.ask(clients["mallory"]).reason == "certificate_revoked"
        shutil.rmtree(cache)
        eventually(lambda: "revocation: what the refresher found cannot be read" in service.readiness()[1], FILES_SECONDS)
        assert service.readiness()[0] == 200
        assert service.ask(clients["mallory"]).reason == "certificate_revoked"
        put(folder / "crls" / "current.crl", crl(current, serials(clients["alice"]), number=2))
        eventually(lambda: service.ask(clients["alice"]).reason == "certificate_revoked", 15)
        eventually(lambda: "revocation" not in service.readiness()[1], 15)
        (before,) = refresher(service)
        os.kill(before, signal.SIGKILL)
        assert service.ask(clients["alice"]).reason == "certificate_revoked"
        put(folder / "crls" / "current.crl", crl(current, serials(clients["mallory"]), number=3))
        eventually(lambda: service.ask(clients["mallory"]).reason == "certificate_revoked", 15)
        assert refresher(service) not in ([], [before])
        (last,) = refresher(service)
    eventually(lambda: not Path(f"/proc/{last}").exists())


def test_other_sources(folder, clients):
    """CRLs that are configured while the service runs are there with the settings that ask for them: never a 503 between."""
    path = folder / "authz.yaml"
    path.write_text("allow: ['*']\n")
    settings = {"AUTHZ_CONFIG": str(path), "AUTHZ_ALLOW": ""}
    (folder / "more").mkdir()
    shutil.copy(folder / "crls" / "current.crl", folder / "more" / "current.crl")
    alice, mallory = clients["alice"], clients["mallory"]
    seen = set()

    def is_known():
        seen.add(service.ask(alice).reason)
        return service.ask(mallory).reason == "certificate_revoked"

    given = {"AUTHZ_TRUST_BUNDLE_FILE": str(folder / "ca.pem")}
    with Running(folder, **given, **settings) as service:
        assert not is_known()
        for line in (f"crl_files: {folder / 'crls'}", f"crl_files: {folder / 'more'}"):
            path.write_text(f"allow: ['*']\n{line}\n")
            eventually(is_known, 15)
            name = Path(line.partition(" ")[2]).name
            eventually(lambda name=name: name in "".join(service.metrics()), 15)
        path.write_text("allow: ['*']\n")
        eventually(lambda: not is_known(), 15)
        assert refresher(service) == []
        assert seen == {""}


def test_first_data(folder, clients):
    """A folder without a CRL does not delay the start, and SIGTERM does not wait for a source that does not answer."""
    shutil.rmtree(folder / "crls")
    (folder / "crls").mkdir()
    service = Running(folder, AUTHZ_TRUST_BUNDLE_FILE=str(folder / "ca.pem"), AUTHZ_CRL_FILES=str(folder / "crls"))
    with service:
        assert "not every source" not in service.log
        assert service.ask(clients["alice"]).reason == "revocation_unavailable"


def test_end_before_the_first_data(folder):
    """SIGTERM ends a service that still waits for its first revocation data at once."""
    with site({"/crl": lambda handler: handler.rfile.read()}) as server:
        settings = {"AUTHZ_CRL_URLS": f"http://127.0.0.1:{server.port}/crl", "AUTHZ_CRL_NETWORKS": "127.0.0.0/8"}
        service = Running(folder, AUTHZ_TRUST_BUNDLE_FILE=str(folder / "ca.pem"), **settings).start()
        try:
            eventually(lambda: server.seen)
            assert service.readiness()[0] == 503
            service.process.terminate()
            assert service.process.wait(3) == 0
            assert "serving at" not in service.log
        finally:
            service.__exit__()


def test_nobody_before_the_first_data(folder, clients):
    """Nobody is let in before the CRLs that are at hand were read: the mode soft would not know yet whom they revoke."""
    with site({"/crl": lambda handler: handler.rfile.read()}) as server:
        settings = {"AUTHZ_CRL_URLS": f"http://127.0.0.1:{server.port}/crl", "AUTHZ_CRL_NETWORKS": "127.0.0.0/8"}
        settings |= {"AUTHZ_CRL_FILES": str(folder / "crls"), "AUTHZ_REVOCATION": "soft"}
        service = Running(folder, AUTHZ_TRUST_BUNDLE_FILE=str(folder / "ca.pem"), **settings).start()
        try:
            assert service.ask(clients["mallory"]).reason == "configuration_unavailable"
            service.wait_until_ready()
            assert service.ask(clients["mallory"]).reason == "certificate_revoked"
        finally:
            service.__exit__()
