"""The scheduled round (R9): when it is due, what it cuts off, when it waits, and how far the mode carries it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from integrations.models import Connection, Workspace
from invoicing.due import runs
from invoicing.models import Dossier, Invoice, Run
from tests.invoicing.scene import Scene
from tests.worlds import BAKERY_PROJECT, NOW, ORGANIZATION, entry, product
from toggbill.firms.audit import Actor

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
MONTHLY = {"every": "monthly", "day": 1}


def midnight(year: int, month: int, day: int, *, utc_hour: int = 23) -> datetime:
    """Local midnight of Brussels as UTC: 23 h of the day before in winter, 22 h in summer."""
    return datetime(year, month, day, utc_hour, tzinfo=UTC) - timedelta(days=1)


def serve(books: Scene) -> list[Invoice]:
    return runs.serve(dossier=books.dossier, by=Actor.schedule(), now=timezone.now())


def run_days() -> list[date]:
    return list(Run.objects.order_by("pk").values_list("cut_off", flat=True))


# --- when -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schedule", "first", "cut_off", "second"),
    [
        ({"every": "daily"}, midnight(2026, 11, 21), date(2026, 11, 20), midnight(2026, 11, 22)),
        ({"every": "weekly", "weekday": 1}, midnight(2026, 11, 23), date(2026, 11, 22), midnight(2026, 11, 30)),
        ({"every": "weekly", "weekday": 5}, midnight(2026, 11, 27), date(2026, 11, 26), midnight(2026, 12, 4)),
        ({"every": "monthly", "day": 1}, midnight(2026, 12, 1), date(2026, 11, 30), midnight(2027, 1, 1)),
        ({"every": "monthly", "day": 28}, midnight(2026, 11, 28), date(2026, 11, 27), midnight(2026, 12, 28)),
    ],
    ids=str,
)
def test_first_run_is_due_at_the_next_scheduled_midnight_and_cuts_off_the_day_before(
    scene: Make, schedule: dict[str, Any], first: datetime, cut_off: date, second: datetime
) -> None:
    books = scene(entries=[entry(1)], schedule=schedule)
    assert books.dossier.due_at == first
    books.at(first - timedelta(seconds=1))
    serve(books)
    assert (run_days(), books.dossier.due_at) == ([], first)
    books.at(first)
    serve(books)
    assert run_days() == [cut_off]
    dossier = books.dossier
    assert (dossier.due_at, dossier.scheduled_through, dossier.waiting) == (second, cut_off + timedelta(1), "")
    assert Run.objects.get().started_by == "schedule"
    serve(books)
    assert run_days() == [cut_off], "served once"


def test_manual_dossier_is_never_due(scene: Make) -> None:
    books = scene(entries=[entry(1)], schedule={"every": "manual"})
    assert books.dossier.due_at is None
    books.later(days=400)
    assert (serve(books), run_days()) == ([], [])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schedule", "now", "cut_off", "following"),
    [
        ({"every": "daily"}, datetime(2026, 11, 26, 12, tzinfo=UTC), date(2026, 11, 25), midnight(2026, 11, 27)),
        (
            {"every": "weekly", "weekday": 1},
            datetime(2026, 12, 16, 12, tzinfo=UTC),
            date(2026, 12, 13),
            midnight(2026, 12, 21),
        ),
        (MONTHLY, datetime(2027, 3, 15, 12, tzinfo=UTC), date(2027, 2, 28), midnight(2027, 4, 1, utc_hour=22)),
    ],
    ids=["five days", "three weeks", "three months"],
)
def test_missed_runs_are_made_up_once_with_the_latest_cut_off(
    scene: Make, schedule: dict[str, Any], now: datetime, cut_off: date, following: datetime
) -> None:
    books = scene(entries=[entry(1)], schedule=schedule)
    books.at(now)
    serve(books)
    serve(books)
    assert run_days() == [cut_off]
    assert books.dossier.due_at == following


def test_days_on_which_the_clocks_change(scene: Make) -> None:
    """28 March 2027 (to summer) and 31 October 2027 (to winter): midnight stays local midnight."""
    books = scene(entries=[], schedule={"every": "daily"})
    books.at(midnight(2027, 3, 28))
    serve(books)
    assert books.dossier.due_at == datetime(2027, 3, 28, 22, tzinfo=UTC), "a day of 23 hours"
    books.at(datetime(2027, 3, 28, 22, tzinfo=UTC))
    serve(books)
    assert books.dossier.due_at == datetime(2027, 3, 29, 22, tzinfo=UTC)
    books.at(datetime(2027, 10, 30, 22, tzinfo=UTC))
    serve(books)
    assert books.dossier.due_at == datetime(2027, 10, 31, 23, tzinfo=UTC), "a day of 25 hours"
    assert run_days() == [date(2027, 3, 27), date(2027, 3, 28), date(2027, 10, 30)]


def test_hours_of_the_repeated_hour_belong_to_their_own_day(scene: Make) -> None:
    books = scene(
        entries=[
            entry(1, "2026-10-25T00:30:00+00:00"),  # 02:30 in summer time
            entry(2, "2026-10-25T01:30:00+00:00"),  # 02:30 in winter time
            entry(3, "2026-10-25T22:59:00+00:00"),
            entry(4, "2026-10-25T23:00:00+00:00"),  # midnight of the 26th
        ]
    )
    books.draft(date(2026, 10, 25))
    invoice = books.invoices().get()
    assert invoice.lines.get().seconds == 3 * 3600
    assert (invoice.period_from, invoice.period_till) == (date(2026, 10, 25), date(2026, 10, 25))


# --- when it waits ----------------------------------------------------------------------------------------------------


def _due(scene: Make, **changes: Any) -> Scene:
    """A dossier whose run is due this very moment: 1 December, midnight in Brussels."""
    books = scene(**({"entries": [entry(1)], "schedule": MONTHLY} | changes))
    books.at(midnight(2026, 12, 1))
    books.control.clear_log()
    return books


def test_run_rereads_toggl_right_before_drafting(scene: Make) -> None:
    books = _due(scene)
    books.control.put_entries(entry(1, tags=[], at="2026-10-05T11:00:00Z"), entry(2, "2026-11-30"))
    books.control.put_billit("products", product(0, "ADV", "Advice", "111.00"))
    serve(books)
    assert books.states() == {entry(1)["id"]: "attention", entry(2)["id"]: "drafted"}
    assert books.invoices().get().total_excl == Decimal("111.00")


def test_run_waits_for_quota_with_the_reason_on_the_dossier_and_is_done_later(scene: Make) -> None:
    books = _due(scene)
    # Five calls are left, which background work leaves to people.
    books.control.quota(ORGANIZATION, remaining=5, resets_in=1800)
    books.sync()
    Workspace.objects.update(reread_at=NOW)
    books.control.clear_log()
    assert serve(books) == []
    dossier = books.dossier
    assert (run_days(), dossier.waiting) == ([], "quota_used_up")
    assert books.control.log("toggl") == []
    assert dossier.due_at == timezone.now() + timedelta(seconds=1800)
    assert dossier.scheduled_through is None
    books.control.quota(ORGANIZATION, remaining=600, resets_in=3600)
    books.later(seconds=1800)
    serve(books)
    assert (run_days(), books.dossier.waiting) == ([date(2026, 11, 30)], "")
    assert books.dossier.due_at == midnight(2027, 1, 1)


@pytest.mark.parametrize("service", ["toggl", "billit"])
def test_run_waits_out_an_outage_of_either_service(scene: Make, service: str) -> None:
    books = _due(scene)
    books.control.faults({"service": service, "kind": "status", "status": 503, "headers": {"Retry-After": "900"}})
    assert serve(books) == []
    dossier = books.dossier
    assert (dossier.waiting, dossier.waiting_facts["service"]) == ("server_error", service.capitalize())
    assert (dossier.due_at, run_days()) == (timezone.now() + timedelta(minutes=10), [])
    books.control.faults()
    books.later(minutes=10)
    serve(books)
    assert (run_days(), books.dossier.waiting) == ([date(2026, 11, 30)], "")


def test_run_waits_while_billit_asks_for_fewer_requests(scene: Make) -> None:
    books = _due(scene)
    books.control.faults({"service": "billit", "kind": "too_many", "retry_after": 900})
    assert serve(books) == []
    dossier = books.dossier
    assert (dossier.waiting, dossier.waiting_facts["service"]) == ("too_many_requests", "Billit")
    assert (dossier.due_at, run_days()) == (timezone.now() + timedelta(minutes=15), [])
    books.control.faults()
    books.later(minutes=15)
    serve(books)
    assert (run_days(), books.dossier.waiting) == ([date(2026, 11, 30)], "")


@pytest.mark.slow
def test_run_that_waits_past_its_next_day_is_done_once_with_the_later_cut_off(scene: Make, settings: Settings) -> None:
    books = _due(scene, schedule={"every": "daily"})
    settings.TOGGL_URL = "http://127.0.0.1:9"
    serve(books)
    assert books.dossier.waiting == "not_reached"
    settings.TOGGL_URL = books.sandbox.toggl_url
    books.later(days=1)
    serve(books)
    assert run_days() == [date(2026, 12, 1)]


def test_run_waits_for_a_refused_credential_and_says_so(scene: Make) -> None:
    books = _due(scene)
    row = Connection.objects.get(service="toggl")
    row.secret = "f" * 32
    row.save()
    serve(books)
    assert books.dossier.waiting == "token_refused"
    assert (run_days(), Invoice.objects.count()) == ([], 0)


def test_served_round_is_claimed_so_that_a_second_worker_finds_nothing(scene: Make) -> None:
    books = _due(scene)
    stale = books.dossier
    serve(books)
    Run.objects.all().delete()
    assert runs.serve(dossier=stale, by=Actor.schedule(), now=timezone.now()) == []
    assert run_days() == []


# --- how far ----------------------------------------------------------------------------------------------------------

TWO: dict[str, Any] = {
    "entries": [entry(1), entry(2, seconds=7200, project_id=BAKERY_PROJECT)],  # garage 95.00, bakery 190.00
}


@pytest.mark.parametrize(
    ("mode", "status", "send"), [("review", "draft", False), ("post", "approved", False), ("send", "approved", True)]
)
def test_mode_says_how_far_the_drafts_go_by_themselves(scene: Make, mode: str, status: str, send: bool) -> None:
    books = _due(scene, mode=mode, **TWO)
    carried = serve(books)
    rows = list(books.invoices())
    asked = mode != "review"
    assert [row.status for row in rows] == [status, status]
    assert sorted(row.pk for row in carried) == sorted(row.pk for row in rows if asked)
    assert [row.post_requested_at is not None for row in rows] == [asked, asked]
    assert [row.send_requested_at is not None for row in rows] == [send, send]
    assert {row.approved_by for row in rows} == {"schedule" if asked else ""}
    assert books.asked("POST", "/v1/orders") == [], "posting is the worker's"
    assert [row.pk for row in books.due()] == ([row.pk for row in rows] if asked else [])


@pytest.mark.parametrize(
    ("limit", "statuses"),
    [("95.00", ["draft", "approved"]), ("94.99", ["draft", "draft"]), ("190.00", ["approved", "approved"])],
)
def test_auto_limit_holds_back_what_is_above_it(scene: Make, limit: str, statuses: list[str]) -> None:
    books = _due(scene, mode="post", auto_limit=limit, **TWO)
    serve(books)
    assert [row.status for row in books.invoices()] == statuses


def test_draft_above_the_limit_may_be_passed_by_a_person(scene: Make) -> None:
    books = _due(scene, mode="post", auto_limit="1.00", **TWO)
    serve(books)
    assert [row.status for row in books.approve()] == ["approved", "approved"]


def test_waiting_draft_within_the_limit_is_carried_on_by_the_next_round(scene: Make) -> None:
    """A person drafted on the 20th; the round of 1 December leaves the draft as it is and its mode goes on with it."""
    books = scene(entries=[entry(1)], schedule=MONTHLY, mode="post")
    books.draft()
    reference = books.invoices().get().reference
    books.at(midnight(2026, 12, 1))
    assert [(row.reference, row.status) for row in serve(books)] == [(reference, "approved")]


def test_draft_of_a_later_day_is_not_carried_on_by_a_round_with_an_earlier_cut_off(scene: Make) -> None:
    """A person drafted through the first of December, hours before the round of that day was served."""
    books = _due(scene, mode="post")
    books.at(midnight(2026, 12, 1) + timedelta(hours=9))
    books.draft(date(2026, 12, 1))
    assert (serve(books), run_days()) == ([], [date(2026, 12, 1), date(2026, 11, 30)])
    assert books.invoices().get().status == "draft"


def test_waiting_draft_with_other_tags_is_carried_on_as_well(scene: Make) -> None:
    """A stray tag changes no line, so nothing of the bill; it must not stop the round either."""
    books = scene(entries=[entry(1)], schedule=MONTHLY, mode="post")
    books.draft()
    books.at(midnight(2026, 12, 1))
    books.control.put_entries(entry(1, tags=["Advice", "urgent"]))
    assert [row.status for row in serve(books)] == ["approved"]
    assert run_days() == [date(2026, 10, 31), date(2026, 11, 30)]


def test_round_bills_hours_up_to_its_cut_off_only(scene: Make) -> None:
    books = _due(scene, entries=[entry(1, "2026-11-30T22:59:59+00:00", seconds=60)])
    books.control.put_entries(entry(2, "2026-11-30T23:00:00+00:00", seconds=60, stop="2026-11-30T23:01:00Z"))
    books.at(midnight(2026, 12, 1) + timedelta(hours=9))
    serve(books)
    assert books.states() == {entry(1)["id"]: "drafted", entry(2)["id"]: "open"}


def test_change_of_schedule_moves_the_next_run(scene: Make, command: Callable[..., Any], tmp_path: Any) -> None:
    books = scene(entries=[entry(1)], schedule=MONTHLY)
    assert Dossier.objects.get().due_at == midnight(2026, 12, 1)
    text = books.control._call("GET", "/onboarding")["onboarding"]
    file = tmp_path / "again.toml"
    file.write_text(text.replace('every = "monthly", day = 1', 'every = "weekly", weekday = 3'), encoding="utf-8")
    assert command("onboard", str(file)).code == 0
    assert Dossier.objects.get().due_at == midnight(2026, 11, 25)
