"""The radar of missed hours: who usually works or is worked for by now, and is not there this time; who is new.

Pure: what was worked goes in, what to look at comes out. Days are local ones of the firm; durations are seconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from typing import NamedTuple

MONTHS = 3
"""In each of so many months before this one a client had hours, for that to be usual."""
WEEKS = 4
"""The same of weeks and people."""
MIDWEEK = 2
"""Wednesday: from that day on, who has no hours this week is noticed."""
RUNNING = timedelta(hours=12)
"""A timer that runs longer was left running."""
OLD = timedelta(days=60)
"""Hours that are not billed after that are forgotten."""
NEW = timedelta(days=14)
"""So long something is new, in books that are older than twice that."""


class Worked(NamedTuple):
    """The hours of somebody (a client or a person, as ``who`` tells them apart) in a month or week: its first day,

    the day of the first of these hours, and their seconds.
    """

    who: tuple[int, str]
    span: date
    first: date
    seconds: int


class Missing(NamedTuple):
    """Who has none this time, and how many seconds it usually is."""

    who: tuple[int, str]
    usual: int


def month_before(month: date, count: int = 1) -> date:
    """The first day of the month so many months before the one that begins on ``month``."""
    for _ in range(count):
        month = (month - timedelta(days=1)).replace(day=1)
    return month


def monday(day: date) -> date:
    """The first day of its week."""
    return day - timedelta(days=day.weekday())


def missing_clients(worked: Iterable[Worked], today: date) -> list[Missing]:
    """Clients with hours in each of the three months before and none in this one, though they had begun by this day

    of the month each time. What usually is most comes first.
    """
    this = today.replace(day=1)
    before = [month_before(this, count) for count in range(1, MONTHS + 1)]
    return _missing(worked, this, before, lambda row: row.first.day < today.day)


def missing_people(worked: Iterable[Worked], today: date) -> list[Missing]:
    """People with hours in each of the four weeks before and none in this one, from Wednesday on."""
    if today.weekday() < MIDWEEK:
        return []
    this = monday(today)
    before = [this - timedelta(weeks=count) for count in range(1, WEEKS + 1)]
    return _missing(worked, this, before, lambda row: True)


def newcomers(first: Mapping[tuple[int, str], date], today: date) -> list[tuple[int, str]]:
    """Names (of a book, by its number) that were first seen in the latest two weeks, in books that are older."""
    begun: dict[int, date] = {}
    for (book, _name), day in first.items():
        begun[book] = min(day, begun.get(book, day))
    return sorted(
        (who for who, day in first.items() if day > today - NEW and begun[who[0]] <= today - 2 * NEW),
        key=lambda who: (-first[who].toordinal(), who[1].casefold(), who[0]),
    )


def _missing(
    worked: Iterable[Worked], this: date, before: list[date], is_due: Callable[[Worked], bool]
) -> list[Missing]:
    by_who: defaultdict[tuple[int, str], dict[date, Worked]] = defaultdict(dict)
    for row in worked:
        by_who[row.who][row.span] = row
    found = [
        Missing(who, sum(spans[span].seconds for span in before) // len(before))
        for who, spans in by_who.items()
        if this not in spans and all(span in spans and is_due(spans[span]) for span in before)
    ]
    return sorted(found, key=lambda each: (-each.usual, each.who[1].casefold(), each.who[0]))
