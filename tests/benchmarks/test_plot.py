"""The plot of the growth curves."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from benchmarks import growth, plot

if TYPE_CHECKING:
    from benchmarks.report import Results

SVG = "{http://www.w3.org/2000/svg}"
TICKS = {1: "1", 10: "10", 1000: "1,000"}


def picture(*series: dict[str, list[tuple[float, float]]]) -> ElementTree.Element:
    return ElementTree.fromstring(plot.svg([plot.Panel("a < b & c", each, TICKS, 0.15) for each in series]))


def test_there_is_one_curve_for_each_series_of_each_panel() -> None:
    root = picture({"ours": [(1, 2.0), (10, 1.0)], "<floor>": [(1, 1.5), (10, 1.0), (1000, 1.1)]}, {"ours": [(10, 1)]})
    curves = root.findall(f".//{SVG}polyline")
    assert [curve.findtext(f"{SVG}title") for curve in curves] == ["ours", "<floor>", "ours"]
    assert [len(curve.attrib["points"].split()) for curve in curves] == [2, 3, 1]
    # The same look in every panel.
    assert curves[0].attrib["class"] == curves[2].attrib["class"] != curves[1].attrib["class"]


def test_the_x_axis_is_logarithmic_and_one_is_where_its_line_is() -> None:
    root = picture({"ours": [(1, 1.0), (10, 1.0), (1000, 2.0)]})
    places = [place.split(",") for place in root.find(f".//{SVG}polyline").attrib["points"].split()]  # type: ignore[union-attr]
    (x1, y1), (x2, y2), (x3, y3) = [(float(x), float(y)) for x, y in places]
    assert x3 - x2 == pytest.approx(2 * (x2 - x1), abs=0.5)
    line = root.find(f".//{SVG}line[@class='one']")
    assert line is not None
    assert y1 == y2 == float(line.attrib["y1"]) > y3


def test_all_labels_are_there() -> None:
    texts = [text.text for text in picture({"ours": [(1, 1.0), (10, 40.04)]}).iter(f"{SVG}text")]
    # The value that is above the axis, too.
    assert {"a < b & c", "ours", "40.0", *TICKS.values()} <= set(texts)


def results(costs: dict[str, dict[int, float]], workload: str = "W5") -> Results:
    """As the harness writes them: seconds for each of ten requests."""
    samples = {
        client: {size: [{"cpu": cost * 10, "units": 10}] for size, cost in by_size.items()}
        for client, by_size in costs.items()
    }
    sizes = {size for by_size in samples.values() for size in by_size}
    return {
        f"{workload}@{size}": {
            "clients": {client: {"samples": by_size[size]} for client, by_size in samples.items() if size in by_size}
        }
        for size in sizes
    }


def test_a_curve_is_relative_to_its_reference_and_worst_beyond_it() -> None:
    (curve,) = growth.select(["connections"])
    found = results({"ours": {1: 40e-6, 10: 20e-6, 100: 19e-6, 1000: 22e-6}, "pycurl": {1: 10e-6}})
    assert dict(curve.relative(found, "ours")) == pytest.approx({1: 2.0, 10: 1.0, 100: 0.95, 1000: 1.1})
    assert curve.worst(found, "ours") == pytest.approx((1000, 1.1))
    assert curve.relative(found, "pycurl") == []
    assert "flat" in growth.text(found)
    assert "NOT FLAT" not in growth.text(found)
    assert "NOT FLAT" in growth.text(results({"ours": {10: 20e-6, 1000: 24e-6}}))


def test_a_cost_for_each_byte_leaves_out_what_a_request_costs_anyway() -> None:
    (curve,) = growth.select(["bodies"])
    kib = 1024
    costs = {size * kib: 10e-6 + size * 1e-6 for size in (1, 4, 16, 64, 256, 1024)}
    found = results({"ours": costs}, "body")
    assert dict(curve.relative(found, "ours")) == pytest.approx({size * kib: 1.0 for size in (16, 64, 256, 1024)})


def test_an_unknown_curve_is_an_error() -> None:
    with pytest.raises(ValueError, match="there is no curve wires; there are connections, "):
        growth.select(["wires"])
