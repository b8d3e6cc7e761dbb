"""The same responses for this client and for others: every difference has a reason, and new ones are noticed.

The responses are in ``differential_cases``, the reasons in ``differential_reasons``; docs/differential.md shows both.
"""

from __future__ import annotations

import pytest

from tests.httpclient import differential
from tests.httpclient.differential import DOCUMENT, OTHERS, Outcome
from tests.httpclient.differential_cases import CASES


@pytest.fixture(scope="module")
def outcomes() -> tuple[list[Outcome], list[Outcome], dict[str, list[Outcome]]]:
    return differential.run_all()


def test_both_ways_are_the_same(outcomes: tuple[list[Outcome], list[Outcome], dict[str, list[Outcome]]]) -> None:
    blocking, non_blocking, _ = outcomes
    assert {
        case.name: (first, second)
        for case, first, second in zip(CASES, blocking, non_blocking, strict=True)
        if first != second
    } == {}


def test_every_difference_is_explained(outcomes: tuple[list[Outcome], list[Outcome], dict[str, list[Outcome]]]) -> None:
    blocking, _, others = outcomes
    found = differential.differences(blocking, others)
    reasons = differential.explained()
    assert {key: what for key, what in found.items() if key not in reasons} == {}
    if _same_versions():
        # Reasons for what no longer differs would explain it away should it come back.
        assert [key for key in reasons if key not in found] == []


def test_a_surplus_never_reaches_the_next_answer(
    outcomes: tuple[list[Outcome], list[Outcome], dict[str, list[Outcome]]],
) -> None:
    """RFC 9112 section 9.3, whatever the others do."""
    for mine in outcomes[:2]:
        assert all(outcome.connection not in {differential.POISONED, differential.SPOILT} for outcome in mine)
        assert {case.name for case, outcome in zip(CASES, mine, strict=True) if case.group == "surplus" and outcome.connection != differential.NOT_USED_AGAIN} == set()  # fmt: skip  # noqa: E501


def test_the_page_is_up_to_date(outcomes: tuple[list[Outcome], list[Outcome], dict[str, list[Outcome]]]) -> None:
    """With the versions that it was written with; with others, the other columns may differ."""
    blocking, _, others = outcomes
    if _same_versions():
        assert DOCUMENT.read_text() == differential.document(blocking, others), (
            "run python -m tests.httpclient.differential"
        )
    else:
        # What this client does doesn't depend on them.
        page = DOCUMENT.read_text()
        for number, case in enumerate(CASES):
            if any((case.name, name) in differential.explained() for name in OTHERS):
                short = case.name.partition("/")[2]
                assert f"| {short} | {differential._cell(differential.summary(case, blocking[number]))} |" in page


def test_cases_have_names_of_their_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    reasons = differential.explained()
    assert {name for name, _ in reasons} <= {case.name for case in CASES}


def _same_versions() -> bool:
    return f"Compared: {differential.versions()}." in DOCUMENT.read_text()
