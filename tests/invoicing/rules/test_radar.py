"""Who is missing, also at the turn of a month and a year, and who is new."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from invoicing.rules.radar import (
    NOBODY,
    Missing,
    Worked,
    missing_clients,
    missing_people,
    monday,
    month_before,
    newcomers,
    working_days,
)

LYS, MAES, THYS = (1, 501), (1, 502), (1, 503)
HOUR = 3600


def months(who: tuple[int, int], *days: str, hours: int = 10) -> list[Worked]:
    """Ten hours in the month of each day, which has the first and the last of them."""
    read = [date.fromisoformat(day) for day in days]
    return [Worked(who, day.replace(day=1), day, day, hours * HOUR) for day in read]


def weeks(who: int, *days: str) -> list[Worked]:
    """The same of a person and a week."""
    return [row._replace(span=monday(row.first)) for row in months((0, who), *days)]


def names(found: list[Missing]) -> list[tuple[int, bool]]:
    return [(each.who[1], each.whole) for each in found]


def test_months_and_weeks_begin_where_they_do() -> None:
    assert month_before(date(2026, 1, 1)) == date(2025, 12, 1)
    assert month_before(date(2026, 3, 1), 3) == date(2025, 12, 1)
    assert monday(date(2026, 11, 22)) == date(2026, 11, 16)


def test_working_days_leave_out_weekends_and_public_holidays() -> None:
    assert working_days(date(2026, 11, 1), date(2026, 11, 30)) == 20  # 21 but for 11 November
    assert working_days(date(2026, 1, 1), date(2026, 1, 1)) == 0
    assert working_days(date(2026, 11, 1), date(2026, 10, 31)) == 0


# Maes begins on the first working day; Lys, at the latest, on the sixth (7 working days of October are over by the 9th,
# five of September by the 7th). November 2026: the 1st is a Sunday.
HABITS = [
    *months(MAES, "2026-08-03", "2026-09-01", "2026-10-01", hours=20),
    *months(LYS, "2026-08-03", "2026-09-07", "2026-10-08"),
]
OTHER = months(THYS, "2026-11-02")


@pytest.mark.parametrize(
    ("today", "found"),
    [
        ("2026-10-31", []),
        ("2026-11-01", []),
        ("2026-11-02", []),  # the first working day is not over
        ("2026-11-03", [502]),
        ("2026-11-09", [502]),  # five are over
        ("2026-11-10", [502, 501]),
        ("2026-11-30", [502, 501]),
    ],
)
def test_client_is_missing_once_its_usual_working_day_is_over(today: str, found: list[int]) -> None:
    assert names(missing_clients([*HABITS, *OTHER], date.fromisoformat(today))) == [(who, False) for who in found]


def test_what_is_usual_is_the_mean_of_three_months() -> None:
    worked = [*months(LYS, "2026-08-03", hours=4), *months(LYS, "2026-09-03", "2026-10-01", hours=10), *OTHER]
    assert missing_clients(worked, date(2026, 11, 20)) == [Missing(LYS, 8 * HOUR, date(2026, 10, 1))]


@pytest.mark.parametrize("today", ["2026-12-01", "2026-12-02", "2026-12-03", "2026-12-31"])
def test_client_that_missed_all_of_last_month_is_not_forgotten_at_its_turn(today: str) -> None:
    worked = [*HABITS, *months(THYS, "2026-08-03", "2026-09-01", "2026-10-01", "2026-11-30")]
    found = missing_clients(worked, date.fromisoformat(today))
    # Thys, which began late in November only, is not missed before December is as old.
    assert found[:2] == [
        Missing(MAES, 20 * HOUR, date(2026, 10, 1), True),
        Missing(LYS, 10 * HOUR, date(2026, 10, 8), True),
    ]
    assert names(found[2:]) == ([(503, False)] if today == "2026-12-31" else [])
    back = [*worked, *months(MAES, "2026-12-01")]
    assert names(missing_clients(back, date.fromisoformat(today)))[0] == (501, True)


def test_habit_that_was_missed_for_two_months_is_one_no_more() -> None:
    worked = [*HABITS, *months(THYS, "2026-11-02", "2026-12-01")]
    assert missing_clients(worked, date(2027, 1, 15)) == []


@pytest.mark.parametrize(
    ("today", "found"),
    [
        ("2026-12-31", []),
        ("2027-01-01", []),
        ("2027-01-02", []),
        ("2027-01-04", []),  # a Monday: no working day of the year is over
        ("2027-01-05", []),  # one is, and nobody has hours: the house is shut
        ("2027-01-11", [501, 502]),
    ],
)
def test_turn_of_the_year_flags_nobody_while_the_house_is_shut(today: str, found: list[int]) -> None:
    worked = months(LYS, "2026-10-01", "2026-11-02", "2026-12-01") + months(
        MAES, "2026-10-01", "2026-11-02", "2026-12-01"
    )
    assert names(missing_clients(worked, date.fromisoformat(today))) == [(who, False) for who in found]


def test_who_is_missing_while_others_of_the_book_have_hours_is_noticed_in_the_new_year() -> None:
    worked = months(LYS, "2026-10-01", "2026-11-02", "2026-12-01") + months(
        MAES, "2026-10-01", "2026-11-02", "2026-12-01"
    )
    worked += months((1, NOBODY), "2027-01-04")
    assert names(missing_clients(worked, date(2027, 1, 5))) == [(501, False), (502, False)]
    assert missing_clients(worked, date(2027, 1, 4)) == []


def test_month_in_which_the_house_was_shut_breaks_no_habit() -> None:
    worked = months(LYS, "2026-05-04", "2026-06-01", "2026-08-03") + months(MAES, "2026-09-01", "2026-08-03")
    assert names(missing_clients(worked, date(2026, 9, 10))) == [(501, False)]


@pytest.mark.parametrize(
    "worked",
    [
        months(LYS, "2026-09-05", "2026-10-09"),
        months(LYS, "2026-08-03", "2026-09-05", "2026-10-09", "2026-11-01"),
        months(LYS, "2026-07-03", "2026-08-03", "2026-10-09") + months(MAES, "2026-09-01"),
    ],
)
def test_client_without_a_habit_or_with_hours_is_not_missing(worked: list[Worked]) -> None:
    assert missing_clients(worked, date(2026, 11, 28)) == []


KIM = weeks(7, "2026-10-19", "2026-10-26", "2026-11-02", "2026-11-09")
LEE = weeks(8, "2026-11-09", "2026-11-16")


@pytest.mark.parametrize(
    ("today", "found"),
    [
        ("2026-11-16", []),
        ("2026-11-17", []),
        ("2026-11-18", [(7, False)]),  # a Wednesday
        ("2026-11-22", [(7, False)]),
        ("2026-11-23", [(7, True)]),  # Monday: none in all of last week
        ("2026-11-30", []),
    ],
)
def test_person_is_missing_from_wednesday_on_and_through_the_week_after(
    today: str, found: list[tuple[int, bool]]
) -> None:
    worked = [*KIM, *LEE, *weeks(8, "2026-11-23")]
    assert (
        names(
            missing_people([row for row in worked if row.first <= date.fromisoformat(today)], date.fromisoformat(today))
        )
        == found
    )


def test_person_with_hours_this_week_or_without_a_habit_is_not_missing() -> None:
    wednesday = date(2026, 11, 18)
    assert missing_people([*KIM, *LEE, *weeks(7, "2026-11-18")], wednesday) == []
    assert missing_people([*KIM[1:], *LEE], wednesday) == []


def test_people_are_not_missed_over_the_turn_of_the_year_while_nobody_works() -> None:
    before = ["2026-11-23", "2026-11-30", "2026-12-07", "2026-12-14"]
    worked = [*weeks(7, *before), *weeks(8, *before)]
    for day in ("2026-12-23", "2026-12-30", "2027-01-03", "2027-01-04"):
        assert missing_people(worked, date.fromisoformat(day)) == []
    back = [*worked, *weeks(8, "2027-01-04")]
    assert names(missing_people(back, date(2027, 1, 5))) == []
    # Two weeks in which nobody worked do not count: Kim's habit is that of before.
    assert names(missing_people(back, date(2027, 1, 6))) == [(7, False)]


def test_newcomers_are_of_the_latest_two_weeks_in_older_books() -> None:
    today = date(2026, 11, 20)
    first = {
        (1, "Old"): today - timedelta(days=28),
        (1, "New"): today - timedelta(days=13),
        (1, "Newer"): today,
        (1, "Known"): today - timedelta(days=14),
        (2, "Young"): today - timedelta(days=27),
        (2, "In young books"): today,
    }
    assert newcomers(first, today) == [(1, "Newer"), (1, "New")]
