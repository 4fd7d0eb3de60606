"""Proof by RFC 9421 signature: what proves a request, and everything that must not."""

from __future__ import annotations

import base64
import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from http_message_signatures import HTTPMessageSigner, MappingKeyResolver

from authz_server.hop import Key
from authz_server.hop import signature as module
from authz_server.reasons import Reason
from tests import pki
from tests.hop.signing import (
    ALGORITHMS,
    CERTIFICATE,
    COMPONENTS,
    CREATED,
    NONCE,
    NOW,
    PARAMETERS,
    SECRET,
    plain,
    proof,
    proven,
    public_pem,
    refusal,
    signature,
    signature_base,
    signed,
    signer,
    with_headers,
    without,
)

MALFORMED = Reason.HOP_SIGNATURE_MALFORMED
MISMATCH = Reason.HOP_SIGNATURE_MISMATCH
INCOMPLETE = Reason.HOP_SIGNATURE_INCOMPLETE


@pytest.mark.parametrize("by", ALGORITHMS)
@pytest.mark.parametrize("names_algorithm", [True, False])
def test_signed_by_hand(by, names_algorithm):
    """A signature base written down line by line and signed by each algorithm proves the hop, `alg` named or not."""
    parameters = PARAMETERS + (f';alg="{by}"' if names_algorithm else "")
    assert proven(signed(parameters=parameters, by=by), proof(by)) == ("signature",)


class Message:
    """The library's view of a request that is yet to be signed."""

    def __init__(self, request):
        self.method, self.url = request.method, f"https://{request.host}{request.path}"
        self.headers = {name: value.decode() for name, value in request.headers}


PRIVATE = {"ed25519": "ed25519", "ecdsa-p256-sha256": "p256", "ecdsa-p384-sha384": "p384", "rsa-pss-sha512": "rsa2048"}


@pytest.mark.parametrize("by", ALGORITHMS)
def test_signed_by_the_library(by):
    """What the library's own signer writes proves the hop."""
    key = signer(by).key
    private = SECRET if by == "hmac-sha256" else pki.key(PRIVATE[by])
    message = Message(plain())
    HTTPMessageSigner(
        signature_algorithm=key.algorithm, key_resolver=MappingKeyResolver(public_keys={}, private_keys={"waf": private})
    ).sign(
        message,
        key_id="waf",
        created=NOW,
        expires=NOW + timedelta(seconds=10),
        nonce=NONCE,
        covered_component_ids=[component.strip('"') for component in COMPONENTS],
    )
    headers = tuple((name.lower(), value.encode()) for name, value in message.headers.items())
    assert proven(replace(plain(), headers=headers), proof(by)) == ("signature",)


@pytest.mark.parametrize("component", COMPONENTS)
def test_one_component_less(component):
    """Each thing that must be covered is missed by name."""
    rest = [each for each in COMPONENTS if each != component]
    assert refusal(signed(components=rest), proof()) == (INCOMPLETE, {"missing": [component.strip('"')]})


@pytest.mark.parametrize("parameter", ["created", "nonce"])
def test_one_parameter_less(parameter):
    """Without a time or a nonce a signature would prove other requests as well."""
    rest = "".join(f";{each}" for each in PARAMETERS[1:].split(";") if not each.startswith(parameter))
    assert refusal(signed(parameters=rest), proof()) == (INCOMPLETE, {"missing": [parameter]})


