"""Environment and file -> settings, or every problem at once, each named by its variable."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from authz_server.settings import Settings, read_settings
from authz_server.settings.names import FLATS
from authz_server.validation import Profile, RevocationMode, RevocationPolicy

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
    assert (found.trust_domains["default"].identity, found.allow, found.hops["waf"].principals) == (
        "email",
        ("dns:a", "dns:b"),
        ("CN=waf,O=Lab",),
    )


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


def test_nothing_set():
    """Whoever begins with nothing is told everything that is missing, at once."""
    found, problems = read_settings({})
    assert found is None
    assert {problem.name for problem in problems} == {
        "AUTHZ_HOP_PRINCIPALS",
        "AUTHZ_SOURCE_PRESET",
        "AUTHZ_TRUST_BUNDLE_FILE",
        "AUTHZ_ALLOW",
    }


def test_wrong_values_and_contradictions_together():
    """A value that is wrong by itself hides no contradiction among the others, and begets none."""
    assert set(names(HOP_NETWORKS="junk", HOP_PRINCIPALS=None, TLS_CERTIFICATE_FILE="/c", SOURCE_FORMAT="junk")) == {
        "AUTHZ_HOP_NETWORKS",
        "AUTHZ_SOURCE_FORMAT",
        "AUTHZ_TLS_CERTIFICATE_FILE",
    }


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


HOPS = """
region-a: {principals: [spiffe://example.org/waf], context: hop=mtls}
region-b: {signature_keys: ["b1=/keys/b1.pem"], signature_tag: waf, max_age_seconds: 10}
"""
SOURCES = """
employees: {preset: rfc9440, hops: [region-a]}
partners: {preset: nginx, hops: [region-b], trust_bundle_file: /etc/authz/partners.pem}
"""
GROUPS = {"HOP_PRINCIPALS": None, "SOURCE_FORMAT": None, "HOPS": HOPS, "SOURCES": SOURCES}


def as_json(text):
    return json.dumps(yaml.safe_load(text))


@pytest.mark.parametrize("written", [str, as_json])
def test_groups(written):
    """Several hops and sources are a mapping, in YAML or JSON, of the flat settings' names."""
    found = settings(**GROUPS | {"HOPS": written(HOPS), "SOURCES": written(SOURCES)})
    assert found.hops["region-a"].principals == ("spiffe://example.org/waf",)
    assert found.hops["region-b"].signature_keys == (("b1", Path("/keys/b1.pem")),)
    assert found.hops["region-b"].max_age_seconds == 10
    assert found.sources["partners"].hops == ("region-b",)
    assert found.sources["partners"].trust_bundle_file == Path("/etc/authz/partners.pem")


def test_keys_as_pairs():
    """A key id that holds an equals sign is written as a pair of a list."""
    assert settings(HOP_SIGNATURE_KEYS='[["a=", "/f"]]').hops["waf"].signature_keys == (("a=", Path("/f")),)


def test_groups_from_files(tmp_path):
    """A group may stand in the configuration file, or in a file of its own that a variable names."""
    config, hops = tmp_path / "authz.yaml", tmp_path / "hops"
    config.write_text(f"sources:{SOURCES.replace(chr(10), chr(10) + '  ')}")
    hops.write_text(HOPS)
    found = settings(**GROUPS | {"HOPS": None, "SOURCES": None, "CONFIG": str(config), "HOPS_FILE": str(hops)})
    assert found == settings(**GROUPS)


def test_flat_is_a_group_of_one():
    """The flat settings are one hop called `waf` and one source called `default`."""
    grouped = {
        "HOP_PRINCIPALS": None,
        "SOURCE_FORMAT": None,
        "HOPS": "waf: {principals: spiffe://example.org/waf}",
        "SOURCES": "default: {format: xfcc}",
    }
    assert settings(**grouped) == settings()


# Each hop is wrong in one way. The variable that is blamed, in a flat hop and in a group.
WRONG_HOPS = [
    ("principals", "[]"),  # written down and empty: no proof would be asked for
    ("networks", "[]"),
    ("networks", "['']"),
    ("networks", "null"),
    ("secret_files", "['']"),  # an empty path is the working directory
    ("hmac_key_files", "[]"),
    ("signature_keys", "[]"),
    ("signature_keys", "[k]"),
    ("signature_keys", "['=/f']"),
    ("signature_keys", "['k=']"),
    ("signature_keys", "{k: /f}"),
    ("certificate_sha256", "[]"),
    ("context", "hop"),
    ("context", "hop="),
    ("secret_header", "X-Secret"),  # upper case is never found
    ("secret_header", "x-hop-other"),  # without a secret
    ("hmac_header", "x-hop-other"),
    ("signature_tag", "waf"),
    ("signature_require_nonce", "true"),
    ("signature_components", "['@method']"),
    ("max_age_seconds", "5"),
    ("clock_skew_seconds", "1"),
    ("unknown", "1"),
]
WRONG_KEYED = [
    ("max_age_seconds", "0"),
    ("max_age_seconds", "3601"),
    ("max_age_seconds", ".nan"),
    ("max_age_seconds", ".inf"),
    ("clock_skew_seconds", "-1"),
    ("clock_skew_seconds", ".nan"),
    ("signature_components", "[]"),
    ("signature_components", "['@pth']"),
    ("signature_components", "['@scheme']"),  # would be assumed
    ("signature_components", "['@query-param']"),
    ("signature_components", "['@signature-params']"),
    ("signature_components", "[Date]"),
    ("hmac_header", "signature"),  # the signature's own
    ("secret_header", "x-hop-signature"),  # the HMAC's
]


def keyed(field, value):
    fields = {"signature_keys": "[k=/f]", "hmac_key_files": "[/h]", "secret_files": "[/s]"} | {field: value}
    return "{" + ", ".join(f"{name}: {text}" for name, text in fields.items()) + "}"


@pytest.mark.parametrize(
    ("field", "hop"),
    [
        *((field, f"{{principals: [x], {field}: {value}}}") for field, value in WRONG_HOPS if field != "principals"),
        ("principals", "{networks: [10.0.0.0/8], principals: []}"),
        ("principals", "{networks: [10.0.0.0/8], principals: ['']}"),
        ("context", "{networks: [10.0.0.0/8], context: hop=mtls}"),  # would not be looked at
        ("hmac_header", keyed("secret_header", "x-hop-signature")),
        *((field, keyed(field, value)) for field, value in WRONG_KEYED if field != "secret_header"),
        ("principals", "{}"),
    ],
)
def test_wrong_hops(field, hop):
    """What is wrong with a hop is blamed on its field, where it stands; what would silently do nothing is wrong."""
    good = "{principals: [y]}"
    assert names(HOP_PRINCIPALS=None, HOPS=f"a: {hop}\nb: {good}") == [f"AUTHZ_HOPS (a.{field})"]
    if hop != "{}":
        assert names(HOP_PRINCIPALS=None, HOPS=f"waf: {hop}") == [f"AUTHZ_HOP_{field.upper()}"]


@pytest.mark.parametrize(
    ("more", "blamed"),
    [
        ({"HOPS": HOPS}, {"HOPS"}),  # beside AUTHZ_HOP_PRINCIPALS
        ({"SOURCES": SOURCES}, {"SOURCES", "SOURCES (employees.hops)", "SOURCES (partners.hops)"}),
        (GROUPS | {"HOPS": ""}, {"HOPS"}),
        (GROUPS | {"HOPS": "x"}, {"HOPS"}),
        (GROUPS | {"HOPS": "a: ["}, {"HOPS"}),
        (GROUPS | {"HOPS": "{}"}, {"HOP_PRINCIPALS", "SOURCES (employees.hops)", "SOURCES (partners.hops)"}),
        (GROUPS | {"HOPS": HOPS + "region-a: {networks: 10.0.0.0/8}"}, {"HOPS"}),  # the last would win
        (
            GROUPS | {"HOPS": HOPS.replace("max_age_seconds: 10", "name: region-a")},
            {"HOPS (region-a.name)", "HOPS (region-b.name)"},
        ),
        (GROUPS | {"HOPS": "1: {principals: x}"}, {"HOPS (1.[key])"}),
        (GROUPS | {"SOURCES": "{}"}, {"SOURCE_PRESET"}),
        (GROUPS | {"SOURCES": SOURCES + "partners: {preset: nginx}"}, {"SOURCES"}),
        (GROUPS | {"SOURCES": SOURCES.replace("nginx", "ngnix")}, {"SOURCES (partners.preset)"}),
        (GROUPS | {"SOURCES": SOURCES.replace("preset", "prset")}, {"SOURCES (employees.prset)", "SOURCES (partners.prset)"}),
        (GROUPS | {"SOURCES": SOURCES.replace("[region-b]", "[region-c]")}, {"SOURCES (partners.hops)"}),
        (GROUPS | {"SOURCES": SOURCES.replace("[region-b]", "[]")}, {"SOURCES (partners.hops)"}),  # would be every hop
        (GROUPS | {"SOURCES": SOURCES, "TRUST_BUNDLE_FILE": None}, {"TRUST_BUNDLE_FILE"}),  # of the employees
        ({"SOURCE_PRESET": "ngnix"}, {"SOURCE_PRESET"}),
        ({"SOURCE_FORMAT": None}, {"SOURCE_PRESET"}),
        ({"HOP_SECRET_FILES": "/s", "HOP_SECRET_HEADER": "x-auth-client-name"}, {"HEADER_PREFIX"}),  # set, then removed
        ({"HOP_HMAC_KEY_FILES": "/s", "HOP_HMAC_HEADER": "x-auth-client-name"}, {"HEADER_PREFIX"}),
        ({"HOP_SECRET_FILES": "/s", "HOP_SECRET_HEADER": "x-forwarded-client-cert"}, {"SOURCE_HEADER"}),
        ({"HOP_SIGNATURE_KEYS": "k=/f", "SOURCE_HEADER": "signature"}, {"SOURCE_HEADER"}),
        ({"SOURCE_CONTEXT": ""}, {"SOURCE_CONTEXT"}),
        (
            {"UNSAFE_NO_HOP_PROOF": "true", "HOP_PRINCIPALS": None, "HOP_HMAC_KEY_FILES": "/h"},
            {"UNSAFE_NO_HOP_PROOF"},
        ),
    ],
)
def test_contradictions(more, blamed):
    """Each contradiction is blamed on the variable that has to change."""
    assert set(names(**more)) == {f"AUTHZ_{name}" for name in blamed}


def test_a_misspelt_preset_is_guessed():
    """A name close to a preset's is answered with it."""
    _, (problem,) = read_settings(environment({"SOURCE_PRESET": "ngnix"}))
    assert problem.message.startswith("did you mean 'nginx'?")


def test_another_spelling_of_a_variable():
    """A variable in another case is no setting, since nobody could say which of the two wins."""
    found, problems = read_settings(environment({}) | {"AUTHZ_Hop_Principals": "other"})
    assert found is None
    assert [problem.name for problem in problems] == ["AUTHZ_Hop_Principals"]


@pytest.mark.parametrize("text", ["identity: dns\nidentity: email\n", "hops: {a: {principals: x}, a: {principals: y}}\n"])
def test_a_key_twice_in_the_file(tmp_path, text):
    """YAML would take the last of two, and a proof might vanish."""
    file = tmp_path / "authz.yaml"
    file.write_text(text)
    assert "AUTHZ_CONFIG" in names(CONFIG=str(file))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, []),
        ({"HOP_SIGNATURE_REQUIRE_NONCE": "false"}, ["AUTHZ_HOP_SIGNATURE_REQUIRE_NONCE"]),
        ({"HOP_SIGNATURE_COMPONENTS": "@method,@target-uri"}, []),
        ({"HOP_SIGNATURE_COMPONENTS": "@method,@authority,@request-target"}, []),
        ({"HOP_SIGNATURE_COMPONENTS": "@method,@authority,@path"}, ["AUTHZ_HOP_SIGNATURE_COMPONENTS"]),
        ({"HOP_SIGNATURE_COMPONENTS": "date"}, ["AUTHZ_HOP_SIGNATURE_COMPONENTS"]),
    ],
)
def test_loose_signatures_are_said(more, expected):
    """A signature that fits other requests as well is the operator's choice, and said on every start."""
    found = settings(**{"HOP_SIGNATURE_KEYS": "k=/f"} | more)
    assert [warning.split(":")[0] for warning in found.warnings] == expected
    if "date" in more.values():
        assert found.warnings[0].endswith("differ in host, method, path, query")


