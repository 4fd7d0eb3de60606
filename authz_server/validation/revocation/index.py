"""A CRL in the form in which it is asked: its serial numbers sorted in one run of bytes, so that a million cost 21 MB once.

The bytes may be a memory map of a file that one process wrote and all workers share.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from authz_server.validation.revocation.signature import DetachedSignature

# RFC 5280 §4.1.2.2: a serial number has at most 20 octets. One octet behind it: 1 revoked, 0 taken back by a delta CRL.
SERIAL_BYTES = 20
ENTRY_BYTES = SERIAL_BYTES + 1
LARGEST_SERIAL = (1 << (8 * SERIAL_BYTES)) - 1
# Every so many entries one is kept apart: most of a search is then one in a plain list, which is ten times as fast as slicing
# a memory map. A million entries have 7 813 of them, 0.4 MB.
_STEP = 128


@dataclass(frozen=True, slots=True, eq=False)
class SortedSerials:
    """Entries of ``ENTRY_BYTES`` in ascending order. Equality and hash are by identity: nobody compares megabytes."""

    data: bytes | memoryview = field(repr=False)
    _milestones: list[bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Keep the first serial number of every ``_STEP``."""
        stride = _STEP * ENTRY_BYTES
        milestones = [bytes(self.data[start : start + SERIAL_BYTES]) for start in range(0, len(self.data), stride)]
        object.__setattr__(self, "_milestones", milestones)

    @classmethod
    def build(cls, entries: Iterable[tuple[int, bool]]) -> SortedSerials:
        """From (serial, is revoked); numbers that no acceptable certificate can have are left out."""
        rows = sorted(
            serial.to_bytes(SERIAL_BYTES, "big") + bytes([revoked])
            for serial, revoked in entries
            if 0 <= serial <= LARGEST_SERIAL
        )
        return cls(b"".join(rows))

    def __len__(self) -> int:
        """How many entries there are."""
        return len(self.data) // ENTRY_BYTES

    def find(self, serial: int) -> bool | None:
        """True revoked, False taken back, ``None`` not listed; raises ``OverflowError`` for a number of over 20 octets.

        Of several entries for one number, a revocation counts before its removal.
        """
        wanted = serial.to_bytes(SERIAL_BYTES, "big")
        data = self.data
        count = len(data) // ENTRY_BYTES

        def at(position: int) -> bytes:
            start = position * ENTRY_BYTES
            return bytes(data[start : start + SERIAL_BYTES])

        behind = bisect_left(self._milestones, wanted)
        low, high = max(behind - 1, 0) * _STEP, min(behind * _STEP, count)
        position = bisect_left(range(count), wanted, low, high, key=at)
        found: bool | None = None
        while position < count and at(position) == wanted:
            found = bool(data[position * ENTRY_BYTES + SERIAL_BYTES]) or bool(found)
            position += 1
        return found


@dataclass(frozen=True, slots=True)
class Scope:
    """Of which certificates and reasons a CRL speaks (RFC 5280 §5.2.5); ``names`` is ``None`` where it names no point.

    ``reasons`` has no default: a list of some reasons that is taken for one of all would vouch for what it does not say.
    """

    reasons: frozenset[str]
    names: frozenset[str] | None = None
    only_users: bool = False
    only_authorities: bool = False


@dataclass(frozen=True, slots=True)
class CrlIndex:
    """What one CRL says. ``issuer`` is the DER of its issuer's name; ``base_number`` is set for a delta CRL.

    ``key_id`` is what it says of its signer's key: for an operator to read, no decision depends on it.

    Unverified until ``is_by`` was asked with the issuer's key out of a verified path.
    """

    issuer: bytes
    this_update: datetime
    next_update: datetime
    number: int | None
    base_number: int | None
    key_id: bytes | None
    scope: Scope
    signature: DetachedSignature
    serials: SortedSerials = field(repr=False)
    _verified: dict[bytes, bool] = field(default_factory=dict, repr=False, compare=False)

    def is_by(self, key: CertificatePublicKeyTypes, spki: bytes) -> bool:
        """Whether the key, whose SubjectPublicKeyInfo is ``spki``, signed this CRL. Worked out once for each key."""
        known = self._verified.get(spki)
        if known is None:
            known = self.signature.is_by(key)
            if known or len(self._verified) < _MAX_KEYS:  # one key at most did sign it
                self._verified[spki] = known
        return known

    def is_newer_than(self, other: CrlIndex) -> bool:
        """By thisUpdate and, where both have one, by CRL number (§5.2.3). Of two that disagree neither is newer."""
        if self.number is None or other.number is None:
            return self.this_update > other.this_update
        return self.number > other.number and self.this_update >= other.this_update

    def updates(self, base: CrlIndex) -> bool:
        """Whether this is a delta CRL to ``base``, by number and scope (§5.2.4); that both have one signer is not asked."""
        if self.base_number is None or self.number is None or base.number is None or self.scope != base.scope:
            return False
        return self.base_number <= base.number < self.number


# CA keys of one name that a CRL is tried with in vain; more than a few means that somebody presents keys of his own.
_MAX_KEYS = 64
