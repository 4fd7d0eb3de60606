"""Files and settings -> snapshot. A trust bundle with one certificate that cannot be an anchor is refused whole."""

from __future__ import annotations

import base64
import errno
import json
import os
import pathlib
import shutil
import subprocess
import sys
from datetime import timedelta

import pytest
from cryptography import x509

from authz_server.hop import Freshness, Key, MacProof, NetworkProof, PeerProof, ReplayMemory, SecretProof, SignatureProof
from authz_server.loading import load_anchors, load_snapshot
from authz_server.reasons import Reason, Rejection
from authz_server.settings import read_settings
from authz_server.validation import PinnedCertificates, RevocationMode, TrustBundle, verify_path
from tests import pki
from tests.hop.signing import public_pem


@pytest.fixture
def load(tmp_path):
    """Load with this bundle and these settings at ``now``."""

    def load_bundle(bundle: bytes, now=pki.NOW, **more):
        file = tmp_path / "ca.pem"
        file.write_bytes(bundle)
        variables = {"SOURCE_FORMAT": "xfcc", "ALLOW": "*", "HOP_PRINCIPALS": "w", "TRUST_BUNDLE_FILE": str(file)} | more
        settings, problems = read_settings({f"AUTHZ_{name}": value for name, value in variables.items() if value is not None})
        assert problems == ()
        return load_snapshot(settings, now)

    return load_bundle


ROOT = pki.root().certificate_pem
NOT_CA = pki.client(extensions=((x509.BasicConstraints(ca=False, path_length=None), True),))


@pytest.mark.parametrize(
    ("bundle", "words"),
    [
        (b"", "no PEM"),
        (b"no PEM at all", "no PEM"),
        (ROOT[:-40], "PEM"),  # half-written, the only one
        (ROOT[:-10], "PEM"),
        (ROOT + ROOT[:200], "whole certificates"),  # half-written, the last one: a PEM loader skips it
        (ROOT + pki.root().key_pem, "private key"),  # has no business here
        (ROOT + pki.alice().certificate_pem, "alice"),  # one of two is no CA
        (pki.alice().certificate_pem, "not a CA certificate (no basic constraints)"),
        (ROOT + NOT_CA.certificate_pem, "not a CA certificate (CA:FALSE)"),
        (pki.authority("Old", not_after=pki.NOW - pki.SECOND).certificate_pem, "expired"),
    ],
)
def test_bundle_refused(load, bundle, words):
    """The problem names the file, what is wrong, and the certificate where it is one certificate's fault."""
    loaded = load(bundle)
    assert loaded.snapshot is None
    (problem,) = loaded.problems
    assert problem.name == "AUTHZ_TRUST_BUNDLE_FILE"
    assert "ca.pem" in problem.message
    assert words in problem.message


def test_anchors_of_a_file(tmp_path):
    """A bundle alone, as `inspect` takes it, is held to the same, and the error names the file."""
    file = tmp_path / "ca.crt"
    file.write_bytes(ROOT)
    assert load_anchors(file, pki.NOW) == (pki.certificate(pki.root()),)
    for content, words in ((b"", "no PEM"), (pki.alice().certificate_pem, "not a CA certificate")):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=words) as refused:
            load_anchors(file, pki.NOW)
        assert str(file) in str(refused.value)


def test_unreadable(load, tmp_path):
    """A bundle that is not there keeps the service from starting."""
    loaded = load(ROOT, TRUST_BUNDLE_FILE=str(tmp_path / "absent"))
    assert [problem.name for problem in loaded.problems] == ["AUTHZ_TRUST_BUNDLE_FILE"]
    assert loaded.snapshot is None


def test_expiry_boundary(load):
    """RFC 5280 §4.1.2.5: the last second is valid to its end, the next is not."""
    last = pki.root().certificate.not_valid_after_utc
    assert load(ROOT, last + timedelta(microseconds=999_999)).snapshot is not None
    assert load(ROOT, last + pki.SECOND).snapshot is None


def test_expiry_warning(load):
    """A CA certificate that expires soon is a warning, not a problem."""
    (warning,) = load(ROOT, TRUST_EXPIRY_WARNING_DAYS="3").warnings
    assert "CN=Root" in warning
    assert load(ROOT, TRUST_EXPIRY_WARNING_DAYS="1").warnings == ()


PIN = "ab" * 32