DOMAINS = """
employees: {trust_bundle_file: /etc/authz/employees.pem, spiffe_trust_domain: example.org, profile: spiffe, identity: spiffe}
devices: {trust_bundle_file: /etc/authz/devices.pem, trust_kind: pin, identity: sha256}
partners:
  trust_bundle_file: /etc/authz/partners.pem
  trust_intermediates_file: /etc/authz/between.pem
  profile: compatible
  profile_max_depth: 2
  profile_allow_any_eku: false
  profile_policies: [1.2.3, 2.999.1]
  revocation: soft
  revocation_stale_grace_seconds: 60
"""
WITH_DOMAINS = {"TRUST_BUNDLE_FILE": None, "TRUST_DOMAINS": DOMAINS, "CRL_FILES": "/etc/authz/crls"}


@pytest.mark.parametrize("written", [str, as_json])
def test_trust_domains(written):
    """Several trust domains are a mapping, in YAML or JSON, of the flat settings' names."""
    found = settings(**WITH_DOMAINS | {"TRUST_DOMAINS": written(DOMAINS)})
    employees, devices, partners = (found.trust_domains[name] for name in ("employees", "devices", "partners"))
    assert employees.profile_of() == Profile(allow_missing_eku=True, spiffe_trust_domain="example.org")
    assert (devices.trust_kind, devices.identity) == ("pin", "sha256")
    assert partners.profile_of() == Profile(
        max_depth=2, allow_missing_eku=True, allow_missing_digital_signature=True, policies=frozenset({"1.2.3", "2.999.1"})
    )
    assert partners.trust_intermediates_file == Path("/etc/authz/between.pem")
    assert partners.revocation_policy(has_revocation_data=True) == RevocationPolicy(RevocationMode.SOFT, timedelta(seconds=60))


