"""Configurations of proxies that let a client's own header through: what the service can notice, and what it cannot.

The proof of the hop shows that a request came through the proxy. Whether the proxy wrote the certificate header is the proxy's
configuration, and for these there is no defence behind it but another proof: a signature over the header, or a sibling that
must be there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from tests.interop.attacks import Forger
from tests.interop.lab import TLS, Lab
from tests.interop.products import PRODUCTS, Product, envoy_waf

REVOKED = "A client whom the product itself refused"
SECTION = "Careless configurations of the product"
ROWS = {product.name: product for product in PRODUCTS}


@dataclass(frozen=True)
class Careless:
    """A product's configuration with a mistake, and what a forger without and with a certificate of his own gets."""

    title: str
    product: Product
    nobody: str
    mallory: str


def _with(name: str, **values: str) -> Product:
    return replace(ROWS[name], values=dict(ROWS[name].values) | values)


CARELESS = (
    Careless(
        "nginx: no `proxy_set_header` for the certificate, but for the verify result, names and serial number",
        _with("nginx", FORWARD=""),
        "proxy_verification_failed",
        "sibling_mismatch",
    ),
    Careless(
        "nginx: a location with a `proxy_set_header` of its own, which inherits none of the others",
        _with("nginx", FORWARD="", SIBLINGS=""),
        "victim",
        "victim",
    ),
    Careless(
        "HAProxy: `add-header` in place of `set-header`",
        _with("haproxy", SET="add-header"),
        "header_duplicated",
        "header_duplicated",
    ),
    Careless("Traefik: `forwardedHeaders.insecure: true`", _with("traefik", INSECURE="true"), "victim", "mallory"),
    Careless(
        "Envoy: `FORWARD_ONLY`",
        replace(ROWS["envoy"], files=envoy_waf(forward_client_cert_details="FORWARD_ONLY")),
        "credential_missing",
        "victim",
    ),
    Careless(
        "Envoy: `ALWAYS_FORWARD_ONLY`",
        replace(ROWS["envoy"], files=envoy_waf(forward_client_cert_details="ALWAYS_FORWARD_ONLY")),
        "victim",
        "victim",
    ),
)


@pytest.mark.parametrize("careless", CARELESS, ids=lambda careless: careless.title)
def test_careless_configuration(careless, certificates, upstream, report, tmp_path_factory):
    """The row's configuration ends as the row says: the page tells operators what to look for in theirs."""
    if careless.product.find() is None:
        pytest.skip(f"{careless.product.name}: not installed (tests/interop/install.sh)")
    forger = Forger(careless.product, certificates.issued["victim"].chain_der, certificates.issued["mallory"].chain_der)
    with Lab(careless.product, tmp_path_factory.mktemp("careless"), certificates.folder, upstream.port).start() as lab:
        outcomes = [lab.send(TLS, client, forger.line()) for client in (None, "mallory")]

    names = {certificates.sha256(name): name for name in ("victim", "mallory")}
    seen = [names.get(outcome.sha256, outcome.reason) for outcome in outcomes]
    for column, outcome, what in zip(("no certificate", "own certificate"), outcomes, seen, strict=True):
        report.add(SECTION, careless.title, column, f"**{what}**" if outcome.by == "application" else f"`{what}`")
    assert seen == [careless.nobody, careless.mallory]


# HAProxy lets clients in whose certificate it refused, and says so in the verify result.
LENIENT = {"LENIENCY": "crl-file @PKI@/clients.crl crt-ignore-err all"}


@pytest.mark.parametrize(
    ("title", "values", "expected"),
    [
        ("HAProxy: `crt-ignore-err all` with a CRL", LENIENT, ["proxy_verification_failed", "revoked"]),
        (
            "the same with `http-request del-header Connection`",
            LENIENT | {"CONNECTION": "http-request del-header Connection"},
            ["proxy_verification_failed", "proxy_verification_failed"],
        ),
    ],
)
def test_verify_result_that_the_client_removes(title, values, expected, certificates, upstream, report, tmp_path_factory):
    """HAProxy passes a client's Connection header on, and Envoy removes what it names: a verify result too."""
    product = _with("haproxy", **values)
    if product.find() is None:
        pytest.skip("haproxy: not installed (tests/interop/install.sh)")
    with Lab(product, tmp_path_factory.mktemp("careless"), certificates.folder, upstream.port).start() as lab:
        ways = {"as it is": (), "with `Connection: x-ssl-client-verify`": (b"Connection: close, x-ssl-client-verify",)}
        outcomes = {column: lab.send(TLS, "revoked", *lines) for column, lines in ways.items()}

    names = {certificates.sha256("revoked"): "revoked"}
    seen = [names.get(outcome.sha256, outcome.reason) for outcome in outcomes.values()]
    for (column, outcome), what in zip(outcomes.items(), seen, strict=True):
        report.add(REVOKED, title, column, f"**{what}**" if outcome.by == "application" else f"`{what}`")
    assert seen == expected
