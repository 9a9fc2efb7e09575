"""Reading both services into the mirror: what it costs, what it counts, and what it must never conclude."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from integrations import sync
from integrations.models import Company, Connection, Entry, Workspace
from integrations.sandbox.process import Process
from integrations.transport import BadCredentials, PlanFeature, Refused, RetryLater, ServiceError
from tests.worlds import (
    BAKERY,
    BAKERY_PROJECT,
    COLLEAGUE,
    FIRST_ENTRY,
    GARAGE,
    GARAGE_PROJECT,
    NOW,
    ORGANIZATION,
    OWNER,
    WORKSPACE,
    entry,
    small_world,
)
from toggbill.firms.models import Firm

REPORT = f"/reports/api/v3/workspace/{WORKSPACE}/search/time_entries"
OUTAGE = {"service": "toggl", "path": "^/"}


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Time stands at NOW."""
    with time_machine.travel(NOW, tick=False) as coordinates:
        yield coordinates


@dataclass
class Mirror:
    """One firm's workspace and company, read against the sandbox."""

    sandbox: Process
    clock: time_machine.Traveller

    @property
    def workspace(self) -> Workspace:
        return Workspace.objects.select_related("connection", "firm").get()

    @property
    def company(self) -> Company:
        return Company.objects.select_related("connection", "firm").get()

    def read(self, **options: Any) -> sync.WorkspaceSync:
        return sync.sync_workspace(workspace=self.workspace, now=timezone.now(), **options)

    def counts(self, **options: Any) -> tuple[int, int, int, int, int]:
        """Reads; calls, seen, created, updated, deleted."""
        done = self.read(**options)
        return done.calls, done.seen, done.created, done.updated, done.deleted

    def settle(self) -> None:
        """As if the books had derived everything that was marked."""
        Entry.objects.update(marked_at=None)
        Company.objects.update(marked_at=None)

    def marked(self) -> set[int]:
        """The marked entries, by their serial in the world."""
        ids = Entry.objects.filter(marked_at__isnull=False).values_list("remote_id", flat=True)
        return {remote_id - FIRST_ENTRY for remote_id in ids}

    def row(self, serial: int) -> Entry:
        return Entry.objects.get(remote_id=FIRST_ENTRY + serial)

    def later(self, **span: float) -> None:
        """The clocks of both sides go on."""
        moment = timezone.now() + timedelta(**span)
        self.clock.move_to(moment, tick=False)
        self.sandbox.control.clock(moment)

    def requests(self, service: str = "toggl") -> list[tuple[str, str]]:
        return [(row["method"], row["path"]) for row in self.sandbox.control.log(service)]


@pytest.fixture
def mirror(sandbox: Process, clock: time_machine.Traveller, onboard: Callable[..., Firm]) -> Callable[..., Mirror]:
    """Onboards a world; nothing is read yet, and the request log is empty."""

    def load(world: dict[str, Any] | str | None = None, **changes: Any) -> Mirror:
        options = {"now": NOW} if isinstance(world, str) else {}
        onboard(small_world(**changes) if world is None else world, **options)
        sandbox.control.clear_log()
        return Mirror(sandbox, clock)

    return load


def untouched(serial: int, **fields: Any) -> dict[str, Any]:
    """A change of an entry that leaves its time stamp as it is, as removing a tag may do at Toggl."""
    return {"id": FIRST_ENTRY + serial, "at": "2026-10-06T10:00:00Z", **fields}


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
    assert connection.failure_text == str(failed.value)
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


# --- changes at Toggl -------------------------------------------------------------------------------------------------