def test_trust_domains_from_a_file(tmp_path):
    """Trust domains may stand in the configuration file, or in a file of their own that a variable names."""
    config, domains = tmp_path / "authz.yaml", tmp_path / "domains"
    config.write_text("trust_domains:" + DOMAINS.replace("\n", "\n  "))
    domains.write_text(DOMAINS)
    by_config = settings(**WITH_DOMAINS | {"TRUST_DOMAINS": None, "CONFIG": str(config)})
    by_file = settings(**WITH_DOMAINS | {"TRUST_DOMAINS": None, "TRUST_DOMAINS_FILE": str(domains)})
    assert by_config == by_file == settings(**WITH_DOMAINS)


def test_flat_trust_settings_are_a_group_of_one():
    """The flat settings are one trust domain called `default`, and no flat name is a setting of another room's."""
    flat = settings(IDENTITY="dns", PROFILE="compatible", SPIFFE_TRUST_DOMAIN="example.org")
    member = "{trust_bundle_file: /etc/authz/ca.pem, identity: dns, profile: compatible, spiffe_trust_domain: example.org}"
    assert settings(TRUST_BUNDLE_FILE=None, TRUST_DOMAINS=f"default: {member}") == flat
    flats = [name for each in FLATS for name in each.fields]
    assert len({*flats, *Settings.model_fields}) == len(flats) + len(Settings.model_fields)


