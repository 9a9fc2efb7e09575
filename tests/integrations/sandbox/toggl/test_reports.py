"""Reports v3: rows, ranges, cursors, filters, and who sees what."""

from datetime import timedelta
from typing import Any

import pytest

from integrations.sandbox.http.switches import DEFAULTS
from integrations.sandbox.remote import Remote
from tests.integrations.sandbox.scene import ADMIN, ENTRY, MEMBER, NOW, Toggl

MONTH: dict[str, Any] = {"start_date": "2026-10-01", "end_date": "2026-10-31"}


def offsets(rows: Any) -> list[int]:
    return [row["time_entries"][0]["id"] - ENTRY for row in rows or []]


def test_row_of_one_entry(toggl: Toggl) -> None:
    rows = toggl.search(**MONTH, enrich_response=True).json()
    assert offsets(rows) == [0, 1, 2, 3, 4]
    assert rows[1] == {
        "user_id": 9001,
        "username": "Odile Verkansel",
        "project_id": 601,
        "task_id": None,
        "billable": True,
        "description": "Work 1",
        "tag_ids": [301],
        "billable_amount_in_cents": None,
        "hourly_rate_in_cents": None,
        "currency": "EUR",
        "time_entries": [
            {
                "id": ENTRY + 1,
                "seconds": 3030,
                "start": "2026-10-13T10:00:00+02:00",
                "stop": "2026-10-13T10:50:30+02:00",
                "at": "2026-10-13T08:50:30+00:00",
                "at_tz": "2026-10-13T10:50:30+02:00",
            }
        ],
        "row_number": 2,
        "project_name": "Accounts",
        "project_color": "0",
        "project_hex": "#0b83d9",
        "client_name": "Mirvelle BE0999000129",
        "task_name": "",
        "tag_names": ["Compta"],
        "email": "user9001@example.com",
    }


def test_row_without_enrichment_has_no_names(toggl: Toggl) -> None:
    row = toggl.search(**MONTH).json()[1]
    assert "tag_names" not in row
    assert "client_name" not in row


def test_days_are_those_of_the_token_user(toggl: Toggl, control: Remote) -> None:
    # 22:30 UTC on the 12th is the 13th in Brussels.
    assert offsets(toggl.search(start_date="2026-10-13", end_date="2026-10-13").json()) == [0, 1, 2]
    assert offsets(toggl.search(start_date="2026-10-12", end_date="2026-10-12").json()) == []
    control.put_toggl("users", {"id": 9001, "timezone": "UTC"})
    assert offsets(toggl.search(start_date="2026-10-12", end_date="2026-10-12").json()) == [0]


@pytest.mark.parametrize(
    ("body", "range_"),
    [
        ({"start_date": "2026-10-13"}, ("2026-10-13", "2026-10-19")),
        ({"page_size": 10}, ("2026-10-09", "2026-10-15")),
        ({"end_date": "2026-10-14"}, ("2026-10-08", "2026-10-14")),
    ],
)
def test_default_range_is_seven_days(toggl: Toggl, body: dict[str, Any], range_: tuple[str, str]) -> None:
    answer = toggl.search(**body)
    assert (answer.headers["X-Range-Start"], answer.headers["X-Range-End"]) == range_


def test_pages_follow_the_cursor(toggl: Toggl) -> None:
    first = toggl.search(**MONTH, page_size=2)
    assert offsets(first.json()) == [0, 1]
    assert first.headers["X-Next-ID"] == str(ENTRY + 2)
    assert first.headers["X-Next-Row-Number"] == "3"
    assert first.headers["X-Next-Timestamp"] == "1791882000"
    cursor: dict[str, Any] = {"first_id": ENTRY + 2, "first_row_number": 3, "first_timestamp": 1791882000}
    second = toggl.search(**MONTH, page_size=3, **cursor)
    assert [row["row_number"] for row in second.json()] == [3, 4, 5]
    # The last page is exactly full and still has no cursor (recorded live).
    assert not [name for name in second.headers if name.startswith("X-Next")]


