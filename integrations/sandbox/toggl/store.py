"""What Toggl holds: organisations, people, workspaces, clients, projects, tags and time entries."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.sandbox.http.clock import Clock, moment, zulu
from integrations.sandbox.http.wire import Record
from integrations.sandbox.toggl.listings import Listings
from integrations.sandbox.worlds.hours import Hours

KINDS = ("organizations", "users", "workspaces", "clients", "projects", "tags")


@dataclass(slots=True)
class Entry:
    """One time entry in aware UTC; `stop` is None while it runs, `duration` (seconds) overrides stop less start."""

    id: int
    workspace_id: int
    user_id: int
    project_id: int | None
    description: str
    billable: bool
    tags: list[str]
    start: datetime
    stop: datetime | None
    at: datetime
    deleted_at: datetime | None = None
    duration: int | None = None

    @property
    def seconds(self) -> int:
        """Toggl's duration: negative, -(unix start), while the entry runs."""
        if self.duration is not None:
            return self.duration
        if self.stop is None:
            return -int(self.start.timestamp())
        return int((self.stop - self.start).total_seconds())

    @property
    def running(self) -> bool:
        return self.stop is None or self.seconds < 0

    def record(self) -> Record:
        return {
            "id": self.id,
            "workspace_id": self.workspace_id,
            "user_id": self.user_id,
            "project_id": self.project_id,
            "description": self.description,
            "billable": self.billable,
            "tags": list(self.tags),
            "start": zulu(self.start),
            "stop": zulu(self.stop) if self.stop else None,
            "at": zulu(self.at),
            "server_deleted_at": zulu(self.deleted_at) if self.deleted_at else None,
            "duration": self.duration,
        }


