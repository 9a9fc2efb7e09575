"""Replacing an unsent order (design section 6): deleted at Billit once, void here, posted anew under a new key."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import F
from django.utils import timezone

from integrations.clients.http.transport import RetryLater
from invoicing.corrections import decide
from invoicing.corrections import replace as replacing
from invoicing.models import Attempt, Claim, Correction, Drift, Invoice
from invoicing.posting import post
from invoicing.posting.attempts import leaves
from invoicing.tasks import recover_replacement, tick_delivery
from tests.invoicing.after_billing import (
    at_billit,
    bill,
    bill_next,
    changed,
    correction,
    deleted,
    ids,
    prove,
    row,
)
from tests.invoicing.scene import BY, Scene, in_thread
from tests.worlds import BAKERY_PROJECT, NOW, entry
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
DELETE = {"method": "DELETE", "path": r"^/v1/orders/\d+$"}


def replace(row: Correction) -> list[Invoice]:
    return replacing.replace(correction=row, by=BY, now=timezone.now())


def recover(invoice: Invoice) -> list[Invoice]:
    return replacing.recover_replacement(invoice=invoice, by=BY, now=timezone.now())


def deletions(books: Scene) -> int:
    return len([row for row in books.control.log("billit") if row["method"] == "DELETE"])


def tries(invoice: Invoice) -> list[str]:
    return list(invoice.attempts.filter(intent="delete").order_by("pk").values_list("outcome", flat=True))


def test_replaced_invoice_is_deleted_void_and_drafted_anew(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, seconds=1800)])
    old = books.posted()
    changed(books, entry(1, seconds=5400))
    (new,) = replace(correction())
    old = post.fresh(old)
    assert (old.status, old.replacing_since, old.order_id) == ("void", None, at_billit(books, old)["OrderID"])
    assert at_billit(books, old)["Deleted"] is True
    assert (new.status, new.approved_by, new.approved_at) == ("approved", BY.name, NOW)
    assert new.reference != old.reference
    assert bill(new) == [("Advice", Decimal("2.00"), Decimal(95), Decimal("190.00"), 7200)]
    assert set(books.states().values()) == {"drafted"}
    assert (old.lines.get().seconds, Claim.objects.filter(line__invoice=old, released_at=NOW).count()) == (5400, 2)
    settled = Correction.objects.get()
    assert (settled.decision, settled.settlement, settled.decided_by) == ("replaced", new, BY.name)
    (void,) = books.events("invoice_void")
    assert void.data == {
        "reason": {"code": "replaced", "facts": {}},
        "order_id": old.order_id,
        "by": [new.reference],
        "entries": ids(1, 2),
    }
    assert tries(old) == ["accepted"]
    prove(books)

    posted = books.post(new)
    live = [order for order in books.control.orders() if not order["Deleted"]]
    assert [(order["OrderID"], order["ExternalProviderID"]) for order in live] == [(posted.order_id, new.reference)]
    keys = [request["headers"]["idempotency-key"] for request in books.asked("POST", "/v1/orders")]
    assert keys == [f"{old.reference}-1", f"{new.reference}-1"]
    assert row(1) == ("invoiced", 5400, 0, 0, "")
    prove(books)


def test_replaced_bills_the_hours_that_are_still_the_customers(scene: Make) -> None:
    """One hour was deleted, one is the bakery's now, one is open for another reason: a new hour stays for a run."""
    books = scene(entries=[entry(1), entry(2), entry(3), entry(4)])
    books.posted()
    books.control.delete_entries(*ids(1))
    changed(books, entry(2, project_id=BAKERY_PROJECT), entry(3, tags=[]), entry(5, "2026-10-09"))
    assert Correction.objects.filter(decision="open").count() == 3
    (new,) = replace(Correction.objects.earliest("pk"))
    assert bill(new) == [("Advice", Decimal("1.00"), Decimal(95), Decimal("95.00"), 3600)]
    assert books.states() == {
        ids(1)[0]: "deleted",
        ids(2)[0]: "open",
        ids(3)[0]: "attention",
        ids(4)[0]: "drafted",
        ids(5)[0]: "open",
    }
    assert set(Correction.objects.values_list("decision", flat=True)) == {"replaced"}
    prove(books)


