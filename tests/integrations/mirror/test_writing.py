"""Writing the mirror: in bulk, and only what differs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.clients import billit, toggl
from integrations.mirror import writing
from integrations.models import Client, Customer, Entry, Product, Project, Workspace
from tests.factories import (
    ClientFactory,
    CompanyFactory,
    CustomerFactory,
    EntryFactory,
    ProductFactory,
    ProjectFactory,
    WorkspaceFactory,
)

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
pytestmark = pytest.mark.django_db


def said(number: int, **changes: Any) -> toggl.Entry:
    """An entry of an hour as Toggl gives it."""
    start = datetime(2026, 10, 5, 9, tzinfo=UTC)
    entry = toggl.Entry(
        id=number,
        user_id=301,
        user_name="An Example",
        project_id=601,
        description="Work",
        billable=True,
        tags=("ADV",),
        seconds=3600,
        start=start,
        stop=start + timedelta(hours=1),
        updated_at=start + timedelta(hours=1),
    )
    return replace(entry, **changes)


def write(
    workspace: Workspace, *read: toggl.Entry, now: datetime = NOW, tags: Collection[str] = ("ADV", "Books")
) -> writing.Changes:
    changes = writing.Changes()
    writing.entries(workspace=workspace, read=read, changes=changes, now=now, tags=tags)
    return changes


def statements(captured: CaptureQueriesContext) -> tuple[int, int]:
    """How many statements, and how many of them insert."""
    sql = [query["sql"] for query in captured.captured_queries]
    return len(sql), sum(text.startswith("INSERT") for text in sql)


def inserts(rows: int, fields: int) -> int:
    """In how many statements the database takes so many rows: PostgreSQL in one, SQLite by its limit of variables."""
    at_once = 1000
    if connection.vendor == "sqlite":
        limit = connection.features.max_query_params
        assert limit is not None
        at_once = limit // fields
    return -(-rows // at_once)


def around(rows: int) -> int:
    """How many statements stand around the INSERT of many rows on PostgreSQL: the temporary table, COPY, its end."""
    return 3 if connection.vendor == "postgresql" and rows >= 50 else 0


@pytest.mark.parametrize("rows", [10, 1000])
def test_the_number_of_statements_does_not_grow_with_new_entries(rows: int) -> None:
    workspace = WorkspaceFactory()
    with CaptureQueriesContext(connection) as captured:
        assert write(workspace, *map(said, range(1, rows + 1))).created == rows
    total, inserting = statements(captured)
    assert inserting == inserts(rows, fields=16)
    assert total - inserting == 4 + around(rows)  # a savepoint and its release, the workspace's own tags, one SELECT


@pytest.mark.parametrize("rows", [10, 1000])
def test_the_number_of_statements_does_not_grow_with_changed_entries(rows: int) -> None:
    workspace = WorkspaceFactory()
    write(workspace, *map(said, range(1, rows + 1)))
    with CaptureQueriesContext(connection) as captured:
        changes = write(workspace, *(said(number, seconds=60) for number in range(1, rows + 1)))
    assert (changes.created, changes.updated) == (0, rows)
    total, inserting = statements(captured)
    assert inserting == inserts(rows, fields=16)
    assert total - inserting == 4 + around(rows)


def test_entries_seen_again_cost_one_select_and_no_write() -> None:
    workspace = WorkspaceFactory()
    read = [said(number) for number in range(1, 501)]
    write(workspace, *read)
    with CaptureQueriesContext(connection) as captured:
        changes = write(workspace, *read)
    assert (changes.seen, changes.created, changes.updated, changes.deleted) == (500, 0, 0, 0)
    assert statements(captured) == (4, 0)


@pytest.mark.parametrize("rows", [10, 1000])
def test_the_number_of_statements_does_not_grow_with_deleted_entries(rows: int) -> None:
    workspace = WorkspaceFactory()
    write(workspace, *map(said, range(1, rows + 1)))
    changes = writing.Changes()
    with CaptureQueriesContext(connection) as captured:
        gone = writing.vanished(workspace=workspace, since=NOW - timedelta(days=90), until=NOW, seen=range(1, 4))
        writing.delete_entries(rows=gone, changes=changes, now=NOW)
    assert changes.deleted == rows - 3
    # One SELECT; a savepoint and its release around the lock of the rows and their UPDATE.
    assert len(captured) == 5


@pytest.mark.parametrize("rows", [10, 1000])
def test_the_number_of_statements_does_not_grow_with_dictionaries(rows: int) -> None:
    workspace, company = WorkspaceFactory(), CompanyFactory()
    with CaptureQueriesContext(connection) as captured:
        writing.clients(
            workspace=workspace, read=[toggl.Client(n, f"Client {n}", False) for n in range(1, rows + 1)], now=NOW
        )
        writing.projects(
            workspace=workspace,
            read=[toggl.Project(n, f"Project {n}", n, True, True) for n in range(1, rows + 1)],
            now=NOW,
        )
        writing.products(
            company=company,
            read=[billit.Product(n, f"P{n}", "", Decimal(95), Decimal(21)) for n in range(1, rows + 1)],
            now=NOW,
        )
        writing.customers(
            company=company, read=[billit.Customer(n, f"C{n}", "", "", "") for n in range(1, rows + 1)], now=NOW
        )
    assert [model.objects.count() for model in (Client, Project, Product, Customer)] == [rows] * 4
    total, inserting = statements(captured)
    assert inserting == inserts(rows, 6) + inserts(rows, 8) + inserts(rows, 8) + inserts(rows, 8) + inserts(rows, 4)
    # Each of the four: a savepoint and its release around the owner's lock, one SELECT and one UPDATE of the marks. For
    # the prices of the products: two SELECTs, for the estimates of the projects one. Of the projects also the clients
    # that they had, under a lock of its own.
    assert total - inserting == 25 + 4 * around(rows)


def test_only_what_differs_is_written_and_marked() -> None:
    workspace = WorkspaceFactory()
    write(workspace, said(1), said(2))
    Entry.objects.update(marked_at=None)
    changes = write(workspace, said(1), said(2, description="other"), said(3), now=LATER)
    assert (changes.seen, changes.created, changes.updated) == (3, 1, 1)
    marks = dict(Entry.objects.values_list("remote_id", "marked_at"))
    assert marks == {1: None, 2: LATER, 3: LATER}


@pytest.mark.parametrize(
    "change",
    [
        {"start": datetime(2026, 10, 5, 9, 0, 1, tzinfo=UTC)},
        {"stop": datetime(2026, 10, 5, 11, tzinfo=UTC)},
        {"seconds": 3599},
        {"description": ""},
        {"project_id": None},
        {"user_id": 302},
        {"user_name": "Another Example"},
        {"billable": False},
        {"tags": ()},
        {"updated_at": datetime(2026, 10, 6, tzinfo=UTC)},
        {"stop": None, "seconds": -1},
    ],
    ids=" ".join,
)
def test_a_change_of_any_field_updates_and_marks(change: dict[str, Any]) -> None:
    workspace = WorkspaceFactory()
    write(workspace, said(1))
    Entry.objects.update(marked_at=None)
    assert write(workspace, said(1, **change), now=LATER).updated == 1
    assert Entry.objects.get().marked_at == LATER
    assert write(workspace, said(1, **change), now=LATER).updated == 0


@pytest.mark.parametrize(
    ("stop", "seconds"),
    [(None, -1_790_000_000), (None, 500), (datetime(2026, 10, 5, 10, tzinfo=UTC), -5)],
    ids=["negative", "elapsed", "negative with a stop"],
)
def test_an_entry_without_a_stop_or_with_negative_seconds_runs(stop: datetime | None, seconds: int) -> None:
    workspace = WorkspaceFactory()
    write(workspace, said(1, stop=stop, seconds=seconds))
    row = Entry.objects.get()
    assert (row.is_running, row.seconds) == (True, 0)


def test_an_entry_of_zero_seconds_without_a_stop_is_over() -> None:
    workspace = WorkspaceFactory()
    write(workspace, said(1, stop=None, seconds=0))
    row = Entry.objects.get()
    assert (row.is_running, row.seconds, row.stopped_at) == (False, 0, None)


def test_the_same_toggl_id_in_two_workspaces_is_two_entries() -> None:
    one, other = WorkspaceFactory(), WorkspaceFactory()
    write(one, said(1))
    assert write(other, said(1, seconds=60)).created == 1
    assert Entry.objects.get(workspace=one).seconds == 3600
    assert Entry.objects.get(workspace=other).firm == other.firm


def test_an_entry_given_twice_in_one_page_is_one_row() -> None:
    workspace = WorkspaceFactory()
    changes = write(workspace, said(1), said(1, seconds=60))
    assert (changes.seen, changes.created) == (1, 1)
    assert Entry.objects.get().seconds == 60


def test_only_live_entries_of_the_workspace_inside_the_span_can_vanish() -> None:
    workspace = WorkspaceFactory()
    since, until = NOW - timedelta(days=10), NOW

    def row(at: datetime, **fields: Any) -> Entry:
        made: Entry = EntryFactory(**{"workspace": workspace, "started_at": at} | fields)
        return made

    first, last = row(since), row(until - timedelta(seconds=1))
    seen = row(since + timedelta(days=1))
    row(since - timedelta(seconds=1))
    row(until)
    row(since, deleted_at=NOW)
    row(since, workspace=WorkspaceFactory())
    gone = writing.vanished(workspace=workspace, since=since, until=until, seen={seen.remote_id})
    assert sorted(gone) == sorted([first.pk, last.pk])


def test_a_client_that_is_gone_keeps_its_name_and_returns() -> None:
    workspace = WorkspaceFactory()
    ClientFactory(workspace=workspace, remote_id=501, name="Garage")
    ClientFactory(remote_id=501, name="Of another workspace")
    ProjectFactory(workspace=workspace, remote_id=601, client_remote_id=501)
    entry = EntryFactory(workspace=workspace, project_remote_id=601)
    writing.clients(workspace=workspace, read=[], now=NOW)
    entry.refresh_from_db()
    assert entry.marked_at == NOW
    gone = Client.objects.get(workspace=workspace)
    assert (gone.name, gone.deleted_at) == ("Garage", NOW)
    assert Client.objects.exclude(workspace=workspace).get().deleted_at is None
    writing.clients(workspace=workspace, read=[toggl.Client(501, "Garage", False)], now=LATER)
    gone.refresh_from_db()
    assert gone.deleted_at is None


def test_a_project_changed_marks_its_entries_of_this_workspace_only() -> None:
    workspace = WorkspaceFactory()
    ProjectFactory(workspace=workspace, remote_id=601, name="Old", client_remote_id=501)
    mine = EntryFactory(workspace=workspace, project_remote_id=601)
    unrelated = [EntryFactory(workspace=workspace, project_remote_id=602), EntryFactory(project_remote_id=601)]
    writing.projects(workspace=workspace, read=[toggl.Project(601, "New", 501, True, None)], now=NOW)
    assert list(Entry.objects.filter(marked_at=NOW)) == [mine]
    assert [row.marked_at for row in unrelated] == [None, None]


@pytest.mark.parametrize("price", [Decimal("95"), Decimal("95.00"), Decimal("95.00000")])
def test_a_price_written_otherwise_is_the_same_price(price: Decimal) -> None:
    company = CompanyFactory()
    ProductFactory(company=company, remote_id=1, reference="ADV", description="Advice", price=Decimal("95.000000"))
    assert (
        writing.products(company=company, read=[billit.Product(1, "ADV", "Advice", price, Decimal(21))], now=NOW) == 1
    )
    company.refresh_from_db()
    assert company.marked_at is None


@pytest.mark.parametrize(
    "change",
    [{"price": Decimal("95.01")}, {"price": None}, {"vat_rate": Decimal(6)}, {"vat_rate": None}, {"reference": "A"}],
    ids=str,
)
def test_a_changed_product_marks_its_company(change: dict[str, Any]) -> None:
    company, other = CompanyFactory(), CompanyFactory()
    ProductFactory(company=company, remote_id=1, reference="ADV", description="Advice")
    product = replace(billit.Product(1, "ADV", "Advice", Decimal(95), Decimal(21)), **change)
    writing.products(company=company, read=[product], now=NOW)
    company.refresh_from_db()
    other.refresh_from_db()
    assert (company.marked_at, other.marked_at) == (NOW, None)


def test_a_customer_that_is_gone_marks_the_company() -> None:
    company = CompanyFactory()
    customer = CustomerFactory(company=company)
    assert writing.customers(company=company, read=[], now=NOW) == 0
    customer.refresh_from_db()
    company.refresh_from_db()
    assert (customer.deleted_at, company.marked_at) == (NOW, NOW)
