"""The Toggl client against scripted answers: every method, a row of a report, and how it is made."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from integrations.clients import toggl
from integrations.clients.http.transport import ServiceError
from integrations.clients.toggl import Quota
from tests.integrations.answers import Server, as_json

TOKEN = "0123456789abcdef0123456789abcdef"
FIRST, LAST = date(2026, 9, 1), date(2026, 9, 30)

Method = Callable[[toggl.Api], object]
CALLS: dict[str, Method] = {
    "me": lambda api: api.me(),
    "workspaces": lambda api: api.workspaces(),
    "clients": lambda api: api.clients(4001),
    "projects": lambda api: api.projects(4001),
    "entries": lambda api: list(api.entries(4001, start=FIRST, end=LAST)),
    "total": lambda api: api.total_seconds(4001, start=FIRST, end=LAST),
}
ABOUT_ME = ("me", "workspaces")
ABOUT_A_WORKSPACE = ("clients", "projects", "entries", "total")


def make(server: Server, observe: Callable[[Quota], None] | None = None) -> toggl.Api:
    return toggl.Api(url=server.url, token=TOKEN, observe=observe, timeout=(2.0, 5.0))


def failure(server: Server, name: str) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        CALLS[name](make(server))
    return caught.value


def report_row(entry_id: int, **changes: Any) -> dict[str, Any]:
    inner = {
        "id": entry_id,
        "seconds": 5400,
        "start": "2026-09-01T01:30:00+02:00",
        "stop": "2026-09-01T03:00:00+02:00",
        "at": "2026-09-02T08:00:00+00:00",
        "at_tz": "2026-09-02T10:00:00+02:00",
    }
    inner.update({name: changes.pop(name) for name in list(changes) if name in inner})
    return {
        "user_id": 9_000_000_001,
        "username": "Ann Voorbeeld",
        "project_id": 77,
        "task_id": None,
        "billable": True,
        "description": "Aangifte",
        "tag_ids": [5, 6],
        "tag_names": ["Advies", "btw "],
        "billable_amount_in_cents": None,
        "hourly_rate_in_cents": None,
        "currency": "EUR",
        "row_number": 1,
        **changes,
        "time_entries": [inner],
    }


def report_entry(entry_id: int) -> toggl.Entry:
    return toggl.Entry(
        id=entry_id,
        user_id=9_000_000_001,
        user_name="Ann Voorbeeld",
        project_id=77,
        description="Aangifte",
        billable=True,
        tags=("Advies", "btw "),
        seconds=5400,
        start=datetime(2026, 8, 31, 23, 30, tzinfo=UTC),
        stop=datetime(2026, 9, 1, 1, 0, tzinfo=UTC),
        updated_at=datetime(2026, 9, 2, 8, 0, tzinfo=UTC),
    )


def only_entry(server: Server, row: dict[str, Any]) -> toggl.Entry:
    server.will_answer(as_json([row]))
    ((entry,),) = [page.entries for page in make(server).entries(4001, start=FIRST, end=LAST)]
    return entry


def without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}
