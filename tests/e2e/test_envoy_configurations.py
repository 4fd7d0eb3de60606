"""The configurations in ``envoy/``: the real binary accepts them, and they hold what the service relies on."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from authz_server.forwarded import DEFAULT_HEADERS, PRESETS, ElementSelector
from authz_server.identity_headers import SUFFIXES

FOLDER = Path(__file__).resolve().parents[2] / "envoy"
CONFIGURATIONS = sorted(FOLDER.glob("*.yaml"))
PKI = "/etc/envoy/pki"
PREFIX = "x-auth-client-"
MARKS = {"add-to-existing.yaml": "mtls", "edge-mtls.yaml": "mtls", "edge-plaintext.yaml": "subnet"}
SOLE = ElementSelector()

# What the service consumes by default, and with the presets whose certificate header the shipped configurations show.
CONSUMED_HEADERS = {
    *("x-hop-secret", "x-hop-signature", "signature-input", "signature"),
    *(name for header, chain_headers in DEFAULT_HEADERS.values() for name in (header, *chain_headers)),
    *(
        name
        for preset in PRESETS.values()
        if preset.header.startswith(("x-forwarded-client-cert", "client-cert", "x-client-", "x-ssl-"))
        for name in preset.source("", SOLE).headers
    ),
}

each_configuration = pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.name)


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    """A throwaway self-signed certificate and its key under every file name that a configuration mentions."""
    folder = tmp_path_factory.mktemp("pki")
    certificate, key = self_signed()
    for name in {name for path in CONFIGURATIONS for name in re.findall(PKI + r"/([\w.-]+)", path.read_text())}:
        (folder / name).write_bytes(key if name.endswith(".key") else certificate)
    return folder


def self_signed():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name.from_rfc4514_string("CN=throwaway")
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), key_pem


def validate(binary, text, folder):
    file = folder / "bootstrap.yaml"
    file.write_text(text)
    command = [binary, "--mode", "validate", "--disable-hot-restart", "--log-level", "warning", "-c", file]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def connection_managers(path):
    for listener in yaml.safe_load(path.read_text())["static_resources"]["listeners"]:
        for chain in listener["filter_chains"]:
            for network_filter in chain["filters"]:
                if network_filter["name"] == "envoy.filters.network.http_connection_manager":
                    yield network_filter["typed_config"]


def ext_authz(manager):
    (config,) = [f["typed_config"] for f in manager["http_filters"] if f["name"] == "envoy.filters.http.ext_authz"]
    return config


def test_the_shipped_files():
    """The three files are there, and nothing makes the folder a Python package that hides Envoy's API."""
    assert {path.name for path in CONFIGURATIONS} == set(MARKS)
    assert not list(FOLDER.rglob("*.py"))


@each_configuration
def test_envoy_accepts(binary, pki, tmp_path, path):
    """Every Envoy of the matrix accepts the configuration as it is shipped, without an error or a deprecation warning."""
    done = validate(binary, path.read_text().replace(PKI, str(pki)), tmp_path)

    assert done.returncode == 0, done.stderr + done.stdout
    assert "deprecated" not in (done.stderr + done.stdout).lower()


@each_configuration
def test_envoy_notices_a_misspelt_field(binary, pki, tmp_path, path):
    """The validation is no formality: one misspelt field is refused."""
    text = path.read_text().replace(PKI, str(pki)).replace("failure_mode_allow:", "failure_mode_alow:")

    assert validate(binary, text, tmp_path).returncode != 0


@each_configuration
def test_fails_closed(path):
    """Errors deny, refused or malformed mutations are errors, and raw headers keep duplicates visible."""
    for manager in connection_managers(path):
        config = ext_authz(manager)
        assert config["failure_mode_allow"] is False
        assert config["status_on_error"] == {"code": "ServiceUnavailable"}
        assert config["validate_mutations"] is True
        assert config["encode_raw_headers"] is True
        assert config["decoder_header_mutation_rules"]["disallow_all"] is True
        assert config["decoder_header_mutation_rules"]["disallow_is_error"] is True
        assert not {"filter_enabled", "filter_enabled_metadata", "shadow_mode"} & set(config)


@each_configuration
def test_the_service_sees_what_it_needs(path):
    """Every default certificate header, the content type and the request id, and no credentials."""
    for manager in connection_managers(path):
        patterns = ext_authz(manager)["allowed_headers"]["patterns"]
        seen = partial(is_shown, patterns)
        assert not [name for name in CONSUMED_HEADERS | {"content-type", "x-request-id"} if not seen(name)]
        assert not seen("authorization")
        assert not seen("cookie")


def is_shown(patterns, name):
    """Whether Envoy sends a header of this name to the service."""
    return any(name == pattern.get("exact") or name.startswith(pattern.get("prefix", "\0")) for pattern in patterns)


@each_configuration
def test_the_service_may_do_what_it_does(path):
    """Every identity header may be set and every certificate header removed; the request line stays out of reach."""
    for manager in connection_managers(path):
        rule = re.compile(ext_authz(manager)["decoder_header_mutation_rules"]["allow_expression"]["regex"])
        ours = {PREFIX + suffix for suffix in SUFFIXES} | CONSUMED_HEADERS
        assert {name for name in ours if not rule.fullmatch(name)} == set()
        assert not any(rule.fullmatch(name) for name in (":path", "host", "authorization", "x-envoy-original-path"))


@each_configuration
def test_identity_headers_of_clients_are_stripped_early(path):
    """The prefix is stripped before routing, and names with underscores are refused."""
    for manager in connection_managers(path):
        (extension,) = manager["early_header_mutation_extensions"]
        removed = [m["remove_on_match"]["key_matcher"]["prefix"] for m in extension["typed_config"]["mutations"]]
        assert PREFIX in removed
        assert manager["common_http_protocol_options"]["headers_with_underscores_action"] == "REJECT_REQUEST"


@each_configuration
def test_the_mark_of_the_hop(path):
    """Each virtual host carries the mark of its listener, and only a listener that verifies is marked ``mtls``."""
    listeners = yaml.safe_load(path.read_text())["static_resources"]["listeners"]
    chains = [chain for listener in listeners for chain in listener["filter_chains"]]
    for chain, manager in zip(chains, connection_managers(path), strict=True):
        for host in manager["route_config"]["virtual_hosts"]:
            settings = host["typed_per_filter_config"]["envoy.filters.http.ext_authz"]["check_settings"]
            assert settings["context_extensions"] == {"hop": MARKS[path.name]}
        if MARKS[path.name] == "mtls":
            tls = chain["transport_socket"]["typed_config"]
            assert tls["require_client_certificate"] is True
            verification = tls["common_tls_context"]["validation_context"]
            assert verification["trusted_ca"]
            assert verification["match_typed_subject_alt_names"]
            assert "trust_chain_verification" not in verification
        else:
            assert chain["filter_chain_match"]["direct_source_prefix_ranges"]
