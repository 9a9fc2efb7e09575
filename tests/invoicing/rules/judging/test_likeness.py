"""Names that mean the same though they are not equal."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing.rules.judging.likeness import LIKELY, customers_for, likeness, products_for, words_of
from invoicing.rules.judging.mapping import Customer, Product


def product(id: int, reference: str, description: str, price: str | None = "95.00") -> Product:
    return Product(id, reference, description, None if price is None else Decimal(price), Decimal(21))


ADVICE, BOOKS, TRAVEL = (
    product(1, "ADV", "Advies"),
    product(2, "BKH", "Boekhouding"),
    product(3, "REIS", "Verplaatsing"),
)


@pytest.mark.parametrize(
    ("tag", "first"), [("Advise", "ADV"), ("advies", "ADV"), ("Boekhouden", "BKH"), ("Verplaatsingen", "REIS")]
)
def test_the_product_that_a_tag_means_comes_first(tag: str, first: str) -> None:
    rated = products_for(tag, [TRAVEL, BOOKS, ADVICE])
    assert rated[0][0].reference == first
    assert rated[0][1] >= LIKELY > rated[1][1]


def test_products_without_a_price_or_a_reference_are_not_offered() -> None:
    offered = products_for("x", [product(1, "FREE", "", "0"), product(2, "NONE", "", None), product(3, " ", ""), BOOKS])
    assert [each.reference for each, _alike in offered] == ["BKH"]


def test_customers_are_compared_without_number_and_legal_form() -> None:
    assert words_of("Maison Voorbeeld SRL BE0563846944") == ["maison", "voorbeeld"]
    lys, other = Customer(1, "Garage Lys SRL", "", ""), Customer(2, "Garage Maes SRL", "", "")
    assert next(each.party_id for each, _alike in customers_for("GARAGE LYS b.v.", [other, lys])) == 1
    assert customers_for("SRL", [lys, other]) == []


@given(st.text(max_size=80), st.text(max_size=80))
def test_likeness_is_the_same_both_ways_and_full_for_itself(one: str, other: str) -> None:
    assert 0 <= likeness(one, other) <= 1000
    assert likeness(one, one) in (0, 1000)
    assert (likeness(one, other) == 1000) is (likeness(other, one) == 1000)
