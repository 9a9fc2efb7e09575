"""Track API v9: clients, projects and tags, one by one: read, made, changed, deleted."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from integrations.sandbox.http.wire import Answer, Record, json_answer
from integrations.sandbox.toggl.access import Call, refused, router
from integrations.sandbox.toggl.events import changes_of
from integrations.sandbox.toggl.rows import CREATED, client_row, project_row, tag_row

_CLIENTS = r"/api/v9/workspaces/(\d+)/clients"
_PROJECTS = r"/api/v9/workspaces/(\d+)/projects"
_TAGS = r"/api/v9/workspaces/(\d+)/tags"
_LONGEST = 255
_COLOR = re.compile(r"#[0-9a-f]{6}")
# The fourteen colours that every plan has (others are paid; recorded: a 402).
_COLORS = frozenset(
    [
        "#0b83d9",
        "#9e5bd9",
        "#d94182",
        "#e36a00",
        "#bf7000",
        "#c7af14",
        "#d92b2b",
        "#2da608",
        "#06a893",
        "#c9806b",
        "#465bb3",
        "#990099",
        "#566614",
        "#525266",
    ]
)
# Members of a project that only paid plans have, each with the value that asks for nothing.
_PAID: dict[str, tuple[type, ...]] = {
    "billable": (bool,),
    "rate": (int, Decimal),
    "currency": (str,),
    "fixed_fee": (int, Decimal),
    "estimated_hours": (int,),
    "auto_estimates": (bool,),
    "recurring": (bool,),
    "recurring_parameters": (dict,),
    "template": (bool,),
}


def _one(call: Call, kind: str, workspace_id: int, identity: str, missing: str, status: int = 404) -> Record:
    rows: dict[int, Record] = getattr(call.store, kind)
    row = rows.get(int(identity))
    if row is None or row["workspace_id"] != workspace_id:
        raise refused(status, missing)
    return row


def _saved(call: Call, kind: str, record: Record) -> Record:
    (number,) = changes_of(call.store, call.events, kind, [record], call.cause)
    row: Record = getattr(call.store, kind)[number]
    return row


def _gone(call: Call, kind: str, row: Record) -> None:
    call.events.row(kind, "deleted", row, call.cause)
    call.store.remove(kind, row["id"])


def _text(body: Record, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str | None):
        raise refused(400, f"Invalid {name} format")
    return (value or "").strip()


# --- clients --------------------------------------------------------------------------------------------------------


def _client(call: Call, body: Record, *, new: bool) -> Record:
    record: Record = {}
    if new or "name" in body:
        record["name"] = _text(body, "name")
        if not record["name"]:
            raise refused(400, "Client name cannot be empty")
        if len(record["name"]) > _LONGEST:
            raise refused(400, f"Client name maximum length is {_LONGEST}")
    for name in ("notes", "external_reference"):
        if name in body:
            record[name] = _text(body, name) or None
    return record


@router.on("POST", _CLIENTS)
def create_client(call: Call, number: str) -> Answer:
    workspace_id = call.entered(number)
    record = _client(call, call.body(), new=True)
    return json_answer(
        client_row(_saved(call, "clients", {**record, "workspace_id": workspace_id, "creator_id": call.user["id"]}))
    )


@router.on("GET", _CLIENTS + r"/(\d+)")
def one_client(call: Call, number: str, identity: str) -> Answer:
    missing = f"No client with ID {int(identity)} was found"
    return json_answer(client_row(_one(call, "clients", call.entered(number), identity, missing)))


@router.on("PUT", _CLIENTS + r"/(\d+)")
def update_client(call: Call, number: str, identity: str) -> Answer:
    row = _one(call, "clients", call.entered(number), identity, "Client doesn't exist in the workspace.")
    return json_answer(client_row(_saved(call, "clients", {**_client(call, call.body(), new=False), "id": row["id"]})))


@router.on("DELETE", _CLIENTS + r"/(\d+)")
def delete_client(call: Call, number: str, identity: str) -> Answer:
    """Answers the bare id; the client's projects stay, without a client."""
    row = _one(call, "clients", call.entered(number), identity, f"No client with ID {int(identity)} was found")
    _gone(call, "clients", row)
    return json_answer(row["id"])


