"""One source of revocation data: what is held of it, and what became of the attempts to renew that."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from authz_server.refresh.acceptance import Authorities, Held, accept
from authz_server.refresh.cache import Cache, Entry
from authz_server.refresh.content import parse_content
from authz_server.refresh.fetcher import Validators
from authz_server.refresh.refusals import Refusal, RefusedError
from authz_server.refresh.state import SourceStatus

if TYPE_CHECKING:
    from authz_server.refresh.job import Schedule

_log = logging.getLogger(__name__)
_MOST_DOUBLINGS = 16


@dataclass
class Source:
    """A file or a URL. Only one thread at a time calls its methods; ``status`` may be read by any."""

    name: str
    is_local: bool
    cache: Cache
    held: Held = field(default_factory=Held)
    content_sha256: str = ""
    validators: Validators | None = None
    status: SourceStatus = field(init=False)

    def __post_init__(self) -> None:
        """Nothing was tried yet."""
        self.status = SourceStatus(self.name)

    def restore(self, authorities: Authorities) -> None:
        """Take what the folder has of an earlier run; what cannot be used of it is refused by name, and fetched anew."""
        try:
            entry = self.cache.load(self.name)
            if entry is None:
                return
            self.held = accept(entry.crls, Held(), authorities, datetime.now(UTC), is_local=self.is_local)
        except RefusedError as error:
            self.fail(error)
            return
        self.content_sha256, self.validators = entry.content_sha256, entry.validators
        self._show(None, last_success=entry.fetched_at)

    def take(self, content: bytes, validators: Validators, authorities: Authorities) -> None:
        """Put ``content`` in place of what is held; raises ``RefusedError``, and what is held stays."""
        now, digest = datetime.now(UTC), hashlib.sha256(content).hexdigest()
        if digest != self.content_sha256 or not self.held.crls:
            crls = parse_content(content, None if self.is_local else authorities)
            held = accept(crls, self.held, authorities, now, is_local=self.is_local)
            entry = self.cache.store(Entry(self.name, held.crls, digest, validators, now))
            self.held, self.content_sha256 = Held(entry.crls, held.is_verified), digest
        self.validators = validators
        self.confirm(authorities)

    def confirm(self, authorities: Authorities) -> None:
        """What is held is what the source has."""
        self.judge_again(authorities)
        self._show(None, last_success=datetime.now(UTC))

    def judge_again(self, authorities: Authorities) -> None:
        """Look whether known CAs signed what is held: their certificates may have changed."""
        self.held = Held(self.held.crls, bool(self.held.crls) and authorities.have_signed(self.held.crls))
        self.status = dataclasses.replace(self.status, is_verified=self.held.is_verified)

    def fail(self, error: RefusedError) -> None:
        """The attempt failed; what is held stays. Told once as long as it goes on failing in the same way."""
        if error.refusal is not self.status.refusal:
            kept = "the last good data stays in use" if self.held.crls else "nothing is loaded"
            _log.warning("%s: %s; %s", self.name, error, kept)
        self._show(error.refusal, error.detail, last_failure=datetime.now(UTC), failures=self.status.failures + 1)

    def _show(
        self,
        refusal: Refusal | None,
        detail: str = "",
        *,
        last_success: datetime | None = None,
        last_failure: datetime | None = None,
        failures: int = 0,
    ) -> None:
        indexes = [crl.index for crl in self.held.crls]
        before, self.status = (
            self.status,
            SourceStatus(
                source=self.name,
                refusal=refusal,
                detail=detail,
                crls=tuple(crl.sha256 for crl in self.held.crls),
                is_verified=self.held.is_verified,
                number=min((index.number for index in indexes if index.number is not None), default=None),
                entries=sum(len(index.serials) for index in indexes),
                this_update=min((index.this_update for index in indexes), default=None),
                next_update=min((index.next_update for index in indexes), default=None),
                last_success=last_success or self.status.last_success,
                last_failure=last_failure or self.status.last_failure,
                failures=failures,
            ),
        )
        if refusal is None and before.crls != self.status.crls:
            note = "" if self.held.is_verified else "; signed by no CA certificate that is known here"
            _log.info("%s: %d CRLs, %d entries%s", self.name, len(indexes), self.status.entries, note)

    def delay(self, schedule: Schedule, fraction: float) -> float:
        """Seconds to the next attempt; ``fraction`` (0 to 1, random) keeps many refreshers from asking at the same moment.

        From ``margin`` before nextUpdate on, five times a margin, also if the CA is late.
        """
        if self.status.failures:
            doubled = schedule.retry_seconds * 2.0 ** min(self.status.failures - 1, _MOST_DOUBLINGS)
            return min(schedule.interval_seconds, doubled) * (0.5 + fraction / 2)
        wanted = schedule.interval_seconds
        if self.status.next_update is not None:
            left = (self.status.next_update - datetime.now(UTC)).total_seconds()
            wanted = min(wanted, left - schedule.margin_seconds)
        shortest = min(schedule.interval_seconds, max(schedule.retry_seconds, schedule.margin_seconds / 5))
        return max(shortest, wanted * (1 - fraction / 10))
