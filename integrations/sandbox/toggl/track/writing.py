"""Track API v9: time entries written, one by one and in bulk."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.sandbox.http.clock import moment, zulu
from integrations.sandbox.http.wire import Answer, Record, RejectedError, json_answer, loads
from integrations.sandbox.toggl.access import Call, refused, router
from integrations.sandbox.toggl.rows import written_entry_row
from integrations.sandbox.toggl.store import Entry

_PATH = r"/api/v9/workspaces/(\d+)/time_entries"
_MOST = 100
_JSON = {"Content-Type": "application/json; charset=utf-8"}
_TIMES = ("start", "stop", "duration")
_ALIASES = {"pid": "project_id", "uid": "user_id"}
_PATCHED = frozenset(
    ["description", "billable", "duration", "start", "stop", "project_id", "tags", "tag_ids", "user_id"]
)


@router.on("POST", _PATH)
def create(call: Call, number: str) -> Answer:
    """An entry that is stopped, or runs (duration -1); with neither stop nor duration it has zero seconds."""
    workspace_id, body = call.entered(number), _plain(call.body())
    if body.get("workspace_id") is None and body.get("wid") is None:
        raise refused(403, "Missing or invalid workspace_id")
    if not str(body.get("created_with") or "").strip():
        raise refused(400, "created_with needs to be provided an a valid string")
    if body.get("start") is None:
        raise refused(400, "start needs to be provided")
    record = _record(call, workspace_id, body, None)
    record.update(workspace_id=workspace_id, user_id=record.get("user_id", call.user["id"]))
    _may(call, workspace_id, record["user_id"])
    entry = _put(call, record, "created")
    row = written_entry_row(call.store, entry)
    if body.get("duration") is not None and body["duration"] < 0:
        row["duration"] = body["duration"]
    if body.get("duration") is None and body.get("stop") is None:
        row["stop"] = None  # recorded: later reads show stop = start
    return json_answer(row)


@router.on("PUT", _PATH + r"/(\d+)")
def update(call: Call, number: str, identity: str) -> Answer:
    entry = _found(call, call.entered(number), int(identity))
    record = _record(call, entry.workspace_id, _plain(call.body()), entry)
    return json_answer(written_entry_row(call.store, _put(call, {**record, "id": entry.id}, "updated")))


@router.on("PATCH", _PATH + r"/(\d+)/stop")
def stop(call: Call, number: str, identity: str) -> Answer:
    entry = _found(call, call.entered(number), int(identity))
    if not entry.running:
        raise refused(409, "Time entry already stopped")
    now = call.clock.now().replace(microsecond=0)
    record = {"id": entry.id, "stop": zulu(max(now, entry.start)), "duration": None}
    return json_answer(written_entry_row(call.store, _put(call, record, "updated")))


@router.on("DELETE", _PATH + r"/(\d+)")
def delete(call: Call, number: str, identity: str) -> Answer:
    """200 with an empty body, and yet a JSON content type (recorded live)."""
    entry = _found(call, call.entered(number), int(identity))
    call.store.delete_entries([entry.id])
    call.events.entry("deleted", entry, call.cause)
    return Answer(200, headers=dict(_JSON))


@router.on("PATCH", _PATH + r"/(\d+(?:,\d+)*)")
def patch_many(call: Call, number: str, identities: str) -> Answer:
    """Each record for itself, no transaction: 200 with {"success": [ids], "failure": [{id, message}]}."""
    workspace_id = call.entered(number)
    ids = list(dict.fromkeys(int(text) for text in identities.split(",")))
    if len(ids) > _MOST:
        raise refused(400, f"The maximum of {_MOST} time entries has been exceeded")
    operations = _operations(call)
    done: list[int] = []
    failed: list[Record] = []
    for identity in ids:
        try:
            entry = _found(call, workspace_id, identity)
            record = _patched(call, entry, operations)
            _put(call, {**record, "id": entry.id}, "updated")
        except RejectedError as rejected:
            failed.append({"id": identity, "message": loads(rejected.answer.content)})
        else:
            done.append(identity)
    return json_answer({"success": done, "failure": failed})


def _operations(call: Call) -> list[Record]:
    try:
        body = call.request.body()
    except (ValueError, RecursionError):
        raise refused(400, "JSON is not valid") from None
    if not isinstance(body, list) or not body or not all(isinstance(item, dict) for item in body):
        raise refused(400, "JSON is not valid")
    for item in body:
        if str(item.get("op")) not in {"add", "remove", "replace"}:
            raise refused(400, f"Invalid op '{item.get('op')}'")
        name = str(item.get("path") or "").strip("/")
        item["path"] = _ALIASES.get(name, name)
        if item["path"] not in _PATCHED:
            raise refused(400, f"Invalid path '{item.get('path')}'")
    return body


def _patched(call: Call, entry: Entry, operations: list[Record]) -> Record:
    """One entry's changes; for tags `add` and `remove` keep the others, `replace` overwrites."""
    body: Record = {}
    tags = list(entry.tags)
    for item in operations:
        name, value = item["path"], item.get("value")
        if name not in {"tags", "tag_ids"}:
            body[name] = None if item["op"] == "remove" else value
            continue
        named = _tag_names(call, entry.workspace_id, {name: value})
        tags = _merged(tags, named, {"add": "add", "remove": "delete", "replace": "replace"}[item["op"]])
        body["tags"] = tags
    return _record(call, entry.workspace_id, {**body, "tag_action": "replace"}, entry)


