"""Noticing that a file which the configuration was loaded from has changed, without reading it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic import BaseModel

    from authz_server.settings import Settings

# Folders and CRLs have watchers of their own, or none: what is in them is not read by `load_configuration`.
_NOT_LOADED = frozenset({"crl_files", "crl_cache_folder"})


def watched_paths(settings: Settings, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Every file and folder that loading this configuration reads."""
    named = (Path(value) for name, value in environ.items() if value and _names_a_file(name))
    return tuple(dict.fromkeys((*named, *_paths(settings))))


def _names_a_file(name: str) -> bool:
    """Whether it is one of our variables: those of others may name files that are written all the time."""
    return name == "AUTHZ_CONFIG" or (name.startswith("AUTHZ_") and name.endswith("_FILE"))


def _paths(model: BaseModel) -> Iterator[Path]:
    for name in type(model).model_fields:
        if name not in _NOT_LOADED:
            yield from _paths_in(getattr(model, name))


def _paths_in(value: Any) -> Iterator[Path]:
    if isinstance(value, Path):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from _paths_in(each)
    elif isinstance(value, dict):
        for member in value.values():
            yield from _paths(member)


def fingerprint(paths: Iterable[Path]) -> tuple[object, ...]:
    """What changes when the content of a path does: the file that it leads to, its size and its time.

    Kubernetes swaps a symbolic link that a mounted file leads through, so the resolved path counts. Of a folder, its files
    count. A path that cannot be looked at counts as gone.
    """
    return tuple(part for path in paths for part in _parts(path))


def _parts(path: Path) -> Iterator[object]:
    try:
        found = path.stat()
        # The time of the last change (ctime) too: whoever copies a file with its times sets the other one back.
        yield (os.path.realpath(path), found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)
        if stat.S_ISDIR(found.st_mode):
            for each in sorted(path.iterdir()):
                if not each.name.startswith(".") and not each.is_dir():
                    yield from _parts(each)
    except OSError as error:
        yield (str(path), error.errno)
