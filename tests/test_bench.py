"""The benchmark runs; its figures are nobody's business here."""

import json
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def test_bench_measures_every_scene(tmp_path):
    """A tiny run gets the right answer in every scene, and writes figures and page."""
    sizes = ["--rounds", "2", "--seconds", "0.1", "--cold-calls", "8", "--connections", "2", "--in-flight", "2"]
    command = [sys.executable, "-m", "bench", *sizes, "--output", str(tmp_path), "--page", str(tmp_path / "page.md")]
    ran = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    (results,) = tmp_path.glob("*.json")
    scenes = {scene["name"]: scene for scene in json.loads(results.read_text("utf-8"))["scenes"]}
    assert set(scenes) == {"constant", "good", "denied", "cold_p256", "cold_rsa2048"}
    assert scenes["cold_p256"]["calls"] == {"median": 8, "min": 8, "max": 8}
    assert all(scene["calls"]["min"] > 0 and scene["cpu_us_per_call"]["min"] > 0 for scene in scenes.values())
    page = (tmp_path / "page.md").read_text("utf-8")
    assert all(scene["title"] in page for scene in scenes.values())
