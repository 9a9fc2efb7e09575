"""Clients, projects and tags made, changed and deleted; and what a plan lacks."""

import pytest

from integrations.sandbox.http.wire import Record
from integrations.sandbox.remote import Remote
from tests.integrations.sandbox.scene import ADMIN, ENTRY, Toggl

CLIENTS, PROJECTS, TAGS = (f"/workspaces/4001/{kind}" for kind in ("clients", "projects", "tags"))


def test_client_from_birth_to_death(toggl: Toggl) -> None:
    made = toggl.call("POST", CLIENTS, {"name": " Vlindra ", "external_reference": "88001"})
    assert made.status_code == 200
    assert made.json() == {
        "id": 503,
        "wid": 4001,
        "archived": False,
        "name": "Vlindra",
        "at": "2026-10-15T10:00:00Z",
        "creator_id": 9001,
        "external_reference": "88001",
    }
    assert toggl.call("PUT", f"{CLIENTS}/503", {"name": "Vlindra 2"}).json()["name"] == "Vlindra 2"
    assert toggl.get(f"{CLIENTS}/503").json()["external_reference"] == "88001"
    assert toggl.call("DELETE", f"{CLIENTS}/503").text == "503"
    gone = toggl.get(f"{CLIENTS}/503")
    assert (gone.status_code, gone.json()) == (404, "No client with ID 503 was found")
    assert toggl.call("PUT", f"{CLIENTS}/503", {"name": "x"}).json() == "Client doesn't exist in the workspace."


@pytest.mark.parametrize(
    ("name", "text"), [("", "Client name cannot be empty"), ("x" * 256, "Client name maximum length is 255")]
)
def test_client_that_is_refused(toggl: Toggl, name: str, text: str) -> None:
    answer = toggl.call("POST", CLIENTS, {"name": name})
    assert (answer.status_code, answer.json()) == (400, text)


def test_deleted_client_leaves_its_projects(toggl: Toggl) -> None:
    toggl.call("DELETE", f"{CLIENTS}/501")
    assert toggl.get(f"{PROJECTS}/601").json()["client_id"] is None


def test_archived_client_takes_its_projects_along(toggl: Toggl) -> None:
    assert toggl.call("POST", f"{CLIENTS}/501/archive").json() == [601]
    assert toggl.get(f"{PROJECTS}/601").json()["active"] is False
    assert [row["id"] for row in toggl.get(CLIENTS, status="archived").json()] == [501, 502]
    assert toggl.call("POST", f"{CLIENTS}/501/restore").json()["archived"] is False
    assert toggl.get(f"{PROJECTS}/601").json()["active"] is False


def test_clients_by_ids(toggl: Toggl) -> None:
    rows = toggl.call("POST", f"{CLIENTS}/data", [502, 77]).json()
    assert [row["id"] for row in rows] == [502]


def test_project_from_birth_to_death(toggl: Toggl) -> None:
    made = toggl.call("POST", PROJECTS, {"name": "Audit", "client_id": 501, "active": True, "color": "#0b83d9"}).json()
    assert (made["id"], made["client_name"], made["active"], made["color"]) == (
        603,
        "Mirvelle BE0999000129",
        True,
        "#0b83d9",
    )
    changed = toggl.call("PUT", f"{PROJECTS}/603", {"client_id": None, "is_private": False}).json()
    assert (changed["client_id"], changed["is_private"], changed["name"]) == (None, False, "Audit")
    assert toggl.call("DELETE", f"{PROJECTS}/603").text == "603"
    gone = toggl.get(f"{PROJECTS}/603")
    assert (gone.status_code, gone.json()) == (400, "Invalid project_id")


def test_project_without_active_comes_back_archived(toggl: Toggl) -> None:
    assert toggl.call("POST", PROJECTS, {"name": "Audit"}).json()["active"] is False


