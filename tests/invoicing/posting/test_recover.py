"""Exactly once (design section 7), against a Billit that times out, cuts, forgets and lies, and workers that die."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from integrations.clients.http.transport import RetryLater
from invoicing.models import Attempt, Invoice
from invoicing.posting import post, recover
from tests.factories import enterprise_number
from tests.invoicing.scene import BY, Scene, in_thread, until
from tests.worlds import (
    BAKERY_PARTY,
    BAKERY_PROJECT,
    GARAGE_PARTY,
    NOW,
    entry,
)
from toggbill.firms import audit
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]

NOT_DONE: list[tuple[str, dict[str, Any]]] = [
    ("timeout_before", {"seconds": 0.05}),
    ("cut_before", {}),
    ("html500", {}),
    ("status", {"status": 500}),
    ("status", {"status": 502}),
    ("status", {"status": 503, "headers": {"Retry-After": "1"}}),
]
DONE_WITHOUT_ANSWER = [("timeout_after", {"seconds": 0.05}), ("cut_after", {}), ("truncate", {})]


# --- no answer --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_no_answer_before_the_work_is_in_doubt_then_posted_once_with_the_same_key(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    for sent, (kind, fields) in enumerate(NOT_DONE, start=1):
        tried = timezone.now()
        with books.fault(kind, **fields):
            doubtful = books.post(invoice)
        assert (doubtful.status, doubtful.order_id, doubtful.posting_since) == ("in_doubt", None, None), kind
        assert doubtful.problem == "unclear", kind
        assert doubtful.not_before == tried + timedelta(seconds=120)
        assert len(books.asked("POST", "/v1/orders")) == sent, "a POST is never repeated by itself"

        books.later(seconds=119)
        early = books.recover(doubtful)
        assert early.status == "in_doubt", "an order may still be on its way"
        assert books.post(early).status == "in_doubt"
        books.later(seconds=1)
        again = books.recover(early)
        assert (again.status, again.problem, again.problem_facts, again.key_number) == ("approved", "", {}, 1), kind
    posted = books.post(invoice)
    assert (posted.status, len(books.control.orders())) == ("posted", 1)
    assert [attempt.outcome for attempt in books.attempts(invoice)] == ["absent"] * len(NOT_DONE) + ["accepted"]
    assert {attempt.key for attempt in books.attempts(invoice)} == {f"{invoice.reference}-1"}
    doubts = ["invoice_posting", "invoice_in_doubt", "invoice_not_found"] * len(NOT_DONE)
    assert books.story(invoice)[2:] == [*doubts, "invoice_posting", "invoice_posted"]


def test_order_that_arrived_after_the_look_up_is_not_made_twice(scene: Make) -> None:
    """Absent when looked for, so the post is repeated with the same key; the repeat loses its answer, too."""
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    with books.fault("cut_before"):
        doubtful = books.post(invoice)
    books.later(seconds=120)
    again = books.recover(doubtful)
    with books.fault("cut_after"):
        assert books.post(again).status == "in_doubt"
    books.later(seconds=120)
    assert books.recover(again).status == "posted"
    assert len(books.control.orders()) == 1
    assert [attempt.outcome for attempt in books.attempts(invoice)] == ["absent", "adopted"]


@pytest.mark.parametrize(("kind", "fields"), DONE_WITHOUT_ANSWER)
def test_no_answer_after_the_work_is_in_doubt_then_adopted(scene: Make, kind: str, fields: dict[str, Any]) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    with books.fault(kind, **fields):
        doubtful = books.post(invoice)
    assert (doubtful.status, doubtful.order_id) == ("in_doubt", None)
    assert set(books.states().values()) == {"drafted"}
    adopted = books.recover(doubtful)
    (order,) = books.control.orders()
    assert (adopted.status, adopted.order_id, adopted.problem, adopted.problem_facts) == (
        "posted",
        order["OrderID"],
        "",
        {},
    )
    assert adopted.needs_person is False
    assert set(books.states().values()) == {"invoiced"}
    assert [attempt.outcome for attempt in books.attempts(invoice)] == ["adopted"]
    assert books.story(invoice)[2:] == ["invoice_posting", "invoice_in_doubt", "invoice_adopted"]
    assert len(books.asked("POST", "/v1/orders")) == 1
    assert books.recover(adopted).order_id == adopted.order_id


def test_nonsense_with_status_200_is_in_doubt(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    with books.fault("status", status=200, body={"ok": True}):
        assert books.post(invoice).status == "in_doubt"


@pytest.mark.django_db(transaction=True)
def test_answer_that_comes_after_the_lease_ran_out_settles_all_the_same(scene: Make, settings: Settings) -> None:
    """The same over HTTP: another worker declares the row dead while Billit still works on the answer."""
    settings.POSTING_LEASE_SECONDS = 0
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    with books.fault("slow", seconds=0.6):
        worker = in_thread(lambda: books.post(invoice))
        until(lambda: books.asked("POST", "/v1/orders"))
        doubtful = recover.recover(invoice=invoice, by=BY, now=NOW + timedelta(seconds=1))
        assert doubtful.status == "in_doubt"
        worker()
    row = post.fresh(invoice)
    assert (row.status, len(books.control.orders())) == ("posted", 1)
    assert [attempt.outcome for attempt in books.attempts(invoice)] == ["accepted"]
    assert books.story(invoice)[2:] == ["invoice_posting", "invoice_in_doubt", "invoice_posted"]


# --- the key was used -------------------------------------------------------------------------------------------------


def test_used_key_with_its_order_is_adopted(scene: Make) -> None:
    """The first answer was lost, the row was set back by hand, and the repeat meets Billit's 409."""
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    with books.fault("cut_after"):
        books.post(invoice)
    Invoice.objects.filter(pk=invoice.pk).update(status="approved", problem="")
    doubtful = books.post(invoice)
    assert (doubtful.status, books.attempts(invoice)[-1].http_status) == ("in_doubt", 409)
    assert books.recover(doubtful).status == "posted"
    assert len(books.control.orders()) == 1


