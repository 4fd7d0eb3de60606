"""The document -> docs/benchmarks.md."""

from __future__ import annotations

from typing import Any

_PAGE = """\
# Benchmarks

Written by `{command}` on {date} ({seconds:.0f} s); the rounds one by one are in `bench/results/{date}.json`.
Compare figures of one run only: another machine, or the same one on another day, gives others.

| machine | |
|---|---|
| processor | {cpu}, {cores} cores usable, {memory_gib} GiB |
| kernel | {kernel} |
| Python | {python} |
| packages | {packages} |
| commit | {commit} |
| load average before the run | {load_average_before} |

Median of {rounds} rounds (lowest to highest). Server and load are pinned to a core each, so a server has one core.

| what is asked | requests/s | CPU of the server, µs a request | latency p50, ms | p99, ms |
|---|---|---|---|---|
{rows}

Largest resident size: {memory}.

## How it is measured

- The scenes take turns round by round, so that a disturbance meets all of them. Each is warmed up once, not counted.
- The load (`bench/load.py`) keeps {in_flight} calls in flight on each of {connections} connections, as many as Envoy with
  {connections} worker threads opens. So requests/s is what the server can do at most, and the latencies are those at full load,
  queueing included. It reads the status code of every answer; a wrong one ends the run.
- CPU time is the system's account of the server's process, all threads, user and system; what else runs on the machine
  moves it less than requests/s, but it does. Decision lines are written to a file, as in production.
- {busy}
- A request holds ten ordinary headers and, except where it has no certificate, a leaf and one intermediate as XFCC. "A new
  certificate each time" is one that the server has never seen; its path is validated in full.
- Plaintext over loopback, no Envoy: what is measured is the service.
"""


def render(document: dict[str, Any]) -> str:
    """The page."""
    machine, settings = document["machine"], document["settings"]
    facts = machine | settings | {name: document[name] for name in ("command", "date", "seconds")}
    facts["packages"] = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    facts["memory"] = ", ".join(f"{name} {size} MiB" for name, size in document["peak_memory_mib"].items())
    idlest = min(document["scenes"], key=lambda scene: scene["server_core_busy"]["median"])
    share = idlest["server_core_busy"]["median"]
    facts["busy"] = (
        f"In the median round the server used at least {share:.0%} of its core ({idlest['title']}); "
        "much less would mean that the load was the limit."
    )
    facts["rows"] = "\n".join(_row(scene) for scene in document["scenes"])
    return _PAGE.format(**facts)


def _row(scene: dict[str, Any]) -> str:
    def cell(name: str, form: str) -> str:
        figure = scene[name]
        return f"{figure['median']:{form}} ({figure['min']:{form}} to {figure['max']:{form}})"

    cells = [cell("calls_per_second", ",.0f"), cell("cpu_us_per_call", ",.0f")]
    latencies = [f"{scene[name]['median']:.1f}" for name in ("latency_p50_ms", "latency_p99_ms")]
    return " | ".join(["| " + scene["title"], *cells, *latencies]) + " |"
