"""Billit's order is read before it is sent (design D13): what Billit says wins over what our rows remember."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from integrations.clients import billit
from integrations.connections.opening import open_billit
from invoicing.due import order_changes, posts
from invoicing.models import Drift, Invoice
from invoicing.posting import post, read_first
from invoicing.posting.sending import send as sending
from invoicing.posting.sending.way import choose
from invoicing.reconciliation import acknowledge
from tests.invoicing.after_billing import prove
from tests.invoicing.scene import BY, Killed, Scene, many
from tests.worlds import BAKERY_PARTY, COMPANY, GARAGE_NUMBER, GARAGE_PARTY, NOW, entry, party
from toggbill.firms.audit import Actor
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
SEND = "/v1/orders/commands/send"
WORKER = Actor("schedule", "worker")


def send_in_billit(books: Scene, invoice: Invoice) -> None:
    """What a person does in My Billit, or Billit's own daily run: over Peppol, and without a key of ours."""
    with open_billit(invoice.company) as api:
        api.send_order(invoice.order_id or 0, transport="Peppol", key="by-hand")
    books.control.clear_log()


def by_a_worker(books: Scene, invoice: Invoice) -> Invoice:
    """Asked for by a person, and done by a worker."""
    posts.request_send(invoice=post.fresh(invoice), by=BY, now=timezone.now())
    posts.send_off(invoices=[invoice], by=WORKER, now=timezone.now())
    return post.fresh(invoice)


def by_a_person(books: Scene, invoice: Invoice) -> Invoice:
    return books.send(invoice)


def by_the_command(books: Scene, invoice: Invoice) -> Invoice:
    books.invoice("--send")
    return post.fresh(invoice)


WAYS = pytest.mark.parametrize("ask", [by_a_person, by_the_command, by_a_worker])


def standing(invoice: Invoice) -> list[str]:
    return list(Drift.objects.standing().filter(reference=invoice.reference).values_list("kind", flat=True))


def read_back(books: Scene) -> Invoice:
    """The only invoice, posted and read back."""
    invoice = books.posted()
    books.read_back()
    return post.fresh(invoice)


@WAYS
@pytest.mark.parametrize("delivery", ["not_sent", "failed"])
def test_what_billit_sent_is_taken_over_and_not_sent_again(
    scene: Make, ask: Callable[[Scene, Invoice], Invoice], delivery: str
) -> None:
    books = scene(entries=[entry(1)])
    books.control.switch(billit_resend_guard_minutes=0)
    invoice = read_back(books)
    if delivery == "failed":
        body = {"errors": [{"Code": "TheCustomerIsNotActiveOnPeppol"}]}
        with books.fault("status", path=SEND, status=400, body=body):
            assert books.send(invoice).delivery == "failed"
    send_in_billit(books, invoice)
    row = ask(books, invoice)
    assert (row.delivery, row.delivery_problem, row.send_requested_at) == ("sent", "", None)
    assert (books.asked("POST", SEND), len(books.control.outbox())) == ([], 1)
    assert [event.data for event in books.events("invoice_sent")] == [
        {"key": None, "answer": {"code": "sent_elsewhere", "facts": {}}}
    ]
    assert (standing(row), books.due()) == ([], [])
    prove(books)


