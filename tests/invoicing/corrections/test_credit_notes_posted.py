"""Credit notes at Billit: posted once, refused, sent, and made by two at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from invoicing.corrections import decide
from invoicing.drafting import runs
from invoicing.due import posts
from invoicing.management.invoice_json import as_json
from invoicing.models import Correction, Invoice
from invoicing.posting import post as posting
from tests.invoicing.after_billing import (
    at_billit,
    bill,
    changed,
    correction,
    ids,
    prove,
)
from tests.invoicing.corrections.crediting import QUARTER, Make, credit, live, post, sent
from tests.invoicing.scene import BY, in_thread
from tests.worlds import GARAGE_NUMBER, GARAGE_PARTY, NOW, entry, party
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
    (note,) = books.approve(credit(1))
    Invoice.objects.filter(pk=invoice.pk).update(order_number="")
    posted = books.post(note)
    number = at_billit(books, invoice)["OrderNumber"]
    assert at_billit(books, posted)["AboutInvoiceNumber"] == number
    assert posting.fresh(invoice).order_number == number


@pytest.mark.slow
def test_credit_note_is_sent_to_who_takes_credit_notes(scene: Make) -> None:
    books = scene(entries=[entry(1)], peppol=[{"number": GARAGE_NUMBER, "documents": ["BISv3Invoice"]}])
    sent(books)
    note = post(books, credit(1))
    with pytest.raises(NotPossible, match="does not receive"):
        books.send(note)
    books.control.put_peppol({"number": GARAGE_NUMBER, "documents": ["BISv3Invoice", "BISv3CreditNote"]})
    assert books.send(note).delivery == "sent"


@pytest.mark.slow
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
                "kind": "hours",
                "product": "ADV",
                "description": f"Advice · Note de crédit sur la facture {invoice.order_number}",
                "quantity": "1.00",
                "unit_price": "95.00",
                "vat_rate": "21.00",
                "discount": "0.00",
                "total": "95.00",
                "seconds": 3600,
                "late": False,
                "entries": ids(1),
            }
        ],
    )
    prove(books)


@pytest.mark.slow
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
    posts.request(invoice=note, send=True, by=BY, now=NOW)
    assert posts.take_due(now=NOW + timedelta(seconds=1)) == [note]
