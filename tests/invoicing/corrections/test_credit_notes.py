"""Credit notes by entries of a sent invoice (design section 6): their amounts, one order, exactly these released."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from django.utils import timezone

from invoicing.corrections import decide
from invoicing.drafting import runs
from invoicing.ledger.states import decisions
from invoicing.management.invoice_json import as_json
from invoicing.models import Claim, Correction, Invoice, LedgerRow
from invoicing.posting import post as posting
from invoicing.web import figures
from tests.invoicing.after_billing import (
    accept,
    at_billit,
    bill,
    bill_next,
    changed,
    correction,
    deleted,
    ids,
    prove,
    row,
    said,
    the,
)
from tests.invoicing.corrections.crediting import QUARTER, Make, credit, live, post, sent
from tests.invoicing.scene import BY
from tests.worlds import BAKERY_PROJECT, entry
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db


NOVEMBER = date(2026, 11, 19)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("level", "billed", "credited"),
    [
        ("entry", "2.00", "0.25"),  # 1.00 + 0.25 + 0.75 h
        ("line", "1.75", "0.25"),  # 3600 + 500 + 1800 s = 5900 s; without it 5400 s are 1.50 h
    ],
)
def test_one_of_three_entries_of_a_line_is_credited(scene: Make, level: str, billed: str, credited: str) -> None:
    seconds = {1: 3600, 2: 500, 3: 2000 if level == "entry" else 1800}
    books = scene(
        entries=[entry(serial, seconds=each) for serial, each in seconds.items()], rounding=QUARTER | {"level": level}
    )
    invoice = sent(books)
    assert bill(invoice)[0][1] == Decimal(billed)
    note = credit(2)
    assert (note.kind, note.about, note.status, note.rebill) == ("credit_note", invoice, "draft", True)
    total = Decimal(credited) * 95
    assert bill(note) == [
        (f"Advice · Credit for invoice {invoice.order_number}", Decimal(credited), Decimal(95), total, 500)
    ]
    assert (note.total_excl, note.total_vat, note.total_incl) == (
        Decimal("23.75"),
        Decimal("4.99"),
        Decimal("28.74"),
    )
    assert set(books.states().values()) == {"invoiced"}
    prove(books)

    (approved,) = books.approve(note)
    prove(books)
    posted = books.post(approved)
    order = at_billit(books, posted)
    assert (posted.status, order["OrderType"], order["AboutInvoiceNumber"]) == (
        "posted",
        "CreditNote",
        invoice.order_number,
    )
    assert (order["TotalExcl"], order["TotalIncl"]) == (Decimal("23.75"), Decimal("28.74"))
    assert at_billit(books, invoice)["OrderStatus"] == "Credited"
    assert books.states() == {ids(1)[0]: "invoiced", ids(2)[0]: "open", ids(3)[0]: "invoiced"}
    assert live(invoice) == ids(1, 3)
    (event,) = books.events("invoice_credited")
    assert (event.subject, event.data) == (
        f"invoice {invoice.reference}",
        {"credit_note": note.reference, "entries": ids(2)},
    )
    assert bill(posting.fresh(invoice))[0][1] == Decimal(billed)
    prove(books)
    assert figures.proof([books.dossier]).holds

    books.draft(NOVEMBER)
    draft = books.invoices(status="draft").get()
    assert [(line[1], line[4]) for line in bill(draft)] == [(Decimal("0.25"), 500)]
    prove(books)


@pytest.mark.slow
def test_entries_of_a_credited_line_that_stay_make_the_line_alone(scene: Make) -> None:
    """Line level, up to hours: 3 x 2400 s are 2 h, 2 x 2400 s are 2 h too, one is 1 h."""
    books = scene(
        entries=[entry(serial, seconds=2400) for serial in (1, 2, 3)],
        rounding={"minutes": 60, "direction": "up", "level": "line", "minimum": 0},
    )
    invoice = sent(books)
    with pytest.raises(NotPossible, match=r"come to 0\.00 hours on line “Advice”"):
        credit(1)
    assert Invoice.objects.count() == 1
    first = post(books, credit(1, 2))
    assert bill(first)[0][1] == Decimal("1.00")
    prove(books)
    second = post(books, credit(3))
    assert bill(second)[0][1] == Decimal("1.00")
    assert (live(invoice), set(books.states().values())) == ([], {"open"})
    prove(books)


@pytest.mark.slow
def test_correction_credited_and_billed_again_with_the_hours_as_they_are(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2), entry(3, tag="Books")])
    invoice = sent(books)
    changed(books, entry(1, seconds=5400, project_id=BAKERY_PROJECT))
    note = decide.credit(correction=correction(), rebill=True, by=BY, now=timezone.now(), note="Wrong client")
    settled = Correction.objects.get()
    assert (settled.decision, settled.settlement, settled.note) == ("credited", note, "Wrong client")
    assert bill(note)[0][1:] == (Decimal("1.00"), Decimal(95), Decimal("95.00"), 3600)
    changed(books, entry(1, seconds=9000, project_id=BAKERY_PROJECT))  # while it waits: nothing new to decide
    assert not Correction.objects.filter(decision="open").exists()
    assert row(1) == ("invoiced", 9000, 0, 5400, "customer")
    prove(books)
    post(books, note)
    assert books.states() == {ids(1)[0]: "open", ids(2)[0]: "invoiced", ids(3)[0]: "invoiced"}
    assert live(invoice) == ids(2, 3)
    prove(books)
    books.draft(NOVEMBER)
    bakery = books.invoices(status="draft").get()
    assert (bakery.customer_name, bill(bakery)[0][1]) == ("Bakery Deeg BV", Decimal("2.50"))
    prove(books)


@pytest.mark.slow
def test_credited_without_billing_again_stays_so_until_a_person_opens_it(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2)])
    sent(books)
    note = post(books, credit(1, rebill=False))
    assert books.states() == {ids(1)[0]: "credited", ids(2)[0]: "invoiced"}
    assert LedgerRow.objects.get(entry=the(1)).decision_text == note.reference
    changed(books, entry(1, seconds=7200))
    assert books.draft(NOVEMBER).moved == ()
    assert books.states()[ids(1)[0]] == "credited"
    (sheet,) = books.command("ledger", "--firm", "small").answer["dossiers"]
    assert (sheet["states"]["credited"], sheet["balanced"]) == ({"entries": 1, "seconds": 7200}, True)
    prove(books)
    assert decisions.reopen(entries=[the(1)], by=BY, now=timezone.now()) == 1
    assert books.states()[ids(1)[0]] == "open"
    (event,) = books.events("entry_opened")
    assert event.data == {"was": "credited", "credit_note": note.reference, "seconds": 7200}
    books.draft(NOVEMBER)
    assert books.states()[ids(1)[0]] == "drafted"
    prove(books)


def test_deleted_entry_is_credited_and_stays_deleted(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2)])
    sent(books)
    deleted(books, 1)
    post(books, decide.credit(correction=correction(), rebill=True, by=BY, now=timezone.now()))
    assert books.states() == {ids(1)[0]: "deleted", ids(2)[0]: "invoiced"}
    prove(books)


@pytest.mark.slow
def test_later_differences_are_taken_back_with_the_entry(scene: Make) -> None:
    """1 h billed, half an hour more on the next invoice, then the entry is credited: one line of 1.5 hours."""
    books = scene(entries=[entry(1)])
    sent(books)
    changed(books, entry(1, seconds=5400))
    bill_next(correction())
    books.draft(NOVEMBER)
    (approved,) = books.approve()
    with pytest.raises(NotPossible, match=r"is on invoice .+, which is not posted"):
        credit(1)
    later = books.post(approved)
    with pytest.raises(NotPossible, match=r"is on invoice .+, which is not sent"):
        credit(1)
    books.send(later)
    note = credit(1)
    assert bill(note)[0][1:] == (Decimal("1.50"), Decimal(95), Decimal("142.50"), 5400)
    assert [line["entries"] for line in as_json(books.invoices(kind="credit_note"))[0]["lines"]] == [ids(1)]
    post(books, note)
    assert set(books.states().values()) == {"open"}
    assert not Claim.objects.filter(released_at__isnull=True).exclude(kind="credit").exists()
    prove(books)


@pytest.mark.slow
def test_what_was_taken_off_later_is_not_credited_again(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, "2026-11-05", seconds=7200)])
    books.draft()
    first = books.post(books.approve()[0])
    books.read_back()
    books.send(posting.fresh(first))
    changed(books, entry(1, seconds=1800))
    bill_next(correction())
    books.draft(NOVEMBER)
    books.send(books.post(books.approve()[0]))
    note = credit(1)
    assert bill(note)[0][1:] == (Decimal("0.50"), Decimal(95), Decimal("47.50"), 1800)
    post(books, note)
    prove(books)


@pytest.mark.slow
def test_waiting_difference_is_settled_by_the_credit(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    sent(books)
    changed(books, entry(1, seconds=5400))
    bill_next(correction())
    note = credit(1)
    assert (Correction.objects.get().decision, Correction.objects.get().settlement) == ("credited", note)
    assert books.draft(NOVEMBER).moved == ()
    post(books, note)
    books.draft(NOVEMBER)
    assert [line[1] for line in bill(books.invoices(status="draft").get())] == [Decimal("1.50")]
    prove(books)


@pytest.mark.slow
def test_dropped_credit_note_opens_the_correction_again(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = sent(books)
    changed(books, entry(1, seconds=5400))
    note = decide.credit(correction=correction(), rebill=True, by=BY, now=timezone.now())
    changed(books, entry(1, seconds=7200))
    runs.void(invoice=note, by=BY, now=timezone.now())
    assert said(correction()) == (3600, ["seconds"], "open")
    assert live(invoice) == ids(1)
    prove(books)
    accept(correction())
    assert post(books, credit(1)).status == "posted"
    prove(books)


def test_credit_is_refused_unless_the_invoice_is_sent(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2)])
    with pytest.raises(NotPossible, match="None of these entries is on a posted invoice"):
        credit(1)
    invoice = books.posted()
    with pytest.raises(NotPossible, match="is not sent: replace it rather than credit it"):
        credit(1)
    with books.fault("cut_after", path="^/v1/orders/commands/send$"):
        books.send(invoice)
    with pytest.raises(NotPossible, match="not clear yet"):
        credit(1)


def test_credit_is_about_one_invoice(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, project_id=BAKERY_PROJECT), entry(3, "2026-11-05")])
    books.draft()
    for invoice in books.approve():
        books.send(books.post(invoice))
    with pytest.raises(NotPossible, match="on 2 invoices"):
        credit(1, 2)
    with pytest.raises(NotPossible, match="is not billed by invoice"):
        credit(1, 3)
