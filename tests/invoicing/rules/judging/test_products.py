"""R4: the product that an hour leads to, by its tags."""

from decimal import Decimal
from typing import Any

import pytest

from invoicing.rules.judging.judge import Judge
from invoicing.rules.judging.mapping import (
    Choice,
    ChosenBy,
    Lead,
    Product,
    Reason,
    State,
    TagRule,
)
from tests.invoicing.strategies import a_product, judge, some_rules

ADV = a_product()
BOOK = a_product(id=2, reference="BOOK", price=Decimal("60.00"))
PAY = a_product(id=3, reference="PAY", price=Decimal("50.00"))
TWIN = a_product(id=4, reference="pay", price=Decimal("55.00"))
NAMELESS = a_product(id=5, reference=" ")


@pytest.mark.parametrize(
    ("tags", "rules", "default", "product", "reason"),
    [
        (("ADV",), (), "", ADV, None),
        ((" adv ",), (), "", ADV, None),
        (("Advies",), (TagRule("ADVIES", "ADV"),), "", ADV, None),
        (("ADV",), (TagRule("ADV", "BOOK"),), "", BOOK, None),  # the mapping comes before the reference
        (("ADV", "nothing"), (), "", ADV, None),
        (("ADV", "gone"), (TagRule("gone", "NONE"),), "", ADV, None),
        ((), (), "", None, Reason.no_tag),
        (("", "  "), (), "", None, Reason.no_tag),
        (("nothing",), (), "", None, Reason.unknown_tag),
        ((), (), "BOOK", BOOK, None),
        (("nothing",), (), "book", BOOK, None),
        ((), (), "NONE", None, Reason.unknown_product),
        (("gone",), (TagRule("gone", "NONE"),), "", None, Reason.unknown_product),
        (("gone", "nothing"), (TagRule("gone", "NONE"),), "BOOK", None, Reason.unknown_product),
        (("ADV",), (TagRule("ADV", "NONE"),), "", None, Reason.unknown_product),  # never back to the reference
        (("blank",), (TagRule("blank", ""),), "", None, Reason.unknown_product),
        (("ADV", "BOOK"), (), "", None, Reason.several_products),
        (("ADV", "BOOK"), (TagRule("ADV", "ADV", priority=1),), "", ADV, None),
        (("BOOK", "ADV"), (TagRule("ADV", "ADV", priority=-1),), "", BOOK, None),
        (
            ("a", "b"),
            (TagRule("a", "ADV", priority=3), TagRule("b", "BOOK", priority=3)),
            "",
            None,
            Reason.several_products,
        ),
        (("a", "b"), (TagRule("a", "ADV", priority=3), TagRule("b", "BOOK", priority=4)), "", BOOK, None),
        # several tags to one product: the highest priority counts
        (
            ("a", "b", "c"),
            (TagRule("a", "ADV", priority=1), TagRule("b", "BOOK", priority=2), TagRule("c", "ADV", priority=3)),
            "",
            ADV,
            None,
        ),
        (
            ("a", "b", "c"),
            (TagRule("a", "ADV", priority=3), TagRule("b", "BOOK", priority=2), TagRule("c", "ADV", priority=1)),
            "",
            ADV,
            None,
        ),
        (("a", "b"), (TagRule("a", "ADV"), TagRule("b", "ADV")), "", ADV, None),
        # one reference, several products
        (("PAY",), (), "", None, Reason.several_products),
        (("a",), (TagRule("a", "Pay"),), "", None, Reason.several_products),
        (("a",), (TagRule("a", "pay"),), "", TWIN, None),  # spelt exactly so by one alone
        ((), (), "Pay", None, Reason.several_products),
    ],
)
def test_verdict_on_tags(
    tags: tuple[str, ...], rules: tuple[TagRule, ...], default: str, product: object, reason: Reason | None
) -> None:
    verdict = judge({"tags": tags}, tags=rules, default_product=default, products=(ADV, BOOK, PAY, TWIN, NAMELESS))
    assert (verdict.product, verdict.reason) == (product, reason)


def test_verdict_on_a_reference_that_two_products_share() -> None:
    products = (ADV, a_product(id=9, price=Decimal("1.00")))
    assert judge({"tags": ("a",)}, tags=(TagRule("a", "ADV"),), products=products).reason is Reason.several_products


