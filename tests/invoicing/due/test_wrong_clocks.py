"""Moments of a wrong clock: none of them is waited for, and every column with a moment was thought of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.db import connection as database
from django.db import models

from integrations.models import Company, Quota, Workspace
from invoicing import tasks
from invoicing.due import posts, wrong_clocks
from invoicing.models import Dossier, Invoice
from tests.factories import (
    AttemptFactory,
    CompanyFactory,
    ConnectionFactory,
    DossierFactory,
    InvoiceFactory,
    WorkspaceFactory,
    WriteBackFactory,
)
from tests.invoicing.scene import BY, Scene
from tests.queues import Queue
from tests.worlds import NOW, entry

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
AHEAD = NOW + timedelta(days=2)

# Nothing waits for these, whatever they say.
NOT_WAITED_FOR = {
    "integrations.connection.renewing_since": "told to a person",
    "integrations.connection.sign_in_lost_at": "asked whether it is there",
    "integrations.connection.paused_at": "asked whether it is there",
    "integrations.connection.removed_at": "asked whether it is there",
    "integrations.connection.told_at": "asked whether it is there",
    "integrations.connection.latest_ok_at": "told to a person",
    "integrations.workspace.cursor_at": "of Toggl's clock",
    "integrations.client.deleted_at": "asked whether it is there",
    "integrations.project.deleted_at": "asked whether it is there",
    "integrations.entry.started_at": "of Toggl's clock",
    "integrations.entry.stopped_at": "of Toggl's clock",
    "integrations.entry.changed_at": "of Toggl's clock",
    "integrations.entry.deleted_at": "asked whether it is there",
    "integrations.entry.marked_at": "asked whether it is there",
    "integrations.company.marked_at": "asked whether it is there",
    "integrations.product.deleted_at": "asked whether it is there",
    "integrations.customer.deleted_at": "asked whether it is there",
    "integrations.webhook.made_at": "told to a person",
    "integrations.webhook.called_at": "told to a person",
    "invoicing.dossier.due_at": "by the day that was served (scheduled_through)",
    "invoicing.dossier.reconciled_at": "told to a person",
    "invoicing.dossier.created_at": "an order of rows",
    "invoicing.dossier.tell_drafts_at": "asked whether it is there",
    "invoicing.agreement.created_at": "an order of rows",
    "invoicing.agreement.tell_left_at": "asked whether it is there",
    "invoicing.budgetnotice.noticed_at": "told to a person",
    "invoicing.budgetnotice.told_at": "asked whether it is there",
    "invoicing.invoiceline.released_at": "asked whether it is there",
    "invoicing.customerpin.pinned_at": "told to a person",
    "invoicing.run.started_at": "told to a person",
    "invoicing.run.mirror_as_of": "told to a person",
    "invoicing.invoice.drafted_at": "told to a person",
    "invoicing.invoice.approved_at": "asked whether it is there",
    "invoicing.invoice.post_requested_at": "asked whether it is there",
    "invoicing.invoice.send_requested_at": "asked whether it is there",
    "invoicing.invoice.posted_at": "an order at Billit is read back for days from it on",
    "invoicing.invoice.delivered_at": "told to a person",
    "invoicing.invoice.delivery_read_of": "of Billit's clock",
    "invoicing.invoice.tell_delivery_at": "asked whether it is there",
    "invoicing.broughtorder.brought_at": "told to a person",
    "invoicing.broughtorder.released_at": "asked whether it is there",
    "invoicing.deduction.released_at": "asked whether it is there",
    "invoicing.claim.started_at": "of Toggl's clock",
    "invoicing.claim.released_at": "asked whether it is there",
    "invoicing.correction.opened_at": "told to a person",
    "invoicing.correction.decided_at": "told to a person",
    "invoicing.drift.first_seen_at": "told to a person",
    "invoicing.drift.last_seen_at": "told to a person",
    "invoicing.drift.gone_at": "asked whether it is there",
    "invoicing.drift.acknowledged_at": "asked whether it is there",
    "invoicing.annex.made_at": "told to a person",
    "invoicing.monthproof.proved_at": "an order of rows",
    "integrations.workspace.whole_began_at": "lowers a cursor, and never raises it",
    "invoicing.reportedmonth.read_at": "told to a person",
    "invoicing.reportedmonth.differs_since": "told to a person",
}


def test_every_moment_of_a_row_was_thought_of() -> None:
    columns = {
        f"{model._meta.label_lower}.{field.name}"
        for label in ("integrations", "invoicing")
        for model in apps.get_app_config(label).get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.DateTimeField)
    }
    bounded = {f"{bound.model._meta.label_lower}.{bound.column}" for bound in wrong_clocks.bounds()}
    assert bounded | set(NOT_WAITED_FOR) == columns
    assert not bounded & set(NOT_WAITED_FOR)


def _quota(**fields: Any) -> Quota:
    connection = ConnectionFactory()
    return Quota.objects.create(firm=connection.firm, connection=connection, remaining=0, **fields)


ROWS: dict[str, Callable[..., Any]] = {
    "integrations.connection": lambda **fields: ConnectionFactory(
        service="billit", method="sign_in", refresh_secret="r", **fields
    ),
    "integrations.quota": _quota,
    "integrations.workspace": WorkspaceFactory,
    "integrations.company": CompanyFactory,
    "invoicing.dossier": DossierFactory,
    "invoicing.writeback": lambda **fields: WriteBackFactory(
        wanted="billed", written="billed", is_sure=False, **fields
    ),
    "invoicing.attempt": lambda **fields: AttemptFactory(
        invoice=InvoiceFactory(status="in_doubt", problem="unclear"), outcome="no_answer", **fields
    ),
}


def _invoice(column: str, moment: datetime) -> Invoice:
    states: dict[str, dict[str, Any]] = {
        "posting_since": {"status": "posting"},
        "sending_since": {"status": "posted", "delivery": "sending"},
        "replacing_since": {"status": "posted"},
        "way_asked_at": {"status": "posted"},
        "sent_at": {"status": "posted", "delivery": "sent"},
        "delivery_due_at": {"status": "posted", "delivery": "sent"},
        "not_before": {"status": "approved", "post_requested_at": NOW},
    }
    made: Invoice = InvoiceFactory(**states[column], **{column: moment})
    return made


@pytest.mark.parametrize("bound", wrong_clocks.bounds(), ids=lambda bound: f"{bound.model.__name__}.{bound.column}")
def test_a_moment_two_days_ahead_is_brought_back_and_a_right_one_stays(bound: wrong_clocks.Bound) -> None:
    label, column = bound.model._meta.label_lower, bound.column
    right = NOW + bound.ahead
    make: Callable[..., Any] = ROWS.get(label, lambda **fields: _invoice(column, fields[column]))
    wrong_row, right_row = make(**{column: AHEAD}), make(**{column: right})
    assert wrong_clocks.bring_back(now=NOW) == 1
    wrong_row.refresh_from_db()
    right_row.refresh_from_db()
    assert getattr(wrong_row, column) == NOW - bound.back
    assert getattr(right_row, column) == right
    assert wrong_clocks.bring_back(now=NOW) == 0


@pytest.mark.slow
def test_nothing_sleeps_on_when_a_clock_was_two_days_ahead_for_a_minute(scene: Make, queue: Queue) -> None:
    """The workers do everything two days ahead once, then the clock is right: a minute later all goes on."""
    books = scene(entries=[entry(1)], schedule={"every": "daily"}, mode="review")
    invoice = books.approved()
    tasks.tick_sync()
    queue.work()
    right = books.later(seconds=0)
    books.clock.move_to(AHEAD, tick=False)
    for _ in range(2):
        for tick in (tasks.tick_sync, tasks.tick_runs, tasks.tick_delivery, tasks.tick_reconcile):
            tick()
        queue.work()
    posts.request(invoice=invoice, send=False, by=BY, now=AHEAD)
    tasks.tick_delivery()
    queue.waiting()  # the message is lost
    books.at(right + timedelta(minutes=1))
    tasks.tick_sync()
    queue.work()
    now = right + timedelta(minutes=1)
    assert set(Workspace.objects.values_list("next_sync_at", flat=True)) == {now + timedelta(minutes=15)}
    assert set(Company.objects.values_list("next_sync_at", flat=True)) == {now + timedelta(minutes=15)}
    assert Invoice.objects.get(pk=invoice.pk).not_before == now
    tasks.tick_delivery()
    queue.work()
    assert Invoice.objects.get(pk=invoice.pk).status == "posted"
    dossier = Dossier.objects.get()
    assert dossier.scheduled_through is not None
    assert dossier.scheduled_through <= now.date()
    assert dossier.reconcile_at is not None
    assert dossier.reconcile_at < now + timedelta(days=1)


@pytest.mark.slow
def test_the_day_that_a_wrong_clock_served_is_served_when_it_comes(scene: Make, queue: Queue) -> None:
    books = scene(entries=[entry(1)], schedule={"every": "monthly", "day": 22})
    books.clock.move_to(datetime(2026, 11, 22, 8, tzinfo=UTC), tick=False)
    tasks.tick_runs()
    queue.work()
    assert Dossier.objects.get().scheduled_through == date(2026, 11, 22)
    books.at(NOW)
    tasks.tick_sync()
    tasks.tick_runs()
    queue.work()
    dossier = Dossier.objects.get()
    assert dossier.due_at == datetime(2026, 11, 21, 23, tzinfo=UTC)
    books.at(datetime(2026, 11, 22, 8, tzinfo=UTC))
    tasks.tick_runs()
    queue.work()
    assert Dossier.objects.get().due_at == datetime(2026, 12, 21, 23, tzinfo=UTC)


def test_a_doubt_of_the_future_is_looked_up_when_it_is_late_enough(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    books.clock.move_to(AHEAD, tick=False)
    with books.fault("cut_before"):
        books.post(invoice)
    books.at(NOW)
    wrong_clocks.bring_back(now=NOW)
    books.later(seconds=119)
    assert books.recover(invoice).status == "in_doubt"
    books.later(seconds=1)
    assert books.recover(invoice).status == "approved"


@pytest.mark.wrong_clock
def test_tasks_live_by_the_clock_of_the_database(queue: Queue) -> None:
    """What a worker with a wrong clock writes is right on PostgreSQL; SQLite has the machine's clock."""
    if database.vendor != "postgresql":
        pytest.skip("a database in a file has no clock of its own")
    CompanyFactory(next_sync_at=datetime.now(UTC) + timedelta(minutes=10))
    with time_machine.travel(datetime.now(UTC) + timedelta(days=2)):
        tasks.tick_sync()
        assert [name for _, name, _ in queue.waiting()] == [
            "invoicing.tasks.derive_marked",
            "invoicing.tasks.keep_months",
        ]
