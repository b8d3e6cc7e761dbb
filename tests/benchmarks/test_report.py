"""The tables of results."""

from __future__ import annotations

from benchmarks import clients, report


def result(**cpu: float) -> report.Result:
    """Of one workload: microseconds for a request, by client."""
    return {
        "title": "HTTP/1.1, one at a time",
        "cpu": "CPU µs per request",
        "where": {"server": "nginx", "processor": "some", "kernel": "Linux", "Python": "3.11"},
        "clients": {name: {"samples": [{"cpu": value / 1e6, "units": 1}]} for name, value in cpu.items()},
    }


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_references_are_none_of_the_others() -> None:
    assert report.lead({"ours": 10.0, "pycurl": 12.0, "floor": 5.0, "ours_pycurl_libraries": 9.0}) == 1.2
    assert report.lead({"ours": 10.0, "floor": 5.0}) is None
    assert report.lead({"pycurl": 10.0}) is None


def test_the_references_stand_apart_in_the_table() -> None:
    head, _, row, *_ = report.markdown({"W1": result(floor=5, ours=10, pycurl=12, http_client=40)}).split("\n")
    assert cells(head) == ["CPU time", "ours", "pycurl", "http.client", "best other / ours", "*floor*"]
    # The lowest of the clients is marked, though the floor is lower.
    assert cells(row) == ["HTTP/1.1, one at a time, µs/request", "**10.0**", "12.0", "40.0", "1.20", "*5.00*"]


def test_the_references_come_last_and_exist() -> None:
    names = clients.names()
    assert names[0] == clients.OURS
    assert tuple(names[-len(clients.REFERENCES) :]) == clients.REFERENCES
