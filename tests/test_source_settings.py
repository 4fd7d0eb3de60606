"""``settings/source.py``: a preset, a format or both, and the fields that change them, make one source or say why not."""

import pytest
from pydantic import ValidationError

from authz_server.forwarded import PRESETS, Check, ElementSelector, Format, Sibling
from authz_server.settings import SourceSettings


def source(**fields):
    return SourceSettings.model_validate(fields).source("edge")


@pytest.mark.parametrize("preset", PRESETS)
def test_preset(preset):
    """A preset alone is a source, with the product's own headers."""
    assert source(preset=preset) == PRESETS[preset].source("edge", ElementSelector())


@pytest.mark.parametrize("form", Format)
def test_format(form):
    """A format alone is a source, under the header that is most used for it and with no siblings."""
    found = source(format=form.value)
    assert (found.format, found.siblings, found.chain_format, found.is_leaf_only) == (form, (), None, False)


def test_fields_change_the_preset():
    """Each field replaces the preset's, and only that."""
    base = source(preset="haproxy")
    assert source(preset="haproxy", header="x-cert").chain_headers == base.chain_headers
    assert source(preset="haproxy", chain_headers="").chain_headers == ()
    assert source(preset="haproxy", chain_headers="a, b").chain_headers == ("a", "b")
    assert source(preset="haproxy", chain_format="base64-der-list").chain_format is Format.BASE64_DER_LIST
    assert source(preset="haproxy", siblings="").siblings == ()
    assert source(preset="haproxy", siblings="subject:x-dn,verified:x-ok=1").siblings == (
        Sibling("x-dn", Check.SUBJECT),
        Sibling("x-ok", Check.VERIFIED, frozenset({"1"})),
    )
    assert source(preset="haproxy", format="base64-der") == base


def test_format_beside_a_preset():
    """An operator who saw other bytes keeps the product's header names; what it says of chains holds no more."""
    found = source(preset="nginx", format="base64-pem")
    assert (found.format, found.header, found.is_leaf_only) == (Format.BASE64_PEM, "x-ssl-client-cert", False)
    assert source(preset="nginx", format="base64-pem").siblings == source(preset="nginx").siblings
    assert source(preset="haproxy", format="url-pem").chain_format is None
    assert source(preset="haproxy", format="xfcc").chain_headers == ()


@pytest.mark.parametrize(
    ("fields", "blamed"),
    [
        ({}, "preset"),
        ({"header": "x-cert"}, "preset"),
        ({"preset": "ngnix"}, "preset"),
        ({"preset": ""}, "preset"),
        ({"preset": "x" * 40}, "preset"),
        ({"format": "xfcc", "chain_headers": "x-chain"}, "chain_headers"),
        ({"format": "xfcc", "chain_format": "url-pem"}, "chain_format"),
        ({"format": "rfc9440", "chain_format": "xfcc"}, "chain_format"),  # no chain header is written so
        ({"format": "url-pem", "chain_format": "rfc9440"}, "chain_format"),  # of which header?
        ({"format": "rfc9440", "element": "last"}, "element"),
        ({"format": "rfc9440", "header": "client-cert-chain"}, "header"),
        ({"preset": "nginx", "header": "x-ssl-client-verify"}, "header"),
        ({"format": "url-pem", "chain_headers": "a,a"}, "header"),
        ({"preset": "caddy", "siblings": "subject:x-client-cert"}, "header"),
        ({"preset": "caddy", "siblings": "subject"}, "siblings"),
        ({"preset": "caddy", "siblings": "verified:x"}, "siblings"),
        ({"preset": "caddy", "siblings": "serial:X Y"}, "siblings"),
    ],
)
def test_refused(fields, blamed):
    """What makes no source, or would silently not be read, is refused and blamed on its field."""
    with pytest.raises(ValueError, match=f"^{blamed}: "):
        source(**fields)


def test_a_name_that_is_nearly_right():
    """A misspelt preset is answered with the one that was meant."""
    with pytest.raises(ValueError, match="did you mean 'nginx'"):
        source(preset="ngnix")


@pytest.mark.parametrize(
    "fields",
    [
        {"format": "pem"},
        {"preset": "nginx", "header": "X-Cert"},
        {"preset": "nginx", "header": "x cert"},
        {"preset": "nginx", "header": "x-cert\n"},
        {"preset": "nginx", "header": ""},
        {"preset": "nginx", "chain_headers": ["X"]},
        {"preset": "nginx", "chain_format": "pem"},
        {"format": "xfcc", "element": "middle"},
        {"preset": "nginx", "headers": "x"},
    ],
)
def test_no_fields(fields):
    """Fields that are none, and values that no field takes, are refused before a source is made of them."""
    with pytest.raises(ValidationError):
        source(**fields)
