"""The metrics: who may read them, and that they are what the rows say, whatever their number."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from integrations.models import Entry, Quota
from invoicing.models import Dossier
from tests.factories import (
    AttemptFactory,
    ConnectionFactory,
    DossierFactory,
    DriftFactory,
    EntryFactory,
    InvoiceFactory,
    WorkspaceFactory,
    WriteBackFactory,
)
from toggbill.watching import durations

pytestmark = pytest.mark.django_db
TOKEN = "0123456789-abcdefghij-of-the-tests"


@pytest.fixture(autouse=True)
def token(settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN


def asked(authorization: str | None) -> Any:
    return Client().get("/metrics", headers={} if authorization is None else {"authorization": authorization})


def figures() -> dict[tuple[str, ...], float]:
    """Each figure by its name and the values of its labels, in the order of the labels' names."""
    answer = asked(f"Bearer {TOKEN}")
    assert answer.status_code == 200
    return {
        (sample.name.removeprefix("toggbill_"), *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (None, 401),
        ("", 401),
        (f"Basic {TOKEN}", 401),
        ("Bearer", 403),
        ("Bearer ", 403),
        (f"Bearer {TOKEN}x", 403),
        (f"Bearer {TOKEN[:-1]}", 403),
        ("Bearer é", 403),
        (f"Bearer {TOKEN}", 200),
    ],
)
def test_only_the_token_opens_them(authorization: str | None, status: int) -> None:
    answer = asked(authorization)
    assert answer.status_code == status
    assert (b"toggbill_" in answer.content) is (status == 200)
    assert answer.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)


def test_without_a_token_they_are_not_there(settings: Settings) -> None:
    settings.METRICS_TOKEN = ""
    for authorization in (None, "Bearer ", f"Bearer {TOKEN}"):
        assert asked(authorization).status_code == 404


def test_oldest_due_row_of_each_work_in_seconds() -> None:
    now = timezone.now()
    dossier = DossierFactory(due_at=now - timedelta(minutes=7), reconcile_at=now - timedelta(minutes=8), annex=True)
    dossier.workspace.next_sync_at = now - timedelta(minutes=5)
    dossier.workspace.save()
    dossier.company.next_sync_at = now - timedelta(minutes=6)
    dossier.company.orders_due_at = now - timedelta(minutes=9)
    dossier.company.save()
    WorkspaceFactory(next_sync_at=now - timedelta(hours=9), connection__paused_at=now)
    asked_for = {"post_requested_by": "x", "post_requested_at": now - timedelta(minutes=10), "approved_at": now}
    InvoiceFactory(dossier=dossier, status="approved", **asked_for)
    InvoiceFactory(dossier=dossier, status="approved", approved_at=now - timedelta(minutes=11))
    EntryFactory(workspace=dossier.workspace, marked_at=now - timedelta(minutes=12))
    Dossier.objects.update(tell_drafts_at=now - timedelta(minutes=13))
    tag = WriteBackFactory(entry__workspace=dossier.workspace, dossier=dossier, due_at=now - timedelta(minutes=14))
    Entry.objects.filter(pk=tag.entry_id).update(marked_at=None)
    found = figures()
    minutes = {
        ("sync", "sync_workspace"): 5,
        ("sync", "sync_company"): 6,
        ("sync", "run"): 7,
        ("sync", "compare"): 8,
        ("sync", "write_back"): 14,
        ("ticks", "derive"): 12,
        ("post", "annex"): 11,
        ("send", "mail"): 13,
        ("post", "read_orders"): 9,
        ("post", "post"): 10,
        ("post", "read_deliveries"): 0,
        ("send", "send"): 0,
    }
    ages = {key[1:]: value for key, value in found.items() if key[0] == "oldest_due_seconds"}
    assert {key: round(age / 60) for key, age in ages.items()} == minutes


