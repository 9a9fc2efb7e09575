"""What became of a sent invoice is read back (R11): delivered, refused, or nothing of it after one working day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from integrations.models import Company
from invoicing import tasks
from invoicing.due import deliveries, order_changes
from invoicing.models import Invoice
from invoicing.models.problems import words_of
from invoicing.posting import post
from tests.invoicing.scene import OCTOBER, Scene
from tests.worlds import BAKERY_NUMBER, GARAGE_NUMBER, NOW, entry
from toggbill.firms import audit

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
PENDING = [{"number": GARAGE_NUMBER, "behaviour": "pending"}]


def look(books: Scene, **span: float) -> int:
    """The clocks go on, and a worker reads what is due."""
    if span:
        books.later(**span)
    return sum(
        deliveries.read(company=Company.objects.get(pk=pk), now=timezone.now())
        for pk in deliveries.due(now=timezone.now())
    )


def due_in(invoice: Invoice) -> timedelta | None:
    """From the sending to the next look."""
    row = post.fresh(invoice)
    return None if row.delivery_due_at is None or row.sent_at is None else row.delivery_due_at - row.sent_at


def change(books: Scene, invoice: Invoice, **members: object) -> None:
    """A person in Billit, or the network, changes the order."""
    assert invoice.order_id is not None
    books.control.change_order(invoice.order_id, **members)


def lists(books: Scene) -> int:
    return len(books.asked("GET", "/v1/orders"))


def reads(books: Scene, invoice: Invoice) -> int:
    return len(books.asked("GET", f"/v1/orders/{invoice.order_id}"))


def test_delivered_is_read_back_after_five_minutes(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    sent = books.send(books.posted())
    assert (sent.sent_at, sent.way, sent.delivered_at) == (NOW, "peppol", None)
    assert sent.way_to == f"0208:{GARAGE_NUMBER[2:]}"
    assert due_in(sent) == timedelta(minutes=5)
    assert look(books, minutes=4.9) == 0
    assert look(books, minutes=0.1) == 1
    row = post.fresh(sent)
    assert (row.delivery, row.attention, row.tell_delivery_at) == ("delivered", "", None)
    assert row.delivered_at == NOW, "as Billit says, not when it was read"
    assert due_in(sent) == timedelta(days=1, minutes=5)
    (event,) = books.events("invoice_delivered")
    assert (event.actor, event.origin) == ("Billit", "read back")
    assert event.data == {"date": "2026-11-20", "info": "Received"}
    assert books.story(sent)[-2:] == ["invoice_sent", "invoice_delivered"]
    assert audit.verify(firm=books.firm).ok


@pytest.mark.parametrize("status", ["Delivered", "Error"])
@pytest.mark.parametrize("in_lists", [False, True])
def test_refused_by_the_receiver_with_his_reason(scene: Make, status: str, in_lists: bool) -> None:
    books = scene(entries=[entry(1)], peppol=[{"number": GARAGE_NUMBER, "behaviour": "refuses"}])
    books.control.switch(billit_refused_status=status, billit_summary_delivery=in_lists)
    sent = books.send(books.posted())
    books.control.clear_log()
    look(books, minutes=5)
    row = post.fresh(sent)
    facts = {
        "customer": "Garage Vonk SRL",
        "on_day": "2026-11-20",
        "reason": "The hours were agreed otherwise. (InvalidInvoice)",
    }
    assert (row.delivery, row.delivery_problem) == ("refused", "receiver_refused")
    assert row.delivery_problem_facts == facts
    assert words_of(row.delivery_problem, row.delivery_problem_facts) == (
        "Garage Vonk SRL refused it on 20 Nov 2026: The hours were agreed otherwise. (InvalidInvoice). Billit has "
        "numbered it, so it is not changed any more: settle the reason with the customer, then credit it and bill its "
        "hours again."
    )
    assert (row.tell_delivery_at, list(books.invoices().needing_person())) == (timezone.now(), [row])
    (event,) = books.events("invoice_delivery_refused")
    assert event.data == {"reason": {"code": "receiver_refused", "facts": facts}}
    assert (lists(books), reads(books, sent)) == (1, 0 if in_lists else 1)


def test_not_deliverable_and_delivered_after_all(scene: Make) -> None:
    books = scene(entries=[entry(1)], peppol=PENDING)
    sent = books.send(books.posted())
    change(books, sent, CurrentDocumentDeliveryDetails={"DocumentDeliveryStatus": "Error"})
    look(books, minutes=5)
    row = post.fresh(sent)
    facts = {"customer": "Garage Vonk SRL", "reason": {"code": "no_reason", "facts": {}}}
    assert (row.delivery, row.delivery_problem, row.delivery_problem_facts) == ("refused", "not_deliverable", facts)
    assert "could not deliver it to Garage Vonk SRL: no reason given" in words_of(
        row.delivery_problem, row.delivery_problem_facts
    )
    done = {
        "IsDocumentDelivered": True,
        "DocumentDeliveryStatus": "Delivered",
        "DocumentDeliveryDate": "2026-11-21T09:00:00",
    }
    change(books, sent, CurrentDocumentDeliveryDetails=done)
    look(books, days=1)
    row = post.fresh(sent)
    assert (row.delivery, row.delivery_problem, row.tell_delivery_at) == ("delivered", "", None)
    assert row.delivered_at == datetime(2026, 11, 21, 9, tzinfo=ZoneInfo("Europe/Brussels"))
    assert audit.verify(firm=books.firm).ok


def test_what_was_delivered_can_be_refused_days_later(scene: Make) -> None:
    books = scene(entries=[entry(1)], peppol=[{"number": GARAGE_NUMBER, "behaviour": "refuses"}])
    books.control.switch(billit_response_seconds=3 * 24 * 3600)
    sent = books.send(books.posted())
    look(books, minutes=5)
    assert post.fresh(sent).delivery == "delivered"
    for _ in range(3):
        look(books, days=1)
    assert post.fresh(sent).delivery == "refused"
    assert books.story(sent)[-3:] == ["invoice_sent", "invoice_delivered", "invoice_delivery_refused"]
    assert audit.verify(firm=books.firm).ok


def test_pending_is_attention_after_one_working_day_once(scene: Make) -> None:
    """Sent on a Friday at 10:00; the firm's next working day is Monday."""
    books = scene(entries=[entry(1)], peppol=PENDING)
    sent = books.send(books.posted())
    look(books, days=2, hours=23)
    row = post.fresh(sent)
    assert (row.delivery, row.delivery_problem, row.tell_delivery_at) == ("sent", "", None)
    assert list(books.invoices().needing_person()) == []
    look(books, hours=1)
    row = post.fresh(sent)
    assert (row.delivery, row.delivery_problem, row.tell_delivery_at) == ("sent", "not_delivered", timezone.now())
    assert row.delivery_problem_facts == {"customer": "Garage Vonk SRL", "on_day": "2026-11-20"}
    assert "Sent on 20 Nov 2026, and not delivered after one working day" in words_of(
        row.delivery_problem, row.delivery_problem_facts
    )
    assert list(books.invoices().needing_person()) == [row]
    look(books, hours=1)
    (event,) = books.events("invoice_not_delivered")
    assert event.data == {"sent": "2026-11-20"}
    # It arrives at last: nothing is left to do.
    change(books, sent, CurrentDocumentDeliveryDetails={"IsDocumentDelivered": True})
    look(books, hours=1)
    row = post.fresh(sent)
    assert (row.delivery, row.delivery_problem, row.tell_delivery_at) == ("delivered", "", None)
    assert row.delivery_problem_facts == {}
    assert list(books.invoices().needing_person()) == []
    assert audit.verify(firm=books.firm).ok