def test_billits_own_run_of_the_morning_comes_before_a_worker(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.control.switch(billit_resend_guard_minutes=0)
    books.control.put_billit("companies", {"PartyID": COMPANY, "auto_send": True})
    invoice = read_back(books)
    posts.request_send(invoice=invoice, by=BY, now=NOW)
    books.later(hours=24)
    assert len(books.control.outbox()) == 1
    posts.send_off(invoices=[invoice], by=WORKER, now=timezone.now())
    assert (post.fresh(invoice).delivery, len(books.control.outbox())) == ("sent", 1)
    prove(books)


@pytest.mark.slow
def test_orders_that_are_sent_together_are_read_in_one_call(scene: Make) -> None:
    books = scene(**many(6))
    books.control.put_peppol(*({"number": row["VATNumber"]} for row in many(6)["parties"]))
    books.draft()
    books.approve()
    for invoice in books.invoices(status="approved"):
        books.post(invoice)
    books.read_back()
    first, *others = books.invoices()
    send_in_billit(books, first)
    assert sending.send_together(invoices=[first, *others], by=BY, now=NOW) == {}
    reading = [row["path"] for row in books.control.log("billit") if row["path"].startswith("/v1/orders")]
    assert reading == ["/v1/orders", *([SEND] * 5)]
    assert {row.delivery for row in books.invoices()} == {"sent"}
    assert len(books.control.outbox()) == 6


@WAYS
def test_a_deleted_order_is_said_to_be_deleted(scene: Make, ask: Callable[[Scene, Invoice], Invoice]) -> None:
    books = scene(entries=[entry(1)])
    invoice = read_back(books)
    books.control.change_order(invoice.order_id or 0, Deleted=True)
    if ask is by_a_person:
        with pytest.raises(NotPossible, match=r"was deleted in Billit\. Bill its hours anew on the invoice’s page"):
            ask(books, invoice)
    else:
        ask(books, invoice)
    row = post.fresh(invoice)
    facts = {"order": invoice.order_id, "invoice": str(invoice)}
    assert (row.delivery, row.attention, row.attention_facts) == ("not_sent", "order_was_deleted", facts)
    assert (standing(row), row.send_requested_at, books.due()) == (["order_deleted"], None, [])
    assert books.asked("POST", SEND) == []
    # Nobody may ask for it, until the order is back.
    with pytest.raises(NotPossible, match="was deleted in Billit"):
        posts.request_send(invoice=row, by=BY, now=NOW)
    books.control.change_order(invoice.order_id or 0, Deleted=False)
    assert (books.send(row).delivery, standing(row)) == ("sent", [])
    assert post.fresh(row).attention == ""
    prove(books)


def test_an_order_that_is_deleted_while_it_is_sent_is_no_matter_of_access(
    scene: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = scene(entries=[entry(1)])
    invoice = read_back(books)
    way = choose

    def meanwhile(row: Invoice, api: billit.Api, **how: Any) -> Any:
        books.control.change_order(row.order_id or 0, Deleted=True)
        return way(row, api, **how)

    monkeypatch.setattr(sending, "choose", meanwhile)
    row = books.send(invoice)
    assert (row.delivery, row.delivery_problem) == ("failed", "order_was_deleted")
    assert standing(row) == ["order_deleted"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"TotalExcl": 40.00, "TotalVAT": 8.40, "TotalIncl": 48.40}, "it amounts to 48.40 there, to 114.95 here"),
        ({"TotalExcl": 950.00, "TotalVAT": 199.50, "TotalIncl": 1149.50}, "it amounts to 1149.50 there"),
        ({"_customer": BAKERY_PARTY}, f"party {BAKERY_PARTY} there, {GARAGE_PARTY} here"),
    ],
    ids=["less", "more", "customer"],
)
@pytest.mark.parametrize("ask", [by_a_person, by_a_worker])
def test_a_changed_order_waits_for_a_person(
    scene: Make, ask: Callable[[Scene, Invoice], Invoice], changes: dict[str, Any], says: str
) -> None:
    books = scene(entries=[entry(1)])
    invoice = read_back(books)
    order = next(row for row in books.control.orders() if row["OrderID"] == invoice.order_id)
    books.control.change_order(invoice.order_id or 0, **changes)
    if ask is by_a_person:
        with pytest.raises(NotPossible, match=says):
            ask(books, invoice)
    else:
        ask(books, invoice)
    row = post.fresh(invoice)
    assert (row.delivery, standing(row), books.asked("POST", SEND)) == ("not_sent", ["order_changed"], [])
    assert (row.excl, row.send_requested_at) == (invoice.excl, None)
    right = {"_customer": GARAGE_PARTY} | {name: order[name] for name in ("TotalExcl", "TotalVAT", "TotalIncl")}
    books.control.change_order(invoice.order_id or 0, **right)
    assert (books.send(row).delivery, standing(row)) == ("sent", [])
    prove(books)


