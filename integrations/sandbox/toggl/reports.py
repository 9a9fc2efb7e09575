"""Reports API v3: the detailed search with its cursors, the totals of a window, and the people of a workspace."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from integrations.sandbox.http.wire import Answer, Record, dumps, json_answer
from integrations.sandbox.toggl.access import Call, refused, router
from integrations.sandbox.toggl.store import Entry
from integrations.sandbox.toggl.visibility import visibility

_DEFAULT_PAGE = 50
_LONGEST_SPAN = 366
_ROUNDING_MINUTES = (0, 1, 5, 6, 10, 12, 15, 30, 60, 240)
_EARLIEST, _LATEST = date(2006, 1, 1), date(2030, 1, 1)
_OF_THE_PAGE = frozenset({"page_size", "first_id", "first_row_number", "first_timestamp"})
_PATH = r"/reports/api/v3/workspace/(\d+)/search"


@dataclass(frozen=True, slots=True)
class Window:
    """The days of a report, both included, in the token user's time zone."""

    start: date
    end: date
    zone: ZoneInfo
    last_days: int = 1  # 0: the last day is left out (by switch)

    def bounds(self) -> tuple[datetime, datetime]:
        first = datetime.combine(self.start, time(), self.zone)
        after = datetime.combine(self.end + timedelta(days=self.last_days), time(), self.zone)
        return first.astimezone(UTC), after.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Rounding:
    """Toggl's report rounding: direction 0 nearest, 1 up, -1 down; 0 minutes = exact."""

    direction: int
    minutes: int

    def apply(self, seconds: int) -> int:
        step = self.minutes * 60
        if step == 0 or seconds < 0:
            return seconds
        if self.direction == 1:
            return -(-seconds // step) * step
        if self.direction == -1:
            return seconds // step * step
        return (2 * seconds + step) // (2 * step) * step


@router.on("POST", _PATH + r"/time_entries")
def search(call: Call, number: str) -> Answer:
    workspace_id, body = _asked(call, number)
    window = _window(call, body)
    rounding = _rounding(call, workspace_id, body)
    size = _page_size(call, body)
    groups = call.store.listings.get(
        _asked_for(call, workspace_id, body, window), lambda: _groups(call, workspace_id, body, window)
    )
    headers = {
        "X-Page-Size": str(size),
        "X-Range-Start": window.start.isoformat(),
        "X-Range-End": window.end.isoformat(),
        "Vary": "Accept-Encoding",
    }
    begin = _position(body, groups)
    part = groups[begin : begin + size]
    following = groups[begin + size : begin + size + 1]
    if following:
        first = following[0][0]
        headers["X-Next-ID"] = str(first.id)
        headers["X-Next-Row-Number"] = str(begin + size + 1)
        headers["X-Next-Timestamp"] = str(int(first.start.timestamp()))
    enrich, zone = _flag(body, "enrich_response"), ZoneInfo(call.user["timezone"])
    rows = [_row(call, group, begin + index + 1, zone, rounding, enrich=enrich) for index, group in enumerate(part)]
    return call.listed(rows, headers)


@router.on("POST", _PATH + r"/time_entries/totals")
def totals(call: Call, number: str) -> Answer:
    workspace_id, body = _asked(call, number)
    window = _window(call, body)
    rounding = _rounding(call, workspace_id, body)
    # A timer that runs has no duration yet: it adds nothing to a total.
    stopped = [entry for entry in _matching(call, workspace_id, body, window) if not entry.running]
    days = {entry.start.astimezone(window.zone).date() for entry in stopped}
    return json_answer(
        {
            "seconds": sum(rounding.apply(entry.seconds) for entry in stopped),
            "billable_amount_in_cents": None,
            "labour_cost_in_cents": None,
            "rates": [],
            "tracked_days": len(days),
            "graph": [],
        }
    )


@router.on("POST", _PATH + r"/users")
def users(call: Call, number: str) -> Answer:
    workspace_id, body = _asked(call, number)
    ids, first = _ids(body, "ids"), _positive(body, "start", 1)
    rows = [
        {
            "id": user["id"],
            "fullname": user["fullname"],
            "email": user["email"],
            "active": True,
            "deactivated": False,
            "avatar": "",
            "workspace_user_id": user["id"],
            "deleted_at": None,
        }
        for user in sorted(call.store.users.values(), key=lambda user: int(user["id"]))
        if call.store.membership(user, workspace_id) and (ids is None or user["id"] in ids) and user["id"] >= first
    ]
    return call.listed(rows[:100])


def _asked(call: Call, number: str) -> tuple[int, Record]:
    """The workspace and the body. Raises RejectedError: 403 for a workspace of others, 400 without any parameter."""
    if call.membership(int(number)) is None:
        raise refused(403, "Workspace not found/accessible")
    body = call.body()
    if not any(value is not None for value in body.values()):
        raise refused(400, "At least one parameter must be set")
    if body.get("billable") is not None and call.is_free(int(number)):
        raise refused(402, "Workspace needs to have this feature enabled")
    return int(number), body


# --- the parameters -------------------------------------------------------------------------------------------------


def _flag(body: Record, name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise refused(400, f"Invalid {name} format")
    return bool(value)


def _positive(body: Record, name: str, default: int) -> int:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise refused(400, f"Invalid {name} format")
    return value


def _page_size(call: Call, body: Record) -> int:
    """Rows of a page; what happens above the limit, and where that lies, is not documented."""
    size, largest = _positive(body, "page_size", _DEFAULT_PAGE), int(call.switches["toggl_largest_page"])
    if size > largest and call.switches["toggl_page_size_over"] == "refuse":
        raise refused(400, f"Invalid 'page_size' value, allowed values are: '1..{largest}'")
    return min(size, largest)


def _day(body: Record, name: str) -> date | None:
    value = body.get(name)
    if value is None:
        return None
    try:
        day = date.fromisoformat(str(value))
    except ValueError:
        raise refused(400, f"Invalid {name} format") from None
    if not _EARLIEST <= day <= _LATEST:
        raise refused(400, f"Invalid '{name}' value, allowed values are: '{_EARLIEST}..{_LATEST}'")
    return day


def _window(call: Call, body: Record) -> Window:
    """Without dates the last seven days; with a start alone the seven days from it (recorded live)."""
    zone = ZoneInfo("UTC" if call.switches["toggl_day_zone"] == "utc" else call.user["timezone"])
    start, end = _day(body, "start_date"), _day(body, "end_date")
    if start is None:
        end = end or call.clock.now().astimezone(zone).date()
        start = end - timedelta(days=6)
    elif end is None:
        end = start + timedelta(days=6)
    if end < start:
        raise refused(400, "end_date must be greater than or equal to start_date")
    if (end - start).days + 1 > _LONGEST_SPAN:
        raise refused(400, "The maximum allowed date range is 366 days")
    days = 0 if call.switches["toggl_end_date"] == "excluded" else 1
    return Window(start, end, zone, days)


def _rounding(call: Call, workspace_id: int, body: Record) -> Rounding:
    workspace = call.store.workspaces[workspace_id]
    preferences = call.user.get("preferences") or {}
    direction = body.get("rounding")
    minutes = body.get("rounding_minutes")
    if direction is None:
        direction = preferences.get("rounding", workspace.get("rounding", 1))
    if minutes is None:
        minutes = preferences.get("rounding_minutes", workspace.get("rounding_minutes", 0))
    if direction not in {-1, 0, 1}:
        raise refused(400, "Invalid 'rounding' value, allowed values are: '-1, 0, 1'")
    if minutes not in _ROUNDING_MINUTES:
        allowed = ", ".join(str(value) for value in _ROUNDING_MINUTES)
        raise refused(400, f"Invalid 'rounding_minutes' value, allowed values are: '{allowed}'")
    return Rounding(int(direction), int(minutes))


def _ids(body: Record, name: str) -> frozenset[int | None] | None:
    values = body.get(name)
    if values is None:
        return None
    if not isinstance(values, list) or not all(value is None or type(value) is int for value in values):
        raise refused(400, f"Invalid {name} format")
    return frozenset(values) or None


# --- the rows -------------------------------------------------------------------------------------------------------


def _matching(call: Call, workspace_id: int, body: Record, window: Window) -> list[Entry]:
    first, after = window.bounds()
    meets = _filters(call, body)
    visible = visibility(call.store, call.user, workspace_id)
    return [
        entry
        for entry in call.store.entries.values()
        if entry.workspace_id == workspace_id
        and entry.deleted_at is None
        and first <= entry.start < after
        and visible(entry)
        and (call.switches["toggl_running_in_reports"] or not entry.running)
        and all(condition(entry) for condition in meets)
    ]


def _filters(call: Call, body: Record) -> list[Callable[[Entry], bool]]:
    store = call.store
    conditions: list[Callable[[Entry], bool]] = []

    def client_id(entry: Entry) -> int | None:
        project = store.project(entry)
        return project.get("client_id") if project else None

    single: dict[str, Callable[[Entry], int | None]] = {
        "client_ids": client_id,
        "project_ids": lambda entry: entry.project_id,
        "task_ids": lambda entry: None,
        "user_ids": lambda entry: entry.user_id,
        "time_entry_ids": lambda entry: entry.id,
    }
    for name, read in single.items():
        wanted = _ids(body, name)
        if wanted is not None:
            conditions.append(_one_of(read, wanted))
    tag_ids = _ids(body, "tag_ids")
    if tag_ids is not None:
        conditions.append(lambda entry: not tag_ids.isdisjoint(store.tag_ids(entry) or (None,)))
    if body.get("billable") is not None:
        billable = _flag(body, "billable")
        conditions.append(lambda entry: entry.billable == billable)
    if body.get("description") is not None:
        text = str(body["description"]).casefold()
        conditions.append(lambda entry: text in entry.description.casefold())
    if body.get("min_duration_seconds") is not None:
        least = _positive(body, "min_duration_seconds", 0)
        conditions.append(lambda entry: entry.seconds >= least)
    if body.get("max_duration_seconds") is not None:
        most = _positive(body, "max_duration_seconds", 0)
        conditions.append(lambda entry: entry.seconds <= most)
    return conditions


def _one_of(read: Callable[[Entry], int | None], wanted: frozenset[int | None]) -> Callable[[Entry], bool]:
    return lambda entry: read(entry) in wanted


def _ordered(call: Call, body: Record, entries: list[Entry]) -> list[Entry]:
    order = body.get("order_by") or "date"
    direction = str(body.get("order_dir") or "ASC").upper()
    keys: dict[str, Callable[[Entry], Any]] = {
        "date": lambda entry: entry.start,
        "user": lambda entry: call.store.users[entry.user_id]["fullname"].casefold(),
        "duration": lambda entry: entry.seconds,
        "description": lambda entry: entry.description.casefold(),
        "last_update": lambda entry: entry.at,
    }
    if order not in keys:
        raise refused(400, f"Invalid 'order_by' value, allowed values are: '{', '.join(keys)}'")
    if direction not in {"ASC", "DESC"}:
        raise refused(400, "Invalid 'order_dir' value, allowed values are: 'ASC, DESC'")
    key = keys[order]
    return sorted(entries, key=lambda entry: (key(entry), entry.id), reverse=direction == "DESC")


def _asked_for(call: Call, workspace_id: int, body: Record, window: Window) -> Hashable:
    """All on which the rows and their order depend, so the page that is asked for is left out."""
    filters = {name: value for name, value in body.items() if name not in _OF_THE_PAGE}
    return call.user["id"], workspace_id, window, tuple(call.switches.values.values()), dumps(filters)


def _groups(call: Call, workspace_id: int, body: Record, window: Window) -> list[list[Entry]]:
    entries = _ordered(call, body, _matching(call, workspace_id, body, window))
    return _grouped(entries) if _flag(body, "grouped") else [[entry] for entry in entries]


def _grouped(entries: list[Entry]) -> list[list[Entry]]:
    groups: dict[tuple[Any, ...], list[Entry]] = {}
    for entry in entries:
        key = (entry.user_id, entry.project_id, entry.description, entry.billable, tuple(sorted(entry.tags)))
        groups.setdefault(key, []).append(entry)
    return list(groups.values())


def _position(body: Record, groups: list[list[Entry]]) -> int:
    """Where the page begins: at the row of first_id while it is there, else at the row number alone."""
    first_id = body.get("first_id")
    if first_id is not None:
        expected = _positive(body, "first_row_number", 1) - 1
        if expected < len(groups) and groups[expected][0].id == first_id:
            return expected
        for index, group in enumerate(groups):
            if group[0].id == first_id:
                return index
    return _positive(body, "first_row_number", 1) - 1


def _row(
    call: Call, group: list[Entry], number: int, zone: ZoneInfo, rounding: Rounding, *, enrich: bool
) -> dict[str, Any]:
    entry = group[0]
    user = call.store.users[entry.user_id]
    row: dict[str, Any] = {
        "user_id": entry.user_id,
        "username": user["fullname"],
        "project_id": entry.project_id,
        "task_id": None,
        "billable": entry.billable,
        "description": entry.description,
        "tag_ids": call.store.tag_ids(entry),
        "billable_amount_in_cents": None,
        "hourly_rate_in_cents": None,
        "currency": "EUR",
        "time_entries": [_inner(call, inner, zone, rounding) for inner in group],
        "row_number": number,
    }
    if enrich:
        project = call.store.project(entry)
        client = call.store.client_of(project)
        row.update(
            project_name=project["name"] if project else "",
            project_color="0" if project else "",
            project_hex="#0b83d9" if project else "",
            client_name=client["name"] if client else "",
            task_name="",
            tag_names=list(entry.tags),
            email=user["email"],
        )
    return row


def _inner(call: Call, entry: Entry, zone: ZoneInfo, rounding: Rounding) -> Record:
    seconds = rounding.apply(entry.seconds)
    if entry.running and call.switches["toggl_running_seconds"] == "elapsed":
        seconds = int((call.clock.now() - entry.start).total_seconds())
    at = entry.at.replace(microsecond=0)
    return {
        "id": entry.id,
        "seconds": seconds,
        "start": entry.start.astimezone(zone).isoformat(),
        "stop": entry.stop.astimezone(zone).isoformat() if entry.stop else None,
        "at": at.isoformat(),
        "at_tz": at.astimezone(zone).isoformat(),
    }