@pytest.mark.parametrize(
    ("changes", "decimals", "reason"),
    [
        ({"price": None}, 2, Reason.no_price),
        ({"price": Decimal("0.00")}, 2, Reason.no_price),
        ({"price": Decimal("-5.00")}, 2, Reason.no_price),
        ({"price": Decimal("75.505")}, 2, Reason.price_decimals),
        ({"price": Decimal("75.505")}, 3, None),
        ({"price": Decimal("75.50000")}, 2, None),
        ({"price": Decimal("75.5")}, 0, Reason.price_decimals),
        ({"price": Decimal("1E+2")}, 2, None),
        ({"vat_rate": Decimal("21.00")}, 2, None),
        ({"vat_rate": Decimal(12)}, 2, None),
        ({"vat_rate": Decimal(0)}, 2, None),
        ({"vat_rate": Decimal(20)}, 2, Reason.vat_rate),
        ({"vat_rate": None}, 2, Reason.vat_rate),
        ({"price": None, "vat_rate": None}, 2, Reason.no_price),
        ({"price": Decimal("75.505"), "vat_rate": None}, 2, Reason.price_decimals),
    ],
)
def test_verdict_on_price_and_rate(changes: dict[str, Any], decimals: int, reason: Reason | None) -> None:
    product = a_product(**changes)
    verdict = judge(products=(product,), price_decimals=decimals)
    assert (verdict.reason, verdict.product) == (reason, product)


def test_a_reference_spelled_exactly_comes_before_one_that_is_equal_by_its_key() -> None:
    large, small = a_product(id=8, reference="ADV"), a_product(id=9, reference="adv", price=Decimal("1.00"))
    for reference, product in (("adv", small), ("ADV", large), (" adv ", small)):
        assert judge({"tags": ("t",)}, tags=(TagRule("t", reference),), products=(large, small)).product == product
    assert judge({"tags": ("t",)}, tags=(TagRule("t", "Adv"),), products=(large, small)).reason is (
        Reason.several_products
    )
    # A tag that is a reference itself is compared by its key alone.
    assert judge({"tags": ("adv",)}, products=(large, small)).reason is Reason.several_products


def test_tags_that_lead_nowhere_beside_one_that_does_are_named() -> None:
    rules = (TagRule("gone", "NONE"), TagRule("Advice", "ADV"))
    verdict = judge({"tags": (" lost", "Advice", "gone", "LOST", "\u200b")}, tags=rules)
    assert (verdict.state, verdict.ignored_tags) == (State.open, ("lost", "gone"))
    assert judge({"tags": ("lost",)}, tags=rules).ignored_tags == ()


def test_mappings_that_contradict_each_other_wait_for_a_person() -> None:
    contradicted = TagRule("non facturable", "ADV", is_contradicted=True)
    free = TagRule("free", "", bill=False)
    assert judge({"tags": ("ADV", "non\u00a0facturable")}, tags=(contradicted,)).reason is (
        Reason.contradicting_mappings
    )
    assert judge({"tags": ("non facturable", "free")}, tags=(contradicted, free)).state is State.not_billable


def _lead(product: Product, by: str, tag: str = "", priority: int = 0) -> Lead:
    return Lead(product, ChosenBy(by), tag, priority)


@pytest.mark.parametrize(
    ("tags", "rules", "default", "choice"),
    [
        (("adv ",), (), "", Choice(_lead(ADV, "reference", "adv"))),
        (("Advies",), (TagRule("ADVIES", "ADV", priority=10),), "", Choice(_lead(ADV, "mapping", "Advies", 10))),
        (("nothing",), (), "BOOK", Choice(_lead(BOOK, "default"))),
        ((), (), "book", Choice(_lead(BOOK, "default"))),
        (
            ("BOOK", "a", "b"),
            (TagRule("a", "ADV", priority=3), TagRule("b", "ADV", priority=2)),
            "",
            Choice(_lead(ADV, "mapping", "a", 3), (_lead(BOOK, "reference", "BOOK"),)),
        ),
        # of two tags to one product the one with the higher priority led there
        (
            ("b", "a"),
            (TagRule("a", "ADV", priority=3), TagRule("b", "ADV", priority=2)),
            "",
            Choice(_lead(ADV, "mapping", "a", 3)),
        ),
        (("ADV", "BOOK"), (), "", None),
        ((), (), "", None),
        ((), (), "NONE", None),
        (("intern", "ADV"), (TagRule("intern", "", bill=False),), "", None),
    ],
)
def test_what_led_to_the_product(
    tags: tuple[str, ...], rules: tuple[TagRule, ...], default: str, choice: Choice | None
) -> None:
    found = Judge(some_rules(tags=rules, products=(ADV, BOOK, PAY, TWIN, NAMELESS), default_product=default))
    assert found.choice_of(tags) == choice
