"""The products under test, one row each: how to find, configure and start it, and how it writes a certificate.

To add one: a template in ``templates/`` and a row in ``PRODUCTS``. In a template ``@NAME@`` stands for a value of the run
(``lab.py``) or of the row; ``@HOP@`` is where a row writes further proofs of the hop (its value ``HOP``). Every product shows
Envoy a client certificate of its own; a further proof comes on top.
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
from authz_server.forwarded import PRESETS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authz_server.forwarded.presets import Preset

TEMPLATES = Path(__file__).parent / "templates"
Chain = tuple[bytes, ...]  # DER, leaf first
Values = dict[str, str]


@dataclass(frozen=True)
class Product:
    """One row.

    ``settings`` is how authz-server is told to read it, with a preset; ``encode`` writes the certificate header and
    ``encode_chain`` the chain headers for the forger. ``values`` are for the template, ``secrets`` files with a secret that it
    and authz-server share. ``hop_headers`` carry a further proof of the hop. ``versions`` are command lines whose outputs hold
    the versions.
    """

    name: str
    title: str
    find: Callable[[], Path | None]
    files: Callable[[Values], dict[str, str]]
    command: tuple[str, ...]
    versions: tuple[tuple[str, ...], ...]
    encode: Callable[[Chain], str]
    settings: Mapping[str, str]
    encode_chain: Callable[[Chain], tuple[str, ...]] = lambda _chain: ()
    sends_chain: bool = False
    values: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    hop_headers: tuple[str, ...] = ()

    @property
    def preset(self) -> Preset:
        """How authz-server knows it."""
        return PRESETS[self.settings["AUTHZ_SOURCE_PRESET"]]

    @property
    def header(self) -> str:
        """The header that carries the certificate."""
        return self.preset.header

    @property
    def headers(self) -> tuple[str, ...]:
        """Every header that belongs to the certificate or to the proof of the hop, none of which may reach the application."""
        siblings = (sibling.header for sibling in self.preset.siblings)
        return (self.header, *self.preset.chain_headers, *siblings, *self.hop_headers)

    def forged(self, chain: Chain) -> tuple[tuple[str, str], ...]:
        """The certificate and chain headers as the product would write them for this chain."""
        return ((self.header, self.encode(chain)), *zip(self.preset.chain_headers, self.encode_chain(chain), strict=False))

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
        listener["filter_chains"][0]["filters"][0]["typed_config"] |= {"delayed_close_timeout": "0.05s"} | hcm
        listener["filter_chains"][0]["transport_socket"]["typed_config"]["common_tls_context"]["alpn_protocols"] = [
            "h2",
            "http/1.1",
        ]
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
    """What nginx writes as ``$ssl_client_escaped_cert``."""
    return quote(_pem(chain[0]), safe="")


def spaced_pem(chain: Chain) -> str:
    """PEM on one line: each line break is a space."""
    return _pem(chain[0]).replace("\n", " ")


def base64_der(chain: Chain) -> str:
    """Base64 of the leaf."""
    return base64.b64encode(chain[0]).decode()


def concatenated(chain: Chain) -> tuple[str, ...]:
    """HAProxy ``ssl_c_chain_der,base64``: base64 of the certificates behind the leaf, one after the other."""
    return (base64.b64encode(b"".join(chain[1:])).decode(),)


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


_DETAILS = {"subject": True, "cert": True, "chain": True, "uri": True, "dns": True}

_NGINX = ("@BINARY@", "-c", "@FOLDER@/nginx.conf", "-p", "@FOLDER@", "-e", "stderr", "-g", "daemon off;")
_NGINX_SIBLINGS = (
    "proxy_set_header X-SSL-Client-Verify $ssl_client_verify;\n"
    "proxy_set_header X-SSL-Client-Subject-DN $ssl_client_s_dn;\n"
    "proxy_set_header X-SSL-Client-Issuer-DN $ssl_client_i_dn;\n"
    "proxy_set_header X-SSL-Client-Serial $ssl_client_serial;\n"
    "proxy_set_header X-SSL-Client-Fingerprint $ssl_client_fingerprint;\n"
)
_NGINX_VALUES = {
    "SIBLINGS": _NGINX_SIBLINGS,
    "FORWARD": "proxy_set_header @HEADER@ $ssl_client_escaped_cert;",
    "MODULES": "",
    "WAF": "",
    "USER": getpass.getuser(),
}
_HAPROXY = ("@BINARY@", "-db", "-f", "@FOLDER@/haproxy.cfg")
_ENVOY = ("@BINARY@", "-c", "@FOLDER@/envoy.yaml", "--disable-hot-restart", "--concurrency", "1", "--log-level", "error")
_SHARED = "interop-secret-that-only-the-proxy-has"

_KEY = base64.b64encode(_SHARED.encode()).decode()

# The text of authz_server/hop/mac.py, line by line.
_MAC = (
    "http-request set-var(txn.time) date\n"
    "  http-request set-var(txn.nonce) uuid\n"
    '  http-request set-var-fmt(txn.text) "authz-hop-v1\\n%[var(txn.time)]\\n%[var(txn.nonce)]\\n%[method]\\n%[req.hdr(host)]\\n'
    '%[pathq]\\n%[req.hdr(x-ssl-client-cert)]\\n%[req.hdr(x-ssl-client-cert-chain)]\\n%[req.hdr(x-ssl-client-verify)]"\n'
    "  http-request set-header X-Hop-Signature "
    f"t=%[var(txn.time)],n=%[var(txn.nonce)],mac=%[var(txn.text),hmac(sha256,{_KEY}),hex,lower]"
)

# The signature base of RFC 9421 §2.5, line by line.
_COVERED = r"\"@method\" \"@authority\" \"@path\" \"@query\" " + " ".join(
    rf"\"{header}\"" for header in ("x-ssl-client-cert", "x-ssl-client-cert-chain", "x-ssl-client-verify")
)
_MESSAGE_SIGNATURE = (
    # §2.2.3: lower case, without the default port.
    "http-request set-var(txn.authority) req.hdr(host),lower,regsub(:443$,)\n"
    f'  http-request set-var-fmt(txn.params) "({_COVERED});created=%[date];nonce='
    r'\"%[uuid]\";keyid=\"interop\";alg=\"hmac-sha256\""'
    "\n"
    r'  http-request set-var-fmt(txn.base) "\"@method\": %[method]\n\"@authority\": %[var(txn.authority)]\n\"@path\": %[path]\n'
    r"\"@query\": ?%[query]\n\"x-ssl-client-cert\": %[req.hdr(x-ssl-client-cert)]\n"
    r"\"x-ssl-client-cert-chain\": %[req.hdr(x-ssl-client-cert-chain)]\n"
    r"\"x-ssl-client-verify\": %[req.hdr(x-ssl-client-verify)]\n"
    r'\"@signature-params\": %[var(txn.params)]"'
    "\n"
    "  http-request set-header Signature-Input proxy=%[var(txn.params)]\n"
    f"  http-request set-header Signature proxy=:%[var(txn.base),hmac(sha256,{_KEY}),base64]:"
)

PRODUCTS = (
    Product(
        "nginx",
        "nginx, `$ssl_client_escaped_cert`",
        on_path("nginx"),
        templates("nginx.conf"),
        _NGINX,
        (("@BINARY@", "-v"),),
        url_pem,
        {"AUTHZ_SOURCE_PRESET": "nginx"},
        values=_NGINX_VALUES,
    ),
    Product(
        "nginx-legacy",
        "nginx, `$ssl_client_cert` (deprecated)",
        on_path("nginx"),
        templates("nginx.conf"),
        _NGINX,
        (("@BINARY@", "-v"),),
        spaced_pem,
        {"AUTHZ_SOURCE_PRESET": "nginx-legacy"},
        values=_NGINX_VALUES | {"FORWARD": "proxy_set_header @HEADER@ $ssl_client_cert;"},
    ),
    Product(
        "nginx-secret",
        "nginx with a shared secret beside its certificate",
        on_path("nginx"),
        templates("nginx.conf"),
        _NGINX,
        (("@BINARY@", "-v"),),
        url_pem,
        {"AUTHZ_SOURCE_PRESET": "nginx", "AUTHZ_HOP_SECRET_FILES": "@FOLDER@/secret"},
        values=_NGINX_VALUES | {"HOP": f'proxy_set_header X-Hop-Secret "{_SHARED}";'},
        secrets={"secret": _SHARED},
        hop_headers=("x-hop-secret",),
    ),
    Product(
        "modsecurity",
        "ModSecurity with the OWASP Core Rule Set in nginx, `$ssl_client_escaped_cert`",
        on_path("nginx", "/usr/lib/nginx/modules/ngx_http_modsecurity_module.so", "/usr/share/modsecurity-crs/rules"),
        templates("nginx.conf", "waf-rules.conf"),
        _NGINX,
        (("@BINARY@", "-v"), _debian("libmodsecurity3"), _debian("libnginx-mod-http-modsecurity"), _debian("modsecurity-crs")),
        url_pem,
        {"AUTHZ_SOURCE_PRESET": "nginx"},
        values=_NGINX_VALUES
        | {
            "MODULES": "load_module /usr/lib/nginx/modules/ndk_http_module.so;\n"
            "load_module /usr/lib/nginx/modules/ngx_http_modsecurity_module.so;",
            "WAF": "modsecurity on;\n  modsecurity_rules_file @FOLDER@/waf-rules.conf;",
        },
    ),
    Product(
        "haproxy",
        "HAProxy, `ssl_c_der,base64` and `ssl_c_chain_der,base64`",
        on_path("haproxy"),
        templates("haproxy.cfg"),
        _HAPROXY,
        (("@BINARY@", "-v"),),
        base64_der,
        {"AUTHZ_SOURCE_PRESET": "haproxy"},
        concatenated,
        sends_chain=True,
    ),
    Product(
        "haproxy-hmac",
        "HAProxy with an HMAC over the request beside its certificate",
        on_path("haproxy"),
        templates("haproxy.cfg"),
        _HAPROXY,
        (("@BINARY@", "-v"),),
        base64_der,
        {"AUTHZ_SOURCE_PRESET": "haproxy", "AUTHZ_HOP_HMAC_KEY_FILES": "@FOLDER@/hmac.key"},
        concatenated,
        sends_chain=True,
        values={"HOP": _MAC},
        secrets={"hmac.key": _SHARED},
        hop_headers=("x-hop-signature",),
    ),
    Product(
        "haproxy-rfc9421",
        "HAProxy with an HTTP Message Signature (RFC 9421, `hmac-sha256`) beside its certificate",
        on_path("haproxy"),
        templates("haproxy.cfg"),
        _HAPROXY,
        (("@BINARY@", "-v"),),
        base64_der,
        {"AUTHZ_SOURCE_PRESET": "haproxy", "AUTHZ_HOP_SIGNATURE_SECRETS": "interop=@FOLDER@/signature.key"},
        concatenated,
        sends_chain=True,
        values={"HOP": _MESSAGE_SIGNATURE},
        secrets={"signature.key": _SHARED},
        hop_headers=("signature-input", "signature"),
    ),
    Product(
        "apache",
        "Apache httpd, `SSL_CLIENT_CERT` and `SSL_CLIENT_CERT_CHAIN_n` with mod_headers",
        on_path("apache2", "/usr/lib/apache2/modules/mod_proxy_http.so"),
        templates("apache.conf"),
        ("@BINARY@", "-f", "@FOLDER@/apache.conf", "-DFOREGROUND"),
        (("@BINARY@", "-v"),),
        spaced_pem,
        {"AUTHZ_SOURCE_PRESET": "apache"},
        lambda chain: tuple(spaced_pem((der,)) for der in chain[1:]),
        sends_chain=True,
        values={
            "MODULES": "/usr/lib/apache2/modules",
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
        base64_list,
        {"AUTHZ_SOURCE_PRESET": "traefik"},
        sends_chain=True,
    ),
    Product(
        "caddy",
        "Caddy, `tls_client_certificate_der_base64`",
        on_path("caddy"),
        templates("Caddyfile"),
        ("@BINARY@", "run", "--config", "@FOLDER@/Caddyfile", "--adapter", "caddyfile"),
        (("@BINARY@", "version"),),
        base64_der,
        {"AUTHZ_SOURCE_PRESET": "caddy"},
    ),
    Product(
        "envoy",
        "Envoy, XFCC as text",
        _find_envoy,
        envoy_waf(),
        _ENVOY,
        (("@BINARY@", "--version"),),
        xfcc,
        {"AUTHZ_SOURCE_PRESET": "envoy"},
        sends_chain=True,
    ),
    Product(
        "envoy-json",
        "Envoy, XFCC as JSON",
        _find_envoy,
        envoy_waf(set_current_client_cert_details=_DETAILS | {"format": "JSON"}),
        _ENVOY,
        (("@BINARY@", "--version"),),
        xfcc_json,
        {"AUTHZ_SOURCE_PRESET": "envoy-json"},
        sends_chain=True,
    ),
    Product(
        "envoy-append",
        "Envoy that appends to the client's XFCC; authz-server takes the last element",
        _find_envoy,
        envoy_waf(forward_client_cert_details="APPEND_FORWARD"),
        _ENVOY,
        (("@BINARY@", "--version"),),
        xfcc,
        {"AUTHZ_SOURCE_PRESET": "envoy", "AUTHZ_SOURCE_ELEMENT": "last"},
        sends_chain=True,
    ),
)
