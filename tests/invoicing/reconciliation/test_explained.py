"""Which totals of Toggl the timers that run explain: nothing, or some of their ages, never anything between."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing.reconciliation.toggl_totals import explained

DAY = 86_400


@pytest.mark.parametrize(
    ("difference", "ages", "right"),
    [
        (0, [], True),
        (0, [DAY], True),
        (1, [], False),
        (-1, [DAY], False),
        (-1, [1], False),
        (DAY, [DAY], True),
        (DAY - 120, [DAY], True),
        (DAY + 120, [DAY], True),
        (DAY - 121, [DAY], False),
        (DAY + 121, [DAY], False),
        (3 * 3600, [21 * DAY], False),
        (5 * DAY, [2 * DAY, 3 * DAY], True),
        (4 * DAY, [2 * DAY, 3 * DAY], False),
        (2 * DAY, [2 * DAY, 3 * DAY], True),
        (60, [0], True),
        (121, [0], False),
    ],
)
def test_total_is_right_with_some_of_the_timers_or_with_none(difference: int, ages: list[int], right: bool) -> None:
    assert explained(difference, ages) is right


@given(st.integers(-400, 4000), st.lists(st.integers(0, 2000), max_size=6))
def test_no_other_difference_is_explained(difference: int, ages: list[int]) -> None:
    sums = [sum(some) for count in range(1, len(ages) + 1) for some in combinations(ages, count)]
    near = difference > 0 and any(abs(difference - total) <= 120 for total in sums)
    assert explained(difference, ages) is (difference == 0 or near)


def test_forty_timers_that_run_for_weeks_take_no_time() -> None:
    ages = [21 * DAY + 61 * number for number in range(40)]
    assert explained(sum(ages[::2]), ages)
    assert not explained(sum(ages) + 3600, ages)
