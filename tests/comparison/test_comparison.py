"""What docs/comparison.md says of this client is true; what it says of others isn't asserted."""

from __future__ import annotations

import pytest

from tests.comparison.jobs import CLIENTS, OURS
from tests.comparison.lab import PROBES
from tests.comparison.report import DOCUMENT, GROUPS, cell, measure, read
from tests.comparison.transport import UNMEASURED

#: Takes more than a gigabyte of memory.
_HEAVY = ("2 GiB of zeros in 2 MiB of gzip, into memory",)


def test_the_page_has_every_point() -> None:
    rows = read(DOCUMENT.read_text())
    assert list(rows) == [cell(probe.point) for group in GROUPS for probe in PROBES if probe.group == group]
    assert {len(cells) for cells in rows.values()} == {len(CLIENTS)}


@pytest.mark.timeout(240)
def test_the_page_says_what_this_client_does() -> None:
    rows = read(DOCUMENT.read_text())
    chosen = [probe for probe in PROBES if probe.point not in _HEAVY]
    measured = {point: cells[OURS] for point, cells in measure((OURS,), chosen).items()}
    wrong = {
        point: f"{cell(now)}, not {written}"
        for point, now in measured.items()
        if now != UNMEASURED and cell(now) != (written := rows[cell(point)][CLIENTS.index(OURS)])
    }
    assert not wrong, f"run scripts/comparison if this is as it should be: {wrong}"