@router.on("POST", _CLIENTS + r"/(\d+)/(archive|restore)")
def archive_client(call: Call, number: str, identity: str, action: str) -> Answer:
    """Archiving is a paid feature and takes the client's projects along; restoring does not bring these back."""
    workspace_id = call.entered(number)
    row = _one(call, "clients", workspace_id, identity, f"No client with ID {int(identity)} was found")
    if call.is_free(workspace_id):
        raise refused(402, "Workspace needs to have this feature enabled")
    saved = _saved(call, "clients", {"id": row["id"], "archived": action == "archive"})
    if action == "restore":
        return json_answer(client_row(saved))
    projects = [one for one in call.store.of_workspace("projects", workspace_id) if one.get("client_id") == row["id"]]
    for project in projects:
        _saved(call, "projects", {"id": project["id"], "active": False})
    return json_answer([project["id"] for project in projects])


@router.on("POST", _CLIENTS + r"/data")
def some_clients(call: Call, number: str) -> Answer:
    workspace_id = call.entered(number)
    try:
        ids = call.request.body()
    except (ValueError, RecursionError):
        raise refused(400, "JSON is not valid") from None
    if not isinstance(ids, list):
        raise refused(400, "JSON is not valid")
    rows = call.store.of_workspace("clients", workspace_id)
    return call.listed([client_row(row) for row in rows if row["id"] in ids])


# --- projects -------------------------------------------------------------------------------------------------------


def _project(call: Call, workspace_id: int, body: Record, *, new: bool) -> Record:
    record: Record = {}
    if new or "name" in body:
        record["name"] = _text(body, "name")
        if not 0 < len(record["name"]) <= _LONGEST:
            raise refused(400, "Project name must be present and at most 255 characters long")
    if "client_id" in body or body.get("cid") is not None:
        record["client_id"] = _client_id(call, workspace_id, body.get("client_id", body.get("cid")))
    for name in ("active", "is_private"):
        if body.get(name) is not None:
            if not isinstance(body[name], bool):
                raise refused(400, f"Invalid {name} format")
            record[name] = body[name]
    if body.get("color") is not None:
        record["color"] = _color(call, workspace_id, body["color"])
    if "external_reference" in body:
        record["external_reference"] = _text(body, "external_reference") or None
    return {**record, **_paid_members(call, workspace_id, body)}


def _paid_members(call: Call, workspace_id: int, body: Record) -> Record:
    """What only paid plans have, where the body asks for it. Raises RejectedError: 402 on Free."""
    asked = {name: body[name] for name in _PAID if body.get(name)}
    for name, value in asked.items():
        if type(value) not in _PAID[name]:
            raise refused(400, f"Invalid {name} format")
    if asked and call.is_free(workspace_id):
        raise refused(402, "Workspace needs to have this feature enabled")
    if "recurring_parameters" in asked:
        asked["recurring_parameters"] = [_recurring(asked["recurring_parameters"])]
    return asked


def _recurring(given: Record) -> Record:
    """What is posted of a recurring project as it is answered: the first of its periods, which has no end yet."""
    period, custom, start = (given.get(name) for name in ("period", "custom_period", "project_start_date"))
    if not isinstance(period, str) or not isinstance(start, str | None) or type(custom) not in (int, type(None)):
        raise refused(400, "Invalid recurring_parameters format")
    days = {} if custom is None else {"custom_period": custom}
    begins = start or CREATED[:10]
    return {"period": period, **days, "project_start_date": begins, "parameter_start_date": begins}


def _client_id(call: Call, workspace_id: int, client: Any) -> int | None:
    known = call.store.clients.get(client) if type(client) is int else None
    if client is not None and (known is None or known["workspace_id"] != workspace_id):
        raise refused(400, f"Client with the ID {client} isn't present in workspace {workspace_id}")
    return known["id"] if known else None


