"""Ports for processes that bind them later: outside the range that the kernel takes ports of outgoing connections from.

``bind(0)`` gives a port of that range, and any connection of this machine may take it before the process has started.
"""

from __future__ import annotations

import itertools
import os
import socket

# Above the registered services that machines run, below Linux's ip_local_port_range (32768 to 60999).
_FIRST, _COUNT = 15_000, 17_000
# Test runs beside each other begin at different places.
_offsets = itertools.count(os.getpid() * 101)


def free_port() -> int:
    """A TCP port that nobody listens on, and that no other call of this process gives."""
    for _ in range(_COUNT):
        port = _FIRST + next(_offsets) % _COUNT
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
        return port
    message = "no free port"
    raise RuntimeError(message)