@pytest.mark.parametrize("text", [PIN, PIN.upper(), ":".join(["ab"] * 32), base64.b64encode(bytes.fromhex(PIN)).decode()])
def test_pins(load, text):
    """Pins are hex, with colons or without, or base64 as Envoy writes them."""
    loaded = load(ROOT, HOP_CERTIFICATE_SHA256=text)
    assert loaded.snapshot.ingresses["default"].hops[0].proofs == (
        PeerProof(frozenset({"w"}), ("hop", "mtls"), frozenset({PIN}), frozenset()),
    )


@pytest.mark.parametrize("text", [PIN[:-2], "zz" * 32, "é" * 32])
def test_pins_refused(load, text):
    """Anything that is not 32 bytes is named, and what would be right."""
    (problem,) = load(ROOT, HOP_PUBLIC_KEY_SHA256=text).problems
    assert (problem.name, "64 hexadecimal digits" in problem.message) == ("AUTHZ_HOP_PUBLIC_KEY_SHA256", True)


def test_both_proofs(load):
    """A principal and a network are both asked for."""
    (hop,) = load(ROOT, HOP_NETWORKS="10.0.0.0/8").snapshot.ingresses["default"].hops
    assert [type(proof) for proof in hop.proofs] == [PeerProof, NetworkProof]


def test_all_problems(load):
    """A bad pattern and a bad bundle are reported together."""
    assert {p.name for p in load(b"", ALLOW="nobody:x").problems} == {"AUTHZ_ALLOW", "AUTHZ_TRUST_BUNDLE_FILE"}


def test_revision_follows_content(load):
    """The revision changes with the settings and with the bundle, and with nothing else."""
    first = load(ROOT).snapshot.revision
    assert load(ROOT, pki.NOW + pki.SECOND).snapshot.revision == first
    assert load(ROOT, HOP_NAME="other").snapshot.revision != first
    assert load(ROOT + b"\n").snapshot.revision != first


SECRET, NEXT = b"0123456789abcdef0123456789abcdef", b"fedcba9876543210fedcba9876543210"
THIRD = b"x" * 32
RANDOM = bytes(range(31)) + b"\n"


@pytest.fixture
def keyed(load, tmp_path):
    """Load with files of these contents; settings name them as ``{NAME}``."""

    def load_keyed(files: dict[str, bytes], now=pki.NOW, **more):
        paths = {}
        for name, content in files.items():
            paths[name] = tmp_path / name
            paths[name].write_bytes(content)
        return load(ROOT, now, **{name: value and value.format(folder=tmp_path, **paths) for name, value in more.items()})

    return load_keyed


def proofs(loaded, source="default"):
    (hop,) = loaded.snapshot.ingresses[source].hops
    return hop.proofs


def blamed(loaded):
    """The variables that the problems name, and all of their messages."""
    assert loaded.snapshot is None
    return [problem.name for problem in loaded.problems], "\n".join(problem.message for problem in loaded.problems)


def test_every_proof(keyed):
    """A hop asks for all proofs that are configured, the cheap ones first."""
    loaded = keyed(
        {"secret": SECRET, "mac": NEXT, "public": public_pem("ed25519"), "shared": RANDOM},
        HOP_NETWORKS="10.0.0.0/8",
        HOP_SECRET_FILES="{secret}",
        HOP_HMAC_KEY_FILES="{mac}",
        HOP_SIGNATURE_KEYS="p={public}",
        HOP_SIGNATURE_SECRETS="s={shared}",
        HOP_MAX_AGE_SECONDS="7",
        HOP_CLOCK_SKEW_SECONDS="1",
    )
    peer, network, secret, mac, signature = proofs(loaded)
    assert (type(peer), type(network)) == (PeerProof, NetworkProof)
    assert secret == SecretProof("x-hop-secret", (SECRET,))
    fresh = Freshness(timedelta(seconds=7), timedelta(seconds=1))
    certificate = ("x-forwarded-client-cert",)
    assert mac == MacProof("x-hop-signature", (NEXT,), certificate, fresh, mac.memory)
    keys = {"p": Key.from_public_pem(public_pem("ed25519")), "s": Key.from_secret(RANDOM)}
    components = ("@method", "@authority", "@path", "@query")
    assert signature == SignatureProof(keys, certificate, components, fresh, mac.memory)
    assert signature.memory is mac.memory


