"""Moves as the database itself notes them, while verbs are at work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from invoicing.models.moves import TABLES, Table
from toggbill.firms.models import AuditEvent

# A row of a table: column, from, to, event.
Made = tuple[str, str, str, str | None]


class Recorder:
    """Notes by triggers of its own what moves; each must be declared, and its event be in the audit log."""

    def __init__(self) -> None:
        self.seen: set[Made] = set()
        with connection.cursor() as cursor:
            for statement in _recording():
                cursor.execute(statement)

    def take(self) -> None:
        """What moved since it was asked last, with the events that came along."""
        events = set(AuditEvent.objects.values_list("type", "number", "firm"))
        types = {type for type, *_ in events - getattr(self, "_events", set())}
        self._events = events
        with connection.cursor() as cursor:
            cursor.execute("SELECT DISTINCT moved_column, origin, target FROM moved")
            moved = cursor.fetchall()
            cursor.execute("DELETE FROM moved")
        for column, origin, target in moved:
            table = next(table for table in TABLES if table.column == column)
            declared = {move.event for move in table.moves if (move.origin, move.target) == (origin, target)}
            said = declared & types or declared & {None}
            assert said, f"{column} moved from {origin} to {target} without an event of {declared}: {types}"
            self.seen |= {(column, origin, target, event) for event in said}


def _recording() -> Iterator[str]:
    yield "CREATE TABLE moved (moved_column varchar(20), origin varchar(20), target varchar(20))"
    for table in TABLES:
        rows, column = table.model._meta.db_table, table.column
        notes = {
            "update": (f"UPDATE OF {column}", f"WHEN (OLD.{column} <> NEW.{column})", f"OLD.{column}"),
            "insert": ("INSERT", "", "''"),
        }
        for name, (event, when, origin) in notes.items():
            note = f"INSERT INTO moved VALUES ('{column}', {origin}, NEW.{column});"
            trigger, body = f"note_{name}_{column}", f"BEGIN {note} END"
            create = f"CREATE TRIGGER {trigger} AFTER {event} ON {rows} FOR EACH ROW {when}"
            if connection.vendor == "postgresql":
                body = body.replace(" END", " RETURN NULL; END")
                yield f"CREATE FUNCTION {trigger}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"
                yield f"{create} EXECUTE FUNCTION {trigger}()"
            else:
                yield f"{create} {body}"


def declared(*tables: Table) -> set[Made]:
    return {(table.column, move.origin, move.target, move.event) for table in tables for move in table.moves}


def of(recorder: Recorder, *tables: Table) -> set[Made]:
    """What was made of the moves of these tables."""
    return {made for made in recorder.seen if made[0] in {table.column for table in tables}}


@contextmanager
def during(
    owner: object, name: str, *, before: Callable[[], object] | None = None, after: Callable[[], object] | None = None
) -> Iterator[None]:
    """The first call of a method takes so long that others get ahead of it, before it does its work or after."""
    original = getattr(owner, name)
    left = [before, after]

    def slow(*args: Any, **keywords: Any) -> Any:
        first, last = left
        left[:] = [None, None]
        if first is not None:
            first()
        answer = original(*args, **keywords)
        if last is not None:
            last()
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, slow)
        yield
    assert left == [None, None], f"{name} was not called"
