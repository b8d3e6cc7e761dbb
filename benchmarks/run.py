"""The command: which workloads, which clients, how often; `python -m benchmarks --help`.

Everything runs on one core: this process pins itself there, and the server and the measuring processes, which are its
children, stay there with it. Client and server on two cores of a virtual machine wake each other up in times that
differ from run to run; on one core the rate follows the CPU cost, and both repeat.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import clients, growth, report, server, workloads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.server import Server
    from benchmarks.workloads import Effort, Workload

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results.json"
README = ROOT / "README.md"
GROWTH_PLOT = ROOT / "docs" / "growth.svg"
GROWTH_TEXT = ROOT / "docs" / "performance.md"
# A client that can't live beside the others has a virtual environment of its own here, under its name.
ENVIRONMENTS = ROOT / "build" / "environments"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    if options.list:
        for workload in chain(*options.workloads):
            print(f"{workload.id:16} {options.effort.title(workload)}")
        print("clients:", ", ".join(clients.names()))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    use_one_core(options.core)
    allow_many_descriptors()
    started = time.monotonic()
    results: report.Results = {}
    try:
        with server.running() as where:
            for together in options.workloads:
                _measure(results, [*map(options.effort.limit, together)], options.clients, options.effort, where)
    except server.ServerError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{_text(results, options)}\ninterrupted: that is what there is; nothing was written")
        return 130
    print(f"{_text(results, options)}\n{time.monotonic() - started:.0f} seconds")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    report.save(results, options.json)
    if options.write:
        merged = report.merge(report.load(RESULTS), results)
        report.save(merged, RESULTS)
        if options.growth:
            growth.write(merged, GROWTH_PLOT, GROWTH_TEXT)
        else:
            report.write_readme(merged, README)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description="Compares this client with others.")
    parser.add_argument("--quick", action="store_true", help="a short, rough run: under 90 seconds")
    parser.add_argument("--only", default="", metavar="W1,...", help="only these workloads or curves; W7 is all of W7")
    parser.add_argument("--clients", default="", metavar="ours,...", help="only these clients")
    parser.add_argument("--rounds", type=int, help="how often each client does each workload (3; quick: 1)")
    parser.add_argument("--seconds", type=float, help="how long a measured part is (0.5; growth: 0.4; quick: 0.15)")
    parser.add_argument("--growth", action="store_true", help="how costs grow with the size, instead")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="the core to use (the last)")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "benchmarks.json", help="where the results go")
    parser.add_argument("--write", action="store_true", help="update results.json and the document that shows it")
    parser.add_argument("--list", action="store_true", help="list the workloads and clients")
    options = parser.parse_args(arguments)
    try:
        if options.growth:
            options.workloads = [curve.points() for curve in growth.select(_listed(options.only))]
        else:
            options.workloads = [[workload] for workload in workloads.select(_listed(options.only))]
    except ValueError as error:
        parser.error(str(error))
    options.clients = _listed(options.clients) or (list(growth.CLIENTS) if options.growth else clients.names())
    if unknown := set(options.clients).difference(clients.names()):
        parser.error(f"there is no client {', '.join(sorted(unknown))}; there are {', '.join(clients.names())}")
    effort = workloads.QUICK if options.quick else workloads.GROWTH if options.growth else workloads.NORMAL
    given = {"rounds": options.rounds, "seconds": options.seconds}
    options.effort = replace(effort, **{name: value for name, value in given.items() if value is not None})
    return options


def _text(results: report.Results, options: argparse.Namespace) -> str:
    return f"{growth.text(results)}\n\n{report.notes(results)}" if options.growth else report.text(results)


def _listed(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def use_one_core(core: int) -> None:
    os.sched_setaffinity(0, {core})


def allow_many_descriptors() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _measure(
    results: report.Results, together: Sequence[Workload], names: Sequence[str], effort: Effort, where: Server
) -> None:
    """Interleaved: in each round every client has its turn, and each round another one begins.

    What is compared with each other, such as the points of a curve, is measured together: in each round all of it.
    """
    for workload in together:
        results[workload.id] = report.new_result(workload, effort, where)
    for number in range(effort.rounds):
        turn = number % len(names)
        for workload in together:
            if number < workload.most_rounds:
                for name in [*names[turn:], *names[:turn]]:
                    _take_turn(results[workload.id], workload, name, effort, where)


def _take_turn(result: report.Result, workload: Workload, name: str, effort: Effort, where: Server) -> None:
    """One client's turn; one that can't, or has failed, gets no further turn."""
    of_client = result["clients"].setdefault(name, {"samples": []})
    if "cannot" in of_client or "failed" in of_client:
        return
    where.wait_until_idle()
    outcome = run_alone(name, workload, effort, where)
    if "sample" in outcome:
        of_client["versions"] = outcome["sample"].pop("versions")
        of_client["samples"].append(outcome["sample"])
    else:
        of_client.update(outcome)
    print(report.progress(workload, name, outcome), file=sys.stderr, flush=True)


def _interpreter(client: str) -> str:
    own = ENVIRONMENTS / client / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def run_alone(
    name: str, workload: Workload, effort: Effort, where: Server, wrapper: Sequence[str] = ()
) -> dict[str, Any]:
    """Measure in a process of its own, and in its own group, so that nothing of it can be left behind.

    :param wrapper: a command that runs the one that is put behind it.
    """
    task = {
        "client": name,
        "workload": workload.id,
        "size": workload.size,
        "server": asdict(where),
        "effort": asdict(effort),
    }
    command = [*wrapper, _interpreter(name), "-m", "benchmarks.measure", json.dumps(task)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
    try:
        output, errors = process.communicate(timeout=workload.time_limit)
    except subprocess.TimeoutExpired:
        return {"failed": f"did not finish within {workload.time_limit:.0f} s"}
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    try:
        outcome: dict[str, Any] = json.loads(output)
    except ValueError:
        return {"failed": f"ended with {process.returncode}: {(errors.strip() or output.strip())[-500:]}"}
    if "failed" in outcome:
        print(errors, file=sys.stderr)
    return outcome