def test_what_is_signed(keyed):
    """Beside the certificate headers it is the proxy's verdict on the certificate; other siblings repeat the certificate."""
    siblings = "verified:x-verify=SUCCESS,subject:x-subject,strip:x-other"
    loaded = keyed(
        {"mac": SECRET},
        HOP_HMAC_KEY_FILES="{mac}",
        SOURCE_FORMAT="rfc9440",
        SOURCE_SIBLINGS=siblings,
    )
    assert proofs(loaded)[-1].covered == ("client-cert", "client-cert-chain", "x-verify")
    assert {"x-subject", "x-other", "x-hop-signature"} <= loaded.snapshot.consumed_headers


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (SECRET, SECRET),
        (SECRET + b"\n", SECRET),
        (SECRET + b"\r\n", SECRET),
        (SECRET + b"\n\n", SECRET),
        (SECRET[:16] + b" " + SECRET[16:], SECRET[:16] + b" " + SECRET[16:]),
        (RANDOM, RANDOM),  # its last byte is no line break
        (RANDOM + b"\r", RANDOM + b"\r"),
    ],
)
def test_line_breaks(keyed, content, secret):
    """A text file's line break is no part of the key; random bytes are the key to the last one."""
    assert proofs(keyed({"mac": content}, HOP_HMAC_KEY_FILES="{mac}"))[-1].keys == (secret,)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds 0 bytes"),
        (b"\n", "holds 0 bytes"),
        (SECRET[:31] + b"\n", "holds 31 bytes"),
        (b"\xef\xbb\xbf" + SECRET, "byte order mark"),
        (SECRET.decode().encode("utf-16"), "byte order mark"),
        (public_pem("ed25519"), "is PEM"),
        (b"-----BEGIN", "is PEM"),
        (pki.root().key_pem, "is PEM"),
    ],
)
@pytest.mark.parametrize("name", ["SECRET_FILES", "HMAC_KEY_FILES", "SIGNATURE_SECRETS"])
def test_secrets_refused(keyed, name, content, words):
    """What is too short, or no secret, is refused by file and kind, wherever a secret is asked for."""
    names, message = blamed(keyed({"file": content}, **{f"HOP_{name}": "k={file}" if name.endswith("SECRETS") else "{file}"}))
    assert names == [f"AUTHZ_HOP_{name}"]
    assert words in message
    assert "file" in message


@pytest.mark.parametrize("content", [SECRET + b" x", SECRET + b"\t", b"\xff" * 32, SECRET + "é".encode(), SECRET + b"\0"])
def test_secrets_that_no_header_holds(keyed, content):
    """A secret that travels in a header is visible ASCII, or it would never match."""
    names, message = blamed(keyed({"file": content}, HOP_SECRET_FILES="{file}"))
    assert (names, "visible ASCII" in message) == (["AUTHZ_HOP_SECRET_FILES"], True)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "one PEM block"),
        (SECRET, "one PEM block"),
        (public_pem("ed25519") * 2, "one PEM block"),
        (pki.root().certificate_pem, "no public key"),
        (pki.root().key_pem, "holds a private key"),
        (public_pem("ed25519") + pki.root().key_pem, "holds a private key"),
    ],
)
def test_public_keys_refused(keyed, content, words):
    """A public key's file holds that and nothing else."""
    names, message = blamed(keyed({"file": content}, HOP_SIGNATURE_KEYS="k={file}"))
    assert (names, words in message) == (["AUTHZ_HOP_SIGNATURE_KEYS"], True)


@pytest.mark.parametrize(
    ("public", "secrets", "expected"),
    [
        ("k={a},k={b}", None, "SIGNATURE_KEYS"),
        ("k={a}", "k={s}", "SIGNATURE_SECRETS"),  # which algorithm would it be?
        (None, "k={s},k={t}", "SIGNATURE_KEYS"),
    ],
)
def test_key_ids_are_unique(keyed, public, secrets, expected):
    """One key id names one key."""
    more = {"HOP_SIGNATURE_KEYS": public, "HOP_SIGNATURE_SECRETS": secrets}
    files = {"a": public_pem("ed25519"), "b": public_pem("p256"), "s": SECRET, "t": NEXT}
    names, message = blamed(keyed(files, **{name: value for name, value in more.items() if value}))
    assert f"AUTHZ_HOP_{expected}" in names
    assert "k: names" in message


@pytest.mark.parametrize("name", ["HMAC_KEY_FILES", "SIGNATURE_SECRETS"])
def test_a_secret_that_is_shown_is_no_key(keyed, name):
    """Who reads one request's shared secret must not be able to sign others."""
    value = "k={b}" if name.endswith("SECRETS") else "{b}"
    names, message = blamed(keyed({"a": SECRET + b"\n", "b": SECRET}, HOP_SECRET_FILES="{a}", **{f"HOP_{name}": value}))
    assert (names, "every request shows" in message) == ([f"AUTHZ_HOP_{name}"], True)


