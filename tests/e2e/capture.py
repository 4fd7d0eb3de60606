"""Capture CheckRequests of the real Envoy: ``python -m tests.e2e.capture [VERSION ...]`` writes tests/fixtures/check_requests.

One Envoy plays both parts: WAFs, which write X-Forwarded-Client-Cert as text or as JSON, and edges made of
``envoy/edge-mtls.yaml``, which ask a service that writes down the bytes of every question and denies.
"""

from __future__ import annotations

import argparse
import base64
import copy
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from authz_server.demo.envoys import free_port, waf_configuration
from tests.e2e.certificates import Pki, xfcc
from tests.e2e.configurations import add_cluster, cluster, http_filter, manager, set_endpoint, set_http2, shipped, tcp
from tests.e2e.grpc_peers import bytes_server
from tests.e2e.processes import envoy
from tests.e2e.versions import envoy_binary, version_tuple
from tests.e2e.wire import exchange, hop_tls, request_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.configurations import Config
    from tests.e2e.wire import Answer, Headers

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "check_requests"
VERSIONS = ("1.36.4", "1.40.0")
# The fixtures are decided about by the clock of whoever runs the tests.
VALIDITY = {"not_before": datetime(2020, 1, 1, tzinfo=UTC), "not_after": datetime(2120, 1, 1, tzinfo=UTC)}

# What an edge changes of the shipped ext_authz filter: (encode_raw_headers, keep allowed_headers).
EDGES = {"raw": (True, True), "joined": (False, True), "raw-all": (True, False), "joined-all": (False, False)}
PROTOCOLS = ("h1", "h2")
# format: JSON of set_current_client_cert_details came with this version.
JSON_SINCE = (1, 38)
_PERMISSION_DENIED = b"\x0a\x02\x08\x07"  # CheckResponse{status{code: 7}}

# A name that writes a second certificate, and a second element, into the text form.
_INJECTION = 'spiffe://a.example/x;Cert="{victim}",Hash={zeros};Subject="CN=admin"'


@dataclass(frozen=True, slots=True)
class Case:
    """One request: through a WAF that writes ``form``, or with ``headers`` straight to the edge as the WAF (``form`` empty)."""

    name: str
    edge: str
    protocol: str
    form: str = "text"
    client: str = "alice"
    headers: Headers = ()
    line: str = "GET"


def cases(pki: Pki) -> tuple[Case, ...]:
    """Every case; the client certificates that they name are written to the folder of ``pki``."""
    _write_clients(pki)
    below = pki.authority("Team CA")
    leaf = pki.client(issuer=below)
    cert, chain = (f":{base64.b64encode(each.certificate_der).decode()}:" for each in (leaf, below))
    certified = ("client-cert", cert), ("client-cert-chain", chain)
    twice = (*certified, ("client-cert", cert))
    everything = (
        ("cookie", "a=1"),
        ("cookie", "b=2"),
        ("authorization", "Bearer x"),
        ("x-odd", b"caf\xe9 caf\xc3\xa9"),
        ("x-empty", ""),
    )
    proxied = xfcc(pki.alice, By="spiffe://lab/first-waf")
    proxied_json = '[{"hash":"%s"}]' % ("0" * 64)
    return (
        *(
            Case(f"xfcc-{form}", edge, protocol, form)
            for form in ("text", "json")
            for edge in ("raw", "joined")
            for protocol in PROTOCOLS
        ),
        *(Case(f"names-{form}", "raw", "h1", form, "names") for form in ("text", "json")),
        *(Case(f"injection-{form}", "raw", "h1", form, "injection") for form in ("text", "json")),
        *(Case(f"nameless-{form}", "raw", "h1", form, "nameless") for form in ("text", "json")),
        Case("no-certificate", "raw", "h1", client=""),
        Case("no-certificate", "joined", "h2", client=""),
        Case("appended-text", "raw", "h1", "append-text", headers=(("x-forwarded-client-cert", proxied),)),
        Case("appended-json", "raw", "h1", "append-json", headers=(("x-forwarded-client-cert", proxied_json),)),
        # The WAF is told one form and finds the other: Envoy keeps the form that it finds.
        Case("appended-to-text-json", "raw", "h1", "append-json", headers=(("x-forwarded-client-cert", proxied),)),
        Case("appended-to-json-text", "raw", "h1", "append-text", headers=(("x-forwarded-client-cert", proxied_json),)),
        Case("grpc", "raw", "h2", headers=(("content-type", "application/grpc"), ("te", "trailers")), line="POST"),
        *(Case("rfc9440", edge, "h1", "", headers=certified) for edge in ("raw", "joined")),
        *(Case("rfc9440-twice", edge, "h1", "", headers=twice) for edge in ("raw", "joined")),
        *(Case("obs-text", edge, "h1", "", headers=(("client-cert", b":caf\xe9:"),)) for edge in ("raw", "joined")),
        *(Case("everything", edge, "h1", "", headers=(*certified, *everything)) for edge in ("raw-all", "joined-all")),
    )


