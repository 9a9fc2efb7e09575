"""When the books are compared: by the row at night, on demand, later if a service is away; and what is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from integrations.models import Company, Connection, Workspace
from invoicing import tasks
from invoicing.corrections import decide
from invoicing.due import comparisons
from invoicing.models import Dossier, Drift, Invoice, LedgerRow, ReportedMonth
from invoicing.reconciliation import reconcile
from tests.factories import DriftFactory
from tests.invoicing.after_billing import accept, bill_next, correction, the
from tests.invoicing.scene import BY, OCTOBER, Scene
from tests.queues import Queue
from tests.worlds import BAKERY_PROJECT, FIRST_ENTRY, NOW, ORGANIZATION, entry
from toggbill import health

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


@pytest.fixture
def billed(scene: Make) -> Scene:
    """The garage's October at Billit, read back: 1 h + 2 h of Advice."""
    made = scene(entries=[entry(1), entry(2, "2026-10-06", seconds=7200)])
    made.posted()
    made.read_back()
    made.later(hours=1)
    return made


def night(books: Scene, queue: Queue) -> None:
    """The clocks go on to the dossier's moment of the coming night, and the ticks do what is due."""
    tasks.tick_reconcile()
    queue.work()
    books.at(books.dossier.reconcile_at or NOW)
    tasks.tick_reconcile()
    queue.work()


def compare(books: Scene) -> None:
    """Now, as when a person asks for it."""
    assert comparisons.ask(dossier=books.dossier, now=timezone.now())
    assert comparisons.serve(dossier=books.dossier, now=timezone.now()) is not None


def kinds() -> list[tuple[str, int | None, str]]:
    """What stands: kind, entry, and what of it changed."""
    rows = Drift.objects.filter(gone_at__isnull=True).order_by("kind", "entry_remote_id")
    return [(row.kind, row.entry_remote_id, ", ".join(row.facts.get("changed", []))) for row in rows]


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
    assert health._oldest_due(timezone.now()) == billed.dossier.reconcile_at
    Dossier.objects.update(reconcile_at=timezone.now() + timedelta(minutes=1))
    assert health._oldest_due(timezone.now()) is None


# --- later ------------------------------------------------------------------------------------------------------------


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
    Connection.objects.filter(service="billit").update(secret="another")
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


# --- decided differences ----------------------------------------------------------------------------------------------


def test_difference_that_a_person_accepted_is_drift_no_more_and_another_change_is(billed: Scene) -> None:
    billed.control.put_entries({"id": FIRST_ENTRY + 1, "stop": "2026-10-05T10:30:00Z", "description": "Longer"})
    compare(billed)
    assert kinds() == [("entry_changed", FIRST_ENTRY + 1, "seconds, description")]
    accept(correction())
    billed.later(minutes=2)
    compare(billed)
    assert kinds() == []
    billed.control.put_entries({"id": FIRST_ENTRY + 1, "description": "Other words"})
    billed.later(minutes=2)
    compare(billed)
    assert kinds() == [("entry_changed", FIRST_ENTRY + 1, "description")]
    row = Drift.objects.get(gone_at__isnull=True)
    assert row.facts["words"] is True
    billed.control.put_entries({"id": FIRST_ENTRY + 1, "stop": "2026-10-05T11:00:00Z", "description": "Longer"})
    billed.later(minutes=2)
    compare(billed)
    assert kinds() == [("entry_changed", FIRST_ENTRY + 1, "seconds, description")]
    assert Drift.objects.get(gone_at__isnull=True).first_seen_at == row.first_seen_at


def test_smaller_difference_than_the_accepted_one_is_covered_by_it(billed: Scene) -> None:
    billed.control.put_entries({"id": FIRST_ENTRY + 1, "stop": "2026-10-05T10:30:00Z"})
    billed.sync()
    accept(correction())
    billed.control.put_entries({"id": FIRST_ENTRY + 1, "stop": "2026-10-05T10:15:00Z"})
    compare(billed)
    assert kinds() == []