def test_folder_as_kubernetes_mounts_it(keyed, tmp_path):
    """A folder stands for its files by way of the links that Kubernetes swaps; hidden ones are not read twice."""
    version = tmp_path / "mounted" / "..2026_06_01"
    version.mkdir(parents=True)
    (tmp_path / "mounted" / "..data").symlink_to(version.name)
    for name, content in {"current": SECRET, "next": NEXT}.items():
        (version / name).write_bytes(content + b"\n")
        (tmp_path / "mounted" / name).symlink_to(f"..data/{name}")
    for name in ("SECRET_FILES", "HMAC_KEY_FILES"):
        proof = proofs(keyed({}, **{f"HOP_{name}": "{folder}/mounted"}))[-1]
        assert (proof.secrets if name == "SECRET_FILES" else proof.keys) == (SECRET, NEXT)


def test_folders_refused(keyed, tmp_path, monkeypatch):
    """An empty folder, one of hidden files or folders, and one that cannot be listed are problems."""
    for folder in ("empty", "hidden", "nested/inner", "closed"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "hidden" / ".secret").write_bytes(SECRET)
    for folder, words in (("empty", "is empty"), ("hidden", "is empty"), ("nested", "Is a directory"), ("absent", "No such")):
        names, message = blamed(keyed({}, HOP_SECRET_FILES=f"{{folder}}/{folder}"))
        assert (names, words in message) == (["AUTHZ_HOP_SECRET_FILES"], True)
    listed = pathlib.Path.iterdir

    def closed(path):
        if path.name == "closed":
            raise PermissionError(errno.EACCES, "Permission denied")
        return listed(path)

    monkeypatch.setattr(pathlib.Path, "iterdir", closed)  # root, who may run the tests, can list every folder
    assert "Permission denied" in blamed(keyed({}, HOP_SECRET_FILES="{folder}/closed"))[1]


def test_paths_that_are_none(keyed):
    """A path that no file can have is a problem like an absent file."""
    assert blamed(keyed({}, HOP_SECRET_FILES='["/a\\u0000b"]'))[0] == ["AUTHZ_HOP_SECRET_FILES"]
    assert blamed(keyed({}, HOP_SIGNATURE_KEYS="k=/nonexistent"))[0] == ["AUTHZ_HOP_SIGNATURE_KEYS"]


def test_problems_of_every_kind_together(keyed):
    """Every file of every hop is read before anything is said."""
    names, message = blamed(
        keyed(
            {"short": b"x", "private": pki.root().key_pem},
            ALLOW="nobody:x",
            HOP_SECRET_FILES="{short},/nonexistent",
            HOP_HMAC_KEY_FILES="{private}",
            HOP_SIGNATURE_KEYS="k={private}",
            HOP_CERTIFICATE_SHA256="ab",
        )
    )
    kinds = ("SECRET_FILES", "SECRET_FILES", "HMAC_KEY_FILES", "SIGNATURE_KEYS", "CERTIFICATE_SHA256")
    assert names == [*(f"AUTHZ_HOP_{kind}" for kind in kinds), "AUTHZ_ALLOW"]
    assert message.count("/nonexistent") == 1


TWO = {
    "HOP_PRINCIPALS": None,
    "HOPS": """
        a: {{principals: x}}
        b: {{secret_files: ["{secret}"]}}""",
    "SOURCE_FORMAT": None,
    "SOURCES": """
        one: {{preset: rfc9440, hops: [a]}}
        two: {{preset: nginx, hops: [b], trust_bundle_file: "{other}"}}
        three: {{preset: nginx}}""",
}


def test_several_sources(keyed):
    """Each source gets its hops, all of them without a choice, its bundle, and the one of all without its own."""
    other = pki.authority("Other").certificate_pem
    loaded = keyed({"secret": SECRET, "other": other}, **TWO)
    ways = loaded.snapshot.ingresses
    hops = {name: [hop.name for hop in way.hops] for name, way in ways.items()}
    assert hops == {"one": ["a"], "two": ["b"], "three": ["a", "b"]}
    subjects = {
        name: [anchor.x509.subject.rfc4514_string() for anchor in way.domains[0].trust.anchors] for name, way in ways.items()
    }
    assert subjects == {"one": ["CN=Root"], "two": ["CN=Other"], "three": ["CN=Root"]}
    assert len(loaded.snapshot.anchors) == 2


