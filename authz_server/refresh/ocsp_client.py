"""Asking responders about certificates of verified paths, beside the requests: what is verified goes to ``FetchedAnswers``.

Each origin is asked by a few threads at a time and has a queue of its own, so that a slow one delays no other. A certificate
is asked about once at a time, and after a failure not again for a while.
"""

from __future__ import annotations

import base64
import contextlib
import logging
import os
import threading
import time
from collections import OrderedDict, deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from authz_server.model import CERTIFICATE_PARSE_ERRORS
from authz_server.refresh.destinations import Destination
from authz_server.refresh.fetcher import Fetcher, Message
from authz_server.refresh.refusals import Refusal, RefusedError
from authz_server.validation.extensions import find_extension
from authz_server.validation.revocation import OcspError, parse_ocsp
from authz_server.validation.revocation.ocsp import OcspStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz_server.refresh.destinations import Origin
    from authz_server.validation.revocation import FetchedAnswers, OcspAnswer, Question, RevocationPolicy

_log = logging.getLogger("authz_server.ocsp")

_NONCE_BYTES = 32  # RFC 9654 §2.1
# RFC 5019 §5: a GET up to 255 bytes of URL, a POST beyond.
_MAX_GET_URL = 255
_HEADERS = {"Accept": "application/ocsp-response"}
_POST_HEADERS = _HEADERS | {"Content-Type": "application/ocsp-request"}
_MAX_URLS = 3  # of one certificate: the rest of its list is its issuer's word, and every try costs time
_PER_ORIGIN = 4  # at a time
_MAX_WAITING = 256  # for one origin
# Certificates of which is remembered when to ask again; about 300 bytes each.
_MAX_HOLDS = 50_000


@dataclass(frozen=True, slots=True)
class Query:
    """A question, whom to ask it, and what the answer must be. ``urls`` are the operator's; empty: the certificate's own."""

    question: Question
    policy: RevocationPolicy
    urls: tuple[str, ...] = ()
    require_nonce: bool = False


@dataclass(frozen=True, slots=True)
class OcspOptions:
    """``allow`` are the origins that certificates may name; ``interval`` is how often at least an answer is renewed.

    ``retry_seconds`` is how long nothing is asked after a failure. ``fetcher`` holds networks, limits and ports; its origins
    do not count.
    """

    allow: tuple[Origin, ...] = ()
    interval_seconds: float = 3600.0
    retry_seconds: float = 30.0
    fetcher: Fetcher = field(default_factory=lambda: Fetcher(()))


_Key = tuple[bytes, bytes, int]


@dataclass(frozen=True, slots=True)
class _Hold:
    until: float  # monotonic
    is_answered: bool


@dataclass(slots=True)
class _Flight:
    """One query under way: the URLs that are still to be tried, and what waits for its end."""

    key: _Key
    query: Query
    urls: deque[str]
    options: OcspOptions
    done: Future[bool]


@dataclass(slots=True)
class _Lane:
    """One origin's flights: those that wait, and how many threads carry them out."""

    waiting: deque[_Flight] = field(default_factory=deque)
    running: int = 0


