"""The snapshot in force. Replacing it is one assignment: a request sees the old one or the new one, never half of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authz_server.decision import Snapshot


class SnapshotStore:
    """Holds the current snapshot; ``None`` until the first is loaded, and then every request is denied."""

    __slots__ = ("current",)

    def __init__(self, current: Snapshot | None = None) -> None:
        """Begin with ``current``."""
        self.current = current

    def replace(self, snapshot: Snapshot) -> None:
        """Put ``snapshot`` in force for every request that begins from now on."""
        self.current = snapshot
