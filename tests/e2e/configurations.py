"""The shipped Envoy configurations on this machine: addresses and certificate files replaced, nothing else."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import yaml

from authz_server.demo.envoys import free_port, shipped_configuration

if TYPE_CHECKING:
    from pathlib import Path

Config = dict[str, Any]

_SHIPPED_PKI = "/etc/envoy/pki"
_SHIPPED_SUBNET = "10.20.30."
# Every address of 127.0.0.0/8 is this machine's: so a subnet has an inside and an outside here too.
SUBNET = "127.20.30."
INSIDE, OUTSIDE = SUBNET + "7", "127.0.0.1"


def local(text: str, pki: Path) -> Config:
    """A configuration's text with the certificate folder and the subnet of this machine."""
    return yaml.safe_load(text.replace(_SHIPPED_PKI, str(pki)).replace(_SHIPPED_SUBNET, SUBNET))


def shipped(name: str, pki: Path) -> Config:
    """A shipped configuration; its addresses are still those of the file, but for the admin port."""
    config = local(shipped_configuration(name), pki)
    if "admin" in config:
        config["admin"]["address"] = tcp(free_port())
    return config


def tcp(port: int) -> Config:
    """An address on loopback."""
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def pipe(path: Path) -> Config:
    """The address of a Unix socket."""
    return {"pipe": {"path": str(path)}}


def set_listener(config: Config, port: int) -> None:
    """Let the one listener listen here; on every address of loopback, as the shipped ones listen on every interface."""
    (listener,) = config["static_resources"]["listeners"]
    listener["address"] = {"socket_address": {"address": "0.0.0.0", "port_value": port}}


def cluster(config: Config, name: str) -> Config:
    """The cluster of this name."""
    (found,) = [each for each in config["static_resources"]["clusters"] if each["name"] == name]
    return found


def set_endpoint(config: Config, name: str, address: Config) -> None:
    """Let the cluster's one endpoint be at ``address``."""
    (locality,) = cluster(config, name)["load_assignment"]["endpoints"]
    (endpoint,) = locality["lb_endpoints"]
    endpoint["endpoint"]["address"] = address


def add_cluster(config: Config, like: str, name: str, address: Config) -> Config:
    """Add a copy of the cluster ``like``."""
    added = copy.deepcopy(cluster(config, like))
    added["name"] = added["load_assignment"]["cluster_name"] = name
    config["static_resources"]["clusters"].append(added)
    set_endpoint(config, name, address)
    return added


def set_http2(upstream: Config) -> None:
    """Let Envoy speak HTTP/2 to this cluster."""
    name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    upstream["typed_extension_protocol_options"] = {
        name: {"@type": f"type.googleapis.com/{name}", "explicit_http_config": {"http2_protocol_options": {}}}
    }


def manager(listener: Config) -> Config:
    """The HttpConnectionManager of a listener."""
    return listener["filter_chains"][0]["filters"][-1]["typed_config"]


def http_filter(listener: Config, name: str) -> Config:
    """The typed configuration of an HTTP filter: ``ext_authz``, ``rbac``."""
    (found,) = [f for f in manager(listener)["http_filters"] if f["name"] == f"envoy.filters.http.{name}"]
    return found["typed_config"]


def virtual_host(listener: Config) -> Config:
    """The listener's one virtual host."""
    (host,) = manager(listener)["route_config"]["virtual_hosts"]
    return host


def context_extensions(scope: Config) -> Config:
    """The marks of a virtual host or route."""
    settings = scope["typed_per_filter_config"]["envoy.filters.http.ext_authz"]
    return settings["check_settings"]["context_extensions"]
