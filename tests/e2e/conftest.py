"""What the tests against the real Envoy share: the version, the certificates, the upstream."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass

import pytest

from authz_server.demo.envoys import EnvoyMissingError, free_port
from tests.e2e import vouching, wire
from tests.e2e.certificates import Pki
from tests.e2e.doors import ABSENT, HOUSES, edge_with_doors, house_settings
from tests.e2e.grpc_peers import echoing_server
from tests.e2e.processes import AuthzServer, authz_servers, envoy
from tests.e2e.refusals import ROWS
from tests.e2e.versions import envoy_binary, wanted_versions

# Doors that tests beside those of `refusals.py` go through.
DOORS = {(row.door, row.house) for row in ROWS} | {
    ("edge", ABSENT),
    ("edge", "anybody"),
    ("domains", "domains"),
    ("edge", "hmac"),
    ("sources-plaintext", "sources"),
    ("grpc-upstream", "xfcc"),
    ("grpc-upstream", ABSENT),
}


@pytest.fixture(scope="session", params=wanted_versions())
def envoy_version(request):
    """Each Envoy that is to be tested; one that is not installed is skipped by name."""
    try:
        envoy_binary(request.param)
    except EnvoyMissingError as error:
        pytest.skip(str(error))
    return request.param


@pytest.fixture(scope="session")
def binary(envoy_version):
    """Its binary."""
    return envoy_binary(envoy_version)


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    """The certificates of the whole run, and the keys by which the WAF proves itself."""
    made = Pki(tmp_path_factory.mktemp("pki"))
    vouching.write_keys(made.folder)
    return made


@pytest.fixture(scope="session")
def upstream():
    """The upstream behind every Envoy."""
    with wire.upstream() as server:
        yield server


@dataclass(frozen=True, slots=True)
class Edge:
    """An Envoy with many doors: ports by (door, house), the services by house, and the version it reports."""

    ports: dict[tuple[str, str], int]
    houses: dict[str, AuthzServer]
    version: str


@pytest.fixture(scope="session")
def houses(pki, tmp_path_factory):
    """A running authz-server for each house, with the port it listens on."""
    ports = {house: free_port() for house in HOUSES}
    configured = {house: house_settings(pki, f"127.0.0.1:{port}", house) for house, port in ports.items()}
    with authz_servers(tmp_path_factory.mktemp("houses"), configured) as servers:
        yield servers, ports


@pytest.fixture(scope="session")
def grpc_upstream():
    """An upstream that speaks gRPC: it answers every call with the metadata that it got."""
    with echoing_server() as port:
        yield port


@pytest.fixture(scope="session")
def edge(binary, pki, houses, upstream, grpc_upstream, tmp_path_factory):
    """The edge with every door that a test goes through."""
    servers, house_ports = houses
    ports = house_ports | {"app": upstream.port, "app-grpc": grpc_upstream, ABSENT: free_port()}
    config, doors = edge_with_doors(pki, ports, DOORS)
    admin = config["admin"]["address"]["socket_address"]["port_value"]
    with envoy(binary, config, tmp_path_factory.mktemp("edge"), "edge"):
        yield Edge(doors, servers, _version(admin))


def _version(admin_port: int) -> str:
    """``1.40.0`` out of Envoy's ``REVISION/1.40.0/Clean/RELEASE/BoringSSL``."""
    with urllib.request.urlopen(f"http://127.0.0.1:{admin_port}/server_info", timeout=5) as answer:
        return json.load(answer)["version"].split("/")[1]
