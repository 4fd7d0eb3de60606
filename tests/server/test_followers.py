"""What runs beside the requests: threads that may hang, followers that may fail, a refresher that may fall silent."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest

from authz_server.refresh import RevocationWatcher, SourceStatus
from authz_server.refresh.refusals import Refusal
from authz_server.refresh.state import write_state
from authz_server.server.apart import apart
from authz_server.server.app import _any_of, _has_failed, _unless
from authz_server.server.revocation import RevocationFeed


def test_apart():
    """Work elsewhere gives its result, or raises what it raised; the loop goes on meanwhile."""

    async def play():
        assert await apart(lambda: threading.current_thread() is not threading.main_thread())
        with pytest.raises(ZeroDivisionError):
            await apart(lambda: 1 / 0)

    asyncio.run(play())


def test_hung_work():
    """Work that never returns keeps neither a waiting task from being cancelled nor the loop from ending."""
    stuck = threading.Event()

    async def play():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(apart(stuck.wait), 0.05)

    asyncio.run(play())
    stuck.set()


def test_failed_follower():
    """A follower that fails ends the wait, and is told from one that was only ended."""

    async def fail():
        raise KeyError

    async def play():
        stop = asyncio.Event()
        followers = [asyncio.create_task(asyncio.sleep(60)), asyncio.create_task(fail())]
        await _any_of(stop, followers)
        assert _has_failed(followers)
        assert not _has_failed(followers[:1])
        followers[0].cancel()

    asyncio.run(play())


def test_unless():
    """Work is left once the service is told to stop; what it raises before that is raised."""

    async def play():
        stop = asyncio.Event()
        with pytest.raises(OSError, match="full"):
            await _unless(stop, _raise(OSError("full")))
        await _unless(stop, asyncio.sleep(0))
        stop.set()
        await _unless(stop, asyncio.sleep(60))

    async def _raise(error):
        raise error

    asyncio.run(play())


def test_what_readiness_says_of_sources(tmp_path):
    """Sources are told by what became of them, in our own words; a refresher that tells nothing is told as well."""
    feed, now = RevocationFeed(), datetime.now(UTC)
    assert feed.problems(now) == ()
    feed.watcher = RevocationWatcher(tmp_path)
    feed.watcher.poll()
    assert feed.problems(now) == ("what the refresher found cannot be read; see the log",)
    write_state(tmp_path, [SourceStatus("http://a/?s3cret", refusal=Refusal.HTTP_STATUS, detail="<script>"), SourceStatus("b")])
    feed.watcher.poll()
    (told,) = feed.problems(now)
    assert told.endswith(": http_status, no data is in use; see the log")
    assert "s3cret" not in told
    silent, told_again = feed.problems(now + timedelta(minutes=4))
    assert silent.startswith("the refresher has told nothing since ")
    assert told_again == told
