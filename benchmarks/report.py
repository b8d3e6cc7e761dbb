"""Results: as a dictionary that is JSON, as text for the terminal, and as the table in the README."""

from __future__ import annotations

import json
import os
import platform
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks import clients, workloads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from benchmarks.server import Server
    from benchmarks.workloads import Effort, Workload

Result = dict[str, Any]
Results = dict[str, Result]

BEGIN = "<!-- benchmark table -->"
END = "<!-- end benchmark table -->"

# What can't be seen from inside the processes, whatever the client.
BLIND_SPOTS = (
    "Loopback only: no packet loss, no latency, no network card. The kernel's work for a packet is charged to whoever "
    "sends it, so a client pays for part of the server's receiving, and the server for part of the client's.",
    "Memory is what the process holds (RSS); the kernel's socket buffers are not in it.",
    "Cold start includes the interpreter's own; the files are in the page cache, their bytecode is compiled.",
    "One certificate authority is loaded, not the system's 140: loading those costs 30 ms more in each context made.",
)


def new_result(workload: Workload, effort: Effort, where: Server) -> Result:
    return {
        "title": effort.title(workload),
        "cpu": workload.unit.cpu,
        "rate": workload.unit.rate,
        "size": workload.size,
        "rounds": workload.most_rounds,
        "effort": {"seconds": effort.seconds, "bulk_size": effort.bulk_size, "processes": effort.processes},
        "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "where": _circumstances(where),
        "clients": {},
    }


def _circumstances(where: Server) -> dict[str, str]:
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n"):
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "processor": model,
        "cores": f"{os.cpu_count()}, of which one was used",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_version()} ({platform.python_implementation()}, {platform.python_compiler()})",
        "server": where.version,
        "TLS": where.tls,
    }


def load(path: Path) -> Results:
    if not path.exists():
        return {}
    results: Results = json.loads(path.read_text(encoding="utf-8"))
    return results


def save(results: Results, path: Path) -> None:
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def merge(old: Results, new: Results) -> Results:
    """The old results, with those workloads replaced that were measured again, in the workloads' order."""
    both = {**old, **new}
    order = [workload.id for workload in (*workloads.WORKLOADS, *workloads.GROWING)]
    return {name: both[name] for name in sorted(both, key=lambda name: _place(name, order))}


def _place(name: str, order: list[str]) -> tuple[int, int]:
    base, _, size = name.partition("@")
    return (order.index(base) if base in order else len(order), int(size or 0))


# --- numbers ---------------------------------------------------------------------------------------------------------


def _scale(name: str) -> float:
    """From seconds to the unit that the workload is told in."""
    return workloads.find(name, 0).unit.scale


def cpu(result: Result, client: str, scale: float) -> float | None:
    """CPU time per request, connection, ... : the median of the rounds."""
    samples = result["clients"].get(client, {}).get("samples", [])
    return median(s["cpu"] / s["units"] for s in samples) * scale if samples else None


def _median(samples: Iterable[dict[str, Any]], value: str) -> float:
    return float(median(sample[value] / sample["units"] for sample in samples))


def _more(result: Result, client: str, name: str) -> float | None:
    samples = result["clients"].get(client, {}).get("samples", [])
    return float(median(s["more"][name] for s in samples)) if samples else None


def number(value: float | None, suffix: str = "") -> str:
    """Three digits that mean something."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}{suffix}"
    if value >= 10:
        return f"{value:.1f}{suffix}"
    return f"{value:.2f}{suffix}"


# --- text for the terminal -------------------------------------------------------------------------------------------


def progress(workload: Workload, client: str, outcome: dict[str, Any]) -> str:
    if "sample" not in outcome:
        kind, why = next(iter(outcome.items()))
        return f"{workload.id:16} {client:21} {kind}: {why}"
    sample = outcome["sample"]
    value = sample["cpu"] / sample["units"] * workload.unit.scale
    return f"{workload.id:16} {client:21} {number(value):>8} {workload.unit.cpu}"


def text(results: Results) -> str:
    parts = [_workload_text(name, result) for name, result in results.items() if _measured(result)]
    return "\n\n".join([*parts, notes(results)])


def notes(results: Results) -> str:
    """What else there is to say about results: what is missing, and what was measured with what."""
    return f"{_missing_text(results)}\n\n{_versions_text(results)}"


def _measured(result: Result) -> list[str]:
    """The clients that there are numbers of."""
    return [client for client, of_client in result["clients"].items() if of_client["samples"]]


def _workload_text(name: str, result: Result) -> str:
    scale = _scale(name)
    ours = cpu(result, clients.OURS, scale)
    lines = [
        f"{name}  {result['title']}  ({result['cpu']}, median of {result['rounds']})",
        f"    {'client':21}{'CPU':>9}{'lowest':>9}{'highest':>9}{'to ours':>9}{result['rate']:>16}{'server CPU':>12}"
        f"{'elsewhere':>11}",
    ]
    for client in _measured(result):
        samples = result["clients"][client]["samples"]
        each = sorted(sample["cpu"] / sample["units"] * scale for sample in samples)
        # What the core did that was neither the client nor the server: much of it means that others were using it.
        elsewhere = median(1 - (s["cpu"] + s["server_cpu"]) / s["wall"] for s in samples)
        ratio = median(each) / ours if ours else None
        rate = median(sample["units"] / sample["wall"] for sample in samples)
        server = _median(samples, "server_cpu") * scale
        line = f"    {clients.label(client):21}"
        line += "".join(f"{number(value):>9}" for value in (median(each), each[0], each[-1], ratio))
        line += f"{number(rate):>16}{number(server):>12}{max(0.0, elsewhere):>11.0%}"
        for what in samples[0]["more"]:
            line += f"   {what.replace('_', ' ')} {number(_more(result, client, what))}"
        lines.append(line)
    return "\n".join(lines)


def _missing_text(results: Results) -> str:
    lines = ["Not measured"]
    for (client, why), names in _missing(results).items():
        lines.append(f"    {clients.label(client)}: {why} ({', '.join(names)})")
    lines += [f"    {spot}" for spot in BLIND_SPOTS]
    return "\n".join(lines)


def _missing(results: Results) -> dict[tuple[str, str], list[str]]:
    """Which workloads a client has no numbers for, by reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, result in results.items():
        for client, of_client in result["clients"].items():
            why = of_client.get("cannot") or of_client.get("failed")
            if why:
                found.setdefault((client, why), []).append(name)
    return found


