"""The floor does what the clients do: every workload checks the bodies, the connections and the sessions."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(tmp_path: Path, *options: str) -> dict[str, dict[str, object]]:
    """What the harness says about each workload."""
    output = tmp_path / "results.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--seconds", "0.01", "--clients", "floor"]
    subprocess.run([*command, "--json", str(output), *options], cwd=ROOT, check=True, capture_output=True, text=True)
    return {name: result["clients"]["floor"] for name, result in json.loads(output.read_bytes()).items()}


def test_the_floor_can_do_every_workload(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert len(done) == 18
    assert [name for name, of_floor in done.items() if not of_floor["samples"]] == [], done


def test_the_floor_can_do_every_point_of_the_curves(tmp_path: Path) -> None:
    done = run(tmp_path, "--growth", "--only", "streams,headers,bodies")
    assert len(done) == 19
    assert [name for name, of_floor in done.items() if not of_floor["samples"]] == [], done
