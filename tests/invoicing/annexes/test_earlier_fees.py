"""Hours that a fee in advance covers are worked after its invoice: the annex of the next one lists them, each once."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.utils import timezone

from invoicing.corrections import fees
from invoicing.drafting import runs
from invoicing.models import Annex, Claim, Invoice
from invoicing.posting import post as posting
from tests.invoicing.agreements.agreed import HOUR, PRODUCTS, agree, balanced, covers
from tests.invoicing.annexes.conftest import frozen
from tests.invoicing.scene import BY, Scene
from tests.worlds import BAKERY_PROJECT, entry

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
SEPTEMBER = "Hours covered by an earlier fee: Flat fee · Keeping the books · September 2026 (invoice {})"


def billed(books: Scene, through: date) -> Invoice:
    """What a run through this day bills, with its annex at Billit."""
    books.draft(through)
    (invoice,) = books.approve()
    assert frozen(invoice) == {}
    return books.post(invoice)


def rows(invoice: Invoice) -> list[list[str]]:
    text = bytes(Annex.objects.get(invoice=invoice).csv).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))[1:]


def listed(*invoices: Invoice) -> list[list[str]]:
    """The hours on the annex of each, by their texts."""
    return [[row[4] for row in rows(each) if row[2]] for each in invoices]


def work(serial: int, day: str, seconds: int = HOUR) -> dict[str, object]:
    return entry(serial, day, seconds=seconds)


def test_hours_of_a_month_in_advance_are_listed_with_the_next_fee(scene: Make, quick: list[str]) -> None:
    books = scene(
        entries=[work(1, "2026-09-10"), work(2, "2026-09-11", 1800), work(3, "2026-10-12")],
        products=PRODUCTS,
        annex=True,
    )
    agree(books, in_advance=True, end=date(2026, 10, 31))
    september = billed(books, date(2026, 8, 31))
    october = billed(books, date(2026, 9, 30))
    title = SEPTEMBER.format(september)
    assert rows(october) == [
        ["1", "Flat fee · Keeping the books · October 2026", "", "", "Total of line 1", "0:00:00", "", "0.00"],
        ["", "", "", "", "Total", "0:00:00", "", "0.00"],
        ["", title, "10/09/2026", "Odile Verkansel", "Work 1", "1:00:00", "1:00:00", ""],
        ["", title, "11/09/2026", "Odile Verkansel", "Work 2", "0:30:00", "0:30:00", ""],
        ["", title, "", "", "Total, billed with that fee", "1:30:00", "", ""],
    ]
    page = quick[-1]
    assert page.index("Total</td>") < page.index("Hours covered by an earlier fee") < page.index("Work 1")
    # The agreement is over, and nothing else is billed: October's hours are on no annex, and stay shown as its hours.
    assert books.draft(date(2026, 11, 19)).moved == ()
    assert covers(books) == {"2026-09": [1, 2], "2026-10": [3]}
    assert listed(september, october) == [[], ["Work 1", "Work 2"]]
    assert [claim.listed_on for claim in Claim.objects.order_by("day")] == [october, october, None]
    balanced(books)


@pytest.mark.slow
def test_last_hours_of_an_agreement_are_listed_on_the_next_invoice_of_its_customer(
    scene: Make, quick: list[str]
) -> None:
    worked = [work(1, "2026-10-10"), work(2, "2026-11-10"), entry(3, "2026-11-12", tag="CPT")]
    books = scene(entries=worked, products=PRODUCTS, annex=True)
    made = agree(books, in_advance=True, products=("ADV",), start=date(2026, 10, 1), end=date(2026, 11, 30))
    october, november = billed(books, date(2026, 9, 30)), billed(books, date(2026, 10, 31))
    books.control.put_entries(work(4, "2026-10-20"))
    books.sync()
    # While the agreement runs, another invoice of its customer lists none of its hours.
    by_the_hour = billed(books, date(2026, 11, 15))
    assert listed(october, november, by_the_hour) == [[], ["Work 1"], ["Work 3"]]
    books.at(datetime(2026, 12, 8, 9, tzinfo=UTC))
    later = [entry(5, "2026-12-01", tag="CPT"), entry(6, "2026-12-01", project_id=BAKERY_PROJECT)]
    books.control.put_entries(*later)
    books.sync()
    books.draft(date(2026, 12, 7))
    bakery, garage = sorted(books.approve(), key=lambda invoice: invoice.customer_name)
    assert not garage.lines.filter(agreement=made).exists()
    assert frozen(bakery, garage) == {}
    assert listed(bakery, garage) == [["Work 6"], ["Work 5", "Work 4", "Work 2"]]
    titles = dict.fromkeys(row[1] for row in rows(garage)[3:])
    assert list(titles) == [
        f"Hours covered by an earlier fee: Flat fee · Keeping the books · {month} 2026 (invoice {invoice})"
        for month, invoice in (("October", october), ("November", november))
    ]
    # Dropped, it leaves them to the one after it; each is on one annex.
    runs.void(invoice=garage, by=BY, now=timezone.now())
    again = billed(books, date(2026, 12, 7))
    assert listed(again) == [["Work 5", "Work 4", "Work 2"]]
    covered = Claim.objects.live().covered().order_by("day")
    assert [claim.listed_on for claim in covered] == [november, again, again]
    balanced(books)


@pytest.mark.slow
def test_late_hour_is_listed_with_the_next_line_and_a_dropped_invoice_lists_nothing(
    scene: Make, quick: list[str]
) -> None:
    books = scene(entries=[work(1, "2026-09-10")], products=PRODUCTS, annex=True)
    agree(books, in_advance=True, included_hours=Decimal(1), extra_product="ADV")
    september = billed(books, date(2026, 8, 31))
    books.draft(date(2026, 9, 30))
    (october,) = books.approve()
    assert frozen(october) == {}
    assert listed(october) == [["Work 1"]]
    runs.void(invoice=october, by=BY, now=timezone.now())
    assert Claim.objects.live().get().listed_on is None
    # An hour of September that came late is beyond the one included.
    books.control.put_entries(work(2, "2026-09-30"))
    books.sync()
    october = billed(books, date(2026, 9, 30))
    assert [line.kind for line in october.lines.order_by("position")] == ["fee", "extra"]
    assert listed(september, october) == [[], ["Work 1", "Work 2"]]
    books.control.put_entries(work(3, "2026-09-29"), work(4, "2026-10-01", 1800))
    books.sync()
    november = billed(books, date(2026, 10, 31))
    assert listed(september, october, november) == [[], ["Work 1", "Work 2"], ["Work 3", "Work 4"]]
    assert "Flat fee" in quick[-1]
    balanced(books)


@pytest.mark.slow
def test_quarter_and_a_fee_that_is_credited_and_billed_anew(scene: Make, quick: list[str]) -> None:
    books = scene(
        entries=[work(1, "2026-07-10"), work(2, "2026-09-30")], products=PRODUCTS, annex=True, start="2026-07-01"
    )
    agree(books, in_advance=True, every="quarter", start=date(2026, 7, 1))
    third = billed(books, date(2026, 6, 30))
    fourth = billed(books, date(2026, 9, 30))
    assert listed(third, fourth) == [[], ["Work 1", "Work 2"]]
    # The fee of the third quarter is given back and billed anew: its hours are on that line, and on its annex.
    books.read_back()
    sent = books.send(posting.fresh(third))
    note = fees.credit_lines(invoice=sent, lines=[third.lines.get().pk], by=BY, now=timezone.now())
    books.approve(note)
    assert frozen(note) == {}
    books.post(note)
    anew = billed(books, date(2026, 10, 1))
    assert listed(note, anew) == [[], ["Work 1", "Work 2"]]
    assert {claim.listed_on for claim in Claim.objects.live().covered()} == {anew}
    assert covers(books) == {"2026-07": [1, 2]}
    balanced(books)


def test_hours_in_arrears_are_listed_on_their_own_fee_alone(scene: Make, quick: list[str]) -> None:
    books = scene(entries=[work(1, "2026-09-10"), work(2, "2026-10-12")], products=PRODUCTS, annex=True)
    agree(books)
    september, october = billed(books, date(2026, 9, 30)), billed(books, date(2026, 10, 31))
    assert listed(september, october) == [["Work 1"], ["Work 2"]]
    assert not any("earlier fee" in page for page in quick)