class Store:
    """Everything of one imitation of Toggl, built from the "toggl" part of a world. Ids are the keys."""

    def __init__(self, world: Record, clock: Clock) -> None:
        self.clock = clock
        self.organizations: dict[int, Record] = {}
        self.users: dict[int, Record] = {}
        self.workspaces: dict[int, Record] = {}
        self.clients: dict[int, Record] = {}
        self.projects: dict[int, Record] = {}
        self.tags: dict[int, Record] = {}
        self.entries: dict[int, Entry] = {}
        self.listings: Listings[list[list[Entry]]] = Listings()
        for kind in KINDS:
            rows: dict[int, Record] = getattr(self, kind)
            rows.update({int(row["id"]): dict(row) for row in world.get(kind, [])})
        self.subscriptions: dict[int, Record] = {
            int(row["subscription_id"]): dict(row) for row in world.get("subscriptions", [])
        }
        self._tag_ids = {(row["workspace_id"], row["name"]): number for number, row in self.tags.items()}
        entries = world.get("entries", [])
        if isinstance(entries, Hours):
            self._draw(entries)
        else:
            self.put_entries(entries, touch=False)

    def _draw(self, hours: Hours) -> None:
        """Entries of a generated world, without a record of each in between: up to a million."""
        # So many objects that all stay would be counted over and over by the collector.
        gc.disable()
        try:
            for number, hour in hours.hours():
                self.entries[number] = entry = Entry(
                    number,
                    hours.workspace_id,
                    hour.user_id,
                    hour.project_id,
                    hour.description,
                    hour.billable,
                    list(hour.tags),
                    hour.start,
                    hour.stop,
                    hour.stop or hour.start,
                )
                self._know_tags(entry)
        finally:
            gc.enable()
        gc.freeze()

    def world(self) -> Record:
        """The "toggl" part of a world that would build this store again."""
        parts: Record = {kind: list(getattr(self, kind).values()) for kind in KINDS}
        if self.subscriptions:
            parts["subscriptions"] = list(self.subscriptions.values())
        parts["entries"] = [entry.record() for entry in self.entries.values()]
        return parts

    # --- who may see what -------------------------------------------------------------------------------------------

    def membership(self, user: Record, workspace_id: int) -> Record | None:
        """The user's row of the workspace ({"id", "admin"}), None for a user who is not in it."""
        return next((row for row in user.get("workspaces", []) if row["id"] == workspace_id), None)

    def plan(self, organization_id: int) -> str:
        return str(self.organizations.get(organization_id, {}).get("plan", "free"))

    # --- reading ----------------------------------------------------------------------------------------------------

    def of_workspace(self, kind: str, workspace_id: int) -> list[Record]:
        rows: dict[int, Record] = getattr(self, kind)
        return [row for row in rows.values() if row["workspace_id"] == workspace_id]

    def tag_ids(self, entry: Entry) -> list[int]:
        return [self._tag_ids[entry.workspace_id, name] for name in entry.tags]

    # --- writing ----------------------------------------------------------------------------------------------------

    def put(self, kind: str, records: Iterable[Record]) -> list[int]:
        """Creates or merges rows by id; a row without an id gets the next one. `at` is the clock's time."""
        rows: dict[int, Record] = getattr(self, kind)
        self.listings.forget()
        ids = []
        for record in records:
            number = int(record.get("id") or max(rows, default=0) + 1)
            row = rows.setdefault(number, {"id": number})
            if kind == "tags" and row.get("name") not in {None, record.get("name", row.get("name"))}:
                self._rename_tag(row, record["name"])
            row.update(record, id=number, at=record.get("at", zulu(self.clock.now())))
            if kind == "tags":
                self._tag_ids[row["workspace_id"], row["name"]] = number
            ids.append(number)
        return ids

    def remove(self, kind: str, number: int) -> None:
        """Takes a client, project or tag away for good. What pointed at it points at nothing; no `at` changes."""
        rows: dict[int, Record] = getattr(self, kind)
        row = rows.pop(number)
        self.listings.forget()
        if kind == "clients":
            for project in self.projects.values():
                if project.get("client_id") == number:
                    project["client_id"] = None
        elif kind == "projects":
            for entry in self.entries.values():
                if entry.project_id == number:
                    entry.project_id = None
        elif kind == "tags":
            self._tag_ids.pop((row["workspace_id"], row["name"]), None)
            for entry in self.entries.values():
                if entry.workspace_id == row["workspace_id"] and row["name"] in entry.tags:
                    entry.tags = [tag for tag in entry.tags if tag != row["name"]]

    def _rename_tag(self, row: Record, name: str) -> None:
        # The entries point at the tag, not at its name; their own `at` stays as it is.
        self._tag_ids.pop((row["workspace_id"], row["name"]), None)
        for entry in self.entries.values():
            if entry.workspace_id == row["workspace_id"]:
                entry.tags = [name if tag == row["name"] else tag for tag in entry.tags]

    def put_entries(self, records: Iterable[Record], *, touch: bool = True) -> list[int]:
        """Creates or merges entries by id. With `touch`, `at` becomes the clock's time unless it is given.
        Raises KeyError when a new entry lacks its workspace, user or start; nothing is changed then."""
        records = list(records)
        self.listings.forget()
        for record in records:
            if record.get("id") not in self.entries:
                for name in ("workspace_id", "user_id", "start"):
                    if name not in record:
                        raise KeyError(name)
        return [self._put_entry(record, touch=touch) for record in records]

    def _put_entry(self, record: Record, *, touch: bool) -> int:
        number = int(record.get("id") or max(self.entries, default=0) + 1)
        entry = self.entries.get(number)
        if entry is None:
            start = moment(record["start"])
            entry = Entry(
                id=number,
                workspace_id=int(record["workspace_id"]),
                user_id=int(record["user_id"]),
                project_id=None,
                description="",
                billable=False,
                tags=[],
                start=start,
                stop=None,
                at=start,
            )
            self.entries[number] = entry
        for name in ("workspace_id", "user_id", "project_id", "description", "billable", "duration"):
            if name in record:
                setattr(entry, name, record[name])
        entry.description = entry.description or ""
        if "tags" in record:
            entry.tags = list(record["tags"] or [])
        if {"tags", "workspace_id"} & record.keys():
            # One that moves has the tags of these names where it goes.
            self._know_tags(entry)
        for name, key in (("start", "start"), ("stop", "stop"), ("deleted_at", "server_deleted_at")):
            if key in record:
                setattr(entry, name, moment(record[key]) if record[key] else None)
        if "at" in record:
            entry.at = moment(record["at"])
        elif touch:
            entry.at = self.clock.now()
        elif entry.stop:
            entry.at = entry.stop
        return number

    def _know_tags(self, entry: Entry) -> None:
        for name in entry.tags:
            if (entry.workspace_id, name) not in self._tag_ids:
                number = max(self.tags, default=0) + 1
                self.tags[number] = {"id": number, "workspace_id": entry.workspace_id, "name": name}
                self._tag_ids[entry.workspace_id, name] = number

    def delete_entries(self, ids: Iterable[int]) -> list[int]:
        """Marks entries deleted now; they vanish from Reports. Gives the ids that existed."""
        now = self.clock.now()
        self.listings.forget()
        gone = []
        for number in ids:
            if entry := self.entries.get(int(number)):
                entry.deleted_at = entry.at = now
                gone.append(entry.id)
        return gone

    def project(self, entry: Entry) -> Record | None:
        return self.projects.get(entry.project_id) if entry.project_id is not None else None

    def client_of(self, project: Record | None) -> Record | None:
        number: Any = project.get("client_id") if project else None
        return self.clients.get(number) if number is not None else None