def test_an_increment_finds_an_edit_that_touched_the_time_stamp(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    small.read()
    small.settle()
    small.later(minutes=10)
    small.sandbox.control.put_entries({"id": FIRST_ENTRY + 1, "stop": "2026-10-05T10:30:00Z"})
    done = small.read()
    assert (done.calls, done.created, done.updated) == (1, 0, 1)
    assert small.row(1).seconds == 5400
    assert small.marked() == {1}


def test_an_increment_finds_a_late_entry_for_an_old_day(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    small.read()
    small.settle()
    small.later(minutes=10)
    small.sandbox.control.put_entries(entry(9, "2026-09-01"))
    assert small.counts()[0] == 1
    assert small.row(9).started_at == datetime(2026, 9, 1, 9, tzinfo=UTC)
    assert small.marked() == {9}


def test_an_entry_before_the_books_begin_is_not_read_beyond_the_zone_margin(mirror: Callable[..., Mirror]) -> None:
    small = mirror(entries=[entry(1, "2026-08-30"), entry(2, "2026-09-01")])
    small.read()
    assert set(Entry.objects.values_list("remote_id", flat=True)) == {FIRST_ENTRY + 2}


def test_a_tag_removed_without_a_trace_is_found_by_the_daily_reading(mirror: Callable[..., Mirror]) -> None:
    newer = [entry(serial, "2026-11-02", seconds=60) for serial in range(3, 1002)]
    small = mirror(entries=[entry(2, "2026-10-06", tags=["Advice", "Books"]), *newer, entry(2000, "2026-11-03")])
    small.read()
    small.settle()
    small.later(minutes=10)
    small.sandbox.control.put_entries(untouched(2, tags=["Books"]))
    small.read()
    assert small.row(2).tags == ["Advice", "Books"]  # beyond the first page of an increment
    small.later(days=1)
    assert small.counts()[3] == 1
    assert small.row(2).tags == ["Books"]
    assert small.marked() == {2}


def test_a_tag_removed_without_a_trace_is_found_by_a_window_before_drafting(mirror: Callable[..., Mirror]) -> None:
    small = mirror(entries=[entry(1), entry(2, "2026-10-06", tags=["Advice", "Books"], at="2026-10-06T10:00:00Z")])
    small.read()
    small.later(minutes=10)
    small.sandbox.control.put_entries(untouched(2, tags=["Books"]))
    small.read(full=True, since=date(2026, 10, 1))
    assert small.row(2).tags == ["Books"]


def test_a_window_reading_judges_nothing_outside_the_window(mirror: Callable[..., Mirror]) -> None:
    small = mirror(entries=[entry(1, "2026-09-10"), entry(2, "2026-10-10")])
    small.read()
    small.later(minutes=10)
    small.sandbox.control.delete_entries(FIRST_ENTRY + 1, FIRST_ENTRY + 2)
    assert small.read(full=True, since=date(2026, 10, 1)).deleted == 1
    assert small.row(1).deleted_at is None
    assert small.row(2).deleted_at == timezone.now()


def test_a_window_reading_still_finds_a_late_entry_before_the_window(mirror: Callable[..., Mirror]) -> None:
    small = mirror(entries=[entry(1, "2026-10-10")])
    small.read()
    small.later(minutes=10)
    small.sandbox.control.put_entries(entry(2, "2026-09-02"))
    assert small.read(full=True, since=date(2026, 10, 1)).created == 1


def test_a_deleted_entry_that_returns_lives_again(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    small.read()
    small.later(minutes=10)
    small.sandbox.control.delete_entries(FIRST_ENTRY + 1)
    assert small.counts(full=True)[4] == 1
    small.settle()
    small.later(minutes=10)
    small.sandbox.control.put_entries({"id": FIRST_ENTRY + 1, "server_deleted_at": None})
    assert small.counts()[2:] == (0, 1, 0)
    assert small.row(1).deleted_at is None
    assert small.marked() == {1}


def test_a_deleted_entry_is_deleted_once(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    small.read()
    small.sandbox.control.delete_entries(FIRST_ENTRY + 1)
    small.later(minutes=10)
    assert small.counts(full=True)[4] == 1
    gone_at = small.row(1).deleted_at
    small.settle()
    small.later(minutes=10)
    assert small.counts(full=True)[4] == 0
    assert small.row(1).deleted_at == gone_at
    assert small.marked() == set()


def test_a_timer_that_runs_is_mirrored_without_seconds_until_it_stops(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    small.sandbox.control.switch(toggl_running_seconds="elapsed")
    small.read()
    assert (small.row(6).is_running, small.row(6).seconds, small.row(6).stopped_at) == (True, 0, None)
    small.later(minutes=10)
    small.sandbox.control.put_entries({"id": FIRST_ENTRY + 6, "stop": "2026-10-30T09:45:00Z"})
    small.read()
    assert (small.row(6).is_running, small.row(6).seconds) == (False, 2700)


def test_a_renamed_project_marks_its_entries_only(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    small.read()
    small.settle()
    small.sandbox.control.put_toggl("projects", {"id": BAKERY_PROJECT, "name": "Bread"})
    small.later(minutes=61)
    small.read()
    assert small.marked() == {4, 5}
    assert set(small.workspace.projects.values_list("name", flat=True)) == {"Garage", "Bread"}


def test_a_project_given_to_another_client_marks_its_entries(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    small.read()
    small.settle()
    small.sandbox.control.put_toggl("projects", {"id": BAKERY_PROJECT, "client_id": GARAGE})
    small.later(minutes=61)
    small.read()
    assert small.marked() == {4, 5}
    assert small.workspace.projects.get(remote_id=BAKERY_PROJECT).client_remote_id == GARAGE


def test_a_renamed_client_marks_the_entries_of_its_projects(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    small.read()
    small.settle()
    small.later(minutes=10)
    small.sandbox.control.put_toggl("clients", {"id": GARAGE, "name": "Garage Gloed"})
    small.read(full=True)
    assert small.marked() == {1, 2, 3, 6}
    assert small.workspace.clients.get(remote_id=GARAGE).name == "Garage Gloed"


def test_an_archived_client_stays_and_marks_once(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    small.sandbox.control.put_toggl("clients", {"id": BAKERY, "archived": True})
    small.read()
    assert small.workspace.clients.get(remote_id=BAKERY).is_archived is True


def test_a_project_unknown_so_far_is_read_with_its_client_at_once(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    small.read()
    small.later(minutes=10)
    control = small.sandbox.control
    control.put_toggl("clients", {"id": 503, "workspace_id": WORKSPACE, "name": "Florist"})
    control.put_toggl("projects", {"id": 603, "workspace_id": WORKSPACE, "name": "Tulips", "client_id": 503})
    control.put_entries(entry(8, project_id=603))
    done = small.read()
    assert done.calls == 3  # entries, then projects for the unknown project, then clients for its unknown client
    assert small.workspace.projects.get(remote_id=603).client_remote_id == 503
    assert small.workspace.clients.get(remote_id=503).name == "Florist"


def test_names_as_long_as_toggl_allows_or_longer_do_not_break_the_mirror(mirror: Callable[..., Mirror]) -> None:
    small = mirror(entries=[entry(1, description="x" * 10_000, tags=["t" * 300])])
    small.sandbox.control.put_toggl("clients", {"id": GARAGE, "name": "c" * 900})
    small.sandbox.control.put_toggl("projects", {"id": GARAGE_PROJECT, "name": "p" * 900})
    small.sandbox.control.put_toggl("users", {"id": OWNER, "fullname": "n" * 900})
    assert small.counts()[2] == 1
    assert small.row(1).description == "x" * 10_000
    assert small.row(1).person_name == "n" * 250
    small.settle()
    small.later(minutes=1)
    assert small.counts(full=True)[3] == 0  # the cut names are not a change each time
    assert small.marked() == set()


def test_a_text_that_no_database_can_hold_does_not_stop_the_reading(mirror: Callable[..., Mirror]) -> None:
    small = mirror(entries=[entry(1, description="a\x00b \ud800", tags=["Ad\x00vice"]), entry(2)])
    assert small.counts()[2] == 2
    assert small.row(1).description == "ab "
    assert small.row(1).tags == ["Advice"]


# --- a token that does not see everything -----------------------------------------------------------------------------


def demote(small: Mirror) -> None:
    user = next(row for row in small.sandbox.control.world()["toggl"]["users"] if row["id"] == OWNER)
    small.sandbox.control.put_toggl("users", user | {"workspaces": [{"id": WORKSPACE, "admin": False}]})


def test_a_token_that_lost_its_admin_right_deletes_nothing(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    small.read()
    small.settle()
    demote(small)
    small.later(minutes=10)
    with pytest.raises(BadCredentials, match="no longer an admin's in Toggl workspace 4001"):
        small.read(full=True)
    assert Entry.objects.filter(deleted_at__isnull=False).count() == 0
    connection = small.workspace.connection
    assert (connection.failure, "nothing was deleted" in connection.failure_text) == ("credentials", True)


def test_a_partial_token_that_was_accepted_as_an_admins_deletes_nothing_when_it_sees_less(
    mirror: Callable[..., Mirror],
) -> None:
    small = mirror()
    small.read()
    Connection.objects.filter(service="toggl").update(accept_partial=True)
    demote(small)
    small.later(minutes=10)
    with pytest.raises(BadCredentials):
        small.read(full=True)
    assert small.row(3).deleted_at is None  # the colleague's


def test_a_partial_token_deletes_what_its_owner_deleted(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    demote(small)
    Connection.objects.filter(service="toggl").update(accept_partial=True)
    Workspace.objects.update(is_admin=False)
    assert small.counts()[2] == 5  # all but the colleague's
    small.sandbox.control.delete_entries(FIRST_ENTRY + 1)
    small.later(minutes=10)
    assert small.counts(full=True)[4] == 1


# --- quota and plan ---------------------------------------------------------------------------------------------------


def test_background_work_leaves_five_calls_to_people(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    small.read()
    small.later(minutes=10)
    small.sandbox.control.quota(ORGANIZATION, remaining=6, resets_in=1200)
    assert small.read(background=True).quota_remaining == 5
    small.sandbox.control.clear_log()
    done = small.read(background=True)
    until = timezone.now() + timedelta(seconds=1200)
    assert (done.calls, done.seen, done.deferred_until, done.quota_remaining) == (0, 0, until, 5)
    assert small.workspace.next_sync_at == until
    assert small.requests() == []
    # A person may use the reserve, down to nothing.
    assert [small.read().quota_remaining for _ in range(5)] == [4, 3, 2, 1, 0]
    small.sandbox.control.clear_log()
    done = small.read()
    assert (done.calls, done.quota_remaining, done.deferred_until) == (0, 0, until)
    assert small.requests() == []


def test_an_exhausted_quota_is_over_when_the_hour_is(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    small.read()
    small.sandbox.control.quota(ORGANIZATION, remaining=1, resets_in=1200)
    small.later(minutes=10)
    small.sandbox.control.quota(ORGANIZATION, remaining=1, resets_in=1200)
    assert small.read().quota_remaining == 0
    small.later(seconds=1199)
    assert small.read().calls == 0
    small.later(seconds=1)
    done = small.read()
    assert (done.calls, done.deferred_until, done.quota_remaining) == (1, None, 599)


def test_a_402_in_the_middle_of_the_pages_deletes_nothing_and_resumes(mirror: Callable[..., Mirror]) -> None:
    small = mirror(entries=[entry(serial, "2026-11-02", seconds=60) for serial in range(1100)])
    assert small.counts() == (4, 1100, 1100, 0, 0)
    small.settle()
    small.later(minutes=10)
    control = small.sandbox.control
    control.delete_entries(FIRST_ENTRY, FIRST_ENTRY + 1050)
    # Clients, projects and the first page pass; the second page is one call too many, which nobody could foresee.
    limit = "You have hit your hourly limit for API calls. The quota will reset in 900 seconds."
    control.faults(
        {"service": "toggl", "path": REPORT, "nth": 2, "kind": "status", "status": 402, "body": f'"{limit}"'}
    )
    done = small.read(full=True)
    assert done.deferred_until == timezone.now() + timedelta(seconds=900)
    assert (done.calls, done.deleted) == (4, 0)
    assert Entry.objects.filter(deleted_at__isnull=False).count() == 0
    assert small.workspace.next_sync_at == done.deferred_until
    assert small.workspace.claimed_at is None
    assert small.read().calls == 0  # asleep until the reset
    assert small.workspace.connection.failure == "none"

    control.faults()
    small.later(seconds=900)
    assert small.counts(full=True) == (5, 1098, 0, 0, 2)  # and one to see that the token is still an admin's


def test_a_first_reading_cut_off_by_the_quota_takes_up_the_rest_later(mirror: Callable[..., Mirror]) -> None:
    small = mirror(entries=[entry(serial, "2026-11-02", seconds=60) for serial in range(1100)])
    small.sandbox.control.quota(ORGANIZATION, remaining=3, resets_in=600)
    done = small.read()
    assert (done.calls, done.created, done.quota_remaining) == (3, 1000, 0)
    assert done.deferred_until == timezone.now() + timedelta(seconds=600)
    assert small.workspace.synced_at is None
    assert small.workspace.cursor_at is None
    small.later(seconds=600)
    done = small.read()
    assert (done.created, done.deferred_until) == (100, None)
    assert small.workspace.synced_at == timezone.now()
    assert Entry.objects.count() == 1100


def test_an_increment_cut_off_by_the_quota_does_not_go_on_asking(mirror: Callable[..., Mirror]) -> None:
    small = mirror(entries=[entry(1)])
    small.read()
    cursor = small.workspace.cursor_at
    small.later(minutes=10)
    small.sandbox.control.put_entries(*(entry(serial, "2026-09-02", seconds=60) for serial in range(2, 1102)))
    # The window wants clients, projects and the increment; its first page takes the last call that is free.
    small.sandbox.control.quota(ORGANIZATION, remaining=8, resets_in=600)
    done = small.read(full=True, since=date(2026, 10, 1), background=True)
    assert (done.calls, done.created, done.quota_remaining) == (3, 1000, 5)
    assert done.deferred_until == timezone.now() + timedelta(seconds=600)
    assert small.workspace.cursor_at == cursor
    small.later(seconds=600)
    assert small.read().created == 100


def test_a_402_of_a_plan_feature_is_refused_and_not_slept_over(mirror: Callable[..., Mirror]) -> None:
    small = mirror()
    due = small.workspace.next_sync_at
    text = '"Workspace needs to have this feature enabled"'
    small.sandbox.control.faults({"service": "toggl", "path": REPORT, "kind": "status", "status": 402, "body": text})
    with pytest.raises(PlanFeature, match="Workspace needs to have this feature enabled"):
        small.read()
    assert small.workspace.connection.failure == "refused"
    assert small.workspace.next_sync_at == due


# --- when something is wrong ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error", "failure"),
    [
        ({"kind": "status", "status": 500, "body": "oops"}, RetryLater, "unreachable"),
        ({"kind": "status", "status": 503}, RetryLater, "unreachable"),
        ({"kind": "status", "status": 429, "headers": {"Retry-After": "7"}}, RetryLater, "unreachable"),
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
    ids=["500", "503", "429", "html500", "html", "odd", "truncated", "cut", "foreign", "password"],
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
    assert after.connection.failure_text == str(raised.value)
    assert after.connection.latest_ok_at == NOW

    small.sandbox.control.faults()
    assert small.counts(full=True)[4] == 1
    assert (small.workspace.connection.failure, small.workspace.connection.failure_text) == ("none", "")
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
