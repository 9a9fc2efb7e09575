"""The main job over real worker and beat processes: by the demo, and by the schedule on the broker of the run."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from integrations.models import Company, Workspace
from integrations.sandbox.process import Process
from invoicing.ledger.facts.books import schedule_of
from invoicing.ledger.invariants import invariants
from invoicing.models import Attempt, Dossier, Invoice
from invoicing.rules import schedule
from toggbill.firms.audit import verify
from toggbill.firms.models import AuditEvent, Firm

pytestmark = pytest.mark.slow
CELERY = [sys.executable, "-m", "celery", "-A", "toggbill", "--quiet"]
PATIENCE = 180


def _demo(folder: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    done = subprocess.run(
        [sys.executable, "manage.py", "demo", "--no-serve"],
        cwd=settings.BASE_DIR,
        env=environment | {"DEBUG": "1", "VAR_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=600,  # it hangs; a busy machine needs some minutes
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _rows(folder: Path, question: str) -> list[tuple[object, ...]]:
    database = sqlite3.connect(folder / "demo" / "toggbill.sqlite3")
    try:
        return database.execute(question).fetchall()
    finally:
        database.close()


def test_demo_posts_each_invoice_once_over_worker_and_beat_and_nothing_more_when_run_again(tmp_path: Path) -> None:
    first = _demo(tmp_path)
    assert "The books balance" in first
    assert "billed twice 0, lost 0." in first
    # What is agreed besides hours, and what lies unbilled: two agreements meet, and a person decides on their hours.
    assert "Menuiserie Tarvoux" in first.split("Agreed", 1)[1]
    assert "several_agreements" in first
    # All kinds of agreements: advances that are settled, blocks of hours that run out, and an hour late for each.
    assert "Settled: Ambrelin SRL, hours " in first
    assert "h left of its blocks" in first
    assert "4 hours more" in first
    kinds = "select distinct kind from invoicing_invoiceline order by kind"
    bought = "select count(*) >= 2 from invoicing_invoiceline where kind = 'block'"
    assert _rows(tmp_path, kinds) == [(each,) for each in ("advance", "block", "deduction", "extra", "fee", "hours")]
    assert _rows(tmp_path, bought) == [(1,)]
    assert "Work in progress: " in first
    assert "Realisation of " in first
    orders = (
        "select order_id, order_number, legal_incl from invoicing_invoice where status = 'posted' order by order_id"
    )
    posted = _rows(tmp_path, orders)
    assert len(posted) >= 15
    assert f"{len(posted)} posted now, {len(posted)} in all" in first
    assert _rows(tmp_path, "select count(*) from invoicing_attempt where intent = 'post'") == [(len(posted),)]
    # The workers did it, not the process that asked for it.
    origins = "select distinct origin from firms_auditevent where type = 'invoice_posted'"
    assert _rows(tmp_path, origins) == [("worker",)]

    second = _demo(tmp_path)
    assert f"0 posted now, {len(posted)} in all" in second
    assert _rows(tmp_path, orders) == posted


@contextmanager
def _workers(sandbox: Process, folder: Path, number: str) -> Iterator[Path]:
    """A worker and a beat on the database of this test and on a broker that no other test uses."""
    database = connection.settings_dict
    url = f"sqlite:///{database['NAME']}"
    if connection.vendor == "postgresql":
        login = f"{database['USER']}:{database['PASSWORD']}" if database["PASSWORD"] else database["USER"]
        url = f"postgresql://{login}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    broker = os.environ.get("REDIS_URL", "")
    environment = os.environ | {
        "DEBUG": "1",
        "VAR_DIR": str(folder),
        "DATABASE_URL": url,
        "REDIS_URL": f"{broker.rsplit('/', 1)[0]}/{number}" if broker else "",
        "TOGGL_URL": sandbox.toggl_url,
        "BILLIT_API_URL": sandbox.billit_url,
        "TOGGL_REQUESTS_PER_SECOND": "0",
        "BILLIT_REQUESTS_PER_SECOND": "0",
        "TICK_SECONDS": "1",
        "LOG_FORMAT": "json",
    }
    worker = [*CELERY, "worker", "-Q", "ticks,sync,post,send", "--pool", "threads", "-c", "4"]
    with (folder / "log").open("w") as log:
        running = [
            subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment, stdout=log, stderr=log)
            for command in (worker, [*CELERY, "beat"])
        ]
        try:
            yield folder / "log"
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait(30)


def _until(what: Callable[[], bool], log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < until, log.read_text()[-4000:]
        time.sleep(0.2)


@pytest.mark.django_db(transaction=True)
def test_schedule_syncs_drafts_posts_and_reads_back_over_worker_and_beat(
    onboard: Callable[..., Firm], sandbox: Process, tmp_path: Path, worker_id: str
) -> None:
    firm = onboard("demo")
    today = timezone.now().astimezone(firm.zone).date()
    Dossier.objects.filter(firm=firm).update(
        every="monthly", day=1, mode="post", auto_limit=None, no_limit=True, due_at=None, scheduled_through=None
    )

    def synced() -> bool:
        unread = Workspace.objects.filter(firm=firm, synced_at__isnull=True).exists()
        return not unread and not Company.objects.filter(firm=firm, synced_at__isnull=True).exists()

    def done() -> bool:
        waiting = Dossier.objects.filter(firm=firm, scheduled_through__isnull=True).exists()
        unread = Invoice.objects.filter(firm=firm, legal_excl__isnull=True).exists()
        return not waiting and not unread and Invoice.objects.filter(firm=firm).exists()

    with _workers(sandbox, tmp_path, "1" if worker_id == "gw0" else "2") as log:
        _until(synced, log)
        # Not before: a run that finds its workspace being read comes again after 20 seconds.
        Dossier.objects.filter(firm=firm).update(due_at=timezone.now())
        _until(done, log)
    # Every line of a worker says which task it is of and whom that is for; what a task asked for knows which did.
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    runs = [line for line in lines if line["event"] == "task_succeeded" and line["task"] == "run_dossier"]
    keys = set(Dossier.objects.filter(firm=firm).values_list("key", flat=True))
    # One run serves those, too, that are due with it and share what is read; who finds no turn comes again.
    assert {line["firm"] for line in runs} == {firm.slug}
    assert set() < {line["dossier"] for line in runs} <= keys
    ticks = {line["task_id"] for line in lines if line.get("task") == "tick_runs"}
    assert all(line["parent_task_id"] in ticks | {line["task_id"]} for line in runs)
    told = {line["reference"] for line in lines if line["event"] == "attempt_finished"}
    invoices = list(Invoice.objects.filter(firm=firm))
    assert told == {invoice.reference for invoice in invoices}
    assert {invoice.status for invoice in invoices} == {"posted"}
    assert {invoice.reference: invoice.order_id for invoice in invoices} == {
        order["ExternalProviderID"]: order["OrderID"] for order in sandbox.control.orders()
    }
    assert Attempt.objects.filter(firm=firm).count() == len(invoices)
    for dossier in Dossier.objects.filter(firm=firm):
        due = schedule.latest_due(schedule_of(dossier), today, None)
        assert dossier.scheduled_through == due
        assert dossier.due_at is not None
        assert dossier.due_at > timezone.now()
    approved = AuditEvent.objects.filter(firm=firm, type="invoice_approved")
    assert set(approved.values_list("actor", "origin")) == {("schedule", "worker")}
    dossiers = list(Dossier.objects.filter(firm=firm))
    assert [each.told() for each in invariants.broken(dossiers=dossiers)] == []
    assert verify(firm=firm).ok
