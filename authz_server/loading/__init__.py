"""Files and ``Settings`` -> ``Snapshot``, or every problem at once."""

from authz_server.loading.bundles import load_anchors
from authz_server.loading.configuration import load_configuration
from authz_server.loading.snapshot import Loaded, load_snapshot
from authz_server.loading.watch import fingerprint, watched_paths

__all__ = ["Loaded", "fingerprint", "load_anchors", "load_configuration", "load_snapshot", "watched_paths"]
