"""Ticks and tasks of the books (design D4, D5): the rows say what is due; a message may get lost or come twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.models import Company, Connection, Workspace
from invoicing import tasks
from invoicing.due import posts
from invoicing.models import Dossier, Invoice, Run
from invoicing.posting import post
from invoicing.posting.orders import orders_of
from tests.invoicing.scene import BY, Scene
from tests.queues import Queue
from tests.worlds import BAKERY_PROJECT, GARAGE_NUMBER, NOW, entry
from toggbill.firms import audit
from toggbill.firms.audit import Actor, Authority
from toggbill.firms.models import AuditEvent

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
SEND = "/v1/orders/commands/send"
DECEMBER = datetime(2026, 11, 30, 23, tzinfo=UTC)


def tick(books: Scene) -> None:
    """All three of beat's ticks."""
    tasks.tick_sync()
    tasks.tick_runs()
    tasks.tick_delivery()


def asked_for(scene: Make, *, send: bool = False, **changes: Any) -> tuple[Scene, Invoice]:
    """An approved invoice that somebody asked the workers to post."""
    books = scene(**({"entries": [entry(1)]} | changes))
    invoice = books.approved()
    posts.request(invoice=invoice, send=send, by=BY, now=NOW)
    return books, invoice


def test_messages_carry_ids_and_nothing_else(scene: Make, queue: Queue) -> None:
    books, invoice = asked_for(scene, schedule={"every": "monthly", "day": 1})
    books.at(DECEMBER)
    tick(books)
    rows = Workspace.objects.get(), Company.objects.get(), Dossier.objects.get()
    messages = queue.waiting()
    assert sorted((queue_name, task.rpartition(".")[2], keywords) for queue_name, task, keywords in messages) == [
        ("post", "post_invoices", {"invoice_ids": [invoice.pk]}),
        ("sync", "run_dossier", {"dossier_id": rows[2].pk}),
        ("sync", "sync_company", {"company_id": rows[1].pk}),
        ("sync", "sync_workspace", {"workspace_id": rows[0].pk}),
        ("ticks", "derive_marked", {}),
        ("ticks", "keep_months", {}),
    ]


@pytest.mark.slow
def test_round_of_mode_send_goes_from_toggl_to_peppol_by_itself(scene: Make, queue: Queue) -> None:
    books = scene(entries=[entry(1)], schedule={"every": "monthly", "day": 1}, mode="send")
    books.at(DECEMBER)
    books.control.put_entries(entry(2, "2026-11-30"))
    tick(books)
    done = queue.work()
    assert done.count("run_dossier") == 1
    assert (done.count("post_invoices"), done.count("send_invoices")) == (1, 1)
    tick(books)
    assert queue.work().count("read_back") == 0, "read before it was sent"
    invoice = books.invoices().get()
    (order,) = books.control.orders()
    assert (invoice.status, invoice.delivery, invoice.order_id) == ("posted", "sent", order["OrderID"])
    assert (invoice.order_number, invoice.legal_incl) == (order["OrderNumber"], order["TotalIncl"])
    assert [row["destination"] for row in books.control.outbox()] == [f"0208:{GARAGE_NUMBER[2:]}"]
    assert set(books.states().values()) == {"invoiced"}
    story = AuditEvent.objects.filter(subject=f"invoice {invoice.reference}").order_by("number")
    assert list(story.values_list("type", "actor")) == [
        (type, "schedule")
        for type in (
            *("invoice_drafted", "invoice_approved", "invoice_posting", "invoice_posted"),
            *("invoice_sending", "invoice_sent"),
        )
    ]
    for _ in range(3):
        books.later(minutes=1)
        tick(books)
        queue.work()
    assert (len(books.asked("POST", "/v1/orders")), len(books.asked("POST", SEND))) == (1, 1)
    assert Run.objects.count() == 1
    assert audit.verify(firm=books.firm).ok


def test_message_delivered_twice_posts_and_sends_once(scene: Make, queue: Queue) -> None:
    books, invoice = asked_for(scene, send=True)
    for _ in range(3):
        tasks.post_invoices(invoice_ids=[invoice.pk])
        tasks.send_invoices(invoice_ids=[invoice.pk])
    queue.work()
    assert (len(books.asked("POST", "/v1/orders")), len(books.asked("POST", SEND))) == (1, 1)
    assert post.fresh(invoice).delivery == "sent"


def test_lost_message_heals_at_a_later_tick(scene: Make, queue: Queue) -> None:
    books, invoice = asked_for(scene)
    tasks.tick_delivery()
    assert len(queue.waiting()) == 1, "and now it is lost"
    books.later(seconds=299)
    tasks.tick_delivery()
    assert queue.waiting() == [], "it may still be waiting in the queue"
    books.later(seconds=1)
    tasks.tick_delivery()
    queue.work()
    assert (post.fresh(invoice).status, len(books.control.orders())) == ("posted", 1)


