from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing.rules.schedule import Schedule, cut_off, latest_due, next_due, starts_at
from tests.invoicing.strategies import quick

MANUAL = Schedule("manual", None)
DAILY = Schedule("daily", None)
MONDAY = Schedule("weekly", 1)
SUNDAY = Schedule("weekly", 7)
FIRST = Schedule("monthly", 1)
LAST = Schedule("monthly", 28)

# 5 October 2026 is a Monday.
TODAY = date(2026, 10, 5)


@pytest.mark.parametrize(
    ("schedule", "today", "after", "due"),
    [
        (MANUAL, TODAY, None, None),
        (DAILY, TODAY, None, TODAY),
        (DAILY, TODAY, date(2026, 10, 4), TODAY),
        (DAILY, TODAY, TODAY, None),
        (DAILY, TODAY, date(2026, 9, 1), TODAY),  # 33 missed days are made up once
        (MONDAY, TODAY, date(2026, 10, 4), TODAY),
        (MONDAY, date(2026, 10, 11), None, TODAY),
        (MONDAY, date(2026, 10, 11), TODAY, None),
        (MONDAY, date(2026, 10, 12), TODAY, date(2026, 10, 12)),
        (MONDAY, date(2026, 10, 20), date(2026, 9, 14), date(2026, 10, 19)),
        (SUNDAY, TODAY, None, date(2026, 10, 4)),
        (FIRST, TODAY, date(2026, 9, 1), date(2026, 10, 1)),
        (FIRST, TODAY, date(2026, 10, 1), None),
        (FIRST, TODAY, date(2026, 6, 1), date(2026, 10, 1)),
        (FIRST, date(2026, 10, 1), date(2026, 9, 30), date(2026, 10, 1)),
        (LAST, date(2026, 10, 27), None, date(2026, 9, 28)),
        (LAST, date(2027, 1, 3), date(2026, 12, 1), date(2026, 12, 28)),
        (LAST, date(2027, 3, 1), date(2027, 2, 27), date(2027, 2, 28)),
    ],
)
def test_latest_due(schedule: Schedule, today: date, after: date | None, due: date | None) -> None:
    assert latest_due(schedule, today, after) == due


@pytest.mark.parametrize(
    ("schedule", "today", "due"),
    [
        (MANUAL, TODAY, None),
        (DAILY, TODAY, date(2026, 10, 6)),
        (DAILY, date(2026, 12, 31), date(2027, 1, 1)),
        (MONDAY, TODAY, date(2026, 10, 12)),
        (MONDAY, date(2026, 10, 11), date(2026, 10, 12)),
        (SUNDAY, TODAY, date(2026, 10, 11)),
        (FIRST, TODAY, date(2026, 11, 1)),
        (FIRST, date(2026, 10, 1), date(2026, 11, 1)),
        (FIRST, date(2026, 12, 31), date(2027, 1, 1)),
        (LAST, date(2026, 10, 27), date(2026, 10, 28)),
        (LAST, date(2027, 1, 28), date(2027, 2, 28)),
        (LAST, date(2026, 12, 29), date(2027, 1, 28)),
    ],
)
def test_next_due(schedule: Schedule, today: date, due: date | None) -> None:
    assert next_due(schedule, today) == due


@pytest.mark.parametrize(
    ("due", "last"), [(date(2026, 10, 1), date(2026, 9, 30)), (date(2027, 1, 1), date(2026, 12, 31))]
)
def test_cut_off_is_the_day_before(due: date, last: date) -> None:
    assert cut_off(due) == last


@pytest.mark.parametrize(
    ("every", "day", "words"),
    [
        ("yearly", 1, "'yearly'.*manual, daily, weekly, monthly"),
        ("weekly", None, "weekly schedule needs a day from 1 to 7"),
        ("weekly", 0, "from 1 to 7"),
        ("weekly", 8, "from 1 to 7, not 8"),
        ("monthly", None, "monthly schedule needs a day from 1 to 28"),
        ("monthly", 0, "from 1 to 28"),
        ("monthly", 29, "from 1 to 28, not 29"),
    ],
)
def test_schedule_refuses_a_day_out_of_range(every: str, day: int | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Schedule(every, day)


@pytest.mark.parametrize(
    ("day", "zone", "instant"),
    [
        (date(2026, 10, 1), "Europe/Brussels", datetime(2026, 9, 30, 22, tzinfo=UTC)),
        (date(2026, 12, 1), "Europe/Brussels", datetime(2026, 11, 30, 23, tzinfo=UTC)),
        # the two days on which Brussels changes its clocks are 23 and 25 hours long
        (date(2026, 3, 29), "Europe/Brussels", datetime(2026, 3, 28, 23, tzinfo=UTC)),
        (date(2026, 3, 30), "Europe/Brussels", datetime(2026, 3, 29, 22, tzinfo=UTC)),
        (date(2026, 10, 25), "Europe/Brussels", datetime(2026, 10, 24, 22, tzinfo=UTC)),
        (date(2026, 10, 26), "Europe/Brussels", datetime(2026, 10, 25, 23, tzinfo=UTC)),
        # here midnight itself is skipped: the day starts at one o'clock
        (date(2018, 11, 4), "America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),
        (date(2026, 10, 1), "UTC", datetime(2026, 10, 1, tzinfo=UTC)),
    ],
)
def test_starts_at_local_midnight(day: date, zone: str, instant: datetime) -> None:
    assert starts_at(day, ZoneInfo(zone)) == instant
    assert starts_at(day, ZoneInfo(zone)).tzinfo is UTC


schedules = st.one_of(
    st.just(DAILY),
    st.integers(1, 7).map(lambda day: Schedule("weekly", day)),
    st.integers(1, 28).map(lambda day: Schedule("monthly", day)),
)


@given(schedule=schedules, today=st.dates(date(2020, 1, 1), date(2040, 1, 1)))
@quick
def test_next_due_is_the_first_day_that_is_due(schedule: Schedule, today: date) -> None:
    expected = today + timedelta(days=1)
    while latest_due(schedule, expected, today) is None:
        expected += timedelta(days=1)
    assert next_due(schedule, today) == expected
    assert (expected - today).days <= 31


@given(schedule=schedules, today=st.dates(date(2020, 1, 1), date(2040, 1, 1)))
@quick
def test_latest_due_is_done_once_it_ran(schedule: Schedule, today: date) -> None:
    due = latest_due(schedule, today, None)
    assert due is not None
    assert due <= today
    assert latest_due(schedule, today, due) is None
    assert latest_due(schedule, due, due - timedelta(days=1)) == due
