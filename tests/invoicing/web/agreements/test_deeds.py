"""What a person does with an agreement, each one click from it: settle, give back, order a block, bring in."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from invoicing.models import BroughtOrder, Invoice
from tests.invoicing.agreements.agreed import ADVANCES, HOUR, agree, bill, post_all, prepaid
from tests.invoicing.agreements.by_billit import invoice_at_billit
from tests.invoicing.scene import Scene
from tests.invoicing.web.test_every_page import MOST_QUERIES
from tests.visitors import signed_in, text, words
from tests.worlds import BAKERY, entry

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


def read_on(visitor: Client, address: str, place: int = 0) -> str:
    """What a form of a page carries as read."""
    page = visitor.get(address).content.decode()
    return str(re.findall(r'name="?read"? value="?([^" >]+)', page)[place])


def said(visitor: Client, address: str, **fields: object) -> str:
    """What a page says after a deed."""
    return words(visitor.post(address, fields, follow=True).content)


@pytest.mark.slow
def test_provisions_are_brought_in_settled_and_given_back(scene: Make) -> None:
    books = scene(entries=[entry(1, seconds=2 * HOUR)], products=ADVANCES)
    agreement = agree(books, kind="advance", product="PROV", start=date(2026, 9, 1))
    own = f"/dossiers/{books.dossier.key}/agreements/{agreement.pk}/"
    visitor = signed_in(books.firm)
    listed = text(visitor, f"/dossiers/{books.dossier.key}/agreements/")
    for link in ("Settle now", "What is left, give back", "Billed by Billit itself"):
        assert link in listed
    first, second = invoice_at_billit("2026-09-02"), invoice_at_billit("2026-10-01", "100.00")
    # Billit is asked only when somebody wants to see
    asked = len(books.asked("GET", "/v1/orders"))
    assert "Nothing is brought in yet." in text(visitor, f"{own}billit/")
    assert len(books.asked("GET", "/v1/orders")) == asked
    page = f"{own}billit/?look=1"
    shown = visitor.get(page).content.decode()
    chosen = re.findall(r'<option value="?([-0-9]+)"? selected', shown)
    assert sorted(chosen) == ["2026-09-01", "2026-10-01"]
    stated = {"read": read_on(visitor, page), f"for-{first}": "2026-09-01", f"for-{second}": "2026-10-01"}
    assert "Choose at least one order" in said(visitor, f"{own}billit/bring/", **stated)
    done = said(visitor, f"{own}billit/bring/", order=[first, second], **stated)
    assert "2 invoices of Billit’s are brought in" in done
    assert "brought in already" in text(visitor, page)
    shown = text(visitor, f"/dossiers/{books.dossier.key}/agreements/")
    assert "and € 350.00 by Billit itself" in shown
    assert "Next € 250.00 1 Nov 2026, due" in shown
    assert "What it bills first 1 Nov 2026" in text(visitor, own)
    ended = visitor.post(f"{own}end/", {"last_day": "2026-10-31", "look": "1"}, headers={"HX-Request": "true"})
    assert "2.00 h are on account until then: they are settled with that day" in words(ended.content)
    assert "what is left of the advances, € 350.00 so far, is deducted." in words(ended.content)
    # 2 h at 95.00: 190.00 of September's 250.00
    assert "€ 60.00" not in text(visitor, f"{own}left/")
    with CaptureQueriesContext(connection) as queries:
        shown = text(visitor, f"{own}settle/?through=2026-10-31")
    assert len(queries) <= MOST_QUERIES
    assert "of 02/09/2026 -1.00 − € 190.00" in shown
    assert "2.00 h on account are worth € 190.00 excl. VAT. Advances of € 190.00 are deducted" in shown
    assert "the oldest first: € 0.00 is billed of them." in shown
    read = read_on(visitor, f"{own}settle/?through=2026-10-31")
    assert "The settlement is drafted" in said(visitor, f"{own}settle/", through="2026-10-31", read=read)
    (draft,) = Invoice.objects.filter(status="draft")
    # The day after the cut-off is that of November's advance.
    assert [line[3] for line in bill(draft)] == ["250.00", "190.00", "-190.00"]
    # 60.00 of September's and 100.00 of October's; November's is no order yet
    shown = text(visitor, f"{own}left/")
    assert "€ 60.00" in shown
    assert "€ 160.00 is left of the advances that Billit has." in shown
    assert "Together € 600.00 € 160.00" in shown
    row = BroughtOrder.objects.get(order_id=first)
    refused = said(visitor, f"{own}billit/{row.pk}/let-go/", read=read_on(visitor, f"{own}billit/", 1))
    assert "deducts order" in refused
    # November's is our own: sent, it is given back
    (advance,) = [books.send(invoice) for invoice in post_all(books)]
    line = advance.lines.get(kind="advance")
    given = said(visitor, f"{own}left/{line.pk}/give-back/", read=read_on(visitor, f"{own}left/"))
    assert "A credit note for what is left of the advance is drafted" in given
    assert Invoice.objects.get(kind="credit_note").total_excl == line.total


@pytest.mark.slow
def test_invoice_of_a_billed_period_is_offered_with_what_bills_it(scene: Make) -> None:
    books = scene(entries=[], products=ADVANCES)
    agreement = agree(books, amount=Decimal("250.00"), end=date(2026, 10, 31))
    books.draft(date(2026, 10, 31))
    (own,) = post_all(books)
    order = invoice_at_billit("2026-11-02")
    visitor = signed_in(books.firm)
    page = f"/dossiers/{books.dossier.key}/agreements/{agreement.pk}/billit/"
    shown = visitor.get(f"{page}?look=1").content.decode()
    assert f"October 2026 is billed already by {own}: look whether" in words(shown.encode())
    assert "choose its period" in shown
    stated = {"read": read_on(visitor, f"{page}?look=1"), "order": order, f"for-{order}": ""}
    assert "which period of the fee it bills" in said(visitor, f"{page}bring/", **stated)
    assert not BroughtOrder.objects.exists()


def test_block_is_ordered_from_its_agreement(scene: Make) -> None:
    books = scene(entries=[], products=ADVANCES)
    agreement = prepaid(books, client_id=BAKERY)
    own = f"/dossiers/{books.dossier.key}/agreements/{agreement.pk}/"
    visitor = signed_in(books.firm)
    assert "20.00 hours at € 85.00 are € 1,700.00" in text(visitor, f"{own}block/")
    read = read_on(visitor, f"{own}block/")
    assert "The block is drafted" in said(visitor, f"{own}block/", read=read)
    assert "A block of agreement garage waits already" in said(visitor, f"{own}block/", read=read)
    assert visitor.get(f"{own}settle/").status_code == 404
    (invoice,) = post_all(books)
    shown = text(visitor, f"{own}left/")
    assert f"{invoice} 20.00 h 20.00 h" in shown
    assert "20.00 h are left of the blocks that Billit has." in shown


@pytest.mark.slow
def test_hours_stand_beside_the_fee_that_billit_billed(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-09-10", seconds=3 * HOUR), entry(2)], products=ADVANCES)
    agreement = agree(books)
    own = f"/dossiers/{books.dossier.key}/agreements/{agreement.pk}/"
    visitor = signed_in(books.firm)
    september, october = invoice_at_billit("2026-09-30"), invoice_at_billit("2026-10-31", "95.00")
    stated = {"read": read_on(visitor, f"{own}billit/?look=1"), "order": [september, october]}
    stated |= {f"for-{september}": "2026-09-01", f"for-{october}": "2026-10-01"}
    assert "2 invoices" in said(visitor, f"{own}billit/bring/", **stated)
    shown = text(visitor, f"{own}billit/")
    # 3 h at 95.00 against 250.00, and 1 h against 95.00
    assert "3.00 h € 285.00 over by € 35.00" in shown
    assert "1.00 h € 95.00 Covered by the fee" in shown


@pytest.mark.slow
def test_settlement_is_drafted_as_it_was_shown_or_not_at_all(scene: Make) -> None:
    books = scene(entries=[entry(1, seconds=2 * HOUR)], products=ADVANCES)
    agreement = agree(books, kind="advance", product="PROV", every="year")
    books.draft(date(2026, 9, 30))
    post_all(books)
    own = f"/dossiers/{books.dossier.key}/agreements/{agreement.pk}/"
    visitor = signed_in(books.firm)
    shown = read_on(visitor, f"{own}settle/?through=2026-10-31")
    # what was read of another day is none of this one
    stated = {"through": "2026-10-30", "read": shown}
    assert visitor.post(f"{own}settle/", stated).status_code == 400
    books.control.put_entries(entry(2, "2026-10-20"))
    books.sync()
    stated = {"through": "2026-10-31", "read": shown}
    answer = visitor.post(f"{own}settle/", stated)
    assert answer.status_code == 409
    told = words(answer.content)
    # 2 h at 95.00 became 3 h, and so did what is taken off the advance
    for figure in ("190.00", "285.00", "-190.00", "-250.00"):
        assert figure in told.replace("− € ", "-"), figure
    agreement.refresh_from_db()
    assert (agreement.settled_through, Invoice.objects.filter(status="draft").count()) == (None, 0)
    (anew,) = re.findall(r'name="?read"? value="?([^" >]+)', answer.content.decode())
    assert "The settlement is drafted" in said(visitor, f"{own}settle/", through="2026-10-31", read=anew)
    (draft,) = Invoice.objects.filter(status="draft")
    assert [line[3] for line in bill(draft)] == ["285.00", "-250.00"]
