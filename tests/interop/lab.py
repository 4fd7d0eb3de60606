"""A lab: one product in front of the real Envoy, behind it authz-server (or a recorder), all on loopback."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

import yaml

from authz_server.demo.envoys import find_envoy, free_port, localized
from authz_server.demo.stage import _backdoor
from tests.interop import wire2
from tests.interop.pki import HOST
from tests.interop.products import filled
from tests.interop.recorder import Recorder
from tests.interop.wire import Answer, Connection, NoAnswerError, request, tls_context

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.interop.products import Product
    from tests.interop.wire2 import Fields

_START_SECONDS = 20.0
_ATTEMPTS = 3
ROOTS, INTERMEDIATES = "clients-ca.crt", "clients-and-intermediates.crt"

# Doors of a lab.
TLS, PLAIN, EDGE, UNMARKED = "tls", "plain", "edge", "unmarked"


@dataclass(frozen=True)
class Outcome:
    """What became of a request: who answered, in which words, and the identity that the application was told.

    ``by`` is ``application``, ``authz-server``, ``Envoy``, the product's name or ``TLS``.
    """

    by: str
    reason: str
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """The certificate that the application believes to speak to."""
        return self.headers.get("x-auth-client-sha256", "")


class NotStartedError(RuntimeError):
    """A part of a lab ended (``status``) or was not ready in time."""

    def __init__(self, lab: Lab, part: str, status: int | None = None) -> None:
        how = f"ended with {status}" if status is not None else f"not ready in {_START_SECONDS:g} s"
        super().__init__(f"{lab.product.name}: {part} {how}\n{lab.logs()}")


class Lab:
    """The running set-up; a context manager that ends what it started."""

    def __init__(self, product: Product, folder: Path, pki: Path, upstream_port: int) -> None:
        self.product, self.folder, self.pki = product, folder, pki
        self.upstream_port = upstream_port
        self.ports: dict[str, int] = {}
        self.recorder: Recorder | None = None
        self.admitted: tuple[str, ...] = ()  # header names that the shipped edge had to be told
        self._stack = ExitStack()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._requests = 0

    def start(self, bundle: str = ROOTS, *, record: bool = False) -> Self:
        """Start authz-server with this trust bundle, or a recorder in its place; Envoy; the product.

        A port that was free a moment ago may be taken by somebody else on this machine: then all of it again on others.
        """
        for attempt in range(_ATTEMPTS):
            try:
                self._start(bundle, record=record)
            except RuntimeError:  # NotStartedError, or gRPC that cannot bind
                self.close()
                if attempt + 1 == _ATTEMPTS:
                    raise
            except BaseException:
                self.close()
                raise
            else:
                break
        return self

    def _start(self, bundle: str, *, record: bool) -> None:
        self._processes = {}
        self.ports = {name: free_port() for name in (TLS, PLAIN, EDGE, UNMARKED, "authz")} | {"app": self.upstream_port}
        for name, secret in self.product.secrets.items():
            (self.folder / name).write_text(secret, "utf-8")
        if record:
            self.recorder = Recorder(self.pki, self.ports["authz"])
            self._stack.callback(self.recorder.close)
        else:
            self._run("authz-server", [sys.executable, "-m", "authz_server", "serve"], "authz", self._settings(bundle))
        self._run("edge", self._edge(), EDGE)
        self._run(self.product.name, self._product(), TLS)
        wait_until(lambda: self.send(PLAIN, None).by in {"application", "authz-server"}, self)
        for name, process in self._processes.items():
            if process.poll() is not None:  # what listens on its port is not it
                raise NotStartedError(self, name, process.returncode)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process."""
        self._stack.close()

    def _settings(self, bundle: str) -> dict[str, str]:
        return {
            "AUTHZ_LISTEN": f"127.0.0.1:{self.ports['authz']}",
            "AUTHZ_ADMIN_LISTEN": "",
            "AUTHZ_TLS_CERTIFICATE_FILE": str(self.pki / "authz.crt"),
            "AUTHZ_TLS_PRIVATE_KEY_FILE": str(self.pki / "authz.key"),
            "AUTHZ_TLS_CLIENT_CA_FILE": str(self.pki / "hop-ca.crt"),
            "AUTHZ_HOP_PRINCIPALS": "spiffe://lab/waf",
            "AUTHZ_TRUST_BUNDLE_FILE": str(self.pki / bundle),
            "AUTHZ_ALLOW": "*",  # mallory is somebody too: what counts is that nobody becomes somebody else
            "AUTHZ_DRAIN_DELAY_SECONDS": "0",
            **{name: filled(value, {"FOLDER": str(self.folder)}) for name, value in self.product.settings.items()},
        }

    def _edge(self) -> list[str]:
        config = localized(
            "edge-mtls.yaml", self.pki, self.ports[EDGE], {"client_cert_authz": self.ports["authz"], "app": self.ports["app"]}
        )
        (listener,) = config["static_resources"]["listeners"]
        self.admitted = admit(listener["filter_chains"][0]["filters"][0]["typed_config"], self.product.headers)
        config["static_resources"]["listeners"].append(_backdoor(config, self.ports[UNMARKED]))
        (self.folder / "edge.yaml").write_text(yaml.safe_dump(config), "utf-8")
        options = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning", "--file-flush-interval-msec", "20"]
        return [str(find_envoy()), "-c", str(self.folder / "edge.yaml"), *options]

    def _product(self) -> list[str]:
        values = {
            "BINARY": str(self.product.find()),
            "PRODUCT": self.product.name,
            "FOLDER": str(self.folder),
            "PKI": str(self.pki),
            "HOST": HOST,
            "HEADER": self.product.header,
            "HOP": "",
            "SET": "set-header",
            "LENIENCY": "",
            "CONNECTION": "",
            "INSECURE": "false",
            **{f"{name.upper()}_PORT": str(port) for name, port in self.ports.items()},
            **self.product.values,
        }
        for name, text in self.product.files(values).items():
            (self.folder / name).write_text(text, "utf-8")
        return [filled(word, values) for word in self.product.command]

    def _run(self, name: str, command: list[str], port: str, settings: dict[str, str] | None = None) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("AUTHZ_")}
        environment |= {"HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)}
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=environment | (settings or {}),
                start_new_session=True,
            )
        self._stack.callback(_end, process)
        self._processes[name] = process
        wait_until(lambda: process.poll() is not None or _is_open(self.ports[port]), self)
        if process.poll() is not None:
            raise NotStartedError(self, name, process.returncode)

    def logs(self) -> str:
        """The end of every process's log."""
        parts = [f"--- {path.name}\n{path.read_text('utf-8', 'replace')[-1500:]}" for path in sorted(self.folder.glob("*.log"))]
        return "\n".join(parts)

    # -- requests

    def connect(self, door: str, client: str | None, **options: Any) -> Connection:
        """A connection to a door, as a client (``None``: without a certificate)."""
        if door in {TLS, EDGE}:
            options = {"context": tls_context(self.pki, client)} | options
        return Connection(self.ports[door], **options)

    def path(self) -> str:
        """A path that no other request of this lab has, by which the edge's log is searched."""
        self._requests += 1
        return f"/{os.getpid()}/{self._requests}"

    def send(self, door: str, client: str | None, *lines: bytes, method: str = "GET", body: bytes = b"") -> Outcome:
        """One request on a connection of its own."""
        path, before = self.path(), len(self._access_log())
        try:
            with self.connect(door, client) as connection:
                answer = connection.exchange(request(path, *lines, method=method, body=body))
                return self.outcome(answer, path, before)
        except NoAnswerError as error:
            return Outcome("TLS", "refused") if door in {TLS, EDGE} else Outcome(self.product.name, str(error))

    def send2(self, client: str | None, head: Callable[[str], Fields], body: bytes = b"", trailer: Fields = ()) -> Outcome:
        """One request over HTTP/2 to the product's TLS door; ``head`` makes its fields for a path."""
        path, before = self.path(), len(self._access_log())
        try:
            answer = wire2.exchange(self.ports[TLS], tls_context(self.pki, client), head(path), body, trailer)
            return self.outcome(answer, path, before)
        except NoAnswerError as error:
            return Outcome(self.product.name, str(error))

    def outcome(self, answer: Answer, path: str, before: int = 0) -> Outcome:
        """Who answered, and in which words; ``before``: how many lines the edge's log had when the request was sent."""
        with suppress(ValueError):
            document = json.loads(answer.body)
            if "decision_id" in document:
                return Outcome("authz-server", str(document["reason"]), answer.status)
            if "headers" in document and answer.status == HTTPStatus.OK:
                return Outcome("application", "", answer.status, _joined(document["headers"]))
        for line in self._log_after(before):
            # A request that the edge refuses while it reads the headers has no path in the log.
            if line["path"] == path or (line["path"] is None and "unexpected" in line["details"]):
                return Outcome("Envoy", str(line["details"]), answer.status)
        return Outcome(self.product.name, f"{answer.status}", answer.status)

    def _log_after(self, before: int) -> list[dict[str, Any]]:
        """The edge's access log behind line ``before``, complete: a request sent now stands at its end."""
        mark = self.path()
        with self.connect(EDGE, "waf") as connection:
            connection.exchange(request(mark))
        wait_until(lambda: any(line["path"] == mark for line in self._access_log()), self)
        return [line for line in self._access_log()[before:] if line["path"] != mark]

    def _access_log(self) -> list[dict[str, Any]]:
        lines = (self.folder / "edge.log").read_text("utf-8", "replace").splitlines()
        return [json.loads(line) for line in lines if re.match(r"\{.*\}$", line)]


