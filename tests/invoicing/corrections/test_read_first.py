"""Billit's order is read before it is replaced, credited or taken off the next invoice (design D13)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from invoicing.corrections import decide, replace
from invoicing.models import Drift, Invoice
from invoicing.posting import post as posting
from tests.invoicing.after_billing import bill_next, changed, correction, prove
from tests.invoicing.agreements.by_billit import invoice_at_billit
from tests.invoicing.corrections.crediting import credit, post, sent
from tests.invoicing.scene import BY, Scene, ids
from tests.worlds import BAKERY_PARTY, entry
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
NOVEMBER = date(2026, 11, 20)
SMALLER = {"TotalExcl": 90.00, "TotalVAT": 18.90, "TotalIncl": 108.90}


def change(books: Scene, invoice: Invoice, **fields: Any) -> None:
    books.control.change_order(invoice.order_id or 0, **fields)


def billed(books: Scene) -> Invoice:
    """The only invoice, posted and read back, not sent."""
    invoice = books.posted()
    books.read_back()
    return posting.fresh(invoice)


def standing(invoice: Invoice) -> list[str]:
    rows = Drift.objects.standing().filter(reference=invoice.reference, kind__startswith="order_")
    return list(rows.values_list("kind", flat=True))


@pytest.mark.slow
def test_an_hour_of_an_order_that_was_sent_in_billit_is_credited(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2)])
    invoice = billed(books)
    change(books, invoice, IsSent=True, OrderStatus="ToPay")
    note = credit(1)
    assert (note.status, posting.fresh(invoice).delivery) == ("draft", "sent")
    assert post(books, note).status == "posted"
    prove(books)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (SMALLER, r"amounts to 108\.90 there, to 459\.80 here"),
        ({"TotalExcl": 950.0, "TotalVAT": 199.5, "TotalIncl": 1149.5}, r"amounts to 1149\.50 there"),
        ({"_customer": BAKERY_PARTY}, f"party {BAKERY_PARTY} there"),
    ],
    ids=["less", "more", "customer"],
)
def test_nothing_of_a_changed_order_is_credited(scene: Make, changes: dict[str, Any], says: str) -> None:
    books = scene(entries=[entry(n) for n in range(4)])
    invoice = sent(books)
    change(books, invoice, **changes)
    with pytest.raises(NotPossible, match=says):
        credit(0, 1, 2, 3, rebill=False)
    assert (standing(invoice), list(books.invoices(kind="credit_note"))) == (["order_changed"], [])


def test_a_credit_note_is_not_larger_than_what_the_order_has_left(scene: Make) -> None:
    """Billit's own first figures are smaller than ours: they are the legal ones."""
    books = scene(entries=[entry(n) for n in range(4)])
    invoice = books.posted()
    change(books, invoice, IsSent=True, **SMALLER)
    books.read_back()
    with pytest.raises(NotPossible, match=r"The credit note comes to 380\.00 excl\. VAT.*has 90\.00 left"):
        credit(0, 1, 2, 3, rebill=False)
    with pytest.raises(NotPossible, match=r"comes to 95\.00 excl\. VAT.*has 90\.00 left"):
        credit(0)
    assert list(books.invoices(kind="credit_note")) == []


@pytest.mark.slow
def test_credits_in_steps_come_to_no_more_than_the_order(scene: Make) -> None:
    books = scene(entries=[entry(n) for n in range(4)])
    invoice = books.posted()
    change(books, invoice, IsSent=True, TotalExcl=200.00, TotalVAT=42.00, TotalIncl=242.00)
    books.read_back()
    for serial in (0, 1):
        assert post(books, credit(serial, rebill=False)).status == "posted"
    with pytest.raises(NotPossible, match=r"comes to 95\.00 excl\. VAT.*has 10\.00 left"):
        credit(2)
    prove(books)


def credit_in_billit(invoice: Invoice, amount: str, **more: Any) -> int:
    """A person makes a credit note about an invoice in Billit itself; its order."""
    about = {"OrderType": "CreditNote", "AboutInvoiceNumber": invoice.order_number}
    return invoice_at_billit("2026-11-20", amount, OrderTitle="Avoir", **about | more)