@pytest.mark.parametrize(
    "change",
    [
        {"method": "POST"},
        {"method": "get"},  # methods are case-sensitive (RFC 9110 §9.1)
        {"host": "admin.example.org"},
        {"host": "api.example.org:8443"},
        {"host": "api.example.org."},
        {"host": "api.example.org:80:443"},
        {"host": "x@api.example.org"},  # in a URL, what stands before the @ is no host
        {"host": "x:y@api.example.org"},
        {"host": "api.example.org/orders", "path": "/?token=secret"},  # in a URL, a path
        {"host": "api.example.org#", "path": "/orders?token=secret"},  # in a URL, the rest would vanish
        {"host": ""},
        {"path": "/orders"},
        {"path": "/orders?token=other"},
        {"path": "/orders?token=secret#x"},  # in a URL, a fragment, which no component holds
        {"path": "/orders/?token=secret"},
        {"path": "/%6frders?token=secret"},
        {"path": "/orders?token=secret&more"},
    ],
)
def test_another_request(change):
    """A signature proves the one request that it was made for: same method, authority, path and query."""
    reason, facts = refusal(replace(signed(), **change), proof())
    assert (reason, facts["key_id"]) == (MISMATCH, "waf")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: with_headers(r, ("client-cert", b":YmFk:")), MISMATCH),
        (lambda r: with_headers(r, ("client-cert", b":Zm9v:;a")), MISMATCH),
        (lambda r: with_headers(r, ("client-cert", CERTIFICATE), ("client-cert", CERTIFICATE)), MISMATCH),
        (lambda r: without(r, "client-cert"), MISMATCH),
        (lambda r: with_headers(r, ("client-cert-chain", b":YmFk:")), MISMATCH),
        (lambda r: with_headers(r, ("client-cert-chain", b":YmF6:, :YmFy:")), MISMATCH),  # the other way round
        (lambda r: with_headers(r, ("client-cert-chain", b"")), MISMATCH),
        (lambda r: without(r, "client-cert-chain"), MISMATCH),
        (lambda r: without(r, "signature"), Reason.HOP_SIGNATURE_MISSING),
        (lambda r: without(r, "signature-input"), Reason.HOP_SIGNATURE_MISSING),
        (lambda r: with_headers(r, ("signature", b"")), Reason.HOP_SIGNATURE_MISSING),
    ],
)
def test_another_header(change, reason):
    """A signature proves the certificate and the chain that it was made over, byte for byte."""
    assert refusal(change(signed()), proof())[0] is reason


def test_what_authority_and_header_lines_may_differ_in():
    """RFC 9421 §2.1, §2.2.3: the case of a host, its default port, and how a list is spread over lines mean nothing."""
    for host in ("API.example.org", "api.example.org:443"):
        assert proven(replace(signed(), host=host), proof()) == ("signature",)
    lines = [("client-cert-chain", b":YmFy:"), ("client-cert-chain", b":YmF6:")]
    assert proven(with_headers(signed(), *lines), proof()) == ("signature",)


def test_a_chain_that_is_not_covered():
    """A chain that came behind the proxy's back is refused, although the signature says nothing of it."""
    request = signed(without(plain(), "client-cert-chain"), COMPONENTS[:-1])
    assert proven(request, proof()) == ("signature",)
    added = with_headers(request, ("client-cert-chain", b":YmFy:"))
    assert refusal(added, proof()) == (INCOMPLETE, {"missing": ["client-cert-chain"]})


@pytest.mark.parametrize("path", ["/", "/?", "/a?filter[x]=1|2", "/a?b?c", '/"quotes"', "/a\\b"])
def test_paths_that_are_no_urls(path):
    """What clients send and URL grammars refuse is signed like anything else."""
    assert proven(signed(plain(path=path)), proof()) == ("signature",)


@pytest.mark.parametrize("component", ['"@request-target"', '"@target-uri"', '"@scheme"'])
def test_further_derived_components(component):
    """A proxy may cover these too, and the operator ask for them."""
    components = (component, *COMPONENTS)
    assert proven(signed(components=components), proof(components=(component.strip('"'),))) == ("signature",)


