"""The periods of an agreement: from and until which day, when each falls due, and what it costs (design section 11)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from invoicing.rules.agreement import Agreement, Every, PartPeriods
from invoicing.rules.billing.rating import CENT

_MONTHS = {Every.month: 1, Every.quarter: 3, Every.year: 12}
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """A period of an agreement. `key` is the first day of the calendar's period, whatever cuts it, and tells it from
    the others; of an agreement that is billed once, the first day of that. `last` is None where that has no end.
    `whole`: how many days the calendar's period has, 0 of one that is billed once."""

    key: date
    first: date
    last: date | None
    whole: int

    @property
    def is_cut(self) -> bool:
        """Whether the agreement begins or ends in the midst of it."""
        return self.last is not None and bool(self.whole) and (self.last - self.first).days + 1 < self.whole


def period_of(agreement: Agreement, day: date) -> Period:
    """The period in which a day of the agreement lies."""
    every = Every(agreement.every)
    if every is Every.once:
        return Period(agreement.start, agreement.start, agreement.end, 0)
    months = _MONTHS[every]
    first = date(day.year, (day.month - 1) // months * months + 1, 1)
    after = _later(first, months)
    last = after - _A_DAY
    return Period(
        key=first,
        first=max(first, agreement.start),
        last=last if agreement.end is None else min(last, agreement.end),
        whole=(after - first).days,
    )


def due_on(agreement: Agreement, period: Period) -> date | None:
    """The first cut-off with which a period is billed: the day before its first one, or its last one. None: never."""
    return period.first - _A_DAY if agreement.in_advance else period.last


def is_of_the_books(agreement: Agreement, period: Period) -> bool:
    """Whether a period falls due in the books, as its first day says in advance, else its last; what was due before
    them was billed elsewhere."""
    day = period.first if agreement.in_advance else period.last
    return day is None or day >= agreement.books_from


def due(agreement: Agreement, cut_off: date) -> Iterator[tuple[Period, date]]:
    """The periods that are due with this cut-off, each with the day since when; billed or not."""
    period = period_of(agreement, agreement.start)
    while True:
        day = due_on(agreement, period)
        if day is None or day > cut_off:
            return
        if is_of_the_books(agreement, period):
            yield period, day
        if period.last is None or not period.whole or period.last == agreement.end:
            return
        period = period_of(agreement, period.last + _A_DAY)


def fee(agreement: Agreement, period: Period) -> Decimal:
    """What a period costs in euro: the amount; or, cut and billed by days, its part of that, half up to cents."""
    if agreement.part_periods != PartPeriods.days or not period.is_cut or period.last is None:
        return agreement.amount
    days = (period.last - period.first).days + 1
    return (agreement.amount * days / period.whole).quantize(CENT, ROUND_HALF_UP)


def _later(first: date, months: int) -> date:
    """The first day of the month so many months later."""
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return date(year, month + 1, 1)