@pytest.mark.slow
def test_replaced_without_an_hour_left_makes_no_invoice(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    old = books.posted()
    deleted(books, 1)
    assert replace(correction()) == []
    assert (post.fresh(old).status, Invoice.objects.count()) == ("void", 1)
    assert books.states() == {ids(1)[0]: "deleted"}
    prove(books)


@pytest.mark.slow
def test_replaced_invoice_takes_its_differences_along(scene: Make) -> None:
    """The second invoice holds a difference of the first; it is replaced because of an hour of its own."""
    books = scene(entries=[entry(1), entry(2, "2026-11-05")])
    books.posted()
    changed(books, entry(1, seconds=5400))
    bill_next(correction())
    books.draft(NOW.date())
    second = books.post(books.approve()[0])
    changed(books, entry(2, "2026-11-05", seconds=7200))
    (new,) = replace(correction())
    assert [(line[1], line[4]) for line in bill(new)] == [(Decimal("2.00"), 7200), (Decimal("0.50"), 1800)]
    assert post.fresh(second).status == "void"
    assert row(1) == ("invoiced", 5400, 0, 1800, "")
    prove(books)
    books.post(new)
    assert row(1) == ("invoiced", 5400, 0, 0, "")
    prove(books)


@pytest.mark.slow
def test_replace_is_refused_while_a_difference_stands_elsewhere(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.posted()
    changed(books, entry(1, seconds=5400))
    bill_next(correction())
    books.draft(NOW.date())
    with pytest.raises(NotPossible, match=r"A difference of entry \d+ stands on invoice"):
        replace(Correction.objects.get())
    books.post(books.approve()[0])
    changed(books, entry(1, seconds=9000))
    with pytest.raises(NotPossible, match="stands on invoice"):
        replace(correction())
    assert deletions(books) == 0
    prove(books)


@pytest.mark.slow
def test_replace_of_a_sent_invoice_is_refused(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.send(books.posted())
    changed(books, entry(1, seconds=5400))
    with pytest.raises(NotPossible, match=r"is sent: what the customer has is not replaced\. Credit it\."):
        replace(correction())
    assert (deletions(books), post.fresh(invoice).status, correction().decision) == (0, "posted", "open")


def test_replace_of_what_billit_sent_by_itself_is_refused_and_noted(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.posted()
    changed(books, entry(1, seconds=5400))
    books.control.change_order(invoice.order_id or 0, IsSent=True, OrderStatus="ToPay")
    with pytest.raises(NotPossible, match="was sent from Billit meanwhile: credit it instead"):
        replace(correction())
    invoice = post.fresh(invoice)
    assert (invoice.delivery, invoice.replacing_since, deletions(books)) == ("sent", None, 0)
    note = decide.credit(correction=correction(), rebill=True, by=BY, now=timezone.now())
    assert note.about == invoice


def test_replace_of_a_paid_invoice_is_refused(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.posted()
    changed(books, entry(1, seconds=5400))
    Invoice.objects.filter(pk=invoice.pk).update(payment="paid", paid_date=NOW.date())
    with pytest.raises(NotPossible, match="is paid"):
        replace(correction())


def test_replace_of_an_order_that_was_deleted_by_hand_deletes_nothing(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.posted()
    changed(books, entry(1, seconds=5400))
    books.control.change_order(invoice.order_id or 0, Deleted=True)
    (new,) = replace(correction())
    assert (post.fresh(invoice).status, new.status, tries(invoice), deletions(books)) == (
        "void",
        "approved",
        ["adopted"],
        0,
    )
    prove(books)


def test_replace_that_billit_refuses_leaves_everything(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.posted()
    changed(books, entry(1, seconds=5400))
    body = {"errors": [{"Code": "GenericError", "Description": "It is booked"}]}
    with books.fault("status", status=400, body=body, **DELETE), pytest.raises(NotPossible, match="It is booked"):
        replace(correction())
    invoice = post.fresh(invoice)
    assert (invoice.status, invoice.replacing_since, tries(invoice)) == ("posted", None, ["refused"])
    assert books.send(invoice).delivery == "sent"
    prove(books)


def test_replace_that_billit_puts_off_can_be_tried_again(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.posted()
    changed(books, entry(1, seconds=5400))
    with books.fault("status", status=429, **DELETE), pytest.raises(RetryLater):
        replace(correction())
    assert (post.fresh(invoice).replacing_since, tries(invoice)) == (None, ["not_sent"])
    assert len(replace(correction())) == 1
    prove(books)


@pytest.mark.parametrize("kind", ["cut_after", "timeout_after", "truncate"])
def test_deletion_without_an_answer_is_found_among_the_deleted(scene: Make, kind: str) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.posted()
    changed(books, entry(1, seconds=5400))
    with books.fault(kind, seconds=0.05, **DELETE), pytest.raises(NotPossible, match="It will be looked up"):
        replace(correction())
    doubtful = post.fresh(invoice)
    assert (doubtful.status, doubtful.replacing_since, tries(invoice)) == ("posted", NOW, ["no_answer"])
    assert books.send(doubtful).delivery == "not_sent"
    with pytest.raises(NotPossible, match="being deleted at Billit already"):
        replace(correction())
    prove(books)
    assert not replacing.due_replacements(now=NOW + timedelta(seconds=119)).exists()
    assert replacing.due_replacements(now=NOW + timedelta(seconds=120)).get() == invoice
    (new,) = recover(invoice)
    assert (post.fresh(invoice).status, new.status, tries(invoice)) == ("void", "approved", ["adopted"])
    assert recover(invoice) == []
    assert deletions(books) == 1
    prove(books)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cut_before", "html500"])
def test_deletion_that_never_arrived_gives_the_invoice_back(scene: Make, kind: str) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.posted()
    changed(books, entry(1, seconds=5400))
    with books.fault(kind, **DELETE), pytest.raises(NotPossible):
        replace(correction())
    books.later(seconds=119)
    assert recover(invoice) == []
    assert post.fresh(invoice).replacing_since == NOW
    books.later(seconds=1)
    assert recover(invoice) == []
    assert (post.fresh(invoice).replacing_since, tries(invoice)) == (None, ["absent"])
    assert correction().decision == "open"
    prove(books)
    assert len(replace(correction())) == 1
    assert tries(invoice) == ["absent", "accepted"]
    prove(books)


@pytest.mark.parametrize("arrived", [True, False])
def test_worker_that_died_after_the_claim_is_followed_up_after_its_lease(scene: Make, arrived: bool) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.posted()
    changed(books, entry(1, seconds=5400))
    attempt = replacing._claim(correction(), invoice, BY, NOW)
    if arrived:
        leaves(attempt, lambda: NOW)
        books.control.change_order(invoice.order_id or 0, Deleted=True)
    books.later(seconds=299)
    assert recover(invoice) == []
    assert post.fresh(invoice).replacing_since == NOW
    books.later(seconds=2)
    assert replacing.due_replacements(now=timezone.now()).get() == invoice
    recover_replacement(invoice_id=invoice.pk)
    assert (post.fresh(invoice).status, Invoice.objects.count()) == (("void", 2) if arrived else ("posted", 1))
    prove(books)


@pytest.mark.slow
def test_order_that_is_nowhere_is_left_to_a_person(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.posted()
    changed(books, entry(1, seconds=5400))
    with books.fault("cut_after", **DELETE), pytest.raises(NotPossible):
        replace(correction())
    books.control.change_order(invoice.order_id or 0, ExternalProviderID="lost")
    books.later(seconds=600)
    assert recover(invoice) == []
    invoice = post.fresh(invoice)
    assert (invoice.status, invoice.replacing_since) == ("posted", NOW)
    assert (invoice.attention, invoice.attention_facts["order"]) == ("order_nowhere", invoice.order_id)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_persons_replace_at_once_and_one_order_is_deleted(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.posted()
    changed(books, entry(1, seconds=5400))
    row_ = correction()
    barrier = threading.Barrier(2)
    refused: list[str] = []

    def work() -> None:
        barrier.wait(10)
        try:
            replace(row_)
        except NotPossible as error:
            refused.append(str(error))

    for worker in [in_thread(work) for _ in range(2)]:
        worker()
    assert (deletions(books), len(refused), Invoice.objects.count()) == (1, 1, 2)
    assert (tries(invoice), Attempt.objects.filter(intent="delete").count()) == (["accepted"], 1)
    prove(books)


def test_tick_leaves_alone_what_is_not_due(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.posted()
    changed(books, entry(1, seconds=5400))
    replacing._claim(correction(), invoice, BY, NOW)
    assert not replacing.due_replacements(now=NOW).exists()
    tick_delivery()
    assert post.fresh(invoice).replacing_since == NOW


# --- an order that somebody deleted in Billit -------------------------------------------------------------------------


def test_hours_of_an_order_deleted_by_hand_are_billed_anew_once(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, seconds=1800)])
    old = books.posted()
    assert old.order_id is not None
    books.control.change_order(old.order_id, Deleted=True)
    Drift.objects.create(
        firm=books.firm,
        dossier=old.dossier,
        kind="order_deleted",
        order_id=old.order_id,
        reference=old.reference,
        about="1",
        first_seen_at=NOW,
        last_seen_at=NOW,
    )
    (new,) = replacing.bill_anew(invoice=old, by=BY, now=NOW)
    old = post.fresh(old)
    assert (old.status, tries(old), deletions(books)) == ("void", ["adopted"], 0)
    assert Drift.objects.get().gone_at == NOW
    assert (new.status, new.reference != old.reference, bill(new)) == ("approved", True, bill(old))
    with pytest.raises(NotPossible, match="void"):
        replacing.bill_anew(invoice=old, by=BY, now=NOW)
    books.post(new)
    live = [order for order in books.control.orders() if not order["Deleted"]]
    assert [order["ExternalProviderID"] for order in live] == [new.reference]
    prove(books)


def test_hours_of_an_order_that_billit_has_are_not_billed_anew(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    old = books.posted()
    with pytest.raises(NotPossible, match=r"does not show order \d+ .* as deleted"):
        replacing.bill_anew(invoice=old, by=BY, now=NOW)
    assert (post.fresh(old).status, tries(old)) == ("posted", [])
    prove(books)


def test_hours_of_an_order_that_billit_knows_nothing_of_are_not_billed_anew(scene: Make) -> None:
    """Gone without a trace is not deleted: a person finds out first."""
    books = scene(entries=[entry(1)])
    old = books.posted()
    Invoice.objects.filter(pk=old.pk).update(order_id=F("order_id") + 1000)  # as if Billit had lost it
    with pytest.raises(NotPossible, match=r"does not show order \d+ .* as deleted"):
        replacing.bill_anew(invoice=old, by=BY, now=NOW)
    assert post.fresh(old).status == "posted"
