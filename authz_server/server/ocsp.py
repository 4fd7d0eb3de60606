"""Which decisions lead to a question to an OCSP responder, and what is waited for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from authz_server.decision import Allow
from authz_server.reasons import Reason
from authz_server.refresh.destinations import Origin
from authz_server.refresh.fetcher import Fetcher
from authz_server.refresh.job import Limits
from authz_server.refresh.ocsp_client import OcspClient, OcspOptions, Query
from authz_server.validation import OcspMode, RevocationStatus
from authz_server.validation.revocation import FetchedAnswers, questions_about, unanswered

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from datetime import datetime

    from authz_server.decision import Decision, Snapshot
    from authz_server.settings import Settings

_MAX_BYTES = 1 << 16  # an answer with four certificates of RSA-4096 keys has 10 KB
_CONNECT_SECONDS = 3.0
# A caller's deadline must not pass while the answer is on its way to him: at least so long, or this part of what is left.
_MARGIN_SECONDS = 0.03
_MARGIN = 0.15
_OPEN = frozenset({Reason.REVOCATION_UNAVAILABLE, Reason.REVOCATION_STALE})
_REVOKED = frozenset({Reason.CERTIFICATE_REVOKED, Reason.ISSUER_REVOKED})
# Looking whether an answer is to be renewed costs some 100 us: about a certificate once a second.
_QUIET_SECONDS = 1.0
_MAX_QUIET = 50_000


class OnlineStatus:
    """Asks responders about what decisions found nothing fresh about. One a process; used by the event loop only."""

    def __init__(self, observe: Callable[[str], None] = lambda _: None) -> None:
        """Ask nobody until ``use``; ``observe`` is told how each query ended."""
        self.fetched = FetchedAnswers()
        self._client = OcspClient(self.fetched, observe=observe)
        self._timeout = 0.0
        self._quiet: dict[tuple[str, str], float] = {}

    def use(self, settings: Settings) -> None:
        """Ask by these settings from now on."""
        limits = Limits(_MAX_BYTES, min(_CONNECT_SECONDS, settings.ocsp_timeout_seconds), settings.ocsp_timeout_seconds)
        self._client.options = OcspOptions(
            allow=tuple(map(Origin.parse, settings.ocsp_allow)),
            interval_seconds=settings.ocsp_interval_seconds,
            retry_seconds=settings.ocsp_retry_seconds,
            fetcher=Fetcher((), settings.ocsp_networks, limits),
        )
        self._timeout = settings.ocsp_timeout_seconds
        self._quiet.clear()

    def patience(self, seconds_left: float | None) -> float:
        """How long a call may wait of which so much is left; ``None``: its caller waits for ever."""
        if seconds_left is None:
            return self._timeout
        return min(self._timeout, seconds_left - max(_MARGIN_SECONDS, _MARGIN * seconds_left))

    def look_up(self, decision: Decision, snapshot: Snapshot, now: datetime) -> tuple[Future[bool], ...]:
        """Begin to ask what ``decision`` found nothing fresh about, and what is due; what there is to wait for.

        Only about certificates of a path that was verified: nobody else can make this service send anything.
        """
        path, domain = decision.evidence.path, decision.evidence.domain
        if path is None or domain is None or domain.ocsp.mode is OcspMode.OFF or not _is_about_revocation(decision):
            return ()
        is_open = _is_open(decision)
        key = path.leaf.sha256, domain.name
        if not is_open and self._quiet.get(key, 0.0) > time.monotonic():
            return ()
        questions = questions_about(path)
        wanted = unanswered(questions, snapshot.revocation, domain.revocation, now)
        due = [question for question in questions if question not in wanted and self._client.is_due(question)]
        begun = [self._client.ask(Query(each, domain.revocation, domain.ocsp.urls, domain.ocsp.require_nonce)) for each in due]
        asked = [self._client.ask(Query(each, domain.revocation, domain.ocsp.urls, domain.ocsp.require_nonce)) for each in wanted]
        if not is_open and not begun:
            self._be_quiet(key)
        return tuple(each for each in asked if each is not None) if domain.ocsp.mode is OcspMode.INLINE and is_open else ()

    def _be_quiet(self, key: tuple[str, str]) -> None:
        if len(self._quiet) >= _MAX_QUIET:
            self._quiet.clear()
        self._quiet[key] = time.monotonic() + _QUIET_SECONDS


def _is_open(decision: Decision) -> bool:
    """Whether something more that is known could make it another decision."""
    if isinstance(decision, Allow):
        return decision.evidence.revocation is RevocationStatus.UNKNOWN
    return decision.reason in _OPEN


def _is_about_revocation(decision: Decision) -> bool:
    """Whether revocation decided: what is refused for another reason is asked nobody about."""
    return isinstance(decision, Allow) or decision.reason in _OPEN or decision.reason in _REVOKED
