"""Workers on bad days: stopped in the middle of a turn, killed with many invoices, asked to end (design section 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from integrations.clients import billit
from integrations.connections import stopping
from integrations.models import Connection
from invoicing.due import posts
from invoicing.models import Attempt, Invoice
from invoicing.posting import post, recover
from tests.invoicing.scene import BY, Killed, Scene, many
from tests.worlds import NOW, entry
from toggbill.firms import audit

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
SEND = "/v1/orders/commands/send"


def _approved(books: Scene) -> list[Invoice]:
    books.draft()
    books.approve()
    invoices = list(books.invoices().order_by("pk"))
    for invoice in invoices:
        posts.request(invoice=invoice, send=False, by=BY, now=timezone.now())
    return invoices


def _statuses(books: Scene) -> list[str]:
    return list(books.invoices().order_by("pk").values_list("status", flat=True))


def _outcomes() -> list[str]:
    return list(Attempt.objects.order_by("invoice_id", "pk").values_list("outcome", flat=True))


def _work_off(invoices: list[Invoice]) -> None:
    rows = list(Invoice.objects.filter(pk__in=[invoice.pk for invoice in invoices]).order_by("pk"))
    posts.work_off(invoices=rows, by=BY, now=timezone.now())


@contextmanager
def before(call: str, nth: int, what: Callable[[], object]) -> Iterator[None]:
    """Something happens right before the n-th call, as while the process stands still."""
    original, met = getattr(billit.Api, call), 0

    def ask(*args: Any, **keywords: Any) -> Any:
        nonlocal met
        met += 1
        if met == nth:
            what()
        return original(*args, **keywords)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(billit.Api, call, ask)
        yield


# --- a worker that is stopped, and goes on after its lease ------------------------------------------------------------


def test_worker_that_was_taken_for_dead_posts_nothing_more(scene: Make) -> None:
    """It stands still before its second post; meanwhile another one posts what it had claimed."""
    books = scene(**many(3))
    # Billit forgets what it was asked before: no key stands between.
    books.control.switch(billit_idempotency_header="none")
    invoices = _approved(books)

    def another() -> None:
        books.later(seconds=301)
        _work_off(invoices)

    with before("create_order", 2, another):
        post.post_together(invoices=invoices, by=BY, now=NOW)
    orders = sorted(order["ExternalProviderID"] for order in books.control.orders())
    assert orders == sorted(invoice.reference for invoice in invoices)
    assert len(books.asked("POST", "/v1/orders")) == 3
    assert _statuses(books) == ["posted"] * 3
    assert audit.verify(firm=books.firm).ok


def test_worker_that_was_taken_for_dead_sends_nothing_more(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.control.switch(billit_idempotency_header="none", billit_resend_guard_minutes=0)
    invoice = books.posted()

    def another() -> None:
        books.later(seconds=301)
        books.send(invoice)
        books.send(invoice)

    with before("send_order", 1, another):
        books.send(invoice)
    assert len(books.asked("POST", SEND)) == 1
    assert post.fresh(invoice).delivery == "sent"


def test_attempt_is_made_sure_of_after_the_wait_for_a_turn(
    scene: Make, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """The wait for a turn may be the longest part: what is looked at before it may be over after it."""
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    settings.BILLIT_REQUESTS_PER_SECOND = 1

    def wait(_seconds: float) -> None:
        Attempt.objects.filter(invoice=invoice, outcome="pending").update(outcome="not_sent", finished_at=NOW)

    monkeypatch.setattr(stopping, "sleep", wait)
    books.post(invoice)
    assert books.asked("POST", "/v1/orders") == []


# --- a worker that is dead --------------------------------------------------------------------------------------------


def _killed(books: Scene, invoices: list[Invoice], *, nth: int, made: bool) -> None:
    """A worker dies with its n-th request on its way; nothing before it was settled."""

    def die() -> None:
        raise Killed

    create, met = billit.Api.create_order, 0

    def ask(api: billit.Api, order: billit.Order, **keywords: Any) -> int:
        nonlocal met
        met += 1
        if met == nth and not made:
            keywords["leaving"]()
            die()
        order_id = create(api, order, **keywords)
        if met == nth:
            die()
        return order_id

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(billit.Api, "create_order", ask)
        with pytest.raises(Killed):
            post.post_together(invoices=invoices, by=BY, now=NOW)
    assert _statuses(books) == ["posting"] * len(invoices)
    books.control.clear_log()


def _look_ups(books: Scene) -> int:
    return len(books.asked("GET", "/v1/orders")) + len(books.asked("GET", "/v1/orders/deleted"))


def test_what_a_dead_worker_had_not_sent_is_not_looked_up(scene: Make) -> None:
    books = scene(**many(6))
    invoices = _approved(books)
    _killed(books, invoices, nth=2, made=True)
    books.later(seconds=301)
    _work_off(invoices)
    assert _statuses(books) == ["posted"] * 6
    assert _outcomes() == ["adopted", "adopted", *["not_sent", "accepted"] * 4]
    assert _look_ups(books) == 2
    assert len(books.control.orders()) == 6
    assert len(books.asked("POST", "/v1/orders")) == 4


@pytest.mark.slow
@pytest.mark.parametrize("named", [True, False], ids=["rows have the reference", "rows have none"])
def test_many_doubts_take_few_look_ups(scene: Make, named: bool) -> None:
    """Forty in doubt, half of them at Billit: a look-up each would take eighty calls, at one a second."""
    books = scene(**many(40))
    books.control.switch(billit_summary_external_id=named)
    invoices = _approved(books)
    _killed(books, invoices, nth=21, made=False)
    # As an earlier version left it, which marked nothing.
    Attempt.objects.update(left_at=NOW)
    books.later(seconds=301)
    rows = list(books.invoices().order_by("pk"))
    assert recover.recover_together(invoices=rows, by=BY, now=timezone.now()) == {}
    assert sorted(_statuses(books)) == ["approved"] * 20 + ["posted"] * 20
    if named:
        assert _look_ups(books) == 4
    else:
        # Which row is whose is not known: each of those is asked for alone.
        assert _look_ups(books) <= 4 + 80
    assert sorted(_outcomes()) == ["absent"] * 20 + ["adopted"] * 20
    post.post_together(invoices=rows, by=BY, now=timezone.now())
    assert (_statuses(books), len(books.control.orders())) == (["posted"] * 40, 40)


@pytest.mark.parametrize(
    "trouble", [{"billit_filter_or": "refuse"}, {"billit_filter_or": "first"}, {"billit_longest_query": 300}]
)
def test_a_filter_of_many_that_is_not_taken_or_not_meant_proves_nothing(scene: Make, trouble: dict[str, Any]) -> None:
    """Each is looked up alone then; one that was found by nobody would be posted a second time."""
    books = scene(**many(5))
    books.control.switch(billit_idempotency_header="none")
    invoices = _approved(books)
    books.post(invoices[0])
    books.read_back()
    with books.fault("cut_after"):
        for invoice in invoices[1:4]:
            books.post(invoice)
    assert _statuses(books) == ["posted", *["in_doubt"] * 3, "approved"]
    books.control.switch(**trouble)
    books.later(seconds=200)
    _work_off(invoices)
    assert _statuses(books) == ["posted"] * 5
    assert len(books.control.orders()) == 5
    assert _outcomes() == ["accepted", *["adopted"] * 3, "accepted"]


def test_deleted_and_twins_among_many_are_left_to_a_person(scene: Make) -> None:
    books = scene(**many(4))
    invoices = _approved(books)
    with books.fault("cut_after"):
        for invoice in invoices:
            books.post(invoice)
    first, second, *_ = sorted(books.control.orders(), key=lambda order: order["OrderID"])
    books.control.change_order(first["OrderID"], _deleted=True)
    books.control.change_order(second["OrderID"], TotalExcl=1, TotalIncl=1)
    books.later(seconds=200)
    _work_off(invoices)
    rows = list(books.invoices().order_by("pk"))
    assert [row.needs_person for row in rows] == [True, True, False, False]
    assert [row.status for row in rows] == ["in_doubt", "in_doubt", "posted", "posted"]
    assert [row.problem_facts["found"]["code"] for row in rows[:2]] == ["order_deleted", "other_order"]


# --- a worker that is to end ------------------------------------------------------------------------------------------


def test_worker_that_is_to_end_finishes_the_post_in_hand_and_gives_the_rest_back(scene: Make) -> None:
    books = scene(**many(4))
    invoices = _approved(books)
    with before("create_order", 3, stopping.ask):
        _take_and_work_off(invoices)
    assert _statuses(books) == ["posted", "posted", "approved", "approved"]
    assert _outcomes() == ["accepted", "accepted", "not_sent", "not_sent"]
    assert len(books.asked("POST", "/v1/orders")) == 2
    assert Connection.objects.get(service="billit").failures == 0
    stopping.forget()
    assert [invoice.pk for invoice in books.due()] == [invoice.pk for invoice in invoices[2:]], "due at once"


def test_worker_that_is_to_end_begins_no_turn(scene: Make) -> None:
    books = scene(**many(2))
    invoices = _approved(books)
    stopping.ask()
    _take_and_work_off(invoices)
    assert (_statuses(books), books.asked("POST", "/v1/orders"), _outcomes()) == (["approved"] * 2, [], [])
    stopping.forget()
    assert len(books.due()) == 2


def test_doubts_of_a_worker_that_is_to_end_are_due_at_once(scene: Make) -> None:
    books = scene(**many(2))
    invoices = _approved(books)
    with books.fault("cut_after"):
        for invoice in invoices:
            books.post(invoice)
    books.later(seconds=200)
    stopping.ask()
    _take_and_work_off(invoices)
    assert _statuses(books) == ["in_doubt"] * 2
    stopping.forget()
    assert len(books.due()) == 2


def _take_and_work_off(invoices: list[Invoice]) -> None:
    """As a tick and a message do: what was taken is not due again for a lease."""
    assert len(posts.take_due(now=timezone.now())) == len(invoices)
    _work_off(invoices)
