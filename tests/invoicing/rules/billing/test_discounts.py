"""Lines that are written down or up: amounts to the cent, and what stays of a discount when a draft is drawn anew."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing.rules.billing import discounts
from invoicing.rules.billing.discounts import Written
from invoicing.rules.billing.lines import NO_DISCOUNT, Discount
from invoicing.rules.billing.rating import line_total
from invoicing.rules.judging.judge import Judge
from invoicing.rules.planning import InvoiceKey, Plan, PlannedInvoice, plan
from tests.invoicing.rules.planned import BOTH, only
from tests.invoicing.strategies import a_product, an_entry, some_rules, some_terms

D = Decimal
TWO = date(2026, 10, 5), date(2026, 10, 6)


@pytest.mark.parametrize(
    ("value", "per_cent", "discount"),
    [
        ("190.00", "10", "19.00"),
        ("123.13", "12.5", "15.39"),  # 15.39125
        ("0.05", "10", "0.01"),  # half up
        ("-0.05", "10", "-0.01"),
        ("190.00", "-5", "-9.50"),
        ("190.00", "100", "190.00"),
    ],
)
def test_per_cent_of_a_value(value: str, per_cent: str, discount: str) -> None:
    assert discounts.of_per_cent(D(value), D(per_cent)) == D(discount)


@pytest.mark.parametrize(
    ("discount", "value", "free"),
    [
        ("10.00", "100.00", True),
        ("10.01", "100.00", False),
        ("-10.00", "100.00", True),
        ("-10.01", "100.00", False),
        ("0.00", "0.00", True),
        ("-0.01", "0.00", False),
    ],
)
def test_up_to_ten_per_cent_need_no_right_of_their_own(discount: str, value: str, free: bool) -> None:
    assert discounts.is_free(D(discount), D(value)) is free


CENTS = st.integers(0, 10**6)


@given(CENTS, st.integers(1, 10**6), st.tuples(CENTS, CENTS, CENTS))
def test_shares_of_what_is_left_add_up_to_all_of_a_discount(
    cents: int, value: int, parts: tuple[int, int, int]
) -> None:
    """As a line is credited bit by bit: what falls on what was left, less what falls on what is left then."""
    discount, whole, left, taken = D(cents) / 100, D(value) / 100, D(value) / 100, D(0)
    for part in (*(D(each) / 100 for each in parts), whole):
        rest = max(left - part, D(0))
        taken += discounts.share(discount, whole, left) - discounts.share(discount, whole, rest)
        left = rest
    assert taken == discount


# --- drawn anew -------------------------------------------------------------------------------------------------------


def drawn(*entries: Any, before: PlannedInvoice | None = None, price: str = "95.00", **terms: Any) -> Plan:
    """A plan; ``before``: the draft that it takes the place of."""
    product = a_product(price=D(price))
    written: dict[InvoiceKey, list[Written]] = {}
    if before is not None:
        written[before.key] = [
            Written(line.key, line.unit_price, discounts.value_of(line), line.discount) for line in before.lines
        ]
    judge = Judge(some_rules(products=(product, *BOTH[1:])))
    return plan(entries, judge=judge, terms=some_terms(**terms), written=written)


def less(invoice: PlannedInvoice, discount: Discount, place: int = 0) -> PlannedInvoice:
    lines = list(invoice.lines)
    lines[place] = discounts.with_discount(lines[place], discount)
    return PlannedInvoice(
        **{name: getattr(invoice, name) for name in PlannedInvoice.__slots__ if name != "lines"}, lines=tuple(lines)
    )


def amounts(found: Plan) -> list[tuple[Decimal, Decimal, Decimal | None, Decimal]]:
    return [
        (discounts.value_of(line), line.discount.amount, line.discount.per_cent, line.total)
        for line in only(found).lines
    ]


ONE, SECOND, THIRD = an_entry(id=1, day=TWO[0]), an_entry(id=2, day=TWO[1]), an_entry(id=3, day=TWO[1])
TENTH = Discount(D("19.00"), "As agreed", D(10))
FIFTEEN = Discount(D("15.00"), "As agreed")


@pytest.mark.parametrize(
    ("discount", "entries", "price", "line"),
    [
        (TENTH, (ONE, SECOND), "95.00", ("190.00", "19.00", D(10), "171.00")),
        (TENTH, (ONE, SECOND, THIRD), "95.00", ("285.00", "28.50", D(10), "256.50")),
        (TENTH, (ONE,), "95.00", ("95.00", "9.50", D(10), "85.50")),
        (TENTH, (ONE, SECOND), "99.00", ("198.00", "19.80", D(10), "178.20")),
        (FIFTEEN, (ONE, SECOND, THIRD), "95.00", ("285.00", "15.00", None, "270.00")),
        # of a line that is worth half of it, half
        (FIFTEEN, (ONE,), "95.00", ("95.00", "7.50", None, "87.50")),
        (FIFTEEN, (ONE, SECOND), "99.00", ("198.00", "15.00", None, "183.00")),
        (Discount(D("-15.00"), "Urgent"), (ONE,), "95.00", ("95.00", "-7.50", None, "102.50")),
    ],
)
def test_a_discount_stays_when_the_draft_is_drawn_anew(
    discount: Discount, entries: tuple[Any, ...], price: str, line: tuple[str, str, Decimal | None, str]
) -> None:
    before = less(only(drawn(ONE, SECOND)), discount)
    found = drawn(*entries, before=before, price=price)
    value, off, per_cent, total = line
    assert amounts(found) == [(D(value), D(off), per_cent, D(total))]
    assert only(found).lines[0].discount.reason == discount.reason
    invoice = only(found)
    assert (invoice.total_excl, invoice.total_vat) == (D(total), line_total(D(total), D("0.21")))


def test_a_discount_of_a_line_that_is_not_there_any_more_is_gone() -> None:
    before = less(only(drawn(ONE, SECOND, group_by="day")), FIFTEEN, place=1)
    assert [line.discount for line in only(drawn(ONE, SECOND, before=before)).lines] == [NO_DISCOUNT]
    assert [line.discount for line in only(drawn(ONE, before=before, group_by="day")).lines] == [NO_DISCOUNT]
    again = only(drawn(ONE, SECOND, before=before, group_by="day"))
    assert [line.discount for line in again.lines] == [NO_DISCOUNT, FIFTEEN]


def test_lines_that_say_the_same_keep_theirs_by_their_place() -> None:
    """Two projects of one name: two lines with the same words."""
    same = {"project_name": "Books"}
    two = an_entry(id=1, project_id=601, **same), an_entry(id=2, project_id=602, seconds=7200, **same)
    before = less(only(drawn(*two, group_by="project")), Discount(D("5.00"), "As agreed"), place=1)
    again = drawn(*two, before=before, group_by="project")
    assert [line.discount.amount for line in only(again).lines] == [D(0), D("5.00")]
    assert [line.discount.amount for line in only(drawn(*two[:1], before=before, group_by="project")).lines] == [D(0)]
