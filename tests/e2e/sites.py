"""Each shipped configuration as a whole: its Envoy, its authz-server, and how the WAF connects to it."""

from __future__ import annotations

import re
import textwrap
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from authz_server.demo.envoys import free_port, shipped_configuration
from tests.e2e import doors
from tests.e2e.configurations import (
    INSIDE,
    SUBNET,
    Config,
    cluster,
    local,
    manager,
    pipe,
    set_endpoint,
    set_http2,
    set_listener,
    shipped,
    tcp,
)
from tests.e2e.processes import AuthzServer, envoy
from tests.e2e.wire import Answer, Headers, exchange, hop_tls, request_bytes

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from tests.e2e.certificates import Pki

NAMES = ("edge-mtls.yaml", "edge-plaintext.yaml", "add-to-existing.yaml")

_EXISTING = Path(__file__).with_name("existing.yaml")
_PART = re.compile(r"^[ ]*# =+ BEGIN part (\d of 3(?: \(\w\))?).*?\n(.*?)^[ ]*# =+ END part", re.DOTALL | re.MULTILINE)

# What an operator adds by the guide: an exact path that asks nobody. Here it reaches the upstream, unlike the shipped one.
OPEN_ROUTE = {
    "match": {"path": "/open"},
    "route": {"cluster": "app"},
    "typed_per_filter_config": {
        "envoy.filters.http.ext_authz": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
            "disabled": True,
        }
    },
}


@dataclass(frozen=True, slots=True)
class Site:
    """A running set-up, and the WAF's way into it."""

    name: str
    port: int
    tls: ssl.SSLContext | None
    source: str
    server: AuthzServer

    def ask(self, headers: Headers = (), line: str = "GET /orders") -> Answer:
        """Send a request as the WAF does."""
        return exchange(self.port, request_bytes(headers, line), self.tls, source=self.source)


def guide_parts() -> dict[str, object]:
    """The parts of ``envoy/add-to-existing.yaml`` between the marks, by number."""
    found = _PART.findall(shipped_configuration("add-to-existing.yaml"))
    return {name: yaml.safe_load(textwrap.dedent(text)) for name, text in found}


def spliced(pki: Path) -> Config:
    """The existing configuration with the parts put where ``docs/guide/add-to-envoy.md`` says."""
    config, parts = local(_EXISTING.read_text(), pki), guide_parts()
    hcm = manager(config["static_resources"]["listeners"][0])
    hcm |= parts["1 of 3"]
    hcm["http_filters"][0:0] = parts["2 of 3 (a)"]
    for host in hcm["route_config"]["virtual_hosts"]:
        host.update(parts["2 of 3 (b)"])
    config["static_resources"]["clusters"] += parts["3 of 3"]
    return config


@contextmanager
def site(
    name: str, binary: Path, pki: Pki, app_port: int, folder: Path, *, is_app_http2: bool = False, **changes: str
) -> Iterator[Site]:
    """The configuration ``name`` in action; ``changes`` of its settings are written as those of ``doors.HOUSES``."""
    socket = folder / "authz.sock"
    port, authz_port = free_port(), free_port()
    if name == "edge-plaintext.yaml":
        config, address, listen = shipped(name, pki.folder), pipe(socket), f"unix:{socket}"
    elif name == "edge-mtls.yaml":
        config, address, listen = shipped(name, pki.folder), tcp(authz_port), f"127.0.0.1:{authz_port}"
    else:
        config, address, listen = spliced(pki.folder), tcp(authz_port), f"127.0.0.1:{authz_port}"
    set_listener(config, port)
    set_endpoint(config, "client_cert_authz", address)
    set_endpoint(config, "app", tcp(app_port))
    if is_app_http2:
        set_http2(cluster(config, "app"))
    for host in manager(config["static_resources"]["listeners"][0])["route_config"]["virtual_hosts"]:
        host["routes"].insert(0, OPEN_ROUTE)
    with AuthzServer(folder, name, doors.changed(pki, _settings(name, pki, listen), changes)) as server:
        server.wait_until_ready()
        with envoy(binary, config, folder, name):
            is_tls = name != "edge-plaintext.yaml"
            yield Site(name, port, hop_tls(pki.folder) if is_tls else None, "127.0.0.1" if is_tls else INSIDE, server)


def _settings(name: str, pki: Pki, listen: str) -> dict[str, str]:
    """The settings that each file's first lines name."""
    whole = doors.settings(pki, listen)
    if name == "edge-mtls.yaml":
        return whole
    plain = {key: value for key, value in whole.items() if not key.startswith("AUTHZ_TLS_")}
    if name == "add-to-existing.yaml":
        return plain
    plain = {key: value for key, value in plain.items() if key not in {"AUTHZ_HOP_PRINCIPALS", "AUTHZ_HOP_CONTEXT"}}
    return plain | {"AUTHZ_HOP_NETWORKS": f"{SUBNET}0/24"}
