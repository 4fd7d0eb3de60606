"""``Principal`` and request -> ``Grant``, by the operator's rules. What no rule allows is denied."""

from authz_server.access.patterns import Anyone, NamePattern, Pattern, SubjectPattern, parse_pattern
from authz_server.access.rules import AllowList, authorize

__all__ = ["AllowList", "Anyone", "NamePattern", "Pattern", "SubjectPattern", "authorize", "parse_pattern"]
