"""Settings and what they name, loaded the way ``serve`` does it, for every command that needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz_server.loading import Loaded, load_snapshot
from authz_server.settings import Settings, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping


def load_configuration(environ: Mapping[str, str]) -> tuple[Settings | None, Loaded]:
    """The settings and the snapshot, each ``None`` if it could not be made; every problem is in ``Loaded.problems``."""
    settings, problems = read_settings(environ)
    if settings is None:
        return None, Loaded(None, problems, ())
    return settings, load_snapshot(settings)
