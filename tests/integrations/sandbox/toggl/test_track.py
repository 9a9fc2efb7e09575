"""Track API v9: credentials, dictionaries, the token owner's own entries."""

from datetime import timedelta

import pytest

from integrations.sandbox.remote import Remote
from tests.integrations.sandbox.scene import ADMIN, ENTRY, MEMBER, NOW, VAT, Toggl


def test_me_without_credentials(toggl: Toggl) -> None:
    answer = toggl.get("/me", token=None)
    assert (answer.status_code, answer.content) == (401, b"")
    assert answer.headers["X-Authorization-Missing"] == "true"


def test_me_with_a_wrong_token(toggl: Toggl) -> None:
    answer = toggl.get("/me", token="c" * 32)
    assert (answer.status_code, answer.json()) == (403, "Incorrect username and/or password")
    assert "X-Toggl-Quota-Remaining" not in answer.headers


def test_me(toggl: Toggl) -> None:
    me = toggl.get("/me").json()
    assert (me["id"], me["fullname"], me["timezone"]) == (9001, "Odile Verkansel", "Europe/Brussels")
    assert me["default_workspace_id"] == 4001
    assert "time_entries" not in me
    assert me["image_url"].startswith("https://")


def test_me_with_related_data_leaves_out_what_is_empty(toggl: Toggl, control: Remote) -> None:
    control.delete_entries(*range(ENTRY, ENTRY + 5))
    me = toggl.get("/me", with_related_data="true").json()
    assert [row["id"] for row in me["projects"]] == [601, 602]
    assert "time_entries" not in me


def test_organizations_tell_the_plan(toggl: Toggl) -> None:
    rows = toggl.get("/me/organizations").json()
    assert [(row["id"], row["pricing_plan_name"]) for row in rows] == [(3001, "Premium"), (3002, "Free")]


def test_workspaces_tell_admin_and_plan(toggl: Toggl) -> None:
    assert [(row["id"], row["admin"], row["premium"]) for row in toggl.get("/me/workspaces").json()] == [
        (4001, True, True),
        (4002, True, False),
    ]
    assert [(row["id"], row["admin"], row["role"]) for row in toggl.get("/me/workspaces", token=MEMBER).json()] == [
        (4001, False, "user")
    ]


def test_workspace_of_others(toggl: Toggl) -> None:
    answer = toggl.get("/workspaces/4002/clients", token=MEMBER)
    assert (answer.status_code, answer.json()) == (403, "User does not have access to this resource.")


@pytest.mark.parametrize(
    ("status", "ids"), [(None, [501]), ("active", [501]), ("archived", [502]), ("both", [501, 502])]
)
def test_clients_by_status(toggl: Toggl, status: str | None, ids: list[int]) -> None:
    rows = toggl.get("/workspaces/4001/clients", status=status).json()
    assert [row["id"] for row in rows] == ids
    assert rows[0]["wid"] == 4001
    assert "workspace_id" not in rows[0]


def test_clients_in_pages_by_switch(toggl: Toggl, control: Remote) -> None:
    every = [row["id"] for row in toggl.get("/workspaces/4001/clients", status="both", per_page=1).json()]
    assert len(every) > 1
    control.switch(toggl_clients_paged=True)
    pages = [toggl.get("/workspaces/4001/clients", status="both", per_page=1, page=page) for page in (1, 2)]
    assert [[row["id"] for row in page.json()] for page in pages] == [[every[0]], [every[1]]]


def test_clients_with_a_wrong_status(toggl: Toggl) -> None:
    answer = toggl.get("/workspaces/4001/clients", status="gone")
    assert (answer.status_code, answer.json()) == (400, "Client status is invalid")


def test_empty_list_by_switch(toggl: Toggl, control: Remote) -> None:
    assert toggl.get("/workspaces/4002/clients").json() == []
    control.switch(toggl_empty_lists="null")
    assert toggl.get("/workspaces/4002/clients").text == "null"


def test_projects_are_paged(toggl: Toggl, control: Remote) -> None:
    control.put_toggl(
        "projects", *({"id": 1000 + n, "workspace_id": 4001, "name": f"P{n:03d}", "client_id": 501} for n in range(210))
    )
    first = toggl.get("/workspaces/4001/projects")
    assert (len(first.json()), first.headers["X-Page"], first.headers["X-Page-Size"]) == (151, "1", "151")
    large = toggl.get("/workspaces/4001/projects", per_page=500, page=2)
    assert (len(large.json()), large.headers["X-Page-Size"]) == (12, "200")


def test_projects_by_activity(toggl: Toggl, control: Remote) -> None:
    control.put_toggl("projects", {"id": 602, "active": False})
    assert [row["id"] for row in toggl.get("/workspaces/4001/projects", active="true").json()] == [601]
    assert [row["id"] for row in toggl.get("/workspaces/4001/projects", active="false").json()] == [602]
    assert [row["id"] for row in toggl.get("/workspaces/4001/projects", active="both").json()] == [601, 602]


