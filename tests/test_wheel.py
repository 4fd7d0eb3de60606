"""The wheel: what is in it, and that it works where there is no checkout."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path, PurePosixPath

import pytest

from authz_server.forwarded.encodings import encode_pem, encode_percent
from tests.pki import alice, root_of_today

CHECKOUT = Path(__file__).resolve().parent.parent
KINDS = {"authz_server": {".py", ".pyi", ".typed"}, "authz_server/_envoy": {".yaml"}}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built without the network by the build backend of the locked environment."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def files(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {PurePosixPath(name) for name in archive.namelist()}


def test_wheel_holds_what_it_should_and_nothing_else(wheel):
    """Every module and every Envoy configuration is in it; no test, tool, cache, key or other top-level name is."""
    inside = files(wheel)
    info = PurePosixPath(f"authz_server-{version('authz-server')}.dist-info")
    about = {name for name in inside if name.is_relative_to(info)}
    assert {name.relative_to(info).as_posix() for name in about} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
    }
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "authz_server", "envoy"]
    names = subprocess.run(listed, cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout.split("\0")
    sources = {PurePosixPath(name) for name in names if name and (CHECKOUT / name).exists()}
    modules = {name for name in sources if name.parts[0] == "authz_server"}
    shipped = {PurePosixPath("authz_server/_envoy", *name.parts[1:]) for name in sources if name.parts[0] == "envoy"}
    assert shipped
    assert inside - about == modules | shipped
    for name in inside - about:
        folder = "authz_server/_envoy" if name.is_relative_to("authz_server/_envoy") else "authz_server"
        assert name.suffix in KINDS[folder], name


@pytest.mark.network
def test_installed_wheel_works_without_the_checkout(wheel, tmp_path):
    """In a new environment with the locked runtime dependencies, the commands answer and the configurations are there."""
    venv.create(tmp_path / "venv", with_pip=True)
    python, command = str(tmp_path / "venv/bin/python"), str(tmp_path / "venv/bin/authz-server")

    def run(*arguments, **environ):
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)} | environ
        return subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    runtime = CHECKOUT / "requirements/runtime.lock"
    subprocess.run([*pip, "--require-hashes", "-r", str(runtime)], cwd=tmp_path, check=True, timeout=300)
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], cwd=tmp_path, check=True, timeout=60)

    assert run(command, "--version").stdout.strip() == version("authz-server")
    consistent = run(python, "-m", "pip", "check")
    assert consistent.returncode == 0, consistent.stdout
    (tmp_path / "ca.pem").write_bytes(root_of_today().certificate_pem)
    checked = run(
        command,
        "check",
        AUTHZ_HOP_PRINCIPALS="spiffe://lab/waf",
        AUTHZ_SOURCE_FORMAT="url-pem",
        AUTHZ_TRUST_BUNDLE_FILE=str(tmp_path / "ca.pem"),
        AUTHZ_ALLOW="subject:CN=alice",
    )
    assert checked.returncode == 0, checked.stderr
    assert "CN=Root of today" in checked.stdout
    unset = run(command, "check")
    assert unset.returncode == 1
    assert "AUTHZ_SOURCE_PRESET" in unset.stderr
    inspected = run(command, "inspect", "--format", "url-pem", encode_percent(encode_pem(alice().chain_der)))
    assert inspected.returncode == 0, inspected.stderr
    assert "CN=alice" in inspected.stdout

    show = (
        "import authz_server, pathlib; home = pathlib.Path(authz_server.__file__).parent; print(home);"
        "from authz_server.demo.envoys import shipped_configuration as shipped;"
        "[shipped(path.name) for path in (home / '_envoy').iterdir()]; print(len(list((home / '_envoy').iterdir())))"
    )
    home, count = run(python, "-c", show).stdout.split()
    assert Path(home).is_relative_to(tmp_path)
    assert int(count) == len(list((CHECKOUT / "envoy").iterdir()))
