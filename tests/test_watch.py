"""Which files a configuration was loaded from, and noticing that one has changed."""

from __future__ import annotations

import os

import pytest

from authz_server.loading import fingerprint, watched_paths
from authz_server.settings import read_settings


def replace(path):
    """Another file of the same size and time."""
    old = path.stat()
    new = path.with_name("new")
    new.write_bytes(b"b" * old.st_size)
    os.utime(new, ns=(old.st_atime_ns, old.st_mtime_ns))
    new.replace(path)


def rewrite(path):
    """Another content of the same size in the same file, with its time set back: as ``cp -p`` and ``rsync`` do."""
    old = path.stat()
    path.write_bytes(b"c" * old.st_size)
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))


def swap(path):
    """A link that leads elsewhere."""
    content = path.read_bytes()
    path.unlink()
    other = path.parent / "elsewhere"
    other.write_bytes(content)
    path.symlink_to(other)


CHANGES = [replace, rewrite, swap, lambda path: path.unlink(), lambda path: path.write_bytes(b"longer")]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("as_folder", [False, True], ids=["file", "folder"])
def test_changes(tmp_path, change, as_folder):
    """Each way to change a file is noticed, also in a folder that is named; without one nothing is."""
    path = tmp_path / "folder" / "file"
    path.parent.mkdir()
    path.write_bytes(b"aaa")
    watched = [path.parent if as_folder else path]
    before = fingerprint(watched)
    assert fingerprint(watched) == before
    change(path)
    after = fingerprint(watched)
    assert after != before
    assert fingerprint(watched) == after


def test_what_comes_and_goes(tmp_path):
    """A path that is not there is one that may come."""
    path = tmp_path / "file"
    missing = fingerprint([path])
    path.write_bytes(b"")
    assert fingerprint([path]) != missing
    path.unlink()
    assert fingerprint([path]) == missing


def test_hidden_files_of_a_folder(tmp_path):
    """Hidden files of a folder are no secrets, and neither are folders below it: what changes there does not count."""
    for name in (".hidden", "below"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path, (0, 0))
    before = fingerprint([tmp_path])
    (tmp_path / "below" / "file").write_bytes(b"")
    (tmp_path / ".hidden" / "file").write_bytes(b"")
    assert fingerprint([tmp_path]) == before


def test_every_file_of_the_settings(tmp_path):
    """Every path that loading reads is watched: of sources, hops, trust domains, and of values that are given by file."""
    environ = {
        "AUTHZ_CONFIG": str(tmp_path / "authz.yaml"),
        "AUTHZ_LOG_MASK_KEY_FILE": str(tmp_path / "mask-key"),
        "AUTHZ_DENYLIST_FILE": "/denylist",
        "SSL_CERT_FILE": "/not-ours",
        "EMPTY_FILE": "",
    }
    (tmp_path / "mask-key").write_text("key")
    (tmp_path / "authz.yaml").write_text(
        """
        allow: ["*"]
        hops:
          waf: {secret_files: [/secret], hmac_key_files: [/mac], signature_keys: ["a=/public"], signature_secrets: ["b=/shared"]}
        sources:
          one: {format: xfcc, trust_bundle_file: /own}
        trust_domains:
          default: {trust_bundle_file: /bundle, trust_intermediates_file: /intermediates}
        tls_certificate_file: /certificate
        tls_private_key_file: /key
        tls_client_ca_file: /client-ca
        crl_files: [/crls]
        crl_cache_folder: /cache
        """
    )
    settings, problems = read_settings(environ)
    assert settings, problems
    watched = [str(path) for path in watched_paths(settings, environ)]
    names = ["secret", "mac", "public", "shared", "own", "bundle", "intermediates", "certificate", "key", "client-ca", "denylist"]
    assert sorted(watched) == sorted([str(tmp_path / "authz.yaml"), str(tmp_path / "mask-key"), *(f"/{name}" for name in names)])
