"""Settings and what they name, loaded the way ``serve`` does it, for every command that needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz_server.loading.snapshot import Loaded, load_snapshot
from authz_server.settings import Settings, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from authz_server.hop import ReplayMemory


def load_configuration(
    environ: Mapping[str, str], memory: ReplayMemory | None = None, now: datetime | None = None
) -> tuple[Settings | None, Loaded]:
    """The settings and the snapshot, each ``None`` if it could not be made; every problem is in ``Loaded.problems``.

    ``memory`` is what the process remembers of signed requests, so that a reload forgets nothing. ``now`` (aware) is the time
    to judge expiry at: a service gives that of its start, so that a CA certificate which expires while it runs does not keep
    it from reloading; each request judges it anyway.
    """
    settings, problems = read_settings(environ)
    if settings is None:
        return None, Loaded(None, problems, ())
    return settings, load_snapshot(settings, now, memory)