def admit(manager: dict[str, Any], headers: tuple[str, ...]) -> tuple[str, ...]:
    """What the guide says about certificate headers of another name: show them to the service, let it remove them.

    Returns those that the shipped file did not know. SANITIZE where the certificate header is not Envoy's own.
    """
    (authz,) = (each["typed_config"] for each in manager["http_filters"] if each["name"] == "envoy.filters.http.ext_authz")
    patterns, rules = authz["allowed_headers"]["patterns"], authz["decoder_header_mutation_rules"]["allow_expression"]
    unseen = tuple(header for header in headers if not any(_matches(pattern, header) for pattern in patterns))
    patterns += [{"exact": header, "ignore_case": True} for header in unseen]
    fixed = tuple(header for header in headers if not re.fullmatch(rules["regex"], header))
    if fixed:
        # By their common beginnings: Envoy refuses an expression whose RE2 program has more than 100 steps.
        hop = [header for header in headers if header.startswith(("x-hop-", "signature"))]
        groups = [group for group in (hop, [header for header in headers if header not in hop]) if group]
        names = "|".join(f"{_beginning(group)}[a-z0-9-]*" for group in groups)
        rules["regex"] = f"^(x-auth-client-[a-z0-9-]+|{names})$"
    if "x-forwarded-client-cert" not in headers:
        manager["forward_client_cert_details"] = "SANITIZE"
    return tuple(dict.fromkeys(unseen + fixed))


def _beginning(names: list[str]) -> str:
    """What all names begin with: what the alphabetically first and last begin with."""
    first, last = min(names), max(names)
    return next((first[:index] for index, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), first)


def _matches(pattern: dict[str, Any], header: str) -> bool:
    return header == pattern.get("exact") or header.startswith(pattern.get("prefix", " "))


def wait_until(holds: Any, lab: Lab) -> None:
    """Return when it holds; ``RuntimeError`` with every log when time runs out."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError):
            if holds():
                return
        time.sleep(0.05)
    raise NotStartedError(lab, "a part")


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _joined(lines: list[list[str]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in lines:
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and what it started: it leads a session of its own."""
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
