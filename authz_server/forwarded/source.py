"""Where the certificate stands in a request, and taking it from there: exactly one header line in one format."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from authz_server.forwarded.limits import (
    MAX_CERTIFICATE_BYTES,
    MAX_CERTIFICATES,
    MAX_CHAIN_BYTES,
    MAX_HEADER_BYTES,
)
from authz_server.forwarded.rfc9440 import decode_client_cert, decode_client_cert_chain
from authz_server.forwarded.url_pem import decode_url_pem
from authz_server.forwarded.xfcc import ElementSelector, decode_xfcc
from authz_server.model import CERTIFICATE_PARSE_ERRORS, Certificate, PresentedChain
from authz_server.reasons import Reason, Rejection

if TYPE_CHECKING:
    from authz_server.model import ForwardedRequest


class Format(StrEnum):
    """The wire formats, by the names that settings and ``inspect`` use."""

    XFCC = "xfcc"
    RFC9440 = "rfc9440"
    URL_PEM = "url-pem"


# The header, and the separate chain header where the format has one, unless the operator names others.
DEFAULT_HEADERS: dict[Format, tuple[str, str | None]] = {
    Format.XFCC: ("x-forwarded-client-cert", None),
    Format.RFC9440: ("client-cert", "client-cert-chain"),
    Format.URL_PEM: ("x-client-cert", None),
}

# What proxies write when there is no certificate: Apache, access-log conventions, nginx's and Cloudflare's verify result.
_NON_VALUES = frozenset({b"", b"(null)", b"-", b"NONE"})
_ACCEPTABLE_TEXT = re.compile(rb"[\t -~]*")


@dataclass(frozen=True, slots=True)
class Source:
    """One place a certificate may come from. One format a source: decoders are never tried in turn.

    ``header`` and ``chain_header`` are lower-case names.
    """

    name: str
    format: Format
    header: str
    chain_header: str | None = None
    element: ElementSelector = field(default_factory=ElementSelector)

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers that carry the certificate, which never go on to the upstream."""
        return (self.header,) if self.chain_header is None else (self.header, self.chain_header)


def presented_chain(request: ForwardedRequest, source: Source) -> PresentedChain:
    """The chain that ``request`` presents at ``source``; raises ``Rejection`` unless there is exactly one, well formed."""
    _refuse_aliases(request, source)
    lines = request.header_lines(source.header)
    if len(lines) > 1:
        raise Rejection(Reason.HEADER_DUPLICATED, header=source.header, lines=len(lines))
    chain_lines = request.header_lines(source.chain_header) if source.chain_header else ()
    if len(chain_lines) > 1 and source.format is not Format.RFC9440:
        raise Rejection(Reason.HEADER_DUPLICATED, header=source.chain_header, lines=len(chain_lines))
    value = lines[0] if lines else b""
    # RFC 9440 §2.3: the chain, a list, may be split over several lines.
    chain_value = b",".join(chain_lines) if chain_lines else None
    if value in _NON_VALUES and chain_value is not None:
        raise Rejection(Reason.CHAIN_WITHOUT_CERTIFICATE, header=source.chain_header)
    return decode_chain(source, value, chain_value)


def decode_chain(source: Source, value: bytes, chain_value: bytes | None) -> PresentedChain:
    """Decode the header's value and that of the chain header (``None`` when it was not sent)."""
    if value in _NON_VALUES:
        raise Rejection(Reason.CREDENTIAL_MISSING, header=source.header)
    for text in (value, chain_value or b""):
        if len(text) > MAX_HEADER_BYTES:
            raise Rejection(Reason.HEADER_TOO_LARGE, size=len(text), limit=MAX_HEADER_BYTES)
        if not _ACCEPTABLE_TEXT.fullmatch(text):
            raise Rejection(Reason.HEADER_NOT_ASCII)
    certificates = _decode(source, value)
    if chain_value is not None:
        certificates += _decode_chain_header(source.format, chain_value)
    return _bounded_chain(certificates)


def _decode(source: Source, value: bytes) -> tuple[Certificate, ...]:
    if source.format is Format.XFCC:
        return decode_xfcc(value, source.element, _parse)
    if source.format is Format.RFC9440:
        return (_parse(decode_client_cert(value)),)
    return _parse_all(decode_url_pem(value))


def _decode_chain_header(form: Format, value: bytes) -> tuple[Certificate, ...]:
    if form is Format.RFC9440:
        return _parse_all(decode_client_cert_chain(value))
    return _parse_all(decode_url_pem(value))


def _parse_all(ders: tuple[bytes, ...]) -> tuple[Certificate, ...]:
    if len(ders) > MAX_CERTIFICATES:
        raise Rejection(Reason.CHAIN_TOO_LONG, certificates=len(ders), limit=MAX_CERTIFICATES)
    return tuple(_parse(der) for der in ders)


def _parse(der: bytes) -> Certificate:
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise Rejection(Reason.CHAIN_TOO_LONG, size=len(der), limit=MAX_CERTIFICATE_BYTES)
    try:
        return Certificate.from_der(der)
    except CERTIFICATE_PARSE_ERRORS as error:
        raise Rejection(Reason.CERTIFICATE_MALFORMED, detail=str(error)) from error


def _bounded_chain(certificates: tuple[Certificate, ...]) -> PresentedChain:
    """Leaf and intermediates, the leaf's repetition dropped (products differ on whether a chain repeats it)."""
    leaf = certificates[0]
    intermediates = tuple(dict.fromkeys(cert for cert in certificates[1:] if cert.der != leaf.der))
    size = sum(len(cert.der) for cert in (leaf, *intermediates))
    if len(intermediates) >= MAX_CERTIFICATES or size > MAX_CHAIN_BYTES:
        raise Rejection(Reason.CHAIN_TOO_LONG, certificates=len(intermediates) + 1, size=size)
    return PresentedChain(leaf, intermediates)


def _refuse_aliases(request: ForwardedRequest, source: Source) -> None:
    """CGI and WSGI map ``-`` and ``_`` to one variable: an upstream may take one name for the other."""
    canonical = {name.replace("_", "-") for name in source.headers}
    for name, _ in request.headers:
        if name not in source.headers and name.replace("_", "-") in canonical:
            raise Rejection(Reason.HEADER_ALIASED, header=name)