class OcspClient:
    """Asks. Safe for threads; never blocks its caller. ``observe`` is told how each query ended: ``answered`` or a refusal."""

    def __init__(
        self,
        fetched: FetchedAnswers,
        options: OcspOptions | None = None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        observe: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Ask according to ``options``, which may be replaced at any time, and fill ``fetched``."""
        self.fetched = fetched
        self.options = options or OcspOptions()
        self._clock = clock
        self._observe = observe
        self._holds: OrderedDict[_Key, _Hold] = OrderedDict()
        self._flights: dict[_Key, _Flight] = {}
        self._lanes: dict[str, _Lane] = {}
        self._lock = threading.Lock()

    def is_due(self, question: Question) -> bool:
        """Whether an answer that was fetched should be renewed."""
        hold = self._holds.get(_key(question))
        return self.fetched.answer_to(question) is not None and (hold is None or hold.until <= time.monotonic())

    def ask(self, query: Query) -> Future[bool] | None:
        """Begin to ask, or join who asks already; the result tells whether an answer was taken. ``None``: not now.

        Not while a failure is remembered, where there is nobody who may be asked, or where too many wait.
        """
        key = _key(query.question)
        options = self.options
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight.done
            if self._is_held(key, query.question):
                return None
        urls = _urls(query, options)
        if not urls:
            return None
        flight = _Flight(key, query, deque(urls), options, Future())
        flight.done.set_running_or_notify_cancel()  # who no longer waits must not end it for others
        with self._lock:
            known = self._flights.get(key)
            if known is not None:
                return known.done
            if not self._enqueue(flight):
                return None
            self._flights[key] = flight
            return flight.done

    def _is_held(self, key: _Key, question: Question) -> bool:
        hold = self._holds.get(key)
        if hold is None or hold.until <= time.monotonic():
            return False
        return not hold.is_answered or self.fetched.answer_to(question) is not None

    def _enqueue(self, flight: _Flight) -> bool:
        """Give it to the origin of its next URL; the lock is held. ``False`` if too many wait there."""
        origin = str(Destination.parse(flight.urls[0]).origin)
        lane = self._lanes.setdefault(origin, _Lane())
        if len(lane.waiting) >= _MAX_WAITING:
            return False
        lane.waiting.append(flight)
        if lane.running < _PER_ORIGIN:
            try:
                threading.Thread(target=self._work, args=(origin, lane), name="ocsp", daemon=True).start()
            except RuntimeError:  # no thread is to be had
                if not lane.running:
                    lane.waiting.pop()
                return bool(lane.running)
            lane.running += 1
        return True

    def _work(self, origin: str, lane: _Lane) -> None:
        while True:
            with self._lock:
                if not lane.waiting:
                    lane.running -= 1
                    if not lane.running:
                        self._lanes.pop(origin, None)
                    return
                flight = lane.waiting.popleft()
            self._try(flight)

    def _try(self, flight: _Flight) -> None:
        """Ask at the flight's next URL; after a failure its turn comes at the one behind."""
        url = flight.urls.popleft()
        try:
            answer = self._answer(url, flight)
        except RefusedError as error:
            _log.warning("OCSP of certificate %s at %s: %s", _name(flight), url, error)
            self._observe(error.refusal.value)
        except Exception:  # noqa: BLE001 - whoever waits must see an end, and the origin keeps its thread
            _log.exception("OCSP of certificate %s at %s: a bug", _name(flight), url)
            self._observe("bug")
        else:
            self._observe("answered")
            self._end(flight, self._hold_of(answer, flight), taken=True)
            return
        with self._lock:
            if flight.urls and self._enqueue(flight):
                return
        self._end(flight, _Hold(time.monotonic() + flight.options.retry_seconds, is_answered=False), taken=False)

    def _end(self, flight: _Flight, hold: _Hold, *, taken: bool) -> None:
        with self._lock:
            del self._flights[flight.key]
            self._holds[flight.key] = hold
            self._holds.move_to_end(flight.key)
            while len(self._holds) > _MAX_HOLDS:
                self._holds.popitem(last=False)
        flight.done.set_result(taken)

    def _hold_of(self, answer: OcspAnswer, flight: _Flight) -> _Hold:
        """Until half of what is left to nextUpdate has passed, so that a revocation is noticed before a good answer ends."""
        if answer.status is OcspStatus.UNKNOWN:
            return _Hold(time.monotonic() + flight.options.retry_seconds, is_answered=False)
        seconds = flight.options.interval_seconds
        if answer.next_update is not None:
            left = (answer.next_update - self._clock()) / timedelta(seconds=1)
            seconds = min(seconds, max(left / 2, min(1.0, flight.options.retry_seconds)))
        return _Hold(time.monotonic() + seconds, is_answered=True)

    def _answer(self, url: str, flight: _Flight) -> OcspAnswer:
        """The verified answer at ``url``, remembered; raises ``RefusedError``."""
        query = flight.query
        nonce = os.urandom(_NONCE_BYTES)
        own = (Destination.parse(url).origin,) if query.urls else ()
        fetcher = _fetcher(flight.options, (*own, *flight.options.allow))
        content = fetcher.ask(*_request(url, query.question, nonce))
        try:
            answer = parse_ocsp(content)
        except OcspError as error:
            raise RefusedError(Refusal.NOT_AN_ANSWER, str(error)[:300]) from error
        now = self._clock()
        _refuse_wrong(answer, query, nonce, now)
        self.fetched.remember(answer, query.question, query.policy, now)
        return answer


def _refuse_wrong(answer: OcspAnswer, query: Query, nonce: bytes, now: datetime) -> None:
    """Raise ``RefusedError`` unless it may be believed (RFC 6960 §3.2, RFC 9654 §2)."""
    if not answer.is_verified_for(query.question, now):
        raise RefusedError(Refusal.OTHER_ANSWER, "about another certificate, or signed by nobody who may")
    if answer.nonce is not None and answer.nonce != nonce:
        raise RefusedError(Refusal.NONCE_WRONG)
    if answer.nonce is None and query.require_nonce:
        raise RefusedError(Refusal.NONCE_MISSING)
    is_fresh = query.policy.is_fresh(answer.this_update, answer.next_update, now.replace(microsecond=0))
    if not is_fresh and answer.status is not OcspStatus.REVOKED:
        raise RefusedError(Refusal.ANSWER_STALE, f"of {answer.this_update:%Y-%m-%dT%H:%M:%SZ}")


def _request(url: str, question: Question, nonce: bytes) -> tuple[str, Message]:
    """Where to send what: RFC 6960 appendix A, with the encoding of RFC 5019 §5 where the URL stays short."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(
        question.certificate.x509,
        question.issuer.x509,
        hashes.SHA1(),  # noqa: S303 - RFC 5019 §2.1.1: what responders know; it protects nothing
    )
    der = builder.add_extension(x509.OCSPNonce(nonce), critical=False).build().public_bytes(Encoding.DER)
    short = f"{url.rstrip('/')}/{quote(base64.b64encode(der), safe='')}"
    if len(short) <= _MAX_GET_URL and "?" not in url and "#" not in url:
        return short, Message(_HEADERS)
    return url, Message(_POST_HEADERS, der)


def _fetcher(options: OcspOptions, allow: tuple[Origin, ...]) -> Fetcher:
    base = options.fetcher
    return Fetcher(allow, base.networks, base.limits, base.tls, base.resolver)


def _urls(query: Query, options: OcspOptions) -> list[str]:
    """The operator's responders; else those that the certificate names, as far as their origin is listed."""
    if query.urls:
        return list(query.urls)
    found: list[str] = []
    for url in _named_urls(query.question.certificate.x509):
        with contextlib.suppress(RefusedError):  # a URL that is none is one that is not listed
            if Destination.parse(url).origin in options.allow:
                found.append(url)
    return found[:_MAX_URLS]


def _named_urls(certificate: x509.Certificate) -> list[str]:
    try:
        access = find_extension(certificate.extensions, x509.AuthorityInformationAccess)
    except CERTIFICATE_PARSE_ERRORS:
        return []
    return [
        each.access_location.value
        for each in access or ()
        if each.access_method == AuthorityInformationAccessOID.OCSP
        and isinstance(each.access_location, x509.UniformResourceIdentifier)
    ]


def _key(question: Question) -> _Key:
    return question.issuer_name, question.issuer_spki, question.serial


def _name(flight: _Flight) -> str:
    return flight.query.question.certificate.sha256
