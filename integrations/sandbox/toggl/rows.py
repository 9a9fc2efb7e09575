"""The objects of Track v9 as its answers and its webhooks show them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from integrations.sandbox.http.clock import zulu
from integrations.sandbox.http.wire import Record
from integrations.sandbox.toggl.store import Entry, Store

CREATED = "2024-01-08T09:00:00Z"
COLOR = "#0b83d9"
_AVATAR = "https://assets.track.toggl.com/images/profile.png"


def entry_row(store: Store, entry: Entry, *, meta: bool = False) -> Record:
    """A time entry as a GET answers it: its times carry `+00:00`, `at` carries `Z` (recorded live)."""
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
        "tag_ids": store.tag_ids(entry),
        "duronly": True,
        "at": zulu(entry.at),
        "server_deleted_at": entry.deleted_at.replace(microsecond=0).isoformat() if entry.deleted_at else None,
        "user_id": entry.user_id,
        "uid": entry.user_id,
        "wid": entry.workspace_id,
    }
    if entry.project_id is not None:
        row["pid"] = entry.project_id
    if meta:
        project = store.project(entry)
        client = store.client_of(project)
        user = store.users[entry.user_id]
        row.update(user_name=user["fullname"], user_avatar_url=avatar(user))
        if project:
            row.update(
                project_name=project["name"],
                project_color=project.get("color", COLOR),
                project_active=bool(project.get("active", True)),
                project_billable=bool(project.get("billable")),
            )
        if client:
            row.update(client_id=client["id"], client_name=client["name"])
    return row


def avatar(user: Record) -> str:
    """The address of a person's picture; who has none has that of the service."""
    return str(user.get("image_url") or _AVATAR)


def written_entry_row(store: Store, entry: Entry) -> Record:
    """A time entry as POST, PUT, stop and webhooks show it: times with `Z`, no tags are null."""
    row = entry_row(store, entry)
    row["start"] = _seconds(entry.start)
    row["stop"] = _seconds(entry.stop) if entry.stop else None
    if entry.deleted_at:
        row["server_deleted_at"] = _seconds(entry.deleted_at)
    if not entry.tags:
        row["tags"] = row["tag_ids"] = None
    return row


def _seconds(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def client_row(row: Record) -> Record:
    shown = {
        "id": row["id"],
        "wid": row["workspace_id"],
        "archived": bool(row.get("archived")),
        "name": row["name"],
        "at": row.get("at", CREATED),
        "creator_id": row.get("creator_id", 0),
    }
    optional = {name: row[name] for name in ("notes", "external_reference") if row.get(name) is not None}
    return {**shown, **optional}


def project_row(store: Store, row: Record) -> Record:
    client = store.client_of(row)
    shown: Record = {
        "id": row["id"],
        "workspace_id": row["workspace_id"],
        "client_id": row.get("client_id"),
        "client_name": client["name"] if client else None,
        "name": row["name"],
        "is_private": bool(row.get("is_private")),
        "active": bool(row.get("active", True)),
        "at": row.get("at", CREATED),
        "created_at": CREATED,
        "server_deleted_at": row.get("server_deleted_at"),
        "color": row.get("color", COLOR),
        "billable": row.get("billable"),
        "template": None,
        "auto_estimates": None,
        "estimated_hours": row.get("estimated_hours"),
        "estimated_seconds": _estimated_seconds(row),
        "rate": row.get("rate"),
        "rate_last_updated": None,
        "currency": row.get("currency"),
        "recurring": bool(row.get("recurring")),
        "recurring_parameters": row.get("recurring_parameters"),
        "fixed_fee": row.get("fixed_fee"),
        "actual_hours": None,
        "actual_seconds": None,
        "can_track_time": True,
        "start_date": row.get("start_date", "2024-01-08"),
        "status": "active" if row.get("active", True) else "archived",
        "wid": row["workspace_id"],
        "cid": row.get("client_id"),
        "pinned": False,
    }
    if row.get("external_reference") is not None:
        shown["external_reference"] = row["external_reference"]
    return shown


def _estimated_seconds(row: Record) -> int | None:
    """What was estimated, of old in whole hours."""
    seconds, hours = row.get("estimated_seconds"), row.get("estimated_hours")
    return seconds if seconds is not None or hours is None else hours * 3600


def tag_row(row: Record) -> Record:
    shown = {
        "id": row["id"],
        "workspace_id": row["workspace_id"],
        "name": row["name"],
        "at": row.get("at", CREATED),
        "creator_id": row.get("creator_id", 0),
    }
    return {**shown, "deleted_at": row["deleted_at"]} if row.get("deleted_at") else shown
