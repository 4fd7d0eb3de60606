"""OCSP answers out of files: what is loaded, what is refused by name, and that a reload replaces them and nothing else."""

from __future__ import annotations

import pytest

from authz_server.loading import load_snapshot, watched_paths
from authz_server.settings import read_settings
from authz_server.validation import RevocationMode
from tests.ocsp.service import fresh, service
from tests.pki import NOW, client, root, root_of_today
from tests.validation.revocation.making import REVOKED, answer, answer_der, crl, crl_der, data, number_of

LEAF, OTHER = client(subject="CN=alice"), client(subject="CN=bob")


@pytest.fixture
def load(tmp_path):
    """Load with these OCSP files."""
    (tmp_path / "ca.pem").write_bytes(root().certificate_pem)

    def load_files(*paths, **more):
        variables = {
            "SOURCE_FORMAT": "xfcc",
            "ALLOW": "*",
            "HOP_PRINCIPALS": "w",
            "TRUST_BUNDLE_FILE": str(tmp_path / "ca.pem"),
            "OCSP_FILES": ",".join(map(str, paths)),
        } | more
        environ = {f"AUTHZ_{name}": value for name, value in variables.items()}
        settings, problems = read_settings(environ)
        assert problems == ()
        return load_snapshot(settings, NOW), watched_paths(settings, environ)

    return load_files


def test_files_and_folders(load, tmp_path):
    """Files are taken whatever their names, of folders what is named like answers; all are watched, and count by default."""
    folder = tmp_path / "answers"
    (folder / "old").mkdir(parents=True)
    single = tmp_path / "answer"
    single.write_bytes(answer_der(LEAF))
    (folder / "bob.ocsp").write_bytes(answer_der(OTHER))
    (folder / "README").write_bytes(b"no answer")
    (folder / ".half.ocsp").write_bytes(b"half")
    loaded, watched = load(single, folder)
    serials = {answer.serial for answer in loaded.snapshot.revocation.answers}
    assert serials == {LEAF.certificate.serial_number, OTHER.certificate.serial_number}
    assert {single, folder} <= set(watched)
    assert loaded.snapshot.ingresses["default"].domains[0].revocation.mode is RevocationMode.HARD


def test_an_empty_folder_waits(load, tmp_path):
    """A folder without an answer is no problem: what fetches them may come later."""
    folder = tmp_path / "answers"
    folder.mkdir()
    assert load(folder)[0].snapshot.revocation.answers == ()


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "no OCSP response"),
        (answer_der(LEAF)[:-1], "no OCSP response"),
        (crl_der(), "no OCSP response"),
        (bytes(1 << 17), "over 65536 bytes"),
        (None, "No such file"),
    ],
    ids=["empty", "cut off", "a CRL", "too large", "absent"],
)
def test_bad_files(load, tmp_path, content, word):
    """A file that is no answer is a problem with the setting's and the file's name, one beside good ones too."""
    (tmp_path / "good.der").write_bytes(answer_der(OTHER))
    bad = tmp_path / "bad.der"
    if content is not None:
        bad.write_bytes(content)
    loaded, _ = load(tmp_path / "good.der", bad)
    assert loaded.snapshot is None
    ((name, message),) = [(problem.name, problem.message) for problem in loaded.problems]
    assert name == "AUTHZ_OCSP_FILES"
    assert str(bad) in message
    assert word in message


def test_unreadable_within_a_folder(load, tmp_path):
    """So is one in a folder."""
    (tmp_path / "x.ocsp").symlink_to(tmp_path / "absent")
    loaded, _ = load(tmp_path)
    assert [problem.name for problem in loaded.problems] == ["AUTHZ_OCSP_FILES"]


def test_reload(tmp_path):
    """A running service takes a new answer within a second or so; the lists of revoked certificates stay beside it."""
    leaf = root_of_today().issue("CN=alice", not_before=fresh()[0], not_after=fresh()[1])
    listed = root_of_today().issue("CN=bob", not_before=fresh()[0], not_after=fresh()[1])
    answers, lists = tmp_path / "answers", tmp_path / "lists"
    answers.mkdir()
    lists.mkdir()
    ca = root_of_today()
    (lists / "ca.crl").write_bytes(crl_der(listed, issuer=ca, times=fresh()))
    file = answers / "alice.ocsp"
    file.write_bytes(answer_der(leaf, issuer=ca, times=fresh()))
    with service(tmp_path, OCSP_FILES=str(answers), CRL_FILES=str(lists)) as running:
        assert running.ask(leaf) == "good"
        assert running.ask(listed) == "certificate_revoked"
        (answers / "next").write_bytes(answer_der(leaf, REVOKED, issuer=ca, times=fresh()))
        (answers / "next").rename(file)
        assert running.comes_to(leaf, "certificate_revoked")
        assert running.ask(listed) == "certificate_revoked"
        # Another list; the answers stay.
        (lists / "next").write_bytes(crl_der(issuer=ca, number=2, times=fresh()))
        (lists / "next").rename(lists / "ca.crl")
        assert running.comes_to(listed, "good")
        assert running.ask(leaf) == "certificate_revoked"
        assert running.comes_to(leaf, "certificate_revoked")


def test_lists_replace_lists():
    """New revocation lists take the place of those before, and leave the answers."""
    lists, known = crl(LEAF, OTHER), answer(OTHER)
    after = data(crl(LEAF), known).with_crls((lists,))
    assert after.crls_of(root().certificate.subject.public_bytes()) == (lists,)
    assert after.answers_about(number_of(OTHER)) == (known,)