def test_estimate_and_periods_of_a_project(toggl: Toggl, control: Remote) -> None:
    plain = toggl.get(f"{PROJECTS}/601").json()
    assert [plain[name] for name in ("estimated_hours", "estimated_seconds", "recurring", "recurring_parameters")] == [
        None,
        None,
        False,
        None,
    ]
    made = toggl.call("POST", PROJECTS, {"name": "Audit", "estimated_hours": 5}).json()
    assert (made["estimated_hours"], made["estimated_seconds"]) == (5, 18_000)
    control.put_toggl("projects", {"id": 602, "estimated_seconds": 5400})
    assert toggl.get(f"{PROJECTS}/602").json()["estimated_seconds"] == 5400
    given = {"period": "custom", "custom_period": 14, "project_start_date": "2026-10-01"}
    changed = toggl.call("PUT", f"{PROJECTS}/602", {"recurring": True, "recurring_parameters": given}).json()
    assert changed["recurring"] is True
    assert changed["recurring_parameters"] == [given | {"parameter_start_date": "2026-10-01"}]
    for wrong in ({"period": 7}, {"period": "custom", "custom_period": "14"}):
        answer = toggl.call("PUT", f"{PROJECTS}/602", {"recurring_parameters": wrong})
        assert (answer.status_code, answer.json()) == (400, "Invalid recurring_parameters format")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"name": ""}, "Project name must be present and at most 255 characters long"),
        ({"name": "A", "client_id": 77}, "Client with the ID 77 isn't present in workspace 4001"),
        (
            {"name": "A", "color": "red"},
            "Error in validating color 'red'. Project color must be a hex value in the form of #[0-9a-f]{6}.",
        ),
    ],
)
def test_project_that_is_refused(toggl: Toggl, body: Record, text: str) -> None:
    answer = toggl.call("POST", PROJECTS, body)
    assert (answer.status_code, answer.json()) == (400, text)


@pytest.mark.parametrize(("mode", "projects"), [("unassign", [None, None, 602, None]), ("delete", [None, 602])])
def test_deleted_project_and_its_entries(toggl: Toggl, mode: str, projects: list[int | None]) -> None:
    before = {row["id"]: row["at"] for row in toggl.get("/me/time_entries").json()}
    assert toggl.call("DELETE", f"{PROJECTS}/601", teDeletionMode=mode).status_code == 200
    rows = sorted(toggl.get("/me/time_entries").json(), key=lambda row: row["id"])
    assert sorted([row["project_id"] for row in rows], key=str) == sorted(projects, key=str)
    assert all(row["at"] == before[row["id"]] for row in rows)
    assert toggl.call("DELETE", f"{PROJECTS}/602", teDeletionMode="burn").status_code == 400


def test_tag_from_birth_to_death(toggl: Toggl) -> None:
    made = toggl.call("POST", TAGS, {"name": "Paie"}).json()
    assert (made["id"], made["name"], made["creator_id"]) == (302, "Paie", 9001)
    same = toggl.call("POST", TAGS, {"name": "Paie"})
    assert (same.status_code, same.json()) == (400, "a tag with the name 'Paie' already exists")
    assert toggl.call("POST", TAGS, {"name": " "}).json() == "tag name can't be blank"
    assert toggl.call("PUT", f"{TAGS}/302", {"name": "Salaires"}).json()["name"] == "Salaires"
    assert toggl.call("DELETE", f"{TAGS}/302").status_code == 200
    gone = toggl.call("DELETE", f"{TAGS}/302")
    assert (gone.status_code, gone.json()) == (404, "Tag was not found")


def test_tag_in_a_list_by_switch(toggl: Toggl, control: Remote) -> None:
    control.switch(toggl_tag_answer="array")
    assert [row["name"] for row in toggl.call("POST", TAGS, {"name": "Paie"}).json()] == ["Paie"]


