"""Labs, one product after the other, and the report at the end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from authz_server.demo.envoys import free_port
from tests.interop.lab import INTERMEDIATES, ROOTS, Lab
from tests.interop.pki import Certificates
from tests.interop.products import PRODUCTS
from tests.interop.report import Report
from tests.interop.upstream import Upstream

ROOT = Path(__file__).parents[2]
REPORT = pytest.StashKey[Report]()
RECORD = bool(os.environ.get("INTEROP_RECORD"))


def pytest_configure(config):
    config.stash[REPORT] = Report()


def pytest_terminal_summary(terminalreporter, config):
    report = config.stash[REPORT]
    if report.cells:
        terminalreporter.section("interop")
        terminalreporter.write_line(report.tables(PRODUCTS))
    for product, reason in report.skipped.items():
        terminalreporter.write_line(f"not run: {product}: {reason}")


def pytest_sessionfinish(session, exitstatus):
    report = session.config.stash[REPORT]
    ran = {product for rows in report.cells.values() for cells in rows.values() for product in cells}
    if RECORD and exitstatus == 0 and ran >= {product.name for product in PRODUCTS}:
        report.write(ROOT / "docs/interop.md", PRODUCTS)


@pytest.fixture(scope="session")
def report(request):
    """Where cells are written down."""
    return request.config.stash[REPORT]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """The PKI of the run."""
    return Certificates(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def upstream():
    """The application behind every Envoy."""
    with Upstream(free_port()) as upstream:
        yield upstream


@pytest.fixture(scope="session", params=PRODUCTS, ids=lambda product: product.name)
def product(request, report):
    """One product of the table; skipped by name where it is not installed."""
    if request.param.find() is None:
        reason = "not installed (tests/interop/install.sh)"
        if os.environ.get("INTEROP_REQUIRE_ALL"):
            pytest.fail(f"{request.param.name}: {reason}")
        report.skipped[request.param.name] = reason
        pytest.skip(f"{request.param.name}: {reason}")
    return request.param


@pytest.fixture(scope="session")
def start(product, certificates, upstream, tmp_path_factory):
    """Starts a lab of the product."""

    def start(**options):
        folder = tmp_path_factory.mktemp(product.name)
        return Lab(product, folder, certificates.folder, upstream.port).start(**options)

    return start


@pytest.fixture(scope="session")
def lab(start):
    """The product before authz-server that trusts the clients' root."""
    with start(bundle=ROOTS) as lab:
        yield lab


@pytest.fixture(scope="session")
def lab_with_intermediates(start):
    """The same with the intermediates in the trust bundle."""
    with start(bundle=INTERMEDIATES) as lab:
        yield lab


@pytest.fixture(scope="session")
def recording(start):
    """The product before a service that writes down what it is asked."""
    with start(record=True) as lab:
        yield lab


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    lab = item.funcargs.get("lab") if hasattr(item, "funcargs") else None
    if outcome.get_result().failed and lab is not None:
        outcome.get_result().sections.append(("logs", lab.logs()))