SWITCHES = ("allow_missing_eku", "allow_any_eku", "allow_missing_digital_signature")


@pytest.mark.parametrize(
    ("more", "allowed"),
    [
        ({}, set()),
        ({"PROFILE": "rfc5280"}, set()),
        ({"PROFILE": "compatible"}, set(SWITCHES)),
        ({"PROFILE": "spiffe", "SPIFFE_TRUST_DOMAIN": "example.org"}, {"allow_missing_eku"}),
        ({"PROFILE_ALLOW_ANY_EKU": "true"}, {"allow_any_eku"}),
        ({"PROFILE_ALLOW_MISSING_EKU": "true"}, {"allow_missing_eku"}),
        ({"PROFILE_ALLOW_MISSING_DIGITAL_SIGNATURE": "true"}, {"allow_missing_digital_signature"}),
        ({"PROFILE": "compatible", "PROFILE_ALLOW_ANY_EKU": "false"}, {"allow_missing_eku", "allow_missing_digital_signature"}),
        (
            {"PROFILE": "spiffe", "SPIFFE_TRUST_DOMAIN": "example.org", "PROFILE_ALLOW_MISSING_EKU": "false"},
            set(),
        ),
    ],
)
def test_profiles_and_switches(more, allowed):
    """A profile is a set of leniencies; a switch that is written down wins over it, in both directions."""
    profile = settings(**more).trust_domains["default"].profile_of()
    assert {name for name in SWITCHES if getattr(profile, name)} == allowed
    assert profile.spiffe_trust_domain == ("example.org" if more.get("PROFILE") == "spiffe" else "")
    assert not profile.is_any_purpose