# What covers no header whole, with the reason: it is missed, unless the library refuses it.
@pytest.mark.parametrize(
    ("component", "reason"),
    [
        ('"client-cert";key="a"', INCOMPLETE),  # a member of it (§2.1.2)
        ('"client-cert";sf', INCOMPLETE),  # what another parser makes of it (§2.1.1)
        ('"client-cert";tr', INCOMPLETE),  # a trailer (§2.1.4)
        ('"client-cert";req', INCOMPLETE),  # of another message (§2.4)
        ('"client-cert";bs=?0', INCOMPLETE),
        ('"client-cert";bs;tr', INCOMPLETE),
        ('"client-cert";x', INCOMPLETE),
        ('"client-cert";bs=1', MISMATCH),  # equal to true in Python, not in the RFC
        ('"Client-Cert"', INCOMPLETE),  # names are lower case (§2.1)
        ('"client-cert" "client-cert"', MISMATCH),  # twice (§2)
        ('"client-cert" "client-cert";bs', None),  # two components (§2)
        ('"client-cert";bs', None),
        ('"client-cert" "@query-param";name="token"', MISMATCH),
        ('"client-cert" "@path";name="@method"', MISMATCH),
        ('"client-cert" "@status"', MISMATCH),
        ('"client-cert" "@signature-params"', MISMATCH),
        ('"client-cert" "@unknown"', MISMATCH),
        ('"client-cert" "x-absent"', MISMATCH),
        ('"client-cert" ""', MISMATCH),
        ("client-cert", MALFORMED),  # a Token
        ('"client-cert" 1', MALFORMED),
        ('"client-cert" ("@path")', MALFORMED),
    ],
)
def test_ways_of_covering(component, reason):
    """A header counts as covered only where the signature holds its bytes as they were sent."""
    components = (*COMPONENTS[:4], *component.split(" "), '"client-cert-chain"')
    assert refusal(signed(components=components), proof())[0] is reason


@pytest.mark.parametrize("component", ['"@path";req', '"@path";sf', '"@path";bs', '"@path";name="x"'])
def test_ways_of_covering_a_derived_component(component):
    """Derived components have no parameters here."""
    components = [component if each == '"@path"' else each for each in COMPONENTS]
    assert refusal(signed(components=components), proof())[0] in {INCOMPLETE, MISMATCH}


def test_obs_text():
    """Bytes beyond ASCII are covered as bytes or not at all (§2.1.3, §2.5)."""
    request = plain()
    request = with_headers(request, ("client-cert", b"caf\xe9"))
    assert refusal(signed(request), proof())[0] is MISMATCH
    assert proven(signed(request, [*COMPONENTS[:4], '"client-cert";bs', COMPONENTS[5]]), proof()) == ("signature",)


def parameters(**changes):
    """The parameters with these changed or added, as written in Signature-Input."""
    values = {"created": str(CREATED), "keyid": '"waf"', "nonce": f'"{NONCE}"'} | changes
    return "".join(f";{name}={value}" for name, value in values.items())


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("created", "-1", Reason.HOP_SIGNATURE_EXPIRED),
        ("created", "-99999999999999", MALFORMED),  # before year 1
        ("created", "999999999999999", MALFORMED),  # after year 9999
        ("created", "253402300799", MALFORMED),  # the last second of year 9999: its end is after it
        ("created", "9999999999999999", MALFORMED),  # 16 digits: no Integer
        ("created", f"{CREATED}.0", MALFORMED),
        ("created", f'"{CREATED}"', MALFORMED),
        ("created", f"@{CREATED}", MALFORMED),  # a Date
        ("created", "?1", MALFORMED),
        ("created", "nan", MALFORMED),  # a Token
        ("created", "1e9", MALFORMED),
        ("expires", str(CREATED - 6), Reason.HOP_SIGNATURE_EXPIRED),
        ("expires", "-99999999999999", MALFORMED),
        ("expires", "999999999999999", MALFORMED),
        ("expires", f"{CREATED}.5", MALFORMED),
        ("expires", "?1", MALFORMED),
        ("nonce", '""', MALFORMED),
        ("nonce", f'"{"n" * 257}"', MALFORMED),
        ("nonce", "1", MALFORMED),
        ("nonce", "token", MALFORMED),
        ("nonce", ":bm9uY2U=:", MALFORMED),
        ("nonce", '%"n"', MALFORMED),
        ("nonce", "?1", MALFORMED),
        ("keyid", "waf", MALFORMED),  # a Token that reads like the name
        ("keyid", '"other"', Reason.HOP_SIGNATURE_KEY_UNKNOWN),
        ("keyid", '""', Reason.HOP_SIGNATURE_KEY_UNKNOWN),
        ("keyid", '"WAF"', Reason.HOP_SIGNATURE_KEY_UNKNOWN),
        ("alg", '"hmac-sha256"', Reason.HOP_SIGNATURE_ALGORITHM),
        ("alg", '"none"', Reason.HOP_SIGNATURE_ALGORITHM),
        ("alg", '""', Reason.HOP_SIGNATURE_ALGORITHM),
        ("alg", '"ED25519"', Reason.HOP_SIGNATURE_ALGORITHM),
        ("alg", "ed25519", MALFORMED),  # a Token
        ("tag", "1", MALFORMED),
        ("x", "1", MALFORMED),  # a parameter that nobody here knows
    ],
)
def test_parameters(name, value, reason):
    """Each parameter has one type and means what it says; an unknown one is refused, whatever it would ask for."""
    assert refusal(signed(parameters=parameters(**{name: value})), proof())[0] is reason


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        ({"x": "1"}, {"parameters": ["x"]}),
        ({"created": "?1"}, {"parameters": ["created"]}),
        ({"nonce": '""'}, {"parameters": ["nonce"]}),
    ],
)
def test_facts_of_parameters(change, facts):
    """The facts name the parameter."""
    assert refusal(signed(parameters=parameters(**change)), proof()) == (MALFORMED, facts)


