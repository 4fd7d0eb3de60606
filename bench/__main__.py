"""Rounds of every scene in turns, so that whatever else the machine does meets all of them alike; then the report."""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.load import Load, Round
from bench.machine import describe_machine
from bench.report import render
from bench.scenes import Clients, Scene, scenes
from bench.servers import running

if TYPE_CHECKING:
    from bench.servers import Server

_HOME = Path(__file__).resolve().parent.parent


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one round of a scene that repeats one request")
    parser.add_argument("--cold-calls", type=int, default=1500, help="calls in one round of a scene with new certificates")
    parser.add_argument("--connections", type=int, default=4, help="as Envoy with so many worker threads opens")
    parser.add_argument("--in-flight", type=int, default=8, help="calls kept in flight on each connection")
    parser.add_argument("--output", type=Path, default=_HOME / "bench/results", help="folder of the JSON document")
    parser.add_argument("--page", type=Path, default=_HOME / "docs/benchmarks.md")
    return parser.parse_args()


def main() -> int:
    """Measure and write the report; 1 if a server gave another answer than the scene must have."""
    args = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the servers end too
    began = datetime.now(UTC)
    print("making certificates", flush=True)
    ec, rsa = Clients("p256"), Clients("rsa2048")
    programme = scenes(ec, rsa, args.rounds, args.cold_calls)
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as folder:
        bundle = ec.root.certificate_pem + rsa.root.certificate_pem
        with running(Path(folder), bundle) as servers:
            measured = _measure(programme, servers, args)
            memory = {name: round(server.peak_memory_mib, 1) for name, server in servers.items()}
    document = {
        "date": began.strftime("%Y-%m-%d"),
        "seconds": round((datetime.now(UTC) - began).total_seconds(), 1),
        "command": "make bench" if len(sys.argv) == 1 else f"python -m bench {' '.join(sys.argv[1:])}",
        "settings": {name: getattr(args, name) for name in ("rounds", "seconds", "cold_calls", "connections", "in_flight")},
        "machine": machine,
        "peak_memory_mib": memory,
        "scenes": [_summary(scene, measured[scene.name]) for scene in programme],
    }
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / f"{document['date']}.json").write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    args.page.write_text(render(document), "utf-8")
    print(render(document))
    return 0


def _measure(programme: list[Scene], servers: dict[str, Server], args: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    measured: dict[str, list[dict[str, float]]] = {scene.name: [] for scene in programme}
    loads = {name: Load(server.port, args.connections, args.in_flight) for name, server in servers.items()}
    for scene in programme:
        _play(scene, loads[scene.server], servers[scene.server], args.seconds / 2)  # warm-up, not counted
    for number in range(args.rounds):
        print(f"round {number + 1} of {args.rounds}", flush=True)
        turn = number % len(programme)
        for scene in (*programme[turn:], *programme[:turn]):
            measured[scene.name].append(_play(scene, loads[scene.server], servers[scene.server], args.seconds))
    for load in loads.values():
        load.close()
    return measured


def _play(scene: Scene, load: Load, server: Server, seconds: float) -> dict[str, float]:
    before = server.cpu_seconds
    # Scenes with a number of calls end with it; the certificates of a warm-up cut short would be missing later.
    played: Round = load.run(scene.round(), 1e9 if scene.calls_a_round else seconds)
    cpu = server.cpu_seconds - before
    if played.codes != {scene.code: played.calls}:
        print(f"{scene.name}: answers {played.codes}, wanted only {scene.code}", file=sys.stderr)
        raise SystemExit(1)
    latencies = sorted(played.latencies)
    return {
        "calls": played.calls,
        "calls_per_second": played.calls / played.seconds,
        "cpu_us_per_call": cpu / played.calls * 1e6,
        "server_core_busy": cpu / played.seconds,
        "latency_p50_ms": latencies[len(latencies) // 2] * 1e3,
        "latency_p99_ms": latencies[len(latencies) * 99 // 100] * 1e3,
    }


def _summary(scene: Scene, rounds: list[dict[str, float]]) -> dict[str, Any]:
    figures = {
        name: {
            "median": round(statistics.median(values), 2),
            "min": round(min(values), 2),
            "max": round(max(values), 2),
        }
        for name in rounds[0]
        for values in [[each[name] for each in rounds]]
    }
    return {"name": scene.name, "title": scene.title, **figures, "rounds": rounds}


if __name__ == "__main__":
    sys.exit(main())
