"""What the Toggl client asks, and how it behaves."""

from __future__ import annotations

import base64
from datetime import UTC, date, datetime
from typing import Any

import pytest

from integrations.clients import toggl
from integrations.clients.http.transport import RetryLater
from tests.integrations.answers import Scripted, Server, as_json, refusing_url
from tests.integrations.asking_toggl import (
    CALLS,
    FIRST,
    LAST,
    TOKEN,
    failure,
    make,
    only_entry,
    report_entry,
    report_row,
    without,
)

# --- what is asked --------------------------------------------------------------------------------------------------


def test_token_is_stripped_and_sent_as_basic_authentication(server: Server) -> None:
    server.will_answer(as_json([]))
    toggl.Api(url=server.url + "/", token=f" {TOKEN}\n").workspaces()
    (asked,) = server.asked
    assert asked.headers["authorization"] == "Basic " + base64.b64encode(f"{TOKEN}:api_token".encode()).decode()
    assert server.lines == ["GET /api/v9/me/workspaces"]


def test_me_reads_the_profile(server: Server) -> None:
    server.will_answer(
        as_json(
            {
                "id": 9_000_000_001,
                "api_token": TOKEN,
                "email": "ann@example.com",
                "fullname": "Ann Voorbeeld",
                "timezone": "Europe/Brussels",
                "default_workspace_id": None,
            }
        )
    )
    assert make(server).me() == toggl.Me(9_000_000_001, "ann@example.com", "Ann Voorbeeld", "Europe/Brussels", None)
    assert server.lines == ["GET /api/v9/me"]


@pytest.mark.parametrize(
    ("fields", "admin"),
    [
        ({"admin": True}, True),
        ({"admin": True, "role": "user"}, True),
        ({"admin": False}, False),
        ({"admin": False, "role": "admin"}, False),
        ({"role": "admin"}, True),
        ({"admin": None, "role": "admin"}, True),
        ({"role": "user"}, False),
        ({}, False),
    ],
)
def test_workspaces_admin_by_flag_else_by_role(server: Server, fields: dict[str, Any], admin: bool) -> None:
    server.will_answer(as_json([{"id": 4001, "organization_id": 3001, "name": "Kantoor", "premium": True, **fields}]))
    assert make(server).workspaces() == [toggl.Workspace(4001, 3001, "Kantoor", admin, True)]


def test_clients_reads_archived_ones_too(server: Server) -> None:
    server.will_answer(
        as_json([{"id": 501, "wid": 4001, "name": "Bakkerij", "archived": False}, {"id": 502, "archived": True}])
    )
    assert make(server).clients(4001) == [toggl.Client(501, "Bakkerij", False), toggl.Client(502, "", True)]
    assert server.lines == ["GET /api/v9/workspaces/4001/clients?status=both&per_page=200&page=1"]


def test_clients_pages_until_a_short_page(server: Server) -> None:
    rows = [{"id": n, "name": f"C{n}"} for n in range(1, 202)]
    server.will_answer(as_json(rows[:200]), as_json(rows[200:]))
    assert [client.id for client in make(server).clients(4001)] == list(range(1, 202))
    assert [line.rpartition("&")[2] for line in server.lines] == ["page=1", "page=2"]


def test_clients_of_a_server_without_pages_end(server: Server) -> None:
    every = as_json([{"id": n, "name": ""} for n in range(250)])
    server.will_answer(every, every)
    assert len(make(server).clients(4001)) == 250
    assert len(server.asked) == 2


def test_projects_pages_until_a_short_page(server: Server) -> None:
    rows = [{"id": n, "name": f"P{n}", "client_id": n + 1000, "active": True, "billable": None} for n in range(1, 402)]
    server.will_answer(as_json(rows[:200]), as_json(rows[200:400]), as_json(rows[400:]))
    projects = make(server).projects(4001)
    assert [project.id for project in projects] == list(range(1, 402))
    assert projects[0] == toggl.Project(1, "P1", 1001, True, None)
    assert server.lines == [
        f"GET /api/v9/workspaces/4001/projects?active=both&per_page=200&page={page}" for page in (1, 2, 3)
    ]