def test_facts_of_keys():
    """What was presented stands beside what is known, or `None` for nothing."""
    other = signed(parameters=parameters(keyid='"other"'))
    assert refusal(other, proof()) == (Reason.HOP_SIGNATURE_KEY_UNKNOWN, {"key_id": "other"})
    nobody = signed(parameters=f';created={CREATED};nonce="{NONCE}"')
    assert refusal(nobody, proof()) == (Reason.HOP_SIGNATURE_KEY_UNKNOWN, {"key_id": None})
    wrong = signed(parameters=parameters(alg='"none"'))
    assert refusal(wrong, proof()) == (Reason.HOP_SIGNATURE_ALGORITHM, {"presented": "none", "key_id": "waf"})


@pytest.mark.parametrize(
    "secret",
    [
        public_pem("ed25519"),
        load_pem_public_key(public_pem("ed25519")).public_bytes(Encoding.Raw, PublicFormat.Raw),
        load_pem_public_key(public_pem("ed25519")).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    ],
)
def test_a_public_key_is_no_secret(secret):
    """An HMAC by the public key, which everybody may know, proves nothing: the key decides its algorithm."""
    forged = base64.b64encode(hmac.digest(secret, signature_base(plain(), COMPONENTS, PARAMETERS), "sha256")).decode()
    request = with_headers(signed(), ("signature", f"sig=:{forged}:".encode()))
    assert refusal(request, proof())[0] is MISMATCH


@pytest.mark.parametrize("by", ALGORITHMS)
@pytest.mark.parametrize("value", ["::", ":AA==:", f":{'A' * 128}:", f":{'A' * 86}==:", '"text"', "?1", "1", "(:AA==:)"])
def test_values_that_are_no_signatures(by, value):
    """Nothing but a signature is one: not the empty one, not zeros, not another type."""
    request = with_headers(signed(by=by), ("signature", f"sig={value}".encode()))
    assert refusal(request, proof(by))[0] is MISMATCH


@pytest.mark.parametrize("other", ALGORITHMS)
def test_the_key_of_another(other):
    """A signature by another key is refused, whatever its kind."""
    for by in ALGORITHMS:
        expected = None if by == other else MISMATCH
        assert refusal(signed(by=other), proof(by))[0] is expected


CLIENTS = 'client=("@method");created=1;keyid="client"'


def with_client(request, input_of_client=CLIENTS, signature_of_client="client=:AAAA:", *, first=True):
    """The request with a signature of the client's own in the same headers."""

    def joined(name, other):
        own = dict(request.headers)[name].decode()
        return (name, ", ".join([other, own] if first else [own, other]).encode())

    return with_headers(request, joined("signature-input", input_of_client), joined("signature", signature_of_client))


@pytest.mark.parametrize("first", [True, False])
def test_a_second_signature(first):
    """Without a tag one signature is expected, and a client's own beside it refuses the request."""
    request = with_client(signed(), first=first)
    assert refusal(request, proof()) == (Reason.HOP_SIGNATURE_AMBIGUOUS, {"signatures": 2, "tag": ""})


TAGGED = parameters(tag='"waf"')


