"""What a night compares: open months, what changed, the closed month whose turn it is; and that it finds all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from invoicing.ledger import months as kept
from invoicing.models import Claim, Dossier, Drift, Invoice, LedgerRow, ReportedMonth
from invoicing.reconciliation import reconcile
from invoicing.reconciliation.extent import Extent, following, of_night
from tests.invoicing.scene import Scene
from tests.worlds import FIRST_ENTRY, entry

Make = Callable[..., Scene]
BEGIN = date(2022, 12, 1)
OLD = [date(2022 + (11 + n) // 12, (11 + n) % 12 + 1, 1) for n in range(36)]
"""December 2022 to November 2025, farther back than an increment reads; closed once they are billed."""
LAST = date(2026, 9, 1)
"""The last closed month: of November an hour waits, and October is the month before."""


def serial(month: date) -> int:
    return month.year % 100 * 100 + month.month


def bill(books: Scene, months: list[date]) -> None:
    """An hour of each month, billed by an order of its last day."""
    books.control.put_entries(*(entry(serial(month), f"{month:%Y-%m}-05") for month in months))
    books.sync()
    for month in months:
        day = following(month) - timedelta(days=1)
        books.draft(day)
        (invoice,) = books.approve()
        books.post(invoice)
        order_id = Invoice.objects.get(pk=invoice.pk).order_id
        assert order_id is not None
        Invoice.objects.filter(pk=invoice.pk).update(order_date=day)
        books.control.change_order(order_id, OrderDate=f"{day}T00:00:00")
    books.read_back()


def number(month: date) -> int:
    """The order of a month."""
    found = Invoice.objects.get(order_date=following(month) - timedelta(days=1)).order_id
    assert found is not None
    return found


def compared(books: Scene, *, whole: bool = False) -> list[tuple[str, int | None]]:
    """The next night, or all at once: kinds with the entry or the order."""
    books.later(days=1)
    report = reconcile.reconcile(dossiers=[books.dossier], now=timezone.now(), background=not whole)
    return [(str(found.kind), found.entry or found.order_id) for found in report.drift]


@pytest.fixture
def books(scene: Make) -> Scene:
    """Four years of nothing, but for an hour of this month."""
    return scene(entries=[entry(1, "2026-11-03")], start=str(BEGIN))


@pytest.fixture
def billed(books: Scene) -> Scene:
    """Three closed months and all others empty; compared as a whole, days ago."""
    bill(books, OLD[1:4])
    books.later(days=3)
    assert compared(books, whole=True) == []
    books.later(days=3)
    books.control.clear_log()
    return books


class Counting:
    """Statements and the rows that they gave."""

    def __init__(self) -> None:
        self.statements = self.rows = 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        done = execute(sql, params, many, context)
        self.statements += 1
        if sql.lstrip().upper().startswith("SELECT"):
            self.rows += context["cursor"].rowcount
        return done


def cost(books: Scene) -> dict[str, Any]:
    """What a night costs."""
    books.control.clear_log()
    counted = Counting()
    with connection.execute_wrapper(counted):
        assert compared(books) == []
    calls = [f"{row['method']} {row['path'].rpartition('/')[2]}" for row in books.control.log()]
    return {"calls": sorted(calls), "statements": counted.statements, "rows": counted.rows}


@pytest.mark.slow
def test_night_costs_the_same_with_three_and_with_36_billed_months(
    billed: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As many are counted anew each night: with three there are no more.
    monkeypatch.setattr(kept, "CLOSED", 1)
    Dossier.objects.update(reconciled_month=OLD[0])
    few = cost(billed)
    assert few["calls"] == [
        *["GET clients"],
        *["GET orders"] * 3,
        *["GET projects"],
        *["POST time_entries"] * 3,
        *["POST totals"] * 3,
    ], "changes, the open months and the one whose turn it is"
    bill(billed, [*OLD[:1], *OLD[4:]])
    assert Claim.objects.live().posted().count() == 36
    billed.later(days=3)
    assert compared(billed, whole=True) == []
    billed.later(days=3)
    Dossier.objects.update(reconciled_month=OLD[0])
    many = cost(billed)
    assert many == few
    assert Dossier.objects.get().reconciled_month == OLD[1]


def test_turns_come_one_after_the_other_and_begin_anew(books: Scene) -> None:
    now, since = timezone.now(), date(2026, 10, 1)
    dossier = books.dossier
    dossier.reconciled_at = now
    # November has an hour that waits, July another total at Toggl.
    july = date(2026, 7, 1)
    ReportedMonth.objects.create(
        firm=books.firm,
        dossier=dossier,
        month=july,
        since=july,
        through=july,
        toggl_seconds=60,
        own_seconds=0,
        read_at=now,
        differs_since=now,
    )
    for before, turn in [(None, OLD[0]), (OLD[0], OLD[1]), (date(2026, 6, 1), date(2026, 8, 1)), (LAST, OLD[0])]:
        dossier.reconciled_month = before
        found = of_night(dossiers=[dossier], now=now)
        assert (found.turns, found.since) == ({dossier.pk: turn}, since)
        assert found.months == {since, date(2026, 11, 1), july, turn}


def test_months_that_follow_each_other_are_one_span() -> None:
    days = [date(2025, 12, 1), date(2026, 1, 1), date(2026, 3, 1)]
    extent = Extent(frozenset(days), days[-1], {}, datetime(2026, 3, 1, tzinfo=UTC))
    assert list(extent.spans()) == [
        (date(2025, 12, 1), date(2026, 2, 1)),
        (date(2026, 3, 1), date(2026, 4, 1)),
    ]


@pytest.mark.slow
def test_what_left_no_trace_is_found_when_its_month_has_its_turn_and_stands_until_it_is_gone(billed: Scene) -> None:
    gone = FIRST_ENTRY + serial(OLD[2])
    billed.control.delete_entries(gone)
    billed.control.change_order(number(OLD[3]), Deleted=True)
    Dossier.objects.update(reconciled_month=OLD[0])
    entry_gone, order_gone = ("entry_deleted", gone), ("order_deleted", number(OLD[3]))
    nights = [compared(billed) for _ in range(4)]
    assert nights == [[], [entry_gone], [entry_gone, order_gone], [entry_gone, order_gone]]
    assert Drift.objects.standing().count() == 2
    billed.control.put_entries({"id": gone, "server_deleted_at": None})
    billed.control.change_order(number(OLD[3]), Deleted=False)
    assert compared(billed) == [entry_gone], "the order changed lately; the entry is older than increments reach"
    Dossier.objects.update(reconciled_month=OLD[1])
    assert compared(billed) == []


@pytest.mark.slow
def test_order_of_a_closed_month_that_changes_is_found_the_next_night(billed: Scene) -> None:
    Dossier.objects.update(reconciled_month=OLD[10])
    billed.control.change_order(number(OLD[2]), TotalExcl=1.00, TotalVAT=0.21, TotalIncl=1.21)
    Invoice.objects.filter(order_id=number(OLD[3])).update(order_id=1)
    unknown = billed.invoices(order_id=1).get()
    changed = ("order_changed", number(OLD[2]))
    assert compared(billed) == [changed]
    assert [compared(billed) for _ in range(3)] == [[changed]] * 3, "as long as it stands"
    Dossier.objects.update(reconciled_month=OLD[2])
    found = compared(billed)
    assert sorted(kind for kind, _ in found) == ["order_changed", "order_missing", "order_unknown"]
    assert sorted(compared(billed)) == sorted(found), "in the nights of other months, too"
    assert ("order_missing", unknown.order_id) in found


@pytest.mark.slow
@pytest.mark.parametrize("day", ["2026-11-04", "2025-06-04"])
def test_hour_that_was_moved_back_by_more_than_a_year_is_not_taken_for_deleted(books: Scene, day: str) -> None:
    books.control.put_entries(entry(7, day))
    books.sync()
    assert compared(books, whole=True) == []
    books.control.put_entries({"id": FIRST_ENTRY + 7, "start": "2024-05-07T09:00:00Z", "stop": "2024-05-07T10:00:00Z"})
    assert compared(books) == []
    moved = LedgerRow.objects.get(entry__remote_id=FIRST_ENTRY + 7)
    assert (str(moved.day), moved.state, moved.entry.deleted_at) == ("2024-05-07", "open", None)
