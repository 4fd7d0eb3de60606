"""What the writers make of alice's chain, and what decoding a value comes to."""

from __future__ import annotations

import pytest

from authz_server.forwarded import ElementSelector, Format, Source, decode_chain
from authz_server.forwarded.xfcc_element import XfccElement
from authz_server.forwarded.xfcc_json import encode_json_elements
from authz_server.forwarded.xfcc_text import encode_text_elements
from authz_server.model import PresentedChain
from authz_server.reasons import Reason, Rejection
from tests.pki import SPIFFE, alice, certificate
from tests.samples import source

LEAF, ABOVE = alice().chain_der
HASH = certificate(alice()).sha256
URL_PEM, RFC9440, XFCC = source(Format.URL_PEM), source(Format.RFC9440), source(Format.XFCC)
SPLIT_PEM = source(Format.URL_PEM, chain_headers=("x-client-chain",))
ENCODERS = [encode_text_elements, encode_json_elements]


def xfcc(element: str) -> Source:
    """XFCC with this choice of the element."""
    return source(Format.XFCC, element=ElementSelector.from_text(element))


def alices() -> XfccElement:
    """The element of a proxy that writes down everything that Envoy can."""
    return XfccElement(
        by=("spiffe://example.org/edge",),
        hash=HASH,
        cert=(LEAF,),
        chain=(LEAF, ABOVE),
        subject='CN="alice\\,O=Acme',
        issuer="CN=Intermediate",
        uri=(SPIFFE,),
        dns=("alice.example.org",),
    )


def decoded(where: Source, value: str | bytes, chain: str | None = None) -> PresentedChain:
    """What the value and the chain header's value decode to."""
    text = value if isinstance(value, bytes) else value.encode("latin-1")
    return decode_chain(where, text, () if chain is None else (chain.encode(),))


def refused(where: Source, value: str | bytes, chain: str | None = None) -> Reason:
    """The reason why they are refused."""
    with pytest.raises(Rejection) as refusal:
        decoded(where, value, chain)
    return refusal.value.reason
