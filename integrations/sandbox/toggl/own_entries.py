"""Track API v9: the time entries of the token's owner, and of nobody else."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime
from typing import Any

from integrations.sandbox.clock import zulu
from integrations.sandbox.toggl.access import Call, refused, router
from integrations.sandbox.toggl.store import Entry
from integrations.sandbox.wire import Answer, Record, json_answer

_ENTRY_CAP = 1000


def own(call: Call) -> list[Entry]:
    """The token owner's entries in all his workspaces, newest start first, deleted ones left out."""
    mine = [entry for entry in call.store.entries.values() if entry.user_id == call.user["id"] and not entry.deleted_at]
    return sorted(mine, key=lambda entry: (entry.start, entry.id), reverse=True)


@router.on("GET", r"/api/v9/me/time_entries/current")
def current(call: Call) -> Answer:
    entry = next((entry for entry in own(call) if entry.running), None)
    return json_answer(entry_row(call, entry) if entry else None)


@router.on("GET", r"/api/v9/me/time_entries/(\d+)")
def one_entry(call: Call, number: str) -> Answer:
    entry = call.store.entries.get(int(number))
    if entry is None or entry.deleted_at or entry.user_id != call.user["id"]:
        raise refused(404, "Resource can not be found")
    return json_answer(entry_row(call, entry))


@router.on("GET", r"/api/v9/me/time_entries")
def own_entries(call: Call) -> Answer:
    query = call.request.query
    if "since" in query and "before" in query:
        raise refused(400, "'since' and 'before' can not be present simultaneously")
    if ("start_date" in query) != ("end_date" in query):
        raise refused(400, "both start_date and end_date must be present")
    if "since" in query:
        since = _since(call, query["since"])
        rows = [
            entry
            for entry in call.store.entries.values()
            if entry.user_id == call.user["id"] and entry.at >= since  # deleted ones too
        ]
        rows.sort(key=lambda entry: (entry.start, entry.id), reverse=True)
    elif "start_date" in query:
        start, end = (_instant(query[name], name) for name in ("start_date", "end_date"))
        _above_floor(call, start)
        rows = [entry for entry in own(call) if start <= entry.start < end]
    elif "before" in query:
        before = _instant(query["before"], "before")
        _above_floor(call, before)
        floor = _floor(call)
        rows = [entry for entry in own(call) if entry.start < before and entry.start.date() >= floor]
    else:
        floor = _floor(call)
        rows = [entry for entry in own(call) if entry.start.date() >= floor]
    return call.listed([entry_row(call, entry) for entry in rows[:_ENTRY_CAP]])


def _since(call: Call, text: str) -> datetime:
    if not text.isdigit():
        raise refused(400, "Invalid since format")
    since = datetime.fromtimestamp(int(text), UTC)
    _above_floor(call, since)
    return since


def _instant(text: str, name: str) -> datetime:
    """A bare date means midnight (Toggl docs: tracking)."""
    try:
        value = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise refused(400, f"Invalid {name} format") from None
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _floor(call: Call) -> date:
    """Three calendar months back (recorded: exactly three months is still accepted)."""
    today = call.clock.now().date()
    year, month = (today.year, today.month - 3) if today.month > 3 else (today.year - 1, today.month + 9)
    return date(year, month, min(today.day, calendar.monthrange(year, month)[1]))


def _above_floor(call: Call, value: datetime) -> None:
    floor = _floor(call)
    if value.date() < floor:
        raise refused(400, f"start_date must not be earlier than {floor.isoformat()}")


def entry_row(call: Call, entry: Entry) -> Record:
    """The v9 time entry object; times of GET answers carry `+00:00`, `at` carries `Z` (recorded live)."""
    row: dict[str, Any] = {
        "id": entry.id,
        "workspace_id": entry.workspace_id,
        "project_id": entry.project_id,
        "task_id": None,
        "billable": entry.billable,
        "start": entry.start.isoformat(),
        "stop": entry.stop.isoformat() if entry.stop else None,
        "duration": entry.seconds,
        "description": entry.description,
        "tags": entry.tags,
        "tag_ids": call.store.tag_ids(entry),
        "duronly": True,
        "at": zulu(entry.at),
        "server_deleted_at": entry.deleted_at.replace(microsecond=0).isoformat() if entry.deleted_at else None,
        "user_id": entry.user_id,
        "uid": entry.user_id,
        "wid": entry.workspace_id,
    }
    if entry.project_id is not None:
        row["pid"] = entry.project_id
    if call.request.query.get("meta") == "true":
        project = call.store.project(entry)
        client = call.store.client_of(project)
        row["user_name"] = call.store.users[entry.user_id]["fullname"]
        if project:
            row.update(project_name=project["name"], project_active=bool(project.get("active", True)))
        if client:
            row["client_name"] = client["name"]
    return row
