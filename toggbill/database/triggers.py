"""Triggers for what no constraint can say, on PostgreSQL and SQLite: one place where all of them are registered.

A trigger is in the way of a migration: SQLite refuses to rename a rebuilt table while any trigger names it, and
PostgreSQL refuses to drop or alter a column that a trigger names. ``schema`` therefore takes all of them away at the
start of a migration and makes them anew at its end, in the migration's own transaction. ``migrate`` ends with
``install``, so that a trigger whose text changed is made anew without a migration, too.

Every name begins with ``PREFIX``. Databases of before the prefix have names made of their table's and one of
``EARLIER_ENDINGS``; both are found and taken away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

PREFIX = "toggbill_"
EARLIER_ENDINGS = {
    "postgresql": ("_row", "_all", "_fence"),
    "sqlite": ("_update", "_delete", "_replace", "_fence_insert", "_fence_update"),
}


@dataclass(frozen=True)
class Trigger:
    """A trigger and the SQL that creates it.

    ``name`` comes without the prefix. ``reads``: the columns that it names, by table, its own table among them; where
    one is absent, in a database that is half-way through its migrations, the trigger waits.
    """

    name: str
    table: str
    reads: Mapping[str, Collection[str]]
    statements: tuple[str, ...]

    def __post_init__(self) -> None:
        """PostgreSQL cuts longer names off, and would then not find them again."""
        if len(self.full_name) > 63:
            raise ValueError(f"The name of trigger {self.full_name} has more than 63 characters.")

    @property
    def full_name(self) -> str:
        """The name in the database; on PostgreSQL also that of its function."""
        return PREFIX + self.name

    @property
    def digest(self) -> str:
        """Tells whether the trigger in the database is this one."""
        return _digest(self.statements)


@dataclass(frozen=True)
class Found:
    """A trigger of ours in the database. ``function``: what it calls, "" on SQLite."""

    name: str
    table: str
    function: str
    digest: str


Maker = Callable[[str], Iterable[Trigger]]
"""Gives the triggers of one kind for a database's vendor, "postgresql" or "sqlite"."""

_makers: list[Maker] = []


def register(maker: Maker) -> Maker:
    """Have the triggers of this maker in every database; a decorator. Its module is imported by its app's ``ready``."""
    _makers.append(maker)
    return maker


def trigger(
    vendor: str,
    *,
    name: str,
    table: str,
    reads: Mapping[str, Collection[str]],
    when: str,
    refuse_if: str,
    message: str,
    each: str = "ROW",
    referencing: str = "",
    settings: str = "",
) -> Trigger:
    """A trigger that refuses a statement.

    ``when``: e.g. "BEFORE UPDATE OF status". ``refuse_if``: an SQL condition over ``NEW`` and ``OLD``, "" for always.
    ``message``: what the database answers. On PostgreSQL alone: ``each``, "ROW" or "STATEMENT"; ``referencing``: the
    tables of the statement's rows, e.g. "NEW TABLE AS new_rows"; ``settings``: what its function sets while it runs.
    """
    full_name, quoted = PREFIX + name, message.replace("'", "''")
    if vendor == "sqlite":
        condition = f"WHEN {refuse_if} " if refuse_if else ""
        body = f"BEGIN SELECT RAISE(ABORT, '{quoted}'); END"
        return Trigger(name, table, reads, (f"CREATE TRIGGER {full_name} {when} ON {table} {condition}{body}",))
    # RAISE reads % as the place of a value.
    refusal = f"RAISE EXCEPTION '{quoted.replace('%', '%%')}' USING ERRCODE = 'check_violation';"
    # Before a DELETE there is no NEW, and PostgreSQL would leave out the row for which nothing is returned.
    row = "NULL" if each == "STATEMENT" else "OLD" if when == "BEFORE DELETE" else "NEW"
    deed = f"IF {refuse_if} THEN {refusal} END IF; RETURN {row};" if refuse_if else refusal
    function = f"CREATE FUNCTION {full_name}() RETURNS trigger LANGUAGE plpgsql {settings} AS $$ BEGIN {deed} END $$"
    rows = f"REFERENCING {referencing} " if referencing else ""
    create = f"CREATE TRIGGER {full_name} {when} ON {table} {rows}FOR EACH {each} EXECUTE FUNCTION {full_name}()"
    return Trigger(name, table, reads, (function, create))