@pytest.mark.parametrize("first", [True, False])
def test_the_tag_singles_out(first):
    """With a tag the proxy's signature is found among others, and a client's own does not matter."""
    tagged = proof(tag="waf")
    assert proven(with_client(signed(parameters=TAGGED), first=first), tagged) == ("signature",)
    assert refusal(with_client(signed(), first=first), tagged) == (
        Reason.HOP_SIGNATURE_MISSING,
        {"signatures": 0, "tag": "waf"},
    )


@pytest.mark.parametrize(
    ("input_of_client", "signature_of_client", "reason"),
    [
        ('client=("@method");created=1;keyid="client";tag="waf"', "client=:AAAA:", Reason.HOP_SIGNATURE_AMBIGUOUS),
        ('client=("@method");created=1;keyid="client";tag=waf', "client=:AAAA:", Reason.HOP_SIGNATURE_AMBIGUOUS),
        ('sig=("@method");created=1;keyid="client"', "client=:AAAA:", MALFORMED),  # the proxy's own label
        (CLIENTS, "sig=:AAAA:", MISMATCH),
        (CLIENTS, "other=:AAAA:", MISMATCH),
        ('client="@method"', "client=:AAAA:", MALFORMED),
        ("client", "client=:AAAA:", MALFORMED),
        ("client=()", "client=:AAAA:", None),
    ],
)
def test_what_a_client_adds(input_of_client, signature_of_client, reason):
    """Whatever a client writes beside it, the proxy's signature is read as the proxy wrote it, or the request refused."""
    request = with_client(signed(parameters=TAGGED), input_of_client, signature_of_client)
    assert refusal(request, proof(tag="waf"))[0] is reason


def test_moved_to_another_label():
    """A signature belongs to its label's components, not to those under another label."""
    described, value = signature(plain(), COMPONENTS, TAGGED, "ed25519")
    weak = f'weak=("@method");created={CREATED};keyid="waf"'
    request = with_headers(
        plain(), ("signature-input", f"sig={described}, {weak}".encode()), ("signature", f"weak={value}, sig=:AAAA:".encode())
    )
    assert refusal(request, proof(tag="waf"))[0] is MISMATCH


@pytest.mark.parametrize("header", ["signature-input", "signature"])
def test_two_lines(header):
    """A second line is a client's own: refused, where Envoy shows lines."""
    request = signed()
    again = replace(request, headers=(*request.headers, (header, dict(request.headers)[header])))
    assert refusal(again, proof()) == (Reason.HEADER_DUPLICATED, {"header": header, "lines": 2})


@pytest.mark.parametrize(
    "parameters",
    [PARAMETERS + f";created={CREATED}", PARAMETERS + ';keyid="waf"', PARAMETERS + ';nonce="x"'],
)
def test_a_parameter_twice(parameters):
    """Structured Fields take the last of two; here neither counts."""
    reason, facts = refusal(signed(parameters=parameters), proof())
    assert (reason, facts["header"]) == (MALFORMED, "signature-input")


def test_sizes():
    """Headers and lists of components are bounded before anything is built from them."""
    long = with_headers(signed(), ("signature-input", b"a" * 4097))
    assert refusal(long, proof()) == (MALFORMED, {"size": 4097, "limit": 4096})
    others = ", ".join(f"a{number}=()" for number in range(8))
    crowd = with_client(signed(parameters=TAGGED), others, "a=::")
    facts = {"header": "signature-input", "signatures": 9, "limit": 8}
    assert refusal(crowd, proof(tag="waf")) == (MALFORMED, facts)
    many = tuple(f'"x-{number}"' for number in range(27))
    assert refusal(signed(components=COMPONENTS + many), proof()) == (
        MALFORMED,
        {"header": "signature-input", "components": 33, "limit": 32},
    )


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [
        (-6, Reason.HOP_SIGNATURE_FUTURE),
        (-5, None),  # the proxy's clock is ahead
        (0, None),
        (35, None),  # 30 seconds old, and the proxy's clock is behind
        (36, Reason.HOP_SIGNATURE_EXPIRED),
    ],
)
def test_time(seconds, reason):
    """The first and last second in which a signature counts, with the clocks' difference."""
    assert refusal(signed(), proof(), NOW + timedelta(seconds=seconds))[0] is reason


