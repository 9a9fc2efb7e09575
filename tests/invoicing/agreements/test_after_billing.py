"""What moves after it was billed, beside an agreement: hours that come into its scope, late ones of a customer who pays
both ways, a VAT rate between an advance and its settlement."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest

from invoicing.models import Correction, Deduction
from tests.invoicing.agreements.agreed import (
    ADVANCES,
    HOUR,
    PRODUCTS,
    agree,
    balanced,
    bill,
    covers,
    october,
    post_all,
    totals,
)
from tests.invoicing.scene import Scene, ids
from tests.worlds import BAKERY_PROJECT, GARAGE_PROJECT, entry, product

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


@pytest.mark.slow
def test_late_hours_of_a_customer_with_a_fee_for_one_product_and_hours_for_another(scene: Make) -> None:
    entries = [entry(1, seconds=3 * HOUR), entry(2, "2026-10-06", seconds=7 * HOUR, tag="Books")]
    books = scene(entries=entries, products=PRODUCTS)
    october(books, products=("cpt",), amount=Decimal("180.00"))
    books.draft()
    (garage,) = post_all(books)
    assert totals(garage) == ("465.00", "97.65", "562.65")
    # an hour of each comes late: that of the fee is listed on it, the other one is billed
    books.control.put_entries(entry(3, "2026-10-08", tag="Books"), entry(4, "2026-10-09", seconds=5400))
    books.sync()
    books.draft(date(2026, 11, 19))
    (late,) = post_all(books)
    assert bill(late) == [("hours", "Advice", "1.50", "142.50")]
    assert late.lines.get().is_late
    assert totals(late) == ("142.50", "29.93", "172.43")
    assert covers(books) == {"2026-10": [2, 3]}
    assert books.draft(date(2026, 11, 19)).moved == ()
    balanced(books)


def test_late_hour_of_a_year_that_was_billed_in_advance_is_listed_and_costs_nothing(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-05-20")], products=PRODUCTS, start="2026-05-01")
    stated = {"every": "year", "in_advance": True, "part_periods": "days", "amount": Decimal("1200.00")}
    agree(books, start=date(2026, 5, 15), end=date(2026, 10, 31), **stated)
    books.draft(date(2026, 10, 31))
    (year,) = post_all(books)
    # 15 May to 31 October are 170 of 365 days
    assert totals(year) == ("558.90", "117.37", "676.27")
    books.control.put_entries(entry(2, "2026-06-10", seconds=9 * HOUR))
    books.sync()
    assert books.draft(date(2026, 11, 19)).moved == ()
    assert covers(books) == {"2026-01": [1, 2]}
    assert len(books.control.orders()) == 1
    balanced(books)


def test_hour_that_was_billed_and_then_comes_into_the_scope_is_not_covered_as_well(scene: Make) -> None:
    books = scene(entries=[entry(1, project_id=BAKERY_PROJECT)], products=PRODUCTS)
    october(books)
    books.draft(date(2026, 10, 30))
    (bakery,) = post_all(books)
    assert totals(bakery) == ("95.00", "19.95", "114.95")
    books.control.put_entries(entry(1, project_id=GARAGE_PROJECT))
    books.sync()
    # it stays billed to the bakery until a person decides, and the garage pays its fee
    correction = Correction.objects.get()
    assert (correction.decision, correction.invoice) == ("open", bakery)
    assert books.states() == {ids(1)[0]: "invoiced"}
    books.draft()
    (garage,) = post_all(books)
    assert bill(garage) == [("fee", "Flat fee · Keeping the books · October 2026", "1.00", "250.00")]
    assert covers(books) == {}
    balanced(books)


def test_agreement_that_is_made_over_hours_which_are_billed_covers_the_others_alone(scene: Make) -> None:
    books = scene(entries=[entry(1)], products=PRODUCTS)
    books.draft(date(2026, 10, 30))
    (hours,) = post_all(books)
    october(books)
    books.control.put_entries(entry(2, "2026-10-06"))
    books.sync()
    assert [books.states()[pk] for pk in ids(1, 2)] == ["invoiced", "covered"]
    books.draft()
    (fee,) = post_all(books)
    assert (totals(hours), totals(fee)) == (("95.00", "19.95", "114.95"), ("250.00", "52.50", "302.50"))
    assert covers(books) == {"2026-10": [2]}
    assert not Correction.objects.exists()
    balanced(books)


@pytest.mark.slow
def test_rate_of_the_advances_product_that_changed_before_the_settlement(scene: Make) -> None:
    """What was billed is taken off at the rate at which it was billed; what comes later has the new one and is kept
    where no hour has it."""
    books = scene(entries=[entry(1, seconds=10 * HOUR)], products=ADVANCES)
    agree(books, kind="advance", product="PROV", settle_on="10-31", end=date(2026, 10, 31))
    books.draft(date(2026, 8, 31))
    (september,) = post_all(books)
    assert totals(september) == ("250.00", "52.50", "302.50")
    books.control.put_billit("products", product(4, "PROV", "Advance", "1.00", vat="6.00"))
    books.sync()
    books.draft(date(2026, 9, 30))
    (month,) = post_all(books)
    assert totals(month) == ("250.00", "15.00", "265.00")
    drafting = books.draft()
    assert [(each.period, each.reason) for each in drafting.plan.withheld] == [(date(2026, 10, 1), "advance_other_vat")]
    (settled,) = post_all(books)
    assert [(line.kind, str(line.vat_rate), str(line.total)) for line in settled.lines.order_by("position")] == [
        ("hours", "21.00", "950.00"),
        ("deduction", "21.00", "-250.00"),
    ]
    assert totals(settled) == ("700.00", "147.00", "847.00")
    assert [row.amount for row in Deduction.objects.live()] == [Decimal("250.00")]
    balanced(books)
