"""``authz-server presets``: the list, and everything about one."""

import json

import pytest

from authz_server.cli import main
from authz_server.forwarded import PRESETS


def test_list(capsys):
    """One line a preset: name, format, header, product."""
    assert main(["presets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines] == [[each.name, each.format, each.header] for each in PRESETS.values()]


@pytest.mark.parametrize("name", PRESETS)
def test_one(capsys, name):
    """All of one preset, in words: what it guarantees and what it does not, and how that is known."""
    preset = PRESETS[name]
    assert main(["presets", name]) == 0
    shown = capsys.readouterr().out
    for part in (preset.product, preset.guarantees, preset.caveats, preset.evidence.meaning, preset.documentation):
        assert part in shown
    assert all(f"{each.header}" in shown for each in preset.siblings)


def test_json(capsys):
    """The same for programs: always a list."""
    assert main(["presets", "--json"]) == 0
    assert [each["preset"] for each in json.loads(capsys.readouterr().out)] == list(PRESETS)
    assert main(["presets", "--json", "apache"]) == 0
    (apache,) = json.loads(capsys.readouterr().out)
    assert apache["chain_headers"][0] == "x-ssl-client-cert-chain-0"
    assert apache["must_agree"][0] == "verified:x-ssl-client-verify"
    assert apache["stripped"] == []


def test_unknown():
    """A product that is not known is wrong usage."""
    with pytest.raises(SystemExit) as left:
        main(["presets", "nosuch"])
    assert left.value.code == 2