def test_not_delivered_is_said_beside_another_attention_and_goes_alone(scene: Make) -> None:
    """What else a person has to look at neither hides that an invoice does not arrive, nor is lost by it."""
    books = scene(entries=[entry(1)], peppol=PENDING)
    sent = books.send(books.posted())
    other = {"attention": "order_was_changed", "attention_facts": {"order": sent.order_id, "invoice": str(sent)}}
    Invoice.objects.filter(pk=sent.pk).update(**other)
    look(books, days=3)
    row = post.fresh(sent)
    assert (row.delivery_problem, row.tell_delivery_at) == ("not_delivered", timezone.now())
    assert {name: getattr(row, name) for name in other} == other
    look(books, hours=1)
    assert len(books.events("invoice_not_delivered")) == 1
    change(books, sent, CurrentDocumentDeliveryDetails={"IsDocumentDelivered": True})
    look(books, hours=1)
    row = post.fresh(sent)
    assert (row.delivery, row.delivery_problem) == ("delivered", "")
    assert {name: getattr(row, name) for name in other} == other
    assert audit.verify(firm=books.firm).ok


def test_looked_at_after_five_and_thirty_minutes_then_hourly(scene: Make) -> None:
    books = scene(entries=[entry(1)], peppol=PENDING)
    sent = books.send(books.posted())
    books.control.clear_log()
    steps = []
    for minutes in (5, 25, 60, 60):
        look(books, minutes=minutes)
        steps.append(due_in(sent))
    assert steps == [timedelta(minutes=minutes) for minutes in (30, 90, 150, 210)]
    # One list each; the order itself only at first, since it did not change.
    assert (lists(books), reads(books, sent)) == (4, 1)


