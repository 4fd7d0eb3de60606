"""Sets the stage: certificates, upstream, authz-server, the edge Envoy and a WAF in front of it, all on loopback."""

from __future__ import annotations

import copy
import hashlib
import http.client
import json
import os
import ssl
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from authz_server.demo.envoys import find_envoy, free_port, localized, start_envoy, waf_configuration, wait_for_port
from authz_server.demo.pki import Authority, Issued
from authz_server.demo.upstream import echo_server
from authz_server.forwarded.xfcc_element import XfccElement
from authz_server.forwarded.xfcc_text import encode_text_elements

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from authz_server.demo.scenes import Scene

_SERVER_EKU = "server"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a scene: HTTP status (0: TLS refused), reason code, and the identity headers the upstream got."""

    status: int
    reason: str
    headers: dict[str, str]


class Stage:
    """The running set-up; a context manager that ends every process it started."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """``say`` is told each step as it happens."""
        self._say = say
        self._stack = ExitStack()
        self.folder = Path()
        self.ports: dict[str, int] = {}
        self.forged = ""

    def __enter__(self) -> Self:
        """Start everything; what was started ends again if a later part fails."""
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        """End every process and remove the certificates."""
        self._stack.close()

    def _start(self) -> None:
        binary = find_envoy()
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="authz-demo-")))
        self._say("making a throwaway PKI")
        self.forged = write_pki(self.folder)
        names = ("waf", "edge", "backdoor", "authz", "admin", "upstream")
        self.ports = {name: free_port() for name in names}
        self._say("starting the upstream that echoes headers")
        upstream = echo_server("127.0.0.1", self.ports["upstream"])
        threading.Thread(target=upstream.serve_forever, daemon=True).start()
        self._stack.callback(upstream.server_close)
        self._stack.callback(upstream.shutdown)
        self._say("starting authz-server")
        self._run(self._authz_server(), "authz")
        self._say("starting Envoy (the edge, envoy/edge-mtls.yaml)")
        self._run(start_envoy(binary, self._edge(), self.folder, "edge"), "edge")
        self._say("starting a second Envoy as the WAF")
        waf = waf_configuration(self.folder, self.ports["waf"], self.ports["edge"])
        self._run(start_envoy(binary, waf, self.folder, "waf"), "waf")

    def _run(self, process: subprocess.Popen[bytes], name: str) -> None:
        self._stack.callback(_end, process)
        wait_for_port(self.ports[name], process, self.folder / f"{name}.log")

    def _authz_server(self) -> subprocess.Popen[bytes]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("AUTHZ_")}
        environment |= self.settings()
        with (self.folder / "authz.log").open("wb") as log:
            command = [sys.executable, "-m", "authz_server", "serve"]
            return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)  # noqa: S603 - our own

    def settings(self) -> Mapping[str, str]:
        """The environment that authz-server runs with."""
        return {
            "AUTHZ_LISTEN": f"127.0.0.1:{self.ports['authz']}",
            "AUTHZ_ADMIN_LISTEN": f"127.0.0.1:{self.ports['admin']}",
            "AUTHZ_TLS_CERTIFICATE_FILE": str(self.folder / "authz.crt"),
            "AUTHZ_TLS_PRIVATE_KEY_FILE": str(self.folder / "authz.key"),
            "AUTHZ_TLS_CLIENT_CA_FILE": str(self.folder / "hop-ca.crt"),
            "AUTHZ_HOP_PRINCIPALS": "spiffe://lab/waf",
            "AUTHZ_HOP_CONTEXT": "hop=mtls",
            "AUTHZ_SOURCE_FORMAT": "xfcc",
            "AUTHZ_TRUST_BUNDLE_FILE": str(self.folder / "clients-ca.crt"),
            "AUTHZ_IDENTITY": "spiffe",
            "AUTHZ_ALLOW": "spiffe:spiffe://example.org/alice,spiffe:spiffe://example.org/team/*",
            "AUTHZ_DRAIN_DELAY_SECONDS": "0",
        }

    def _edge(self) -> dict[str, Any]:
        config = localized(
            "edge-mtls.yaml",
            self.folder,
            self.ports["edge"],
            {"client_cert_authz": self.ports["authz"], "app": self.ports["upstream"]},
        )
        config["static_resources"]["listeners"].append(_backdoor(config, self.ports["backdoor"]))
        return config

    def play(self, scene: Scene) -> Outcome:
        """Send the scene's request through its door."""
        connection = self._connection(scene)
        headers = {name: value.replace("{alice-xfcc}", self.forged) for name, value in scene.headers}
        try:
            connection.request("GET", "/orders", headers=headers)
            answer = connection.getresponse()
            return _outcome(answer.status, answer.read())
        except (ssl.SSLError, ConnectionError):
            return Outcome(0, "TLS refused", {})
        finally:
            connection.close()

    def _connection(self, scene: Scene) -> http.client.HTTPConnection:
        if scene.door == "backdoor":
            return http.client.HTTPConnection("127.0.0.1", self.ports["backdoor"], timeout=10)
        context = ssl.create_default_context(cafile=str(self.folder / "hop-ca.crt"))
        context.check_hostname = False
        if scene.client:
            context.load_cert_chain(self.folder / f"{scene.client}.crt", self.folder / f"{scene.client}.key")
        return http.client.HTTPSConnection("127.0.0.1", self.ports[scene.door], timeout=10, context=context)


