"""Files and folders of CRLs: noticed when they change, kept when they break."""

import os
import shutil

import pytest

from authz_server.refresh.cache import Cache
from authz_server.refresh.folders import Folders
from authz_server.refresh.job import Limits, RefresherJob, Schedule
from authz_server.refresh.refusals import Refusal
from tests.refresh.crls import HOUR, NOW, crl, impostor, known, pem, stranger

# Nothing that time heals is retried within a test, unless told.
LATER = Schedule(retry_seconds=3600)


class Watched:
    """A job's folders with the calls that the refresher makes."""

    def __init__(self, cache_folder, *paths, authorities=None, **fields):
        cache_folder.mkdir(exist_ok=True)
        self.authorities = authorities or known()
        self.folders = Folders(RefresherJob(paths=paths, **{"schedule": LATER} | fields), Cache(cache_folder))
        self.folders.restore(self.authorities)

    def poll(self):
        """Look at the paths once; whether anything is new."""
        return self.folders.poll(self.authorities)

    @property
    def state(self):
        """Name of each file to (refusal, revoked numbers of 1 to 9)."""
        return {
            os.path.basename(source.name): (  # noqa: PTH119 - a name
                source.status.refusal,
                [number for number in range(1, 10) for held in source.held.crls if held.index.serials.find(number)],
            )
            for source in self.folders.sources
        }


@pytest.fixture
def folder(tmp_path):
    """A folder to watch."""
    (tmp_path / "crls").mkdir()
    return tmp_path / "crls"


@pytest.fixture
def cache(tmp_path):
    """Where the cache's folder will be."""
    return tmp_path / "cache"


def test_a_folder(folder, cache):
    """A folder stands for its CRL files; hidden files and others are passed over; what comes and goes is noticed once."""
    (folder / "a.crl").write_bytes(crl(serials=(1,)))
    (folder / "b.PEM").write_bytes(pem(crl(serials=(2,))))
    for name in (".hidden.crl", "README", "c.txt"):
        (folder / name).write_bytes(b"junk")
    watched = Watched(cache, folder)
    assert [watched.poll(), watched.poll()] == [True, False]
    assert watched.state == {"a.crl": (None, [1]), "b.PEM": (None, [2])}
    (folder / "c.der").write_bytes(crl(stranger(), serials=(3,)))
    (folder / "a.crl").unlink()
    assert [watched.poll(), watched.poll()] == [True, False]
    assert watched.state == {"b.PEM": (None, [2]), "c.der": (None, [3])}
    assert {source.status.is_verified for source in watched.folders.sources} == {True, False}


# What stands in the place of a good CRL with number 2 that revokes 1: the file's content and the refusal.
BROKEN = {
    "empty": (b"", Refusal.NOT_A_CRL),
    "garbage": (b"garbage", Refusal.NOT_A_CRL),
    "cut off": (crl(number=3)[:-9], Refusal.CRL_UNUSABLE),
    "too large": (bytes(20_001), Refusal.TOO_LARGE),
    "future": (crl(number=3, this=NOW + HOUR, following=NOW + 2 * HOUR), Refusal.NOT_YET_VALID),
    "older": (crl(number=1), Refusal.ROLLBACK),
    "another signer": (crl(impostor(), number=3), Refusal.SIGNER_UNKNOWN),
}


@pytest.mark.parametrize(("content", "refusal"), BROKEN.values(), ids=BROKEN)
def test_last_good_is_kept(folder, cache, content, refusal):
    """A file that breaks is refused by name, and what was good in it stays, over a restart too, until it is good again."""
    path = folder / "a.crl"
    path.write_bytes(crl(number=2, serials=(1,)))
    watched = Watched(cache, folder, limits=Limits(max_bytes=20_000))
    watched.poll()
    path.write_bytes(content)
    assert [watched.poll(), watched.poll()] == [True, False]
    assert watched.state == {"a.crl": (refusal, [1])}
    again = Watched(cache, folder, limits=Limits(max_bytes=20_000))
    again.poll()
    assert again.state == {"a.crl": (refusal, [1])}
    path.write_bytes(crl(number=4, serials=(4,)))
    again.poll()
    assert again.state == {"a.crl": (None, [4])}


