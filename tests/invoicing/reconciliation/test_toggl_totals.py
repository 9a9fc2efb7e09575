"""Toggl's own total of each month against the mirror: what it costs, where it counts, and what a difference does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from integrations.models import Connection, Entry
from invoicing.models import Dossier, LedgerRow, ReportedMonth
from tests.conftest import Outcome
from tests.invoicing.scene import Scene
from tests.worlds import BAKERY, BAKERY_PROJECT, FIRST_ENTRY, GARAGE, ORGANIZATION, OWNER, client, entry, project

Make = Callable[..., Scene]
TOTALS = "/reports/api/v3/workspace/4001/search/time_entries/totals"
UNASSIGNED, UNASSIGNED_PROJECT = 509, 609


def compared(books: Scene) -> Outcome:
    return books.command("reconcile", "--firm", "small")


def kept() -> dict[tuple[str, str], tuple[int, int]]:
    """By dossier and month: the seconds that Toggl reported, and those that were mirrored."""
    return {
        (row.dossier.key, f"{row.month:%Y-%m}"): (row.toggl_seconds, row.own_seconds)
        for row in ReportedMonth.objects.select_related("dossier")
    }


def balanced(books: Scene, *more: str) -> dict[tuple[str, str], bool]:
    sheets = books.command("ledger", "--firm", "small", *more).answer["dossiers"]
    return {(sheet["dossier"], sheet["month"]): sheet["balanced"] for sheet in sheets}


def asked(books: Scene) -> list[dict[str, Any]]:
    """The calls for a total."""
    return [row for row in books.control.log("toggl") if row["path"] == TOTALS]


def wrong_total(books: Scene, seconds: int) -> None:
    """Toggl reports this for whatever it is asked."""
    books.control.faults(
        {"service": "toggl", "path": "totals$", "kind": "status", "status": 200, "body": {"seconds": seconds}}
    )


def test_each_month_from_the_start_on_is_read_with_one_call(scene: Make) -> None:
    books = scene()
    assert compared(books).code == 0
    assert kept() == {("small", "2026-09"): (0, 0), ("small", "2026-10"): (32400, 32400), ("small", "2026-11"): (0, 0)}
    periods = ReportedMonth.objects.order_by("month").values_list("since", "through")
    assert [(str(since), str(through)) for since, through in periods] == [
        ("2026-09-01", "2026-09-30"),
        ("2026-10-01", "2026-10-31"),
        ("2026-11-01", "2026-11-19"),
    ], "today is not over yet"
    assert len(asked(books)) == 3


def test_no_sync_asks_for_a_total(scene: Make) -> None:
    books = scene(synced=False)
    books.control.clear_log()
    books.command("sync")
    assert len([row for row in books.control.log("toggl") if row["path"].startswith("/api/v9/me") is False]) == 3
    books.later(minutes=20)
    books.control.clear_log()
    books.command("sync")
    assert [row["path"].rpartition("/")[2] for row in books.control.log("toggl")] == ["time_entries"]
    books.command("sync", "--full")
    assert asked(books) == []


def test_month_that_begins_with_the_books_is_read_from_that_day_on(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-10-05"), entry(2, "2026-10-12", seconds=60)], start="2026-10-10")
    assert compared(books).code == 0
    assert kept() == {("small", "2026-10"): (60, 60), ("small", "2026-11"): (0, 0)}


def test_books_that_begin_today_have_nothing_to_compare(scene: Make) -> None:
    books = scene(entries=[], start="2026-11-20")
    assert compared(books).answer["checked"]["months"] == 0


@pytest.mark.slow
def test_month_that_differs_from_toggls_total_is_not_balanced_and_is_named(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, "2026-09-08", seconds=1800)])
    wrong_total(books, 5400)
    done = compared(books)
    assert (done.code, done.answer["drift"]) == (1, [])
    assert (
        "Dossier small, 2026-10, toggl_total: From 2026-10-01 to 2026-10-31 Toggl reports 1:30:00, and 1:00:00 are "
        "mirrored: a difference of 0:30:00. Compare once more: the month is read again whole."
    ) in done.words
    september = "Dossier small, 2026-09, toggl_total: From 2026-09-01 to 2026-09-30 Toggl reports 1:30:00, and 0:30:00"
    assert september in done.words
    # November has no entry, and so no sheet of its own but for this.
    assert balanced(books) == {("small", "2026-09"): False, ("small", "2026-10"): False, ("small", "2026-11"): False}
    printed = books.command("ledger", "--firm", "small", "--month", "2026-10")
    assert "Toggl reports 1:30:00, and 1:00:00 are mirrored" in printed.words
    (told,) = printed.answer["dossiers"][0]["broken"]
    assert (told["rule"], told["subject"]) == ("toggl_total", "month 2026-10")
    assert told["sentence"].endswith("a difference of 0:30:00.")
    assert sorted(printed.answer["dossiers"][0]) == [
        "attention",
        "balanced",
        "broken",
        "corrections",
        "dossier",
        "month",
        "states",
    ]
    books.control.faults()
    assert compared(books).code == 0
    assert balanced(books) == {("small", "2026-09"): True, ("small", "2026-10"): True}


def test_total_below_the_mirrors_differs_as_well(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    wrong_total(books, 3599)
    assert "a difference of −0:00:01." in compared(books).words
    assert balanced(books, "--month", "2026-10") == {("small", "2026-10"): False}


@pytest.mark.slow
def test_deletion_in_a_month_that_is_not_read_again_shows_in_its_total_and_heals(scene: Make) -> None:
    # Nothing of September waits or was billed, so that no comparison reads it whole.
    books = scene(
        entries=[entry(1, "2026-09-08", tag="Private"), entry(2, "2026-09-09", seconds=60, tag="Private")],
        tags=[{"tag": "Private", "bill": False}],
    )
    books.control.delete_entries(FIRST_ENTRY + 1)
    assert compared(books).code == 1
    assert kept()["small", "2026-09"] == (60, 3660)
    assert balanced(books)["small", "2026-09"] is False
    done = compared(books)
    assert (done.code, kept()["small", "2026-09"]) == (0, (60, 60)), "it was read again whole"
    assert books.states() == {FIRST_ENTRY + 1: "deleted", FIRST_ENTRY + 2: "not_billable"}


@pytest.mark.slow
def test_entry_that_the_ledger_has_no_row_for_is_found_by_the_books_themselves(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    assert compared(books).code == 0
    LedgerRow.objects.all().delete()
    assert balanced(books, "--month", "2026-10") == {("small", "2026-10"): False}
    done = compared(books)
    assert done.code == 1
    assert f"Dossier small, 2026-10, one_state: Entry {FIRST_ENTRY + 1} of 2026-10-05 is in no state yet." in done.words


# --- whose hours ------------------------------------------------------------------------------------------------------


def _dossier(key: str, clients: list[int], start: str = "2026-10-01") -> dict[str, Any]:
    table = {"key": key, "toggl": "main", "workspace": 4001, "billit": "main", "company": 7001, "start": start}
    return table | {"clients": clients, "tags": [{"tag": "Advice", "product": "ADV"}]}


def several(scene: Make, *dossiers: dict[str, Any]) -> Scene:
    """One hour for the garage, two for the bakery, four for a client of nobody, eight of no project."""
    return scene(
        clients=[client(GARAGE, "Garage"), client(BAKERY, "Bakery"), client(UNASSIGNED, "Nobody's")],
        projects=[
            project(601, "Garage", GARAGE),
            project(BAKERY_PROJECT, "Bakery", BAKERY),
            project(UNASSIGNED_PROJECT, "Nobody's", UNASSIGNED),
        ],
        entries=[
            entry(1),
            entry(2, seconds=7200, project_id=BAKERY_PROJECT),
            entry(3, seconds=14400, project_id=UNASSIGNED_PROJECT),
            entry(4, seconds=28800, project_id=None),
        ],
        dossiers=list(dossiers),
    )


@pytest.mark.slow
def test_first_dossier_has_what_no_dossier_names(scene: Make) -> None:
    books = several(scene, _dossier("first", [GARAGE]), _dossier("second", [BAKERY]), _dossier("third", []))
    assert compared(books).code == 0
    october = {key: seconds for (key, month), seconds in kept().items() if month == "2026-10"}
    assert october == {"first": (46800, 46800), "second": (7200, 7200), "third": (0, 0)}
    # The whole and the bakery's, for two months each; what was asked for one dossier is not asked for another.
    assert len(asked(books)) == 4


def test_dossiers_that_begin_on_different_days_are_compared_each_from_its_own(scene: Make) -> None:
    books = several(scene, _dossier("first", [GARAGE]), _dossier("second", [BAKERY], "2026-10-06"))
    assert compared(books).code == 0
    october = {key: seconds for (key, month), seconds in kept().items() if month == "2026-10"}
    # The bakery's hours of 5 October are billed elsewhere: they stand in nobody's books.
    assert october == {"first": (46800, 46800), "second": (0, 0)}


def test_only_dossier_with_named_clients_has_the_whole_workspace(scene: Make) -> None:
    books = several(scene, _dossier("only", [GARAGE]))
    assert compared(books).code == 0
    assert kept()["only", "2026-10"] == (54000, 54000)


@pytest.mark.slow
def test_billed_entry_that_moved_to_the_client_of_another_dossier_balances(scene: Make) -> None:
    books = several(scene, _dossier("first", [GARAGE]), _dossier("second", [BAKERY]))
    Dossier.objects.filter(key="first").update(default_product="ADV")
    done = books.command("invoice", "--firm", "small", "--through", "2026-10-31", "--approve", "--post")
    assert books.states()[FIRST_ENTRY + 2] == "attention", done.words
    books.control.put_entries({"id": FIRST_ENTRY + 4, "project_id": BAKERY_PROJECT})
    done = compared(books)
    assert done.code == 0, done.words
    october = {key: seconds for (key, month), seconds in kept().items() if month == "2026-10"}
    assert october == {"first": (18000, 18000), "second": (36000, 36000)}


# --- days and timers --------------------------------------------------------------------------------------------------


def test_days_are_those_of_the_tokens_owner(scene: Make) -> None:
    # 23:30 on 31 October in Brussels is 7:30 on 1 November in Tokyo.
    books = scene(entries=[entry(1, "2026-10-31T22:30:00+00:00")], synced=False)
    books.control.put_toggl("users", {"id": OWNER, "timezone": "Asia/Tokyo"})
    Connection.objects.filter(service="toggl").update(timezone="Asia/Tokyo")
    books.sync()
    assert compared(books).code == 0
    assert kept()["small", "2026-10"] == (0, 0)
    assert kept()["small", "2026-11"] == (3600, 3600)
    assert balanced(books) == {("small", "2026-10"): True}


@pytest.mark.slow
@pytest.mark.parametrize("zone", ["user", "utc"])
def test_days_may_be_those_of_utc_since_toggl_does_not_say(scene: Make, zone: str) -> None:
    books = scene(entries=[entry(1, "2026-10-31T23:30:00+00:00"), entry(2, "2026-11-03", seconds=60)])
    books.control.switch(toggl_day_zone=zone)
    assert compared(books).code == 0
    october = {"user": (0, 0), "utc": (3600, 3600)}[zone]
    assert kept()["small", "2026-10"] == october


@pytest.mark.parametrize(
    ("reported", "code"),
    [
        (3600, 0),
        (3600 + 86_400, 0),
        (3600 + 86_400 - 120, 0),
        (3600 + 86_400 + 120, 0),
        (3600 + 86_400 - 121, 1),
        (3600 + 86_400 + 121, 1),
        (3600 + 3 * 3600, 1),
        (3601, 1),
        (3599, 1),
    ],
)
def test_running_timer_is_set_apart_whether_toggl_counts_it_or_not(scene: Make, reported: int, code: int) -> None:
    # It runs since yesterday at this time; the total that Toggl gives of it is not documented.
    books = scene(
        entries=[entry(1, "2026-11-10"), entry(2, "2026-11-19T09:00:00+00:00", running=True)], start="2026-11-01"
    )
    books.control.switch(toggl_running_in_reports=True)
    books.sync()
    wrong_total(books, reported)
    assert compared(books).code == code
    assert ReportedMonth.objects.get().running_seconds == 86_400


# --- what it may cost -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_reserve_of_the_hourly_budget_is_left_and_the_rest_is_read_the_next_time(scene: Make) -> None:
    books = scene(start="2026-01-01")
    # Clients, projects, the increment and the whole reading cost four; five are the reserve.
    books.control.quota(ORGANIZATION, remaining=11, resets_in=1800)
    assert compared(books).answer["checked"]["months"] == 2
    read = {f"{month:%m}" for month in ReportedMonth.objects.values_list("month", flat=True)}
    assert read == {"11", "10"}
    books.later(minutes=31)
    books.control.quota(ORGANIZATION, remaining=12, resets_in=1800)
    assert compared(books).answer["checked"]["months"] == 3
    read = {f"{month:%m}" for month in ReportedMonth.objects.values_list("month", flat=True)}
    assert read == {"11", "10", "09", "08", "07"}, "what was never read comes first"
    books.later(minutes=31)
    assert compared(books).answer["checked"]["months"] == 11


def test_budget_that_ends_under_the_way_breaks_nothing(scene: Make) -> None:
    books = scene()
    books.control.faults({"service": "toggl", "path": "totals$", "kind": "quota", "nth": 2})
    done = compared(books)
    assert (done.code, done.answer["checked"]["months"]) == (0, 1)


def test_entries_and_orders_are_compared_although_toggl_tells_no_total(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.posted()
    books.control.faults({"service": "toggl", "path": "totals$", "kind": "status", "status": 404})
    done = compared(books)
    assert (done.code, done.answer["drift"], done.answer["checked"]["invoices"]) == (0, [], 1)
    assert done.answer["checked"]["months"] == 0
    assert "Months were not compared with Toggl's totals: Toggl" in done.words


def test_reading_that_was_made_before_stays_when_toggl_cannot_be_asked(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    wrong_total(books, 5400)
    compared(books)
    books.control.faults({"service": "toggl", "kind": "status", "status": 503})
    assert compared(books).code == 1
    assert balanced(books)["small", "2026-10"] is False


def test_entry_that_toggl_never_had_shows(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    row = Entry.objects.get()
    row.pk, row.remote_id = None, FIRST_ENTRY + 100
    # In a month that no comparison reads whole.
    row.started_at = row.started_at.replace(month=9, day=8)
    row.save()
    assert compared(books).code == 1
    assert kept()["small", "2026-09"] == (0, 3600)
