"""What real products sent, captured by the interop suite: decoded as their presets say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from authz_server.forwarded import PRESETS, ElementSelector, presented_chain
from authz_server.reasons import Reason, Rejection
from tests.samples import request

FOLDER = Path(__file__).parents[1] / "fixtures/captured_headers"
CAPTURED = [json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))]

each_product = pytest.mark.parametrize("captured", CAPTURED, ids=lambda captured: captured["product"])


def presented(captured, lines):
    """The chain that these header lines present by the product's preset."""
    source = PRESETS[captured["preset"]].source("default", ElementSelector())
    return presented_chain(request(*((name, value.encode("latin-1")) for name, value in lines)), source)


@each_product
def test_certificate_and_chain(captured):
    """The client's certificate comes out byte for byte, and the intermediates that the product forwards."""
    chain = presented(captured, captured["lines"])

    assert chain.leaf.sha256 == captured["leaf_sha256"]
    assert [each.sha256 for each in chain.intermediates] == captured["intermediates_sha256"]


@each_product
def test_without_a_certificate(captured):
    """Whatever the product writes for a client without a certificate is no certificate."""
    with pytest.raises(Rejection) as refusal:
        presented(captured, captured["lines_without_certificate"])

    assert refusal.value.reason is Reason.CREDENTIAL_MISSING


@each_product
def test_cut_short(captured):
    """Half of the certificate header is refused by name."""
    (header, value), *rest = captured["lines"]
    with pytest.raises(Rejection) as refusal:
        presented(captured, [(header, value[: len(value) // 2]), *rest])

    assert refusal.value.reason is not Reason.CREDENTIAL_MISSING


def test_every_product_is_there():
    """The fixtures are found."""
    assert len(CAPTURED) >= 10
