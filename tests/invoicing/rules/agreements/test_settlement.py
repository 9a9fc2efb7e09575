"""Up to which day an agreement is settled, what is deducted, and by how much VAT differs over several documents."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing.rules.agreement import Agreement
from invoicing.rules.agreements.settlement import settled_through, settlements, vat_difference


def through(cut_off: date, **terms: Any) -> date | None:
    stated: dict[str, Any] = {"key": "a", "title": "Provision", "product": "PROV", "kind": "advance"}
    stated |= {"start": date(2026, 3, 1), "amount": Decimal("250.00")}
    return settled_through(Agreement(**stated | terms), cut_off)


@pytest.mark.parametrize(
    ("terms", "cut_off", "expected"),
    [
        ({}, date(2027, 1, 31), None),
        ({"settle_on": "12-31"}, date(2026, 12, 30), None),
        ({"settle_on": "12-31"}, date(2026, 12, 31), date(2026, 12, 31)),
        ({"settle_on": "12-31"}, date(2027, 11, 30), date(2026, 12, 31)),
        ({"settle_on": "02-29"}, date(2027, 3, 1), date(2027, 2, 28)),
        ({"settle_on": "02-29"}, date(2028, 2, 28), date(2027, 2, 28)),
        ({"settle_on": "02-29"}, date(2028, 2, 29), date(2028, 2, 29)),
        # a day before the agreement begins settles nothing
        ({"settle_on": "01-31"}, date(2026, 12, 31), None),
        ({"end": date(2026, 6, 30)}, date(2026, 6, 29), None),
        ({"end": date(2026, 6, 30)}, date(2026, 12, 31), date(2026, 6, 30)),
        ({"settled_through": date(2026, 5, 15)}, date(2026, 12, 31), date(2026, 5, 15)),
        ({"settled_through": date(2026, 5, 15)}, date(2026, 4, 30), date(2026, 4, 30)),
        ({"settled_through": date(2026, 5, 15), "settle_on": "04-30"}, date(2026, 12, 31), date(2026, 5, 15)),
    ],
)
def test_day_of_the_settlement(terms: dict[str, Any], cut_off: date, expected: date | None) -> None:
    assert through(cut_off, **terms) == expected


@pytest.mark.parametrize(
    ("terms", "is_last"),
    [
        ({"settle_on": "12-31"}, False),
        ({"settle_on": "12-31", "end": date(2027, 2, 28)}, False),
        ({"end": date(2026, 6, 30)}, True),
        # settled once more after it is over
        ({"settle_on": "12-31", "end": date(2026, 6, 30)}, True),
    ],
)
def test_settlement_of_an_agreement_that_is_over_is_the_last(terms: dict[str, Any], is_last: bool) -> None:
    stated: dict[str, Any] = {"key": "a", "title": "Provision", "product": "PROV", "kind": "advance"}
    stated |= {"start": date(2026, 3, 1), "amount": Decimal("250.00")}
    (settled,) = settlements([Agreement(**stated | terms)], date(2027, 1, 31))
    assert settled.is_last is is_last


RATE = Decimal(21)


def test_vat_of_the_documents_against_one_invoice_for_all() -> None:
    # three advances of 33.33 bear 7.00 each; what is left, 0.01, bears none: 21.00 for 100.00 at 21 %
    third = (True, RATE, Decimal("-33.33"))
    assert vat_difference([(False, RATE, Decimal("100.00")), third, third, third]) == Decimal("0.00")
    # two of 10.02 bear 2.10 each (2.1042); the hours of 20.04 alone would bear 4.21
    tenth = (True, RATE, Decimal("-10.02"))
    assert vat_difference([(False, RATE, Decimal("20.04")), tenth, tenth]) == Decimal("-0.01")


@given(st.lists(st.integers(1, 100_000), min_size=1, max_size=12), st.integers(0, 100_000))
def test_vat_differs_by_less_than_a_cent_for_each_document(advances: list[int], rest: int) -> None:
    whole = Decimal(sum(advances) + rest) / 100
    taken = [(True, RATE, -Decimal(each) / 100) for each in advances]
    assert abs(vat_difference([(False, RATE, whole), *taken])) <= Decimal("0.01") * (len(advances) + 1)