@pytest.mark.parametrize(
    ("more", "mode"),
    [
        ({}, RevocationMode.OFF),
        ({"CRL_FILES": "/crls"}, RevocationMode.HARD),
        ({"CRL_URLS": "http://ca.example.org/ca.crl"}, RevocationMode.HARD),
        ({"CRL_FILES": "/crls", "REVOCATION": "soft"}, RevocationMode.SOFT),
        ({"CRL_FILES": "/crls", "REVOCATION": "off"}, RevocationMode.OFF),
        ({"REVOCATION": "off"}, RevocationMode.OFF),
    ],
)
def test_revocation_by_default(more, mode):
    """Where CRLs are configured, not knowing is an error unless the operator says otherwise; without any nothing is asked."""
    found = settings(**more)
    assert found.trust_domains["default"].revocation_policy(has_revocation_data=found.has_revocation_data).mode is mode


def test_off_in_yaml():
    """``off`` is a mode in YAML as well, where it is another word for false; ``on`` and ``true`` are none."""
    domain = "a: {{trust_bundle_file: /a, revocation: {}}}"
    found = settings(TRUST_BUNDLE_FILE=None, CRL_FILES="/crls", TRUST_DOMAINS=domain.format("off"))
    assert found.trust_domains["a"].revocation is RevocationMode.OFF
    for word in ("on", "true"):
        assert names(TRUST_BUNDLE_FILE=None, TRUST_DOMAINS=domain.format(word)) == ["AUTHZ_TRUST_DOMAINS (a.revocation)"]


# One trust domain is wrong in one way: what is written, and the field that is blamed, flat and in a group.
WRONG_DOMAINS = [
    ({"trust_kind": "both"}, "trust_kind"),
    ({"spiffe_trust_domain": "Example.org"}, "spiffe_trust_domain"),
    ({"spiffe_trust_domain": "spiffe://example.org"}, "spiffe_trust_domain"),
    ({"spiffe_trust_domain": "example.org\n/"}, "spiffe_trust_domain"),
    ({"spiffe_trust_domain": "a" * 256}, "spiffe_trust_domain"),
    ({"identity": "face"}, "identity"),
    ({"profile": "lax"}, "profile"),
    ({"profile": "spiffe"}, "spiffe_trust_domain"),  # SVIDs of which trust domain?
    ({"profile_max_depth": 9}, "profile_max_depth"),
    ({"profile_max_depth": -1}, "profile_max_depth"),
    ({"profile_allow_any_eku": "perhaps"}, "profile_allow_any_eku"),
    ({"profile_allow_missing_eku": "perhaps"}, "profile_allow_missing_eku"),
    ({"profile_allow_missing_digital_signature": "perhaps"}, "profile_allow_missing_digital_signature"),
    ({"profile_policies": []}, "profile_policies"),  # would be none at all
    ({"profile_policies": ["gold"]}, "profile_policies"),
    ({"profile_policies": ["1.2.3", "1.02.3"]}, "profile_policies"),
    ({"profile_policies": ["3.1"]}, "profile_policies"),
    ({"profile_policies": ["1"]}, "profile_policies"),
    ({"profile_policies": ["1.2.3\n"]}, "profile_policies"),
    ({"revocation": "maybe"}, "revocation"),
    ({"revocation": "soft"}, "revocation"),  # with what?
    ({"revocation": "hard"}, "revocation"),
    ({"revocation_stale_grace_seconds": -1}, "revocation_stale_grace_seconds"),
    ({"revocation_stale_grace_seconds": 31 * 86400}, "revocation_stale_grace_seconds"),
    ({"revocation_stale_grace_seconds": ".nan"}, "revocation_stale_grace_seconds"),
    # What a pin would ignore must not look as if it counted.
    ({"trust_kind": "pin", "trust_intermediates_file": "/i"}, "trust_intermediates_file"),
    ({"trust_kind": "pin", "profile": "spiffe", "spiffe_trust_domain": "example.org"}, "profile"),
    ({"trust_kind": "pin", "profile": "rfc5280"}, "profile"),
    ({"trust_kind": "pin", "profile_policies": ["1.2.3"]}, "profile_policies"),
    ({"trust_kind": "pin", "profile_max_depth": 2}, "profile_max_depth"),
    ({"trust_kind": "pin", "profile_allow_missing_eku": False}, "profile_allow_missing_eku"),
    ({"trust_kind": "pin", "revocation": "soft"}, "revocation"),
]


