"""What the workers are given: ids by name, on a named queue; and that a lost message or a failure heals."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from celery import Task
from django.utils import timezone

from integrations.models import Company, Connection, Entry, Workspace
from integrations.sandbox.process import Process
from integrations.tasks import sync_company, sync_workspace
from invoicing.models import LedgerRow
from invoicing.tasks import tick_sync
from tests.queues import Queue
from tests.worlds import FIRST_ENTRY, NOW, ORGANIZATION, small_world
from toggbill.celery import app
from toggbill.firms.models import Firm

QUEUES = ("ticks", "sync", "post", "send")


def our_tasks() -> dict[str, Task[Any, Any]]:
    app.loader.import_default_modules()
    return {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}


# --- every task -------------------------------------------------------------------------------------------------------


def test_the_app_knows_the_tasks_of_the_house() -> None:
    assert {name.split(".")[0] for name in our_tasks()} == {"integrations", "invoicing"}
    assert len(our_tasks()) >= 10


@pytest.mark.parametrize("name", sorted(our_tasks()))
def test_each_task_names_a_queue_that_a_worker_serves(name: str) -> None:
    assert app.conf.task_routes[name]["queue"] in QUEUES
    assert app.amqp.router.route({}, name)["queue"].name == app.conf.task_routes[name]["queue"]


@pytest.mark.parametrize("name", sorted(our_tasks()))
def test_each_task_takes_keyword_arguments_only_and_forgives_unknown_ones(name: str) -> None:
    kinds = {parameter.kind for parameter in inspect.signature(our_tasks()[name].run).parameters.values()}
    assert inspect.Parameter.VAR_KEYWORD in kinds
    assert kinds <= {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}


def test_beat_only_ticks_and_no_tick_depends_on_two_clocks() -> None:
    entries = app.conf.beat_schedule
    assert {row["task"] for row in entries.values()} == {
        "invoicing.tasks.tick_sync",
        "invoicing.tasks.tick_runs",
        "invoicing.tasks.tick_delivery",
        "invoicing.tasks.tick_reconcile",
        "invoicing.tasks.tick_anchors",
    }
    for row in entries.values():
        assert row["task"] in our_tasks()
        assert row["options"]["queue"] == "ticks"
        assert "expires" not in row["options"], "it would compare beat's clock with the worker's"
        assert not row.get("args")


# --- syncing ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def small(
    sandbox: Process, queue: Queue, clock: time_machine.Traveller, onboard: Callable[..., Firm]
) -> Callable[..., Firm]:
    def load(**changes: Any) -> Firm:
        firm = onboard(small_world(**changes))
        sandbox.control.clear_log()
        return firm

    return load


def workspace() -> Workspace:
    return Workspace.objects.select_related("connection").get()


def toggl_calls(sandbox: Process) -> int:
    return len(sandbox.control.log("toggl"))


def later(sandbox: Process, clock: time_machine.Traveller, **span: float) -> datetime:
    moment = timezone.now() + timedelta(**span)
    clock.move_to(moment, tick=False)
    sandbox.control.clock(moment)
    return moment


def test_a_tick_syncs_what_is_due_and_the_ledger_follows(
    small: Callable[..., Firm], queue: Queue, sandbox: Process
) -> None:
    firm = small()
    tick_sync()
    assert sorted(queue.work()) == [
        "derive",
        "derive_marked",
        "derive_marked",
        "keep_months",
        "sync_company",
        "sync_workspace",
    ]
    assert LedgerRow.objects.filter(firm=firm).count() == 6
    assert Entry.objects.filter(marked_at__isnull=False).count() == 0
    assert workspace().next_sync_at == NOW + timedelta(minutes=15)
    tick_sync()
    assert queue.work() == ["derive_marked", "keep_months"]  # nothing else is due
    assert toggl_calls(sandbox) == 3


def test_a_message_carries_ids_and_nothing_else(small: Callable[..., Firm], queue: Queue) -> None:
    small()
    tick_sync()
    messages = {name: (where, keywords) for where, name, keywords in queue.waiting()}
    assert messages == {
        "integrations.tasks.sync_workspace": ("sync", {"workspace_id": workspace().pk}),
        "integrations.tasks.sync_company": ("sync", {"company_id": Company.objects.get().pk}),
        "invoicing.tasks.derive_marked": ("ticks", {}),
        "invoicing.tasks.keep_months": ("ticks", {}),
    }


def test_a_lost_message_heals_at_the_next_tick(small: Callable[..., Firm], queue: Queue, sandbox: Process) -> None:
    small()
    tick_sync()
    assert len(queue.waiting()) == 4  # taken by a worker that dies
    assert Entry.objects.count() == 0
    tick_sync()
    queue.work()
    assert Entry.objects.count() == 6


def test_a_reader_that_died_is_relieved_by_a_later_tick(
    small: Callable[..., Firm], queue: Queue, sandbox: Process, clock: time_machine.Traveller
) -> None:
    small()
    Workspace.objects.update(claimed_at=NOW)  # its worker was killed
    tick_sync()
    assert "sync_workspace" not in queue.work()
    for _ in range(4):
        assert Entry.objects.count() == 0
        later(sandbox, clock, minutes=5)
        tick_sync()
        queue.work()
    assert (Entry.objects.count(), workspace().claimed_at) == (6, None)


def test_a_message_that_comes_twice_costs_one_reading(
    small: Callable[..., Firm], queue: Queue, sandbox: Process
) -> None:
    """Ticks go on while the queue is long: what they enqueued again must not use up the quota."""
    small()
    tick_sync()
    tick_sync()
    tick_sync()
    queue.work()
    assert toggl_calls(sandbox) == 3
    assert len(sandbox.control.log("billit")) == 2


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503},
        {"kind": "html500"},
        {"kind": "cut_before"},
        {"kind": "status", "status": 402, "body": '"Workspace needs to have this feature enabled"'},
    ],
    ids=["503", "html", "cut", "plan"],
)
def test_a_failed_sync_is_postponed_and_healed_later(
    small: Callable[..., Firm],
    queue: Queue,
    sandbox: Process,
    clock: time_machine.Traveller,
    settings: Any,
    fault: dict[str, Any],
) -> None:
    small()
    sandbox.control.faults(fault)
    tick_sync()
    queue.work()
    assert workspace().next_sync_at == NOW + timedelta(minutes=5)
    assert Company.objects.get().next_sync_at == NOW + timedelta(minutes=5)
    assert workspace().connection.failure in {"unreachable", "refused"}
    sandbox.control.clear_log()
    tick_sync()
    queue.work()
    assert sandbox.control.log() == []  # not at every tick
    sandbox.control.faults()
    later(sandbox, clock, minutes=5)
    tick_sync()
    queue.work()
    assert Entry.objects.count() == 6
    assert workspace().connection.failure == "none"
    assert Company.objects.get().products.count() == 3


def test_a_refused_token_is_not_tried_again_by_the_ticks(
    small: Callable[..., Firm], queue: Queue, sandbox: Process, clock: time_machine.Traveller
) -> None:
    small()
    row = Connection.objects.get(service="toggl")
    row.secret = "0" * 32
    row.save()
    tick_sync()
    queue.work()
    assert workspace().connection.failure == "credentials"
    sandbox.control.clear_log()
    later(sandbox, clock, hours=1)
    tick_sync()
    queue.work()
    assert toggl_calls(sandbox) == 0
    assert len(sandbox.control.log("billit")) == 2  # the other connection goes on


def test_a_paused_connection_is_left_alone(small: Callable[..., Firm], queue: Queue, sandbox: Process) -> None:
    small()
    Connection.objects.filter(service="toggl").update(paused_at=NOW)
    tick_sync()
    assert "sync_workspace" not in queue.work()
    assert toggl_calls(sandbox) == 0


def test_a_message_for_a_connection_paused_meanwhile_asks_nothing(
    small: Callable[..., Firm], queue: Queue, sandbox: Process
) -> None:
    small()
    tick_sync()
    Connection.objects.update(paused_at=NOW)
    queue.work()
    assert sandbox.control.log() == []


def test_a_workspace_without_quota_sleeps_until_the_reset(
    small: Callable[..., Firm], queue: Queue, sandbox: Process, clock: time_machine.Traveller
) -> None:
    small()
    sandbox.control.quota(ORGANIZATION, remaining=0, resets_in=1800)
    tick_sync()
    queue.work()
    assert workspace().next_sync_at == NOW + timedelta(seconds=1800)
    assert workspace().connection.failure == "none"
    calls = toggl_calls(sandbox)
    later(sandbox, clock, seconds=1799)
    tick_sync()
    queue.work()
    assert toggl_calls(sandbox) == calls
    later(sandbox, clock, seconds=1)
    tick_sync()
    queue.work()
    assert Entry.objects.count() == 6


def test_background_work_leaves_the_reserve(
    small: Callable[..., Firm], queue: Queue, sandbox: Process, clock: time_machine.Traveller
) -> None:
    small()
    tick_sync()
    queue.work()
    sandbox.control.quota(ORGANIZATION, remaining=6, resets_in=3000)
    moment = later(sandbox, clock, minutes=15)
    sandbox.control.quota(ORGANIZATION, remaining=6, resets_in=3000)
    tick_sync()
    queue.work()
    sandbox.control.clear_log()
    later(sandbox, clock, minutes=15)
    tick_sync()
    queue.work()
    assert toggl_calls(sandbox) == 0
    assert workspace().next_sync_at == moment + timedelta(seconds=3000)


@pytest.mark.django_db
def test_what_a_sync_marked_is_derived_although_the_chain_was_lost(small: Callable[..., Firm], queue: Queue) -> None:
    small()
    sync_workspace(workspace_id=workspace().pk)
    sync_company(company_id=Company.objects.get().pk)
    assert LedgerRow.objects.count() == 0
    tick_sync()
    queue.work()
    assert LedgerRow.objects.filter(entry__remote_id=FIRST_ENTRY + 1, state="open").count() == 1
