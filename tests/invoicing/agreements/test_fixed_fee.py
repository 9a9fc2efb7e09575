"""Fixed fees as an accountant would reckon them, every figure to the cent, against the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest

from tests.invoicing.agreements.agreed import (
    HOUR,
    PRODUCTS,
    agree,
    balanced,
    bill,
    covers,
    post_all,
    totals,
)
from tests.invoicing.scene import Scene, ids
from tests.worlds import BAKERY_NUMBER, BAKERY_PROJECT, entry

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]

QUARTER = [
    entry(1, "2026-09-10", seconds=4 * HOUR),
    entry(2, "2026-10-06", seconds=5 * HOUR),
    entry(3, "2026-10-20", seconds=2 * HOUR + 1800),
    entry(4, "2026-11-03", seconds=6 * HOUR),
]


@pytest.mark.slow
def test_monthly_in_advance_with_extras_over_a_quarter(scene: Make) -> None:
    books = scene(entries=QUARTER, products=PRODUCTS)
    agree(books, in_advance=True, included_hours=Decimal(5), extra_product="ADV")
    assert set(books.states().values()) == {"covered"}

    # 1 September: September's fee
    books.draft(date(2026, 8, 31))
    (september,) = post_all(books)
    assert bill(september) == [("fee", "Flat fee · Keeping the books · September 2026", "1.00", "250.00")]
    assert totals(september) == ("250.00", "52.50", "302.50")
    assert (september.period_from, september.period_till) == (date(2026, 9, 1), date(2026, 9, 30))

    # 1 October: October's fee; the 4 hours of September are within the 5, and are listed on September's fee
    books.draft(date(2026, 9, 30))
    (october,) = post_all(books)
    assert bill(october) == [("fee", "Flat fee · Keeping the books · October 2026", "1.00", "250.00")]
    assert covers(books) == {"2026-09": [1]}

    # 1 November: November's fee, and the 2.5 hours of October beyond 5 at 95.00
    books.draft(date(2026, 10, 31))
    (november,) = post_all(books)
    assert bill(november) == [
        ("fee", "Flat fee · Keeping the books · November 2026", "1.00", "250.00"),
        ("extra", "Advice · Keeping the books · October 2026 · beyond the 5 hours included", "2.50", "237.50"),
    ]
    assert totals(november) == ("487.50", "102.38", "589.88")
    assert (november.period_from, november.period_till) == (date(2026, 10, 1), date(2026, 11, 30))
    assert covers(books) == {"2026-09": [1], "2026-10": [2, 3]}

    # an hour of October that came late makes one more extra hour, and is listed on October's fee, which is posted
    books.control.put_entries(entry(5, "2026-10-29"))
    books.sync()
    books.draft(date(2026, 11, 19))
    (late,) = post_all(books)
    assert bill(late) == [
        ("extra", "Advice · Keeping the books · October 2026 · beyond the 5 hours included", "1.00", "95.00")
    ]
    assert late.lines.get().is_late
    assert totals(late) == ("95.00", "19.95", "114.95")
    assert covers(books) == {"2026-09": [1], "2026-10": [2, 3, 5]}

    # nothing is left to do, and fewer hours take nothing back
    books.control.delete_entries(*ids(5))
    books.sync()
    assert books.draft(date(2026, 11, 19)).moved == ()
    assert set(books.states().values()) == {"covered", "deleted"}
    balanced(books)
    assert len(books.control.orders()) == 4


def test_yearly_cut_by_a_start_in_may_by_days(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-05-20")], products=PRODUCTS, start="2026-05-01")
    agree(
        books,
        start=date(2026, 5, 15),
        every="year",
        in_advance=True,
        part_periods="days",
        amount=Decimal("1200.00"),
    )
    books.draft(date(2026, 5, 13))
    assert not books.invoices()
    books.draft(date(2026, 5, 14))
    (invoice,) = books.invoices()
    # 231 of 365 days
    assert bill(invoice) == [
        ("fee", "Flat fee · Keeping the books · 15/05/2026 – 31/12/2026", "1.00", "759.45"),
    ]
    assert totals(invoice) == ("759.45", "159.48", "918.93")
    balanced(books)


def test_quarter_in_arrears_is_billed_with_its_last_day_and_lists_its_hours(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-09-29", seconds=900), entry(2, "2026-10-01")], products=PRODUCTS)
    agree(books, every="quarter", amount=Decimal("600.00"), start=date(2026, 7, 1))
    books.draft(date(2026, 9, 29))
    assert not books.invoices()
    books.draft(date(2026, 9, 30))
    (invoice,) = post_all(books)
    assert bill(invoice) == [("fee", "Flat fee · Keeping the books · July – September 2026", "1.00", "600.00")]
    assert covers(books) == {"2026-07": [1]}
    (line,) = invoice.lines.all()
    assert line.seconds == 0
    (order,) = books.asked("POST", "/v1/orders")
    assert [(row["Unit"], row["Quantity"], row["UnitPriceExcl"]) for row in order["body"]["OrderLines"]] == [
        ("C62", 1, 600)
    ]
    balanced(books)


def test_once_in_arrears_is_billed_on_its_last_day_and_never_again(scene: Make) -> None:
    books = scene(entries=[entry(1)], products=PRODUCTS)
    agree(books, every="once", end=date(2026, 10, 15), amount=Decimal("1500.00"))
    books.draft(date(2026, 10, 14))
    assert not books.invoices()
    books.draft(date(2026, 10, 15))
    (invoice,) = post_all(books)
    assert bill(invoice) == [("fee", "Flat fee · Keeping the books · 01/09/2026 – 15/10/2026", "1.00", "1500.00")]
    books.draft(date(2026, 11, 19))
    assert len(books.invoices()) == 1
    balanced(books)


def test_customer_with_a_fee_for_one_product_and_hours_for_another(scene: Make) -> None:
    books = scene(
        entries=[
            entry(1, seconds=3 * HOUR),
            entry(2, "2026-10-06", seconds=7 * HOUR, tag="Books"),
            entry(3, "2026-10-07", project_id=BAKERY_PROJECT),
        ],
        products=PRODUCTS,
    )
    agree(books, products=("cpt",), amount=Decimal("180.00"), start=date(2026, 10, 1))
    assert [books.states()[pk] for pk in ids(1, 2, 3)] == ["open", "covered", "open"]
    books.draft()
    bakery, garage = books.invoices()
    assert bill(bakery) == [("hours", "Advice", "1.00", "95.00")]
    # 3 x 95.00 and the fee: 465.00
    assert bill(garage) == [
        ("fee", "Flat fee · Keeping the books · October 2026", "1.00", "180.00"),
        ("hours", "Advice", "3.00", "285.00"),
    ]
    assert totals(garage) == ("465.00", "97.65", "562.65")
    assert covers(books) == {"2026-10": [2]}
    balanced(books)


def test_agreement_by_number_makes_an_invoice_of_a_customer_without_hours(scene: Make) -> None:
    books = scene(entries=[], products=PRODUCTS)
    agree(books, client_id=None, number=BAKERY_NUMBER, start=date(2026, 10, 1), amount=Decimal("0.00"))
    books.draft()
    (invoice,) = post_all(books)
    assert (invoice.customer_name, totals(invoice)) == ("Bakery Deeg BV", ("0.00", "0.00", "0.00"))
    assert invoice.status == "posted"
