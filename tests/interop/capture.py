"""What a product sends for the fixed client and for nobody, as ext_authz gets it from Envoy; kept as fixtures.

``make interop-record`` writes them to ``tests/fixtures/captured_headers/``, where the tests of the decoders read them: so
these run against real products' bytes on machines that have none of the products.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.interop.lab import TLS, Lab
from tests.interop.products import PRODUCTS

if TYPE_CHECKING:
    from authz_server.demo.pki import Issued
    from tests.interop.products import Product

FOLDER = Path(__file__).parents[1] / "fixtures/captured_headers"
_ENVOY = next(product for product in PRODUCTS if product.name == "envoy")


@dataclass(frozen=True)
class Captured:
    """One fixture, ``document`` as it is written."""

    document: dict[str, Any]

    @property
    def content(self) -> dict[str, Any]:
        """All but the versions: another version that sends the same bytes is no change."""
        return {key: value for key, value in self.document.items() if key not in {"version", "envoy"}}

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return FOLDER / f"{self.document['product']}.json"

    def write(self) -> None:
        """Keep it; a file whose content is the same stays as it is, but for versions."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(self.document, indent=2) + "\n", "utf-8")

    @classmethod
    def read(cls, product: str) -> Captured:
        """The one that is kept for this product."""
        return cls(json.loads((FOLDER / f"{product}.json").read_text("utf-8")))


def capture(lab: Lab, product: Product, client: Issued) -> Captured:
    """Send two requests through a recording ``lab`` and take down the product's header lines."""
    ders = client.chain_der
    return Captured(
        {
            "product": product.name,
            "version": product.version(),
            "envoy": _ENVOY.version(),
            "captured_by": "make interop-record",
            "preset": product.settings["AUTHZ_SOURCE_PRESET"],
            "leaf_sha256": hashlib.sha256(ders[0]).hexdigest(),
            "intermediates_sha256": [hashlib.sha256(der).hexdigest() for der in ders[1:]] if product.sends_chain else [],
            "lines": _lines(lab, product, "fixed"),
            "lines_without_certificate": _lines(lab, product, None),
        }
    )


def _lines(lab: Lab, product: Product, client: str | None) -> list[list[str]]:
    """The header lines of the product's preset, in the order in which Envoy hands them over; bytes as Latin-1."""
    lab.recorder.seen.clear()
    outcome = lab.send(TLS, client)
    assert outcome.by == "application", f"{outcome}\n{lab.logs()}"
    (seen,) = lab.recorder.seen
    # In the order of the preset: products that keep headers in a map (Traefik, Caddy) send them in any order.
    return [[name, value.decode("latin-1")] for header in product.headers for name, value in seen if name == header]
