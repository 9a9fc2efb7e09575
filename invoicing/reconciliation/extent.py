"""How much a night compares: the open months of dossiers, and of the closed ones the one whose turn it is.

A month is *closed* once it lies before the month before, no hour of it waits (for a run, a person, or a line of its
agreement), and Toggl's total of it did not differ when it was read last. The others are open. What changes in a closed
month shows itself in Toggl by its time stamp, and in Billit by that of the order; what leaves no trace is found when
the month's turn comes, one of each dossier a night.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import reduce
from operator import or_

from django.db.models import Q

from invoicing.ledger import window
from invoicing.models import Dossier, ReportedMonth

OVERLAP = timedelta(days=2)
"""Billit's time stamps have no zone, and a list is read while orders change."""


@dataclass(frozen=True, slots=True)
class Extent:
    """What a night compares. ``months``: by their first days; ``since``: the first of those that follow each other up
    to today; ``turns``: by dossier (row id) the closed month among them; ``changed_since``: orders that changed after
    it are looked at, whatever their month."""

    months: frozenset[date]
    since: date
    turns: Mapping[int, date]
    changed_since: datetime

    def within(self, name: str) -> Q:
        """That a day lies in one of the months."""
        spans = (Q(**{f"{name}__gte": first, f"{name}__lt": end}) for first, end in self.spans())
        return reduce(or_, spans)

    def spans(self) -> Iterator[tuple[date, date]]:
        """The months, those together that follow each other: from the first day of one to before that of another."""
        begin = end = min(self.months)
        for month in sorted(self.months):
            if month != end:
                yield begin, end
                begin = month
            end = following(month)
        yield begin, end


def of_night(*, dossiers: Sequence[Dossier], now: datetime) -> Extent:
    """What this night compares of dossiers of one workspace, each of which was compared before."""
    today = now.astimezone(dossiers[0].firm.zone).date()
    this = today.replace(day=1)
    since = (this - timedelta(days=1)).replace(day=1)
    waiting = window.months_that_wait(workspace=dossiers[0].workspace, today=today)
    unequal = ReportedMonth.objects.filter(dossier__in=dossiers).differing().values_list("month", flat=True)
    always = {since, this}.union(waiting, unequal)
    turns = {}
    for dossier in dossiers:
        closed = [month for month in _months(dossier.start_date, since) if month not in always]
        after = dossier.reconciled_month
        if closed:
            turns[dossier.pk] = next((month for month in closed if after is None or month > after), closed[0])
    latest = min(dossier.reconciled_at for dossier in dossiers if dossier.reconciled_at is not None)
    return Extent(frozenset(always.union(turns.values())), since, turns, latest - OVERLAP)


def following(month: date) -> date:
    """The first day of the month after this one."""
    return (month + timedelta(days=31)).replace(day=1)


def _months(start: date, end: date) -> Iterator[date]:
    month = start.replace(day=1)
    while month < end:
        yield month
        month = following(month)