def test_projects_full_last_page_is_followed_by_an_empty_one(server: Server) -> None:
    server.will_answer(as_json([{"id": n, "name": ""} for n in range(200)]), Scripted(200, b"null"))
    assert len(make(server).projects(4001)) == 200


def test_projects_smaller_pages_than_asked_are_followed(server: Server) -> None:
    first = as_json([{"id": n} for n in range(151)], X_Page_Size="151")
    server.will_answer(first, as_json([{"id": 151}], X_Page_Size="151"))
    assert len(make(server).projects(4001)) == 152


def test_projects_server_without_pages_ends(server: Server) -> None:
    every = as_json([{"id": n} for n in range(250)])
    server.will_answer(every, every)
    assert len(make(server).projects(4001)) == 250
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("fields", "project"),
    [
        ({"active": False, "billable": True}, toggl.Project(7, "", None, False, True)),
        ({"cid": 12}, toggl.Project(7, "", 12, True, None)),
        ({"client_id": None, "cid": None, "billable": False}, toggl.Project(7, "", None, True, False)),
    ],
)
def test_projects_nullable_fields(server: Server, fields: dict[str, Any], project: toggl.Project) -> None:
    server.will_answer(as_json([{"id": 7, "name": None, **fields}]))
    assert make(server).projects(4001) == [project]


def test_entries_one_page(server: Server) -> None:
    server.will_answer(as_json([report_row(8_000_000_001)]))
    pages = list(make(server).entries(4001, start=FIRST, end=LAST))
    assert pages == [toggl.Page((report_entry(8_000_000_001),), last=True)]
    assert server.lines == ["POST /reports/api/v3/workspace/4001/search/time_entries"]
    assert server.asked[0].headers["content-type"] == "application/json"
    assert server.asked[0].json() == {
        "start_date": "2026-09-01",
        "end_date": "2026-09-30",
        "page_size": 1000,
        "enrich_response": True,
        "hide_amounts": True,
        "order_by": "date",
        "order_dir": "ASC",
        "rounding": 0,
        "rounding_minutes": 0,
    }


def test_entries_newest_first_orders_by_last_update(server: Server) -> None:
    server.will_answer(as_json([]))
    list(make(server).entries(4001, start=FIRST, end=LAST, newest_first=True))
    asked = server.asked[0].json()
    assert (asked["order_by"], asked["order_dir"]) == ("last_update", "DESC")


def test_entries_cursor_is_sent_whole_and_entries_come_once(server: Server) -> None:
    server.will_answer(
        as_json(
            [report_row(1), report_row(2), report_row(1)],
            X_Next_ID="8000000003",
            X_Next_Row_Number="3",
            X_Next_Timestamp="1788300000",
        ),
        as_json([report_row(2), report_row(3)], X_Next_ID="4", X_Next_Row_Number="4", X_Next_Timestamp="1788300001"),
        as_json([report_row(4)]),
    )
    api = make(server)
    pages = list(api.entries(4001, start=FIRST, end=LAST))
    assert [([entry.id for entry in page.entries], page.last) for page in pages] == [
        ([1, 2], False),
        ([3], False),
        ([4], True),
    ]
    cursors = [
        {name: value for name, value in asked.json().items() if name.startswith("first_")} for asked in server.asked
    ]
    assert cursors == [
        {},
        {"first_id": 8000000003, "first_row_number": 3, "first_timestamp": 1788300000},
        {"first_id": 4, "first_row_number": 4, "first_timestamp": 1788300001},
    ]
    assert api.calls == 3