@pytest.mark.slow
def test_used_key_without_an_order_waits_for_a_person_who_posts_anew_with_a_new_key(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    with books.fault("status", status=409, body={"errors": [{"Code": "Idempotent token already exists"}]}):
        doubtful = books.post(invoice)
    assert books.recover(doubtful).status == "in_doubt"
    books.later(hours=3)
    left = books.recover(doubtful)
    assert (left.status, left.needs_person) == ("in_doubt", True)
    assert (left.problem, left.problem_facts) == ("not_adopted", {"found": {"code": "key_used", "facts": {}}})
    assert books.due() == [], "no worker goes on by itself"
    assert books.recover(left).status == "in_doubt"

    anew = recover.post_anew(invoice=left, by=BY, now=timezone.now())
    assert (anew.status, anew.needs_person, anew.problem) == ("approved", False, "")
    posted = books.post(anew)
    keys = [request["headers"]["idempotency-key"] for request in books.asked("POST", "/v1/orders")]
    assert (posted.status, keys) == ("posted", [f"{invoice.reference}-1", f"{invoice.reference}-2"])


def test_post_anew_is_refused_for_what_no_person_has_to_decide(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    with pytest.raises(NotPossible, match="is not one that a person has to decide on"):
        recover.post_anew(invoice=invoice, by=BY, now=NOW)
    with books.fault("cut_after"):
        doubtful = books.post(invoice)
    with pytest.raises(NotPossible):
        recover.post_anew(invoice=doubtful, by=BY, now=NOW)
    assert post.fresh(invoice).key_number == 1


# --- what a look-up finds ---------------------------------------------------------------------------------------------


def _lost(books: Scene) -> tuple[Invoice, int]:
    """An invoice in doubt whose order Billit has."""
    invoice = books.approved()
    with books.fault("cut_after"):
        doubtful = books.post(invoice)
    (order,) = books.control.orders()
    return doubtful, int(order["OrderID"])


def test_found_order_of_other_totals_or_customer_waits_for_a_person(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    doubtful, order_id = _lost(books)
    right: dict[str, Any] = {"TotalExcl": 95.00, "TotalVAT": 19.95, "TotalIncl": 114.95, "_customer": GARAGE_PARTY}
    for wrong in ({"TotalExcl": 95.01}, {"TotalVAT": 19.94}, {"TotalIncl": 114.96}, {"_customer": BAKERY_PARTY}):
        books.control.change_order(order_id, **(right | wrong))
        books.later(hours=1)
        left = books.recover(doubtful)
        assert (left.status, left.needs_person, left.order_id) == ("in_doubt", True, None), wrong
        found = {"code": "other_order", "facts": {"order": order_id}}
        assert (left.problem, left.problem_facts) == ("not_adopted", {"found": found})
        assert books.due() == []
    with pytest.raises(NotPossible, match="delete it there; then post the invoice anew"):
        recover.post_anew(invoice=left, by=BY, now=timezone.now())
    books.control.change_order(order_id, **right)
    adopted = books.recover(doubtful)
    assert (adopted.status, adopted.order_id, adopted.needs_person) == ("posted", order_id, False)
    assert len(books.asked("POST", "/v1/orders")) == 1


def test_several_found_orders_wait_for_a_person(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, project_id=BAKERY_PROJECT)])
    books.draft()
    garage, bakery = sorted(books.approve(), key=lambda row: row.customer_name, reverse=True)
    with books.fault("cut_after"):
        doubtful = books.post(garage)
    other = books.post(bakery)
    assert other.order_id is not None
    # Somebody copied the invoice by hand in Billit: the same reference twice.
    books.control.change_order(other.order_id, ExternalProviderID=garage.reference)
    left = books.recover(doubtful)
    assert (left.status, left.needs_person) == ("in_doubt", True)
    found = left.problem_facts["found"]
    assert (left.problem, found["code"], found["facts"]["n"]) == ("not_adopted", "several_orders", 2)
    with pytest.raises(NotPossible, match="Delete in Billit those of them that stand"):
        recover.post_anew(invoice=left, by=BY, now=timezone.now())
    books.control.change_order(other.order_id, ExternalProviderID=bakery.reference)
    assert recover.post_anew(invoice=left, by=BY, now=timezone.now()).status == "posted", "taken over"
    assert len(books.asked("POST", "/v1/orders")) == 2


def test_deleted_order_waits_for_a_person_however_late_it_is(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    doubtful, order_id = _lost(books)
    books.control.change_order(order_id, Deleted=True)
    books.later(days=2)
    left = books.recover(doubtful)
    assert (left.status, left.needs_person) == ("in_doubt", True)
    found = {"code": "order_deleted", "facts": {"order": order_id}}
    assert (left.problem, left.problem_facts) == ("not_adopted", {"found": found})


def test_hits_are_found_by_the_filter_when_the_rows_lack_the_field(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.control.switch(billit_summary_external_id=False)
    doubtful, order_id = _lost(books)
    assert books.recover(doubtful).order_id == order_id


@pytest.mark.parametrize("rows", ["without_number", "bare"])
@pytest.mark.parametrize("is_new", [True, False], ids=["new customer", "known customer"])
def test_an_order_is_read_whole_where_its_row_lacks_what_is_compared(scene: Make, rows: str, is_new: bool) -> None:
    books = scene(entries=[entry(1)], **({"parties": []} if is_new else {}))
    books.control.switch(billit_summary_rows=rows)
    doubtful, order_id = _lost(books)
    books.control.clear_log()
    adopted = books.recover(doubtful)
    assert (adopted.status, adopted.order_id) == ("posted", order_id)
    read_whole = bool(books.asked("GET", f"/v1/orders/{order_id}"))
    # Of a customer that is known by its id, no number is needed.
    assert read_whole == (is_new or rows == "bare")
    assert len(books.control.orders()) == 1


@pytest.mark.parametrize("rows", ["without_number", "bare"])
def test_an_order_of_another_new_customer_is_not_adopted_by_a_bare_row(scene: Make, rows: str) -> None:
    books = scene(entries=[entry(1)], parties=[])
    books.control.switch(billit_summary_rows=rows)
    doubtful, _ = _lost(books)
    (made,) = {order["CustomerID"] for order in books.control.orders()}
    books.control.put_billit("parties", {"PartyID": made, "VATNumber": enterprise_number(99)})
    left = books.recover(doubtful)
    assert (left.status, left.needs_person) == ("in_doubt", True)


def test_lookup_that_billit_cannot_answer_decides_nothing(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    doubtful, _ = _lost(books)
    books.later(hours=1)
    with (
        books.fault("status", method="GET", path="/v1/orders/deleted", status=503, headers={"Retry-After": "600"}),
        pytest.raises(RetryLater),
    ):
        books.recover(doubtful)
    assert post.fresh(doubtful).status == "in_doubt"
    assert books.recover(doubtful).status == "posted"


def test_foreign_company_of_the_same_key_is_never_looked_at(scene: Make) -> None:
    """The order of another company with our reference is not ours."""
    books = scene(entries=[entry(1)])
    doubtful, order_id = _lost(books)
    books.control.change_order(order_id, CompanyID=7999)
    books.later(hours=1)
    assert books.recover(doubtful).status == "approved"


# --- dead workers and several workers ---------------------------------------------------------------------------------


def _died_while_posting(books: Scene, *, work_done: bool) -> Invoice:
    """A worker that was killed right after its POST: the row is posting, the attempt pending."""
    invoice = books.approved()
    books.die_posting(invoice, done=work_done)
    assert [attempt.outcome for attempt in books.attempts(invoice)] == ["pending"]
    return invoice


def test_dead_lease_is_taken_up_only_when_it_ran_out(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = _died_while_posting(books, work_done=True)
    books.later(seconds=300)
    assert books.recover(invoice).status == "posting"
    assert books.due() == []
    books.later(seconds=1)
    assert books.due() == [invoice]
    adopted = books.recover(invoice)
    (order,) = books.control.orders()
    assert (adopted.status, adopted.order_id) == ("posted", order["OrderID"])
    assert [attempt.outcome for attempt in books.attempts(invoice)] == ["adopted"]
    assert "invoice_in_doubt" in books.story(invoice)


@pytest.mark.parametrize("work_done", [True, False])
def test_command_takes_up_a_dead_lease_and_posts_exactly_once(scene: Make, work_done: bool) -> None:
    books = scene(entries=[entry(1)])
    invoice = _died_while_posting(books, work_done=work_done)
    books.later(seconds=301)
    done = books.invoice("--post")
    (shown,) = done.answer["invoices"]
    (order,) = books.control.orders()
    assert (done.code, shown["status"], shown["order_id"]) == (0, "posted", order["OrderID"])
    assert shown["reference"] == invoice.reference


def test_command_leaves_a_living_lease_alone(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    _died_while_posting(books, work_done=False)
    books.later(seconds=299)
    done = books.invoice("--post")
    assert (done.code, done.answer["invoices"], books.control.orders()) == (0, [], [])


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_make_one_order(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    barrier = threading.Barrier(4)

    def work() -> Invoice:
        barrier.wait(10)
        return books.post(invoice)

    with books.fault("slow", seconds=0.2):
        workers = [in_thread(work) for _ in range(4)]
        statuses = [worker().status for worker in workers]
    assert len(books.asked("POST", "/v1/orders")) == 1
    assert len(books.control.orders()) == 1
    assert "posted" in statuses
    assert set(statuses) <= {"posted", "posting"}
    assert Attempt.objects.count() == 1
    assert post.fresh(invoice).status == "posted"
    assert len(books.events("invoice_posted")) == 1
    assert audit.verify(firm=books.firm).ok


@pytest.mark.django_db(transaction=True)
def test_two_lookups_at_once_adopt_once(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    doubtful, order_id = _lost(books)
    with books.fault("slow", method="GET", path="^/v1/orders", seconds=0.1):
        workers = [in_thread(lambda: books.recover(doubtful)) for _ in range(2)]
        for worker in workers:
            worker()
    assert post.fresh(doubtful).order_id == order_id
    assert len(books.events("invoice_adopted")) == 1


def test_change_in_toggl_while_the_order_was_in_doubt_is_a_correction_after_adoption(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    doubtful, _ = _lost(books)
    books.control.put_entries(entry(1, seconds=7200))
    books.sync()
    assert books.states() == {entry(1)["id"]: "drafted"}
    books.recover(doubtful)
    books.sync()
    row = doubtful.lines.get().claims.get().entry.ledger_row
    assert (row.state, row.seconds, row.correction_seconds) == ("invoiced", 7200, 3600)
    assert books.control.orders()[0]["TotalExcl"] == Decimal("95.00")
