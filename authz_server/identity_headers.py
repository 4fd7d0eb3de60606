"""``Principal`` -> the identity headers that the upstream gets: visible ASCII, bounded, a documented and closed set."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from authz_server.model import NameKind, Principal
from authz_server.reasons import Reason, Rejection

if TYPE_CHECKING:
    from datetime import datetime

    from authz_server.model import ForwardedRequest

# What the upstream's header limits (8 KiB a line, 16 to 64 KiB in all are common) still take.
MAX_VALUE_BYTES = 4 * 1024
MAX_TOTAL_BYTES = 16 * 1024

# Visible ASCII but "%", which marks an encoded byte, and "," which separates several names.
_LITERAL = "!\"#$&'()*+-./:;<=>?@[\\]^_`{|}~ "
_SINGLE = _LITERAL + ","

# Suffix behind the prefix, and what stands there. Several names are joined with ",".
SUFFIXES = {
    "name": "the client's name, of the kind that `AUTHZ_IDENTITY` configures",
    "name-kind": "that kind",
    "subject": "subject, RFC 4514 text",
    "issuer": "issuer, RFC 4514 text",
    "serial": "serial number, lower-case hex",
    "sha256": "SHA-256 of the certificate, lower-case hex",
    "public-key-sha256": "SHA-256 of the public key (SubjectPublicKeyInfo), lower-case hex",
    "not-before": "begin of validity, RFC 3339",
    "not-after": "end of validity, RFC 3339",
    "spiffe": "SPIFFE ID",
    "uri": "URI names, joined with `,`",
    "dns": "DNS names, joined with `,`",
    "email": "e-mail names, joined with `,`",
}


def refuse_aliases(request: ForwardedRequest, prefix: str) -> None:
    """Raise ``Rejection(HEADER_ALIASED)`` if a client wrote an identity header with ``_`` for ``-``.

    CGI and WSGI map both names to one variable, and neither overwriting nor Envoy's stripping by prefix meets the other one.
    Does NOT see what Envoy does not show (``allowed_headers``).
    """
    for name, _ in request.headers:
        if "_" in name and name.replace("_", "-").startswith(prefix):
            raise Rejection(Reason.HEADER_ALIASED, header=name)


def identity_headers(principal: Principal, prefix: str) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """The headers to set, and those of the set that this client has no value for and that must therefore be removed.

    Raises ``Rejection(IDENTITY_TOO_LONG)``: half a name is another name, so nothing is cut.
    """
    values = {
        "name": _encode(principal.name.value, _SINGLE),
        "name-kind": principal.name.kind.value,
        "subject": _encode(principal.subject, _SINGLE),
        "issuer": _encode(principal.issuer, _SINGLE),
        "serial": principal.serial,
        "sha256": principal.certificate_sha256,
        "public-key-sha256": principal.public_key_sha256,
        "not-before": _rfc3339(principal.not_before),
        "not-after": _rfc3339(principal.not_after),
        "spiffe": _joined(principal, NameKind.SPIFFE),
        "uri": _joined(principal, NameKind.URI),
        "dns": _joined(principal, NameKind.DNS),
        "email": _joined(principal, NameKind.EMAIL),
    }
    headers = tuple((prefix + suffix, value) for suffix, value in values.items() if value)
    _refuse_excess(headers)
    present = {name for name, _ in headers}
    return headers, tuple(name for suffix in SUFFIXES if (name := prefix + suffix) not in present)


def _encode(value: str, literal: str) -> str:
    """Percent-encode; spaces at the ends too, which HTTP strips (RFC 9110 §5.5): `` admin`` must not arrive as ``admin``."""
    inner = value.strip(" ")
    start = value.index(inner)
    end = len(value) - len(inner) - start
    return "%20" * start + quote(inner, safe=literal) + "%20" * end


def _joined(principal: Principal, kind: NameKind) -> str:
    return ",".join(_encode(value, _LITERAL) for value in principal.values(kind))


def _refuse_excess(headers: tuple[tuple[str, str], ...]) -> None:
    for name, value in headers:
        if len(value) > MAX_VALUE_BYTES:
            raise Rejection(Reason.IDENTITY_TOO_LONG, header=name, size=len(value))
    total = sum(len(name) + len(value) for name, value in headers)
    if total > MAX_TOTAL_BYTES:
        raise Rejection(Reason.IDENTITY_TOO_LONG, size=total)


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