def _versions_text(results: Results) -> str:
    lines = ["Versions"]
    seen = [result["where"] for result in results.values()]
    lines += [f"    {what}: {value}" for what, value in (seen[-1] if seen else {}).items()]
    lines += [f"    {clients.label(client)}: {value}" for client, value in _client_versions(results).items()]
    return "\n".join(lines)


def _client_versions(results: Results) -> dict[str, str]:
    found: dict[str, str] = {}
    for result in results.values():
        for client, of_client in result["clients"].items():
            if "versions" in of_client:
                found[client] = ", ".join(f"{name} {version}" for name, version in of_client["versions"].items())
    return found


# --- the table in the README -----------------------------------------------------------------------------------------


def write_readme(results: Results, path: Path) -> None:
    replace_between(path, BEGIN, END, markdown(results))


def replace_between(path: Path, begin: str, end: str, text: str) -> None:
    """Replace what stands between two markers."""
    before, found_begin, rest = path.read_text(encoding="utf-8").partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"{path} lacks the markers {begin} and {end}")
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def markdown(results: Results) -> str:
    results = {name: result for name, result in results.items() if "@" not in name}
    known = [name for name in clients.names() if any(_has_numbers(result, name) for result in results.values())]
    shown = [name for name in known if name not in clients.REFERENCES]
    beside = [name for name in known if name in clients.REFERENCES]
    titles = [*map(clients.label, shown), "best other / ours", *(f"*{clients.label(name)}*" for name in beside)]
    lines = [f"| CPU time | {' | '.join(titles)} |", f"|---|{'---:|' * len(titles)}"]

    def add(title: str, value: Callable[[str], float | None]) -> None:
        values = {name: value(name) for name in known}
        lines.append(_row(title, {name: values[name] for name in shown}, [values[name] for name in beside]))

    for name, result in results.items():
        unit = result["cpu"].removeprefix("CPU ").replace(" per ", "/")
        add(f"{result['title']}, {unit}", partial(cpu, result, scale=_scale(name)))
        if name.startswith("W6"):
            add(f"{result['title']}, KiB/connection", partial(_more, result, name="kib_per_connection"))
    return "\n".join([*lines, "", *_notes(results)])


def _has_numbers(result: Result, client: str) -> bool:
    return bool(result["clients"].get(client, {}).get("samples"))


def _row(title: str, values: dict[str, float | None], beside: Iterable[float | None]) -> str:
    known = [value for value in values.values() if value is not None]
    cells = [f"**{number(value)}**" if known and value == min(known) else number(value) for value in values.values()]
    cells += [number(lead(values)), *(f"*{number(value)}*" for value in beside)]
    return f"| {title} | {' | '.join(cells)} |"


def lead(values: Mapping[str, float | None]) -> float | None:
    """How many times as much as ours the best of the others needs; the references are none of the others."""
    ours = values.get(clients.OURS)
    not_others = {clients.OURS, *clients.REFERENCES}
    others = [value for name, value in values.items() if value is not None and name not in not_others]
    return min(others) / ours if ours and others else None


def _notes(results: Results) -> list[str]:
    if not results:
        return []
    where = next(iter(results.values()))["where"]
    return [
        f"Lower is better. Medians of interleaved rounds; client and {where['server']} share one core of "
        f"{where['processor']}; {where['kernel']}, Python {where['Python'].partition(' ')[0]}. "
        f"A dash: the client can't do it, or did not finish. Differences under 25 % are noise. "
        f"In italics, what is no other client: *floor* is what the C calls alone cost from Python."
    ]