# --- what a body says -----------------------------------------------------------------------------------------------


def _plain(body: Record) -> Record:
    """The body with today's names for the old ones."""
    plain = {name: value for name, value in body.items() if name not in _ALIASES}
    for old, new in _ALIASES.items():
        if body.get(old) is not None:
            plain.setdefault(new, body[old])
    return plain


def _found(call: Call, workspace_id: int, identity: int) -> Entry:
    entry = call.store.entries.get(identity)
    if entry is None or entry.deleted_at or entry.workspace_id != workspace_id:
        raise refused(404, "Time entry not found")
    _may(call, workspace_id, entry.user_id)
    # A guess: locked periods are known to refuse changes, in words that nobody recorded.
    if zulu(entry.start)[:10] < call.switches["toggl_locked_before"]:
        raise refused(403, "Time entry is locked")
    return entry


def _may(call: Call, workspace_id: int, user_id: int) -> None:
    """Everybody writes their own entries, an admin those of all members."""
    if user_id == call.user["id"]:
        return
    if not call.is_admin(workspace_id) or not call.switches["toggl_admin_edits_others"]:
        raise refused(403, "User does not have access to this resource.")
    owner = call.store.users.get(user_id)
    if owner is None or call.store.membership(owner, workspace_id) is None:
        raise refused(400, "Invalid user_id")


def _record(call: Call, workspace_id: int, body: Record, entry: Entry | None) -> Record:
    """The store's record of what the body changes. Raises RejectedError with what is wrong."""
    record: Record = {}
    if "description" in body:
        record["description"] = _text(body, "description")
    if "billable" in body:
        if not isinstance(body["billable"], bool | None):
            raise refused(400, "Invalid billable format")
        # Marking billable is a paid feature; on Free it stays false without a word.
        record["billable"] = bool(body["billable"]) and not call.is_free(workspace_id)
    if "project_id" in body:
        project = call.store.projects.get(_whole(body, "project_id") or 0)
        if body["project_id"] is not None and (project is None or project["workspace_id"] != workspace_id):
            raise refused(400, "Invalid project_id")
        record["project_id"] = project["id"] if project else None
    if body.get("user_id") is not None:
        record["user_id"] = _whole(body, "user_id")
        _may(call, workspace_id, int(record["user_id"]))
    if "tags" in body or "tag_ids" in body:
        action = body.get("tag_action") or (call.switches["toggl_put_tags"] if entry else "replace")
        if action == "remove" and call.switches["toggl_tag_action_remove"] == "delete":
            action = "delete"
        if not isinstance(action, str) or action not in {"add", "delete", "replace"}:
            raise refused(400, "Invalid tag_action")
        named = _tag_names(call, workspace_id, body)
        record["tags"] = _merged(entry.tags if entry else [], named, action)
    if any(name in body for name in _TIMES):
        record.update(_times(body, entry))
    return record