def test_doubts_attempts_findings_connections_quota_and_lag() -> None:
    now = timezone.now()
    dossier = DossierFactory()
    doubtful = {"problem": "worker_ended", "approved_at": now}
    InvoiceFactory(dossier=dossier, status="in_doubt", needs_person=True, **doubtful)
    invoice = InvoiceFactory(dossier=dossier, status="in_doubt", **doubtful)
    for outcome, ago in (("refused", 5), ("refused", 6), ("accepted", 7), ("accepted", 70)):
        moment = now - timedelta(minutes=ago)
        AttemptFactory(invoice=invoice, outcome=outcome, left_at=moment, finished_at=moment)
    DriftFactory(dossier=dossier, kind="order_deleted")
    broken = ConnectionFactory(failure="credentials", failure_code="credential_refused")
    ConnectionFactory(paused_at=now)
    Quota.objects.create(firm=broken.firm, connection=broken, remaining=5, resets_at=now + timedelta(minutes=5))
    Quota.objects.create(
        firm=broken.firm, connection=broken, organization_id=1, remaining=-1, resets_at=now - timedelta(minutes=5)
    )
    dossier.workspace.synced_at = now - timedelta(minutes=20)
    dossier.workspace.save()
    found = figures()
    assert found["in_doubt", "person", "post"] == found["in_doubt", "worker", "post"] == 1
    assert found["in_doubt", "worker", "send"] == 0
    recent = {key[1:]: value for key, value in found.items() if key[0] == "attempts_last_hour"}
    assert recent == {("post", "refused"): 2, ("post", "accepted"): 1}
    assert (found["findings_open", "order_deleted"], found["findings_open", "order_sent"]) == (1, 0)
    assert (found["connections", "works"], found["connections", "broken"], found["connections", "paused"]) == (2, 1, 1)
    assert (found["quota_lowest",], found["quotas_spent",]) == (5, 1)
    assert round(found["sync_lag_seconds", "workspace"] / 60) == 20
    # One that was never read is the farthest behind.
    never = DossierFactory(workspace__synced_at=None)
    Dossier.objects.filter(pk=never.pk).update(created_at=now - timedelta(minutes=50))
    assert round(figures()["sync_lag_seconds", "workspace"] / 60) == 50


def test_durations_of_tasks_are_one_histogram_of_all_workers() -> None:
    now = timezone.now()
    for seconds in (0.1, 0.2, 7.0, 4000.0):
        durations.add(task="run_dossier", seconds=seconds, failed=False, now=now)
    durations.add(task="run_dossier", seconds=0.3, failed=True, now=now)
    durations.add(task="tick_sync", seconds=0.01, failed=False, now=now - timedelta(seconds=30))
    found = figures()
    buckets = {key[1:]: value for key, value in found.items() if key[0] == "task_seconds_bucket"}
    within = {bound: value for (end, bound, task), value in buckets.items() if (end, task) == ("done", "run_dossier")}
    assert within == {
        "0.1": 1,
        "0.5": 2,
        "1": 2,
        "2.5": 2,
        "5": 2,
        "10": 3,
        "30": 3,
        "60": 3,
        "300": 3,
        "900": 3,
        "+Inf": 4,
    }
    assert found["task_seconds_count", "failed", "run_dossier"] == 1
    assert found["task_seconds_sum", "done", "run_dossier"] == pytest.approx(4007.3)
    assert 25 < found["latest_tick_seconds",] < 60


def test_no_figure_names_a_firm_and_more_rows_ask_no_more_queries() -> None:
    DossierFactory(firm__slug="leakmark", firm__name="leakmark", key="leakmark", due_at=timezone.now())
    with CaptureQueriesContext(
        connection,
    ) as few:
        text = asked(f"Bearer {TOKEN}").content.decode()
    assert "leakmark" not in text
    for _ in range(5):
        DriftFactory(dossier=DossierFactory(due_at=timezone.now()))
    with CaptureQueriesContext(connection) as many:
        figures()
    assert len(many) == len(few)
    assert len(few) <= 30
