"""The products under test, one row each: how to find, configure and start it, and how it writes a certificate.

To add one: a template in ``templates/`` and a row in ``PRODUCTS``. In a template ``@NAME@`` stands for a value of the run
(``lab.py``) or of the row; ``@HOP@`` is where further proofs of the hop are written.
"""

from __future__ import annotations

import base64
import copy
import getpass
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from authz_server.demo.envoys import EnvoyMissingError, find_envoy, waf_configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TEMPLATES = Path(__file__).parent / "templates"
Chain = tuple[bytes, ...]  # DER, leaf first
Values = dict[str, str]


@dataclass(frozen=True)
class Product:
    """One row. ``header`` and ``chain_headers`` are what it writes; ``encode`` writes them for the forger.

    ``settings`` is how authz-server is told to read it. ``siblings`` are headers that operators of this product commonly
    send along and that a forger adds. ``versions`` are command lines whose outputs hold the versions.
    """

    name: str
    title: str
    find: Callable[[], Path | None]
    files: Callable[[Values], dict[str, str]]
    command: tuple[str, ...]
    versions: tuple[tuple[str, ...], ...]
    header: str
    encode: Callable[[Chain], str]
    settings: Mapping[str, str]
    chain_headers: tuple[str, ...] = ()
    encode_chain: Callable[[Chain], tuple[str, ...]] = lambda _chain: ()
    sends_chain: bool = False
    siblings: tuple[tuple[str, str], ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> tuple[str, ...]:
        """Every header that carries a certificate."""
        return (self.header, *self.chain_headers)

    def forged(self, chain: Chain) -> tuple[tuple[str, str], ...]:
        """The headers as the product would write them for this chain."""
        return ((self.header, self.encode(chain)), *zip(self.chain_headers, self.encode_chain(chain), strict=False))

    def version(self) -> str:
        """The versions as the programs tell them."""
        return " · ".join(_version(command, str(self.find())) for command in self.versions)


@cache
def _version(command: tuple[str, ...], binary: str) -> str:
    words = [binary if word == "@BINARY@" else word for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    found = re.search(r"\d+\.\d+\.\d+[\w.:+~-]*", done.stdout + done.stderr)
    return found[0] if found else "unknown"


def _debian(package: str) -> tuple[str, ...]:
    return ("dpkg-query", "-W", "-f", "${Version}", package)


def on_path(name: str, *needs: str) -> Callable[[], Path | None]:
    """Finds a program on the path, beside this Python or where Debian keeps servers; ``needs`` are files that must exist."""

    def find() -> Path | None:
        folders = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
        found = shutil.which(name, path=folders)
        return Path(found) if found and all(Path(need).exists() for need in needs) else None

    return find


def _find_envoy() -> Path | None:
    try:
        return find_envoy()
    except EnvoyMissingError:
        return None


def filled(text: str, values: Mapping[str, str]) -> str:
    """The template with every ``@NAME@`` replaced, in replacements too; ``KeyError`` names a value that is missing."""
    while re.search(r"@[A-Z_]+@", text):
        text = re.sub(r"@([A-Z_]+)@", lambda found: values[found[1]], text)
    return text


def templates(*names: str) -> Callable[[Values], dict[str, str]]:
    """Configuration files made of templates."""
    return lambda values: {name: filled((TEMPLATES / name).read_text("utf-8"), values) for name in names}


def envoy_waf(**hcm: Any) -> Callable[[Values], dict[str, str]]:
    """The demo's WAF, with a listener for plain HTTP beside the one for TLS, and other settings of how it forwards."""

    def render(values: Values) -> dict[str, str]:
        config = waf_configuration(Path(values["PKI"]), int(values["TLS_PORT"]), int(values["EDGE_PORT"]))
        (listener,) = config["static_resources"]["listeners"]
        listener["filter_chains"][0]["filters"][0]["typed_config"] |= hcm
        plain = copy.deepcopy(listener) | {"name": "plain"}
        plain["address"]["socket_address"]["port_value"] = int(values["PLAIN_PORT"])
        del plain["filter_chains"][0]["transport_socket"]
        config["static_resources"]["listeners"].append(plain)
        return {"envoy.yaml": yaml.safe_dump(config)}

    return render


# -- encodings, written down from what the products send and not with authz-server's own encoders


def _pem(der: bytes) -> str:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()


def url_pem(chain: Chain) -> str:
    """nginx ``$ssl_client_escaped_cert``."""
    return quote(_pem(chain[0]), safe="")


def spaced_pem(chain: Chain) -> str:
    """PEM on one line: each line break is a space."""
    return _pem(chain[0]).replace("\n", " ")


def base64_der(chain: Chain) -> str:
    """Base64 of the leaf."""
    return base64.b64encode(chain[0]).decode()


def base64_list(chain: Chain) -> str:
    """Traefik: base64 of each certificate, joined with commas."""
    return ",".join(base64.b64encode(der).decode() for der in chain)


def xfcc(chain: Chain) -> str:
    """Envoy's text form."""
    pems = [_pem(der) for der in chain]
    return f'Hash={hashlib.sha256(chain[0]).hexdigest()};Cert="{quote(pems[0], safe="")}";Chain="{quote("".join(pems), safe="")}"'


def xfcc_json(chain: Chain) -> str:
    """Envoy's JSON form."""
    pems = [_pem(der) for der in chain]
    return json.dumps([{"hash": hashlib.sha256(chain[0]).hexdigest(), "cert": pems[0], "chain": pems}], separators=(",", ":"))


_SSL_SIBLINGS = (
    ("x-client-verify", "SUCCESS"),
    ("ssl-client-verify", "SUCCESS"),
    ("x-ssl-client-verify", "0"),
    ("x-ssl-client-s-dn", "CN=victim,O=Acme"),
    ("ssl-client-subject-dn", "CN=victim,O=Acme"),
)
_DETAILS = {"subject": True, "cert": True, "chain": True, "uri": True, "dns": True}


PRODUCTS = (
    Product(
        "nginx",
        "nginx, `$ssl_client_escaped_cert`",
        on_path("nginx"),
        templates("nginx.conf"),
        ("@BINARY@", "-c", "@FOLDER@/nginx.conf", "-p", "@FOLDER@", "-e", "stderr", "-g", "daemon off;"),
        (("@BINARY@", "-v"),),
        "x-client-cert",
        url_pem,
        {"AUTHZ_SOURCE_FORMAT": "url-pem"},
        siblings=_SSL_SIBLINGS,
        values={"VARIABLE": "$ssl_client_escaped_cert", "MODULES": "", "WAF": "", "USER": getpass.getuser()},
    ),
    Product(
        "nginx-legacy",
        "nginx, `$ssl_client_cert`",
        on_path("nginx"),
        templates("nginx.conf"),
        ("@BINARY@", "-c", "@FOLDER@/nginx.conf", "-p", "@FOLDER@", "-e", "stderr", "-g", "daemon off;"),
        (("@BINARY@", "-v"),),
        "x-client-cert",
        spaced_pem,
        {"AUTHZ_SOURCE_FORMAT": "pem-spaces", "AUTHZ_SOURCE_HEADER": "x-client-cert"},
        siblings=_SSL_SIBLINGS,
        values={"VARIABLE": "$ssl_client_cert", "MODULES": "", "WAF": "", "USER": getpass.getuser()},
    ),
    Product(
        "modsecurity",
        "ModSecurity with OWASP CRS in nginx, `$ssl_client_escaped_cert`",
        on_path("nginx", "/usr/lib/nginx/modules/ngx_http_modsecurity_module.so", "/usr/share/modsecurity-crs/rules"),
        templates("nginx.conf", "waf-rules.conf"),
        ("@BINARY@", "-c", "@FOLDER@/nginx.conf", "-p", "@FOLDER@", "-e", "stderr", "-g", "daemon off;"),
        (("@BINARY@", "-v"), _debian("libmodsecurity3"), _debian("libnginx-mod-http-modsecurity"), _debian("modsecurity-crs")),
        "x-client-cert",
        url_pem,
        {"AUTHZ_SOURCE_FORMAT": "url-pem"},
        siblings=_SSL_SIBLINGS,
        values={
            "VARIABLE": "$ssl_client_escaped_cert",
            "MODULES": "load_module /usr/lib/nginx/modules/ndk_http_module.so;\n"
            "load_module /usr/lib/nginx/modules/ngx_http_modsecurity_module.so;",
            "WAF": "modsecurity on;\n  modsecurity_rules_file @FOLDER@/waf-rules.conf;",
            "USER": getpass.getuser(),
        },
    ),
    Product(
        "haproxy",
        "HAProxy, `ssl_c_der,base64` and `ssl_c_chain_der,base64`",
        on_path("haproxy"),
        templates("haproxy.cfg"),
        ("@BINARY@", "-db", "-f", "@FOLDER@/haproxy.cfg"),
        (("@BINARY@", "-v"),),
        "x-ssl-client-cert",
        base64_der,
        {
            "AUTHZ_SOURCE_FORMAT": "base64-der",
            "AUTHZ_SOURCE_HEADER": "x-ssl-client-cert",
            "AUTHZ_SOURCE_CHAIN_HEADER": "x-ssl-client-cert-chain",
        },
        ("x-ssl-client-cert-chain",),
        lambda chain: (base64.b64encode(b"".join(chain[1:])).decode(),) if chain[1:] else (),
        sends_chain=True,
        siblings=(*_SSL_SIBLINGS, ("x-ssl", "1"), ("x-ssl-client-used", "1")),
    ),
    Product(
        "apache",
        "Apache httpd, `SSL_CLIENT_CERT` with mod_headers",
        on_path("apache2", "/usr/lib/apache2/modules/mod_proxy_http.so"),
        templates("apache.conf"),
        ("@BINARY@", "-f", "@FOLDER@/apache.conf", "-DFOREGROUND"),
        (("@BINARY@", "-v"),),
        "x-ssl-client-cert",
        spaced_pem,
        {"AUTHZ_SOURCE_FORMAT": "pem-spaces", "AUTHZ_SOURCE_HEADER": "x-ssl-client-cert"},
        tuple(f"x-ssl-client-cert-chain-{index}" for index in range(3)),
        lambda chain: tuple(spaced_pem((der,)) for der in chain[1:4]),
        siblings=_SSL_SIBLINGS,
        values={
            "MODULES": "/usr/lib/apache2/modules",
            "CHAIN_HEADER": "x-ssl-client-cert-chain",
            "IDENTITY": "User www-data\nGroup www-data" if getpass.getuser() == "root" else "",
        },
    ),
    Product(
        "traefik",
        "Traefik, passTLSClientCert",
        on_path("traefik"),
        templates("traefik.yaml", "traefik-routes.yaml"),
        ("@BINARY@", "--configFile=@FOLDER@/traefik.yaml"),
        (("@BINARY@", "version"),),
        "x-forwarded-tls-client-cert",
        base64_list,
        {"AUTHZ_SOURCE_FORMAT": "base64-der-list", "AUTHZ_SOURCE_HEADER": "x-forwarded-tls-client-cert"},
        sends_chain=True,
        siblings=(("x-forwarded-tls-client-cert-info", 'Subject%3D%22CN%3Dvictim%22'),),
    ),
    Product(
        "caddy",
        "Caddy, `tls_client_certificate_der_base64`",
        on_path("caddy"),
        templates("Caddyfile"),
        ("@BINARY@", "run", "--config", "@FOLDER@/Caddyfile"),
        (("@BINARY@", "version"),),
        "x-client-cert",
        base64_der,
        {"AUTHZ_SOURCE_FORMAT": "base64-der", "AUTHZ_SOURCE_HEADER": "x-client-cert"},
        siblings=_SSL_SIBLINGS,
    ),
    Product(
        "envoy",
        "Envoy, XFCC as text",
        _find_envoy,
        envoy_waf(),
        ("@BINARY@", "-c", "@FOLDER@/envoy.yaml", "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"),
        (("@BINARY@", "--version"),),
        "x-forwarded-client-cert",
        xfcc,
        {"AUTHZ_SOURCE_FORMAT": "xfcc"},
        sends_chain=True,
    ),
    Product(
        "envoy-json",
        "Envoy, XFCC as JSON",
        _find_envoy,
        envoy_waf(set_current_client_cert_details=_DETAILS | {"format": "JSON"}),
        ("@BINARY@", "-c", "@FOLDER@/envoy.yaml", "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"),
        (("@BINARY@", "--version"),),
        "x-forwarded-client-cert",
        xfcc_json,
        {"AUTHZ_SOURCE_FORMAT": "xfcc"},
        sends_chain=True,
    ),
    Product(
        "envoy-append",
        "Envoy that appends to the client's XFCC; authz-server takes the last element",
        _find_envoy,
        envoy_waf(forward_client_cert_details="APPEND_FORWARD"),
        ("@BINARY@", "-c", "@FOLDER@/envoy.yaml", "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"),
        (("@BINARY@", "--version"),),
        "x-forwarded-client-cert",
        xfcc,
        {"AUTHZ_SOURCE_FORMAT": "xfcc", "AUTHZ_SOURCE_ELEMENT": "last"},
        sends_chain=True,
    ),
)
