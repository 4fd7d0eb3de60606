"""``python -m bench.revocation [ENTRIES]``: what a large CRL costs the refresher and the workers. Prints only.

A CRL of a million entries is signed by a throwaway CA, then: parsed and written by the refresher's own code in a process of
its own, opened by a worker while another thread of the worker counts how long it is kept from running, and asked.
"""

from __future__ import annotations

import argparse
import random
import statistics
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

from authz_server.refresh.index_file import open_index, write_index
from authz_server.refresh.state import SourceStatus, write_state
from authz_server.refresh.watcher import RevocationWatcher
from authz_server.validation.revocation import parse_crl
from authz_server.validation.revocation.index import ENTRY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz_server.validation.revocation import CrlIndex

_LOOK_UPS = 20_000
_TICK_SECONDS = 0.0005


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.revocation", description=__doc__)
    parser.add_argument("entries", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--parse", type=Path, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.parse:
        _parse(*arguments.parse)
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        der, numbers = signed_crl(
            arguments.entries, x509.Name.from_rfc4514_string("CN=Bench"), ec.generate_private_key(ec.SECP256R1())
        )
        (folder / "crl").write_bytes(der)
        print(f"CRL of {arguments.entries:,} entries: {len(der) / 1e6:.1f} MB")
        del der
        # Another process: this one's memory is full of what the CRL was made of.
        command = [sys.executable, "-m", "bench.revocation", "--parse", str(folder / "crl"), str(folder / "index")]
        subprocess.run(command, check=True)  # noqa: S603 - this module
        _worker(folder, numbers)
    return 0


def signed_crl(entries: int, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> tuple[bytes, list[int]]:
    """A CRL, number 2, put together by hand, as the builder takes minutes for a million entries; and the serial numbers in it."""
    now = datetime.now(UTC)
    small = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer)
        .last_update(now)
        .next_update(now + timedelta(days=1))
        .add_extension(x509.CRLNumber(2), critical=False)
        .add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(1).revocation_date(now).build())
        .sign(key, hashes.SHA256())
    )
    source = random.Random(1)  # noqa: S311 - the same numbers every time
    numbers = [source.getrandbits(126) | 1 << 126 for _ in range(entries)]
    date = b"\x17\x0d260101000000Z"
    rows = b"".join(_der(0x30, _der(0x02, number.to_bytes(16, "big")) + date) for number in numbers)
    one = _der(0x30, _der(0x30, _der(0x02, b"\1") + _der(0x17, now.strftime("%y%m%d%H%M%SZ").encode())))
    before, _, after = small.tbs_certlist_bytes.partition(one)
    signed = _der(0x30, before[_header(before) :] + _der(0x30, rows) + after)
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    return _der(0x30, signed + algorithm + _der(0x03, b"\0" + key.sign(signed, ec.ECDSA(hashes.SHA256())))), numbers


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    octets = size.to_bytes((size.bit_length() + 7) // 8 or 1, "big")
    return bytes([tag]) + (octets if size < 0x80 else bytes([0x80 | len(octets)]) + octets) + content  # noqa: PLR2004 - X.690


def _header(value: bytes) -> int:
    return 2 + (value[1] & 0x7F if value[1] & 0x80 else 0)


def _parse(crl: Path, index: Path) -> None:
    """In the refresher: parse, sort, write."""
    before = _memory("VmHWM")
    started = time.perf_counter()
    parsed = parse_crl(crl.read_bytes())
    middle = time.perf_counter()
    write_index(index, parsed)
    print(f"refresher: parse {middle - started:.2f} s, write {time.perf_counter() - middle:.2f} s,", end=" ")
    del parsed
    print(f"memory +{_memory('VmHWM') - before:.0f} MB at most, +{_memory('VmRSS') - before:.0f} MB after it")


def _worker(folder: Path, numbers: list[int]) -> None:
    index = open_index(folder / "index")
    path = folder / f"{index.sha256}.crlx"
    (folder / "index").rename(path)
    del index
    write_state(folder, [SourceStatus("bench", crls=(path.name.removesuffix(".crlx"),))])
    crl: list[CrlIndex] = []
    private, shared = _memory("RssAnon"), _memory("RssFile")

    def load() -> None:
        data = RevocationWatcher(folder).poll()
        if data is not None:
            crl[:] = data.crls

    idle = statistics.median(_stalled(lambda: time.sleep(0.02))[1] for _ in range(5))
    runs = [_stalled(load) for _ in range(5)]
    print(f"worker: file {path.stat().st_size / 1e6:.1f} MB ({ENTRY_BYTES} bytes an entry),", end=" ")
    print(f"load {1000 * statistics.median(seconds for seconds, _ in runs):.1f} ms, meanwhile another thread is kept", end=" ")
    print(f"waiting for at most {1000 * statistics.median(stall for _, stall in runs):.1f} ms ({1000 * idle:.1f} without)")
    print(f"worker: private memory +{_memory('RssAnon') - private:.1f} MB, mapped +{_memory('RssFile') - shared:.1f} MB")
    source = random.Random(2)  # noqa: S311 - the same numbers every time
    listed = source.sample(numbers, _LOOK_UPS)
    for title, asked in (("listed", listed), ("not listed", [source.getrandbits(127) for _ in listed])):
        times = [_look_up(crl[0], asked) for _ in range(5)]
        print(f"worker: look-up of a number that is {title}: {min(times):.1f} us, median {statistics.median(times):.1f}")


def _look_up(crl: CrlIndex, asked: list[int]) -> float:
    """Microseconds each."""
    find = crl.serials.find
    started = time.perf_counter()
    for number in asked:
        find(number)
    return (time.perf_counter() - started) / len(asked) * 1e6


def _stalled(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds that ``work`` takes in a thread, and the longest that this thread was kept from running meanwhile."""
    thread = threading.Thread(target=work)
    started = last = time.perf_counter()
    thread.start()
    longest = 0.0
    while thread.is_alive():
        time.sleep(_TICK_SECONDS)
        now = time.perf_counter()
        longest, last = max(longest, now - last - _TICK_SECONDS), now
    return last - started, longest


def _memory(field: str) -> float:
    """A figure of ``/proc/self/status`` in MB."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    raise SystemExit(main())
