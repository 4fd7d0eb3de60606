"""The first form of the rules: a list of patterns from the environment. Rule files get their room beside this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz_server.model import Grant
from authz_server.reasons import Reason, Rejection

if TYPE_CHECKING:
    from authz_server.access.patterns import Pattern
    from authz_server.model import Principal


@dataclass(frozen=True, slots=True)
class AllowList:
    """Who is allowed, whatever they ask for. An empty list is the operator's mistake, not "nobody"."""

    patterns: tuple[Pattern, ...]

    def __post_init__(self) -> None:
        """Refuse an empty list."""
        if not self.patterns:
            msg = "an allow list needs at least one pattern"
            raise ValueError(msg)


def authorize(principal: Principal, rules: AllowList) -> Grant:
    """The grant by the first pattern that matches; raises ``Rejection(NOT_ALLOWED)`` when none does."""
    for pattern in rules.patterns:
        if pattern.matches(principal):
            return Grant(pattern.text)
    raise Rejection(Reason.NOT_ALLOWED)
