"""Rates of people: a mapping may name a person (section 11)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from invoicing.rules.judging.judge import Judge
from invoicing.rules.judging.mapping import ChosenBy, Reason, State, TagRule
from tests.invoicing.rules.planned import lines_of, planned
from tests.invoicing.strategies import a_product, an_entry, some_rules

KIM, LOU = 9001, 9002
ADV = a_product(id=1, reference="ADV", price=Decimal("95.00"))
SENIOR = a_product(id=2, reference="ADVSEN", price=Decimal("140.00"))
JUNIOR = a_product(id=3, reference="ADVJUN", price=Decimal("60.00"))
EVERYBODY, KIMS = TagRule("Advies", "ADV"), TagRule("advies", "ADVSEN", person=KIM)
KIMS_OWN = TagRule("", "ADVJUN", person=KIM)


def judge(*tags: TagRule, default: str = "") -> Judge:
    return Judge(some_rules(products=(ADV, SENIOR, JUNIOR), tags=tags, default_product=default))


def led(rules: Judge, *tags: str, person: int = KIM) -> str:
    """The reference of the product that an entry leads to, or the reason why it leads to none."""
    verdict = rules.verdict(an_entry(tags=tags, person_id=person))
    return verdict.product.reference if verdict.product else str(verdict.reason or verdict.state)


def test_a_persons_mapping_of_a_tag_wins_over_that_for_everybody() -> None:
    rules = judge(EVERYBODY, KIMS)
    assert (led(rules, "Advies"), led(rules, "Advies", person=LOU)) == ("ADVSEN", "ADV")
    # also over a product whose reference is the tag
    assert led(judge(TagRule("ADV", "ADVSEN", person=KIM)), "ADV") == "ADVSEN"
    assert led(judge(TagRule("ADV", "ADVSEN", person=KIM)), "ADV", person=LOU) == "ADV"


def test_a_persons_product_is_asked_where_no_tag_leads_anywhere_before_the_default_product() -> None:
    rules = judge(EVERYBODY, KIMS_OWN, default="ADVSEN")
    assert led(rules) == led(rules, "Other") == "ADVJUN"
    assert led(rules, person=LOU) == "ADVSEN"
    assert led(rules, "Advies") == "ADV"
    assert led(judge(KIMS_OWN), person=LOU) == Reason.no_tag


def test_a_mapping_that_leads_nowhere_is_not_replaced_by_the_persons_product() -> None:
    assert led(judge(TagRule("Advies", "GONE"), KIMS_OWN), "Advies") == Reason.unknown_product
    assert led(judge(TagRule("", "GONE", person=KIM), default="ADV")) == Reason.unknown_product


def test_priority_is_that_of_the_mapping_that_counts_for_the_person() -> None:
    everybodys = TagRule("A", "ADV", priority=5), TagRule("B", "ADVSEN")
    rules = judge(*everybodys, TagRule("B", "ADVJUN", priority=9, person=KIM))
    assert (led(rules, "A", "B"), led(rules, "A", "B", person=LOU)) == ("ADVJUN", "ADV")


@pytest.mark.parametrize(("person", "state"), [(KIM, State.not_billable), (LOU, State.open)])
def test_a_tag_may_be_left_unbilled_for_one_person(person: int, state: State) -> None:
    rules = judge(EVERYBODY, TagRule("Advies", "", bill=False, person=KIM))
    assert rules.verdict(an_entry(tags=("Advies",), person_id=person)).state is state


def test_what_was_not_chosen_for_everybody_does_not_hold_up_a_person_with_a_mapping() -> None:
    rules = judge(TagRule("Advies", "ADV", is_contradicted=True), KIMS)
    assert (led(rules, "Advies"), led(rules, "Advies", person=LOU)) == ("ADVSEN", Reason.contradicting_mappings)


def test_a_choice_says_that_a_person_led_to_it() -> None:
    rules = judge(EVERYBODY, KIMS, KIMS_OWN)
    found = [rules.choice_of(tags, KIM) for tags in (("Advies",), ())]
    assert [choice.lead.by for choice in found if choice] == [ChosenBy.persons_mapping, ChosenBy.person]


def test_hours_of_two_people_are_two_lines_at_their_rates() -> None:
    """1.50 h of Kim at 140.00 are 210.00, 2.00 h of Lou at 95.00 are 190.00: 400.00."""
    rules = some_rules(products=(ADV, SENIOR), tags=(EVERYBODY, KIMS))
    entries = (
        an_entry(id=1, tags=("Advies",), person_id=KIM, seconds=5400),
        an_entry(id=2, tags=("Advies",), person_id=LOU, seconds=7200),
    )
    found = planned(entries, rules)
    assert [(line.product.reference, line.quantity, line.total) for line in lines_of(found)] == [
        ("ADV", Decimal("2.00"), Decimal("190.00")),
        ("ADVSEN", Decimal("1.50"), Decimal("210.00")),
    ]
    assert found.invoices[0].total_excl == Decimal("400.00")
