"""When the books are compared: by the row at night, on demand, later if a service is away; and what is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from integrations.models import Company, Connection, Workspace
from invoicing import tasks
from invoicing.due import comparisons
from invoicing.models import Dossier, Drift, Invoice, LedgerRow, ReportedMonth
from invoicing.reconciliation import reconcile
from tests.factories import DriftFactory
from tests.invoicing.due.comparing import compare, kinds, night
from tests.invoicing.scene import Scene
from tests.queues import Queue
from tests.worlds import BAKERY_PROJECT, FIRST_ENTRY, NOW, ORGANIZATION, entry
from toggbill.watching import waiting

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


# --- when -------------------------------------------------------------------------------------------------------------


def test_tick_gives_each_dossier_its_moment_of_the_night(scene: Make, queue: Queue) -> None:
    books = scene()
    tasks.tick_reconcile()
    assert queue.waiting() == [], "nobody is compared at once"
    due = books.dossier.reconcile_at
    assert due is not None
    assert datetime(2026, 11, 21, 0, tzinfo=UTC) <= due < datetime(2026, 11, 21, 4, tzinfo=UTC), "1 to 5 in Brussels"
    tasks.tick_reconcile()
    assert books.dossier.reconcile_at == due
    # One minute before, and at it.
    books.at(due - timedelta(minutes=1))
    tasks.tick_reconcile()
    assert queue.waiting() == []
    books.at(due)
    tasks.tick_reconcile()
    assert [(name, task.rpartition(".")[2], arguments) for name, task, arguments in queue.waiting()] == [
        ("sync", "reconcile_dossier", {"dossier_id": books.dossier.pk})
    ]


def test_nights_are_spread_and_keep_to_the_firms_zone(scene: Make) -> None:
    dossier = scene(synced=False).dossier
    begin = datetime(2026, 11, 20, 23, tzinfo=UTC)
    offsets = set()
    for number in range(1, 241):
        dossier.workspace_id = number
        offsets.add(comparisons.next_night(dossier, NOW) - begin)
    assert offsets == {timedelta(minutes=minute) for minute in range(60, 300)}
    dossier.firm.timezone = "America/New_York"
    assert timedelta(hours=6) <= comparisons.next_night(dossier, NOW) - begin < timedelta(hours=10)
    at = comparisons.next_night(dossier, NOW)
    assert comparisons.next_night(dossier, at) == at + timedelta(days=1)


@pytest.mark.slow
def test_night_tells_the_log_which_rule_does_not_hold(
    billed: Scene, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    def logged() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.name == comparisons.__name__]

    night(billed, queue)
    assert logged() == []
    LedgerRow.objects.filter(entry__remote_id=FIRST_ENTRY + 2).update(correction_seconds=60)
    compare(billed)
    (told,) = logged()
    assert told.startswith("The books of dossier small, 2026-10, break a rule: {'rule': 'billed_seconds', ")
    assert f"'subject': 'entry {FIRST_ENTRY + 2}'" in told


@pytest.mark.slow
def test_night_finds_what_somebody_did_in_both_services_and_the_next_one_closes_it(billed: Scene, queue: Queue) -> None:
    invoice = Invoice.objects.get()
    assert invoice.order_id is not None
    billed.control.delete_entries(FIRST_ENTRY + 2)
    billed.control.change_order(invoice.order_id, TotalExcl=300.00, TotalVAT=63.00, TotalIncl=363.00)
    night(billed, queue)
    first = timezone.now()
    fields = ("kind", "entry_remote_id", "order_id", "reference", "first_seen_at", "last_seen_at", "gone_at")
    assert list(Drift.objects.order_by("kind").values_list(*fields)) == [
        ("entry_deleted", FIRST_ENTRY + 2, None, invoice.reference, first, first, None),
        ("order_changed", None, invoice.order_id, invoice.reference, first, first, None),
    ]
    assert Drift.objects.get(kind="order_changed").facts == {"invoice": str(invoice), "amounts": ["363.00", "344.85"]}
    assert (billed.dossier.reconciled_at, billed.dossier.reconcile_problem) == (first, "")
    assert billed.dossier.reconcile_at == first + timedelta(days=1)
    billed.control.change_order(invoice.order_id, TotalExcl=285.00, TotalVAT=59.85, TotalIncl=344.85)
    night(billed, queue)
    second = timezone.now()
    assert second == first + timedelta(days=1)
    assert list(Drift.objects.order_by("kind").values_list(*fields)) == [
        ("entry_deleted", FIRST_ENTRY + 2, None, invoice.reference, first, second, None),
        ("order_changed", None, invoice.order_id, invoice.reference, first, first, second),
    ]
    billed.control.change_order(invoice.order_id, TotalExcl=300.00, TotalVAT=63.00, TotalIncl=363.00)
    night(billed, queue)
    assert Drift.objects.filter(kind="order_changed").count() == 2, "what came back is another difference"


def test_dossiers_of_one_workspace_are_compared_together_and_it_is_read_once(scene: Make, queue: Queue) -> None:
    table = {"toggl": "main", "workspace": 4001, "billit": "main", "company": 7001, "start": "2026-10-01"}
    books = scene(
        entries=[entry(1), entry(2, project_id=BAKERY_PROJECT)],
        dossiers=[{**table, "key": "first", "clients": [501]}, {**table, "key": "second", "clients": [502]}],
    )
    tasks.tick_reconcile()
    (at,) = set(Dossier.objects.values_list("reconcile_at", flat=True))
    assert at is not None
    books.at(at)
    books.control.clear_log()
    tasks.tick_reconcile()
    assert queue.work() == ["reconcile_dossier"]
    paths = [row["path"].rpartition("/")[2] for row in books.control.log("toggl")]
    # The whole and the bakery's, for two months each.
    assert sorted(paths) == ["clients", "projects", "time_entries", *["totals"] * 4]
    assert set(Dossier.objects.values_list("reconciled_at", "reconcile_at")) == {(at, at + timedelta(days=1))}


def test_message_that_comes_twice_compares_once(billed: Scene, queue: Queue) -> None:
    night(billed, queue)
    billed.control.clear_log()
    tasks.reconcile_dossier(dossier_id=billed.dossier.pk)
    assert comparisons.serve(dossier=billed.dossier, now=timezone.now()) is None
    assert billed.control.log() == []


def test_row_that_another_worker_claimed_is_left_to_it(billed: Scene) -> None:
    now = timezone.now()
    seen = billed.dossier
    Dossier.objects.update(reconcile_at=now)
    Dossier.objects.update(reconcile_at=now + comparisons.LEASE)
    assert comparisons.serve(dossier=seen, now=now) is None
    billed.at(now + comparisons.LEASE)
    assert comparisons.take_due(now=timezone.now()) == [seen.pk], "it died, and the lease is over"


def test_closed_firm_and_paused_connection_are_not_compared(billed: Scene, queue: Queue) -> None:
    tasks.tick_reconcile()
    billed.later(days=1)
    Connection.objects.filter(service="billit").update(paused_at=NOW)
    assert comparisons.take_due(now=timezone.now()) == []
    Connection.objects.update(paused_at=None, failure="credentials")
    assert comparisons.take_due(now=timezone.now()) == []
    Connection.objects.update(failure="")
    billed.firm.closed_at = NOW
    billed.firm.save()
    assert comparisons.take_due(now=timezone.now()) == []
    billed.firm.closed_at = None
    billed.firm.save()
    assert comparisons.take_due(now=timezone.now()) == [billed.dossier.pk]


def test_comparison_that_nobody_takes_up_shows_in_the_readiness(billed: Scene) -> None:
    tasks.tick_reconcile()
    billed.later(days=1)
    Workspace.objects.update(next_sync_at=None)
    Company.objects.update(next_sync_at=None)
    assert waiting.oldest(timezone.now())["compare"] == billed.dossier.reconcile_at
    Dossier.objects.update(reconcile_at=timezone.now() + timedelta(minutes=1))
    assert waiting.oldest(timezone.now())["compare"] is None


# --- later ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_night_leaves_the_reserve_of_the_budget_and_comes_back_when_it_opens(billed: Scene, queue: Queue) -> None:
    tasks.tick_reconcile()
    billed.at(billed.dossier.reconcile_at or NOW)
    Workspace.objects.get().connection.quotas.all().delete()
    billed.control.quota(ORGANIZATION, remaining=6, resets_in=1800)
    billed.command("sync")  # leaves five
    billed.control.clear_log()
    tasks.tick_reconcile()
    queue.work()
    assert billed.control.log() == []
    waits = billed.dossier
    assert waits.reconcile_at == timezone.now() + timedelta(minutes=30)
    until = {"workspace": "Small", "at": waits.reconcile_at.isoformat()}
    assert (waits.reconcile_problem, waits.reconcile_problem_facts) == ("quota_used_up", until)
    assert waits.reconciled_at is None
    billed.later(minutes=30)
    tasks.tick_reconcile()
    queue.work()
    done = billed.dossier
    assert (done.reconciled_at, done.reconcile_problem) == (timezone.now(), "")


def test_person_who_asks_may_use_the_reserve(billed: Scene) -> None:
    billed.control.quota(ORGANIZATION, remaining=6, resets_in=1800)
    billed.command("sync")
    compare(billed)
    assert (billed.dossier.reconciled_at, billed.dossier.reconcile_asked_at) == (timezone.now(), None)
    # The totals of months are left to the night: they can be many.
    assert not ReportedMonth.objects.exists()


@pytest.mark.slow
@pytest.mark.parametrize("service", ["toggl", "billit"])
def test_outage_puts_it_off_and_keeps_what_was_found_before(billed: Scene, queue: Queue, service: str) -> None:
    billed.control.delete_entries(FIRST_ENTRY + 2)
    compare(billed)
    billed.later(minutes=5)
    billed.control.faults({"service": service, "kind": "status", "status": 503})
    assert comparisons.ask(dossier=billed.dossier, now=timezone.now())
    assert comparisons.serve(dossier=billed.dossier, now=timezone.now()) is None
    dossier = billed.dossier
    assert timedelta(minutes=1) <= (dossier.reconcile_at or NOW) - timezone.now() <= comparisons.RETRY_AFTER
    assert dossier.reconcile_problem_facts["service"] == service.capitalize()
    assert dossier.reconcile_asked_at == timezone.now(), "the person still waits"
    assert kinds() == [("entry_deleted", FIRST_ENTRY + 2, "")]


def test_totals_that_toggl_does_not_give_keep_no_difference_back(billed: Scene) -> None:
    billed.control.delete_entries(FIRST_ENTRY + 2)
    billed.control.faults({"service": "toggl", "path": "totals$", "kind": "status", "status": 503})
    assert comparisons.ask(dossier=billed.dossier, now=timezone.now())
    assert comparisons.serve(dossier=billed.dossier, now=timezone.now()) is None
    assert kinds() == [("entry_deleted", FIRST_ENTRY + 2, "")]
    assert billed.dossier.reconciled_at is None
    assert billed.dossier.reconcile_problem == "server_error"


def test_comparison_that_began_before_another_closes_nothing_that_it_found(billed: Scene) -> None:
    begun = timezone.now()
    billed.later(minutes=1)
    found = DriftFactory(dossier=billed.dossier, first_seen_at=timezone.now())
    reconcile.reconcile(dossiers=[billed.dossier], now=begun)
    found.refresh_from_db()
    assert found.gone_at is None
    compare(billed)
    found.refresh_from_db()
    assert found.gone_at == timezone.now()


def test_refused_credential_waits_for_the_next_night(billed: Scene) -> None:
    row = Connection.objects.get(service="billit")
    row.secret = "another"
    row.save(update_fields=["secret"])
    assert comparisons.ask(dossier=billed.dossier, now=timezone.now())
    assert comparisons.serve(dossier=billed.dossier, now=timezone.now()) is None
    assert billed.dossier.reconcile_at == comparisons.next_night(billed.dossier, timezone.now())
    assert billed.dossier.reconcile_problem == "credential_refused"
    assert billed.dossier.reconcile_asked_at is None


def test_workspace_that_is_being_read_puts_it_off_for_a_minute(billed: Scene) -> None:
    Workspace.objects.update(claimed_at=timezone.now())
    assert comparisons.ask(dossier=billed.dossier, now=timezone.now())
    assert comparisons.serve(dossier=billed.dossier, now=timezone.now()) is None
    assert billed.dossier.reconcile_at == timezone.now() + timedelta(minutes=1)


def test_who_asks_twice_in_a_minute_has_it_compared_once(billed: Scene, queue: Queue) -> None:
    assert comparisons.ask(dossier=billed.dossier, now=timezone.now())
    assert not comparisons.ask(dossier=billed.dossier, now=timezone.now())
    tasks.tick_reconcile()
    assert queue.work() == ["reconcile_dossier"], "a lost message heals"
    assert billed.dossier.reconciled_at == timezone.now()