def _write_clients(pki: Pki) -> None:
    below = pki.authority("Team CA")
    victim = xfcc(pki.alice).partition('Cert="')[2].rstrip('"')
    pki.write("alice", pki.client(issuer=below))
    pki.write("nameless", pki.client("CN=nameless", uris=()))
    odd = 'CN=J\u00fcrgen \\"x\\"\\, y\\;z,O=Acme'
    pki.write("names", pki.client(odd, uris=("spiffe://example.org/names",), dns=("a.example", "b.example")))
    pki.write("injection", pki.client("CN=mallory", uris=(_INJECTION.format(victim=victim, zeros="0" * 64),)))


@contextmanager
def recording(binary: Path, pki: Pki, folder: Path, *, with_json: bool) -> Iterator[Recorder]:
    """The Envoy and the service that writes questions down."""
    questions: list[bytes] = []

    def check(message: bytes, _: object) -> bytes:
        questions.append(message)
        return _PERMISSION_DENIED

    with bytes_server(check) as port:
        config, ports = _configuration(pki, port, with_json=with_json)
        with envoy(binary, config, folder, "capture"):
            yield Recorder(pki, ports, questions)


@dataclass(frozen=True, slots=True)
class Recorder:
    """Asks, and gives the CheckRequest that came of it."""

    pki: Pki
    ports: dict[str, int]
    questions: list[bytes]

    def ask(self, case: Case) -> Answer:
        """Send the case's request; ``questions`` is what came of it alone."""
        self.questions.clear()
        line = f"{case.line} /{case.edge}/{case.protocol}/orders?token=1"
        door, certificate = (case.form, case.client or None) if case.form else (case.edge, "waf")
        return exchange(self.ports[door], request_bytes(case.headers, line), hop_tls(self.pki.folder, certificate))

    def record(self, case: Case) -> bytes:
        """The bytes of the one question that the case leads to."""
        answer = self.ask(case)
        assert answer.status in {403, 200}, answer  # 200: a gRPC denial
        (question,) = self.questions
        return question


def _configuration(pki: Pki, authz_port: int, *, with_json: bool) -> tuple[Config, dict[str, int]]:
    config = shipped("edge-mtls.yaml", pki.folder)
    set_endpoint(config, "app", tcp(authz_port))
    set_endpoint(config, "client_cert_authz", tcp(authz_port))
    for key in ("transport_socket", "health_checks"):
        del cluster(config, "client_cert_authz")[key]
    forms = ["text", "append-text"] + ["json", "append-json"] * with_json
    ports = {name: free_port() for name in (*EDGES, *forms)}
    (template,) = config["static_resources"]["listeners"]
    edges = [_edge(template, name, ports[name]) for name in EDGES]
    waf = waf_configuration(pki.folder, 0, 0)["static_resources"]
    config["static_resources"]["clusters"] += waf["clusters"]
    for edge in EDGES:
        for protocol in PROTOCOLS:
            added = add_cluster(config, "edge", f"{edge}-{protocol}", tcp(ports[edge]))
            if protocol == "h2":
                set_http2(added)
    config["static_resources"]["clusters"].remove(cluster(config, "edge"))
    wafs = [_waf(waf["listeners"][0], form, ports[form]) for form in forms]
    config["static_resources"]["listeners"] = edges + wafs
    return config, ports


def _edge(template: Config, name: str, port: int) -> Config:
    listener = copy.deepcopy(template) | {"name": name, "address": tcp(port)}
    is_raw, keeps_list = EDGES[name]
    ext_authz = http_filter(listener, "ext_authz")
    ext_authz["encode_raw_headers"] = is_raw
    if not keeps_list:
        del ext_authz["allowed_headers"]
    return listener


def _waf(template: Config, form: str, port: int) -> Config:
    listener = copy.deepcopy(template) | {"name": form, "address": tcp(port)}
    hcm = manager(listener)
    if form.startswith("append"):
        hcm["forward_client_cert_details"] = "APPEND_FORWARD"
    if form.endswith("json"):
        hcm["set_current_client_cert_details"]["format"] = "JSON"
    hcm["route_config"]["virtual_hosts"][0]["routes"] = [
        {"match": {"prefix": f"/{edge}/{protocol}/"}, "route": {"cluster": f"{edge}-{protocol}"}}
        for edge in EDGES
        for protocol in PROTOCOLS
    ]
    return listener


def writes_json(version: str) -> bool:
    """Whether a WAF of this version can write X-Forwarded-Client-Cert as JSON."""
    return version_tuple(version) >= JSON_SINCE


def capture(version: str, pki: Pki, folder: Path) -> dict[str, bytes]:
    """Every case that this version can be asked, by file name."""
    with_json = writes_json(version)
    chosen = [case for case in cases(pki) if with_json or "json" not in case.name]
    with recording(envoy_binary(version), pki, folder, with_json=with_json) as recorder:
        return {f"{case.name}.{case.edge}.{case.protocol}.pb": recorder.record(case) for case in chosen}


def main() -> None:
    """Write the fixtures of the versions on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("versions", nargs="*", default=VERSIONS)
    with tempfile.TemporaryDirectory(prefix="authz-capture-") as name:
        folder = Path(name)
        pki = Pki(folder, **VALIDITY)
        for version in parser.parse_args().versions:
            target = FIXTURES / version
            target.mkdir(parents=True, exist_ok=True)
            for old in target.glob("*.pb"):
                old.unlink()
            for file, question in capture(version, pki, folder).items():
                (target / file).write_bytes(question)
            (target / "clients-ca.crt").write_bytes(pki.clients.certificate_pem)


if __name__ == "__main__":
    main()