@pytest.mark.parametrize(("fields", "blamed"), WRONG_DOMAINS)
def test_wrong_trust_domains(fields, blamed):
    """What is wrong with a trust domain is blamed on its own variable, flat and in a group, and on no other."""
    flat = {name.upper(): json.dumps(value) if isinstance(value, list) else str(value) for name, value in fields.items()}
    assert set(names(**flat)) == {f"AUTHZ_{blamed.upper()}"}
    group = {"a": {"trust_bundle_file": "/a"} | fields, "b": {"trust_bundle_file": "/b"}}
    assert set(names(TRUST_BUNDLE_FILE=None, TRUST_DOMAINS=json.dumps(group))) == {f"AUTHZ_TRUST_DOMAINS (a.{blamed})"}


def test_pins_and_crls():
    """Configured CRLs are for other trust domains: pins are not checked, and a mode is a contradiction with them as well."""
    found = settings(TRUST_KIND="pin", CRL_FILES="/crls")
    assert found.trust_domains["default"].trust_kind == "pin"
    assert names(TRUST_KIND="pin", CRL_FILES="/crls", REVOCATION="hard") == ["AUTHZ_REVOCATION"]


ONE_FOR_EACH = "a: {preset: rfc9440, trust_domains: [employees]}\nb: {preset: nginx, trust_domains: [devices, partners]}"


