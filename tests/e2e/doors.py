"""Listeners of one Envoy: the shipped one, and such as somebody adds in a hurry. Each asks a service of its own.

A *door* is a change of the listener of ``envoy/edge-mtls.yaml``, a *house* a configuration of authz-server.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING

from authz_server.demo.envoys import free_port
from tests.e2e.certificates import WAF
from tests.e2e.configurations import (
    Config,
    add_cluster,
    context_extensions,
    http_filter,
    manager,
    set_endpoint,
    set_http2,
    shipped,
    tcp,
    virtual_host,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tests.e2e.certificates import Pki

# Where the certificates and keys are, in the settings of houses.
PKI = "PKI/"

# What each house changes of `settings`; what is empty is not set. The service of the house `absent` is never started.
HOUSES: dict[str, dict[str, str]] = {
    "xfcc": {},
    "rfc9440": {"AUTHZ_SOURCE_FORMAT": "rfc9440"},
    "url-pem": {"AUTHZ_SOURCE_FORMAT": "url-pem"},
    "by-another-proxy": {"AUTHZ_SOURCE_ELEMENT": "by=spiffe://lab/another-waf"},
    "another-waf": {"AUTHZ_HOP_PRINCIPALS": "spiffe://lab/another-waf"},
    "another-pin": {"AUTHZ_HOP_CERTIFICATE_SHA256": "00" * 32},
    "another-network": {"AUTHZ_HOP_NETWORKS": "192.0.2.0/24"},
    "anybody": {"AUTHZ_IDENTITY": "subject", "AUTHZ_ALLOW": "*"},
    "secret": {"AUTHZ_HOP_SECRET_FILES": PKI + "hop-secret"},
    "hmac": {"AUTHZ_HOP_HMAC_KEY_FILES": PKI + "hop-hmac.key"},
    "signature": {"AUTHZ_HOP_SIGNATURE_KEYS": f"waf={PKI}hop-signature.pem"},
    "sources": {
        "AUTHZ_HOP_PRINCIPALS": "",
        "AUTHZ_HOP_CONTEXT": "",
        "AUTHZ_HOPS": json.dumps(
            {
                "waf": {"principals": [WAF]},
                "appliance": {"secret_files": [PKI + "hop-secret"]},
                "signing": {"signature_keys": [f"waf={PKI}hop-signature.pem"]},
            }
        ),
        "AUTHZ_SOURCE_FORMAT": "",
        "AUTHZ_SOURCES": json.dumps(
            {
                "nginx": {"preset": "nginx"},
                "nginx-required": {"preset": "nginx", "siblings": ["verified!:x-ssl-client-verify=SUCCESS"]},
                "nginx-signed": {"preset": "nginx", "hops": ["signing"]},
                "openshift": {"preset": "openshift-router"},
                "partners": {"preset": "rfc9440", "trust_bundle_file": PKI + "partners-ca.crt", "hops": ["appliance"]},
            }
        ),
    },
    "revocation": {"AUTHZ_CRL_FILES": PKI + "crls", "AUTHZ_DENYLIST_FILE": PKI + "denylist"},
    "domains": {
        "AUTHZ_TRUST_BUNDLE_FILE": "",
        "AUTHZ_IDENTITY": "",
        "AUTHZ_TRUST_DOMAINS": json.dumps(
            {
                "default": {"trust_bundle_file": PKI + "clients-ca.crt", "identity": "spiffe"},
                "pins": {"trust_bundle_file": PKI + "waf.crt", "trust_kind": "pin"},
                "policy": {"trust_bundle_file": PKI + "clients-ca.crt", "profile_policies": ["1.3.6.1.4.1.99999.1"]},
                "svid": {
                    "trust_bundle_file": PKI + "clients-ca.crt",
                    "profile": "spiffe",
                    "spiffe_trust_domain": "lab",
                },
            }
        ),
    },
}
# The virtual host of the door `sources` whose every route is of the source `partners`.
PARTNERS = "partners.example.org"
ABSENT = "absent"


def house_settings(pki: Pki, listen: str, house: str) -> dict[str, str]:
    """The settings of a house."""
    return changed(pki, settings(pki, listen), HOUSES[house])


def changed(pki: Pki, whole: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """Settings with changes as ``HOUSES`` writes them."""
    whole = {**whole, **changes}
    return {name: value.replace(PKI, f"{pki.folder}/") for name, value in whole.items() if value}


def settings(pki: Pki, listen: str) -> dict[str, str]:
    """What every house begins with: alice behind the WAF of ``envoy/edge-mtls.yaml``, by XFCC."""
    files = {
        "AUTHZ_TLS_CERTIFICATE_FILE": "authz.crt",
        "AUTHZ_TLS_PRIVATE_KEY_FILE": "authz.key",
        "AUTHZ_TLS_CLIENT_CA_FILE": "hop-ca.crt",
        "AUTHZ_TRUST_BUNDLE_FILE": "clients-ca.crt",
    }
    return {name: str(pki.folder / file) for name, file in files.items()} | {
        "AUTHZ_LISTEN": listen,
        "AUTHZ_HOP_PRINCIPALS": WAF,
        "AUTHZ_HOP_CONTEXT": "hop=mtls",
        "AUTHZ_SOURCE_FORMAT": "xfcc",
        "AUTHZ_IDENTITY": "spiffe",
        "AUTHZ_ALLOW": "spiffe:spiffe://example.org/alice",
    }


def _edge(_listener: Config) -> None:
    """The listener as it is shipped."""


def _unmarked(listener: Config) -> None:
    context_extensions(virtual_host(listener)).pop("hop")


def _sources(listener: Config) -> None:
    """Some sources by routes of one host, another by a host of its own; the other routes of the first name none."""
    anywhere = virtual_host(listener)
    partners = copy.deepcopy(anywhere) | {"name": "partners", "domains": [PARTNERS]}
    manager(listener)["route_config"]["virtual_hosts"].append(partners)
    context_extensions(partners)["source"] = "partners"
    asking = anywhere["typed_per_filter_config"]
    for name in ("nginx", "nginx-required", "nginx-signed", "openshift", "unknown"):
        route = {"match": {"prefix": f"/{name}"}, "route": {"cluster": "app"}, "typed_per_filter_config": copy.deepcopy(asking)}
        # Only the source: the mark of the hop comes from the virtual host.
        context_extensions(route).clear()
        context_extensions(route)["source"] = name
        anywhere["routes"].insert(0, route)


def _domains(listener: Config) -> None:
    """Trust domains by routes; the other routes name none."""
    host = virtual_host(listener)
    for name in ("default", "pins", "policy", "svid", "unknown"):
        asking = copy.deepcopy(host["typed_per_filter_config"])
        route = {"match": {"prefix": f"/{name}"}, "route": {"cluster": "app"}, "typed_per_filter_config": asking}
        context_extensions(route).clear()
        context_extensions(route)["trust_domain"] = name
        host["routes"].insert(0, route)


def _sources_plaintext(listener: Config) -> None:
    _sources(listener)
    _plaintext(listener)


def _plaintext(listener: Config) -> None:
    """Marked as verified although nobody is."""
    del listener["filter_chains"][0]["transport_socket"]
    hcm = manager(listener)
    hcm["forward_client_cert_details"] = "ALWAYS_FORWARD_ONLY"
    hcm["http_filters"] = [f for f in hcm["http_filters"] if f["name"] != "envoy.filters.http.rbac"]


def _unreported(listener: Config) -> None:
    http_filter(listener, "ext_authz")["include_peer_certificate"] = False


def _tunnel(listener: Config) -> None:
    manager(listener)["upgrade_configs"] = [{"upgrade_type": "CONNECT"}]
    virtual_host(listener)["routes"].insert(0, {"match": {"connect_matcher": {}}, "route": {"cluster": "app"}})


def _underscores(listener: Config) -> None:
    manager(listener)["common_http_protocol_options"]["headers_with_underscores_action"] = "ALLOW"
    del http_filter(listener, "ext_authz")["allowed_headers"]


def _grpc_upstream(listener: Config) -> None:
    virtual_host(listener)["routes"][-1]["route"]["cluster"] = "app-grpc"


DOORS: dict[str, Callable[[Config], None]] = {
    "edge": _edge,
    "unmarked": _unmarked,
    "sources": _sources,
    "sources-plaintext": _sources_plaintext,
    "domains": _domains,
    "plaintext": _plaintext,
    "unreported": _unreported,
    "tunnel": _tunnel,
    "underscores": _underscores,
    "grpc-upstream": _grpc_upstream,
}


def edge_with_doors(
    pki: Pki, ports: Mapping[str, int], doors: Iterable[tuple[str, str]]
) -> tuple[Config, dict[tuple[str, str], int]]:
    """One Envoy with a listener for each (door, house), and their ports.

    ``ports`` are those of ``app``, of ``app-grpc`` and of each house.
    """
    config = shipped("edge-mtls.yaml", pki.folder)
    set_endpoint(config, "app", tcp(ports["app"]))
    set_http2(add_cluster(config, "app", "app-grpc", tcp(ports["app-grpc"])))
    (template,) = config["static_resources"]["listeners"]
    listeners, open_doors = [], {}
    for door, house in sorted(set(doors)):
        listener = copy.deepcopy(template)
        DOORS[door](listener)
        open_doors[door, house] = free_port()
        listener["name"] = f"{door}-{house}"
        listener["address"] = tcp(open_doors[door, house])
        http_filter(listener, "ext_authz")["grpc_service"]["envoy_grpc"]["cluster_name"] = f"authz-{house}"
        listeners.append(listener)
    for house in sorted({house for _, house in open_doors}):
        add_cluster(config, "client_cert_authz", f"authz-{house}", tcp(ports[house]))
    clusters = config["static_resources"]["clusters"]
    config["static_resources"] = {
        "listeners": listeners,
        "clusters": [each for each in clusters if each["name"] != "client_cert_authz"],
    }
    return config, open_doors
