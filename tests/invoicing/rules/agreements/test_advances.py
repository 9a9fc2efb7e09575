"""The advances of an agreement: on which days each falls due, and with which amount."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from invoicing.rules.agreement import Agreement
from invoicing.rules.agreements.advances import advances_due

PLAN = ((date(2026, 4, 1), Decimal("300.00")), (date(2026, 1, 15), Decimal("250.00")))


def due(cut_off: date, **terms: Any) -> list[tuple[str, str, str]]:
    """(day, first cut-off with which it is billed, amount)"""
    stated: dict[str, Any] = {"key": "a", "title": "Provision", "product": "PROV", "kind": "advance"}
    stated |= {"start": date(2026, 1, 15), "amount": Decimal("250.00")}
    found = advances_due(Agreement(**stated | terms), cut_off)
    return [(f"{period.key:%m-%d}", f"{day:%m-%d}", str(amount)) for period, day, amount in found]


@pytest.mark.parametrize(
    ("terms", "cut_off", "expected"),
    [
        # a run on 15 January cuts off on the day before
        ({}, date(2026, 1, 13), []),
        ({}, date(2026, 1, 14), [("01-15", "01-14", "250.00")]),
        # the first one on the first day of the agreement, then on the first of each month
        ({}, date(2026, 1, 31), [("01-15", "01-14", "250.00"), ("02-01", "01-31", "250.00")]),
        ({"every": "quarter"}, date(2026, 4, 1), [("01-15", "01-14", "250.00"), ("04-01", "03-31", "250.00")]),
        ({"every": "year"}, date(2026, 12, 30), [("01-15", "01-14", "250.00")]),
        ({"every": "once"}, date(2027, 12, 31), [("01-15", "01-14", "250.00")]),
        ({"end": date(2026, 2, 1)}, date(2026, 12, 31), [("01-15", "01-14", "250.00"), ("02-01", "01-31", "250.00")]),
        ({"end": date(2026, 1, 31)}, date(2026, 12, 31), [("01-15", "01-14", "250.00")]),
        # a plan, in the order of its days; what lies after the last day of an agreement that was ended is not due
        ({"plan": PLAN}, date(2026, 3, 30), [("01-15", "01-14", "250.00")]),
        ({"plan": PLAN}, date(2026, 3, 31), [("01-15", "01-14", "250.00"), ("04-01", "03-31", "300.00")]),
        ({"plan": PLAN, "end": date(2026, 3, 31)}, date(2026, 12, 31), [("01-15", "01-14", "250.00")]),
        # what fell due before the dossier's books was billed elsewhere
        ({"plan": PLAN, "books_from": date(2026, 2, 1)}, date(2026, 12, 31), [("04-01", "03-31", "300.00")]),
        ({"books_from": date(2026, 2, 1)}, date(2026, 2, 1), [("02-01", "01-31", "250.00")]),
    ],
)
def test_advances_that_are_due(terms: dict[str, Any], cut_off: date, expected: list[tuple[str, str, str]]) -> None:
    assert due(cut_off, **terms) == expected
