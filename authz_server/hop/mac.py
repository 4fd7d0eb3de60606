r"""Proof by HMAC: the proxy signs the certificate header and the request line with a shared key.

Made for proxies that can compute an HMAC but no RFC 9421 signature (HAProxy, nginx with njs, F5 iRules). The header is

    t=TIMESTAMP,n=NONCE,mac=HEX          e.g. t=1700000000,n=6f1c…,mac=9a0b…

with Unix seconds, 16 to 128 characters of ``A-Za-z0-9_-``, and HMAC-SHA-256 (RFC 2104) in 64 lower-case hex digits over the
lines, joined with one LF and none at the end:

    authz-hop-v1 | TIMESTAMP | NONCE | method | authority | path with query | each certificate header's value, in order

A certificate header that was not sent counts as an empty line. No HTTP value holds a LF, so no two requests have the same
text. Unlike a shared secret, what is seen once cannot be used for another request.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from authz_server.hop.proof import sole_line
from authz_server.reasons import Reason, Rejection

if TYPE_CHECKING:
    from datetime import datetime

    from authz_server.hop.replay import Freshness, ReplayMemory
    from authz_server.model import ForwardedRequest

_VERSION = b"authz-hop-v1"
_HEADER = re.compile(rb"t=([0-9]{1,12}),n=([A-Za-z0-9_-]{16,128}),mac=([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class MacProof:
    """``header`` must hold a fresh, unused HMAC by one of ``keys`` over the request and ``covered`` (certificate headers).

    Establishes that somebody with the key vouched for this certificate in this request. Does NOT cover the body or other
    headers.
    """

    kind: ClassVar[str] = "hmac"
    header: str
    keys: tuple[bytes, ...] = field(repr=False)
    covered: tuple[str, ...]
    freshness: Freshness
    memory: ReplayMemory = field(repr=False, compare=False)

    @property
    def headers(self) -> tuple[str, ...]:
        """The header with the HMAC."""
        return (self.header,)

    def verify(self, request: ForwardedRequest, now: datetime) -> None:
        """Raise ``Rejection`` unless the HMAC is right (1), fresh (2) and was not used before (3)."""
        presented = sole_line(request, self.header)
        if not presented:
            raise Rejection(Reason.HOP_SIGNATURE_MISSING, header=self.header)
        matched = _HEADER.fullmatch(presented)
        if matched is None:
            raise Rejection(Reason.HOP_SIGNATURE_MALFORMED, header=self.header)
        timestamp, nonce, mac = matched.groups()
        text = signed_text(request, self.covered, timestamp, nonce)
        if not sum([hmac.compare_digest(mac_of(key, text).encode(), mac) for key in self.keys]):  # 1
            raise Rejection(Reason.HOP_SIGNATURE_MISMATCH, header=self.header)
        until = self.freshness.verify(int(timestamp), now)  # 2
        self.memory.remember(self.kind, nonce.decode(), request.stream_id, until=until, now=now)  # 3


def signed_text(request: ForwardedRequest, covered: tuple[str, ...], timestamp: bytes, nonce: bytes) -> bytes:
    """The text that is signed for ``request``."""
    values = [sole_line(request, header) or b"" for header in covered]
    line = [request.method.encode(), request.host.encode(), request.path.encode()]
    return b"\n".join([_VERSION, timestamp, nonce, *line, *values])


def mac_of(key: bytes, text: bytes) -> str:
    """HMAC-SHA-256 in lower-case hex."""
    return hmac.new(key, text, hashlib.sha256).hexdigest()