def test_tags_and_users(toggl: Toggl) -> None:
    assert [(row["id"], row["name"]) for row in toggl.get("/workspaces/4001/tags").json()] == [(301, "Compta")]
    assert [(row["id"], row["is_admin"]) for row in toggl.get("/workspaces/4001/users").json()] == [
        (9001, True),
        (9002, False),
    ]


def test_own_entries_with_what_is_shown_of_them(toggl: Toggl, control: Remote) -> None:
    control.put_toggl("projects", {"id": 601, "color": "#06aaf5", "billable": True})
    control.put_toggl("users", {"id": 9001, "image_url": "https://pictures.example/odile.png"})
    plain = {row["id"] - ENTRY: row for row in toggl.get("/me/time_entries").json()}
    found = {row["id"] - ENTRY: row for row in toggl.get("/me/time_entries", meta="true").json()}
    person = {"user_name": "Odile Verkansel", "user_avatar_url": "https://pictures.example/odile.png"}
    assert {name: found[1][name] for name in found[1].keys() - plain[1].keys()} == person | {
        "project_name": "Accounts",
        "project_color": "#06aaf5",
        "project_active": True,
        "project_billable": True,
        "client_id": 501,
        "client_name": f"Mirvelle {VAT}",
    }
    # Of a project without a client, and of none, what is not there is left out.
    assert {name: found[3][name] for name in found[3].keys() - plain[3].keys()} == person | {
        "project_name": "Public",
        "project_color": "#0b83d9",
        "project_active": True,
        "project_billable": False,
    }
    assert {name: found[4][name] for name in found[4].keys() - plain[4].keys()} == person
    assert toggl.get("/me").json()["image_url"] == "https://pictures.example/odile.png"


def test_own_entries_newest_first(toggl: Toggl) -> None:
    rows = toggl.get("/me/time_entries").json()
    assert [row["id"] - ENTRY for row in rows] == [4, 3, 1, 0]
    assert rows[1] == {
        "id": ENTRY + 3,
        "workspace_id": 4001,
        "project_id": 602,
        "task_id": None,
        "billable": False,
        "start": "2026-10-14T08:00:00+00:00",
        "stop": "2026-10-14T09:00:00+00:00",
        "duration": 3600,
        "description": "Work 3",
        "tags": [],
        "tag_ids": [],
        "duronly": True,
        "at": "2026-10-14T09:00:00Z",
        "server_deleted_at": None,
        "user_id": 9001,
        "uid": 9001,
        "wid": 4001,
        "pid": 602,
    }
    assert "pid" not in rows[0]


def test_current_entry_runs_with_a_negative_duration(toggl: Toggl, control: Remote) -> None:
    current = toggl.get("/me/time_entries/current").json()
    assert (current["id"], current["stop"], current["duration"]) == (ENTRY + 4, None, -1792054800)
    control.put_entries({"id": ENTRY + 4, "stop": "2026-10-15T09:30:00Z"})
    assert toggl.get("/me/time_entries/current").text == "null"


def test_own_entries_since_hold_deleted_ones(toggl: Toggl, control: Remote) -> None:
    control.clock(NOW + timedelta(minutes=5))
    control.delete_entries(ENTRY + 1)
    rows = toggl.get("/me/time_entries", since=int(NOW.timestamp()) + 60).json()
    assert [(row["id"], row["server_deleted_at"]) for row in rows] == [(ENTRY + 1, "2026-10-15T10:05:00+00:00")]
    assert ENTRY + 1 not in [row["id"] for row in toggl.get("/me/time_entries").json()]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"since": "1760000000", "before": "2026-10-14"}, "'since' and 'before' can not be present simultaneously"),
        ({"start_date": "2026-07-14", "end_date": "2026-10-01"}, "start_date must not be earlier than 2026-07-15"),
        ({"since": "1700000000"}, "start_date must not be earlier than 2026-07-15"),
        ({"since": "yesterday"}, "Invalid since format"),
        ({"start_date": "soon", "end_date": "2026-10-01"}, "Invalid start_date format"),
    ],
)
def test_own_entries_refused(toggl: Toggl, query: dict[str, str], text: str) -> None:
    answer = toggl.get("/me/time_entries", **query)
    assert (answer.status_code, answer.json()) == (400, text)


def test_own_entries_between_dates_leave_out_the_end_day(toggl: Toggl) -> None:
    rows = toggl.get("/me/time_entries", start_date="2026-10-13", end_date="2026-10-14").json()
    assert [row["id"] - ENTRY for row in rows] == [1]
    assert [row["id"] - ENTRY for row in toggl.get("/me/time_entries", before="2026-10-13").json()] == [0]


def test_own_entries_stop_at_a_thousand(toggl: Toggl, control: Remote) -> None:
    control.put_entries(
        *(
            {"workspace_id": 4001, "user_id": 9001, "start": "2026-10-01T08:00:00Z", "stop": "2026-10-01T09:00:00Z"}
            for _ in range(1000)
        )
    )
    assert len(toggl.get("/me/time_entries").json()) == 1000


def test_unknown_path(toggl: Toggl) -> None:
    answer = toggl.get("/me/nothing", token=ADMIN)
    assert (answer.status_code, answer.json()) == (404, "Resource can not be found")
