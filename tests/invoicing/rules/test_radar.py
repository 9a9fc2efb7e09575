"""Who is missing, and who is new."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from invoicing.rules.radar import Missing, Worked, missing_clients, missing_people, monday, month_before, newcomers

LYS, MAES = (1, "Garage Lys"), (1, "Maes")


def months(who: tuple[int, str], *spans: tuple[int, int, int]) -> list[Worked]:
    """(month of 2026, day of the first hour, hours)."""
    return [Worked(who, date(2026, month, 1), date(2026, month, day), hours * 3600) for month, day, hours in spans]


def test_months_and_weeks_begin_where_they_do() -> None:
    assert month_before(date(2026, 1, 1)) == date(2025, 12, 1)
    assert month_before(date(2026, 3, 1), 3) == date(2025, 12, 1)
    assert monday(date(2026, 11, 22)) == date(2026, 11, 16)


def test_client_that_had_hours_by_now_three_months_in_a_row_is_missing() -> None:
    worked = months(LYS, (8, 3, 10), (9, 5, 12), (10, 9, 11)) + months(MAES, (8, 3, 20), (9, 3, 20), (10, 3, 20))
    assert missing_clients(worked, date(2026, 11, 10)) == [Missing(MAES, 72_000), Missing(LYS, 39_600)]
    assert missing_clients(worked, date(2026, 11, 9)) == [Missing(MAES, 72_000)]


@pytest.mark.parametrize(
    "worked",
    [
        months(LYS, (9, 5, 12), (10, 9, 11)),
        months(LYS, (8, 3, 10), (9, 5, 12), (10, 9, 11), (11, 1, 1)),
        months(LYS, (7, 3, 10), (8, 3, 10), (10, 9, 11)),
    ],
)
def test_client_without_a_habit_or_with_hours_is_not_missing(worked: list[Worked]) -> None:
    assert missing_clients(worked, date(2026, 11, 28)) == []


def test_person_is_missing_from_wednesday_on() -> None:
    wednesday = date(2026, 11, 18)
    weeks = [
        Worked((1, "Kim"), monday(wednesday) - timedelta(weeks=n), monday(wednesday) - timedelta(weeks=n), 36_000)
        for n in range(1, 5)
    ]
    assert missing_people(weeks, wednesday) == [Missing((1, "Kim"), 36_000)]
    assert missing_people(weeks, wednesday - timedelta(days=1)) == []
    assert missing_people(weeks[1:], wednesday) == []
    assert missing_people([*weeks, Worked((1, "Kim"), monday(wednesday), wednesday, 60)], wednesday) == []


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
