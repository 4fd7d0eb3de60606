"""Trailers come behind the header, past every early mutation: they must not carry a client's own identity either."""

from __future__ import annotations

import pytest

from tests.e2e import sites
from tests.e2e.certificates import ALICE, xfcc
from tests.e2e.http2 import h2_upstream, post

PREFIX = "x-auth-client-"
SPOOFED = (("x-auth-client-name", "admin"), ("x-auth-client-role", "admin"))


@pytest.fixture(scope="module")
def http2_upstream():
    with h2_upstream() as server:
        yield server


@pytest.fixture(scope="module", params=sites.NAMES)
def site(request, binary, pki, http2_upstream, tmp_path_factory):
    """The set-up around one shipped configuration, with an upstream that speaks HTTP/2."""
    folder = tmp_path_factory.mktemp("trailers")
    with sites.site(request.param, binary, pki, http2_upstream.port, folder, is_app_http2=True) as running:
        yield running


@pytest.mark.parametrize("path", ["/orders", "/open"])
def test_spoofed_trailers(site, pki, http2_upstream, path):
    """Identity headers in a request's trailers never reach an HTTP/2 upstream; other trailers do."""
    headers = (("x-forwarded-client-cert", xfcc(pki.alice)), *SPOOFED)
    trailers = (*SPOOFED, ("x-checksum", "1"))

    assert post(site.port, headers, trailers, site.tls, source=site.source, path=path) == 200

    received = http2_upstream.received[-1]
    names = [value for name, value in received.headers if name == PREFIX + "name"]
    assert names == ([ALICE] if path == "/orders" else [])
    assert received.trailers == (("x-checksum", "1"),)
