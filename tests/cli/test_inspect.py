"""``authz-server inspect``: one value, or a batch of them that nothing in it can stop."""

from __future__ import annotations

import io
import json
from itertools import permutations

import pytest

from authz_server.cli import main
from authz_server.forwarded import PRESETS, Format
from authz_server.forwarded.appearance import describe_appearance
from authz_server.forwarded.encodings import encode_base64
from authz_server.forwarded.rewritten_pem import encode_pem_spaces
from authz_server.forwarded.rfc9440 import encode_client_cert
from authz_server.forwarded.url_pem import encode_url_pem
from tests import pki
from tests.forwarded.writers import written


def field(issued):
    return encode_client_cert(issued.certificate_der)


ALICE = field(pki.alice())


@pytest.fixture
def root(tmp_path):
    """The trusted root as a file."""
    file = tmp_path / "ca.pem"
    file.write_bytes(pki.root().certificate_pem)
    return str(file)


def batch(monkeypatch, capsys, *lines: bytes):
    """The answers to these lines."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\n".join(lines)), encoding="ascii"))
    assert main(["inspect", "--batch"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_decoded(capsys):
    """Leaf and intermediates are shown with names, validity and fingerprint."""
    chain = field(pki.intermediate())
    assert main(["inspect", "--format", "rfc9440", "--json", "--chain", chain, ALICE]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["leaf"]["sha256"] == pki.certificate(pki.alice()).sha256
    assert shown["leaf"]["names"][0] == "uri:spiffe://example.org/alice"
    assert [each["subject"] for each in shown["intermediates"]] == ["CN=Intermediate"]


@pytest.mark.parametrize("value", ["-----BEGIN%20CERTIFICATE-----", encode_url_pem((pki.alice().certificate_der,))])
def test_refused_in_words(capsys, value):
    """The refusal says what the value looks like beside what was asked for."""
    assert main(["inspect", "--format", "rfc9440", value]) == 1
    out = capsys.readouterr().out
    assert out.startswith("structured_field_malformed:")
    assert "looks like URL-encoded PEM; you asked for rfc9440" in out


MIXED = [
    (asked, sent)
    for asked, sent in permutations(Format, 2)
    if {asked, sent} - {Format.PEM_SPACES, Format.PEM_FOLDED}  # an undone fold looks like Apache's and is read as either
]


@pytest.mark.parametrize(("asked", "sent"), MIXED)
def test_wrong_encoding_in_words(capsys, asked, sent):
    """Whatever format was asked for, a refused value of another is told by the name of its own."""
    code = main(["inspect", "--format", asked, written(sent, pki.alice().chain_der)])
    out = capsys.readouterr().out
    if code == 0:  # one certificate is a list of one
        assert (sent, asked) in {(Format.BASE64_DER, Format.BASE64_DER_LIST), (Format.BASE64_DER, Format.BASE64_DER_CONCAT)}
    else:
        words, fitting = describe_appearance(written(sent, pki.alice().chain_der).encode())
        assert code == 1
        assert fitting == sent
        assert f"This looks like {words}; you asked for {asked}." in out


@pytest.mark.parametrize("preset", PRESETS)
def test_preset(capsys, preset):
    """A preset stands for its format, and for what the product sends in it."""
    known = PRESETS[preset]
    value = written(known.format, pki.alice().chain_der[: 1 if known.is_leaf_only else None])
    assert main(["inspect", "--preset", preset, value]) == 0
    assert pki.certificate(pki.alice()).sha256 in capsys.readouterr().out
    assert main(["inspect", "--preset", preset, "CN=alice,O=Acme"]) == 1
    assert f"you asked for {known.format}." in capsys.readouterr().out


def test_leaf_only_preset(capsys):
    """A preset knows that its product sends no intermediates; the format alone does not."""
    value = encode_url_pem(pki.alice().chain_der)
    assert main(["inspect", "--preset", "nginx", value]) == 1
    assert capsys.readouterr().out.startswith("leaf_ambiguous:")
    assert main(["inspect", "--format", "url-pem", value]) == 0


def test_chain_of_a_preset(capsys):
    """A chain header is read as the product writes it, and is told from the certificate where it is refused."""
    leaf, above = pki.alice().chain_der
    value, chain = encode_base64(leaf), encode_base64(above)
    assert main(["inspect", "--preset", "haproxy", "--chain", chain, value]) == 0
    assert main(["inspect", "--preset", "haproxy", "--chain", encode_client_cert(above), value]) == 1
    assert "looks like an RFC 9440 byte sequence; you asked for base64-der-concat." in capsys.readouterr().out
    assert main(["inspect", "--preset", "haproxy", "--chain", chain, encode_client_cert(leaf)]) == 1
    assert "looks like an RFC 9440 byte sequence; you asked for base64-der." in capsys.readouterr().out
    assert main(["inspect", "--format", "pem-spaces", "--chain", encode_pem_spaces((above,)), encode_pem_spaces((leaf,))]) == 0


def test_what_looks_right_and_is_refused(capsys):
    """Of a value that looks as it should only the reason is told."""
    assert main(["inspect", "--format", "base64-der", encode_base64(pki.alice().certificate_der[:-1])]) == 1
    out = capsys.readouterr().out
    assert out.startswith("certificate_malformed:")
    assert "looks like" not in out


@pytest.mark.parametrize("form", Format)
def test_batch_of_every_format(monkeypatch, capsys, form):
    """Every format, and every preset of it, is answered in a batch."""
    value = written(form, pki.alice().chain_der[:1])
    presets = [name for name, preset in PRESETS.items() if preset.format is form]
    questions = [{"format": form}, *({"preset": name} for name in presets), {"format": form, "chain": "junk"}]
    answers = batch(monkeypatch, capsys, *(json.dumps({"id": 1, "value": value} | each).encode() for each in questions))
    assert {answer["leaf"]["sha256"] for answer in answers[:-1]} == {pki.certificate(pki.alice()).sha256}
    assert answers[-1]["error"]["reason"] != "internal_error"


def test_refused_in_json(capsys):
    """With --json the refusal is a document with the reason."""
    assert main(["inspect", "--format", "xfcc", "--json", "x"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["reason"] == "xfcc_malformed"


def test_standard_input_of_any_bytes(monkeypatch, capsys):
    """Bytes that are no text are refused as the header would be, and never a traceback."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), encoding="utf-8"))
    assert main(["inspect", "--format", "rfc9440", "--json", "-"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["reason"] == "header_not_ascii"


@pytest.mark.parametrize("at", ["2026-06-01T12:00:00Z", "2026-06-01T12:00:00"])
def test_validated(root, at):
    """With a bundle the path is verified at the given time; a time without zone is UTC."""
    arguments = ["inspect", "--format", "rfc9440", "--trust-bundle", root, "--at", at]
    assert main([*arguments, "--chain", field(pki.intermediate()), ALICE]) == 0


def test_validated_today(tmp_path, capsys):
    """Without a time the path is verified now, and the names are shown in words."""
    bundle = tmp_path / "today.pem"
    bundle.write_bytes(pki.root_of_today().certificate_pem)
    value = encode_url_pem(pki.root_of_today().issue("CN=alice", uris=[pki.SPIFFE]).chain_der)
    assert main(["inspect", "--format", "url-pem", "--trust-bundle", str(bundle), value]) == 0
    assert pki.SPIFFE in capsys.readouterr().out


def test_one_document_for_a_refused_path(root, capsys):
    """With --json exactly one document is printed, here the refusal of the path."""
    arguments = ["inspect", "--format", "rfc9440", "--json", "--trust-bundle", root, "--at", pki.NOW.isoformat()]
    assert main([*arguments, ALICE]) == 1  # the intermediate is missing
    assert json.loads(capsys.readouterr().out)["error"]["reason"] == "issuer_unknown"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["x"],
        ["--format", "rfc9440"],
        ["--format", "rfc9440", "--preset", "rfc9440", "x"],
        ["--format", "xfcc", "--element", "third", "x"],
        ["--format", "xfcc", "--chain", "x", "x"],
        ["--preset", "envoy", "--chain", "x", "x"],
        ["--preset", "nginx", "--element", "last", "x"],
        ["--format", "rfc9440", "--header", "X Y", "x"],
        ["--format", "rfc9440", "--at", "noon", "x"],
        ["--format", "rfc9440", "--trust-bundle", "/nonexistent", "x"],
    ],
)
def test_usage(arguments):
    """Wrong usage is 2."""
    assert main(["inspect", *arguments]) == 2


