"""Days and months as a person writes them, in an address, a file or a command. Pure.

Both are read from ASCII digits alone, and lie in the years in which hours can have been worked: beyond them lie the
ends of the calendar, where there is no day before or no month after.
"""

from __future__ import annotations

import re
from datetime import date

FIRST = date(2000, 1, 1)
LAST = date(2099, 12, 31)

_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")


def day(text: str) -> date:
    """A day written YYYY-MM-DD. Raises ValueError."""
    return _read(_DAY, text)


def month(text: str) -> date:
    """The first day of a month written YYYY-MM. Raises ValueError."""
    return _read(_MONTH, text)


def next_month(first: date) -> date:
    """The first day of the month after."""
    return date(first.year + first.month // 12, first.month % 12 + 1, 1)


def _read(form: re.Pattern[str], text: str) -> date:
    found = form.fullmatch(text)
    if found is None:
        raise ValueError("not written as a day or month")
    year, month, *day = map(int, found.groups())
    read = date(year, month, *day or [1])
    if not FIRST <= read <= LAST:
        raise ValueError("out of the years that count")
    return read
