"""What a reading does with a token that sees little, and without quota or plan."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.utils import timezone

from integrations.clients.http.transport import BadCredentials, PlanFeature
from integrations.connections.pacing import quota
from integrations.models import Connection, Entry, Quota, Workspace
from tests.integrations.mirrored import REPORT, Mirror
from tests.worlds import (
    FIRST_ENTRY,
    ORGANIZATION,
    OWNER,
    WORKSPACE,
    entry,
)

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
    assert (connection.failure, connection.failure_code) == ("credentials", "no_longer_admin")
    assert connection.failure_facts["workspace"].startswith("4001 (")


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


def test_a_refusal_on_the_owners_budget_is_his_and_not_the_organisations(mirror: Callable[..., Mirror]) -> None:
    small = mirror(plan="starter")
    small.read()
    small.sandbox.control.delete_entries(FIRST_ENTRY + 1)
    small.sandbox.control.quota(None, remaining=0, resets_in=1200)
    done = small.read(full=True)
    until = timezone.now() + timedelta(seconds=1200)
    # Whether the token is still an admin's could not be asked: nothing counts as deleted.
    assert (done.deleted, done.deferred_until) == (0, until)
    left = dict(Quota.objects.values_list("organization_id", "remaining"))
    assert left[quota.USER_BUDGET] == 0
    assert left[ORGANIZATION] > 0
    small.sandbox.control.clear_log()
    again = small.read(full=True)
    assert (again.deleted, again.deferred_until) == (0, until)
    asked = [row["path"] for row in small.sandbox.control.log("toggl")]
    assert asked
    assert not [path for path in asked if path.startswith("/api/v9/me")], "nothing is asked that is known to be refused"


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