def test_danger_is_in_the_name(load):
    """Without a proof of the hop, which has to be asked for, every source says so in its proof."""
    loaded = load(ROOT, HOP_PRINCIPALS=None, UNSAFE_NO_HOP_PROOF="true")
    (hop,) = loaded.snapshot.ingresses["default"].hops
    assert (hop.name, hop.proofs, hop.unsafe_unproven) == ("unproven", (), True)
    assert loaded.warnings[0].split()[0] == "AUTHZ_UNSAFE_NO_HOP_PROOF"


def test_a_reload_forgets_nothing(tmp_path):
    """The memory of used messages is the process's own: it stays when a new snapshot comes, empty or not."""
    (tmp_path / "ca.pem").write_bytes(ROOT)
    (tmp_path / "key").write_bytes(SECRET)
    variables = {
        "SOURCE_FORMAT": "xfcc",
        "ALLOW": "*",
        "TRUST_BUNDLE_FILE": tmp_path / "ca.pem",
        "HOP_HMAC_KEY_FILES": tmp_path / "key",
    }
    settings, _ = read_settings({f"AUTHZ_{name}": str(value) for name, value in variables.items()})
    memory = ReplayMemory()
    for _ in range(2):
        assert proofs(load_snapshot(settings, pki.NOW, memory))[0].memory is memory


def test_revision_follows_keys(keyed):
    """The revision changes with every key, and with what a key is for."""
    first = {"HOP_SECRET_FILES": "{a}", "HOP_HMAC_KEY_FILES": "{b}"}
    revisions = {
        keyed({"a": a, "b": b}, **first).snapshot.revision
        for a, b in ((SECRET, NEXT), (NEXT, SECRET), (SECRET, THIRD), (THIRD, NEXT), (SECRET + b"\n", NEXT))
    }
    assert len(revisions) == 5


def test_revision_tells_folders_apart(keyed, tmp_path):
    """A key that moves from one folder to another means something else, though all contents are the same."""
    revisions = set()
    for secrets, keys in (((SECRET,), (NEXT, THIRD)), ((SECRET, NEXT), (THIRD,))):
        for folder, contents in (("s", secrets), ("h", keys)):
            shutil.rmtree(tmp_path / folder, ignore_errors=True)
            (tmp_path / folder).mkdir()
            for number, content in enumerate(contents):
                (tmp_path / folder / str(number)).write_bytes(content)
        revisions.add(keyed({}, HOP_SECRET_FILES="{folder}/s", HOP_HMAC_KEY_FILES="{folder}/h").snapshot.revision)
    assert len(revisions) == 2


_DUMP = """
from authz_server.settings import read_settings
base = {"SOURCE_FORMAT": "xfcc", "ALLOW": "*", "HOP_PRINCIPALS": "w", "TRUST_BUNDLE_FILE": "/x"}
base["LOG_MASK"] = "query,names,address"
print(read_settings({"AUTHZ_" + k: v for k, v in base.items()})[0].model_dump_json())
"""


def test_revision_is_the_same_in_every_process():
    """What the revision is made from does not depend on the process's hash seed, which orders sets."""
    dumps = {
        subprocess.run(
            [sys.executable, "-c", _DUMP], env=os.environ | {"PYTHONHASHSEED": str(seed)}, capture_output=True, check=True
        ).stdout
        for seed in range(6)
    }
    assert len(dumps) == 1


def jwk(*issued, use="x509-svid", **more):
    """A key of a SPIFFE bundle with these certificates in x5c."""
    return {"kty": "EC", "use": use, "x5c": [base64.b64encode(each.certificate_der).decode() for each in issued]} | more


def spiffe_bundle(*keys, **more):
    return json.dumps({"keys": list(keys), "spiffe_sequence": 1, "spiffe_refresh_hint": 300} | more).encode()


JWT_KEY = {"kty": "EC", "use": "jwt-svid", "kid": "1", "crv": "P-256", "x": "AA", "y": "AA"}
OTHER = pki.authority("Other")


@pytest.mark.parametrize(
    ("bundle", "names"),
    [
        (spiffe_bundle(jwk(pki.root())), ["CN=Root"]),
        (spiffe_bundle(jwk(pki.root()), JWT_KEY, jwk(OTHER)), ["CN=Root", "CN=Other"]),
        (spiffe_bundle(jwk(pki.root()), jwk(OTHER, use="jwt-svid")), ["CN=Root"]),  # a JWT key anchors no certificate
        (spiffe_bundle(jwk(pki.root()), jwk(OTHER, use="later")), ["CN=Root"]),
        (spiffe_bundle(jwk(pki.root()), {"kty": "EC", "x5c": jwk(OTHER)["x5c"]}), ["CN=Root"]),  # for no use at all
        (b" \n" + spiffe_bundle(jwk(pki.root())), ["CN=Root"]),
    ],
)
def test_spiffe_bundles(load, bundle, names):
    """Of a SPIFFE bundle the x509-svid keys are anchors, and nothing else in it is."""
    (domain,) = load(bundle).snapshot.ingresses["default"].domains
    assert [anchor.x509.subject.rfc4514_string() for anchor in domain.trust.anchors] == names