def test_renamed_and_deleted_tag_on_its_entries(toggl: Toggl) -> None:
    before = toggl.get(f"/me/time_entries/{ENTRY}").json()
    toggl.call("PUT", f"{TAGS}/301", {"name": "Comptabilité"})
    row = toggl.get(f"/me/time_entries/{ENTRY}").json()
    assert (row["tags"], row["tag_ids"], row["at"]) == (["Comptabilité"], [301], before["at"])
    toggl.call("DELETE", f"{TAGS}/301")
    row = toggl.get(f"/me/time_entries/{ENTRY}").json()
    assert (row["tags"], row["tag_ids"], row["at"]) == ([], [], before["at"])


def test_tags_searched_and_paged(toggl: Toggl) -> None:
    for name in ("Paie", "Fisc", "Paie 2"):
        toggl.call("POST", TAGS, {"name": name})
    assert [row["name"] for row in toggl.get(TAGS, search="paie").json()] == ["Paie", "Paie 2"]
    assert [row["name"] for row in toggl.get(TAGS, page=2, per_page=3).json()] == ["Paie 2"]


def test_own_dictionaries_since(toggl: Toggl) -> None:
    toggl.call("POST", TAGS, {"name": "Paie"})
    assert [row["id"] for row in toggl.get("/me/tags", since=1792058400).json()] == [302]
    assert [row["id"] for row in toggl.get("/me/projects").json()] == [601, 602]
    assert [row["id"] for row in toggl.get("/me/clients").json()] == [501, 502]


def test_projects_since(toggl: Toggl) -> None:
    toggl.call("PUT", f"{PROJECTS}/602", {"name": "Open"})
    assert [row["id"] for row in toggl.get(PROJECTS, since=1792058400).json()] == [602]


# --- plan features --------------------------------------------------------------------------------------------------

FREE = "/workspaces/4002"
NOT_IN_PLAN = "Workspace needs to have this feature enabled"


def test_custom_color_on_free(toggl: Toggl) -> None:
    answer = toggl.call("POST", f"{FREE}/projects", {"name": "A", "color": "#123456"})
    assert (answer.status_code, answer.json()) == (402, "Custom project colors available only for premium plans")
    assert int(answer.headers["X-Toggl-Quota-Remaining"]) == 29
    assert toggl.call("POST", PROJECTS, {"name": "A", "color": "#123456"}).status_code == 200


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("billable", True),
        ("rate", 5),
        ("currency", "EUR"),
        ("fixed_fee", 5),
        ("estimated_hours", 5),
        ("recurring_parameters", {"period": "monthly"}),
        ("template", True),
    ],
)
def test_paid_members_of_a_project_on_free(toggl: Toggl, member: str, value: object) -> None:
    answer = toggl.call("POST", f"{FREE}/projects", {"name": "A", member: value})
    assert (answer.status_code, answer.json()) == (402, NOT_IN_PLAN)
    assert toggl.call("POST", PROJECTS, {"name": "A", member: value}).status_code == 200
    refused = toggl.call("POST", PROJECTS, {"name": "A", member: [1]})
    assert (refused.status_code, refused.json()) == (400, f"Invalid {member} format")


def test_tasks_and_exports_and_archives_on_free(toggl: Toggl) -> None:
    toggl.call("POST", f"{FREE}/clients", {"name": "A"})
    export = f"{toggl.url}/reports/api/v3/workspace/4002/search/time_entries.csv"
    answers = [
        toggl.get(f"{FREE}/tasks"),
        toggl.call("POST", f"{FREE}/clients/503/archive"),
        toggl.session.post(export, json={"start_date": "2026-10-01"}, auth=(ADMIN, "api_token"), timeout=10),
        toggl.search(workspace=4002, start_date="2026-10-01", billable=True),
    ]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(402, NOT_IN_PLAN)] * 4
    assert toggl.get("/workspaces/4001/tasks").json() == {
        "data": [],
        "page": 1,
        "per_page": 50,
        "sort_field": "name",
        "sort_order": "ASC",
        "total_count": 0,
    }