def test_missing(folder, cache):
    """A file, or a whole folder, that is not there is refused by name and what was good stays, over a restart too."""
    path = folder / "a.crl"
    path.write_bytes(crl(serials=(1,)))
    for paths in ((path,), (folder,)):
        Watched(cache, *paths).poll()
    shutil.move(folder, f"{folder}.away")
    file, whole = Watched(cache, path), Watched(cache, folder)
    assert [file.poll(), file.poll(), whole.poll(), whole.poll()] == [True, False, True, False]
    assert file.state == {"a.crl": (Refusal.UNREADABLE, [1])}
    assert whole.state == {"a.crl": (Refusal.UNREADABLE, [1]), "crls": (Refusal.UNREADABLE, [])}
    shutil.move(f"{folder}.away", folder)
    assert [file.poll(), whole.poll()] == [True, True]
    assert file.state == whole.state == {"a.crl": (None, [1])}


def test_not_a_file(folder, cache):
    """A named pipe is refused and nothing waits for it."""
    os.mkfifo(folder / "a.crl")
    watched = Watched(cache, folder)
    watched.poll()
    assert watched.state == {"a.crl": (Refusal.UNREADABLE, [])}


def test_time_heals(folder, cache):
    """A CRL that has not begun is looked at again though its file does not change."""
    (folder / "a.crl").write_bytes(crl(this=NOW + HOUR, following=NOW + 2 * HOUR))
    watched = Watched(cache, folder, schedule=Schedule(retry_seconds=0))
    source = None
    for _ in range(3):
        watched.poll()
        (source,) = watched.folders.sources
    assert source.status.refusal is Refusal.NOT_YET_VALID
    (file,) = watched.folders.files.values()
    before = file.retry_at
    watched.poll()
    assert file.retry_at > before


def test_mounted_folder(folder, cache):
    """The swap of Kubernetes' ``..data`` link is a change of every file behind it, though their own names stay."""
    for version, serial in (("v1", 1), ("v2", 2)):
        (folder / f"..{version}").mkdir()
        (folder / f"..{version}" / "a.crl").write_bytes(crl(number=serial, serials=(serial,)))
        os.utime(folder / f"..{version}" / "a.crl", (0, 0))
    (folder / "..data").symlink_to("..v1")
    (folder / "a.crl").symlink_to("..data/a.crl")
    watched = Watched(cache, folder)
    watched.poll()
    assert watched.state == {"a.crl": (None, [1])}
    (folder / "..new").symlink_to("..v2")
    (folder / "..new").replace(folder / "..data")
    shutil.rmtree(folder / "..v1")
    assert watched.poll()
    assert watched.state == {"a.crl": (None, [2])}


def test_other_authorities(folder, cache):
    """After the CA certificates changed, files are judged anew, without being parsed anew."""
    (folder / "a.crl").write_bytes(crl())
    watched = Watched(cache, folder, authorities=known(stranger()))
    watched.poll()
    (source,) = watched.folders.sources
    assert not source.status.is_verified
    held = source.held.crls
    watched.authorities = known()
    watched.folders.judge_again(watched.authorities)
    assert watched.poll()
    assert source.status.is_verified
    assert source.held.crls is held


def test_unwritable_cache(folder, cache):
    """Where the cache cannot be written, nothing new is taken, by name."""
    (folder / "a.crl").write_bytes(crl())
    watched = Watched(cache, folder)
    shutil.rmtree(cache)
    cache.write_bytes(b"")
    watched.poll()
    assert watched.state == {"a.crl": (Refusal.CACHE_UNWRITABLE, [])}


def test_cache_that_was_removed(folder, cache):
    """A folder that somebody removed is made again."""
    (folder / "a.crl").write_bytes(crl())
    watched = Watched(cache, folder)
    shutil.rmtree(cache)
    watched.poll()
    assert watched.state == {"a.crl": (None, [1, 2, 3])}
    assert cache.is_dir()
