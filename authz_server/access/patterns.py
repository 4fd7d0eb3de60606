"""Patterns over a client's names, as ``AUTHZ_ALLOW`` writes them: ``kind:value``, ``kind:prefix*`` or ``*``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz_server.distinguished_name import parse_distinguished_name
from authz_server.model import NameKind

if TYPE_CHECKING:
    from authz_server.model import ComparableName, Principal

_FINGERPRINT_DIGITS = 64
_HEX = frozenset("0123456789abcdef")
_FINGERPRINTS = (NameKind.SHA256, NameKind.PUBLIC_KEY_SHA256)


@dataclass(frozen=True, slots=True)
class Anyone:
    """``*``: every client with a valid certificate."""

    text: str = "*"

    def matches(self, _principal: Principal) -> bool:
        """True for every principal: a principal exists only for a verified certificate."""
        return True


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A name of one kind, exact or by prefix. A client matches if any of its names of that kind does."""

    text: str
    kind: NameKind
    value: str
    is_prefix: bool

    def matches(self, principal: Principal) -> bool:
        """Whether one of the principal's names matches, byte for byte."""
        names = principal.values(self.kind)
        return any(map(str.startswith, names, [self.value] * len(names))) if self.is_prefix else self.value in names


@dataclass(frozen=True, slots=True)
class SubjectPattern:
    """A distinguished name, compared by its parts and never as text: whole, or everything below it.

    Its RFC 4514 text begins with the most specific part, so the form ``*,O=Acme,C=US`` is the prefix of the name itself.
    """

    text: str
    rdns: ComparableName
    is_prefix: bool

    def matches(self, principal: Principal) -> bool:
        """Whether the principal's subject is this name or, for a prefix, lies below it."""
        if self.is_prefix:
            return len(principal.subject_rdns) > len(self.rdns) and principal.subject_rdns[: len(self.rdns)] == self.rdns
        return principal.subject_rdns == self.rdns


Pattern = Anyone | NamePattern | SubjectPattern


def parse_pattern(text: str) -> Pattern:
    """Parse one pattern; raises ``ValueError`` with a sentence that says what would be right."""
    if text == "*":
        return Anyone()
    label, _, value = text.partition(":")
    try:
        kind = NameKind(label)
    except ValueError:
        kinds = ", ".join(kind.value for kind in NameKind)
        msg = f"{text!r}: expected `*` or `KIND:VALUE` with KIND one of {kinds}"
        raise ValueError(msg) from None
    if kind is NameKind.SUBJECT:
        return _subject_pattern(text, value)
    if kind in _FINGERPRINTS:
        return NamePattern(text, kind, _fingerprint(text, value), is_prefix=False)
    return _name_pattern(text, kind, value)


def _name_pattern(text: str, kind: NameKind, value: str) -> NamePattern:
    is_prefix = value.endswith("*")
    value = value.removesuffix("*")
    if not value:
        msg = f"{text!r}: the value is empty; write `*` alone to allow every client with a valid certificate"
        raise ValueError(msg)
    if "*" in value:
        msg = f"{text!r}: `*` may stand at the end only"
        raise ValueError(msg)
    # `https://example.org*` would be `https://example.org.evil/` too. A SPIFFE ID has an authority always, a URI where `//` is.
    has_authority = kind is NameKind.SPIFFE or (kind is NameKind.URI and "//" in value)
    if has_authority and is_prefix and value.count("/") < len(("scheme:", "", "authority")):
        msg = f"{text!r}: a prefix must hold the whole trust domain or host and a slash, e.g. `spiffe:spiffe://example.org/*`"
        raise ValueError(msg)
    # Names are kept with these parts in lower case, see `identity`.
    if kind is NameKind.DNS:
        value = value.lower()
    if kind is NameKind.EMAIL:
        local, at, host = value.rpartition("@")
        value = f"{local}{at}{host.lower()}" if at else value
    return NamePattern(text, kind, value, is_prefix)


def _subject_pattern(text: str, value: str) -> SubjectPattern:
    is_prefix = value.startswith("*,")
    try:
        rdns = parse_distinguished_name(value.removeprefix("*,"))
    except ValueError as error:
        msg = (
            f"{text!r}: {error}; expected an RFC 4514 name such as `subject:CN=alice,O=Acme`, or `subject:*,O=Acme` for all "
            "below it"
        )
        raise ValueError(msg) from error
    return SubjectPattern(text, rdns, is_prefix)


def _fingerprint(text: str, value: str) -> str:
    digits = value.lower().replace(":", "")
    if len(digits) != _FINGERPRINT_DIGITS or not set(digits) <= _HEX:
        msg = f"{text!r}: expected 64 hexadecimal digits"
        raise ValueError(msg)
    return digits
