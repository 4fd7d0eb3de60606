"""Files and ``Settings`` -> ``Snapshot``, or every problem at once."""

from authz_server.loading.bundles import load_anchors
from authz_server.loading.snapshot import Loaded, load_snapshot

__all__ = ["Loaded", "load_anchors", "load_snapshot"]
