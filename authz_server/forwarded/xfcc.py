"""``xfcc``: Envoy's X-Forwarded-Client-Cert, its elements and which of them speaks of the client.

Text and JSON form (``xfcc_text.py``, ``xfcc_json.py``) are told apart by the first byte, because Envoy itself keeps the
form that it finds when it appends. Source: Envoy, "HTTP header manipulation", x-forwarded-client-cert.

Envoy writes the URI and DNS names of a certificate into the text form as they are. A client whose certificate holds the
name ``spiffe://a,Hash=…;Cert="…"`` can thereby write keys and whole elements. Hence: no key twice, every ``Hash``, ``URI``
and ``DNS`` must be that of the certificate beside it, and identity is never read from them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cryptography import x509

from authz_server.forwarded.xfcc_json import decode_json_elements
from authz_server.forwarded.xfcc_text import decode_text_elements
from authz_server.model import CERTIFICATE_PARSE_ERRORS, Certificate
from authz_server.reasons import Reason, Rejection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authz_server.forwarded.xfcc_element import XfccElement


_TEXT = re.compile(rb"[\t -~]*")
_HOPS = re.compile(r"[1-9][0-9]?")


class ElementChoice(StrEnum):
    """Which element of the header speaks of the end client. Proxies append theirs at the end."""

    SOLE = "sole"
    FIRST = "first"
    LAST = "last"
    BY = "by"
    HOPS = "hops"


@dataclass(frozen=True, slots=True)
class ElementSelector:
    """Which element is meant.

    For ``by`` it is that of the proxy with this URI (Envoy's ``By`` key). ``hops`` says how many trusted proxies append an
    element: the client's is so many from the end, and what stands before it is anybody's word.
    """

    choice: ElementChoice = ElementChoice.SOLE
    by: str = ""
    hops: int = 0

    @classmethod
    def from_text(cls, text: str) -> ElementSelector:
        """Parse ``sole``, ``first``, ``last``, ``by=URI`` or ``hops=N``; raises ``ValueError`` for anything else."""
        name, _, operand = text.partition("=")
        choice = ElementChoice(name)
        if choice is ElementChoice.HOPS and _HOPS.fullmatch(operand):
            return cls(choice, hops=int(operand))
        if choice is ElementChoice.HOPS or (choice is ElementChoice.BY) != bool(operand):
            msg = "expected sole, first, last, by=URI or hops=N"
            raise ValueError(msg)
        return cls(choice, by=operand)


# What a smuggled element behind the chosen one would change.
_FROM_THE_END = (ElementChoice.LAST, ElementChoice.BY, ElementChoice.HOPS)


def decode_xfcc(value: bytes, selector: ElementSelector, parse: Callable[[bytes], Certificate]) -> tuple[Certificate, ...]:
    """The certificates of the chosen element, leaf first; every element that holds a certificate must be consistent."""
    if not _TEXT.fullmatch(value):
        raise Rejection(Reason.HEADER_NOT_ASCII)
    text = value.decode("ascii")
    elements = decode_json_elements(text) if text[0] in "[{" else decode_text_elements(text)
    chosen = _choose(elements, selector)
    chains = {element: _consistent_chain(element, parse) for element in elements}
    if selector.choice in _FROM_THE_END:
        _refuse_unverifiable(chains)
    if not chains[chosen]:
        raise Rejection(Reason.XFCC_CERTIFICATE_MISSING)
    return chains[chosen]


def _refuse_unverifiable(chains: Mapping[XfccElement, tuple[Certificate, ...]]) -> None:
    """Elements behind one whose names cannot be compared with its certificate may have been written by those names."""
    if any(not chain and (element.uri or element.dns) for element, chain in chains.items()):
        raise Rejection(Reason.XFCC_CERTIFICATE_MISSING, keys=["URI", "DNS"])


def _choose(elements: tuple[XfccElement, ...], selector: ElementSelector) -> XfccElement:
    if selector.choice is ElementChoice.FIRST:
        return elements[0]
    if selector.choice is ElementChoice.LAST:
        return elements[-1]
    if selector.choice is ElementChoice.HOPS:
        if len(elements) < selector.hops:
            raise Rejection(Reason.XFCC_ELEMENT_NOT_FOUND, elements=len(elements), hops=selector.hops)
        return elements[-selector.hops]
    candidates = elements
    if selector.choice is ElementChoice.BY:
        candidates = tuple(element for element in elements if selector.by in element.by)
        if not candidates:
            raise Rejection(Reason.XFCC_ELEMENT_NOT_FOUND, by=selector.by)
    if len(candidates) > 1:
        raise Rejection(Reason.XFCC_ELEMENT_AMBIGUOUS, elements=len(candidates))
    return candidates[0]


def _consistent_chain(element: XfccElement, parse: Callable[[bytes], Certificate]) -> tuple[Certificate, ...]:
    """The element's certificates, leaf first; raises ``Rejection(XFCC_INCONSISTENT)`` where its keys contradict them."""
    if not element.cert and not element.chain:
        return ()
    chain = tuple(parse(der) for der in element.chain or element.cert)
    leaf = chain[0]
    if element.cert and element.cert != (leaf.der,):
        raise Rejection(Reason.XFCC_INCONSISTENT, keys=["Cert", "Chain"])
    if element.hash is not None and element.hash != leaf.sha256:
        raise Rejection(Reason.XFCC_INCONSISTENT, keys=["Hash"])
    _compare_names(element, leaf)
    return chain


def _compare_names(element: XfccElement, leaf: Certificate) -> None:
    """A name that was cut off, split or added by the header's own syntax differs from the certificate's."""
    if element.uri is None and element.dns is None:
        return
    try:
        extension = leaf.x509.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = extension.value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        dns = names.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        uris, dns = [], []
    except CERTIFICATE_PARSE_ERRORS as error:
        raise Rejection(Reason.CERTIFICATE_MALFORMED, detail=str(error)) from error
    # Envoy writes `URI=` when the name is asked for and the certificate has none.
    if element.uri is not None and [uri for uri in element.uri if uri] != uris:
        raise Rejection(Reason.XFCC_INCONSISTENT, keys=["URI"])
    if element.dns is not None and [name for name in element.dns if name] != dns:
        raise Rejection(Reason.XFCC_INCONSISTENT, keys=["DNS"])
