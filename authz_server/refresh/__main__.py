"""``python -m authz_server.refresh [--parent PID] [FILE]``: carry out the job (JSON) in FILE or on standard input."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import stat
import sys
import threading
from pathlib import Path

from authz_server.refresh.job import JobError, RefresherJob
from authz_server.refresh.process import refresh

_log = logging.getLogger("authz_server.refresh")
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_USAGE_ERROR, _BUG = 2, 70
_NICENESS = 19


def main() -> int:
    """0 after SIGTERM, SIGINT or the parent's end; 2 for a job that cannot be carried out."""
    parser = argparse.ArgumentParser(prog="python -m authz_server.refresh", description=__doc__)
    parser.add_argument("--parent", type=int, help="end as soon as this process is no longer the parent")
    parser.add_argument("file", nargs="?", type=Path)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    os.umask(0o077)
    # A large CRL takes seconds of a processor that requests are waiting for where there are few.
    os.nice(_NICENESS)
    threading.excepthook = _end
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        job = RefresherJob.from_json(sys.stdin.read() if arguments.file is None else arguments.file.read_text("utf-8"))
        if job.folder is None:
            parser.error("the job names no folder")
        job.folder.mkdir(parents=True, exist_ok=True)
        if job.folder.stat().st_mode & _OTHERS_WRITE:
            _log.warning("%s: others may write there; whoever can, decides what is revoked", job.folder)
        refresh(job, job.folder, stop, arguments.parent)
    except (JobError, OSError) as error:
        _log.error("cannot start: %s", error)
        return _USAGE_ERROR
    return 0


def _end(crash: threading.ExceptHookArgs) -> None:
    """A thread that is gone would leave its sources to grow old unnoticed: the whole process ends, to be started again."""
    _log.error("a bug", exc_info=crash.exc_value)
    os._exit(_BUG)


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    # Threads that fetch or parse may be within compiled code, which an orderly end of the interpreter can abort.
    os._exit(status)