def test_entries_are_asked_page_by_page(server: Server) -> None:
    server.will_answer(as_json([report_row(1)], X_Next_Row_Number="2"), as_json([report_row(2)]))
    pages = make(server).entries(4001, start=FIRST, end=LAST)
    assert len(server.asked) == 0
    next(pages)
    assert len(server.asked) == 1


def test_entries_cursor_that_stands_still_is_later(server: Server) -> None:
    server.will_answer(*[as_json([report_row(1)], X_Next_ID="1", X_Next_Row_Number="1")] * 5)
    with pytest.raises(RetryLater, match="the next page is one that was read before"):
        list(make(server).entries(4001, start=FIRST, end=LAST))
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("start", "end"),
    [(date(2025, 9, 1), date(2026, 9, 2)), (date(2026, 9, 2), date(2026, 9, 1)), (date(2020, 1, 1), date(2026, 1, 1))],
)
def test_report_span_that_toggl_does_not_take_sends_nothing(server: Server, start: date, end: date) -> None:
    with pytest.raises(ValueError, match="Toggl takes 1 to 366"):
        make(server).entries(4001, start=start, end=end)
    with pytest.raises(ValueError, match="Toggl takes 1 to 366"):
        make(server).total_seconds(4001, start=start, end=end)
    assert server.asked == []


@pytest.mark.parametrize(("start", "end"), [(FIRST, FIRST), (date(2025, 9, 1), date(2026, 9, 1))])
def test_report_span_of_one_and_of_366_days_is_taken(server: Server, start: date, end: date) -> None:
    server.will_answer(as_json([]))
    assert list(make(server).entries(4001, start=start, end=end)) == [toggl.Page((), last=True)]


@pytest.mark.parametrize(
    ("row", "field", "value"),
    [
        (report_row(1, project_id=None), "project_id", None),
        (report_row(1, description=""), "description", ""),
        (report_row(1, description=None), "description", ""),
        (report_row(1, tag_ids=[], tag_names=[]), "tags", ()),
        (report_row(1, tag_ids=None, tag_names=None), "tags", ()),
        (report_row(1, billable=None), "billable", False),
        (report_row(1, stop=None, seconds=-1), "stop", None),
        (report_row(1, stop=None, seconds=-1788300000), "seconds", -1788300000),
        (report_row(1, stop=None, seconds=None), "seconds", 0),
        (report_row(1, seconds=0), "seconds", 0),
        (report_row(2**53 + 1), "id", 2**53 + 1),
        (report_row(1, start="2026-09-01T00:00:00Z"), "start", datetime(2026, 9, 1, tzinfo=UTC)),
        (
            report_row(1, at="2026-09-01T00:00:00.1234Z"),
            "updated_at",
            datetime(2026, 9, 1, 0, 0, 0, 123400, tzinfo=UTC),
        ),
    ],
)
def test_entries_nullable_fields_and_spellings(server: Server, row: dict[str, Any], field: str, value: object) -> None:
    assert getattr(only_entry(server, row), field) == value


@pytest.mark.parametrize(
    "row",
    [
        17,
        [],
        "row",
        without(report_row(1), "user_id"),
        report_row(1, tag_ids="5"),
        report_row(1, tag_ids=["x"]),
        report_row(1, tag_names="Advies"),
        report_row(1, tag_names=[5]),
        report_row(1, id=None),
        report_row(1, id="abc"),
        report_row(1, id=True),
        report_row(1, seconds=None),
        report_row(1, seconds=1.5),
        report_row(1, start=None),
        report_row(1, start="yesterday"),
        report_row(1, stop="2026-09-01"),
        report_row(1, at=None),
        report_row(1, billable="yes"),
        {**report_row(1), "time_entries": {}},
        {**report_row(1), "time_entries": [None]},
    ],
)
def test_entries_row_that_cannot_be_read_is_later(server: Server, row: object) -> None:
    server.will_answer(as_json([report_row(9), row]))
    with pytest.raises(RetryLater, match="Toggl answered the time entries of workspace 4001 with something"):
        list(make(server).entries(4001, start=FIRST, end=LAST))


