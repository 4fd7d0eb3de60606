"""Every product: the right client is recognised, byte for byte, and nobody becomes somebody else."""

from __future__ import annotations

import os
import ssl

import pytest

from tests.interop.attacks import ATTACKS, ATTACKS2, Forger
from tests.interop.capture import Captured, capture
from tests.interop.lab import EDGE, PLAIN, TLS, UNMARKED, Outcome
from tests.interop.pki import HOSTILE
from tests.interop.wire import NoAnswerError, request, tls_context

RECOGNITION = "Honest clients"
FORGERS = {
    None: "Forged headers, no certificate",
    "mallory": "Forged headers beside the forger's own certificate",
    PLAIN: "Forged headers over plain HTTP",
}
FORGERS2 = {
    None: "Forged over HTTP/2, no certificate",
    "mallory": "Forged over HTTP/2 beside the forger's own certificate",
}
DOORS = "Past the product"
NAMES = "Hostile names in a certificate that the trusted CA issued"
CONNECTIONS = "Connections"

# What no request may end with: the service or Envoy could not decide.
RECORD = bool(os.environ.get("INTEROP_RECORD"))
BROKEN = {"internal_error", "configuration_unavailable", "ext_authz_error", "ext_authz_invalid"}


@pytest.fixture
def forger(product, certificates):
    """Writes the victim's certificate as the product would."""
    return Forger(product, certificates.issued["victim"].chain_der, certificates.issued["mallory"].chain_der)


@pytest.fixture
def cell(report, product):
    """Writes down what happened; ``words`` in place of the outcome's own."""

    def cell(section, row, outcome, names=None):
        report.add(section, row, product.name, words(outcome, names or {}))

    return cell


def words(outcome: Outcome, names: dict[str, str]) -> str:
    """An outcome for the table: the name of the identity, or who refused and why."""
    if outcome.by == "application":
        return f"**{names.get(outcome.sha256, 'somebody')}**"
    if outcome.by == "authz-server":
        return f"`{outcome.reason}`"
    return f"{outcome.by}: {outcome.reason}"


@pytest.fixture
def names(certificates):
    """Certificates by SHA-256."""
    return {certificates.sha256(name): name for name in certificates.issued}


@pytest.fixture
def harmless(upstream, certificates):
    """Asserts a named refusal, or the identity of the certificate that was really used; the victim appears nowhere."""
    before = len(upstream.identities)

    def harmless(outcome: Outcome, client: str | None = None) -> None:
        own = certificates.sha256(client) if client else None
        assert outcome.by != "application" or (own and outcome.sha256 == own), outcome
        assert outcome.by == "application" or outcome.reason, outcome
        assert outcome.reason not in BROKEN, outcome
        told = " ".join(value for name, value in outcome.headers.items() if name.startswith("x-auth-client-"))
        assert "victim" not in told, outcome
        assert certificates.sha256("victim") not in upstream.identities[before:], outcome

    return harmless


@pytest.mark.parametrize("client", ["rsa", "p256", "intermediate", "long"])
def test_recognised(lab, product, certificates, cell, names, client):
    """The application is told the SHA-256 of the certificate that the client used; without its chain, who is missing."""
    outcome = lab.send(TLS, client)

    cell(RECOGNITION, client, outcome, names)
    if certificates.issued[client].intermediates and not product.sends_chain:
        assert (outcome.by, outcome.reason) == ("authz-server", "issuer_unknown")
    else:
        assert outcome.sha256 == certificates.sha256(client), outcome
    assert not set(product.headers) & set(outcome.headers), "the consumed headers go no further"


@pytest.mark.parametrize("client", ["intermediate", "long"])
def test_recognised_with_intermediates_in_the_bundle(lab_with_intermediates, certificates, cell, names, client):
    """An operator whose product forwards no chain adds the intermediates to the trust bundle."""
    outcome = lab_with_intermediates.send(TLS, client)

    cell(RECOGNITION, f"{client}, intermediates in the trust bundle", outcome, names)
    assert outcome.sha256 == certificates.sha256(client), outcome


def test_resumed_session(lab, harmless, report, product, names):
    """A resumed TLS session: the same client or a named refusal."""
    context = tls_context(lab.pki, "intermediate")
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # its tickets are there when the handshake ends
    session = None
    for _ in range(2):
        path = lab.path()
        with lab.connect(TLS, "intermediate", context=context, session=session) as connection:
            outcome = lab.outcome(connection.exchange(request(path)), path)
            session, resumed = connection.socket.session, connection.socket.session_reused

    note = "" if resumed else " (not resumed)"
    report.add(RECOGNITION, "intermediate, second connection of a TLS 1.2 session", product.name, words(outcome, names) + note)
    harmless(outcome, "intermediate")


@pytest.mark.parametrize(("door", "client"), [(TLS, None), (PLAIN, None), (TLS, "stranger")])
def test_nobody(lab, harmless, cell, door, client):
    """No certificate, or one by a CA that nobody trusts: refused by name."""
    outcome = lab.send(door, client)

    row = "by a CA that nobody trusts" if client else "without a certificate" + (" over plain HTTP" if door == PLAIN else "")
    cell(RECOGNITION, row, outcome)
    assert outcome.by != "application", outcome
    harmless(outcome)
    if client is None:
        assert (outcome.by, outcome.reason, outcome.status) == ("authz-server", "credential_missing", 401)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.title)
