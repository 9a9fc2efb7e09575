"""Credit notes by entries of a sent invoice (design section 6): their amounts, one order, exactly these released."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from invoicing.corrections import decide
from invoicing.drafting import runs
from invoicing.due import posts
from invoicing.ledger import decisions
from invoicing.management.invoice_json import as_json
from invoicing.models import Claim, Correction, Invoice, LedgerRow
from invoicing.posting import post as posting
from invoicing.web import figures
from tests.factories import MembershipFactory
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
from tests.invoicing.scene import BY, Scene, in_thread
from tests.worlds import BAKERY_PROJECT, GARAGE_NUMBER, GARAGE_PARTY, NOW, entry, party
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
NOVEMBER = date(2026, 11, 19)
QUARTER: dict[str, Any] = {"minutes": 15, "direction": "up", "minimum": 0}


def sent(books: Scene) -> Invoice:
    """The only invoice, posted, read back and delivered."""
    invoice = books.posted()
    books.read_back()
    return books.send(posting.fresh(invoice))


def credit(*serials: int, rebill: bool = True) -> Invoice:
    return decide.credit(entries=[the(serial) for serial in serials], rebill=rebill, by=BY, now=timezone.now())


def post(books: Scene, note: Invoice) -> Invoice:
    return books.post(books.approve(note)[0])


def live(invoice: Invoice) -> list[int]:
    """The Toggl ids of the entries that an invoice still bills."""
    rows = Claim.objects.filter(line__invoice=invoice, released_at__isnull=True).exclude(kind="credit")
    return sorted(rows.values_list("entry__remote_id", flat=True))


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
    assert figures.proof(MembershipFactory(firm=books.firm)).holds

    books.draft(NOVEMBER)
    draft = books.invoices(status="draft").get()
    assert [(line[1], line[4]) for line in bill(draft)] == [(Decimal("0.25"), 500)]
    prove(books)


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
    books.post(approved)
    note = credit(1)
    assert bill(note)[0][1:] == (Decimal("1.50"), Decimal(95), Decimal("142.50"), 5400)
    assert [line["entries"] for line in as_json(books.invoices(kind="credit_note"))[0]["lines"]] == [ids(1)]
    post(books, note)
    assert set(books.states().values()) == {"open"}
    assert not Claim.objects.filter(released_at__isnull=True).exclude(kind="credit").exists()
    prove(books)


def test_what_was_taken_off_later_is_not_credited_again(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, "2026-11-05", seconds=7200)])
    books.draft()
    first = books.post(books.approve()[0])
    books.read_back()
    books.send(posting.fresh(first))
    changed(books, entry(1, seconds=1800))
    bill_next(correction())
    books.draft(NOVEMBER)
    books.post(books.approve()[0])
    note = credit(1)
    assert bill(note)[0][1:] == (Decimal("0.50"), Decimal(95), Decimal("47.50"), 1800)
    post(books, note)
    prove(books)


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


def test_second_credit_note_waits_for_the_first(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2)])
    sent(books)
    first = credit(1)
    for serial in (1, 2):
        with pytest.raises(NotPossible, match=f"Credit note {first.reference} about invoice"):
            credit(serial)
    post(books, first)
    with pytest.raises(NotPossible, match="None of these entries"):
        credit(1)
    assert post(books, credit(2)).status == "posted"
    prove(books)


def test_credit_note_is_posted_once_though_its_answer_is_lost(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = sent(books)
    (note,) = books.approve(credit(1))
    with books.fault("cut_after"):
        doubtful = books.post(note)
    assert (doubtful.status, set(books.states().values())) == ("in_doubt", {"invoiced"})
    prove(books)
    adopted = books.recover(doubtful)
    assert (adopted.status, set(books.states().values())) == ("posted", {"open"})
    assert len([order for order in books.control.orders() if order["OrderType"] == "CreditNote"]) == 1
    assert live(invoice) == []
    prove(books)
    assert books.post(adopted).status == "posted"
    assert books.recover(adopted).status == "posted"
    assert len(books.asked("POST", "/v1/orders")) == 2


def test_refused_credit_note_can_be_approved_again_or_dropped(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    sent(books)
    (note,) = books.approve(credit(1))
    with books.fault("status", status=400, body="no"):
        refused = books.post(note)
    assert (refused.status, set(books.states().values())) == ("refused", {"invoiced"})
    runs.void(invoice=refused, by=BY, now=timezone.now())
    prove(books)
    assert post(books, credit(1)).status == "posted"
    prove(books)


def test_number_is_read_when_nobody_did_yet(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.send(books.posted())
    assert invoice.order_number == ""
    posted = post(books, credit(1))
    number = at_billit(books, invoice)["OrderNumber"]
    assert at_billit(books, posted)["AboutInvoiceNumber"] == number
    assert posting.fresh(invoice).order_number == number


def test_credit_note_is_sent_to_who_takes_credit_notes(scene: Make) -> None:
    books = scene(entries=[entry(1)], peppol=[{"number": GARAGE_NUMBER, "documents": ["BISv3Invoice"]}])
    sent(books)
    note = post(books, credit(1))
    with pytest.raises(NotPossible, match="does not receive"):
        books.send(note)
    books.control.put_peppol({"number": GARAGE_NUMBER, "documents": ["BISv3Invoice", "BISv3CreditNote"]})
    assert books.send(note).delivery == "sent"


def test_statement_of_a_credit_note_has_no_new_key(scene: Make) -> None:
    books = scene(entries=[entry(1)], parties=[party(GARAGE_PARTY, "Garage Vonk SRL", GARAGE_NUMBER, Language="FR")])
    invoice = sent(books)
    credit(1)
    outcome = books.invoice("--approve", "--post", through="2026-11-19")
    (note,) = outcome.answer["invoices"]
    billed = as_json(books.invoices(kind="invoice"))[0]
    assert (outcome.code, set(note), set(note["lines"][0])) == (0, set(billed), set(billed["lines"][0]))
    assert (note["status"], note["total_incl"], note["lines"]) == (
        "posted",
        "114.95",
        [
            {
                "product": "ADV",
                "description": f"Advice · Note de crédit sur la facture {invoice.order_number}",
                "quantity": "1.00",
                "unit_price": "95.00",
                "vat_rate": "21.00",
                "total": "95.00",
                "seconds": 3600,
                "late": False,
                "entries": ids(1),
            }
        ],
    )
    prove(books)


def test_rule_that_changed_since_does_not_change_what_was_billed(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, seconds=600)], rounding=QUARTER | {"level": "entry"})
    sent(books)
    books.rules(rounding_minutes=0)
    assert bill(credit(2))[0][1] == Decimal("0.25")


@pytest.mark.django_db(transaction=True)
def test_two_persons_credit_at_once_and_one_note_is_made(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    sent(books)
    changed(books, entry(1, seconds=5400))
    read = correction()
    barrier = threading.Barrier(3)
    refused: list[str] = []

    def work(verb: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            barrier.wait(10)
            try:
                verb()
            except NotPossible as error:
                refused.append(str(error))

        return run

    verbs: list[Callable[[], object]] = [
        lambda: decide.credit(correction=read, rebill=True, by=BY, now=NOW),
        lambda: decide.credit(correction=read, rebill=True, by=BY, now=NOW),
        lambda: decide.accept(correction=read, by=BY, now=NOW),
    ]
    for worker in [in_thread(work(verb)) for verb in verbs]:
        worker()
    assert (len(refused), len(books.events("correction_decided"))) == (2, 1)
    assert Invoice.objects.filter(kind="credit_note").count() == (Correction.objects.get().decision == "credited")
    prove(books)


@pytest.mark.django_db(transaction=True)
def test_two_workers_post_one_credit_note(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    sent(books)
    (note,) = books.approve(credit(1))
    barrier = threading.Barrier(2)

    def work() -> None:
        barrier.wait(10)
        books.post(note)

    for worker in [in_thread(work) for _ in range(2)]:
        worker()
    assert posting.fresh(note).status == "posted"
    assert len([order for order in books.control.orders() if order["OrderType"] == "CreditNote"]) == 1
    assert len(books.events("invoice_credited")) == 1
    prove(books)


def test_credit_is_due_like_an_invoice(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    sent(books)
    (note,) = books.approve(credit(1))
    posts.request(invoice=note, send=True, now=NOW)
    assert posts.take_due(now=NOW + timedelta(seconds=1)) == [note]
