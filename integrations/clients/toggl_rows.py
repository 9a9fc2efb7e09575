"""What Toggl answers, as records of ours. Pure: each reader raises `Unreadable` for what cannot be meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.clients.http.answers import Row, Unreadable
from integrations.clients.http.failures import Detail


@dataclass(frozen=True, slots=True)
class Me:
    """The owner of the token. `timezone` is an IANA name and bounds the days of their reports."""

    id: int
    email: str
    fullname: str
    timezone: str
    default_workspace_id: int | None


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace of the owner. Only an `admin` sees the entries of all members (Toggl support: access-rights)."""

    id: int
    organization_id: int
    name: str
    admin: bool
    premium: bool


@dataclass(frozen=True, slots=True)
class Client:
    """A Toggl client, which is a customer only by the mapping of a dossier."""

    id: int
    name: str
    archived: bool


@dataclass(frozen=True, slots=True)
class Project:
    """`billable` is None where the plan knows no such flag, `estimated_seconds` where nothing is estimated, or no plan
    to do so."""

    id: int
    name: str
    client_id: int | None
    active: bool
    billable: bool | None
    estimated_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One time entry. `seconds` is raw, as Toggl has it; negative, or `stop` None, while it runs. Moments in UTC."""

    id: int
    user_id: int
    user_name: str
    project_id: int | None
    description: str
    billable: bool
    tags: tuple[str, ...]
    seconds: int
    start: datetime
    stop: datetime | None
    updated_at: datetime


def workspace(row: Row) -> Workspace:
    admin = row.flag("admin")
    return Workspace(
        id=row.integer("id"),
        organization_id=row.integer("organization_id"),
        name=row.text("name"),
        admin=row.text("role") == "admin" if admin is None else admin,
        premium=row.flag("premium") is True,
    )


def project(row: Row) -> Project:
    client_id = row.integer_or_none("client_id")
    return Project(
        id=row.integer("id"),
        name=row.text("name"),
        client_id=row.integer_or_none("cid") if client_id is None else client_id,
        active=row.flag("active") is not False,
        billable=row.flag("billable"),
        estimated_seconds=row.integer_or_none("estimated_seconds"),
    )


class TagNames:
    """The names of a row's tags: as the enriched row gives them, else looked up by their ids, once per reading.

    No answer of Toggl with names in it is on record; without them tags would be lost in silence, and hours billed as
    the wrong product.
    """

    def __init__(self, read: Callable[[], dict[int, str]]) -> None:
        self._read = read
        self._known: dict[int, str] | None = None

    def of(self, row: Row) -> tuple[str, ...]:
        """Raises `Unreadable` when an id has no name."""
        ids, names = row.integers("tag_ids"), row.texts("tag_names")
        if len(names) >= len(ids):
            return names
        if self._known is None:
            self._known = self._read()
        if unknown := [tag for tag in ids if tag not in self._known]:
            raise Unreadable(Detail.NAMELESS_TAG, id=unknown[0])
        return tuple(self._known[tag] for tag in ids)


def entries(value: Any, tags: TagNames) -> Iterator[Entry]:
    """The entries of one row of a report (Toggl docs: reports/detailed_reports). Raises `Unreadable`."""
    row = Row(value, what="row")
    names = tags.of(row)
    if not row.has("time_entries"):
        # Such a row would pass for deleted entries.
        raise Unreadable(Detail.MISSING, field="row.time_entries")
    for inner in row.rows("time_entries"):
        stop = inner.moment_or_none("stop")
        seconds = inner.integer_or_none("seconds")
        if seconds is None and stop is not None:
            raise Unreadable(Detail.MISSING, field="row.time_entries.seconds")
        yield Entry(
            id=inner.integer("id"),
            user_id=row.integer("user_id"),
            user_name=row.text("username"),
            project_id=row.integer_or_none("project_id"),
            description=row.text("description"),
            billable=row.flag("billable") is True,
            tags=names,
            seconds=seconds or 0,
            start=inner.moment("start"),
            stop=stop,
            updated_at=inner.moment("at"),
        )
