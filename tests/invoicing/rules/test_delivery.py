"""When it is looked what became of a sent invoice, and when it should have arrived (R11)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing.rules.delivery import is_working_day, next_look, overdue_at

BRUSSELS = ZoneInfo("Europe/Brussels")
SENT = datetime(2026, 11, 20, 10, 0, tzinfo=BRUSSELS)


def looks(*ages: timedelta, settled: bool = False, paid: bool = False) -> list[timedelta | None]:
    """How long after the sending the next look comes, by the age at which it was looked."""
    found = (next_look(sent_at=SENT, now=SENT + age, is_settled=settled, is_paid=paid) for age in ages)
    return [None if at is None else at - SENT for at in found]


def test_after_five_and_thirty_minutes_then_hourly_then_daily_for_ninety_days() -> None:
    ages = [0, 5, 6, 30, 31, 90]
    assert looks(*(timedelta(minutes=age) for age in ages)) == [
        timedelta(minutes=minutes) for minutes in (5, 30, 30, 90, 91, 150)
    ]
    days = (13.99, 14, 89.99, 90)
    assert looks(*(timedelta(days=age) for age in days)) == [
        timedelta(days=13.99, hours=1),
        timedelta(days=15),
        timedelta(days=90.99),
        None,
    ]


def test_what_arrived_is_looked_at_daily_until_no_answer_changes_and_it_is_paid() -> None:
    day = timedelta(days=1)
    assert looks(timedelta(minutes=6), 13.9 * day, 14 * day, settled=True, paid=True) == [
        timedelta(days=1, minutes=6),
        14.9 * day,
        None,
    ]
    assert looks(14 * day, 89 * day, 90 * day, settled=True) == [15 * day, 90 * day, None]


@given(st.integers(0, 100 * 24 * 60), st.booleans(), st.booleans())
def test_the_next_look_lies_ahead_and_never_stops_early(minutes: int, settled: bool, paid: bool) -> None:
    now = SENT + timedelta(minutes=minutes)
    following = next_look(sent_at=SENT, now=now, is_settled=settled, is_paid=paid)
    if following is None:
        assert now - SENT >= timedelta(days=14)
    else:
        assert timedelta(0) < following - now <= timedelta(days=1)


@pytest.mark.parametrize(
    ("sent", "overdue"),
    [
        # A Thursday; a Friday; the evening before All Saints' Day (a Sunday); the day before Armistice Day.
        ("2026-11-19T10:00", "2026-11-20T10:00"),
        ("2026-11-20T10:00", "2026-11-23T10:00"),
        ("2026-10-30T18:30", "2026-11-02T18:30"),
        ("2026-11-10T09:15", "2026-11-12T09:15"),
        # On a Saturday, a Sunday and a holiday: a whole working day has to pass.
        ("2026-11-21T10:00", "2026-11-24T00:00"),
        ("2026-11-22T23:59", "2026-11-24T00:00"),
        ("2026-11-11T12:00", "2026-11-13T00:00"),
        # Easter: Good Friday is none, Easter Monday is one.
        ("2026-04-02T10:00", "2026-04-03T10:00"),
        ("2026-04-03T10:00", "2026-04-07T10:00"),
        # Over the change of the clocks: the same time by the clock on the wall.
        ("2026-10-23T08:00", "2026-10-26T08:00"),
        # Christmas and New Year.
        ("2026-12-24T16:00", "2026-12-28T16:00"),
        ("2026-12-31T16:00", "2027-01-04T16:00"),
    ],
)
def test_overdue_after_one_working_day(sent: str, overdue: str) -> None:
    moment = datetime.fromisoformat(sent).replace(tzinfo=BRUSSELS)
    assert overdue_at(moment, BRUSSELS) == datetime.fromisoformat(overdue).replace(tzinfo=BRUSSELS)


def test_the_ten_public_holidays_of_belgium_are_no_working_days() -> None:
    year = [date(2026, 1, 1) + timedelta(days=day) for day in range(365)]
    free = [day for day in year if day.isoweekday() <= 5 and not is_working_day(day)]
    assert [f"{day:%m-%d}" for day in free] == [
        "01-01",
        "04-06",
        "05-01",
        "05-14",
        "05-25",
        "07-21",
        "11-11",
        "12-25",
    ], "15 August 2026 is a Saturday, 1 November a Sunday"


@given(st.integers(0, 4 * 365 * 24 * 60))
def test_overdue_lies_ahead_by_a_working_day_at_least(minutes: int) -> None:
    sent = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    overdue = overdue_at(sent, BRUSSELS)
    # Summer time takes one hour of a day away; five days in a row are the most that are free, Christmas of 2026 say.
    assert timedelta(hours=23) <= overdue.astimezone(UTC) - sent < timedelta(days=7)
    assert is_working_day((overdue - timedelta(microseconds=1)).date()) or is_working_day(overdue.date())