@pytest.mark.parametrize(
    ("more", "blamed"),
    [
        (WITH_DOMAINS | {"TRUST_BUNDLE_FILE": "/x"}, {"TRUST_DOMAINS"}),  # the one or the others
        (WITH_DOMAINS | {"IDENTITY": "dns"}, {"TRUST_DOMAINS"}),
        (WITH_DOMAINS | {"TRUST_DOMAINS": ""}, {"TRUST_DOMAINS"}),
        (WITH_DOMAINS | {"TRUST_DOMAINS": "x"}, {"TRUST_DOMAINS"}),
        (WITH_DOMAINS | {"TRUST_DOMAINS": "a: ["}, {"TRUST_DOMAINS"}),
        (WITH_DOMAINS | {"TRUST_DOMAINS": "{}"}, {"TRUST_BUNDLE_FILE"}),
        (
            WITH_DOMAINS | {"TRUST_DOMAINS": "a: {}\nb: {}"},
            {"TRUST_DOMAINS (a.trust_bundle_file)", "TRUST_DOMAINS (b.trust_bundle_file)"},
        ),
        (WITH_DOMAINS | {"TRUST_DOMAINS": "a: {trust_bundle: /a}"}, {"TRUST_DOMAINS (a.trust_bundle)"}),
        (WITH_DOMAINS | {"TRUST_DOMAINS": DOMAINS + "devices: {trust_bundle_file: /x}"}, {"TRUST_DOMAINS"}),  # twice
        (
            WITH_DOMAINS | {"TRUST_DOMAINS": DOMAINS.replace("profile: compatible", "spiffe_trust_domain: example.org")},
            {"TRUST_DOMAINS"},  # two claim one
        ),
        (WITH_DOMAINS | {"CRL_FILES": None}, {"TRUST_DOMAINS (partners.revocation)"}),
        (WITH_DOMAINS | {"TRUST_DOMAIN_CONTEXT": ""}, {"TRUST_DOMAIN_CONTEXT"}),
        (
            WITH_DOMAINS | {"SOURCE_FORMAT": None, "SOURCES": ONE_FOR_EACH.replace("partners", "partner, emploees")},
            {"SOURCES (b.trust_domains)"},
        ),
        (WITH_DOMAINS | {"SOURCE_TRUST_DOMAINS": "nobody"}, {"SOURCE_TRUST_DOMAINS"}),
        (WITH_DOMAINS | {"SOURCE_TRUST_DOMAINS": ""}, {"SOURCE_TRUST_DOMAINS"}),  # would be all of them
        (WITH_DOMAINS | {"SOURCE_TRUST_BUNDLE_FILE": "/x"}, {"SOURCE_TRUST_BUNDLE_FILE"}),  # with whose settings?
        ({"SOURCE_TRUST_BUNDLE_FILE": "/x", "SOURCE_TRUST_DOMAINS": "default"}, {"SOURCE_TRUST_BUNDLE_FILE"}),
        (
            # Its own bundle, under the name of the domain that the other source has.
            {"SOURCE_FORMAT": None, "SOURCES": "default: {preset: nginx, trust_bundle_file: /x}\nb: {preset: nginx}"},
            {"SOURCE_TRUST_BUNDLE_FILE"},
        ),
        ({"TRUST_BUNDLE_FILE": None}, {"TRUST_BUNDLE_FILE"}),
        ({"TRUST_BUNDLE_FILE": None, "IDENTITY": "dns"}, {"TRUST_BUNDLE_FILE"}),
        ({"TRUST_EXPIRY_WARNING_DAYS": "-1"}, {"TRUST_EXPIRY_WARNING_DAYS"}),
        ({"CRL_FILES": ""}, {"CRL_FILES"}),
        ({"CRL_URLS": ""}, {"CRL_URLS"}),
        ({"CRL_INTERVAL_SECONDS": "0"}, {"CRL_INTERVAL_SECONDS"}),
        ({"CRL_INTERVAL_SECONDS": "nan"}, {"CRL_INTERVAL_SECONDS"}),
        ({"CRL_NETWORKS": "10.0.0.1/8"}, {"CRL_NETWORKS"}),
        ({"CRL_NETWORKS": ""}, {"CRL_NETWORKS"}),
        ({"RELOAD_INTERVAL_SECONDS": "0"}, {"RELOAD_INTERVAL_SECONDS"}),
        ({"RELOAD_INTERVAL_SECONDS": "inf"}, {"RELOAD_INTERVAL_SECONDS"}),
    ],
)
def test_trust_contradictions(more, blamed):
    """Each contradiction about trust is blamed on the variable that has to change."""
    assert set(names(**more)) == {f"AUTHZ_{name}" for name in blamed}


def test_sources_choose_trust_domains():
    """A source may name its trust domains, or have one bundle of its own where all others have theirs."""
    found = settings(**WITH_DOMAINS | {"SOURCE_FORMAT": None, "SOURCES": ONE_FOR_EACH})
    assert found.sources["b"].trust_domains == ("devices", "partners")
    own = settings(TRUST_BUNDLE_FILE=None, SOURCE_TRUST_BUNDLE_FILE="/x", IDENTITY="dns")
    assert own.sources["default"].trust_bundle_file == Path("/x")
    sources = "default: {preset: nginx, trust_bundle_file: /x}\nb: {preset: nginx, trust_bundle_file: /y}"
    assert settings(SOURCE_FORMAT=None, SOURCES=sources).trust_domains["default"].trust_bundle_file is not None