def test_difference_on_the_next_invoice_is_no_drift_before_and_after_it_is_posted(billed: Scene) -> None:
    billed.control.put_entries({"id": FIRST_ENTRY + 1, "stop": "2026-10-05T10:30:00Z"})
    billed.sync()
    bill_next(correction())
    compare(billed)
    assert kinds() == []
    billed.draft(OCTOBER)
    billed.post(*billed.approve())
    billed.later(minutes=2)
    compare(billed)
    assert kinds() == []


def test_accepted_deletion_is_no_drift(billed: Scene) -> None:
    billed.control.delete_entries(FIRST_ENTRY + 2)
    compare(billed)
    assert kinds() == [("entry_deleted", FIRST_ENTRY + 2, "")]
    accept(correction())
    billed.later(minutes=2)
    compare(billed)
    assert kinds() == []


def test_entry_on_a_credit_note_is_no_drift_unless_that_is_dropped(billed: Scene) -> None:
    billed.send(Invoice.objects.get())
    billed.control.put_entries({"id": FIRST_ENTRY + 1, "stop": "2026-10-05T10:30:00Z"})
    billed.sync()
    note = decide.credit(entries=[the(1)], rebill=True, by=BY, now=timezone.now())
    compare(billed)
    assert kinds() == []
    billed.post(*billed.approve(note))
    billed.later(minutes=2)
    compare(billed)
    assert kinds() == []


def test_other_tag_that_leads_to_the_same_product_is_told_though_nothing_is_to_be_decided(scene: Make) -> None:
    books = scene(entries=[entry(1)], tags=[{"tag": "Advice", "product": "ADV"}, {"tag": "Counsel", "product": "ADV"}])
    books.posted()
    books.control.put_entries({"id": FIRST_ENTRY + 1, "tags": ["Counsel"]})
    compare(books)
    assert kinds() == [("entry_changed", FIRST_ENTRY + 1, "tags")]
    assert Drift.objects.get().facts["words"] is True


# --- orders -----------------------------------------------------------------------------------------------------------


def test_order_whose_answer_is_awaited_is_not_unknown(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    with books.fault("cut_after"):
        books.post(invoice)
    assert Invoice.objects.get().status == "in_doubt"
    compare(books)
    assert kinds() == []


def test_unknown_order_stands_in_the_dossier_of_its_invoice_and_else_in_the_oldest(scene: Make) -> None:
    table = {"toggl": "main", "workspace": 4001, "billit": "main", "company": 7001, "start": "2026-10-01"}
    tags = [{"tag": "Advice", "product": "ADV"}]
    books = scene(
        entries=[entry(1, project_id=BAKERY_PROJECT)],
        dossiers=[
            {**table, "key": "first", "clients": [501], "tags": tags},
            {**table, "key": "second", "clients": [502], "tags": tags},
        ],
    )
    books.command("invoice", "--firm", "small", "--through", "2026-10-31", "--approve", "--post")
    invoice = Invoice.objects.get()
    number, reference = invoice.order_id, invoice.reference
    _forget(invoice)
    for key, expected in (("second", [(number, reference)]), ("first", [])):
        found = books.command("reconcile", "--firm", "small", "--dossier", key).answer["drift"]
        assert [(row["order_id"], row["reference"]) for row in found] == expected
    Invoice.objects.update(reference="tb-somebody-elses")
    found = books.command("reconcile", "--firm", "small").answer["drift"]
    assert [(row["kind"], row["order_id"]) for row in found] == [("order_unknown", number)]
    assert Drift.objects.get(gone_at__isnull=True).dossier.key == "first"


def _forget(invoice: Invoice) -> None:
    """As if it had never been posted."""
    for line in invoice.lines.all():
        line.claims.all().delete()
    Invoice.objects.update(status="void", order_id=None, posted_at=None)
