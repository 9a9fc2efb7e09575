"""Reading both services into the mirror: what it costs and counts, and Billit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.clients.http.transport import BadCredentials, Refused, RetryLater, ServiceError
from integrations.mirror import sync
from integrations.models import Company, Connection, Entry, Workspace
from tests.integrations.mirrored import OUTAGE, REPORT, Mirror, untouched
from tests.worlds import (
    COLLEAGUE,
    FIRST_ENTRY,
    GARAGE_PROJECT,
    NOW,
    WORKSPACE,
    entry,
)

# --- what a reading costs and counts ----------------------------------------------------------------------------------


def test_first_sync_of_a_month_costs_three_calls_and_an_increment_one(mirror: Callable[..., Mirror]) -> None:
    month = mirror("month")
    assert month.counts() == (3, 1000, 1000, 0, 0)
    assert month.requests() == [
        ("GET", f"/api/v9/workspaces/{WORKSPACE}/clients"),
        ("GET", f"/api/v9/workspaces/{WORKSPACE}/projects"),
        ("POST", REPORT),
    ]
    assert Entry.objects.count() == 1000
    assert month.workspace.projects.count() == 190
    assert month.workspace.clients.count() == 38
    asked = month.sandbox.control.log("toggl")[2]["body"]
    assert (asked["page_size"], asked["rounding_minutes"], asked["enrich_response"]) == (1000, 0, True)

    month.later(minutes=15)
    month.sandbox.control.clear_log()
    month.sandbox.control.put_entries(untouched(0, description="other words", at=timezone.now().isoformat()))
    done = month.read()
    assert (done.calls, done.created, done.updated, done.deleted) == (1, 0, 1, 0)
    assert month.requests() == [("POST", REPORT)]
    asked = month.sandbox.control.log("toggl")[0]["body"]
    assert (asked["order_by"], asked["order_dir"]) == ("last_update", "DESC")


def test_a_sync_leaves_the_secret_out_of_everything_it_says(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    small.sandbox.control.faults({**OUTAGE, "kind": "status", "status": 503, "body": "no 0123456789abcdef"})
    with pytest.raises(RetryLater) as failed:
        small.read()
    connection = small.workspace.connection
    assert connection.failure == "unreachable"
    assert (connection.failure_code, connection.failure_facts) == (
        "server_error",
        {"service": "Toggl", "what": {"code": "asked_clients", "facts": {"id": 4001}}, "status": 503},
    )
    assert connection.secret not in str(failed.value)


def test_an_increment_of_1500_new_entries_reads_two_pages(mirror: Callable[..., Mirror]) -> None:
    small = mirror(entries=[entry(1)])
    assert small.counts() == (3, 1, 1, 0, 0)
    small.later(minutes=10)
    small.sandbox.control.put_entries(*(entry(serial, "2026-11-02", seconds=60) for serial in range(2, 1502)))
    assert small.counts() == (2, 1501, 1500, 0, 0)
    assert Entry.objects.count() == 1501


def test_the_counts_follow_what_happened_to_the_entries(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    assert small.counts() == (3, 6, 6, 0, 0)
    small.later(minutes=10)
    control = small.sandbox.control
    control.put_entries(entry(7), {"id": FIRST_ENTRY + 1, "description": "new words"})
    control.delete_entries(FIRST_ENTRY + 2, FIRST_ENTRY + 3)
    # 7 new, 1 changed; the deleted ones are not in the report at all.
    assert small.counts(full=True) == (4, 5, 1, 1, 2)
    assert small.row(2).deleted_at == small.row(3).deleted_at == timezone.now()
    assert (small.row(2).seconds, small.row(3).seconds) == (7200, 1800)


def test_the_same_reading_twice_changes_nothing(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    small.read()
    sync.sync_company(company=small.company, now=timezone.now())
    small.settle()
    rows = list(Entry.objects.order_by("pk").values())
    small.later(minutes=1)
    assert small.counts(full=True)[2:] == (0, 0, 0)
    assert small.counts()[2:] == (0, 0, 0)
    sync.sync_company(company=small.company, now=timezone.now())
    assert small.marked() == set()
    assert small.company.marked_at is None
    assert list(Entry.objects.order_by("pk").values()) == rows


def test_every_field_of_an_entry_is_mirrored(mirror: Callable[..., Mirror]) -> None:
    small = mirror(
        entries=[
            entry(
                1,
                "2026-10-05T08:30:01+02:00",
                seconds=3599,
                description="Réunion « été » 🙂 / 日本",
                tags=["Advice", "Books"],
                user_id=COLLEAGUE,
                billable=False,
                at="2026-10-06T10:00:00Z",
            )
        ]
    )
    small.read()
    row = small.row(1)
    assert row.started_at == datetime(2026, 10, 5, 6, 30, 1, tzinfo=UTC)
    assert row.stopped_at == datetime(2026, 10, 5, 7, 30, tzinfo=UTC)
    assert (row.seconds, row.is_running, row.billable) == (3599, False, False)
    assert (row.description, row.tags) == ("Réunion « été » 🙂 / 日本", ["Advice", "Books"])
    assert (row.person_remote_id, row.person_name) == (COLLEAGUE, "Wim Brandhof")
    assert row.project_remote_id == GARAGE_PROJECT
    assert row.changed_at == datetime(2026, 10, 6, 10, tzinfo=UTC)
    assert row.deleted_at is None


# --- when something is wrong ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("headers", "seconds"), [({"Retry-After": "90"}, 90), ({}, 300)])
def test_a_reading_that_toggl_puts_off_sleeps_until_then_and_is_no_failure(
    mirror: Callable[..., Mirror], headers: dict[str, str], seconds: int
) -> None:
    small = mirror()
    small.read()
    small.later(minutes=10)
    small.sandbox.control.put_entries(entry(7))
    small.sandbox.control.faults(
        {"service": "toggl", "path": "^/reports", "kind": "status", "status": 429, "headers": headers, "times": 1}
    )
    done = small.read()
    late = (done.deferred_until or timezone.now()) - timezone.now()
    # Whole seconds more on a machine that is slow.
    assert timedelta(seconds=seconds) <= late <= timedelta(seconds=seconds + 30)
    workspace = small.workspace
    assert (workspace.next_sync_at, workspace.claimed_at) == (done.deferred_until, None)
    assert small.workspace.connection.failure == "none"
    assert Entry.objects.count() == 6
    small.later(minutes=6)
    assert small.read().deferred_until is None
    assert Entry.objects.count() == 7


def test_a_short_429_is_waited_for_within_the_reading(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    short = {"kind": "status", "status": 429, "headers": {"Retry-After": "0.1"}, "times": 2}
    small.sandbox.control.faults({"service": "toggl", "path": "^/reports", **short})
    done = small.read()
    assert (done.deferred_until, done.calls, done.created) == (None, 5, 6)


@pytest.mark.parametrize(
    ("fault", "error", "failure"),
    [
        ({"kind": "status", "status": 500, "body": "oops"}, RetryLater, "unreachable"),
        ({"kind": "status", "status": 503}, RetryLater, "unreachable"),
        ({"kind": "html500"}, RetryLater, "unreachable"),
        ({"kind": "status", "status": 200, "body": "<html>maintenance</html>"}, RetryLater, "unreachable"),
        ({"kind": "status", "status": 200, "body": "[{}]"}, RetryLater, "unreachable"),
        ({"kind": "truncate"}, RetryLater, "unreachable"),
        ({"kind": "cut_before"}, RetryLater, "unreachable"),
        ({"kind": "status", "status": 403, "body": '"Workspace not found/accessible"'}, Refused, "refused"),
        (
            {"kind": "status", "status": 403, "body": '"Incorrect username and/or password"'},
            BadCredentials,
            "credentials",
        ),
    ],
    ids=["500", "503", "html500", "html", "odd", "truncated", "cut", "foreign", "password"],
)
def test_a_reading_that_fails_names_it_and_keeps_the_mirror(
    mirror: Callable[..., Mirror], fault: dict[str, Any], error: type[ServiceError], failure: str
) -> None:
    small = mirror()
    small.read()
    small.settle()
    rows = list(Entry.objects.order_by("pk").values())
    before = small.workspace
    small.later(minutes=10)
    small.sandbox.control.delete_entries(FIRST_ENTRY + 1)
    small.sandbox.control.faults({"service": "toggl", "path": "^/reports", **fault})
    with pytest.raises(error) as raised:
        small.read(full=True)
    assert isinstance(raised.value, error)
    assert "\n" not in str(raised.value)
    assert list(Entry.objects.order_by("pk").values()) == rows
    after = small.workspace
    assert (after.cursor_at, after.synced_at, after.claimed_at) == (before.cursor_at, before.synced_at, None)
    assert after.connection.failure == failure
    message = raised.value.message
    assert (after.connection.failure_code, after.connection.failure_facts) == (message.code, message.facts)
    assert after.connection.latest_ok_at == NOW

    small.sandbox.control.faults()
    assert small.counts(full=True)[4] == 1
    assert (small.workspace.connection.failure, small.workspace.connection.failure_code) == ("none", "")
    assert small.workspace.connection.latest_ok_at == timezone.now()


def test_two_readers_at_once_the_second_is_told_so(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    Workspace.objects.update(claimed_at=NOW - timedelta(minutes=1))
    Company.objects.update(claimed_at=NOW - timedelta(minutes=1))
    with pytest.raises(sync.Busy, match="being read by another process"):
        small.read()
    with pytest.raises(sync.Busy, match="Small SRL"):
        sync.sync_company(company=small.company, now=timezone.now())
    assert small.requests() == []
    assert small.workspace.claimed_at == NOW - timedelta(minutes=1)


def test_a_reader_that_died_is_relieved_after_its_lease(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    Workspace.objects.update(claimed_at=NOW - timedelta(minutes=15, seconds=1))
    assert small.counts()[2] == 6
    assert small.workspace.claimed_at is None


def test_a_reader_whose_lease_was_taken_over_leaves_the_new_claim_alone(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    theirs = NOW + timedelta(minutes=16)
    with sync._claimed(Workspace, small.workspace, NOW):
        Workspace.objects.update(claimed_at=theirs)
    assert small.workspace.claimed_at == theirs


# --- Billit -----------------------------------------------------------------------------------------------------------


def test_a_company_is_read_with_its_products_and_customers(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    done = sync.sync_company(company=small.company, now=timezone.now())
    assert (done.company, done.calls, done.products, done.customers) == (7001, 2, 3, 2)
    assert {(row.reference, str(row.price), str(row.vat_rate)) for row in small.company.products.all()} == {
        ("ADV", "95.000000", "21.00"),
        ("CPT", "60.000000", "21.00"),
        ("FIS", "120.000000", "21.00"),
    }
    assert small.company.marked_at == timezone.now()
    assert small.company.synced_at == timezone.now()
    assert small.company.next_sync_at == timezone.now() + sync.INTERVAL


def test_a_changed_price_marks_the_company(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    sync.sync_company(company=small.company, now=timezone.now())
    small.settle()
    small.sandbox.control.put_billit("products", {"ProductID": 60_001, "AmountExcl": 99})
    small.later(minutes=1)
    sync.sync_company(company=small.company, now=timezone.now())
    assert small.company.marked_at == timezone.now()
    assert str(small.company.products.get(reference="ADV").price) == "99.000000"


def test_a_wrong_api_key_is_told_on_the_connection(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    row = Connection.objects.get(service="billit")
    row.secret = "wrong"
    row.save()
    with pytest.raises(BadCredentials):
        sync.sync_company(company=small.company, now=timezone.now())
    assert small.company.connection.failure == "credentials"
    assert small.company.claimed_at is None
    assert small.company.products.count() == 0
