"""Where the certificate stands in a request, and taking it from there: exactly one header line in one format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509

from authz_server.forwarded.formats import LISTS, WIRES, Format, Wire
from authz_server.forwarded.limits import (
    MAX_CERTIFICATE_BYTES,
    MAX_CERTIFICATES,
    MAX_CHAIN_BYTES,
    MAX_HEADER_BYTES,
)
from authz_server.forwarded.siblings import NON_VALUES, check_siblings
from authz_server.forwarded.xfcc import ElementSelector, decode_xfcc
from authz_server.model import CERTIFICATE_PARSE_ERRORS, Certificate, PresentedChain
from authz_server.reasons import Reason, Rejection

if TYPE_CHECKING:
    from authz_server.forwarded.siblings import Sibling
    from authz_server.model import ForwardedRequest

# nginx's and others' verify result, seen in the certificate's place.
_NON_VALUES = NON_VALUES | {b"NONE"}


@dataclass(frozen=True, slots=True)
class Source:
    """One place a certificate may come from. One format a source: decoders are never tried in turn.

    Header names are lower case. ``chain_headers`` are several where a product numbers them (Apache), and are read in
    ``chain_format``. ``is_leaf_only`` refuses intermediates in the certificate header, for a product that sends none there.
    """

    name: str
    format: Format
    header: str
    chain_headers: tuple[str, ...] = ()
    chain_format: Format | None = None
    element: ElementSelector = field(default_factory=ElementSelector)
    siblings: tuple[Sibling, ...] = ()
    is_leaf_only: bool = False

    @property
    def certificate_headers(self) -> tuple[str, ...]:
        """The headers that carry certificates."""
        return (self.header, *self.chain_headers)

    @property
    def headers(self) -> tuple[str, ...]:
        """Every header that belongs to the certificate, none of which goes on to the upstream."""
        return (*self.certificate_headers, *(sibling.header for sibling in self.siblings))


def presented_chain(request: ForwardedRequest, source: Source) -> PresentedChain:
    """The chain that ``request`` presents at ``source``; raises ``Rejection`` unless there is exactly one, well formed."""
    _refuse_aliases(request, source)
    lines = request.header_lines(source.header)
    if len(lines) > 1:
        raise Rejection(Reason.HEADER_DUPLICATED, header=source.header, lines=len(lines))
    value = lines[0] if lines else b""
    chain_values = tuple(value for name in source.chain_headers for value in _chain_values(request, source, name))
    if value in _NON_VALUES and chain_values:
        raise Rejection(Reason.CHAIN_WITHOUT_CERTIFICATE, header=source.header)
    chain = decode_chain(source, value, chain_values)
    check_siblings(request, source.siblings, chain.leaf)
    return chain


def _chain_values(request: ForwardedRequest, source: Source, name: str) -> tuple[bytes, ...]:
    lines = request.header_lines(name)
    if len(lines) > 1 and _chain_form(source) not in LISTS:
        raise Rejection(Reason.HEADER_DUPLICATED, header=name, lines=len(lines))
    value = b",".join(lines)
    return () if value in _NON_VALUES else (value,)


def decode_chain(source: Source, value: bytes, chain_values: tuple[bytes, ...] = ()) -> PresentedChain:
    """Decode the header's value and those of the chain headers that were sent."""
    if value in _NON_VALUES:
        raise Rejection(Reason.CREDENTIAL_MISSING, header=source.header)
    size = len(value) + sum(map(len, chain_values))
    if size > MAX_HEADER_BYTES:
        raise Rejection(Reason.HEADER_TOO_LARGE, size=size, limit=MAX_HEADER_BYTES)
    if source.format is Format.XFCC:
        certificates = decode_xfcc(value, source.element, _parse)
    else:
        certificates = _decode(source, WIRES[source.format], value)
    if chain_values:
        wire = WIRES[_chain_form(source)]
        ders = tuple(der for text in chain_values for der in wire.decode_chain(_acceptable(wire, text)))
        certificates += _parse_all(ders)
    chain = _bounded_chain(certificates)
    if source.format is Format.BASE64_DER_LIST:
        _refuse_second_leaf(chain)
    return chain


def _chain_form(source: Source) -> Format:
    return source.chain_format or source.format


def _decode(source: Source, wire: Wire, value: bytes) -> tuple[Certificate, ...]:
    ders = wire.decode(_acceptable(wire, value))
    if len(ders) > 1 and (source.is_leaf_only or not wire.is_chain):
        raise Rejection(Reason.LEAF_AMBIGUOUS, certificates=len(ders))
    return _parse_all(ders)


def _acceptable(wire: Wire, value: bytes) -> bytes:
    if not wire.text.fullmatch(value):
        raise Rejection(Reason.HEADER_NOT_ASCII)
    return value


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


def _refuse_second_leaf(chain: PresentedChain) -> None:
    """Refuse a list whose further members are no CA certificates.

    A list is what two header lines look like once they are joined with a comma: the client's own line and the proxy's.
    """
    for certificate in chain.intermediates:
        try:
            constraints = certificate.x509.extensions.get_extension_for_class(x509.BasicConstraints).value
        except x509.ExtensionNotFound:
            constraints = None
        except CERTIFICATE_PARSE_ERRORS as error:
            raise Rejection(Reason.CERTIFICATE_MALFORMED, detail=str(error)) from error
        if constraints is None or not constraints.ca:
            raise Rejection(Reason.LEAF_AMBIGUOUS, sha256=certificate.sha256)


def _refuse_aliases(request: ForwardedRequest, source: Source) -> None:
    """CGI and WSGI map ``-`` and ``_`` to one variable: an upstream may take one name for the other."""
    canonical = {name.replace("_", "-") for name in source.headers}
    for name, _ in request.headers:
        if name not in source.headers and name.replace("_", "-") in canonical:
            raise Rejection(Reason.HEADER_ALIASED, header=name)
