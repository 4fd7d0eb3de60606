"""Getting revocation data: CRLs out of files, folders and URLs, by a process of its own, for every worker to map.

The server starts a ``Refresher``, and asks a ``RevocationWatcher`` from time to time. Nothing here decides about a request.
"""

from authz_server.refresh.destinations import Origin
from authz_server.refresh.job import JobError, Limits, RefresherJob, Schedule
from authz_server.refresh.refresher import Refresher
from authz_server.refresh.refusals import Refusal
from authz_server.refresh.state import SourceStatus, StateError
from authz_server.refresh.watcher import LoadedState, RevocationWatcher, load_state

__all__ = [
    "JobError",
    "Limits",
    "LoadedState",
    "Origin",
    "Refresher",
    "RefresherJob",
    "Refusal",
    "RevocationWatcher",
    "Schedule",
    "SourceStatus",
    "StateError",
    "load_state",
]
