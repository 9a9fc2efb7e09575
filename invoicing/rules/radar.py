"""The radar of missed hours: who usually works or is worked for by now, and is not there this time; who is new.

Pure: what was worked goes in, what to look at comes out. Days are local ones of the firm; durations are seconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from invoicing.rules.delivery import is_working_day

MONTHS = 3
"""In each of so many months a client had hours, for that to be usual."""
WEEKS = 4
"""The same of weeks and people."""
SPARE = 2
"""So many more spans are looked at: the latest one may have been missed, and one may have been nobody's."""
MIDWEEK = 2
"""Once so many working days of a week are over, who has no hours in it is noticed: from Wednesday on."""
EARLY = 5
"""Before so many working days of a month are over, books without any hours in it may not be kept yet."""
RUNNING = timedelta(hours=12)
"""A timer that runs longer was left running."""
OLD = timedelta(days=60)
"""Hours that are not billed after that are forgotten."""
NEW = timedelta(days=14)
"""So long something is new, in books that are older than twice that."""
SEEN = timedelta(days=60)
"""What was seen in so long a time before is not new."""
NOBODY = 0
"""The id of no client: hours without one are hours of their book."""


class Worked(NamedTuple):
    """The hours of somebody in a month or week. ``who``: the book, and the id of a client or person in it; ``span``:
    the first day of that month or week; ``first`` and ``last``: days of these hours."""

    who: tuple[int, int]
    span: date
    first: date
    last: date
    seconds: int


class Missing(NamedTuple):
    """Who has none this time: how many seconds it usually is, and the day of the latest hour. ``whole``: there was none
    in the whole span before either."""

    who: tuple[int, int]
    usual: int
    last: date
    whole: bool = False


def month_before(month: date, count: int = 1) -> date:
    """The first day of the month so many months before the one that begins on ``month``."""
    for _ in range(count):
        month = (month - timedelta(days=1)).replace(day=1)
    return month


def monday(day: date) -> date:
    """The first day of its week."""
    return day - timedelta(days=day.weekday())


def working_days(first: date, last: date) -> int:
    """Of the firm, from one day to another, both included."""
    return sum(is_working_day(first + timedelta(days=n)) for n in range((last - first).days + 1))


def missing_clients(worked: Iterable[Worked], today: date) -> list[Missing]:
    """Clients with hours in each of three months and none in this one, though each time they had begun by as many
    working days of the month as are over now; and those with none in all of last month and none since: the turn of a
    month forgets nobody. What usually is most comes first.

    Months in which a book has no hours at all do not count, nor does this one while it is young.
    """
    this = today.replace(day=1)
    over = working_days(this, today - timedelta(days=1))

    def had_begun(row: Worked) -> bool:
        return max(1, working_days(row.span, row.first)) <= over

    earlier = [month_before(this, count) for count in range(1, MONTHS + SPARE + 1)]
    return _missing(worked, this, earlier, MONTHS, had_begun, may_be_shut=over < EARLY)


def missing_people(worked: Iterable[Worked], today: date) -> list[Missing]:
    """People with hours in each of four weeks and none in this one, once two of its working days are over; and those
    with none in all of last week and none since. Weeks in which nobody of the firm has hours do not count."""
    this = monday(today)
    is_noticed = working_days(this, today - timedelta(days=1)) >= MIDWEEK
    earlier = [this - timedelta(weeks=count) for count in range(1, WEEKS + SPARE + 1)]
    return _missing(worked, this, earlier, WEEKS, lambda row: is_noticed, may_be_shut=True)


def newcomers(first: Mapping[tuple[int, Any], date], today: date) -> list[tuple[int, Any]]:
    """Who or what (of a book) was first seen in the latest two weeks, in books that are older; the newest first."""
    begun: dict[int, date] = {}
    for (book, _name), day in first.items():
        begun[book] = min(day, begun.get(book, day))
    return sorted(
        (who for who, day in first.items() if day > today - NEW and begun[who[0]] <= today - 2 * NEW),
        key=lambda who: (-first[who].toordinal(), str(who[1]).casefold(), who[0]),
    )


def _missing(
    worked: Iterable[Worked],
    this: date,
    earlier: Sequence[date],
    habit: int,
    is_due: Callable[[Worked], bool],
    *,
    may_be_shut: bool,
) -> list[Missing]:
    """``earlier``: the spans before, the latest first; ``may_be_shut``: where several are missing and their book has no
    hours at all in this span, nobody in particular is."""
    spans = defaultdict[tuple[int, int], dict[date, Worked]](dict)
    kept = defaultdict[int, set[date]](set)
    for row in worked:
        kept[row.who[0]].add(row.span)
        if row.who[1] != NOBODY:
            spans[row.who][row.span] = row
    now, before = defaultdict[int, list[Missing]](list), list[Missing]()
    for who, own in spans.items():
        if this in own:
            continue
        known = [span for span in earlier if span in kept[who[0]]]
        missed_whole = bool(known) and known[0] not in own
        usual = [own[span] for span in known[missed_whole:][:habit] if span in own]
        if len(usual) < habit or not (missed_whole or all(map(is_due, usual))):
            continue
        seconds = sum(row.seconds for row in usual) // habit
        found = Missing(who, seconds, max(row.last for row in own.values()), missed_whole)
        if missed_whole:
            before.append(found)
        else:
            now[who[0]].append(found)
    for book, rows in now.items():
        if not (may_be_shut and len(rows) > 1 and this not in kept[book]):
            before += rows
    return sorted(before, key=lambda each: (-each.usual, each.who))
