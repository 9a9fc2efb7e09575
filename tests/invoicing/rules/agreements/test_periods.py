"""The periods of agreements: which are due on a day, what cuts them, and what they cost."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing.rules.agreement import Agreement, may_overlap
from invoicing.rules.agreements.periods import due, fee, period_of


def agreed(**terms: Any) -> Agreement:
    stated: dict[str, Any] = {"key": "a", "title": "Forfait", "product": "FORF", "amount": Decimal("250.00")}
    stated["start"] = date(2026, 1, 1)
    return Agreement(**stated | terms)


def keys(agreement: Agreement, cut_off: date) -> list[str]:
    return [f"{period.key:%m-%d} {day:%m-%d}" for period, day in due(agreement, cut_off)]


@pytest.mark.parametrize(
    ("terms", "cut_off", "expected"),
    [
        # in arrears: with the period's last day
        ({}, date(2026, 3, 30), ["01-01 01-31", "02-01 02-28"]),
        ({}, date(2026, 3, 31), ["01-01 01-31", "02-01 02-28", "03-01 03-31"]),
        # in advance: a run on 1 February cuts off on 31 January, and bills February
        ({"in_advance": True}, date(2026, 1, 30), ["01-01 12-31"]),
        ({"in_advance": True}, date(2026, 1, 31), ["01-01 12-31", "02-01 01-31"]),
        ({"in_advance": True}, date(2025, 12, 30), []),
        ({"every": "quarter"}, date(2026, 9, 30), ["01-01 03-31", "04-01 06-30", "07-01 09-30"]),
        ({"every": "quarter", "in_advance": True}, date(2026, 6, 30), ["01-01 12-31", "04-01 03-31", "07-01 06-30"]),
        ({"every": "year"}, date(2026, 12, 30), []),
        ({"every": "year"}, date(2026, 12, 31), ["01-01 12-31"]),
        # the first and the last one are cut
        ({"start": date(2026, 2, 15), "end": date(2026, 3, 10)}, date(2026, 12, 31), ["02-01 02-28", "03-01 03-10"]),
        ({"start": date(2026, 2, 15), "in_advance": True}, date(2026, 2, 14), ["02-01 02-14"]),
        # once
        ({"every": "once", "in_advance": True}, date(2026, 6, 1), ["01-01 12-31"]),
        ({"every": "once", "end": date(2026, 5, 31)}, date(2026, 5, 30), []),
        ({"every": "once", "end": date(2026, 5, 31)}, date(2026, 5, 31), ["01-01 05-31"]),
        # what fell due before the dossier's books was billed elsewhere
        ({"books_from": date(2026, 3, 1)}, date(2026, 3, 31), ["03-01 03-31"]),
        ({"every": "quarter", "books_from": date(2026, 3, 1)}, date(2026, 3, 31), ["01-01 03-31"]),
        ({"every": "quarter", "in_advance": True, "books_from": date(2026, 3, 1)}, date(2026, 3, 31), ["04-01 03-31"]),
    ],
)
def test_periods_that_are_due(terms: dict[str, Any], cut_off: date, expected: list[str]) -> None:
    assert keys(agreed(**terms), cut_off) == expected


@pytest.mark.parametrize(
    ("terms", "day", "expected"),
    [
        ({}, date(2026, 2, 10), "250.00"),
        ({"start": date(2026, 2, 15)}, date(2026, 2, 20), "250.00"),
        # 14 of 28 days, and 231 of 365
        ({"start": date(2026, 2, 15), "part_periods": "days"}, date(2026, 2, 20), "125.00"),
        (
            {"start": date(2026, 5, 15), "part_periods": "days", "every": "year", "amount": Decimal("1200.00")},
            date(2026, 6, 1),
            "759.45",
        ),
        # 10 of 31 days: 80.645..., half up to cents
        ({"end": date(2026, 3, 10), "part_periods": "days"}, date(2026, 3, 1), "80.65"),
        ({"end": date(2026, 3, 10), "part_periods": "days", "every": "once"}, date(2026, 3, 1), "250.00"),
    ],
)
def test_fee_of_a_period(terms: dict[str, Any], day: date, expected: str) -> None:
    agreement = agreed(**terms)
    assert fee(agreement, period_of(agreement, day)) == Decimal(expected)


DAYS = st.dates(date(2020, 1, 1), date(2030, 12, 31))


@given(DAYS, st.none() | st.integers(0, 1500), st.sampled_from(["month", "quarter", "year", "once"]), st.booleans())
def test_periods_fill_the_agreement_without_a_gap(start: date, days: int | None, every: str, in_advance: bool) -> None:
    end = None if days is None else start + timedelta(days=days)
    agreement = agreed(start=start, end=end, every=every, in_advance=in_advance)
    found = [period for period, _ in due(agreement, date(2035, 12, 31))]
    if every == "once" and end is None:
        assert [period.first for period in found] == ([start] if in_advance else [])
        return
    assert found[0].first == start
    for one, following in pairwise(found):
        assert one.last is not None
        assert following.first == one.last + timedelta(days=1)
    assert len({period.key for period in found}) == len(found)
    assert (found[-1].last == end) if end else (found[-1].last or start) >= date(2035, 12, 31)
    for period in found:
        assert period_of(agreement, period.first) == period == period_of(agreement, period.last or period.first)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({}, {}, True),
        ({"end": date(2026, 6, 30)}, {"start": date(2026, 7, 1)}, False),
        ({"end": date(2026, 7, 1)}, {"start": date(2026, 7, 1)}, True),
        ({"products": ("ADV",)}, {"products": ("CPT",)}, False),
        ({"products": ("ADV", "CPT")}, {"products": ("CPT",)}, True),
        ({"projects": (601,)}, {"projects": (602,)}, False),
        ({"projects": (601,)}, {"projects": (601, 602)}, True),
        # an hour of the product in that project would be under both
        ({"products": ("ADV",)}, {"projects": (601,)}, True),
        ({"products": ("ADV",), "projects": (601,)}, {"products": ("CPT",)}, True),
        ({"products": ("ADV",)}, {}, True),
    ],
)
def test_scopes_that_may_meet(one: dict[str, Any], other: dict[str, Any], expected: bool) -> None:
    assert may_overlap(agreed(**one), agreed(**other)) is expected
    assert may_overlap(agreed(**other), agreed(**one)) is expected
