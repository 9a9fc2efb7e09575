"""Track API v9: the time entries of the token's owner, and of nobody else."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime

from integrations.sandbox.http.wire import Answer, Record, json_answer
from integrations.sandbox.toggl.access import Call, refused, router
from integrations.sandbox.toggl.rows import entry_row
from integrations.sandbox.toggl.store import Entry

_ENTRY_CAP = 1000


def own(call: Call) -> list[Entry]:
    """The token owner's entries in all workspaces, newest start first, deleted ones left out."""
    mine = [entry for entry in call.store.entries.values() if entry.user_id == call.user["id"] and not entry.deleted_at]
    return sorted(mine, key=lambda entry: (entry.start, entry.id), reverse=True)


@router.on("GET", r"/api/v9/me/time_entries/current")
def current(call: Call) -> Answer:
    entry = next((entry for entry in own(call) if entry.running), None)
    return json_answer(_row(call, entry) if entry else None)


@router.on("GET", r"/api/v9/me/time_entries/(\d+)")
def one_entry(call: Call, number: str) -> Answer:
    entry = call.store.entries.get(int(number))
    if entry is None or entry.deleted_at or entry.user_id != call.user["id"]:
        raise refused(404, "Resource can not be found")
    return json_answer(_row(call, entry))


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
    return call.listed([_row(call, entry) for entry in rows[:_ENTRY_CAP]])


def _row(call: Call, entry: Entry) -> Record:
    return entry_row(call.store, entry, meta=call.request.query.get("meta") == "true")


def _since(call: Call, text: str) -> datetime:
    if not text.isdecimal() or len(text) > 11:
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
