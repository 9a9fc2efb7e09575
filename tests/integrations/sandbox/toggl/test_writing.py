"""Time entries written: one by one, stopped, deleted, and a hundred at once."""

from datetime import timedelta
from typing import Any

import pytest

from integrations.sandbox.http.wire import Record
from integrations.sandbox.remote import Remote
from tests.integrations.sandbox.scene import ENTRY, MEMBER, NOW, Toggl

PATH = "/workspaces/4001/time_entries"
BODY: Record = {
    "workspace_id": 4001,
    "start": "2026-10-15T06:00:00Z",
    "duration": 1800,
    "created_with": "toggbill test",
}


def post(toggl: Toggl, workspace: int = 4001, **changes: Any) -> Record:
    answer = toggl.call("POST", f"/workspaces/{workspace}/time_entries", {**BODY, "workspace_id": workspace, **changes})
    assert answer.status_code == 200, answer.text
    row: Record = answer.json()
    return row


def put(toggl: Toggl, number: int, **changes: Any) -> Record:
    answer = toggl.call("PUT", f"{PATH}/{number}", changes)
    assert answer.status_code == 200, answer.text
    row: Record = answer.json()
    return row


def read(toggl: Toggl, number: int) -> Record:
    row: Record = toggl.get(f"/me/time_entries/{number}").json()
    return row


def test_new_entry(toggl: Toggl) -> None:
    row = post(toggl, description="Call", project_id=601, tags=["Compta", "Brandnew"], billable=True)
    assert row == {
        "id": ENTRY + 5,
        "workspace_id": 4001,
        "project_id": 601,
        "task_id": None,
        "billable": True,
        "start": "2026-10-15T06:00:00Z",
        "stop": "2026-10-15T06:30:00Z",
        "duration": 1800,
        "description": "Call",
        "tags": ["Compta", "Brandnew"],
        "tag_ids": [301, 302],
        "duronly": True,
        "at": "2026-10-15T10:00:00Z",
        "server_deleted_at": None,
        "user_id": 9001,
        "uid": 9001,
        "wid": 4001,
        "pid": 601,
    }
    assert read(toggl, ENTRY + 5)["start"] == "2026-10-15T06:00:00+00:00"
    assert [row["name"] for row in toggl.get("/workspaces/4001/tags").json()] == ["Compta", "Brandnew"]


def test_new_entry_without_tags_has_nulls(toggl: Toggl) -> None:
    row = post(toggl)
    assert (row["tags"], row["tag_ids"]) == (None, None)
    assert read(toggl, row["id"])["tags"] == []


def test_new_running_entry(toggl: Toggl) -> None:
    row = post(toggl, duration=-1)
    assert (row["duration"], row["stop"]) == (-1, None)
    assert read(toggl, row["id"])["duration"] == -1792044000


def test_neither_stop_nor_duration(toggl: Toggl) -> None:
    row = post(toggl, duration=None)
    assert (row["duration"], row["stop"]) == (0, None)
    assert read(toggl, row["id"])["stop"] == "2026-10-15T06:00:00+00:00"


def test_fraction_of_a_second_is_cut(toggl: Toggl) -> None:
    row = post(toggl, start="2026-10-15T08:00:00.987+02:00")
    assert (row["start"], row["stop"]) == ("2026-10-15T06:00:00Z", "2026-10-15T06:30:00Z")


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({"workspace_id": None}, 403, "Missing or invalid workspace_id"),
        ({"created_with": ""}, 400, "created_with needs to be provided an a valid string"),
        ({"start": None}, 400, "start needs to be provided"),
        ({"start": "2026-10-15 06:00"}, 400, "Invalid start format"),
        ({"start": "2026-10-15T06:00:00+0200"}, 400, "Invalid start format"),
        ({"stop": "2026-10-15T07:00:00Z"}, 400, "Stop and duration do not agree"),
        ({"duration": None, "stop": "2026-10-15T05:00:00Z"}, 400, "Stop time must be after start time"),
        ({"duration": "1800"}, 400, "Invalid duration format"),
        ({"start": "0001-01-01T00:00:00Z"}, 400, "Invalid start format"),
        ({"duration": 10**12}, 400, "Invalid duration format"),
        ({"project_id": 9}, 400, "Invalid project_id"),
        ({"tags": "Compta"}, 400, "Invalid tags format"),
        ({"tag_ids": [999]}, 400, "Invalid tag_ids"),
        ({"description": 5}, 400, "Invalid description format"),
        ({"billable": "yes"}, 400, "Invalid billable format"),
    ],
)
def test_entry_that_is_refused(toggl: Toggl, changes: Record, status: int, text: str) -> None:
    answer = toggl.call("POST", PATH, {**BODY, **changes})
    assert (answer.status_code, answer.json()) == (status, text)
    assert len(toggl.get("/me/time_entries").json()) == 4


