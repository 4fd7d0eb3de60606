"""Environment and file -> settings, or every problem at once, each named by its variable."""

from __future__ import annotations

import pytest

from authz_server.settings import read_settings

BASE = {
    "AUTHZ_SOURCE_FORMAT": "xfcc",
    "AUTHZ_TRUST_BUNDLE_FILE": "/etc/authz/ca.pem",
    "AUTHZ_ALLOW": "*",
    "AUTHZ_HOP_PRINCIPALS": "spiffe://example.org/waf",
}


def environment(more):
    """The environment with these changes; ``None`` unsets a variable."""
    changed = BASE | {f"AUTHZ_{name}": value for name, value in more.items()}
    return {name: value for name, value in changed.items() if value is not None}


def settings(**more):
    found, problems = read_settings(environment(more))
    assert problems == ()
    return found


def names(**more):
    """The variables that the problems name; there are no settings beside problems."""
    found, problems = read_settings(environment(more))
    assert found is None
    return [problem.name for problem in problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a, b,,c", ("a", "b", "c")),
        ('["CN=waf,O=Lab"]', ("CN=waf,O=Lab",)),  # a comma inside: only JSON can say it
        ('["dns:a", "dns:b"]\n', ("dns:a", "dns:b")),
    ],
)
def test_lists(text, expected):
    """A list is a JSON array if it begins with a bracket, otherwise its parts are separated by commas."""
    assert settings(HOP_PRINCIPALS=text).hops["waf"].principals == expected


def test_environment_wins(tmp_path):
    """The file gives what the environment does not, and never more than that."""
    file = tmp_path / "authz.yaml"
    file.write_text("hop_name: from-file\nlog_level: debug\n")
    found = settings(CONFIG=str(file), HOP_NAME="from-environment")
    assert (found.hops["waf"].name, found.log_level) == ("from-environment", "debug")


def test_file_environment_and_value_files_together(tmp_path):
    """The environment wins over the file, a list may be YAML's own, and other variables of the process do not matter."""
    config, allow = tmp_path / "config.yaml", tmp_path / "allow"
    config.write_text("hop_principals: ['CN=waf,O=Lab']\nidentity: dns\nsource_format: xfcc\ntrust_bundle_file: x\n")
    allow.write_text('["dns:a", "dns:b"]\n')
    found, problems = read_settings(
        {"AUTHZ_CONFIG": str(config), "AUTHZ_ALLOW_FILE": str(allow), "AUTHZ_IDENTITY": "email", "PATH": "/bin"}
    )
    assert problems == ()
    assert (found.identity, found.allow, found.hops["waf"].principals) == ("email", ("dns:a", "dns:b"), ("CN=waf,O=Lab",))


def test_value_from_file(tmp_path):
    """``AUTHZ_…_FILE`` names a file that holds the value, so that a secret need not stand in the environment."""
    file = tmp_path / "key"
    file.write_text("secret\n")
    assert settings(LOG_MASK_KEY_FILE=str(file)).log_mask_key.get_secret_value() == "secret"


def test_value_and_file_contradict(tmp_path):
    """A value given in both ways is a contradiction, whatever the file holds."""
    assert names(ALLOW_FILE=str(tmp_path / "allow")) == ["AUTHZ_ALLOW_FILE"]


def test_everything_at_once(tmp_path):
    """Unknown variables, unreadable files and wrong values are reported together."""
    wrong = {"NOPE": "1", "LOG_MASK_KEY_FILE": str(tmp_path / "absent"), "IDENTITY": "face", "LISTEN": "junk"}
    expected = {"AUTHZ_NOPE", "AUTHZ_LOG_MASK_KEY_FILE", "AUTHZ_IDENTITY", "AUTHZ_LISTEN"}
    assert set(names(**wrong)) == expected


@pytest.mark.parametrize("name", ["CONFIG", "LOG_MASK_KEY_FILE"])
def test_unreadable_file(name):
    """A file that is not there is a problem of the variable that names it."""
    assert names(**{name: "/nonexistent"}) == [f"AUTHZ_{name}"]


