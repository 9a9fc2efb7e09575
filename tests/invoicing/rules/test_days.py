"""Days and months as people write them."""

from __future__ import annotations

from datetime import date

import pytest

from invoicing.rules import days


def test_days_and_months_are_read() -> None:
    assert days.day("2026-02-28") == date(2026, 2, 28)
    assert days.month("2026-12") == date(2026, 12, 1)
    assert (days.day("2000-01-01"), days.month("2099-12")) == (days.FIRST, date(2099, 12, 1))


@pytest.mark.parametrize(
    "text", ["", "2026-02-29", "2026-2-1", "26-02-01", "2026-13-01", "1999-12-31", "2100-01-01", "٢٠٢٦-02-01"]
)
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not|out|day|month"):
        days.day(text)


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-00", "2026-13", "2026-1", "0000-01", "9999-12", "2026-01-01", "2026-01\n"]
)
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not|out|day|month"):
        days.month(text)


def test_month_after_december_is_january() -> None:
    assert days.next_month(date(2026, 12, 1)) == date(2027, 1, 1)
    assert days.next_month(days.month("2099-12")) == date(2100, 1, 1)