def test_billable_on_free_stays_false(toggl: Toggl) -> None:
    assert post(toggl, workspace=4002, billable=True)["billable"] is False


def test_put_changes_what_it_names(toggl: Toggl) -> None:
    before = read(toggl, ENTRY)
    row = put(toggl, ENTRY, description="Changed")
    assert (row["description"], row["at"], row["tags"]) == ("Changed", "2026-10-15T10:00:00Z", ["Compta"])
    after = read(toggl, ENTRY)
    assert {name for name in after if after[name] != before[name]} == {"description", "at"}


@pytest.mark.parametrize(
    ("changes", "start", "stop", "seconds"),
    [
        ({"duration": 60}, "2026-10-13T08:00:00Z", "2026-10-13T08:01:00Z", 60),
        ({"stop": "2026-10-13T09:00:00Z"}, "2026-10-13T08:00:00Z", "2026-10-13T09:00:00Z", 3600),
        ({"start": "2026-10-13T07:50:30Z"}, "2026-10-13T07:50:30Z", "2026-10-13T08:50:30Z", 3600),
    ],
)
def test_put_of_times(toggl: Toggl, changes: Record, start: str, stop: str, seconds: int) -> None:
    row = put(toggl, ENTRY + 1, **changes)
    assert (row["start"], row["stop"], row["duration"]) == (start, stop, seconds)


@pytest.mark.parametrize(
    ("action", "tags"),
    [("add", ["Compta", "invoiced"]), ("delete", ["Compta"]), (None, ["invoiced"])],
)
def test_tag_action(toggl: Toggl, action: str | None, tags: list[str]) -> None:
    assert put(toggl, ENTRY, tags=["invoiced"], tag_action=action)["tags"] == tags


def test_tags_by_id_and_taken_off(toggl: Toggl) -> None:
    assert put(toggl, ENTRY + 3, tag_ids=[301], tag_action="add")["tags"] == ["Compta"]
    assert put(toggl, ENTRY + 3, tag_ids=[301], tag_action="delete")["tags"] is None
    for action in ("remove", ["add"]):
        answer = toggl.call("PUT", f"{PATH}/{ENTRY}", {"tags": ["x"], "tag_action": action})
        assert (answer.status_code, answer.json()) == (400, "Invalid tag_action")


def test_tag_action_remove_by_switch(toggl: Toggl, control: Remote) -> None:
    control.switch(toggl_tag_action_remove="delete")
    assert put(toggl, ENTRY, tags=["Compta"], tag_action="remove")["tags"] is None


def test_tags_without_action_by_switch(toggl: Toggl, control: Remote) -> None:
    control.switch(toggl_put_tags="add")
    assert put(toggl, ENTRY, tags=["invoiced"])["tags"] == ["Compta", "invoiced"]


def test_entries_of_others(toggl: Toggl, control: Remote) -> None:
    assert put(toggl, ENTRY + 2, description="By an admin")["user_id"] == 9002
    answer = toggl.call("PUT", f"{PATH}/{ENTRY}", {"description": "By a member"}, token=MEMBER)
    assert (answer.status_code, answer.json()) == (403, "User does not have access to this resource.")
    control.switch(toggl_admin_edits_others=False)
    assert toggl.call("PUT", f"{PATH}/{ENTRY + 2}", {"description": "x"}).status_code == 403


