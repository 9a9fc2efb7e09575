"""An order changes in Billit, and another worker reads that, right between the reading and the claim of a verb (D13).

Each verb halts at a barrier after it has read the order; then the order changes, the other worker takes that over, and
the verb goes on by what it had read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from integrations.connections.opening import open_billit
from invoicing.corrections import replace
from invoicing.due import posts
from invoicing.models import Drift, Invoice
from invoicing.posting import credited, post, read_first
from invoicing.posting.sending import send as sending
from invoicing.reconciliation import acknowledge
from tests.invoicing.after_billing import changed, correction, prove
from tests.invoicing.corrections.crediting import credit, sent
from tests.invoicing.scene import BY, Scene, in_thread
from tests.worlds import BAKERY_PARTY, NOW, entry
from toggbill.firms.audit import Actor
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Scene]
SEND = "/v1/orders/commands/send"
PATIENCE = 20
SMALLER = {"TotalExcl": 90.00, "TotalVAT": 18.90, "TotalIncl": 108.90}
CHANGES: dict[str, dict[str, Any]] = {
    "sent": {"IsSent": True, "OrderStatus": "ToPay"},
    "deleted": {"Deleted": True},
    "smaller": SMALLER,
    "of another": {"_customer": BAKERY_PARTY},
    "paid": {"Paid": True, "PaidDate": "2026-11-19T10:00:00"},
}


class Halt:
    """Where so many threads meet after a step, and from where they go on together."""

    def __init__(self, patch: pytest.MonkeyPatch, owner: object, name: str, threads: int = 1) -> None:
        self._barrier = threading.Barrier(threads + 1, timeout=PATIENCE)
        self._original = getattr(owner, name)
        patch.setattr(owner, name, self._step)

    def _step(self, *given: Any, **named: Any) -> Any:
        came = self._original(*given, **named)
        if threading.current_thread() is not threading.main_thread():
            self.meet()
            self.meet()
        return came

    def meet(self) -> None:
        """The test meets them twice: when all have come, and to let them go on."""
        self._barrier.wait()


def billed(books: Scene) -> Invoice:
    """The only invoice, posted and read back, not sent."""
    invoice = books.posted()
    books.read_back()
    return post.fresh(invoice)


def changes_and_is_read(books: Scene, invoice: Invoice, change: str) -> None:
    """In Billit, and taken over by another worker."""
    books.control.change_order(invoice.order_id or 0, **CHANGES[change])
    with open_billit(invoice.company) as api:
        seen = read_first.read(invoices=[post.fresh(invoice)], api=api)
    read_first.take_over(seen=seen, now=timezone.now())


def outcome(verb: Callable[[], object]) -> Callable[[], str]:
    """What a thread came to: "" or why a person must decide."""

    def run() -> str:
        try:
            verb()
        except NotPossible as error:
            return str(error)
        return ""

    return in_thread(run)


def by_a_person(books: Scene, invoice: Invoice) -> Callable[[], object]:
    return lambda: books.send(invoice)


def by_a_worker(books: Scene, invoice: Invoice) -> Callable[[], object]:
    posts.request_send(invoice=invoice, by=BY, now=NOW)
    return lambda: posts.send_off(invoices=[invoice], by=Actor("schedule", "worker"), now=timezone.now())


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("ask", [by_a_person, by_a_worker])
def test_nothing_is_sent_of_an_order_that_changes_before_the_claim(
    scene: Make, monkeypatch: pytest.MonkeyPatch, ask: Callable[[Scene, Invoice], Callable[[], object]], change: str
) -> None:
    books = scene(entries=[entry(1)])
    invoice = billed(books)
    verb = ask(books, invoice)
    halt = Halt(monkeypatch, sending, "choose")
    finish = outcome(verb)
    halt.meet()
    changes_and_is_read(books, invoice, change)
    halt.meet()
    said = finish()
    row = post.fresh(invoice)
    assert (books.asked("POST", SEND), books.attempts(invoice, "send")) == ([], [])
    assert (row.delivery, row.send_requested_at is None) == ("sent" if change == "sent" else "not_sent", True)
    if ask is by_a_person and change != "sent":
        assert said, "who asked is told why"
    if change not in ("deleted", "smaller", "of another"):
        prove(books)


@pytest.mark.parametrize("ask", [by_a_person, by_a_worker])
def test_two_workers_that_have_both_read_send_once(
    scene: Make, monkeypatch: pytest.MonkeyPatch, ask: Callable[[Scene, Invoice], Callable[[], object]]
) -> None:
    books = scene(entries=[entry(1)])
    books.control.switch(billit_resend_guard_minutes=0)
    invoice = billed(books)
    verb = ask(books, invoice)
    halt = Halt(monkeypatch, sending, "choose", threads=2)
    finish = [outcome(verb) for _ in range(2)]
    halt.meet()
    halt.meet()
    assert [each() for each in finish] == ["", ""]
    assert post.fresh(invoice).delivery == "sent"
    assert (len(books.asked("POST", SEND)), len(books.control.outbox())) == (1, 1)
    assert [attempt.outcome for attempt in books.attempts(invoice, "send")] == ["accepted"]
    prove(books)


def to_be_replaced(books: Scene) -> tuple[Invoice, Callable[[], object]]:
    invoice = billed(books)
    changed(books, entry(1, seconds=5400))
    found = correction()
    return invoice, lambda: replace.replace(correction=found, by=BY, now=timezone.now())


@pytest.mark.parametrize("change", ["sent", "smaller", "of another", "paid"])
def test_nothing_is_deleted_of_an_order_that_changes_before_the_claim(
    scene: Make, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    books = scene(entries=[entry(1)])
    invoice, verb = to_be_replaced(books)
    halt = Halt(monkeypatch, replace, "_place")
    finish = outcome(verb)
    halt.meet()
    changes_and_is_read(books, invoice, change)
    halt.meet()
    assert finish(), "who asked is told why"
    row = post.fresh(invoice)
    assert (row.status, row.replacing_since, books.attempts(invoice, "delete")) == ("posted", None, [])
    assert books.asked("DELETE", f"/v1/orders/{invoice.order_id}") == []
    assert (correction().decision, len(books.invoices())) == ("open", 1)


def test_an_order_that_is_deleted_by_hand_before_the_claim_is_replaced_once(
    scene: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = scene(entries=[entry(1)])
    invoice, verb = to_be_replaced(books)
    halt = Halt(monkeypatch, replace, "_place")
    finish = outcome(verb)
    halt.meet()
    changes_and_is_read(books, invoice, "deleted")
    halt.meet()
    finish()
    row = post.fresh(invoice)
    if row.status == "posted":
        assert row.replacing_since is None, "nothing hangs"
        replace.bill_anew(invoice=row, by=BY, now=timezone.now())
    assert post.fresh(invoice).status == "void"
    (new,) = books.invoices(status="approved")
    assert books.post(new).status == "posted"
    prove(books)


def test_two_who_have_both_read_replace_once(scene: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    books = scene(entries=[entry(1)])
    invoice, verb = to_be_replaced(books)
    halt = Halt(monkeypatch, replace, "_place", threads=2)
    finish = [outcome(verb) for _ in range(2)]
    halt.meet()
    halt.meet()
    assert sorted(bool(each()) for each in finish) == [False, True]
    assert [attempt.outcome for attempt in books.attempts(invoice, "delete")] == ["accepted"]
    assert sorted(row.status for row in books.invoices()) == ["approved", "void"]
    prove(books)


@pytest.mark.parametrize("change", ["deleted", "smaller", "of another"])
def test_no_credit_note_is_posted_about_an_order_that_changes_before_the_claim(
    scene: Make, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    books = scene(entries=[entry(1)])
    invoice = sent(books)
    (note,) = books.approve(credit(1))
    halt = Halt(monkeypatch, credited, "read_credited")
    finish = outcome(lambda: books.post(note))
    halt.meet()
    changes_and_is_read(books, invoice, change)
    halt.meet()
    finish()
    assert (post.fresh(note).status, books.attempts(note)) == ("approved", [])
    assert [order["OrderType"] for order in books.control.orders() if not order.get("Deleted")] == (
        [] if change == "deleted" else ["Invoice"]
    )
    # Once more, and why it waits is said.
    monkeypatch.undo()
    with pytest.raises(NotPossible):
        books.post(note)
    assert post.fresh(note).attention


def test_a_credit_note_is_not_larger_than_the_amounts_that_were_accepted_before_the_claim(
    scene: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who posts it has read the order while it was whole; by now a person has accepted less."""
    books = scene(entries=[entry(1)])
    invoice = sent(books)
    (note,) = books.approve(credit(1))
    halt = Halt(monkeypatch, credited, "read_credited")
    finish = outcome(lambda: books.post(note))
    halt.meet()
    changes_and_is_read(books, invoice, "smaller")
    findings = list(Drift.objects.standing().filter(reference=invoice.reference))
    acknowledge.acknowledge(findings=findings, reason="A discount by hand", by=BY, now=timezone.now())
    changes_and_is_read(books, invoice, "smaller")
    assert f"{post.fresh(invoice).excl}" == "90.00"
    halt.meet()
    finish()
    assert (post.fresh(note).status, books.attempts(note)) == ("approved", [])