def _color(call: Call, workspace_id: int, color: Any) -> str:
    if not isinstance(color, str) or not _COLOR.fullmatch(color):
        text = f"Error in validating color '{color}'. Project color must be a hex value in the form of #[0-9a-f]{{6}}."
        raise refused(400, text)
    if color not in _COLORS and call.is_free(workspace_id):
        raise refused(402, "Custom project colors available only for premium plans")
    return color


@router.on("POST", _PROJECTS)
def create_project(call: Call, number: str) -> Answer:
    """Without `active` the project may come back archived (recorded live)."""
    workspace_id = call.entered(number)
    record = _project(call, workspace_id, call.body(), new=True)
    record = {"active": False, "client_id": None, "is_private": True, **record, "workspace_id": workspace_id}
    return json_answer(project_row(call.store, _saved(call, "projects", record)))


@router.on("GET", _PROJECTS + r"/(\d+)")
def one_project(call: Call, number: str, identity: str) -> Answer:
    row = _one(call, "projects", call.entered(number), identity, "Invalid project_id", 400)
    return json_answer(project_row(call.store, row))


@router.on("PUT", _PROJECTS + r"/(\d+)")
def update_project(call: Call, number: str, identity: str) -> Answer:
    workspace_id = call.entered(number)
    row = _one(call, "projects", workspace_id, identity, "Invalid project_id", 400)
    record = _project(call, workspace_id, call.body(), new=False)
    return json_answer(project_row(call.store, _saved(call, "projects", {**record, "id": row["id"]})))


@router.on("DELETE", _PROJECTS + r"/(\d+)")
def delete_project(call: Call, number: str, identity: str) -> Answer:
    """`teDeletionMode` says what becomes of its entries: `delete` deletes them, `unassign` takes the project off."""
    row = _one(call, "projects", call.entered(number), identity, "Invalid project_id", 400)
    mode = call.request.query.get("teDeletionMode") or "unassign"
    if mode not in {"delete", "unassign"}:
        raise refused(400, "Invalid 'teDeletionMode' value, allowed values are: 'delete, unassign'")
    if mode == "delete":
        mine = [one for one in call.store.entries.values() if one.project_id == row["id"] and not one.deleted_at]
        call.store.delete_entries(one.id for one in mine)
        for entry in mine:
            call.events.entry("deleted", entry, call.cause)
    _gone(call, "projects", row)
    return json_answer(row["id"])


# --- tags -----------------------------------------------------------------------------------------------------------


def _tag_name(call: Call, workspace_id: int, own: int | None) -> str:
    name = _text(call.body(), "name")
    if not name:
        raise refused(400, "tag name can't be blank")
    for row in call.store.of_workspace("tags", workspace_id):
        if row["name"] == name and row["id"] != own:
            raise refused(400, f"a tag with the name '{name}' already exists")
    return name


def _tag_answer(call: Call, row: Record) -> Answer:
    """The Swagger says an array; one object is likelier. A switch decides."""
    shown = tag_row(row)
    return json_answer([shown] if call.switches["toggl_tag_answer"] == "array" else shown)


@router.on("POST", _TAGS)
def create_tag(call: Call, number: str) -> Answer:
    workspace_id = call.entered(number)
    record = {"workspace_id": workspace_id, "name": _tag_name(call, workspace_id, None), "creator_id": call.user["id"]}
    return _tag_answer(call, _saved(call, "tags", record))


@router.on("PUT", _TAGS + r"/(\d+)")
def update_tag(call: Call, number: str, identity: str) -> Answer:
    workspace_id = call.entered(number)
    row = _one(call, "tags", workspace_id, identity, "Tag was not found")
    return _tag_answer(call, _saved(call, "tags", {"id": row["id"], "name": _tag_name(call, workspace_id, row["id"])}))


@router.on("DELETE", _TAGS + r"/(\d+)")
def delete_tag(call: Call, number: str, identity: str) -> Answer:
    """The tag leaves the entries that had it; their `at` stays."""
    _gone(call, "tags", _one(call, "tags", call.entered(number), identity, "Tag was not found"))
    return json_answer("OK")
