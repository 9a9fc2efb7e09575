"""Age bands, an amount spread to the cent, lock-up: pure."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing.rules.wip import BANDS, LockUp, Sold, lock_up, paid_by_blocks, per_cent, spread


@pytest.mark.parametrize(
    ("age", "band"),
    [(0, "0-30"), (30, "0-30"), (31, "31-60"), (60, "31-60"), (61, "61-90"), (90, "61-90"), (91, "over_90")],
)
def test_band_of_an_age(age: int, band: str) -> None:
    as_of = date(2026, 11, 20)
    worked = as_of - timedelta(days=age)
    assert [each.name for each in BANDS if each.holds(age)] == [band]
    days = {each.name: each.days(as_of) for each in BANDS}
    assert [name for name, (first, last) in days.items() if (first or worked) <= worked <= last] == [band]


def test_what_is_drawn_beyond_a_block_is_paid_by_the_next() -> None:
    first, second = Sold(1, 3600, Decimal("85.00"), 5400), Sold(2, 7200, Decimal("90.00"), 1000)
    assert paid_by_blocks([first]) == {1: Decimal("85.00")}
    # half an hour at 90.00; then 1000 seconds, which are 25.00
    assert paid_by_blocks([first, second]) == {1: Decimal("130.00"), 2: Decimal("25.00")}
    # An hour that was freed leaves room on the first, which pays nothing of the second.
    freed = [first._replace(drawn=0), second._replace(drawn=9000)]
    assert paid_by_blocks(freed) == {1: Decimal("0.00"), 2: Decimal("180.00")}
    # 100 s at 85.00 are 2.3611...
    assert paid_by_blocks([first._replace(drawn=100)]) == {1: Decimal("2.36")}


def test_cents_that_are_left_go_to_who_lost_most() -> None:
    assert spread(Decimal("100.00"), {"a": 1, "b": 1, "c": 1}) == {
        "a": Decimal("33.34"),
        "b": Decimal("33.33"),
        "c": Decimal("33.33"),
    }
    assert spread(Decimal("0.05"), {"a": Decimal("10.00"), "b": Decimal("90.00")}) == {
        "a": Decimal("0.01"),  # 0.005 and 0.045 lose half a cent each: the first gets the cent
        "b": Decimal("0.04"),
    }
    assert spread(Decimal("-1.00"), {"a": 1, "b": 2}) == {"a": Decimal("-0.33"), "b": Decimal("-0.67")}
    assert spread(Decimal("250.00"), {"a": 0, "b": 0}) == {"a": Decimal("125.00"), "b": Decimal("125.00")}


def test_what_cannot_be_spread() -> None:
    with pytest.raises(ValueError, match="nothing to spread"):
        spread(Decimal("1.00"), {})
    with pytest.raises(ValueError, match="negative weight"):
        spread(Decimal("1.00"), {"a": -1, "b": 2})


@given(
    st.integers(-10_000_000, 10_000_000),
    st.lists(st.integers(0, 10**9), min_size=1, max_size=12),
)
def test_parts_add_up_to_the_amount_and_are_less_than_a_cent_off(cents: int, weights: list[int]) -> None:
    parts = spread(Decimal(cents).scaleb(-2), dict(enumerate(weights)))
    assert sum(parts.values()) == Decimal(cents).scaleb(-2)
    total = sum(weights)
    for place, weight in enumerate(weights):
        exact = Decimal(cents * weight) / total if total else Decimal(cents) / len(weights)
        assert abs(parts[place] * 100 - exact) < 1


def test_realisation_in_per_cent() -> None:
    assert per_cent(Decimal("17000.00"), Decimal("20000.00")) == Decimal("85.0")
    assert per_cent(Decimal("250.00"), Decimal("380.00")) == Decimal("65.8")
    assert per_cent(Decimal("250.00"), Decimal("0.00")) is None


def test_lock_up_of_a_year() -> None:
    # 10,000 in progress of 73,000 a year are 50 days; 1,000 paid after 20 days and 3,000 after 40 are 35
    found = lock_up(
        value=Decimal("10000.00"), billed=Decimal("73000.00"), paid=Decimal(4000), amount_days=Decimal(140_000)
    )
    assert found == LockUp(Decimal("50.0"), Decimal("35.0"))
    assert found.days == Decimal("85.0")


def test_lock_up_is_not_known_without_billing_or_payments() -> None:
    nothing_billed = lock_up(value=Decimal(100), billed=Decimal(0), paid=Decimal(100), amount_days=Decimal(3000))
    assert (nothing_billed.in_progress, nothing_billed.until_paid, nothing_billed.days) == (None, Decimal("30.0"), None)
    nothing_paid = lock_up(value=Decimal(100), billed=Decimal(100), paid=Decimal(0), amount_days=Decimal(0))
    assert (nothing_paid.in_progress, nothing_paid.until_paid, nothing_paid.days) == (Decimal("365.0"), None, None)
