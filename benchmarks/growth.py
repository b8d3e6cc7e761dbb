"""How costs grow: the curves, what they show, and where that is written (`python -m benchmarks --growth`).

A curve is one workload at several sizes. What it must show is that a request costs the same whatever the size: the
value at each size is divided by that at a reference size, and stays 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import clients, content, plot, report, workloads

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from benchmarks.report import Results
    from benchmarks.workloads import Workload

# Those that are measured unless others are asked for.
CLIENTS = (clients.OURS, "pycurl", "floor")
# By how much a value may be above the reference and still count as the same.
TOLERANCE = 0.15

BEGIN = "<!-- growth -->"
END = "<!-- end growth -->"


@dataclass(frozen=True, slots=True)
class Curve:
    """A workload at several sizes.

    The reference is the size from which on the cost should stay the same. `per_byte`: the size is that of the response,
    and what should stay the same is what each byte costs beyond what a request with the smallest response does.
    """

    id: str
    title: str
    workload: str
    sizes: tuple[int, ...]
    reference: int
    per_byte: bool = False

    def points(self) -> list[Workload]:
        return [workloads.find(f"{self.workload}@{size}", size) for size in self.sizes]

    @property
    def label(self) -> str:
        return "CPU per byte" if self.per_byte else "CPU per request"

    def cost(self, results: Results, client: str, size: int) -> float | None:
        """CPU microseconds for a request of this size."""
        result = results.get(f"{self.workload}@{size}")
        return report.cpu(result, client, 1e6) if result else None

    def value(self, results: Results, client: str, size: int) -> float | None:
        """What should stay the same."""
        cost = self.cost(results, client, size)
        if not self.per_byte:
            return cost
        least = self.cost(results, client, self.sizes[0])
        # A difference of two nearly equal numbers is mostly noise.
        if cost is None or least is None or size < 16 * self.sizes[0]:
            return None
        return (cost - least) / (size - self.sizes[0])

    def relative(self, results: Results, client: str) -> list[tuple[int, float]]:
        """(size, value) with 1 for that at the reference."""
        reference = self.value(results, client, self.reference)
        if not reference:
            return []
        values = ((size, self.value(results, client, size)) for size in self.sizes)
        return [(size, value / reference) for size, value in values if value is not None]

    def worst(self, results: Results, client: str) -> tuple[int, float] | None:
        """The size from the reference on at which it costs most, and how much."""
        beyond = [point for point in self.relative(results, client) if point[0] >= self.reference]
        return max(beyond, key=lambda point: point[1]) if len(beyond) > 1 else None


CURVES = (
    Curve("connections", "connections, HTTP/1.1", "W5", (1, 10, 30, 100, 300, 1000, 3000, 10_000), 10),
    Curve("streams", "requests on one HTTP/2 connection", "W4", (1, 3, 10, 30, 100, 300, 1000), 10),
    Curve("threads", "blocking threads, one client", "W5t", (1, 2, 4, 8, 16, 32, 64), 1),
    Curve("headers", "response header fields", "headers", content.GROWING_SIZES, 16 * content.KIB, per_byte=True),
    Curve("bodies", "response body", "body", content.GROWING_SIZES, 256 * content.KIB, per_byte=True),
)


def select(names: Iterable[str]) -> list[Curve]:
    """The curves of these names, or of these workloads; all of them when there are no names."""
    wanted = set(names)
    known = {name for curve in CURVES for name in (curve.id, curve.workload)}
    if unknown := wanted - known:
        raise ValueError(f"there is no curve {', '.join(sorted(unknown))}; there are {', '.join(c.id for c in CURVES)}")
    return [curve for curve in CURVES if not wanted or {curve.id, curve.workload} & wanted]


def _shown(results: Results) -> list[tuple[Curve, list[str]]]:
    """The curves that there are numbers of, and for which clients."""
    found = [(curve, [name for name in clients.names() if curve.relative(results, name)]) for curve in CURVES]
    return [(curve, names) for curve, names in found if names]


def text(results: Results) -> str:
    """For the terminal: CPU for each request, and how far that is from flat."""
    parts = []
    for curve, names in _shown(results):
        lines = [f"{curve.title}: CPU µs per request", " " * 12 + "".join(f"{clients.label(n):>22}" for n in names)]
        for size in curve.sizes:
            costs = "".join(f"{report.number(curve.cost(results, name, size)):>22}" for name in names)
            lines.append(f"{size:>12,}{costs}")
        lines += [f"    {clients.label(name)}: {_verdict(curve, results, name)}" for name in names]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _verdict(curve: Curve, results: Results, client: str) -> str:
    worst = curve.worst(results, client)
    if worst is None:
        return "not enough points"
    size, value = worst
    flat = "flat" if value <= 1 + TOLERANCE else "NOT FLAT"
    return f"{flat}: {curve.label} at most {value - 1:+.0%} (at {size:,}) over that at {curve.reference:,}"


def markdown(results: Results) -> str:
    """For the documentation: a row for each curve and client, a column for each size."""
    parts = []
    for curve, names in _shown(results):
        sizes = " | ".join(_short(size, curve) for size in curve.sizes)
        lines = [
            f"| {curve.title} | {sizes} | from {_short(curve.reference, curve)} on |",
            f"|---|{'---:|' * (len(curve.sizes) + 1)}",
        ]
        for name in names:
            worst = curve.worst(results, name)
            costs = [report.number(curve.cost(results, name, size)) for size in curve.sizes]
            most = f"at most {worst[1] - 1:+.0%}" if worst else "-"
            lines.append(f"| {clients.label(name)}, µs/request | {' | '.join(costs)} | {most} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _short(size: int, curve: Curve) -> str:
    """10,000 connections, but 64 KiB."""
    if not curve.per_byte:
        return f"{size:,}"
    return f"{size // content.MIB} MiB" if size >= content.MIB else f"{size // content.KIB} KiB"


def write(results: Results, image: Path, document: Path) -> None:
    """Draw the plot, and put the numbers into the document, between its markers."""
    panels = [
        plot.Panel(
            f"{curve.label}, by {curve.title}",
            {clients.label(name): curve.relative(results, name) for name in names},
            {size: _short(size, curve) for size in curve.sizes},
            TOLERANCE,
        )
        for curve, names in _shown(results)
    ]
    image.write_text(plot.svg(panels), encoding="utf-8")
    report.replace_between(document, BEGIN, END, f"\n{markdown(results)}\n")