def test_what_was_credited_in_billit_is_not_credited_again(scene: Make) -> None:
    """Four hours of 95.00, of which a person credited 300.00 in Billit: 80.00 are left."""
    books = scene(entries=[entry(n) for n in range(4)])
    invoice = sent(books)
    credit_in_billit(invoice, "300.00")
    # Of another invoice.
    invoice_at_billit("2026-11-20", "50.00", OrderType="CreditNote")
    with pytest.raises(NotPossible, match=r"comes to 95\.00 excl\. VAT.*has 80\.00 left"):
        credit(0, rebill=False)
    changed(books, entry(1, seconds=1800))
    with pytest.raises(NotPossible, match=r"has 80\.00 left"):
        decide.credit(correction=correction(), rebill=True, by=BY, now=timezone.now())
    assert list(books.invoices(kind="credit_note")) == []
    assert books.states()[ids(0)[0]] == "invoiced"


@pytest.mark.parametrize("rows", ["full", "bare"])
def test_a_credit_note_waits_when_a_person_credited_in_billit_meanwhile(scene: Make, rows: str) -> None:
    books = scene(entries=[entry(n) for n in range(4)])
    books.control.switch(billit_summary_rows=rows)
    invoice = sent(books)
    assert post(books, credit(0, rebill=False)).status == "posted"
    note = credit(1, 2, rebill=False)
    by_hand = credit_in_billit(invoice, "100.00")
    (approved,) = books.approve(note)
    with pytest.raises(NotPossible, match=r"comes to 190\.00 excl\. VAT.*has 185\.00 left"):
        books.post(approved)
    row = posting.fresh(note)
    assert (row.status, row.attention, row.post_requested_at) == ("approved", "credit_too_large", None)
    books.control.change_order(by_hand, Deleted=True)
    assert books.post(row).status == "posted"
    assert posting.fresh(note).attention == ""
    prove(books)


@pytest.mark.slow
def test_a_whole_order_is_credited_in_steps(scene: Make) -> None:
    books = scene(entries=[entry(n, seconds=1200) for n in range(3)])
    sent(books)
    for serial in range(3):
        assert post(books, credit(serial, rebill=False)).status == "posted"
    assert set(books.states().values()) == {"credited"}
    prove(books)


@pytest.mark.slow
def test_a_credit_note_waits_when_the_order_was_changed_since_it_was_drafted(scene: Make) -> None:
    books = scene(entries=[entry(n) for n in range(4)])
    invoice = sent(books)
    note = credit(0, 1, 2, 3, rebill=False)
    change(books, invoice, **SMALLER)
    (approved,) = books.approve(note)
    with pytest.raises(NotPossible, match=r"amounts to 108\.90 there"):
        books.post(approved)
    row = posting.fresh(note)
    assert (row.status, row.attention, row.post_requested_at) == ("approved", "order_was_changed", None)
    assert len(books.control.orders()) == 1
    change(books, invoice, TotalExcl=380.00, TotalVAT=79.80, TotalIncl=459.80)
    assert books.post(row).status == "posted"
    assert posting.fresh(note).attention == ""
    prove(books)


@pytest.mark.slow
def test_credit_notes_are_posted_together_with_one_reading(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, "2026-11-03")])
    first = sent(books)
    notes = [credit(1)]
    (approved,) = books.approve(*notes)
    books.control.clear_log()
    posting.post_together(invoices=[approved], by=BY, now=timezone.now())
    asked = [(row["method"], row["path"]) for row in books.control.log("billit")]
    assert asked == [("GET", f"/v1/orders/{first.order_id}"), ("POST", "/v1/orders")]