@pytest.mark.parametrize(("seconds", "reason"), [(15, None), (16, Reason.HOP_SIGNATURE_EXPIRED)])
def test_expires(seconds, reason):
    """The proxy may ask for less time than is configured, and gets no more."""
    short = parameters(expires=str(CREATED + 10))
    assert refusal(signed(parameters=short), proof(), NOW + timedelta(seconds=seconds))[0] is reason
    long = parameters(expires=str(CREATED + 3600))
    assert refusal(signed(parameters=long), proof(), NOW + timedelta(seconds=36))[0] is Reason.HOP_SIGNATURE_EXPIRED


def test_facts_of_time():
    """The facts say when, so that clocks can be compared."""
    made, ended = (datetime.fromtimestamp(CREATED + age, UTC).isoformat() for age in (0, 30))
    late = refusal(signed(), proof(), NOW + timedelta(seconds=36))
    assert late == (Reason.HOP_SIGNATURE_EXPIRED, {"created": made, "expired": ended})
    assert refusal(signed(), proof(), NOW - timedelta(seconds=6)) == (Reason.HOP_SIGNATURE_FUTURE, {"created": made})


def test_used_once():
    """A signed request proves the hop once; with a new nonce it is another."""
    once = proof()
    assert proven(signed(), once) == ("signature",)
    again = replace(signed(), stream_id="2")
    assert refusal(again, once) == (Reason.HOP_REPLAYED, {"nonce": NONCE})
    assert proven(signed(parameters=parameters(nonce='"another"')), once) == ("signature",)


def test_without_nonce():
    """The operator may do without nonces: then a signature counts again while it is fresh, and one with a nonce does not."""
    loose = proof(is_nonce_required=False)
    without_nonce = signed(parameters=f';created={CREATED};keyid="waf"')
    for stream_id in "12":
        assert proven(replace(without_nonce, stream_id=stream_id), loose) == ("signature",)
    assert proven(signed(), loose) == ("signature",)
    assert refusal(replace(signed(), stream_id="2"), loose)[0] is Reason.HOP_REPLAYED


def test_two_readings(monkeypatch):
    """Should the library ever read another signature than was chosen here, the request is refused."""
    verified = module._Verifier.verify  # noqa: SLF001 - there is no outside from which two readings can be had

    def other(*args, **kwargs):
        return [result._replace(parameters=dict(result.parameters, nonce="other")) for result in verified(*args, **kwargs)]

    monkeypatch.setattr(module._Verifier, "verify", other)  # noqa: SLF001
    assert refusal(signed(), proof()) == (MISMATCH, {"key_id": "waf", "detail": "two readings of Signature-Input"})


def _pem(public):
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


# 1.2.3.4 is nobody's algorithm.
_UNKNOWN = base64.b64encode(pki.der(0x30, pki.der(0x30, pki.der(0x06, b"\x2a\x03\x04")), pki.der(0x03, b"\0\1")))


@pytest.mark.parametrize(
    ("pem", "words"),
    [
        (_pem(rsa.generate_private_key(65537, 1024).public_key()), "RSA of at least 2048"),  # noqa: S505 - to be refused
        (_pem(ec.generate_private_key(ec.SECP521R1()).public_key()), "expected Ed25519"),
        (_pem(ec.generate_private_key(ec.SECP256K1()).public_key()), "expected Ed25519"),
        (_pem(x25519.X25519PrivateKey.generate().public_key()), "expected Ed25519"),
        (public_pem("ed25519") * 2, "one PEM block"),  # which one would count?
        (b"", "one PEM block"),
        (b"-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----\n", "Unable to load PEM"),
        (b"-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n" % _UNKNOWN, "Unknown key type"),
        (pki.root().certificate_pem, "[Vv]alid PEM"),
    ],
)
def test_public_keys_refused(pem, words):
    """A file holds one public key of a kind with one algorithm."""
    with pytest.raises(ValueError, match=words):
        Key.from_public_pem(pem)


def test_keys_are_not_shown():
    """No key stands where a proof is printed."""
    assert repr(SECRET) not in repr(proof("hmac-sha256"))