@pytest.mark.parametrize("posture", FORGERS)
def test_forged_header(lab, forger, harmless, cell, names, posture, attack):
    """Whatever the client writes, the outcome is a named refusal or his own identity."""
    door, client = (PLAIN, None) if posture == PLAIN else (TLS, posture)

    outcome = lab.send(door, client, *attack.lines(forger), method=attack.method, body=attack.body(forger))

    cell(FORGERS[posture], attack.title, outcome, names)
    harmless(outcome, client)


@pytest.mark.parametrize("attack", ATTACKS2, ids=lambda attack: attack.title)
@pytest.mark.parametrize("client", FORGERS2)
def test_forged_field_of_http2(lab, forger, harmless, cell, names, client, attack):
    """Over HTTP/2 a client can write what HTTP/1.1 cannot hold: the outcome is a named refusal or his own identity."""
    outcome = lab.send2(client, lambda path: attack.head(forger, path), attack.body(forger), attack.trailer(forger))

    cell(FORGERS2[client], attack.title, outcome, names)
    harmless(outcome, client)


@pytest.mark.parametrize(("door", "client"), [(EDGE, None), (EDGE, "mallory"), (EDGE, "victim"), (UNMARKED, None)], ids=str)
def test_past_the_product(lab, forger, harmless, cell, door, client):
    """Straight to Envoy: its TLS refuses whoever is not the product, and an unmarked listener proves nothing."""
    outcome = lab.send(door, client, *forger.all_lines())

    way = f"straight to Envoy, {'certificate of ' + client if client else 'no certificate'}"
    row = "to an Envoy listener without the mark" if door == UNMARKED else way
    cell(DOORS, row, outcome)
    harmless(outcome)
    if door == EDGE:
        assert outcome.by == "TLS"
    else:
        assert (outcome.by, outcome.reason) == ("authz-server", "hop_context_mismatch")


def test_control(lab, forger, product, certificates, cell, names):
    """The forgery is well made: with the product's own key it would be believed. So the refusals above mean something."""
    outcome = lab.send(EDGE, "waf", forger.line())

    cell(DOORS, "control: with the product's own key", outcome, names)
    if product.hop_headers:
        assert (outcome.by, outcome.reason) in {("authz-server", "hop_secret_missing"), ("authz-server", "hop_signature_missing")}
    else:
        assert outcome.sha256 == certificates.sha256("victim"), outcome


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(lab, certificates, harmless, cell, name):
    """Names that write into XFCC: refused by name, or the certificate's own identity. Never the victim's."""
    outcome = lab.send(TLS, name)

    cell(NAMES, name, outcome, {certificates.sha256(name): "own"})
    harmless(outcome, name)


def test_alternating_connections(lab, cell, names):
    """Three clients on kept connections, in turn, over connections to Envoy that the product shares: each stays himself."""
    seen = []
    with lab.connect(TLS, "p256") as one, lab.connect(TLS, "mallory") as two, lab.connect(TLS, None) as nobody:
        for _ in range(4):
            for name, connection in (("p256", one), ("mallory", two), ("nobody", nobody)):
                path = lab.path()
                seen.append((name, words(lab.outcome(connection.exchange(request(path)), path), names)))

    expected = {("p256", "**p256**"), ("mallory", "**mallory**"), ("nobody", "`credential_missing`")}
    cell(CONNECTIONS, "three clients alternate", Outcome("each", "himself" if set(seen) == expected else "mixed"))
    assert set(seen) == expected


def test_pipelined(lab, forger, harmless, cell, names):
    """Three requests in one write, the middle one forged: the answers are for the same client."""
    paths = [lab.path() for _ in range(3)]
    outcomes = []
    with lab.connect(TLS, "mallory") as connection:
        connection.send(request(paths[0]) + request(paths[1], forger.line()) + request(paths[2]))
        try:
            outcomes += [lab.outcome(connection.receive(), path) for path in paths]
        except NoAnswerError as error:
            outcomes.append(Outcome(lab.product.name, str(error)))

    cell(CONNECTIONS, "pipelined, the second forged", Outcome("answers", " · ".join(words(each, names) for each in outcomes)))
    for outcome in outcomes:
        harmless(outcome, "mallory")


def test_captured(recording, product, report, certificates):
    """What reaches the service is, byte for byte, what the fixtures of the decoders' tests hold."""
    if product.hop_headers:
        pytest.skip("the certificate is written as without the further proof of the hop")
    captured = capture(recording, product, certificates.fixed)
    report.captured[product.name] = captured

    if RECORD:
        captured.write()
    assert captured.content == Captured.read(product.name).content


def test_signature_of_another_request(recording, lab, product, certificates, cell, names):
    """A signature that was read on the way is good for its request, once."""
    if not {"x-hop-signature", "signature"} & set(product.hop_headers):
        pytest.skip("no signature")
    recording.recorder.seen.clear()
    path = recording.path()
    with recording.connect(TLS, "fixed") as connection:
        connection.exchange(request(path))
    ((*_, seen),) = (recording.recorder.seen,)
    lines = [name.encode() + b": " + value for name, value in seen if name in product.headers]

    outcomes = []
    for where in ("/another", path, path):
        with lab.connect(EDGE, "waf") as connection:
            outcomes.append(lab.outcome(connection.exchange(request(where, *lines)), where))

    cell(DOORS, "control: a signature for another path", outcomes[0], names)
    cell(DOORS, "control: the signature for its path", outcomes[1], names)
    cell(DOORS, "control: the same signature again", outcomes[2], names)
    assert outcomes[0].reason == "hop_signature_mismatch"
    assert outcomes[1].sha256 == certificates.sha256("fixed")
    assert outcomes[2].reason == "hop_replayed"