def test_stop(toggl: Toggl) -> None:
    row = toggl.call("PATCH", f"{PATH}/{ENTRY + 4}/stop").json()
    assert (row["stop"], row["duration"]) == ("2026-10-15T10:00:00Z", 3600)
    assert toggl.get("/me/time_entries/current").text == "null"
    again = toggl.call("PATCH", f"{PATH}/{ENTRY + 4}/stop")
    assert (again.status_code, again.json()) == (409, "Time entry already stopped")
    missing = toggl.call("PATCH", f"{PATH}/77/stop")
    assert (missing.status_code, missing.json()) == (404, "Time entry not found")


def test_delete(toggl: Toggl, control: Remote) -> None:
    control.clock(NOW + timedelta(minutes=1))
    answer = toggl.call("DELETE", f"{PATH}/{ENTRY}")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert toggl.call("DELETE", f"{PATH}/{ENTRY}").status_code == 404
    rows = toggl.get("/me/time_entries", since=int(NOW.timestamp()) + 30).json()
    assert [(row["id"], row["server_deleted_at"]) for row in rows] == [(ENTRY, "2026-10-15T10:01:00+00:00")]
    found = toggl.search(start_date="2026-10-01", end_date="2026-10-15").json()
    assert ENTRY not in [row["time_entries"][0]["id"] for row in found]


def test_many_are_tagged_at_once(toggl: Toggl) -> None:
    ids = f"{ENTRY},{ENTRY + 3}"
    answer = toggl.call("PATCH", f"{PATH}/{ids}", [{"op": "add", "path": "/tags", "value": ["invoiced"]}])
    assert (answer.status_code, answer.json()) == (200, {"success": [ENTRY, ENTRY + 3], "failure": []})
    assert [read(toggl, ENTRY + index)["tags"] for index in (0, 3)] == [["Compta", "invoiced"], ["invoiced"]]
    toggl.call("PATCH", f"{PATH}/{ids}", [{"op": "remove", "path": "/tags", "value": ["Compta"]}])
    assert read(toggl, ENTRY)["tags"] == ["invoiced"]
    toggl.call("PATCH", f"{PATH}/{ids}", [{"op": "replace", "path": "/tags", "value": ["done"]}])
    assert [read(toggl, ENTRY + index)["tags"] for index in (0, 3)] == [["done"], ["done"]]


def test_many_partly_fail(toggl: Toggl) -> None:
    operations = [{"op": "replace", "path": "/pid", "value": 602}]
    answer = toggl.call("PATCH", f"{PATH}/{ENTRY + 2},77,{ENTRY}", operations, token=MEMBER)
    assert answer.status_code == 200
    assert answer.json() == {
        "success": [ENTRY + 2],
        "failure": [
            {"id": 77, "message": "Time entry not found"},
            {"id": ENTRY, "message": "User does not have access to this resource."},
        ],
    }
    assert read(toggl, ENTRY)["project_id"] == 601


def test_entries_of_a_locked_period_refuse_changes_each_for_itself(control: Remote, toggl: Toggl) -> None:
    control.switch(toggl_locked_before="2026-10-14")
    operations = [{"op": "add", "path": "/tags", "value": ["invoiced"]}]
    answer = toggl.call("PATCH", f"{PATH}/{ENTRY},{ENTRY + 3}", operations)
    assert answer.json() == {
        "success": [ENTRY + 3],
        "failure": [{"id": ENTRY, "message": "Time entry is locked"}],
    }
    assert [read(toggl, ENTRY + index)["tags"] for index in (0, 3)] == [["Compta"], ["invoiced"]]


def test_at_most_a_hundred_ids(toggl: Toggl) -> None:
    operations = [{"op": "replace", "path": "/description", "value": "x"}]
    ids = ",".join(str(number) for number in range(1, 102))
    assert toggl.call("PATCH", f"{PATH}/{ids}", operations).status_code == 400
    failure = toggl.call("PATCH", f"{PATH}/{ids.removesuffix(',101')}", operations).json()["failure"]
    assert [row["id"] for row in failure] == list(range(1, 101))


@pytest.mark.parametrize(
    "operations",
    [[], {}, [{"op": "move", "path": "/tags"}], [{"op": ["add"], "path": "/tags"}], [{"op": "add", "path": "/at"}]],
)
def test_operations_that_are_refused(toggl: Toggl, operations: Any) -> None:
    assert toggl.call("PATCH", f"{PATH}/{ENTRY}", operations).status_code == 400
