r"""Proof by HMAC: the proxy signs the certificate header and the request line with a shared key.

Made for proxies that can compute an HMAC but no RFC 9421 signature (HAProxy, nginx with njs, F5 iRules). The header is

    t=TIMESTAMP,n=NONCE,mac=HEX          e.g. t=1700000000,n=6f1c…,mac=9a0b…

with Unix seconds, 16 to 128 characters of ``A-Za-z0-9_-``, and HMAC-SHA-256 (RFC 2104) in 64 lower-case hex digits over the
lines, joined with one LF and none at the end:

    authz-hop-v1 | TIMESTAMP | NONCE | method | authority | path with query | each signed header's value, in order

The signed headers are the certificate header, those of its chain, and those in which the proxy says whether it accepted
the certificate. One that was not sent counts as an empty line. No value may hold a LF, so no two requests have the same
text. Unlike a shared secret, what is seen once cannot be used for another request.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from authz_server.hop.proof import sole_line
from authz_server.hop.replay import Use
from authz_server.reasons import Reason, Rejection

if TYPE_CHECKING:
    from datetime import datetime

    from authz_server.hop.replay import Freshness, ReplayMemory
    from authz_server.model import ForwardedRequest

_VERSION = b"authz-hop-v1"
_HEADER = re.compile(rb"t=([0-9]{1,12}),n=([A-Za-z0-9_-]{16,128}),mac=([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class MacProof:
    """``header`` must hold a fresh, unused HMAC by one of ``keys`` over the request and ``covered`` (headers).

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

    def verify(self, request: ForwardedRequest, now: datetime) -> Use:
        """Raise ``Rejection`` unless the HMAC is right (1) and fresh (2); it may be used once."""
        presented = sole_line(request, self.header)
        if not presented:
            raise Rejection(Reason.HOP_SIGNATURE_MISSING, header=self.header)
        matched = _HEADER.fullmatch(presented)
        if matched is None:
            raise Rejection(Reason.HOP_SIGNATURE_MALFORMED, header=self.header)
        timestamp, nonce, mac = matched.groups()
        text = signed_text(request, self.covered, timestamp, nonce)
        # The time does not depend on which key matches.
        signers = [key for key in self.keys if hmac.compare_digest(mac_of(key, text).encode(), mac)]  # 1
        if not signers:
            raise Rejection(Reason.HOP_SIGNATURE_MISMATCH, header=self.header)
        until = self.freshness.verify(int(timestamp), now)  # 2
        # Nonces belong to the key, not to the hop: one key may prove several hops and sources, a message only one request.
        scope = f"{self.kind}:{hashlib.sha256(signers[0]).hexdigest()}"
        return Use(self.memory, scope, nonce.decode(), until)


def signed_text(request: ForwardedRequest, covered: tuple[str, ...], timestamp: bytes, nonce: bytes) -> bytes:
    """The text that is signed for ``request``; raises ``Rejection`` if a value could be taken for two."""
    values = [sole_line(request, header) or b"" for header in covered]
    lines = [request.method.encode(), request.host.encode(), request.path.encode(), *values]
    if any(b"\n" in line for line in lines):
        raise Rejection(Reason.HOP_SIGNATURE_MISMATCH, detail="a line feed within a signed value")
    return b"\n".join([_VERSION, timestamp, nonce, *lines])


def mac_of(key: bytes, text: bytes) -> str:
    """HMAC-SHA-256 in lower-case hex."""
    return hmac.new(key, text, hashlib.sha256).hexdigest()