@pytest.mark.parametrize(
    ("bundle", "words"),
    [
        (b"{", "no SPIFFE bundle"),
        (b"{}", "no SPIFFE bundle"),
        (b'{"keys": null}', "no SPIFFE bundle"),
        (b'{"keys": {"a": 1}}', "no SPIFFE bundle"),
        (b'{"keys": [1]}', "no SPIFFE bundle"),
        (b'{"keys":' + b"[" * 100_000, "no SPIFFE bundle"),
        (spiffe_bundle(), "there must be one"),  # trusts nobody
        (spiffe_bundle(JWT_KEY), "there must be one"),
        (spiffe_bundle({"use": "x509-svid"}), "no SPIFFE bundle"),
        (spiffe_bundle(jwk()), "one certificate in x5c"),
        (spiffe_bundle(jwk(pki.root(), OTHER)), "one certificate in x5c"),
        (spiffe_bundle(jwk(pki.root()), jwk()), "one certificate in x5c"),
        (spiffe_bundle(jwk(pki.root(), x5c=5)), "no SPIFFE bundle"),
        (spiffe_bundle(jwk(pki.root(), x5c=["!"])), "no SPIFFE bundle"),
        (spiffe_bundle(jwk(pki.root(), x5c=["AAAA"])), "no SPIFFE bundle"),
        (spiffe_bundle(jwk(pki.root(), x5c=[1])), "no SPIFFE bundle"),
        (spiffe_bundle(jwk(pki.root()))[:-40], "no SPIFFE bundle"),  # half-written
        (spiffe_bundle(jwk(pki.alice())), "not a CA certificate"),
        (spiffe_bundle(jwk(pki.root()), jwk(pki.alice())), "alice"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_spiffe_bundles_refused(load, bundle, words):
    """A bundle that is broken anywhere is refused whole, by the variable that names it."""
    names, message = blamed(load(bundle))
    assert (names, words in message) == (["AUTHZ_TRUST_BUNDLE_FILE"], True)


def test_one_expired_anchor_of_several(load):
    """One expired anchor keeps nothing from being loaded and is warned of; it still anchors nothing."""
    old = pki.authority("Old", not_after=pki.NOW - pki.SECOND)
    loaded = load(ROOT + old.certificate_pem, TRUST_EXPIRY_WARNING_DAYS="0")
    (warning,) = loaded.warnings
    assert "CN=Old" in warning
    (domain,) = loaded.snapshot.ingresses["default"].domains
    with pytest.raises(Rejection) as refused:
        verify_path(pki.presented(pki.client(old)), domain.trust, domain.profile, pki.NOW)
    assert refused.value.reason is Reason.ISSUER_EXPIRED


def test_anchor_that_cannot_be_read(load):
    """A CA certificate whose name or key cannot be read is a problem, not a traceback."""
    name = pki.authority("ZZZZ").certificate_der.replace(b"\x0c\x04ZZZZ", b"\x0c\x04\xff\xff\xff\xff")
    point = bytearray(OTHER.certificate_der)
    point[bytes(point).index(OTHER.certificate.public_key().public_numbers().x.to_bytes(32, "big"))] ^= 1
    for der in (name, bytes(point)):
        pem = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"
        names, message = blamed(load(ROOT + pem))
        assert (names, "cannot be read" in message) == (["AUTHZ_TRUST_BUNDLE_FILE"], True)


SELF_SIGNED = pki.authority("device")


@pytest.mark.parametrize("content", [pki.alice().certificate_pem, SELF_SIGNED.certificate_pem + NOT_CA.certificate_pem])
def test_pinned_certificates(load, content):
    """A file of pins holds certificates of any kind, and they are pins, not anchors of others."""
    (domain,) = load(content, TRUST_KIND="pin", CRL_FILES="/crls").snapshot.ingresses["default"].domains
    assert isinstance(domain.trust, PinnedCertificates)
    assert len(domain.trust.anchors) == content.count(b"BEGIN")
    assert domain.revocation.mode is RevocationMode.OFF


def test_expired_pin(load):
    """A pin that has expired, also the only one, is warned of and no problem: it is refused when it comes."""
    loaded = load(pki.client(not_after=pki.NOW - pki.SECOND).certificate_pem, TRUST_KIND="pin")
    assert loaded.snapshot is not None
    assert "expires on" in loaded.warnings[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no PEM"),
        (ROOT[:-40], "PEM"),
        (ROOT + pki.alice().certificate_pem[:200], "whole certificates"),
        (ROOT + pki.root().key_pem, "private key"),
        (spiffe_bundle(jwk(pki.root())), "no PEM"),  # a bundle is of CAs
    ],
)
def test_pins_files_refused(load, content, words):
    """A file of pins that is broken anywhere is refused whole."""
    names, message = blamed(load(content, TRUST_KIND="pin"))
    assert (names, words in message) == (["AUTHZ_TRUST_BUNDLE_FILE"], True)


@pytest.mark.parametrize("order", [("pins", "cas"), ("cas", "pins")])
def test_one_file_as_pins_and_as_anchors(keyed, order):
    """A file that is pins in one trust domain and CAs in another is held to both, whichever is read first."""
    kinds = {"pins": "trust_kind: pin", "cas": "trust_kind: ca"}
    domains = "\n".join(f'{name}: {{{{trust_bundle_file: "{{file}}", {kinds[name]}}}}}' for name in order)
    names, message = blamed(keyed({"file": pki.alice().certificate_pem}, TRUST_BUNDLE_FILE=None, TRUST_DOMAINS=domains))
    assert (names, "not a CA certificate" in message) == (["AUTHZ_TRUST_DOMAINS (cas.trust_bundle_file)"], True)
    loaded = keyed({"file": SELF_SIGNED.certificate_pem}, TRUST_BUNDLE_FILE=None, TRUST_DOMAINS=domains)
    kinds = {domain.name: type(domain.trust) for domain in loaded.snapshot.ingresses["default"].domains}
    assert kinds == {"pins": PinnedCertificates, "cas": TrustBundle}


def test_intermediates_file(keyed):
    """Configured intermediates are read beside the anchors, are no anchors, and change the revision."""
    between = {"between": pki.intermediate().certificate_pem}
    loaded = keyed(between, TRUST_INTERMEDIATES_FILE="{between}")
    (domain,) = loaded.snapshot.ingresses["default"].domains
    assert domain.trust.intermediates == (pki.certificate(pki.intermediate()),)
    assert loaded.snapshot.anchors == (pki.certificate(pki.root()),)
    between["between"] += b"\n"
    assert keyed(between, TRUST_INTERMEDIATES_FILE="{between}").snapshot.revision != loaded.snapshot.revision


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "no PEM"), (pki.alice().certificate_pem, "not a CA certificate"), (pki.root().key_pem, "private key")],
)
def test_intermediates_refused(keyed, content, words):
    """A file of intermediates is held to the same as a bundle, and blamed on its own variable."""
    names, message = blamed(keyed({"between": content}, TRUST_INTERMEDIATES_FILE="{between}"))
    assert (names, words in message) == (["AUTHZ_TRUST_INTERMEDIATES_FILE"], True)
    assert blamed(keyed({}, TRUST_INTERMEDIATES_FILE="/nonexistent"))[0] == ["AUTHZ_TRUST_INTERMEDIATES_FILE"]