def _merged(tags: list[str], named: list[str], action: str) -> list[str]:
    if action == "replace":
        return named
    if action == "delete":
        return [tag for tag in tags if tag not in named]
    return [*tags, *(tag for tag in named if tag not in tags)]


def _tag_names(call: Call, workspace_id: int, body: Record) -> list[str]:
    """Names of tags, those of `tag_ids` among them; a name that is not known yet is a new tag."""
    names, ids = body.get("tags") or [], body.get("tag_ids") or []
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
        raise refused(400, "Invalid tags format")
    if not isinstance(ids, list):
        raise refused(400, "Invalid tag_ids format")
    for number in ids:
        tag = call.store.tags.get(number) if type(number) is int else None
        if tag is None or tag["workspace_id"] != workspace_id:
            raise refused(400, "Invalid tag_ids")
        names = [*names, tag["name"]]
    return list(dict.fromkeys(names))


def _text(body: Record, name: str) -> str:
    value = body[name]
    if not isinstance(value, str | None) or len(value or "") > 3000:
        raise refused(400, f"Invalid {name} format")
    return value or ""


def _whole(body: Record, name: str) -> int | None:
    value = body[name]
    if value is not None and type(value) is not int:
        raise refused(400, f"Invalid {name} format")
    return value


_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def _instant(body: Record, name: str) -> datetime | None:
    """RFC3339 with seconds and a zone; its fraction is cut."""
    value = body[name]
    if value is None:
        return None
    if not isinstance(value, str) or not _DATE_TIME.fullmatch(value):
        raise refused(400, f"Invalid {name} format")
    try:
        found = moment(value).astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        raise refused(400, f"Invalid {name} format") from None
    if not 2006 <= found.year <= 2100:  # the Swagger of Reports names 2006 as the first year
        raise refused(400, f"Invalid {name} format")
    return found


def _times(body: Record, entry: Entry | None) -> Record:
    """Start, stop and seconds must agree; a negative duration makes the entry run."""
    start = _instant(body, "start") if "start" in body else None
    start = start or (entry.start if entry else None)
    if start is None:
        raise refused(400, "Invalid start format")
    given_stop = _instant(body, "stop") if "stop" in body else None
    seconds: Any = _whole(body, "duration") if "duration" in body else None
    if seconds is not None and seconds < 0:
        if given_stop is not None:
            raise refused(400, "Stop and duration do not agree")
        return {"start": zulu(start), "stop": None, "duration": None}
    if seconds is not None and given_stop is not None and (given_stop - start).total_seconds() != seconds:
        raise refused(400, "Stop and duration do not agree")
    if given_stop is None and seconds is not None:
        try:
            given_stop = start + timedelta(seconds=seconds)
        except OverflowError:
            raise refused(400, "Invalid duration format") from None
    if given_stop is None:
        running = entry is not None and entry.running
        given_stop = None if running else (entry.stop if entry else start)
    if given_stop is not None and given_stop < start:
        raise refused(400, "Stop time must be after start time")
    return {"start": zulu(start), "stop": zulu(given_stop) if given_stop else None, "duration": None}


def _put(call: Call, record: Record, action: str) -> Entry:
    (number,) = call.store.put_entries([record])
    entry = call.store.entries[number]
    call.events.entry(action, entry, call.cause)
    return entry
