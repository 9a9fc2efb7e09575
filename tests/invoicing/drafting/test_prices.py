"""A price was raised after the work: the draft says so, and one click bills the hours at the price of their day."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.utils import timezone

from invoicing.drafting.changing import prices
from invoicing.models import Claim, Invoice, LedgerRow
from tests.invoicing.scene import BY, Scene, bill, ids
from tests.visitors import read_of, signed_in
from tests.worlds import entry
from toggbill.firms.errors import Changed, NotPossible
from toggbill.firms.read import Read

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
ADVICE = 60_001


def raised(scene: Make, price: int = 99) -> Scene:
    """Two hours of October, and a price that is raised on 21 November."""
    books = scene(entries=[entry(1), entry(2)])
    books.later(days=1)
    books.control.put_billit("products", {"ProductID": ADVICE, "AmountExcl": price})
    books.sync()
    return books


def drafted(books: Scene) -> Invoice:
    books.draft()
    return books.invoices().get()


def click(invoice: Invoice, read: Read | None = None) -> Invoice:
    return prices.bill_at_their_day(invoice=invoice, by=BY, now=timezone.now(), read=read)


def test_a_draft_says_what_todays_price_makes_of_earlier_hours(scene: Make) -> None:
    invoice = drafted(raised(scene))
    assert bill(invoice) == [("Advice", Decimal("2.00"), Decimal("198.00"), ids(1, 2))]
    assert (invoice.earlier_seconds, invoice.earlier_difference, invoice.at_their_day) == (7200, Decimal("8.00"), False)
    assert invoice.total_excl == Decimal("198.00")


def test_a_draft_without_a_change_of_price_says_nothing(scene: Make) -> None:
    invoice = drafted(scene(entries=[entry(1)]))
    assert (invoice.earlier_seconds, invoice.earlier_difference) == (0, Decimal(0))
    with pytest.raises(NotPossible, match="no draft with hours from before a price changed"):
        click(invoice)


@pytest.mark.slow
def test_one_click_bills_them_at_the_price_of_their_day_and_it_stays_so(scene: Make) -> None:
    books = raised(scene)
    invoice = click(drafted(books))
    assert bill(invoice) == [("Advice", Decimal("2.00"), Decimal("190.00"), ids(1, 2))]
    invoice.refresh_from_db()
    assert (invoice.status, invoice.at_their_day, invoice.earlier_difference) == ("draft", True, Decimal("8.00"))
    assert (invoice.total_excl, invoice.total_incl) == (Decimal("190.00"), Decimal("229.90"))
    assert set(books.states().values()) == {"drafted"}
    event = books.events("invoice_drafted")[-1]
    assert (event.data["redrawn"], event.data["at_their_day"], event.data["total_excl"]) == (True, True, "190.00")
    with pytest.raises(NotPossible):
        click(invoice)
    assert books.draft().moved == ()
    books.control.put_entries(entry(3))
    books.sync()
    books.draft()
    assert bill(invoice) == [("Advice", Decimal("3.00"), Decimal("285.00"), ids(1, 2, 3))]
    (approved,) = books.approve()
    assert books.post(approved).status == "posted"
    assert Claim.objects.live().count() == 3


def test_it_is_done_on_what_was_read(scene: Make) -> None:
    books = raised(scene)
    invoice = drafted(books)
    read = Read.unpack(read_of(invoice))
    books.control.put_entries(entry(3))
    books.sync()
    books.draft()
    with pytest.raises(Changed):
        click(invoice, read)
    assert not books.invoices().get().at_their_day


def test_hours_that_changed_since_are_drafted_again_first(scene: Make) -> None:
    books = raised(scene)
    invoice = drafted(books)
    books.control.put_entries(entry(1, seconds=5400))
    books.sync()
    with pytest.raises(NotPossible, match="draft again first"):
        click(invoice)
    assert bill(invoice) == [("Advice", Decimal("2.00"), Decimal("198.00"), ids(1, 2))]


def test_a_dossier_of_the_day_of_the_work_bills_and_values_the_price_of_that_day(scene: Make) -> None:
    books = raised(scene)
    books.rules(price_day="work")
    books.control.put_entries(entry(3, "2026-11-21"))
    books.sync()
    assert [
        f"{price:.2f}" for price in LedgerRow.objects.order_by("entry__remote_id").values_list("price", flat=True)
    ] == [
        "95.00",
        "95.00",
        "99.00",
    ]
    # Late enough for the hour of that day to be over.
    books.draft(books.later(hours=12).date())
    invoice = books.invoices().get()
    assert sorted((line.quantity, line.unit_price) for line in invoice.lines.all()) == [
        (Decimal("1.00"), Decimal("99.00")),
        (Decimal("2.00"), Decimal("95.00")),
    ]
    assert invoice.earlier_seconds == 0


def test_the_page_offers_the_click(scene: Make) -> None:
    books = raised(scene)
    invoice = drafted(books)
    browser = signed_in(books.firm)
    page = browser.get(f"/invoices/{invoice.reference}/").content.decode()
    assert "from before a price changed and are billed at today’s price" in " ".join(page.split())
    assert "Bill them at the price of their day" in page
    done = browser.post(f"/invoices/{invoice.reference}/at-their-day/", {"read": read_of(invoice)}, follow=True)
    page = " ".join(done.content.decode().split())
    assert "are billed at the price of their day" in page
    assert "Bill them at the price of their day" not in page
    assert books.invoices().get().at_their_day