def test_cursor_by_row_number_alone(toggl: Toggl) -> None:
    assert offsets(toggl.search(**MONTH, page_size=2, first_row_number=3).json()) == [2, 3]


def test_cursor_holds_when_an_earlier_entry_vanishes(toggl: Toggl, control: Remote) -> None:
    control.delete_entries(ENTRY)
    cursor: dict[str, Any] = {"first_id": ENTRY + 2, "first_row_number": 3}
    assert offsets(toggl.search(**MONTH, page_size=2, **cursor).json()) == [2, 3]


def test_page_size_defaults_to_50_and_ends_at_1000(toggl: Toggl, control: Remote) -> None:
    control.put_entries(
        *(
            {"workspace_id": 4001, "user_id": 9001, "start": "2026-10-01T08:00:00Z", "stop": "2026-10-01T09:00:00Z"}
            for _ in range(1100)
        )
    )
    default = toggl.search(**MONTH)
    assert (len(default.json()), default.headers["X-Page-Size"]) == (50, "50")
    clamped = toggl.search(**MONTH, page_size=5000)
    assert (len(clamped.json()), clamped.headers["X-Page-Size"]) == (1000, "1000")


def test_newest_change_first(toggl: Toggl, control: Remote) -> None:
    control.clock(NOW + timedelta(minutes=1))
    control.put_entries({"id": ENTRY + 1, "description": "Changed"})
    rows = toggl.search(**MONTH, order_by="last_update", order_dir="DESC").json()
    assert offsets(rows)[0] == 1
    assert rows[0]["time_entries"][0]["at"] == "2026-10-15T10:01:00+00:00"


def test_a_change_may_leave_the_time_of_change_alone(toggl: Toggl, control: Remote) -> None:
    control.put_entries({"id": ENTRY + 1, "tags": [], "at": "2026-10-13T08:50:30Z"})
    row = toggl.search(**MONTH, time_entry_ids=[ENTRY + 1], enrich_response=True).json()[0]
    assert (row["tag_names"], row["time_entries"][0]["at"]) == ([], "2026-10-13T08:50:30+00:00")


def test_a_renamed_tag_changes_the_names_but_not_the_entries(toggl: Toggl, control: Remote) -> None:
    control.put_toggl("tags", {"id": 301, "name": "Comptabilité"})
    row = toggl.search(**MONTH, time_entry_ids=[ENTRY + 1], enrich_response=True).json()[0]
    assert (row["tag_ids"], row["tag_names"]) == ([301], ["Comptabilité"])
    assert row["time_entries"][0]["at"] == "2026-10-13T08:50:30+00:00"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"client_ids": [501]}, [0, 1, 2]),
        ({"client_ids": [None]}, [3, 4]),
        ({"project_ids": [602]}, [3]),
        ({"project_ids": [None]}, [4]),
        ({"project_ids": [602, None]}, [3, 4]),
        ({"tag_ids": [301]}, [0, 1]),
        ({"tag_ids": [None]}, [2, 3, 4]),
        ({"user_ids": [9002]}, [2]),
        ({"time_entry_ids": [ENTRY, ENTRY + 3]}, [0, 3]),
        ({"billable": False}, [3]),
        ({"description": "work 2"}, [2]),
        ({"min_duration_seconds": 3600}, [0, 2, 3]),
    ],
)
def test_filters(toggl: Toggl, filters: dict[str, Any], expected: list[int]) -> None:
    assert offsets(toggl.search(**MONTH, **filters).json()) == expected


def test_deleted_entries_vanish(toggl: Toggl, control: Remote) -> None:
    control.delete_entries(ENTRY + 1)
    assert offsets(toggl.search(**MONTH).json()) == [0, 2, 3, 4]


