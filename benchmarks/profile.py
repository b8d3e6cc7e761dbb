"""Where the time of a request goes: `python -m benchmarks.profile`, which needs Linux's `perf` and the right to use it.

Each client does each workload twice: once to know what it costs, and once under `perf record`, which looks a thousand
times a second where the processor is: in the kernel, in Python, in which library. Of that, only the measured part
counts, not importing, connecting and checking: for bulk, they take longer.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks import clients, report, run, server, workloads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.server import Server
    from benchmarks.workloads import Effort, Workload

#: What the files belong to in which the processor was found; what is in none of these is the client's own library.
LAYERS = {
    "kernel": r"\[kernel|\[vdso\]|\[guest",
    "Python": r"libpython|^python3?(\.\d+)?$|^(?!pycurl|_ctypes).*\.cpython-",
    "ctypes": r"_ctypes|libffi",
    "C library": r"libc\.so|libc-|ld-linux|libpthread",
    "OpenSSL": r"libcrypto|libssl",
    "nghttp2": r"libnghttp2",
}
OTHER = "other"

DOCUMENT = run.ROOT / "docs" / "performance.md"
BEGIN = "<!-- profile -->"
END = "<!-- end profile -->"

_WORKLOADS = ("W1", "W2", "W3", "W4", "W5", "W5t", "W7-download-tls", "W7-download-h2", "W7-upload-tls", "W7-upload-h2")
_CLIENTS = (clients.OURS, "pycurl", "floor")
_SECONDS = 3.0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.profile", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default=",".join(_WORKLOADS), metavar="W1,...", help="these workloads")
    parser.add_argument("--clients", default=",".join(_CLIENTS), metavar="ours,...", help="these clients")
    parser.add_argument("--write", action="store_true", help="and update docs/performance.md")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="the core to use (the last)")
    options = parser.parse_args(arguments)
    if shutil.which("perf") is None:
        parser.error("there is no perf here (Debian: linux-perf)")
    chosen = workloads.select(options.only.split(","))
    run.use_one_core(options.core)
    run.allow_many_descriptors()
    effort = replace(workloads.NORMAL, seconds=_SECONDS)
    lines = list(table_head())
    print("\n".join(lines))
    with server.running() as where:
        for workload in map(effort.limit, chosen):
            for name in options.clients.split(","):
                lines.append(profile_line(name, workload, effort, where))
                print(lines[-1], flush=True)
    if options.write:
        report.replace_between(DOCUMENT, BEGIN, END, "\n".join(lines))
    return 0


def table_head() -> Iterator[str]:
    layers = [*LAYERS, OTHER]
    yield f"| | client | CPU | {' | '.join(layers)} |"
    yield f"|---|---|---:|{'---:|' * len(layers)}"


def profile_line(name: str, workload: Workload, effort: Effort, where: Server) -> str:
    """Measure without and with perf, which takes time itself; return a line of the table, in the workload's unit."""
    outcome = run.run_alone(name, workload, effort, where)
    where.wait_until_idle()
    if "sample" not in outcome:
        return f"| {workload.id} | {clients.label(name)} | {next(iter(outcome.values()))} |"
    with tempfile.TemporaryDirectory() as directory:
        recording = os.path.join(directory, "perf.data")
        record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "997", "-k", "CLOCK_MONOTONIC"]
        record += ["-o", recording, "--"]
        recorded = run.run_alone(name, workload, effort, where, record)
        where.wait_until_idle()
        if "sample" not in recorded:
            return f"| {workload.id} | {clients.label(name)} | {next(iter(recorded.values()))} |"
        began = recorded["sample"]["began"]
        part = f"{began:.9f},{began + recorded['sample']['wall']:.9f}"
        command = ["perf", "report", "-i", recording, "--time", part, "--sort", "dso", "--stdio", "--no-children"]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    total = outcome["sample"]["cpu"] / outcome["sample"]["units"] * workload.unit.scale
    parts = (f"{share * total:.2f}" if share >= 0.0005 else "" for share in shares(lines).values())
    return f"| {workload.id} | {clients.label(name)} | {total:.2f} | {' | '.join(parts)} |"


def shares(text: str) -> dict[str, float]:
    """Return how much of the samples of a report by shared object is in each layer, as parts of 1."""
    found = dict.fromkeys([*LAYERS, OTHER], 0.0)
    for percent, place in re.findall(r"^ *([0-9.]+)% +(\S+)", text, re.MULTILINE):
        layer = next((layer for layer, pattern in LAYERS.items() if re.search(pattern, place)), OTHER)
        found[layer] += float(percent) / 100
    return found


if __name__ == "__main__":
    sys.exit(main())