@pytest.mark.parametrize("text", ["- a\n", "a: [\n"])
def test_config_must_be_a_mapping(tmp_path, text):
    """A file that is no YAML mapping is a problem of AUTHZ_CONFIG."""
    file = tmp_path / "authz.yaml"
    file.write_text(text)
    assert names(CONFIG=str(file)) == ["AUTHZ_CONFIG"]


@pytest.mark.parametrize(
    ("name", "value", "blamed"),
    [
        ("UNKNOWN", "1", "UNKNOWN"),
        ("LISTEN", "0.0.0.0:9001", "LISTEN"),  # anybody can ask, in plain text
        ("LISTEN", "127.0.0.1:65536", "LISTEN"),
        ("LISTEN", "127.0.0.1", "LISTEN"),
        ("LISTEN", "unix:/", "LISTEN"),
        ("LISTEN", "", "LISTEN"),  # only the admin port can be turned off
        ("ADMIN_LISTEN", "junk", "ADMIN_LISTEN"),
        ("ADMIN_LISTEN", "unix:/run/admin", "ADMIN_LISTEN"),
        ("TLS_CERTIFICATE_FILE", "/c", "TLS_CERTIFICATE_FILE"),  # without its key
        ("TLS_CLIENT_CA_FILE", "/c", "TLS_CLIENT_CA_FILE"),  # without TLS
        ("HOP_PRINCIPALS", None, "HOP_PRINCIPALS"),  # no proof at all
        ("HOP_NETWORKS", "", "HOP_NETWORKS"),  # a proof that would silently not be asked for
        ("HOP_PRINCIPALS", "CN=waf,O=Lab", "HOP_PRINCIPALS"),  # cut at the comma
        ("HOP_NETWORKS", "10.0.0.1/8", "HOP_NETWORKS"),  # host bits set
        ("UNSAFE_NO_HOP_PROOF", "true", "UNSAFE_NO_HOP_PROOF"),  # beside a proof
        ("SOURCE_ELEMENT", "middle", "SOURCE_ELEMENT"),
        ("SOURCE_HEADER", "x-auth-client-cert", "HEADER_PREFIX"),  # would be injected and removed
        ("HEADER_PREFIX", "auth-", "HEADER_PREFIX"),
        ("HEADER_PREFIX", "x-forwarded-", "HEADER_PREFIX"),  # begins the certificate header
        ("ALLOW", "", "ALLOW"),
        ("ALLOW", "[", "ALLOW"),  # neither JSON nor a list
    ],
)
def test_refused(name, value, blamed):
    """Each of these is refused and blamed on its own variable."""
    assert set(names(**{name: value})) == {f"AUTHZ_{blamed}"}


def test_pins_need_a_principal():
    """A pin adds to a principal; with a network alone it would be checked against nothing."""
    assert names(HOP_PRINCIPALS=None, HOP_NETWORKS="10.0.0.0/8", HOP_CERTIFICATE_SHA256="ab" * 32) == ["AUTHZ_HOP_PRINCIPALS"]


def test_element_of_another_type(tmp_path):
    """YAML gives numbers where text is meant: a problem, no traceback."""
    file = tmp_path / "authz.yaml"
    file.write_text("source_element: 5\n")
    assert names(CONFIG=str(file)) == ["AUTHZ_SOURCE_ELEMENT"]


@pytest.mark.parametrize("listen", ["localhost:1", "[::1]:9001", "unix:/run/authz.sock"])
def test_local_listeners(listen):
    """Loopback and Unix sockets need no TLS."""
    assert settings(LISTEN=listen).listen == listen


def test_danger_is_said():
    """What gives safety up is named on every start."""
    found = settings(LISTEN="0.0.0.0:9001", UNSAFE_PLAINTEXT_LISTEN="true")
    assert [warning.split()[0] for warning in found.warnings] == ["AUTHZ_UNSAFE_PLAINTEXT_LISTEN"]
