"""Prices over time: the price of a day, dossiers that bill it, and what today's price makes of hours from before."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing.rules.billing.prices import EarlierPrice
from invoicing.rules.judging.judge import Judge
from invoicing.rules.judging.mapping import Product, Reason, State
from invoicing.rules.planning import Plan, plan
from tests.invoicing.rules.planned import only
from tests.invoicing.strategies import a_product, an_entry, some_rules, some_terms

FIRST, RAISED = date(2026, 9, 15), date(2026, 10, 10)
PRICES: tuple[tuple[date, Decimal | None], ...] = ((FIRST, Decimal("80.00")), (RAISED, Decimal("95.00")))
DATED = a_product(price=Decimal("95.00"), prices=PRICES)


def on(day: date, number: int = 1, **more: Any) -> Any:
    return an_entry(id=number, day=day, **more)


def planned(*entries: Any, product: Product = DATED, at_their_day: bool = False, **rules: Any) -> Plan:
    key = only(plan(entries, judge=Judge(some_rules(products=(product,), **rules)), terms=some_terms())).buyer
    keys = {(key.key, key.purchase_order, key.buyer_reference, False)} if at_their_day else set()
    return plan(entries, judge=Judge(some_rules(products=(product,), **rules)), terms=some_terms(), at_their_day=keys)


def lines(found: Plan) -> list[tuple[Decimal, Decimal, Decimal]]:
    return [(line.quantity, line.unit_price, line.total) for line in only(found).lines]


@pytest.mark.parametrize(
    ("day", "price"),
    [
        (date(2026, 9, 1), "80.00"),
        (FIRST, "80.00"),
        (RAISED - timedelta(days=1), "80.00"),
        (RAISED, "95.00"),
        (date(2026, 12, 31), "95.00"),
    ],
)
def test_price_of_a_day(day: date, price: str) -> None:
    assert DATED.price_on(day) == Decimal(price)


def test_a_product_without_a_history_has_todays_price_on_every_day() -> None:
    assert a_product(price=Decimal("95.00"), prices=PRICES[:1]).price_on(FIRST) == Decimal("95.00")
    assert a_product(price=Decimal("95.00")).price_on(FIRST) == Decimal("95.00")


def test_by_the_day_of_the_draft_all_hours_have_todays_price_and_the_difference_is_known() -> None:
    found = planned(on(RAISED - timedelta(days=1), 1), on(RAISED, 2))
    assert lines(found) == [(Decimal("2.00"), Decimal("95.00"), Decimal("190.00"))]
    assert only(found).earlier == EarlierPrice(3600, Decimal("15.00"), billed=False)


def test_by_the_day_of_the_work_each_price_has_a_line_of_its_own() -> None:
    found = planned(on(RAISED - timedelta(days=1), 1), on(RAISED, 2), on(FIRST, 3), price_day="work")
    assert lines(found) == [
        (Decimal("2.00"), Decimal("80.00"), Decimal("160.00")),
        (Decimal("1.00"), Decimal("95.00"), Decimal("95.00")),
    ]
    assert only(found).earlier is None


def test_one_invoice_may_be_billed_at_the_prices_of_its_days() -> None:
    found = planned(on(RAISED - timedelta(days=1), 1), on(RAISED, 2), at_their_day=True)
    assert lines(found) == [
        (Decimal("1.00"), Decimal("80.00"), Decimal("80.00")),
        (Decimal("1.00"), Decimal("95.00"), Decimal("95.00")),
    ]
    assert only(found).earlier == EarlierPrice(3600, Decimal("15.00"), billed=True)


def test_hours_since_the_change_say_nothing() -> None:
    assert only(planned(on(RAISED))).earlier is None


@pytest.mark.parametrize("price", [None, Decimal(0), Decimal("80.005")])
def test_a_price_that_cannot_be_billed_is_attention_by_the_day_of_the_work_alone(price: Decimal | None) -> None:
    product = a_product(price=Decimal("95.00"), prices=((FIRST, price), PRICES[1]))
    reason = Reason.price_decimals if price else Reason.no_price
    verdict = Judge(some_rules(products=(product,), price_day="work")).verdict(on(FIRST))
    assert (verdict.state, verdict.reason) == (State.attention, reason)
    assert Judge(some_rules(products=(product,), price_day="work")).verdict(on(RAISED)).state is State.open
    assert Judge(some_rules(products=(product,))).verdict(on(FIRST)).state is State.open
    assert only(planned(on(FIRST), product=product)).earlier is None


def test_a_price_that_is_missing_today_hinders_no_hours_of_the_day_when_there_was_one() -> None:
    product = a_product(price=None, prices=(PRICES[0], (RAISED, None)))
    verdict = Judge(some_rules(products=(product,), price_day="work")).verdict(on(FIRST))
    assert (verdict.state, verdict.product and verdict.product.price) == (State.open, Decimal("80.00"))


DAYS = st.dates(date(2026, 9, 1), date(2026, 10, 31))
HISTORIES = st.lists(
    st.tuples(DAYS, st.decimals(1, 300, places=2)), min_size=2, max_size=5, unique_by=lambda price: price[0]
).map(sorted)


@given(HISTORIES, st.lists(st.tuples(DAYS, st.integers(1, 40_000)), min_size=1, max_size=8))
def test_the_difference_is_that_of_the_two_invoices(
    history: list[tuple[date, Decimal]], worked: list[tuple[date, int]]
) -> None:
    product = a_product(price=history[-1][1], prices=tuple(history))
    entries = [on(day, number, seconds=seconds) for number, (day, seconds) in enumerate(worked, 1)]
    todays = plan(entries, judge=Judge(some_rules(products=(product,))), terms=some_terms())
    if not todays.invoices:
        return
    dated = planned(*entries, product=product, at_their_day=True)
    worked_at = plan(entries, judge=Judge(some_rules(products=(product,), price_day="work")), terms=some_terms())
    earlier = only(todays).earlier
    before = [entry for entry in entries if product.price_on(entry.day) != product.price]
    assert (earlier.seconds if earlier else 0) == sum(entry.seconds for entry in before)
    if dated.invoices and worked_at.invoices:
        assert lines(dated) == lines(worked_at)
        difference = only(todays).total_excl - only(dated).total_excl
        assert (earlier.difference if earlier else Decimal(0)) == difference
    for entry in entries:
        in_force = [price for since, price in history if since <= entry.day]
        assert product.price_on(entry.day) == (in_force[-1] if in_force else history[0][1])