@pytest.mark.parametrize("arguments", [["--format", "pem", "x"], ["--preset", "ngnix", "x"], ["--nope"]])
def test_usage_of_the_parser(arguments):
    """What argparse itself refuses is 2 as well."""
    with pytest.raises(SystemExit) as left:
        main(["inspect", *arguments])
    assert left.value.code == 2


def test_batch_answers_every_line(monkeypatch, capsys):
    """A bad line gets the reason ``usage`` and the lines behind it are still answered."""
    good = json.dumps({"id": 9, "format": "rfc9440", "value": ALICE}).encode()
    answers = batch(
        monkeypatch,
        capsys,
        b"not JSON",
        b"\xff\xfe",  # not UTF-8
        b"[]",  # JSON, but no request
        b'{"id": 1, "format": "pkcs7", "value": "x"}',  # unknown format
        b'{"id": 1, "format": "unknown", "value": ""}',
        b'{"id": 1}',
        b'{"id": 2, "format": "rfc9440"}',  # no value
        b'{"id": 3, "format": "rfc9440", "value": 5}',
        b'{"id": 4, "format": "xfcc", "value": "x", "element": "middle"}',
        b"[" * 100_000,  # deeper than any parser goes
        good,
    )
    assert [answer["id"] for answer in answers] == [None, None, None, 1, 1, 1, 2, 3, 4, None, 9]
    assert {answer["error"]["reason"] for answer in answers[:-1]} == {"usage"}
    leaf = pki.certificate(pki.alice())
    assert answers[-1] == {
        "id": 9,
        "leaf": {"sha256": leaf.sha256, "subject": "CN=alice,O=Acme"},
        "intermediates": [],
    }


def test_batch_of_a_chain(monkeypatch, capsys):
    """Each answer shows the intermediates too."""
    line = json.dumps({"id": 1, "format": "url-pem", "value": encode_url_pem(pki.bob().chain_der)}).encode()
    (answer,) = batch(monkeypatch, capsys, line)
    assert answer["leaf"]["subject"] == "CN=bob"
    assert len(answer["intermediates"]) == 1


@pytest.mark.parametrize("form", ["rfc9440", "url-pem"])
@pytest.mark.parametrize("value", ["é", "\ud800", "\x00"])
def test_batch_not_ascii(monkeypatch, capsys, value, form):
    """Text outside visible ASCII is refused as a header's bytes would be."""
    line = json.dumps({"id": "a", "format": form, "value": value}).encode()
    assert batch(monkeypatch, capsys, line) == [{"id": "a", "error": {"reason": "header_not_ascii"}}]
