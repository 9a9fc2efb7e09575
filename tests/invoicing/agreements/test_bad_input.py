"""What cannot stand as an agreement is refused with a sentence, and nothing is half-done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from invoicing.dossiers import mappings
from invoicing.dossiers.agreements import agreements
from invoicing.dossiers.faults import Refused
from invoicing.ledger.agreements.agreements import agreement_of
from invoicing.models import Agreement, LedgerRow
from invoicing.rules.judging.mapping import ClientRule
from tests.invoicing.agreements.agreed import PRODUCTS, agree, october, post_all, prepaid, terms
from tests.invoicing.scene import BY, Scene, everything, ids
from tests.worlds import BAKERY, BAKERY_PROJECT, GARAGE_NUMBER, entry
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"key": "two words"}, "key", "“two words” will not do; use letters, digits, hyphens and underscores only."),
        ({"title": " "}, "title", "must not be empty."),
        ({"product": ""}, "product", "must not be empty."),
        ({"end": date(2026, 8, 31)}, "until", "2026-08-31 lies before 2026-09-01, the first day."),
        ({"start": date(1926, 1, 1)}, "from", "“1926-01-01” is out of range; use a day of the years 2000 to 2099."),
        ({"amount": Decimal("250.005")}, "amount", "“250.005” has more than two decimals."),
        ({"amount": Decimal(-1)}, "amount", "“-1” is not an amount; write it such as 5000.00."),
        ({"amount": Decimal("NaN")}, "amount", "“NaN” is not an amount; write it such as 5000.00."),
        ({"every": "week"}, "every", "“week” is not known; use month, quarter, year or once."),
        ({"kind": "gift"}, "kind", "“gift” is not known; use fixed, advance or prepaid."),
        ({"part_periods": "half"}, "part_periods", "“half” is not known; use full or days."),
        ({"every": "once"}, "until", "missing; what is billed once and in arrears is due on the last day."),
        (
            {"included_hours": Decimal(5)},
            "extra_product",
            "missing; name the product as which hours beyond the included ones are billed.",
        ),
        ({"extra_product": "ADV"}, "included_hours", "missing; say how many hours of a period the fee includes."),
        ({"client_id": None}, "client", "missing; name the customer by a Toggl client or by a VAT number."),
        ({"number": GARAGE_NUMBER}, "vat", "stands beside client; name the customer by one of the two."),
        (
            {"client_id": None, "number": "BE0999999999"},
            "vat",
            "“BE0999999999” is not a valid VAT or Belgian enterprise number: check its digits.",
        ),
    ],
)
def test_terms_that_cannot_be(changes: dict[str, Any], field: str, sentence: str) -> None:
    (found,) = agreements.check_agreements([terms(**changes)])
    assert [(fault.field, fault.sentence) for fault in found] == [(field, sentence)]


def test_scopes_that_could_cover_one_hour_are_refused_with_both_named(scene: Make) -> None:
    books = scene(entries=[], products=PRODUCTS)
    agree(books, products=("ADV",))
    agree(books, key="tax", products=("FIS",))
    before = everything()
    for changes in ({"products": ("adv", "CPT")}, {"projects": (601,)}, {"client_id": None, "number": GARAGE_NUMBER}):
        with pytest.raises(Refused, match=r"agreements third and (garage|tax) of this customer could cover the same"):
            agreements.agree(dossier=books.dossier, terms=terms(key="third", **changes), by=BY, now=timezone.now())
    assert everything() == before
    # once the others have ended
    agree(books, key="fourth", start=date(2027, 1, 1), products=("CPT",))


def test_agreements_whose_customers_became_one_are_attention_and_one_of_them_is_ended(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, "2026-10-12"), entry(3, project_id=BAKERY_PROJECT)], products=PRODUCTS)
    of_garage = agree(books)
    of_bakery = agree(books, key="bakery", client_id=BAKERY, projects=(BAKERY_PROJECT,))
    assert set(books.states().values()) == {"covered"}
    one = ClientRule(BAKERY, number=GARAGE_NUMBER)
    mappings.map_clients(dossier=books.dossier, rules=[one], by=BY, now=timezone.now())
    books.sync()
    assert [books.states()[pk] for pk in ids(1, 2, 3)] == ["covered", "covered", "attention"]
    assert LedgerRow.objects.get(state="attention").reason == "several_agreements"
    # the same file once more says nothing new
    stated = [agreement_of(each) for each in (of_garage, of_bakery)]
    outcomes = agreements.set_agreements(dossier=books.dossier, agreements=stated, by=BY, now=timezone.now())
    assert outcomes == {"unchanged": 2}
    # a third one that meets them is refused as ever, and the end of one settles the rest
    with pytest.raises(Refused, match=r"agreements third and (bakery|garage) of this customer could cover"):
        agreements.agree(dossier=books.dossier, terms=terms(key="third"), by=BY, now=timezone.now())
    agreements.end(agreement=of_bakery, last_day=date(2026, 9, 30), by=BY, now=timezone.now())
    books.sync()
    assert set(books.states().values()) == {"covered"}


def test_short_name_is_given_once(scene: Make) -> None:
    books = scene(entries=[], products=PRODUCTS)
    agree(books)
    with pytest.raises(Refused, match="the firm already has an agreement of this short name"):
        agreements.agree(dossier=books.dossier, terms=terms(client_id=999), by=BY, now=timezone.now())


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"every": "quarter"}, "every"),
        ({"in_advance": True}, "in_advance"),
        ({"start": date(2026, 9, 1)}, "from"),
        ({"client_id": 502}, "client"),
    ],
)
def test_what_makes_the_periods_stays_once_one_is_billed(scene: Make, changes: dict[str, Any], field: str) -> None:
    books = scene(entries=[entry(1)], products=PRODUCTS)
    agreement = october(books)
    books.draft()
    post_all(books)
    wanted = terms(**{"start": date(2026, 10, 1)} | changes)
    with pytest.raises(Refused, match=f"garage, {field}: stays .*, since agreement garage has billed a period"):
        agreements.change(agreement=agreement, terms=wanted, by=BY, now=timezone.now())
    agreements.change(
        agreement=agreement,
        terms=terms(start=date(2026, 10, 1), amount=Decimal("275.00")),
        by=BY,
        now=timezone.now(),
    )
    assert Agreement.objects.get().version == 2


def test_end_before_the_first_day_is_refused(scene: Make) -> None:
    books = scene(entries=[], products=PRODUCTS)
    agreement = october(books)
    with pytest.raises(NotPossible, match="Agreement garage begins on 2026-10-01"):
        agreements.end(agreement=agreement, last_day=date(2026, 9, 30), by=BY, now=timezone.now())


def test_every_change_is_an_event_with_the_whole_agreement_before_and_after(scene: Make) -> None:
    books = scene(entries=[], products=PRODUCTS)
    agreement = october(books)
    agreements.end(agreement=agreement, last_day=date(2026, 12, 31), by=BY, now=timezone.now())
    made, ended = (event.data for event in books.events("agreement_changed"))
    assert made["old"] is None
    assert made["new"] == ended["old"]
    assert ended["new"] == made["new"] | {"until": "2026-12-31"}
    assert made["new"]["amount"] == "250.00"


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"hours": None}, "hours", "missing; prepaid hours need the hours of a block and the price of an hour."),
        ({"price": None}, "price", "missing; prepaid hours need the hours of a block and the price of an hour."),
        ({"hours": Decimal(0)}, "hours", "must be above zero; say how many hours a block has."),
        ({"hours": Decimal("20.005")}, "hours", "“20.005” has more than two decimals."),
        ({"price": Decimal("85.005")}, "price", "“85.005” has more than two decimals."),
        ({"price": Decimal(-1)}, "price", "“-1” is not an amount; write it such as 5000.00."),
        ({"refill_at": Decimal(-1)}, "refill_at", "“-1” is not an amount; write it such as 5000.00."),
        (
            {"refill_at": Decimal("20.01")},
            "refill_at",
            "is above the 20 hours of a block; a block that is full would be refilled at once.",
        ),
        ({"amount": Decimal(250)}, "amount", "does not belong to an agreement of kind prepaid."),
        ({"every": "quarter"}, "every", "does not belong to an agreement of kind prepaid."),
        ({"in_advance": True}, "in_advance", "does not belong to an agreement of kind prepaid."),
        ({"part_periods": "days"}, "part_periods", "does not belong to an agreement of kind prepaid."),
        ({"kind": "fixed", "price": None}, "hours", "does not belong to an agreement of kind fixed."),
        ({"kind": "fixed", "hours": None}, "price", "does not belong to an agreement of kind fixed."),
    ],
)
def test_prepaid_terms_that_cannot_be(changes: dict[str, Any], field: str, sentence: str) -> None:
    stated = {"kind": "prepaid", "amount": Decimal(0), "hours": Decimal(20), "price": Decimal("85.00")}
    (found,) = agreements.check_agreements([terms(**stated | changes)])
    assert [(fault.field, fault.sentence) for fault in found] == [(field, sentence)]


def test_prepaid_hours_and_a_fee_of_one_customer_do_not_meet(scene: Make) -> None:
    books = scene(entries=[], products=PRODUCTS)
    prepaid(books)
    before = everything()
    with pytest.raises(Refused, match="agreements fee and garage of this customer could cover the same hour"):
        agreements.agree(dossier=books.dossier, terms=terms(key="fee"), by=BY, now=timezone.now())
    assert everything() == before
