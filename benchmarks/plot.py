"""Curves as SVG: small panels, each with a logarithmic x axis and a line for each series. For light and dark pages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COLUMNS = 2
# A panel and, inside it, the space around the axes.
WIDTH, HEIGHT = 440, 250
LEFT, RIGHT, TOP, BOTTOM = 44, 26, 34, 36
LEGEND = 30
# The y axis. What is higher ends at its top, with its number: one series that grows would flatten all the others.
LEAST_TOP, MOST_TOP = 2.0, 3.0

STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; }
  .tick { font-size: 11px; fill: #59636e; }
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  .one { stroke: #59636e; stroke-width: 1; }
  .band { fill: #59636e; opacity: 0.12; }
  .curve { fill: none; stroke-width: 2; }
  .s0 { stroke: #0969da; fill: #0969da; } .s1 { stroke: #bc4c00; fill: #bc4c00; }
  .s2 { stroke: #6e7781; fill: #6e7781; } .s3 { stroke: #1a7f37; fill: #1a7f37; }
  .s4 { stroke: #8250df; fill: #8250df; } .s5 { stroke: #bf3989; fill: #bf3989; }
  polyline.curve { fill: none; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .tick { fill: #9198a1; }
    .grid { stroke: #3d444d; }
    .one { stroke: #9198a1; }
    .band { fill: #9198a1; }
    .s0 { stroke: #4493f8; fill: #4493f8; } .s1 { stroke: #f0883e; fill: #f0883e; }
    .s2 { stroke: #9198a1; fill: #9198a1; } .s3 { stroke: #3fb950; fill: #3fb950; }
    .s4 { stroke: #ab7df8; fill: #ab7df8; } .s5 { stroke: #db61a2; fill: #db61a2; }
  }
"""


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves that share their axes.

    `series` are (x, y) by name, `ticks` what the x axis says at which x. The band from 1 down and up by `tolerance` is
    shaded.
    """

    title: str
    series: Mapping[str, Sequence[tuple[float, float]]]
    ticks: Mapping[int, str]
    tolerance: float


def svg(panels: Sequence[Panel]) -> str:
    """All panels in one picture, with one legend: a series looks the same in all of them."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.series))
    rows = math.ceil(len(panels) / COLUMNS)
    width, height = COLUMNS * WIDTH, LEGEND + rows * HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<style>{STYLE}</style>",
        _legend(names),
    ]
    for number, panel in enumerate(panels):
        x, y = number % COLUMNS * WIDTH, LEGEND + number // COLUMNS * HEIGHT
        parts.append(f'<g transform="translate({x} {y})">\n{_panel(panel, names)}\n</g>')
    return "\n".join([*parts, "</svg>\n"])


def _legend(names: Sequence[str]) -> str:
    parts = []
    x = LEFT
    for number, name in enumerate(names):
        parts.append(f'<line class="curve s{number}" x1="{x}" y1="16" x2="{x + 22}" y2="16"/>')
        parts.append(f'<text x="{x + 28}" y="20">{escape(name)}</text>')
        x += 60 + 7 * len(name)
    return "\n".join(parts)


def _panel(panel: Panel, names: Sequence[str]) -> str:
    top = max(LEAST_TOP, *(y for points in panel.series.values() for _, y in points))
    top = min(math.ceil(top * 2) / 2, MOST_TOP)
    low, high = math.log(min(panel.ticks)), math.log(max(panel.ticks))
    bottom_y, right_x = HEIGHT - BOTTOM, WIDTH - RIGHT

    def at_x(x: float) -> float:
        return round(LEFT + (math.log(x) - low) / (high - low) * (right_x - LEFT), 1)

    def at_y(y: float) -> float:
        return round(bottom_y - y / top * (bottom_y - TOP), 1)

    parts = [f'<text class="title" x="{LEFT}" y="18">{escape(panel.title)}</text>']
    upper, lower = at_y(1 + panel.tolerance), at_y(1 - panel.tolerance)
    parts.append(
        f'<rect class="band" x="{LEFT}" y="{upper}" width="{right_x - LEFT}" height="{round(lower - upper, 1)}"/>'
    )
    for number in range(int(top * 2) + 1):
        y = number / 2
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{at_y(y)}" x2="{right_x}" y2="{at_y(y)}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{at_y(y) + 4}" text-anchor="end">{y:g}</text>')
    parts.append(f'<line class="one" x1="{LEFT}" y1="{at_y(1)}" x2="{right_x}" y2="{at_y(1)}"/>')
    for x, label in panel.ticks.items():
        parts.append(f'<line class="grid" x1="{at_x(x)}" y1="{bottom_y}" x2="{at_x(x)}" y2="{bottom_y + 4}"/>')
        parts.append(
            f'<text class="tick" x="{at_x(x)}" y="{bottom_y + 18}" text-anchor="middle">{escape(label)}</text>'
        )
    for name, points in panel.series.items():
        series = f"s{names.index(name)}"
        places = [(at_x(x), at_y(min(y, top))) for x, y in points]
        line = " ".join(f"{x},{y}" for x, y in places)
        parts.append(f'<polyline class="curve {series}" points="{line}"><title>{escape(name)}</title></polyline>')
        parts += [f'<circle class="{series}" cx="{x}" cy="{y}" r="2.5"/>' for x, y in places]
        parts += [
            f'<text class="tick" x="{at_x(x)}" y="{at_y(top) - 5}" text-anchor="middle">{y:.1f}</text>'
            for x, y in points
            if y > top
        ]
    return "\n".join(parts)