def test_a_changed_order_is_not_replaced(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = billed(books)
    changed(books, entry(1, seconds=7200))
    change(books, invoice, **SMALLER)
    with pytest.raises(NotPossible, match=r"amounts to 108\.90 there"):
        replace.replace(correction=correction(), by=BY, now=timezone.now())
    row = posting.fresh(invoice)
    assert (row.status, row.replacing_since, standing(row)) == ("posted", None, ["order_changed"])
    assert [order["Deleted"] for order in books.control.orders()] == [False]


def test_an_order_that_was_paid_meanwhile_is_not_replaced(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = billed(books)
    changed(books, entry(1, seconds=7200))
    change(books, invoice, Paid=True, PaidDate="2026-11-19T10:00:00")
    with pytest.raises(NotPossible, match="is paid: it is not replaced"):
        replace.replace(correction=correction(), by=BY, now=timezone.now())
    assert (posting.fresh(invoice).payment, len(books.events("invoice_paid"))) == ("paid", 1)


@pytest.mark.slow
def test_hours_of_a_deleted_order_are_not_taken_off_the_next_invoice(scene: Make) -> None:
    books = scene(entries=[entry(1, seconds=7200), entry(2)])
    invoice = billed(books)
    changed(books, entry(1, seconds=3600))
    change(books, invoice, Deleted=True)
    with pytest.raises(NotPossible, match="was deleted in Billit"):
        bill_next(correction())
    assert (correction().decision, standing(invoice)) == ("open", ["order_deleted"])
    change(books, invoice, Deleted=False)
    assert bill_next(correction()).decision == "next_invoice"
    assert standing(invoice) == []


@pytest.mark.slow
def test_hours_are_not_taken_off_when_their_order_was_deleted_since(scene: Make) -> None:
    books = scene(entries=[entry(1, seconds=7200), entry(2, "2026-11-05", seconds=7200)])
    invoice = billed(books)
    changed(books, entry(1, seconds=3600))
    bill_next(correction())
    books.draft(NOVEMBER)
    (approved,) = books.approve()
    change(books, invoice, Deleted=True)
    for _ in range(2):  # read as deleted, then held back by the finding
        with pytest.raises(NotPossible, match="was deleted in Billit"):
            books.post(approved)
    row = posting.fresh(approved)
    assert (row.status, row.attention, len(books.asked("POST", "/v1/orders"))) == ("approved", "order_was_deleted", 1)
    change(books, invoice, Deleted=False)
    assert (books.post(row).status, standing(invoice)) == ("posted", [])
    prove(books)


@pytest.mark.slow
def test_the_order_of_a_later_difference_is_read_before_it_is_credited(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    sent(books)
    later = books.send(_later(books))
    change(books, later, TotalExcl=40.00, TotalVAT=8.40, TotalIncl=48.40)
    with pytest.raises(NotPossible, match=r"amounts to 48\.40 there, to 57\.48 here"):
        credit(1)
    change(books, later, TotalExcl=47.50, TotalVAT=9.98, TotalIncl=57.48)
    note = credit(1)
    assert (note.total_excl, standing(later)) == (Decimal("142.50"), [])
    change(books, later, TotalExcl=40.00, TotalVAT=8.40, TotalIncl=48.40)
    (approved,) = books.approve(note)
    with pytest.raises(NotPossible, match=r"amounts to 48\.40 there"):
        books.post(approved)
    assert (posting.fresh(note).attention, len(books.asked("POST", "/v1/orders"))) == ("order_was_changed", 2)
    change(books, later, TotalExcl=47.50, TotalVAT=9.98, TotalIncl=57.48)
    assert books.post(posting.fresh(note)).status == "posted"
    prove(books)


@pytest.mark.slow
def test_a_later_difference_is_credited_with_no_more_than_its_own_order_has(scene: Make) -> None:
    """Billit's own first figures of the later invoice are smaller than ours, and stand as the legal ones."""
    books = scene(entries=[entry(1)])
    first = sent(books)
    later = _later(books, TotalExcl=40.00, TotalVAT=8.40, TotalIncl=48.40, IsSent=True)
    with pytest.raises(NotPossible, match=r"comes to 47\.50 excl\. VAT.*has 40\.00 left"):
        credit(1)
    assert (posting.fresh(first).excl, posting.fresh(later).excl) == (Decimal(95), Decimal(40))
    assert list(books.invoices(kind="credit_note")) == []


def _later(books: Scene, **fields: Any) -> Invoice:
    """Half an hour more of entry 1, on the next invoice: posted, changed so in Billit, then read back."""
    changed(books, entry(1, seconds=5400))
    bill_next(correction())
    books.draft(NOVEMBER)
    (approved,) = books.approve()
    invoice = books.post(approved)
    if fields:
        change(books, invoice, **fields)
    books.read_back()
    return posting.fresh(invoice)


@pytest.mark.slow
def test_an_order_that_is_deleted_counts_as_such_for_who_replaces_it(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = billed(books)
    changed(books, entry(1, seconds=7200))
    change(books, invoice, Deleted=True)
    assert books.command("reconcile", "--firm", books.firm.slug).code == 1
    (made,) = replace.replace(correction=correction(), by=BY, now=timezone.now())
    assert (made.status, posting.fresh(invoice).status, standing(invoice)) == ("approved", "void", [])
    prove(books)
