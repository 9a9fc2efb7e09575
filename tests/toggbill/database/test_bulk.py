"""Writing many rows at once gives what the ORM gives, row by row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from integrations.models import Company, Entry, Product, Workspace
from tests.factories import CompanyFactory, WorkspaceFactory
from toggbill.database import bulk

pytestmark = pytest.mark.django_db

START = datetime(2026, 9, 1, 7, 30, 0, 123456, tzinfo=UTC)
# What the text form of COPY gives a meaning, what JSON escapes, and what is long.
TEXTS = ["", "\\N", "\\.", "a\tb", "a\nb", "a\rb", "back\\slash", "“é€”", 'say "no"', "🧾", " edge ", "x" * 3000]
MANY = 120


def _entry(workspace: Workspace, number: int, **more: Any) -> Entry:
    text = TEXTS[number % len(TEXTS)]
    fields = {
        "started_at": START + timedelta(minutes=number),
        "stopped_at": None if number % 7 == 0 else START + timedelta(minutes=number, seconds=90),
        "seconds": 0 if number % 7 == 0 else 90,
        "is_running": number % 7 == 0,
        "description": text,
        "project_remote_id": None if number % 3 == 0 else 600 + number,
        "person_remote_id": 9001,
        "person_name": "An Vermeire",
        "billable": number % 2 == 0,
        "tags": [text, "Advies"] if number % 5 else [],
        "changed_at": START,
        "marked_at": START,
    }
    return Entry(firm_id=workspace.firm_id, workspace=workspace, remote_id=number, **fields | more)


def _rows(model: type[Entry] | type[Product]) -> list[dict[str, Any]]:
    identity = "remote_id"
    return [
        {key: value for key, value in row.items() if key not in {"id", "workspace_id"}}
        for row in model.objects.order_by(identity).values()
    ]


@pytest.mark.parametrize("count", [1, 49, 50, MANY])
def test_inserted_rows_are_those_of_the_orm(count: int) -> None:
    ours, theirs = WorkspaceFactory.create(), WorkspaceFactory.create()
    Entry.objects.bulk_create([_entry(theirs, number) for number in range(count)])
    wanted = _rows(Entry)
    Entry.objects.all().delete()

    bulk.insert([_entry(ours, number) for number in range(count)])

    assert [row | {"firm_id": theirs.firm_id} for row in _rows(Entry)] == wanted


def test_upsert_makes_new_rows_and_brings_old_ones_up_to_date() -> None:
    workspace = WorkspaceFactory.create()
    bulk.insert([_entry(workspace, number) for number in range(MANY)])
    keys = dict(Entry.objects.values_list("remote_id", "pk"))

    changed = [
        _entry(workspace, number, description=f"new {number}", seconds=5, tags=["Audit"])
        for number in range(MANY // 2, MANY + MANY // 2)
    ]
    bulk.upsert(changed, unique=["workspace", "remote_id"], update=["description", "tags"])

    stand = {row.remote_id: row for row in Entry.objects.all()}
    assert sorted(stand) == list(range(MANY + MANY // 2))
    assert {number: stand[number].pk for number in keys} == keys
    assert stand[0].description == TEXTS[0]
    # Only the named fields of a row that stood; all of a new one.
    assert (stand[MANY - 1].description, stand[MANY - 1].tags) == (f"new {MANY - 1}", ["Audit"])
    assert stand[MANY - 1].seconds == _entry(workspace, MANY - 1).seconds
    assert (stand[MANY].description, stand[MANY].seconds) == (f"new {MANY}", 5)


def test_decimals_and_nulls_are_those_given() -> None:
    company = CompanyFactory.create()
    prices = [None if number % 4 == 0 else Decimal(number) / 8 for number in range(MANY)]
    rows = [_product(company, number, price) for number, price in enumerate(prices)]
    bulk.upsert(rows, unique=["company", "remote_id"], update=["price"])
    assert [row["price"] for row in _rows(Product)] == prices
    bulk.upsert(rows[::-1], unique=["company", "remote_id"], update=["price"])
    assert [row["price"] for row in _rows(Product)] == prices


def _product(company: Company, number: int, price: Decimal | None) -> Product:
    return Product(
        firm_id=company.firm_id, company=company, remote_id=number, reference=f"P{number}", price=price, vat_rate=None
    )


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite writes each row")
def test_row_that_says_the_same_is_not_written() -> None:
    workspace = WorkspaceFactory.create()
    rows = [_entry(workspace, number) for number in range(MANY)]
    bulk.insert(rows)
    before = _versions()
    rows[3].description = "other"
    bulk.upsert(rows, unique=["workspace", "remote_id"], update=["description", "tags", "stopped_at"])
    after = _versions()
    assert [number for number in before if before[number] != after[number]] == [3]


def _versions() -> dict[int, str]:
    """The place of each row in the table, which changes whenever it is written."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT remote_id, ctid::text FROM integrations_entry")
        return dict(cursor.fetchall())


@pytest.mark.parametrize("count", [3, MANY])
def test_rows_that_a_constraint_refuses_leave_nothing(count: int) -> None:
    workspace = WorkspaceFactory.create()
    rows = [_entry(workspace, number) for number in range(count)]
    rows[-1].remote_id = rows[0].remote_id
    with pytest.raises(IntegrityError), transaction.atomic():
        bulk.insert(rows)
    rows[-1].remote_id, rows[-1].seconds = count, -1
    with pytest.raises(IntegrityError), transaction.atomic():
        bulk.upsert(rows, unique=["workspace", "remote_id"], update=["seconds"])
    assert not Entry.objects.exists()


def test_two_upserts_in_one_transaction() -> None:
    workspace = WorkspaceFactory.create()
    with transaction.atomic():
        for seconds in (10, 20):
            rows = [_entry(workspace, number, seconds=seconds, is_running=False) for number in range(MANY)]
            bulk.upsert(rows, unique=["workspace", "remote_id"], update=["seconds", "is_running"])
    assert set(Entry.objects.values_list("seconds", flat=True)) == {20}


def test_nothing_is_nothing() -> None:
    bulk.insert([])
    bulk.upsert([], unique=["workspace", "remote_id"], update=["seconds"])
    assert not Entry.objects.exists()
