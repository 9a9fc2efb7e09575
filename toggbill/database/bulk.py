"""Writing many rows at once.

PostgreSQL takes them by COPY, which costs a fraction of an INSERT with a parameter for each value; what may stand
already goes through a temporary table. SQLite, and a few rows anywhere, take the ORM's ``bulk_create``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from operator import attrgetter
from typing import Any

from django.db import connection, models, transaction
from psycopg import sql
from psycopg.types.json import Jsonb

_BATCH = 1000
# Below this, what COPY saves is less than the statements around it cost.
_FEW = 50


def insert(rows: Sequence[models.Model]) -> None:
    """Insert new rows of one model. They get no primary key: for rows that nobody asks for afterwards.

    Raises ``IntegrityError`` as ``bulk_create`` does; then the transaction has to be rolled back.
    """
    if not rows:
        return
    model = type(rows[0])
    if connection.vendor != "postgresql" or len(rows) < _FEW:
        model._default_manager.bulk_create(rows, batch_size=_BATCH)
        return
    columns = _columns(model)
    with transaction.atomic(savepoint=False):
        _copy(sql.Identifier(model._meta.db_table), list(columns), _values(columns, rows))


def upsert(rows: Sequence[models.Model], *, unique: Sequence[str], update: Sequence[str]) -> None:
    """Insert rows of one model, or bring the ``update`` fields of the row up to date that has the same ``unique`` ones.

    On PostgreSQL a row that says the same already is not written. No two of ``rows`` have the same ``unique`` fields;
    they are written in the order given, so that two writers with one order never wait for each other. Raises
    ``IntegrityError`` as ``bulk_create`` does; then the transaction has to be rolled back.
    """
    if not rows:
        return
    model = type(rows[0])
    if connection.vendor != "postgresql" or len(rows) < _FEW:
        model._default_manager.bulk_create(
            rows, batch_size=_BATCH, update_conflicts=True, unique_fields=unique, update_fields=update
        )
        return
    columns = _columns(model)
    target, waiting = sql.Identifier(model._meta.db_table), sql.Identifier(f"bulk_{model._meta.db_table}")
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        names = _list(sql.Identifier(column) for column in columns)
        make = sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT 0 AS bulk_position, {} FROM {} WITH NO DATA")
        cursor.execute(make.format(waiting, names, target).as_string())
        numbered = ((position, *values) for position, values in zip(count(), _values(columns, rows), strict=False))
        _copy(waiting, ["bulk_position", *columns], numbered)
        cursor.execute(_merge(model, target, waiting, names, unique=unique, update=update).as_string())
        cursor.execute(sql.SQL("DROP TABLE {}").format(waiting).as_string())


def _merge(
    model: type[models.Model],
    target: sql.Identifier,
    waiting: sql.Identifier,
    names: sql.Composed,
    *,
    unique: Sequence[str],
    update: Sequence[str],
) -> sql.Composed:
    columns = {field.name: str(field.column) for field in model._meta.local_concrete_fields}
    changed = [columns[name] for name in update]
    merge = sql.SQL(
        "INSERT INTO {target} ({names}) SELECT {names} FROM {waiting} ORDER BY bulk_position "
        "ON CONFLICT ({unique}) DO UPDATE SET {assigned} WHERE ({standing}) IS DISTINCT FROM ({given})"
    )
    return merge.format(
        target=target,
        names=names,
        waiting=waiting,
        unique=_list(sql.Identifier(columns[name]) for name in unique),
        assigned=_list(sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(column)) for column in changed),
        standing=_list(sql.Identifier(model._meta.db_table, column) for column in changed),
        given=_list(sql.Identifier("excluded", column) for column in changed),
    )


def _list(parts: Iterable[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)


def _columns(model: type[models.Model]) -> dict[str, models.Field[Any, Any]]:
    """The field of each column; the primary key is the database's to give."""
    return {str(field.column): field for field in model._meta.local_concrete_fields if not field.primary_key}


def _values(columns: dict[str, models.Field[Any, Any]], rows: Iterable[models.Model]) -> Iterable[Sequence[Any]]:
    fields = list(columns.values())
    read = attrgetter(*(field.attname for field in fields))
    documents = [place for place, field in enumerate(fields) if isinstance(field, models.JSONField)]
    for row in rows:
        values = list(read(row))
        for place in documents:
            values[place] = Jsonb(values[place])
        yield values


def _copy(table: sql.Identifier, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(table, _list(sql.Identifier(column) for column in columns))
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(into.as_string()) as copy:
        for row in rows:
            copy.write_row(row)
