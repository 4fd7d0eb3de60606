"""The guides keep up with the code: presets, settings, Envoy's lines, and the snippets that can be run here."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from authz_server.demo.envoys import EnvoyMissingError, find_envoy
from authz_server.forwarded import PRESETS, ElementSelector
from authz_server.hop import Freshness, Key, MacProof, ReplayMemory, SignatureProof
from authz_server.model import ForwardedRequest, Peer
from authz_server.settings import FLATS, PREFIX, Settings, read_settings

REPOSITORY = Path(__file__).parent.parent
DOCS = REPOSITORY / "docs"
GUIDE = DOCS / "guide"
PRODUCTS = GUIDE / "products"
EDGE = REPOSITORY / "envoy" / "edge-plaintext.yaml"
SECTIONS = (
    "Switch forwarding on",
    "Strip the client's own header",
    "authz-server",
    "Envoy",
    "Check it",
    "What it proves and what not",
)
HOP_HEADERS = ("x-auth-client-name", "x-hop-secret", "x-hop-signature", "signature", "signature-input")
KNOWN = {
    "AUTHZ_CONFIG",
    *(PREFIX + name.upper() for name in Settings.model_fields),
    *(PREFIX + name.upper() for flat in FLATS for name in flat.fields),
}

each_preset = pytest.mark.parametrize("name", PRESETS)


def page(name):
    return (PRODUCTS / f"{name}.md").read_text("utf-8")


def section(text, title):
    return re.split(r"^## ", text.split(f"\n## {title}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def ext_authz(config):
    """The ext_authz filter of a configuration with one listener."""
    (listener,) = config["static_resources"]["listeners"]
    filters = listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
    return next(each["typed_config"] for each in filters if each["name"] == "envoy.filters.http.ext_authz")


def edge_for(name):
    """The shipped configuration with the lines that the product's page adds."""
    config = yaml.safe_load(EDGE.read_text("utf-8"))
    for block in blocks(section(page(name), "Envoy"), "yaml"):
        added = yaml.safe_load(block)
        authz = ext_authz(config)
        authz["allowed_headers"]["patterns"] += added["allowed_headers"]["patterns"]
        authz["decoder_header_mutation_rules"] |= added["decoder_header_mutation_rules"]
    return config


def is_shown(header, patterns):
    return any(header == each.get("exact") or header.startswith(each.get("prefix", "\n")) for each in patterns)


@each_preset
def test_every_preset_has_a_page(name):
    """Each preset has a page with all sections in order, which names the preset and its header."""
    text = page(name)
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert tuple(headings) == SECTIONS
    assert f"AUTHZ_SOURCE_PRESET={name}\n" in section(text, "authz-server")
    assert f"`{PRESETS[name].header}`" in text
    assert f"`{PRESETS[name].format}`" in text
    assert re.search(r"`?authz-server inspect --(preset|format) ", section(text, "Check it"))
    assert all(section(text, title).strip() for title in SECTIONS)


def test_no_page_without_preset():
    """There is no page of a preset that is gone."""
    assert {path.stem for path in PRODUCTS.glob("*.md")} == {*PRESETS, "README"}


@each_preset
def test_index_lists_every_preset(name):
    """The index has a row for each preset with its page, header, format and evidence."""
    preset = PRESETS[name]
    row = f"({name}.md) | `{name}` | `{preset.header}` | `{preset.format}` | {preset.evidence} |"
    assert row in (PRODUCTS / "README.md").read_text("utf-8")


@each_preset
def test_envoy_shows_and_removes_every_header(name):
    """With the page's lines Envoy shows the service every header of the preset, and lets it remove them all."""
    authz = ext_authz(edge_for(name))
    expression = re.compile(authz["decoder_header_mutation_rules"]["allow_expression"]["regex"])
    headers = PRESETS[name].source("", ElementSelector()).headers
    patterns = authz["allowed_headers"]["patterns"]
    assert [header for header in headers if not is_shown(header, patterns)] == []
    assert [header for header in (*headers, *HOP_HEADERS) if not expression.fullmatch(header)] == []
    assert not expression.fullmatch("authorization")


@each_preset
def test_envoy_mode_fits_the_header(name):
    """The page keeps X-Forwarded-Client-Cert where the product uses it, and removes it elsewhere."""
    is_xfcc = PRESETS[name].header == "x-forwarded-client-cert"
    text = section(page(name), "Envoy")
    assert ("FORWARD_ONLY" in text) == is_xfcc
    assert ("`forward_client_cert_details: SANITIZE`" in text) != is_xfcc


