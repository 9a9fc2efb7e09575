"""Sending (R11): one delivery per order, by a way that was looked up before, and never twice from doubt."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.clients.http.transport import RetryLater
from invoicing.due import posts
from invoicing.models import Invoice
from invoicing.posting import post
from tests.invoicing.scene import BY, Scene, in_thread
from tests.worlds import GARAGE, GARAGE_NUMBER, GARAGE_PARTY, NOW, client, entry, party
from toggbill.firms import audit
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
SEND = "/v1/orders/commands/send"


def sent_ways(books: Scene) -> list[tuple[str, str]]:
    return [(row["transport"], row["destination"]) for row in books.control.outbox()]


def test_peppol_when_the_receiver_is_registered_for_the_document(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.send(books.posted())
    (request,) = books.asked("POST", SEND)
    assert request["body"] == {"TransportType": "Peppol", "OrderIDs": [invoice.order_id]}
    headers = request["headers"]
    key = f"{invoice.reference}-2"
    assert (headers["idempotency-key"], headers["idempotent-key"], headers["stricttransporttype"]) == (key, key, "true")
    assert headers["partyid"] == "7001"
    (looked_up,) = books.asked("GET", f"/v1/peppol/participantInformation/0208:{GARAGE_NUMBER[2:]}")
    assert "apikey" not in looked_up["headers"]
    assert looked_up["n"] < request["n"]
    assert sent_ways(books) == [("Peppol", f"0208:{GARAGE_NUMBER[2:]}")]
    assert (invoice.delivery, invoice.sending_since, invoice.delivery_problem) == ("sent", None, "")
    (attempt,) = books.attempts(invoice, "send")
    assert (attempt.key, attempt.outcome, attempt.body) == (key, "accepted", f"Peppol {invoice.order_id}")
    (event,) = books.events("invoice_sent")
    assert event.data == {"key": key, "answer": {"code": "sent_over_peppol", "facts": {}}}


def test_posting_and_sending_have_two_keys(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.send(books.posted())
    assert {attempt.key for attempt in invoice.attempts.all()} == {f"{invoice.reference}-1", f"{invoice.reference}-2"}
    assert invoice.send_key != invoice.key


@pytest.mark.slow
@pytest.mark.parametrize(
    "peppol",
    [[], [{"number": GARAGE_NUMBER, "documents": ["BISv3CreditNote"]}]],
    ids=["unregistered", "other document"],
)
def test_receiver_that_does_not_take_it_is_attention_and_nothing_is_sent(
    scene: Make, peppol: list[dict[str, Any]]
) -> None:
    books = scene(entries=[entry(1)], peppol=peppol)
    posted = books.posted()
    posts.request_send(invoice=posted, by=BY, now=NOW)
    with pytest.raises(NotPossible, match="does not receive invoices over Peppol"):
        books.send(posted)
    row = post.fresh(posted)
    assert (row.delivery, row.send_requested_at, row.status) == ("not_sent", None, "posted")
    facts = {"customer": "Garage Vonk SRL", "number": GARAGE_NUMBER}
    assert (row.attention, row.attention_facts) == ("no_way_to_send", facts)
    assert (books.asked("POST", SEND), books.attempts(posted, "send"), books.due()) == ([], [], [])
    # The customer registers: sending again works and the attention goes.
    books.control.put_peppol({"number": GARAGE_NUMBER})
    sent = books.send(row)
    assert (sent.delivery, sent.attention) == ("sent", "")


def test_email_only_when_the_dossier_allows_it_and_the_customer_has_an_address(scene: Make) -> None:
    books = scene(entries=[entry(1)], peppol=[])
    posted = books.posted()
    books.rules(email_allowed=True)
    sent = books.send(posted)
    assert (sent.delivery, sent_ways(books)) == ("sent", [("SMTP", f"party{GARAGE_PARTY}@example.com")])
    assert books.asked("POST", SEND)[0]["headers"]["stricttransporttype"] == "true"


def test_email_is_no_way_without_an_address(scene: Make) -> None:
    books = scene(entries=[entry(1)], peppol=[], parties=[party(GARAGE_PARTY, "Garage", GARAGE_NUMBER, Email="")])
    posted = books.posted()
    books.rules(email_allowed=True)
    with pytest.raises(NotPossible, match="add an address"):
        books.send(posted)
    assert books.control.outbox() == []


@pytest.mark.slow
def test_peppol_goes_before_email(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    posted = books.posted()
    books.rules(email_allowed=True)
    books.send(posted)
    assert [way for way, _ in sent_ways(books)] == ["Peppol"]


def test_no_second_send(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    posted = books.posted()
    books.send(posted)
    books.later(hours=1)
    again = books.send(posted)
    assert (again.delivery, len(books.asked("POST", SEND)), len(books.control.outbox())) == ("sent", 1, 1)


def test_nothing_but_a_posted_invoice_is_sent(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    approved = books.approved()
    assert books.send(approved).delivery == "not_sent"
    with books.fault("cut_after"):
        doubtful = books.post(approved)
    assert books.send(doubtful).delivery == "not_sent"
    assert books.asked("POST", SEND) == []


@pytest.mark.slow
def test_refused_send_shows_billits_reason_and_can_be_tried_again_with_the_same_key(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    posted = books.posted()
    # Peppol's directory still lists the receiver, Billit no longer reaches it.
    with books.fault(
        "status",
        path=SEND,
        status=400,
        body={"errors": [{"Code": "TheCustomerIsNotActiveOnPeppol", "Description": "The customer is not active."}]},
    ):
        failed = books.send(posted)
    assert (failed.delivery, failed.status) == ("failed", "posted")
    assert failed.delivery_problem == "refused"
    assert "The customer is not active" in failed.delivery_problem_facts["said"]
    assert [event.data["key"] for event in books.events("invoice_send_refused")] == [f"{posted.reference}-2"]
    assert books.due() == [], "a refusal waits for a person"
    sent = books.send(failed)
    assert (sent.delivery, sent.delivery_problem) == ("sent", "")
    assert [request["headers"]["idempotency-key"] for request in books.asked("POST", SEND)] == [
        f"{posted.reference}-2"
    ] * 2
    assert len(books.control.outbox()) == 1


def test_429_at_sending_waits_and_goes_on_with_the_same_key(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    posted = books.posted()
    posts.request_send(invoice=posted, by=BY, now=NOW)
    with (
        books.fault("status", path=SEND, status=429, headers={"Retry-After": "30"}),
        pytest.raises(RetryLater),
    ):
        books.send(posted)
    row = post.fresh(posted)
    assert (row.delivery, row.not_before) == ("not_sent", NOW + timedelta(seconds=30))
    assert (books.due(NOW + timedelta(seconds=29)), books.due(NOW + timedelta(seconds=30))) == ([], [posted])
    assert books.send(row).delivery == "sent"
    assert {attempt.key for attempt in books.attempts(posted, "send")} == {f"{posted.reference}-2"}


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "seconds"), [("timeout_after", 0.05), ("cut_after", 0)])
def test_doubt_after_the_work_reads_the_status_and_never_sends_again(scene: Make, kind: str, seconds: float) -> None:
    books = scene(entries=[entry(1)])
    posted = books.posted()
    with books.fault(kind, path=SEND, seconds=seconds):
        doubtful = books.send(posted)
    assert (doubtful.delivery, doubtful.status) == ("in_doubt", "posted")
    assert doubtful.delivery_problem == "unclear"
    settled = books.send(doubtful)
    assert (settled.delivery, settled.delivery_problem, settled.delivery_problem_facts) == ("sent", "", {})
    assert len(books.asked("POST", SEND)) == 1
    assert len(books.control.outbox()) == 1
    assert [attempt.outcome for attempt in books.attempts(posted, "send")] == ["adopted"]
    assert [event.type for event in (*books.events("invoice_send_in_doubt"), *books.events("invoice_sent"))] == [
        "invoice_send_in_doubt",
        "invoice_sent",
    ]


def test_doubt_before_the_work_reads_the_status_first_and_then_sends_once(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    posted = books.posted()
    with books.fault("cut_before", path=SEND):
        doubtful = books.send(posted)
    assert doubtful.delivery == "in_doubt"
    assert books.send(doubtful).delivery == "in_doubt", "not late enough: it may still be on its way"
    assert len(books.asked("POST", SEND)) == 1
    books.later(seconds=120)
    books.control.clear_log()
    assert books.send(doubtful).delivery == "sent"
    steps = [(row["method"], row["path"]) for row in books.control.log("billit") if "/v1/orders" in row["path"]]
    assert steps == [("GET", f"/v1/orders/{posted.order_id}"), ("POST", SEND)]
    assert [attempt.outcome for attempt in books.attempts(posted, "send")] == ["absent", "accepted"]
    assert {attempt.key for attempt in books.attempts(posted, "send")} == {f"{posted.reference}-2"}
    (request,) = books.asked("POST", SEND)
    assert request["headers"]["idempotency-key"] == f"{posted.reference}-2"
    assert len(books.control.outbox()) == 1


@pytest.mark.slow
def test_used_key_without_a_delivery_waits_for_a_person_who_sends_with_a_new_key(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    posted = books.posted()
    posts.request_send(invoice=posted, by=BY, now=NOW)
    with books.fault("status", path=SEND, status=409, body={"errors": [{"Code": "Idempotent token already exists"}]}):
        doubtful = books.send(posted)
        assert doubtful.delivery == "in_doubt"
        books.later(seconds=120)
        failed = books.send(doubtful)
    assert failed.delivery == "failed"
    assert failed.delivery_problem == "not_sent_after_all"
    assert books.due() == []
    assert books.send(failed).delivery == "sent"
    assert books.asked("POST", SEND)[-1]["headers"]["idempotency-key"] == f"{posted.reference}-3"


def test_dead_worker_at_sending_is_looked_up_after_its_lease(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    posted = books.posted()
    books.die_sending(posted, done=True)
    books.later(seconds=300)
    assert (books.send(posted).delivery, books.due()) == ("sending", [])
    books.later(seconds=1)
    assert books.due() == [posted]
    assert books.send(posted).delivery == "sent"
    assert len(books.asked("POST", SEND)) == 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_send_once(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    posted = books.posted()
    barrier = threading.Barrier(3)

    def work() -> Invoice:
        barrier.wait(10)
        return books.send(posted)

    with books.fault("slow", path=SEND, seconds=0.2):
        workers = [in_thread(work) for _ in range(3)]
        for worker in workers:
            worker()
    assert (len(books.asked("POST", SEND)), len(books.control.outbox())) == (1, 1)
    assert post.fresh(posted).delivery == "sent"
    assert audit.verify(firm=books.firm).ok


def test_customer_without_a_number_is_not_looked_up_at_peppol(scene: Make) -> None:
    books = scene(
        entries=[entry(1)],
        clients=[client(GARAGE, "A Person")],
        parties=[party(88_001, "A Person", "")],
        client_map=[{"client": GARAGE, "customer": 88_001}],
    )
    posted = books.posted()
    with pytest.raises(NotPossible, match="no number"):
        books.send(posted)
    assert [row for row in books.control.log("billit") if "peppol" in row["path"]] == []
    assert timezone.now() == NOW