DENIED = f"sha256:{PIN}\n".encode()


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (DENIED, 1),
        (DENIED[:-1], 1),
        (DENIED.replace(b"\n", b"\r\n"), 1),
        (b"\xef\xbb\xbf" + DENIED, 1),  # as Windows' editors begin a file
        (b"# nobody\n\n", 0),
        ("serial:1 issuer:CN=Müller\n".encode(), 1),
    ],
)
def test_denylist(keyed, content, size):
    """The deny list is text in UTF-8, however its lines end."""
    assert len(keyed({"denied": content}, DENYLIST_FILE="{denied}").snapshot.denylist) == size


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (DENIED + b"# fine\n" + DENIED[:40], "line 3: 'sha256:abab"),  # half-written
        (b"\n\nx\ny\n", "line 3: 'x'; line 4: 'y'"),
        (DENIED.decode().encode("utf-16"), "codec can't decode"),
        ("serial:1 issuer:CN=Müller\n".encode("latin-1"), "codec can't decode"),
        (b"serial:1 issuer:CN=Root", "line 1"),  # whole, or cut off?
        (pki.alice().certificate_pem, "line 1: '-----BEGIN CERTIFICATE-----'"),
        (PIN.encode(), "expected sha256:HEX"),
        (b"", "it is empty"),  # a full disk, or a writer that has just begun
        (b"\xef\xbb\xbf", "it is empty"),
    ],
)
def test_denylist_refused(keyed, content, words):
    """A deny list with anything that is no entry is refused whole, by line: an entry must never silently be about nobody."""
    names, message = blamed(keyed({"denied": content}, DENYLIST_FILE="{denied}"))
    assert (names, words in message, "denied" in message) == (["AUTHZ_DENYLIST_FILE"], True, True)


