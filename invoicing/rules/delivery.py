"""When it is looked what became of a sent invoice, and when it should have arrived (design R11). Pure."""

from __future__ import annotations

from collections.abc import Container
from datetime import date, datetime, time, timedelta, tzinfo
from functools import cache

import holidays

FIRST_LOOKS = (timedelta(minutes=5), timedelta(minutes=30))
"""After the sending; hourly from then on, until it arrived."""
HOURLY = timedelta(hours=1)
DAILY = timedelta(days=1)
ANSWERS = timedelta(days=14)
"""So long the answer of a receiver may change (Billit docs: status-content-of-a-sales-invoice)."""
LONGEST = timedelta(days=90)
"""After the sending; what comes later is for the nightly comparison."""
COUNTRY = "BE"


def next_look(*, sent_at: datetime, now: datetime, is_settled: bool, is_paid: bool) -> datetime | None:
    """When to look again at an invoice that was looked at ``now``; None when nothing more is awaited.

    ``is_settled``: delivered or refused, which the receiver may still take back; a payment is awaited beside it.
    """
    for pause in FIRST_LOOKS:
        if now < sent_at + pause and not is_settled:
            return sent_at + pause
    age = now - sent_at
    if not is_settled and age < ANSWERS:
        return now + HOURLY
    is_awaited = age < ANSWERS if is_settled and is_paid else age < LONGEST
    return now + DAILY if is_awaited else None


def overdue_at(sent_at: datetime, zone: tzinfo) -> datetime:
    """One working day after the sending: the same time of the next working day in the firm's zone.

    What is sent on a day that is none counts from the end of it: it is overdue once a whole working day has passed.
    """
    local = sent_at.astimezone(zone)
    if is_working_day(local.date()):
        return datetime.combine(_next_working_day(local.date()), local.timetz().replace(tzinfo=None), tzinfo=zone)
    worked = _next_working_day(local.date())
    return datetime.combine(worked + timedelta(days=1), time.min, tzinfo=zone)


def is_working_day(day: date) -> bool:
    """Monday to Friday, and no public holiday in Belgium."""
    return day.isoweekday() <= 5 and day not in _public_holidays(day.year)


def _next_working_day(day: date) -> date:
    following = day + timedelta(days=1)
    while not is_working_day(following):
        following += timedelta(days=1)
    return following


@cache
def _public_holidays(year: int) -> Container[date]:
    return frozenset(holidays.country_holidays(COUNTRY, years=year))