def _outcome(status: int, body: bytes) -> Outcome:
    try:
        document = json.loads(body)
    except ValueError:
        return Outcome(status, "", {})
    if "reason" in document:
        return Outcome(status, str(document["reason"]), {})
    injected = {name: value for name, value in document.get("headers", ()) if name.startswith("x-auth-client-")}
    return Outcome(status, "", injected)


def _backdoor(config: dict[str, Any], port: int) -> dict[str, Any]:
    """The listener that somebody adds in a hurry: no TLS, no RBAC, XFCC as it comes, and no mark of a verified hop."""
    listener: dict[str, Any] = copy.deepcopy(config["static_resources"]["listeners"][0])
    listener["name"] = "backdoor"
    listener["address"] = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    chain = listener["filter_chains"][0]
    del chain["transport_socket"]
    manager = chain["filters"][0]["typed_config"]
    manager["forward_client_cert_details"] = "ALWAYS_FORWARD_ONLY"
    manager["http_filters"] = [f for f in manager["http_filters"] if f["name"] != "envoy.filters.http.rbac"]
    extensions = manager["route_config"]["virtual_hosts"][0]["typed_per_filter_config"]["envoy.filters.http.ext_authz"]
    extensions["check_settings"]["context_extensions"].pop("hop")
    return listener


def write_pki(folder: Path) -> str:
    """Write every certificate of the demo into ``folder``; returns alice's public certificate as an XFCC value."""
    clients, hop, other = Authority.create("Clients CA"), Authority.create("Hop CA"), Authority.create("Unknown CA")
    team = Authority.create("Team CA", parent=clients)
    now = datetime.now(UTC)
    (folder / "clients-ca.crt").write_bytes(clients.certificate_pem)
    (folder / "hop-ca.crt").write_bytes(hop.certificate_pem)
    day = timedelta(days=1)
    alice = clients.issue("CN=alice", uris=("spiffe://example.org/alice",))
    issued: dict[str, Issued] = {
        "alice": alice,
        "bob": team.issue("CN=bob", uris=("spiffe://example.org/team/bob",)),
        "expired": clients.issue("CN=alice", uris=("spiffe://example.org/alice",), not_before=now - 9 * day, not_after=now - day),
        "future": clients.issue("CN=alice", uris=("spiffe://example.org/alice",), not_before=now + day, not_after=now + 9 * day),
        "stranger": other.issue("CN=alice", uris=("spiffe://example.org/alice",)),
        "server": clients.issue("CN=alice", uris=("spiffe://example.org/alice",), eku=_SERVER_EKU),
        "mallory": clients.issue("CN=mallory", uris=("spiffe://example.org/mallory",)),
        "waf": hop.issue("CN=waf", uris=("spiffe://lab/waf",)),
        "waf-server": hop.issue("CN=waf", dns=("localhost",), eku=_SERVER_EKU),
        "envoy": hop.issue("CN=edge", dns=("edge.internal",), eku=_SERVER_EKU),
        "envoy-client": hop.issue("CN=edge", uris=("spiffe://lab/edge",)),
        "authz": hop.issue("CN=authz", dns=("authz.internal",), eku=_SERVER_EKU),
    }
    for name, each in issued.items():
        (folder / f"{name}.crt").write_bytes(each.chain_pem)
        (folder / f"{name}.key").write_bytes(each.key_pem)
    der = alice.certificate_der
    return encode_text_elements((XfccElement(hash=hashlib.sha256(der).hexdigest(), cert=(der,)),))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