def test_denylist_absent(keyed):
    """A deny list that is not there is a problem, and the message says how to deny nobody."""
    names, message = blamed(keyed({}, DENYLIST_FILE="/nonexistent"))
    assert (names, "a comment line alone denies nobody" in message) == (["AUTHZ_DENYLIST_FILE"], True)


def test_revision_follows_the_denylist(keyed):
    """The revision changes with every entry of the deny list, and is the same for the same."""
    revisions = [
        keyed({"denied": content}, DENYLIST_FILE="{denied}").snapshot.revision
        for content in (b"# nobody", DENIED, DENIED * 2, DENIED)
    ]
    assert len(set(revisions)) == 3
    assert revisions[1] == revisions[3]


def test_domains_of_sources(keyed):
    """A source has the trust domains that it names, in their own settings, or all of them; each is made once."""
    domains = """
        employees: {{trust_bundle_file: "{root}", identity: dns}}
        devices: {{trust_bundle_file: "{device}", trust_kind: pin, identity: sha256}}"""
    sources = "one: {{preset: rfc9440, trust_domains: [devices]}}\ntwo: {{preset: nginx}}"
    files = {"root": ROOT, "device": SELF_SIGNED.certificate_pem}
    loaded = keyed(files, TRUST_BUNDLE_FILE=None, TRUST_DOMAINS=domains, SOURCE_FORMAT=None, SOURCES=sources, CRL_FILES="/crls")
    one, two = loaded.snapshot.ingresses["one"].domains, loaded.snapshot.ingresses["two"].domains
    assert [domain.name for domain in one] == ["devices"]
    assert [(domain.name, domain.identity) for domain in two] == [("employees", "dns"), ("devices", "sha256")]
    assert one[0] is two[1]
    assert [domain.revocation.mode for domain in two] == [RevocationMode.HARD, RevocationMode.OFF]


def test_a_bundle_of_ones_own_keeps_the_other_settings(keyed):
    """A source's own bundle replaces the anchors only, and the domain is called like the source."""
    loaded = keyed(
        {"other": OTHER.certificate_pem},
        IDENTITY="email",
        PROFILE="compatible",
        SOURCE_FORMAT=None,
        SOURCES='one: {{preset: rfc9440}}\ntwo: {{preset: nginx, trust_bundle_file: "{other}"}}',
    )
    (own,) = loaded.snapshot.ingresses["two"].domains
    (common,) = loaded.snapshot.ingresses["one"].domains
    assert (own.name, common.name) == ("two", "default")
    assert (own.identity, own.profile) == (common.identity, common.profile)
    assert own.trust.anchors == (pki.certificate(OTHER),)


def test_problems_about_trust_together(keyed):
    """Bundle, intermediates, pins, deny list, URLs and rules are all looked at before anything is said."""
    domains = """
        a: {{trust_bundle_file: "{leaf}", trust_intermediates_file: "{empty}"}}
        b: {{trust_bundle_file: "{empty}", trust_kind: pin}}
        c: {{trust_bundle_file: "/nonexistent"}}"""
    files = {"leaf": pki.alice().certificate_pem, "empty": b"", "denied": b"x"}
    more = {"TRUST_BUNDLE_FILE": None, "TRUST_DOMAINS": domains, "DENYLIST_FILE": "{denied}"}
    names, _ = blamed(keyed(files, **more, ALLOW="nobody:x", CRL_URLS="ftp://ca.example.org/ca.crl"))
    assert names == [
        "AUTHZ_TRUST_DOMAINS (a.trust_bundle_file)",
        "AUTHZ_TRUST_DOMAINS (a.trust_intermediates_file)",
        "AUTHZ_TRUST_DOMAINS (b.trust_bundle_file)",
        "AUTHZ_TRUST_DOMAINS (c.trust_bundle_file)",
        "AUTHZ_ALLOW",
        "AUTHZ_CRL_URLS",
        "AUTHZ_DENYLIST_FILE",
    ]