def test_a_change_that_a_webhook_told_first_is_a_finding_too(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = read_back(books)
    books.control.change_order(invoice.order_id or 0, TotalExcl=40.00, TotalVAT=8.40, TotalIncl=48.40)
    assert order_changes.read(company=books.dossier.company, now=NOW) == 1
    row = post.fresh(invoice)
    assert (row.excl, standing(row)) == (invoice.excl, ["order_changed"])
    with pytest.raises(NotPossible, match=r"48\.40 there"):
        posts.request_send(invoice=row, by=BY, now=NOW)


def test_records_of_one_customer_that_were_merged_are_one_customer(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = read_back(books)
    books.control.put_billit("parties", party(80_099, "Garage Vonk", GARAGE_NUMBER))
    books.control.change_order(invoice.order_id or 0, _customer=80_099)
    row = books.send(invoice)
    assert (row.delivery, row.customer_party_id, standing(row)) == ("sent", 80_099, [])


def test_a_number_that_was_changed_by_hand_is_taken_over(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = read_back(books)
    books.control.change_order(invoice.order_id or 0, OrderNumber="2026-0999")
    row = books.send(invoice)
    assert (row.order_number, row.delivery) == ("2026-0999", "sent")
    (event,) = books.events("invoice_renumbered")
    assert event.data == {"old": invoice.order_number, "number": "2026-0999"}


@pytest.mark.slow
def test_an_order_that_was_paid_unsent_is_not_sent_until_somebody_asks_once_more(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = read_back(books)
    books.control.change_order(invoice.order_id or 0, Paid=True, PaidDate="2026-11-19T10:00:00")
    with pytest.raises(NotPossible, match="was paid in Billit before it was sent"):
        books.send(invoice)
    row = post.fresh(invoice)
    assert (row.payment, row.delivery, row.attention) == ("paid", "not_sent", "paid_unsent")
    assert (len(books.events("invoice_paid")), books.asked("POST", SEND)) == (1, [])
    sent = books.send(row)
    assert (sent.delivery, sent.attention) == ("sent", "")
    prove(books)


def test_a_worker_does_not_send_what_was_paid_since_it_was_asked_for(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = read_back(books)
    posts.request_send(invoice=invoice, by=BY, now=NOW)
    books.control.change_order(invoice.order_id or 0, Paid=True, PaidDate="2026-11-19T10:00:00")
    posts.send_off(invoices=[invoice], by=WORKER, now=NOW)
    row = post.fresh(invoice)
    assert (row.payment, row.delivery, row.attention, row.send_requested_at) == (
        "paid",
        "not_sent",
        "paid_unsent",
        None,
    )
    assert books.asked("POST", SEND) == []


def test_other_totals_at_the_first_reading_are_looked_at_before_it_is_sent(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.posted()
    books.control.change_order(invoice.order_id or 0, TotalExcl=94.99, TotalVAT=19.95, TotalIncl=114.94)
    with pytest.raises(NotPossible, match=r"Billit computed 94\.99"):
        books.send(invoice)
    row = post.fresh(invoice)
    assert (row.legal_excl, row.attention, standing(row)) == (row.excl, "totals_differ", [])
    assert books.send(row).delivery == "sent"


def test_a_second_order_with_the_reference_is_decided_first(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = read_back(books)
    Drift.objects.create(
        firm=books.firm,
        dossier=invoice.dossier,
        kind="order_unknown",
        order_id=77,
        reference=invoice.reference,
        about=Drift.about_of(order_id=77, reference=invoice.reference),
        facts={"number": "2026-77"},
        first_seen_at=NOW,
        last_seen_at=NOW,
    )
    with pytest.raises(NotPossible, match="another order, 77, with the reference"):
        books.send(invoice)
    assert books.asked("POST", SEND) == []


@pytest.mark.slow
@pytest.mark.parametrize("step", ["read", "take_over"])
def test_a_worker_that_dies_between_reading_and_sending_leaves_nothing_undone(
    scene: Make, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    books = scene(entries=[entry(1)])
    invoice = read_back(books)
    send_in_billit(books, invoice)
    original = getattr(read_first, step)

    def die(**given: Any) -> None:
        original(**given)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(read_first, step, die)
        with pytest.raises(Killed):
            books.send(invoice)
    assert (books.send(invoice).delivery, books.asked("POST", SEND)) == ("sent", [])
    assert len(books.events("invoice_sent")) == 1
    prove(books)


def test_what_a_comparison_takes_over_meanwhile_is_not_sent(scene: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the reading of a worker and its claim Billit sends the order, and a comparison finds that."""
    books = scene(entries=[entry(1)])
    books.control.switch(billit_resend_guard_minutes=0)
    invoice = read_back(books)
    way = choose

    def meanwhile(row: Invoice, api: billit.Api, **how: Any) -> Any:
        send_in_billit(books, row)
        assert books.command("reconcile", "--firm", books.firm.slug).answer["drift"][0]["kind"] == "order_sent"
        return way(row, api, **how)

    monkeypatch.setattr(sending, "choose", meanwhile)
    assert books.send(invoice).delivery == "sent"
    assert (books.asked("POST", SEND), books.attempts(invoice, "send")) == ([], [])
    assert len(books.control.outbox()) == 1
    prove(books)


@pytest.mark.slow
def test_a_finding_of_meanwhile_stops_the_claim(scene: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    books = scene(entries=[entry(1)])
    invoice = read_back(books)
    way = choose

    def meanwhile(row: Invoice, api: billit.Api, **how: Any) -> Any:
        books.control.change_order(row.order_id or 0, TotalExcl=40.00, TotalVAT=8.40, TotalIncl=48.40)
        assert books.command("reconcile", "--firm", books.firm.slug).code == 1
        return way(row, api, **how)

    monkeypatch.setattr(sending, "choose", meanwhile)
    with pytest.raises(NotPossible, match=r"48\.40 there"):
        books.send(invoice)
    assert (post.fresh(invoice).delivery, books.asked("POST", SEND)) == ("not_sent", [])


@pytest.mark.slow
@pytest.mark.parametrize("rows", ["without_number", "bare"])
def test_rows_that_lack_what_is_compared_are_read_whole(scene: Make, rows: str) -> None:
    books = scene(**many(3))
    books.control.put_peppol(*({"number": row["VATNumber"]} for row in many(3)["parties"]))
    books.control.switch(billit_summary_rows=rows, billit_resend_guard_minutes=0)
    books.draft()
    books.approve()
    for invoice in books.invoices(status="approved"):
        books.post(invoice)
    assert books.read_back() == 3
    assert {(row.excl == row.total_excl, row.attention) for row in books.invoices()} == {(True, "")}
    send_in_billit(books, books.invoices()[0])
    assert sending.send_together(invoices=list(books.invoices()), by=BY, now=NOW) == {}
    assert (len(books.asked("POST", SEND)), len(books.control.outbox())) == (2, 3)
    assert books.command("reconcile", "--firm", books.firm.slug).answer["drift"] == []


def test_amounts_that_a_person_acknowledged_are_the_legal_ones(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = read_back(books)
    theirs = {"TotalExcl": 40.00, "TotalVAT": 8.40, "TotalIncl": 48.40}
    books.control.change_order(invoice.order_id or 0, **theirs)
    with pytest.raises(NotPossible, match=r"48\.40 there"):
        books.send(invoice)
    acknowledge.acknowledge(findings=list(Drift.objects.standing()), reason="Agreed", by=BY, now=timezone.now())
    books.control.change_order(invoice.order_id or 0, **theirs | {"TotalExcl": 41.00, "TotalIncl": 49.40})
    with pytest.raises(NotPossible, match=r"49\.40 there"):
        books.send(invoice)
    assert (post.fresh(invoice).incl, standing(invoice)) == (invoice.incl, ["order_changed"])
    acknowledge.acknowledge(findings=list(Drift.objects.standing()), reason="Agreed", by=BY, now=timezone.now())
    row = books.send(invoice)
    assert (row.delivery, f"{row.excl} {row.vat} {row.incl}") == ("sent", "41.00 8.40 49.40")
    assert (standing(row), len(books.control.outbox())) == ([], 1)
    assert [event.data for event in books.events("invoice_totals_accepted")] == [
        {"old": f"{invoice.incl:.2f}", "total_incl": "49.40"}
    ]
    prove(books)


def test_a_deleted_order_is_not_sent_though_that_is_acknowledged(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = read_back(books)
    books.control.change_order(invoice.order_id or 0, Deleted=True)
    with pytest.raises(NotPossible, match="was deleted in Billit"):
        books.send(invoice)
    acknowledge.acknowledge(findings=list(Drift.objects.standing()), reason="Known", by=BY, now=timezone.now())
    with pytest.raises(NotPossible, match="was deleted in Billit"):
        books.send(invoice)
    assert books.asked("POST", SEND) == []
