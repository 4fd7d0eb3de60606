"""``python -m bench.live [ENTRIES]``: what a running service's requests notice of new CRLs and of reloads. Prints only.

Warm requests come at a steady rate, one after the other, and each is timed from when it was due: a pause counts for every
request that it delays. Meanwhile a CRL is put into the service's folder, and then its deny list is renewed again and
again. The service, its refresher and the load share this machine's cores as the system likes.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from authz_server.demo.envoys import free_port
from bench.load import Load
from bench.revocation import signed_crl
from bench.scenes import ENVIRONMENT, Clients, check_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PERCENTILES = (50, 99, 99.9)
_BASELINE_SECONDS = 8.0
_RELOAD_SECONDS = 8.0
_RELOADS_EVERY = 1.0
_LOADED_SECONDS = 60.0


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.live", description=__doc__)
    parser.add_argument("entries", type=int, nargs="?", default=1_000_000, help="of the CRL")
    parser.add_argument("--rate", type=int, default=150, help="requests a second")
    parser.add_argument("--denied", type=int, nargs="*", default=[1_000, 10_000, 100_000], help="entries of the deny lists")
    arguments = parser.parse_args()
    print("making certificates and the CRL", flush=True)
    clients = Clients("p256")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _prepare(folder, clients, arguments.entries)
        port = free_port()
        process = _start(folder, port)
        try:
            _wait(process, folder / "log")
            _measure(folder, port, check_request(clients.issue(0)), arguments)
        finally:
            process.terminate()
            process.wait(20)
    return 0


def _prepare(folder: Path, clients: Clients, entries: int) -> None:
    """CRLs of both CAs in the folder, an empty deny list, and the large CRL beside them: the next one of the issuing CA."""
    (folder / "ca.pem").write_bytes(clients.root.certificate_pem)
    (folder / "denylist").write_bytes(b"")
    (folder / "crls").mkdir()
    for name, authority in (("root", clients.root), ("issuing", clients.issuing)):
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(authority.certificate.subject)
        builder = builder.last_update(now - timedelta(hours=1)).next_update(now + timedelta(days=1))
        builder = builder.add_extension(x509.CRLNumber(1), critical=False)
        (folder / "crls" / f"{name}.crl").write_bytes(builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.DER))
    key = clients.issuing.key
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError
    der, _ = signed_crl(entries, clients.issuing.certificate.subject, key)
    (folder / "large").write_bytes(der)
    print(f"CRL of {entries:,} entries: {len(der) / 1e6:.1f} MB", flush=True)


def _start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AUTHZ_")} | ENVIRONMENT
    environment |= {
        "AUTHZ_LISTEN": f"127.0.0.1:{port}",
        "AUTHZ_TRUST_BUNDLE_FILE": str(folder / "ca.pem"),
        "AUTHZ_CRL_FILES": str(folder / "crls"),
        "AUTHZ_CRL_CACHE_FOLDER": str(folder / "cache"),
        "AUTHZ_DENYLIST_FILE": str(folder / "denylist"),
    }
    command = [sys.executable, "-m", "authz_server", "serve"]
    with (folder / "log").open("wb") as log, (folder / "decisions").open("wb") as decisions:
        return subprocess.Popen(command, env=environment, stdout=decisions, stderr=log)  # noqa: S603 - our own


def _wait(process: subprocess.Popen[bytes], log: Path) -> None:
    while "serving at" not in log.read_text():
        if process.poll() is not None:
            raise RuntimeError(log.read_text())
        time.sleep(0.05)


def _measure(folder: Path, port: int, message: bytes, arguments: argparse.Namespace) -> None:
    load = Load(port, 1, 1)
    play = Steady(load, message, arguments.rate)
    play.until(_after(2.0))
    before = play.until(_after(_BASELINE_SECONDS))
    _show("before", before, before)
    with _busy():
        _show("control: another process is busy", play.until(_after(5.0)), before)
    shutil.copy(folder / "large", folder / "crls" / ".large")
    (folder / "crls" / ".large").rename(folder / "crls" / "issuing.crl")
    started, log = time.monotonic(), folder / "log"
    during = play.until(lambda: f" {arguments.entries} entries" in log.read_text() or _is_over(started))
    loading = play.until(_after(2.0))  # the refresher has told; now the service maps it
    print(f"  the refresher took {time.monotonic() - started - 2:.1f} s", flush=True)
    _show("while the CRL is parsed and loaded", during + loading, before)
    _show("  of which: while the service maps it", loading, before)
    _show("behind it", play.until(_after(_BASELINE_SECONDS)), before)
    for entries in arguments.denied:
        stop = threading.Event()
        thread = threading.Thread(target=_renew, args=(folder / "denylist", _lists(entries), stop))
        thread.start()
        reloading = play.until(_after(_RELOAD_SECONDS))
        stop.set()
        thread.join()
        _show(f"deny list of {entries:,} renewed every {_RELOADS_EVERY:.0f} s", reloading, before)
    load.close()
    print(f"  reloads: {log.read_text().count('reloaded: configuration')}; failed: {log.read_text().count('cannot be loaded')}")


@contextlib.contextmanager
def _busy() -> Iterator[None]:
    """A process that only computes, as nice as the refresher: what the machine makes of it is no matter of the service."""
    with subprocess.Popen([sys.executable, "-c", "import os\nos.nice(19)\nwhile True: sorted(range(10 ** 6))"]) as process:
        try:
            yield
        finally:
            process.kill()


def _renew(path: Path, texts: list[bytes], stop: threading.Event) -> None:
    for number in itertools.count():
        path.with_suffix(".new").write_bytes(texts[number % len(texts)])
        path.with_suffix(".new").rename(path)
        if stop.wait(_RELOADS_EVERY):
            return


def _lists(entries: int) -> list[bytes]:
    """Two deny lists, made beforehand: making them takes the interpreter that the load needs."""
    return ["".join(f"sha256:{each:064x}\n" for each in range(first, first + entries)).encode() for first in (0, 1)]


class Steady:
    """Requests at a steady rate."""

    def __init__(self, load: Load, message: bytes, rate: int) -> None:
        """One at a time over the connection of ``load``."""
        self._load, self._message, self._interval = load, message, 1 / rate

    def until(self, is_over: Callable[[], bool]) -> list[float]:
        """Seconds from when each request was due to its answer."""
        latencies = []
        due = time.perf_counter()
        asked = 0
        while asked % 20 or not is_over():
            time.sleep(max(0.0, due - time.perf_counter()))
            played = self._load.run(iter([self._message]), 0)
            latencies.append(time.perf_counter() - due)
            if played.codes != {0: 1}:
                message = f"refused: {played.codes}"
                raise RuntimeError(message)
            due += self._interval
            asked += 1
        return latencies


def _after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def _is_over(started: float) -> bool:
    if time.monotonic() - started > _LOADED_SECONDS:
        message = "the CRL was never loaded"
        raise RuntimeError(message)
    return False


def _show(title: str, latencies: list[float], before: list[float]) -> None:
    figures = ", ".join(f"p{p:g} {_percentile(latencies, p):.2f}" for p in _PERCENTILES)
    ratio = _percentile(latencies, 99) / _percentile(before, 99)
    print(
        f"{title}: {len(latencies)} requests, {figures}, max {max(latencies) * 1e3:.1f} ms; p99 is {ratio:.2f} times that before",
        flush=True,
    )


def _percentile(latencies: list[float], percent: float) -> float:
    """In milliseconds."""
    return sorted(latencies)[min(len(latencies) - 1, int(len(latencies) * percent / 100))] * 1e3


if __name__ == "__main__":
    raise SystemExit(main())
