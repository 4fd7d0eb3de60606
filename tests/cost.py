"""What a call costs, in units of this machine: a bound that holds on a slow one, under load and under coverage as well."""

from __future__ import annotations

import time
from functools import cache


@cache
def yardstick() -> float:
    """The CPU time of a million steps of a plain loop, the best of three."""
    return min(cost(_million_steps) for _ in range(3))


def _million_steps() -> None:
    number = 0
    while number < 1_000_000:
        number += 1


def cost(call) -> float:
    """The CPU time of one call, seconds."""
    started = time.process_time()
    call()
    return time.process_time() - started


def is_cheap(call) -> bool:
    """Whether a call over 60 KiB costs what one pass or a few over it do: trying things twice for each byte costs hundreds."""
    return cost(call) < 12 * yardstick()
