"""What a reading makes of changes at Toggl."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

from django.utils import timezone

from integrations.models import Entry
from tests.integrations.mirrored import Mirror, untouched
from tests.worlds import (
    BAKERY,
    BAKERY_PROJECT,
    FIRST_ENTRY,
    GARAGE,
    GARAGE_PROJECT,
    OWNER,
    WORKSPACE,
    entry,
)

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
    small = mirror(entries=[entry(1, description="a\x00b \ud800\x0b\x1b\ufffe", tags=["Ad\x00vice"]), entry(2)])
    assert small.counts()[2] == 2
    assert small.row(1).description == "ab  "
    assert small.row(1).tags == ["Advice"]