def test_totals_and_ways_are_asked_for_once_until_a_worker_takes_it_up(scene: Make, queue: Queue) -> None:
    books, invoice = asked_for(scene)
    tasks.post_invoices(invoice_ids=[invoice.pk])

    def waits() -> list[str]:
        tasks.tick_delivery()
        return [message[1].rpartition(".")[2] for message in queue.waiting()]

    assert waits() == ["read_back", "ask_ways"]
    assert waits() == [], "the first ones wait in the queue"
    books.later(seconds=300)
    assert waits() == ["read_back", "ask_ways"], "they were lost"
    books.later(seconds=300)
    tasks.tick_delivery()
    assert queue.work() == ["read_back", "ask_ways"]
    Invoice.objects.update(legal_excl=None, legal_vat=None, legal_incl=None, way_asked_at=None)
    assert waits() == ["read_back", "ask_ways"], "what comes after it is another one"


@pytest.mark.slow
def test_lost_message_of_the_send_heals_too(scene: Make, queue: Queue) -> None:
    books, invoice = asked_for(scene, send=True)
    tasks.post_invoices(invoice_ids=[invoice.pk])
    assert [message[1].rpartition(".")[2] for message in queue.waiting()] == ["send_invoices"], "lost"
    books.later(seconds=60)
    tasks.tick_delivery()
    queue.work()
    assert (post.fresh(invoice).delivery, len(books.control.outbox())) == ("sent", 1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cut_before", "cut_after"])
def test_worker_resolves_a_doubt_by_itself_in_time(scene: Make, queue: Queue, kind: str) -> None:
    books, invoice = asked_for(scene)
    tasks.tick_delivery()
    with books.fault(kind):
        queue.work()
    assert post.fresh(invoice).status == "in_doubt"
    for _ in range(8):
        books.later(seconds=60)
        tasks.tick_delivery()
        queue.work()
    row = post.fresh(invoice)
    (order,) = books.control.orders()
    assert (row.status, row.order_id, row.legal_incl) == ("posted", order["OrderID"], order["TotalIncl"])
    assert len(books.asked("POST", "/v1/orders")) == (2 if kind == "cut_before" else 1)


def test_worker_takes_up_a_dead_lease(scene: Make, queue: Queue) -> None:
    books, invoice = asked_for(scene)
    books.die_posting(invoice, done=True)
    books.later(seconds=301)
    tasks.tick_delivery()
    queue.work()
    assert (post.fresh(invoice).status, len(books.asked("POST", "/v1/orders"))) == ("posted", 1)


def test_refused_sending_that_is_asked_for_again_waits_out_a_closed_circuit(scene: Make, queue: Queue) -> None:
    books, invoice = asked_for(scene, send=True)
    with books.fault("status", path=SEND, status=400, body={"errors": [{"Code": "TheCustomerIsNotActiveOnPeppol"}]}):
        tasks.tick_delivery()
        queue.work()
    row = post.fresh(invoice)
    assert (row.delivery, row.send_requested_at, row.waits_for_billit) == ("failed", None, False)
    posts.request_send(invoice=row, by=BY, now=timezone.now())
    Connection.objects.filter(service="billit").update(failures=5, rest_until=timezone.now() + timedelta(minutes=5))
    tasks.send_invoices(invoice_ids=[row.pk])
    row = post.fresh(invoice)
    assert (row.delivery, row.waits_for_billit, len(books.asked("POST", SEND))) == ("failed", True, 1)
    assert list(Invoice.objects.waiting_for_billit()) == [row]
    books.later(minutes=5)
    for _ in range(2):
        tasks.tick_delivery()
        queue.work()
    assert (post.fresh(invoice).delivery, len(books.asked("POST", SEND)), len(books.control.outbox())) == ("sent", 2, 1)


def test_refused_invoice_is_left_to_a_person(scene: Make, queue: Queue) -> None:
    books, invoice = asked_for(scene, send=True)
    with books.fault("status", status=400, body="no"):
        tasks.tick_delivery()
        queue.work()
    row = post.fresh(invoice)
    assert (row.status, row.post_requested_at, row.send_requested_at) == ("refused", None, None)
    books.later(hours=1)
    tasks.tick_delivery()
    assert queue.waiting() == []


def test_outage_of_billit_pauses_the_invoice_and_ends_with_one_order(scene: Make, queue: Queue) -> None:
    books, invoice = asked_for(scene)
    with books.fault("status", status=429, headers={"Retry-After": "600"}):
        tasks.tick_delivery()
        queue.work()
        books.later(seconds=599)
        tasks.tick_delivery()
        assert queue.waiting() == []
    books.later(seconds=1)
    tasks.tick_delivery()
    queue.work()
    assert (post.fresh(invoice).status, len(books.asked("POST", "/v1/orders"))) == ("posted", 2)
    assert len(books.control.orders()) == 1


def test_reading_back_that_fails_is_tried_again(scene: Make, queue: Queue) -> None:
    books, invoice = asked_for(scene)
    tasks.post_invoices(invoice_ids=[invoice.pk])
    with books.fault("status", method="GET", path="^/v1/orders$", status=503, headers={"Retry-After": "600"}):
        tasks.tick_delivery()
        assert sorted(queue.work()) == ["ask_ways", "read_back"]
    assert post.fresh(invoice).legal_incl is None
    books.later(seconds=60)
    tasks.tick_delivery()
    queue.work()
    assert post.fresh(invoice).legal_incl == books.control.orders()[0]["TotalIncl"]
    books.later(seconds=60)
    tasks.tick_delivery()
    assert queue.waiting() == [], "nothing is due any more"


def test_what_nobody_asked_for_is_not_posted_by_ticks(scene: Make, queue: Queue) -> None:
    books = scene(entries=[entry(1), entry(2, project_id=BAKERY_PROJECT)])
    books.draft()
    books.approve(books.invoices().first() or Invoice())
    for _ in range(3):
        books.later(minutes=10)
        tick(books)
        queue.work()
    assert sorted(books.invoices().values_list("status", flat=True)) == ["approved", "draft"]
    assert books.asked("POST", "/v1/orders") == []


@pytest.mark.parametrize("was_asked", [False, True])
def test_message_posts_only_what_somebody_asked_to_post(scene: Make, queue: Queue, was_asked: bool) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    if was_asked:
        # A stale message: the wish went with the refusal, and the invoice was approved again since.
        posts.request(invoice=invoice, send=True, by=BY, now=NOW)
        with books.fault("status", status=400, body="no"):
            tasks.post_invoices(invoice_ids=[invoice.pk])
        books.approve(post.fresh(invoice))
        books.control.clear_log()
    tasks.post_invoices(invoice_ids=[invoice.pk])
    tasks.send_invoices(invoice_ids=[invoice.pk])
    assert (post.fresh(invoice).status, books.asked("POST", "/v1/orders"), queue.waiting()) == ("approved", [], [])


def test_message_sends_only_what_somebody_asked_to_send(scene: Make, queue: Queue) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.posted()
    tasks.send_invoices(invoice_ids=[invoice.pk])
    tasks.post_invoices(invoice_ids=[invoice.pk])
    assert (post.fresh(invoice).delivery, books.asked("POST", SEND), queue.waiting()) == ("not_sent", [], [])
    posts.request_send(invoice=invoice, by=BY, now=NOW)
    tasks.send_invoices(invoice_ids=[invoice.pk])
    assert (post.fresh(invoice).delivery, len(books.asked("POST", SEND))) == ("sent", 1)


def test_wish_that_is_taken_back_before_the_claim_posts_nothing(scene: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    books, invoice = asked_for(scene)

    def dropped_meanwhile(*args: Any) -> Any:
        made = orders_of(*args)
        Invoice.objects.filter(pk=invoice.pk).update(post_requested_at=None, post_requested_by="")
        return made

    monkeypatch.setattr(post, "orders_of", dropped_meanwhile)
    tasks.post_invoices(invoice_ids=[invoice.pk])
    assert (post.fresh(invoice).status, books.asked("POST", "/v1/orders")) == ("approved", [])


def test_log_names_who_asked_for_posting_and_sending(scene: Make, queue: Queue) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    poster, sender = (Actor(f"{name}@example.com", "page", Authority.COMMAND) for name in ("poster", "sender"))
    asks: list[Callable[[], None]] = [
        lambda: posts.request(invoice=invoice, send=False, by=poster, now=NOW),
        lambda: posts.request_send(invoice=invoice, by=sender, now=NOW),
    ]
    for ask in asks:
        ask()
        tasks.tick_delivery()
        queue.work()
    log = AuditEvent.objects.filter(subject=f"invoice {invoice.reference}").order_by("number")
    assert list(log.values_list("type", "actor"))[1:] == [
        ("invoice_approved", BY.name),
        ("invoice_posting", "poster@example.com"),
        ("invoice_posted", "poster@example.com"),
        ("invoice_sending", "sender@example.com"),
        ("invoice_sent", "sender@example.com"),
    ]


def test_change_in_toggl_reaches_the_ledger_at_the_next_sync(scene: Make, queue: Queue) -> None:
    books = scene(entries=[entry(1)])
    books.control.put_entries(entry(2, tags=[]))
    books.later(minutes=16)
    tick(books)
    queue.work()
    assert books.states() == {entry(1)["id"]: "open", entry(2)["id"]: "attention"}
    assert Workspace.objects.get().next_sync_at == timezone.now() + timedelta(minutes=15)
