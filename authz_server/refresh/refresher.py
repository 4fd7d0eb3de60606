"""The refresher as the server sees it: a process that is started, restarted when it ends, and stopped."""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authz_server.refresh.job import RefresherJob

_log = logging.getLogger(__name__)
_FIRST_BACK_OFF, _LAST_BACK_OFF = 1.0, 60.0
# A process that lived so long did not fail at its start.
_STABLE_SECONDS = 60.0
_TERM_SECONDS = 5.0
_POLL_SECONDS = 0.2


class Refresher:
    """Supervises the process. ``folder`` is where its results are: give it to ``RevocationWatcher``."""

    def __init__(self, job: RefresherJob) -> None:
        """Make the folder; nothing runs until ``start``. Raises ``OSError`` if it cannot be made."""
        self._is_temporary = job.folder is None
        self.folder = Path(tempfile.mkdtemp(prefix="authz-revocation-")) if job.folder is None else job.folder
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._job = dataclasses.replace(job, folder=self.folder)
        self._stop = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._supervise, name="refresher", daemon=True)
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """The process that runs now, if one does."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def start(self) -> None:
        """Start the process and watch over it."""
        self._thread.start()

    def stop(self) -> None:
        """End the process, and remove the folder if it was temporary."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._is_temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _supervise(self) -> None:
        back_off = _FIRST_BACK_OFF
        while not self._stop.is_set():
            started = time.monotonic()
            try:
                status = self._run()
            except OSError as error:
                status = str(error)
            if self._stop.is_set():
                break
            if time.monotonic() - started > _STABLE_SECONDS:
                back_off = _FIRST_BACK_OFF
            _log.error("the refresher ended (%s); starting it again in %.0f s", status, back_off)
            self._stop.wait(back_off)
            back_off = min(_LAST_BACK_OFF, back_off * 2)
            self.restarts += 1

    def _run(self) -> str:
        """Run the process to its end, or to ours; how it ended."""
        # -P: the working directory holds none of our modules. In a group of its own, Ctrl-C reaches the server only.
        command = [sys.executable, "-P", "-m", "authz_server.refresh", "--parent", str(os.getpid())]
        with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, process_group=0) as process:  # noqa: S603 - our own command
            self._process = process
            if process.stdin is not None:
                process.stdin.write(self._job.to_json())
                process.stdin.close()
            while process.poll() is None and not self._stop.wait(_POLL_SECONDS):
                pass
            process.terminate()
            try:
                process.wait(_TERM_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        return f"status {process.returncode}"
