"""Runs at the same time as other runs, approvals and posts: the database decides, nothing is billed twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import transaction

from invoicing.drafting import runs
from invoicing.models import Claim, Invoice, Run
from tests.invoicing.scene import BY, Scene, in_thread
from tests.worlds import BAKERY_PROJECT, NOW, entry
from toggbill.firms import audit

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Scene]


def _meanwhile(first: Callable[[], object], second: Callable[[], object]) -> None:
    """`first` is done but not committed while `second` goes on as far as it can; then both end."""
    with transaction.atomic():
        first()
        other = in_thread(second)
        time.sleep(0.3)
    other()


def test_two_runs_at_once_draft_once(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, project_id=BAKERY_PROJECT)])
    barrier = threading.Barrier(3)

    def work() -> None:
        barrier.wait(10)
        books.draft()

    for worker in [in_thread(work) for _ in range(3)]:
        worker()
    assert (Invoice.objects.count(), Claim.objects.count(), Run.objects.count()) == (2, 2, 1)
    assert len(books.events("invoice_drafted")) == 2
    assert audit.verify(firm=books.firm).ok


@pytest.mark.slow
def test_approval_during_a_run_is_not_undone_by_it(scene: Make) -> None:
    """The run wants to redraw the very draft that a person approves at this moment."""
    books = scene(entries=[entry(1)])
    books.draft()
    first = books.invoices().get()
    books.control.put_entries(entry(2))
    books.sync()
    _meanwhile(lambda: books.approve(first), books.draft)
    first.refresh_from_db()
    assert (first.status, first.approved_by) == ("approved", BY.name)
    assert [claim.entry.remote_id for claim in Claim.objects.filter(line__invoice=first)] == [entry(1)["id"]]
    second = books.invoices(status="draft").get()
    assert [claim.entry.remote_id for claim in Claim.objects.filter(line__invoice=second)] == [entry(2)["id"]]


def test_draft_that_is_dropped_during_a_run_stays_dropped(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.draft()
    first = books.invoices().get()
    books.control.put_entries(entry(2))
    books.sync()
    _meanwhile(lambda: runs.void(invoice=first, by=BY, now=NOW), books.draft)
    first.refresh_from_db()
    assert first.status == "void"
    assert Claim.objects.filter(released_at__isnull=True).count() == 2
    assert books.invoices(status="draft").count() == 1


@pytest.mark.slow
def test_run_that_redraws_holds_the_approval_until_it_is_done(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.draft()
    first = books.invoices().get()
    books.control.put_entries(entry(2))
    books.sync()
    _meanwhile(books.draft, lambda: books.approve(first))
    first.refresh_from_db()
    assert (first.status, first.total_excl) == ("approved", Decimal("190.00"))
    assert first.lines.get().claims.count() == 2


def test_invoice_that_is_dropped_at_this_moment_is_not_posted(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    _meanwhile(lambda: runs.void(invoice=invoice, by=BY, now=NOW), lambda: books.post(invoice))
    invoice.refresh_from_db()
    assert (invoice.status, books.asked("POST", "/v1/orders"), books.control.orders()) == ("void", [], [])
    assert set(books.states().values()) == {"open"}
