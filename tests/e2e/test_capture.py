"""The committed CheckRequests are still what Envoy sends."""

from __future__ import annotations

import pytest
from envoy.service.auth.v3 import external_auth_pb2

from tests.e2e.capture import FIXTURES, VALIDITY, VERSIONS, capture
from tests.e2e.certificates import Pki
from tests.e2e.versions import version_tuple


@pytest.fixture(scope="module")
def captured(envoy_version, binary, tmp_path_factory):
    """What this Envoy sends for every case, by file name."""
    assert binary.is_file()
    folder = tmp_path_factory.mktemp("capture")
    return capture(envoy_version, Pki(folder, **VALIDITY), folder)


def shape(message):
    """What is set in the message and which headers it holds, without their values."""
    attributes = external_auth_pb2.CheckRequest.FromString(message).attributes
    http = attributes.request.http
    return {
        "attributes": sorted(field.name for field, _ in attributes.ListFields()),
        "source": sorted(field.name for field, _ in attributes.source.ListFields()),
        "http": sorted(field.name for field, _ in http.ListFields()),
        "headers": sorted([line.key for line in http.header_map.headers] + list(http.headers)),
        "path": http.path,
        "protocol": http.protocol,
    }


def test_as_committed(captured, envoy_version):
    """Every case gives a message of the same shape as its fixture, of the nearest captured version before."""
    version = max((v for v in VERSIONS if version_tuple(v) <= version_tuple(envoy_version)), key=version_tuple)
    for file, message in captured.items():
        fixture = FIXTURES / version / file
        if not fixture.exists():
            # The JSON forms, which the fixtures of an older line do not have.
            assert "json" in file
            fixture = FIXTURES / VERSIONS[-1] / file
        assert shape(message) == shape(fixture.read_bytes()), file