@pytest.mark.slow
def test_many_are_read_in_one_call(scene: Make) -> None:
    books = scene(peppol=[{"number": GARAGE_NUMBER}, {"number": BAKERY_NUMBER, "behaviour": "refuses"}])
    books.control.switch(billit_summary_delivery=True)
    books.draft(OCTOBER)
    sent = [books.send(books.post(row)) for row in books.approve()]
    books.control.clear_log()
    assert look(books, minutes=5) == 2
    assert (lists(books), [reads(books, row) for row in sent]) == (1, [0, 0])
    assert {row.customer_name: row.delivery for row in books.invoices()} == {
        "Bakery Deeg BV": "refused",
        "Garage Vonk SRL": "delivered",
    }


@pytest.mark.slow
def test_a_webhook_makes_the_look_sooner_and_brings_the_payment_with_its_day(scene: Make) -> None:
    books = scene(entries=[entry(1)], peppol=[{"number": GARAGE_NUMBER, "behaviour": "pays"}])
    sent = books.send(books.posted())
    books.later(minutes=1)
    company = books.dossier.company
    Company.objects.filter(pk=company.pk).update(orders_due_at=timezone.now())
    order_changes.read(company=company, now=timezone.now())
    assert post.fresh(sent).delivery == "delivered"
    change(books, sent, Paid=True, PaidDate="2026-11-21T00:00:00", OrderStatus="Paid")
    look(books, days=1)
    row = post.fresh(sent)
    assert (row.payment, str(row.paid_date)) == ("paid", "2026-11-21")
    # Paid, it is looked at for as long as the receiver may answer otherwise.
    for _ in range(14):
        look(books, days=1)
    assert due_in(sent) is None


def test_sent_in_billit_by_hand_counts_from_the_first_look(scene: Make) -> None:
    books = scene(entries=[entry(1)], peppol=PENDING)
    sent = books.send(books.posted())
    Invoice.objects.filter(pk=sent.pk).update(sent_at=None, delivery_due_at=None)
    books.later(days=30)
    look(books)
    row = post.fresh(sent)
    assert (row.sent_at, row.way, row.delivery, row.attention) == (timezone.now(), "", "sent", "")
    assert due_in(sent) == timedelta(minutes=5)


def test_doubt_that_billit_settles_is_awaited_too(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    posted = books.posted()
    with books.fault("cut_after", path="/v1/orders/commands/send"):
        books.send(posted)
    books.later(minutes=3)
    sent = books.send(post.fresh(posted))
    assert (sent.delivery, sent.way, sent.sent_at) == ("sent", "peppol", NOW)


@pytest.mark.slow
def test_billit_that_does_not_answer_is_asked_again_after_a_pause(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    sent = books.send(books.posted())
    books.later(minutes=5)
    with books.fault("status", method="GET", path="/v1/orders", status=503):
        tasks.read_deliveries(company_id=books.dossier.company_id)
    assert (post.fresh(sent).delivery, due_in(sent)) == ("sent", timedelta(minutes=20))
    assert look(books, minutes=14) == 0
    assert look(books, minutes=1) == 1
    assert post.fresh(sent).delivery == "delivered"


def test_an_order_that_is_gone_is_looked_for_again_and_stops_at_last(scene: Make) -> None:
    books = scene(entries=[entry(1)], peppol=PENDING)
    sent = books.send(books.posted())
    change(books, sent, Deleted=True)
    assert look(books, minutes=5) == 0
    assert (post.fresh(sent).delivery, due_in(sent)) == ("sent", timedelta(minutes=30))
    books.later(days=90)
    assert look(books) == 0
    assert due_in(sent) is None


def test_a_closed_firm_and_a_paused_connection_are_left_alone(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.send(books.posted())
    books.later(minutes=5)
    connection = books.dossier.company.connection
    connection.paused_at = timezone.now()
    connection.save()
    assert deliveries.due(now=timezone.now()) == []
    connection.paused_at = None
    connection.save()
    assert deliveries.due(now=timezone.now()) == [books.dossier.company_id]
    books.firm.closed_at = timezone.now()
    books.firm.save()
    assert deliveries.due(now=timezone.now()) == []
