"""Advances (design section 11): the days on which each falls due, and what it amounts to. Pure."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from invoicing.rules.agreement import Agreement, Every
from invoicing.rules.agreements.periods import Period, due

_A_DAY = timedelta(days=1)


def advances_due(agreement: Agreement, cut_off: date) -> Iterator[tuple[Period, date, Decimal]]:
    """The advances that are due with this cut-off, billed or not, each with the first such cut-off and its amount.

    One is due as a fee in advance is: when the day after the cut-off has reached its day. The key of its period is that
    day. What fell due before the books of the dossier begin was billed elsewhere.
    """
    if agreement.plan or agreement.every == Every.once:
        for day, amount in sorted(agreement.plan) or [(agreement.start, agreement.amount)]:
            if agreement.books_from <= day and agreement.in_force(day) and day - _A_DAY <= cut_off:
                yield Period(day, day, day, 0), day - _A_DAY, amount
        return
    for period, day in due(replace(agreement, in_advance=True), cut_off):
        yield replace(period, key=period.first), day, agreement.amount