def test_real_envoy_accepts_the_lines(tmp_path):
    """The real Envoy starts with each page's lines: its limit on the size of expressions is kept."""
    try:
        envoy = find_envoy()
    except EnvoyMissingError as error:
        pytest.skip(str(error))
    for name in PRESETS:
        if not blocks(section(page(name), "Envoy"), "yaml"):
            continue
        file = tmp_path / f"{name}.yaml"
        file.write_text(yaml.safe_dump(edge_for(name)), "utf-8")
        command = [envoy, "--mode", "validate", "--disable-hot-restart", "--log-level", "warning", "-c", file]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, (name, done.stderr)


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=lambda path: path.relative_to(DOCS).as_posix())
def test_settings_that_are_named_exist(path):
    """Every ``AUTHZ_…`` variable in the documentation is a setting, or the beginning of a group of them."""
    named = set(re.findall(r"AUTHZ_[A-Z0-9_]+", path.read_text("utf-8")))
    unknown = {name for name in named if not is_setting(name)}
    assert unknown == set()


def is_setting(name):
    return (
        name in KNOWN
        or (name.endswith("_") and any(known.startswith(name) for known in KNOWN))
        or (name.endswith("_FILE") and name.removesuffix("_FILE") in KNOWN)
    )


def test_configuration_files_in_the_guide_load():
    """The examples with several hops and sources are settings that the service reads."""
    pages = ("prove-the-hop.md", "trust-and-revocation.md")
    texts = (block for page in pages for block in blocks((GUIDE / page).read_text("utf-8"), "yaml"))
    examples = [block for block in texts if "hops:" in block]
    assert len(examples) > 1
    for text in examples:
        values = yaml.safe_load(text)
        environ = {PREFIX + key.upper(): json.dumps(value) for key, value in values.items() if not isinstance(value, str)}
        environ |= {PREFIX + key.upper(): str(value) for key, value in values.items() if isinstance(value, str)}
        environ["AUTHZ_ALLOW"] = "*"
        if "trust_domains" not in values:
            environ.setdefault("AUTHZ_TRUST_BUNDLE_FILE", "/etc/authz/clients-ca.crt")
        assert read_settings(environ)[1] == ()


def request_with(headers, path="/orders?id=7"):
    lines = tuple((name.lower(), value.encode()) for name, value in headers.items())
    return ForwardedRequest("GET", "api.example.org", path, lines, Peer(None, "", ""), "", {})


def test_hmac_example_is_right():
    """The worked example of the HMAC's form is what the service accepts, and what the shell line computes."""
    text = (GUIDE / "sign-with-hmac.md").read_text("utf-8")
    (header,) = re.findall(r"^ {4}(t=\d+,n=\w+,mac=[0-9a-f]{64})$", text, re.MULTILINE)
    message, key = re.search(r"printf '(.+?)' \|\n +openssl dgst -sha256 -hmac (\w+)$", text, re.MULTILINE).groups()
    signed = message.replace("\\n", "\n")
    assert header.endswith(hmac.new(key.encode(), signed.encode(), hashlib.sha256).hexdigest())
    proof = MacProof("x-hop-signature", (key.encode(),), ("x-client-cert",), Freshness(), ReplayMemory())
    certificate = signed.rpartition("\n")[2]
    now = datetime.fromtimestamp(int(signed.split("\n")[1]), UTC)
    proof.verify(request_with({"X-Client-Cert": certificate, "X-Hop-Signature": header}), now)


@pytest.mark.parametrize("path", ["/", "/orders?id=7", "/a%20b/?"])
def test_rfc9421_signer_is_right(path):
    """The signer in the guide makes signatures that the service accepts, and replaces a client's own."""
    text = (GUIDE / "sign-with-rfc9421.md").read_text("utf-8")
    (source,) = blocks(text, "python")
    (settings,) = set(re.findall(r"AUTHZ_HOP_SIGNATURE_COMPONENTS=(\S+)", text))
    guide = {}
    exec(source, guide)  # noqa: S102 - our own documentation
    private = ed25519.Ed25519PrivateKey.generate()
    public = Key.from_public_pem(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    headers = {"client-cert": ":AAAA:", "client-cert-chain": ":AAAA:", "signature": "x=:AA==:", "signature-input": "x=()"}
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    guide["sign"]("GET", "api.example.org", path, headers, pem)
    proof = SignatureProof(
        {guide["KEY_ID"]: public},
        guide["CERTIFICATE_HEADERS"],
        tuple(settings.split(",")),
        Freshness(),
        ReplayMemory(),
        "waf",
    )
    proof.verify(request_with(headers, path), datetime.now(UTC))