def test_entries_row_without_inner_entries_gives_none(server: Server) -> None:
    server.will_answer(as_json([{**report_row(1), "time_entries": None}, report_row(2)]))
    (page,) = make(server).entries(4001, start=FIRST, end=LAST)
    assert page.entries == (report_entry(2),)


def test_entries_cursor_that_is_no_number_is_later(server: Server) -> None:
    server.will_answer(as_json([report_row(1)], X_Next_ID="next"))
    with pytest.raises(RetryLater, match="X-Next-ID is not a number"):
        list(make(server).entries(4001, start=FIRST, end=LAST))


@pytest.mark.parametrize(
    ("body", "seconds"), [(b'{"seconds":3601}', 3601), (b'{"seconds":null}', 0), (b"{}", 0), (b"null", 0)]
)
def test_total_seconds_every_shape(server: Server, body: bytes, seconds: int) -> None:
    server.will_answer(Scripted(200, body))
    assert make(server).total_seconds(4001, start=FIRST, end=LAST) == seconds


@pytest.mark.parametrize(("clients", "asked"), [(None, {}), ([502, 501], {"client_ids": [501, 502]})])
def test_total_seconds_asks_for_raw_seconds(server: Server, clients: list[int] | None, asked: dict[str, Any]) -> None:
    server.will_answer(as_json({"seconds": 1}))
    make(server).total_seconds(4001, start=FIRST, end=LAST, client_ids=clients)
    assert server.lines == ["POST /reports/api/v3/workspace/4001/search/time_entries/totals"]
    assert server.asked[0].json() == {
        "start_date": "2026-09-01",
        "end_date": "2026-09-30",
        "rounding": 0,
        "rounding_minutes": 0,
        **asked,
    }


@pytest.mark.parametrize("name", ["workspaces", "clients", "projects"])
def test_null_list_is_empty(server: Server, name: str) -> None:
    server.will_answer(Scripted(200, b"null"))
    assert CALLS[name](make(server)) == []


def test_null_report_is_one_empty_page(server: Server) -> None:
    server.will_answer(Scripted(200, b"null"))
    assert list(make(server).entries(4001, start=FIRST, end=LAST)) == [toggl.Page((), last=True)]


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("body", [b"", b"17", b"true", b'"text"', b"<html></html>", b'[{"id":'])
def test_success_with_another_shape_is_later(server: Server, name: str, body: bytes) -> None:
    server.will_answer(Scripted(200, body))
    error = failure(server, name)
    assert type(error) is RetryLater
    assert "something that toggbill cannot read" in str(error)


# --- manners --------------------------------------------------------------------------------------------------------


def test_pace_is_asked_before_each_request(server: Server) -> None:
    server.will_answer(Scripted(500), as_json([]), Scripted(500), as_json([]))
    waits: list[int] = []
    api = toggl.Api(url=server.url, token=TOKEN, pace=lambda: waits.append(len(server.asked)))
    api.clients(4001)
    list(api.entries(4001, start=FIRST, end=LAST))
    assert waits == [0, 1, 2, 3]
    assert api.calls == 4


@pytest.mark.parametrize(
    "scripted",
    [
        as_json(f"token {TOKEN} is unknown", 400),
        as_json(f"token {TOKEN} lacks the feature", 402),
        Scripted(401, TOKEN.encode()),
        Scripted(200, TOKEN.encode()),
    ],
)
def test_errors_never_show_the_token(server: Server, scripted: Scripted) -> None:
    server.will_answer(scripted)
    error = failure(server, "clients")
    assert TOKEN not in f"{error} {error!r} {error.__dict__}"


def test_unreachable_toggl_is_later() -> None:
    with pytest.raises(RetryLater, match="Toggl could not be reached for the profile of the token's owner"):
        toggl.Api(url=refusing_url(), token=TOKEN).me()