def test_running_entry(toggl: Toggl, control: Remote) -> None:
    running = toggl.search(**MONTH, project_ids=[None]).json()[0]["time_entries"][0]
    assert (running["stop"], running["seconds"]) == (None, -1792054800)
    control.switch(toggl_running_seconds="elapsed")
    assert toggl.search(**MONTH, project_ids=[None]).json()[0]["time_entries"][0]["seconds"] == 3600
    # As nobody has seen otherwise, a report has none.
    control.switch(toggl_running_in_reports=DEFAULTS["toggl_running_in_reports"])
    assert offsets(toggl.search(**MONTH).json()) == [0, 1, 2, 3]


def test_rounding_comes_from_the_preferences_unless_sent(toggl: Toggl, control: Remote) -> None:
    control.put_toggl("users", {"id": 9001, "preferences": {"rounding": 1, "rounding_minutes": 15}})
    only: dict[str, Any] = {"time_entry_ids": [ENTRY + 1]}
    assert toggl.search(**MONTH, **only).json()[0]["time_entries"][0]["seconds"] == 3600
    assert toggl.search(**MONTH, **only, rounding_minutes=0).json()[0]["time_entries"][0]["seconds"] == 3030
    assert toggl.search(**MONTH, **only, rounding=-1).json()[0]["time_entries"][0]["seconds"] == 2700


def test_grouped_rows_hold_several_entries(toggl: Toggl, control: Remote) -> None:
    control.put_entries({"id": ENTRY + 1, "description": "Work 0"})
    rows = toggl.search(**MONTH, grouped=True).json()
    assert [[entry["id"] - ENTRY for entry in row["time_entries"]] for row in rows] == [[0, 1], [2], [3], [4]]


def test_totals_count_what_is_stopped(toggl: Toggl) -> None:
    answer = toggl.search(path="/totals", **MONTH).json()
    assert (answer["seconds"], answer["tracked_days"]) == (3600 + 3030 + 3600 + 3600, 2)
    assert toggl.search(path="/totals", **MONTH, client_ids=[501]).json()["seconds"] == 3600 + 3030 + 3600


def test_member_sees_a_part_and_is_not_told(toggl: Toggl, control: Remote) -> None:
    answer = toggl.search(token=MEMBER, **MONTH)
    assert (answer.status_code, offsets(answer.json())) == (200, [2, 3])
    control.put_toggl("workspaces", {"id": 4001, "limit_public_project_data": True})
    assert offsets(toggl.search(token=MEMBER, **MONTH).json()) == [2]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "At least one parameter must be set"),
        ({"start_date": "2026-10-32"}, "Invalid start_date format"),
        ({"start_date": "2025-10-01", "end_date": "2026-10-02"}, "The maximum allowed date range is 366 days"),
        ({"page_size": 0}, "Invalid page_size format"),
        ({"project_ids": ["601"]}, "Invalid project_ids format"),
    ],
)
def test_bad_parameters(toggl: Toggl, body: dict[str, Any], text: str) -> None:
    answer = toggl.search(**body)
    assert (answer.status_code, answer.json()) == (400, text)


def test_a_span_of_366_days_is_accepted(toggl: Toggl) -> None:
    assert toggl.search(start_date="2025-10-16", end_date="2026-10-16").status_code == 200


def test_workspace_of_others(toggl: Toggl) -> None:
    answer = toggl.search(token=MEMBER, workspace=4002, **MONTH)
    assert (answer.status_code, answer.json()) == (403, "Workspace not found/accessible")


def test_billable_filter_is_a_paid_feature(toggl: Toggl) -> None:
    answer = toggl.search(workspace=4002, **MONTH, billable=True)
    assert (answer.status_code, answer.json()) == (402, "Workspace needs to have this feature enabled")
    assert answer.headers["X-Toggl-Quota-Remaining"] == "29"


def test_people_of_a_workspace(toggl: Toggl) -> None:
    url = f"{toggl.url}/reports/api/v3/workspace/4001/search/users"
    rows = toggl.session.post(url, json={"ids": [9002]}, auth=(ADMIN, "api_token"), timeout=10).json()
    assert [(row["id"], row["fullname"]) for row in rows] == [(9002, "Lieke Bremstra")]