def install(connection: BaseDatabaseWrapper) -> None:
    """Have exactly today's triggers, in one transaction: those that are as they should be are left alone."""
    present, wanted = found(connection), {trigger.full_name: trigger for trigger in _wanted(connection)}
    stale = [old for old in present if old.name not in wanted or wanted[old.name].digest != old.digest]
    good = {old.name for old in present} - {old.name for old in stale}
    with transaction.atomic(using=connection.alias):
        _drop(connection, stale)
        for new in wanted.values():
            if new.full_name not in good:
                _create(connection, new)


def remove(connection: BaseDatabaseWrapper, table: str = "", *, but: tuple[str, ...] = ()) -> bool:
    """Take every trigger of ours away, or those of one table; ``but``: not those whose names begin so. Returns whether
    there was one.

    On PostgreSQL no row of the table may wait for a check at commit; ``connection.check_constraints()`` does them all.
    """
    left = tuple(PREFIX + name for name in but)
    present = [old for old in found(connection) if table in ("", old.table) and not old.name.startswith(left)]
    with transaction.atomic(using=connection.alias):
        _drop(connection, present)
    return bool(present)


def found(connection: BaseDatabaseWrapper) -> list[Found]:
    """The triggers of ours in the database, of today's code and of earlier code."""
    vendor = connection.vendor
    rows = [Found(*row) for row in _select(connection, _TRIGGERS[vendor])]
    if vendor == "sqlite":  # it keeps the statement as it was given
        rows = [Found(row.name, row.table, "", _digest((row.digest,))) for row in rows]
    return [row for row in rows if row.name.startswith(PREFIX) or _is_earlier(row, vendor)]


def _is_earlier(row: Found, vendor: str) -> bool:
    return row.name in {row.table + ending for ending in EARLIER_ENDINGS[vendor]}


def _wanted(connection: BaseDatabaseWrapper) -> list[Trigger]:
    """The registered triggers for which the database has the tables and columns."""
    columns: dict[str, set[str]] = {}
    for table, column in _select(connection, _COLUMNS[connection.vendor]):
        columns.setdefault(table, set()).add(column)
    every = [trigger for maker in _makers for trigger in maker(connection.vendor)]
    return [
        trigger
        for trigger in every
        if all(set(names) <= columns.get(table, set()) for table, names in trigger.reads.items())
    ]


def _create(connection: BaseDatabaseWrapper, new: Trigger) -> None:
    with connection.cursor() as cursor:
        for statement in new.statements:
            cursor.execute(statement)
        if connection.vendor == "postgresql":
            cursor.execute(f"COMMENT ON TRIGGER {new.full_name} ON {new.table} IS '{new.digest}'")


def _drop(connection: BaseDatabaseWrapper, old: Iterable[Found]) -> None:
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for row in old:
                cursor.execute(f"DROP TRIGGER {quote(row.name)}")
            return
        for row in old:
            cursor.execute(f"DROP TRIGGER {quote(row.name)} ON {quote(row.table)}")
        # Earlier code had one function for two triggers.
        called = {row.function for row in found(connection)}
        for function in sorted({row.function for row in old} - called):
            cursor.execute(f"DROP FUNCTION {quote(function)}()")


def _select(connection: BaseDatabaseWrapper, query: str) -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def _digest(statements: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(statements).encode()).hexdigest()


_TRIGGERS = {
    "postgresql": """
        SELECT t.tgname, c.relname, p.proname, coalesce(obj_description(t.oid, 'pg_trigger'), '')
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace ORDER BY c.relname, t.tgname
    """,
    "sqlite": "SELECT name, tbl_name, '', sql FROM sqlite_master WHERE type = 'trigger' ORDER BY tbl_name, name",
}
_COLUMNS = {
    "postgresql": """
        SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace
          AND a.attnum > 0 AND NOT a.attisdropped
    """,
    "sqlite": """
        SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'
    """,
}
