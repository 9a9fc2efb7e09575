"""The proof that no hour is lost: sums against those that the test adds up itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest
from django.utils import timezone

from integrations.connections.opening import open_toggl
from integrations.models import Entry
from invoicing.ledger.states import derive
from invoicing.models import Claim, Dossier, LedgerRow
from tests.invoicing.scene import Scene
from tests.worlds import NOW, WORKSPACE, entry
from toggbill.firms.models import Firm

Load = Callable[..., Scene]
Sheet = dict[str, Any]


def books(scene: Scene) -> list[Sheet]:
    """What `manage.py ledger` prints."""
    sheets: list[Sheet] = scene.command("ledger", "--firm", scene.firm.slug).answer["dossiers"]
    return sheets


def tracked(scene: Scene, firm: Firm) -> dict[tuple[str, str], int]:
    """The seconds by dossier and month, added up from what lies in the sandbox's Toggl, by nothing of the product."""
    world = scene.control.world()
    projects = {row["id"]: row.get("client_id") for row in world["toggl"]["projects"]}
    seconds: defaultdict[tuple[str, str], int] = defaultdict(int)
    for row in world["toggl"]["entries"]:
        if row.get("server_deleted_at"):
            continue
        start = datetime.fromisoformat(row["start"])
        day = start.astimezone(firm.zone).date()
        client = projects.get(row["project_id"])
        candidates = [table for table in world["dossiers"] if table["workspace"] == row["workspace_id"]]
        dossier = next((table for table in candidates if client in table.get("clients", [])), candidates[0])
        if day < date.fromisoformat(dossier["start"]):
            continue
        stop = row.get("stop")
        length = int((datetime.fromisoformat(stop) - start).total_seconds()) if stop else 0
        seconds[dossier["key"], f"{day:%Y-%m}"] += length
    return dict(seconds)


def booked(sheets: list[Sheet]) -> dict[tuple[str, str], int]:
    """The seconds of all states but `deleted`, by dossier and month, as the ledger prints them."""
    return {
        (sheet["dossier"], sheet["month"]): sum(
            tally["seconds"] for state, tally in sheet["states"].items() if state != "deleted"
        )
        for sheet in sheets
    }


@pytest.mark.slow
def test_the_demo_firms_books_hold_what_toggl_holds(scene: Load) -> None:
    made = scene("demo")
    sheets = books(made)
    assert len({sheet["dossier"] for sheet in sheets}) == 3
    assert booked(sheets) == tracked(made, made.firm)
    assert {sheet["balanced"] for sheet in sheets} == {True}
    assert sum(tally["entries"] for sheet in sheets for tally in sheet["states"].values()) == LedgerRow.objects.count()
    for sheet in sheets:
        assert sum(tally["entries"] for tally in sheet["attention"].values()) == sheet["states"]["attention"]["entries"]
        assert sum(tally["seconds"] for tally in sheet["attention"].values()) == sheet["states"]["attention"]["seconds"]


@pytest.mark.slow
def test_the_books_still_hold_after_billing_deleting_and_changing(scene: Load) -> None:
    made = scene("demo")
    done = made.command("invoice", "--firm", "fiduciaire", "--through", "2026-10-31", "--approve", "--post")
    assert done.code == 0, done.words
    made.later(hours=1)
    billed = list(Claim.objects.of_entries().order_by("pk").values_list("entry__remote_id", flat=True)[:20])
    unbilled = list(LedgerRow.objects.filter(state="open").values_list("entry__remote_id", flat=True)[:5])
    made.control.delete_entries(*billed[:10], *unbilled)
    made.control.put_entries(*({"id": number, "tags": []} for number in billed[10:]))
    made.command("sync", "--full")
    sheets = books(made)
    assert booked(sheets) == tracked(made, made.firm)
    assert {sheet["balanced"] for sheet in sheets} == {True}
    assert sum(sheet["states"]["deleted"]["entries"] for sheet in sheets) >= 5
    deleted = Claim.objects.filter(entry__remote_id__in=billed[:10])
    assert sum(sheet["corrections"]["seconds"] for sheet in sheets) == -sum(deleted.values_list("seconds", flat=True))
    invoiced = sum(sheet["states"]["invoiced"]["entries"] for sheet in sheets)
    assert invoiced == Claim.objects.of_entries().live().count()


def test_a_month_adds_up_to_what_toggls_own_report_says(scene: Load) -> None:
    made = scene()
    with open_toggl(made.dossier.workspace.connection, now=NOW) as api:
        total = api.total_seconds(WORKSPACE, start=date(2026, 10, 1), end=date(2026, 10, 31))
    # 1 h + 2 h + 0.5 h for the garage, 1.5 h + 4 h for the bakery; the running one adds nothing.
    assert total == 9 * 3600
    assert booked(books(made)) == {("small", "2026-10"): total}


def test_an_entry_counts_in_the_month_of_its_local_day(scene: Load) -> None:
    made = scene(
        entries=[
            entry(1, "2026-10-31T22:59:59+00:00", seconds=7200),  # 23:59:59 in Brussels, until the next month
            entry(2, "2026-10-31T23:00:00+00:00", seconds=60),
            entry(3, "2026-10-25T00:59:00+00:00", seconds=7200),  # over the hour that the clocks go back
        ]
    )
    assert booked(books(made)) == {("small", "2026-10"): 14400, ("small", "2026-11"): 60}


def test_an_entry_that_was_not_judged_since_it_changed_is_not_balanced(scene: Load) -> None:
    made = scene(entries=[entry(1)])
    Entry.objects.update(marked_at=timezone.now())
    assert [[told["rule"] for told in sheet["broken"]] for sheet in books(made)] == [["one_state"]]
    derive.derive_marked(now=timezone.now())
    assert [sheet["balanced"] for sheet in books(made)] == [True]


def test_a_row_from_before_the_books_is_not_balanced(scene: Load) -> None:
    made = scene(entries=[entry(1, "2026-10-05"), entry(2, "2026-10-20")])
    Dossier.objects.update(start_date=date(2026, 10, 10))
    assert [(sheet["month"], sheet["balanced"]) for sheet in books(made)] == [("2026-10", False)]
    made.rules()
    derive.derive_marked(now=timezone.now())
    assert [sheet["balanced"] for sheet in books(made)] == [True]
    assert booked(books(made)) == {("small", "2026-10"): 3600}
