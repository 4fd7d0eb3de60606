"""The folder of last good data."""

import json
import os

import pytest

from authz_server.refresh import cache as module
from authz_server.refresh.cache import Cache, Entry
from authz_server.refresh.fetcher import Validators
from authz_server.refresh.refusals import Refusal, RefusedError
from authz_server.refresh.source import Source
from tests.refresh.crls import NOW, known, parsed, stranger
from tests.refresh.test_folders import LATER

URL = "http://crl.example/"


@pytest.fixture
def cache(tmp_path):
    """A cache that holds one source."""
    found = Cache(tmp_path)
    found.store(Entry(URL, (parsed(),), "f" * 64, Validators('"1"', "then"), NOW))
    return found


def test_round_trip(cache):
    """A source comes back as it was stored; another was never stored."""
    entry = cache.load(URL)
    assert (entry.source, entry.content_sha256, entry.validators, entry.fetched_at) == (
        URL,
        "f" * 64,
        Validators('"1"', "then"),
        NOW,
    )
    assert [crl.sha256 for crl in entry.crls] == [parsed_again(cache)]
    assert cache.load("http://other.example/") is None
    assert cache.sources() == [URL]


def parsed_again(cache):
    (path,) = cache.folder.glob("*.crlx")
    return path.name.removesuffix(".crlx")


def _entry(cache):
    (path,) = cache.folder.glob("*.source.json")
    return path


def _change(cache, **fields):
    path = _entry(cache)
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def _cut(path, size):
    os.truncate(path, size)


DAMAGE = {
    "no JSON": lambda cache: _entry(cache).write_bytes(b"{"),
    "no text": lambda cache: _entry(cache).write_bytes(b"\xff\xfe\0"),
    "another kind of JSON": lambda cache: _entry(cache).write_bytes(b"[1]"),
    "an older version": lambda cache: _change(cache, version=0),
    "another source's": lambda cache: _change(cache, source="http://other.example/"),
    "a CRL outside the folder": lambda cache: _change(cache, crls=["../../etc/passwd"]),
    "a CRL that is not there": lambda cache: _change(cache, crls=["0" * 64]),
    "a time that is none": lambda cache: _change(cache, fetched_at="yesterday"),
    "an index that is cut off": lambda cache: _cut(next(cache.folder.glob("*.crlx")), 200),
    "an entry that is a folder": lambda cache: (_entry(cache).unlink(), _entry_folder(cache)),
}


def _entry_folder(cache):
    cache._entry_path(URL).mkdir()  # noqa: SLF001 - where it would be


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_ignored_by_name(cache, damage):
    """An entry that is not as it was written is ignored by name, and its source is fetched as if nothing had been held."""
    damage(cache)
    with pytest.raises(RefusedError) as caught:
        cache.load(URL)
    assert caught.value.refusal is Refusal.CACHE_CORRUPT
    source = Source(URL, is_local=False, cache=cache)
    source.restore(known())
    assert (source.status.refusal, source.status.is_loaded, source.validators) == (Refusal.CACHE_CORRUPT, False, None)


def test_restored(cache):
    """What is restored is in use at once, with what the server called it; the CA may not be another since."""
    source = Source(URL, is_local=False, cache=cache)
    source.restore(known())
    assert (source.status.refusal, source.status.entries, source.validators) == (None, 3, Validators('"1"', "then"))
    source = Source(URL, is_local=False, cache=cache)
    source.restore(known(stranger()))
    assert (source.status.refusal, source.status.is_loaded) == (Refusal.SIGNER_UNKNOWN, False)


def test_remains(cache, monkeypatch):
    """What no source needs is removed after a grace period, what a dead process left at once, and nothing else."""
    (cache.folder / ".new-abc").write_bytes(b"half")
    (cache.folder / "operators.txt").write_bytes(b"mine")
    cache.remove_remains()
    names = {path.name for path in cache.folder.iterdir()}
    assert ".new-abc" not in names
    sha256 = parsed_again(cache)
    cache.collect([], [])
    monkeypatch.setattr(module, "_GRACE_SECONDS", -1.0)
    cache.collect([URL], [sha256])
    assert {path.name for path in cache.folder.iterdir()} == names
    cache.collect([], [])
    assert {path.name for path in cache.folder.iterdir()} == {"operators.txt"}


def test_repair(cache):
    """An index that somebody removed is written again from what is mapped."""
    held = cache.load(URL).crls
    (path,) = cache.folder.glob("*.crlx")
    content = path.read_bytes()
    path.unlink()
    cache.repair(held)
    assert path.read_bytes() == content


def test_delays(cache):
    """A URL is due before its nextUpdate and within the interval; after failures ever later, up to the interval."""
    source = Source(URL, is_local=False, cache=cache)
    schedule = type(LATER)(interval_seconds=7200, margin_seconds=600, retry_seconds=10)
    assert source.delay(schedule, 0) == 7200
    assert source.delay(schedule, 1) == 6480
    source.restore(known())
    assert 1800 < source.delay(schedule, 0) <= 3000
    assert source.delay(type(LATER)(margin_seconds=3600), 0) == 720
    for expected in (10, 20, 40):
        source.fail(RefusedError(Refusal.TIMED_OUT))
        assert (source.delay(schedule, 1), source.delay(schedule, 0)) == (expected, expected / 2)
    for _ in range(2000):
        source.fail(RefusedError(Refusal.TIMED_OUT))
    assert source.delay(schedule, 1) == 7200
