"""Many values in one parameter: to ask for rows by what they have, and to write a number of its own into each.

``field__one_of=[...]`` is ``in``, and ``NumberByKey({pk: number})`` stands for a ``Case`` with a ``When`` for each row.
Django prepares each value of these by itself, which takes longer than PostgreSQL takes to find and write the rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BigIntegerField, F, Func, Lookup, Value
from django.db.models.lookups import In
from django.db.models.sql.compiler import SQLCompiler


class OneOf(Lookup):
    """Whether a field has one of some values, which are all of its Python type and none of them None.

    A related row is named by its key: ``entry__pk__one_of``.
    """

    lookup_name = "one_of"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        """As ``in``."""
        return In(self.lhs, self.rhs).as_sql(compiler, connection)

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        """One array."""
        lhs, params = self.process_lhs(compiler, connection)
        values = list(self.rhs)
        if all(type(value) is int for value in values):
            # Written here at once; psycopg writes number by number.
            return f"{lhs} = ANY(CAST(%s AS bigint[]))", [*params, f"{{{','.join(map(str, values))}}}"]
        return f"{lhs} = ANY(%s)", [*params, values]


class NumberByKey(Func):
    """The whole number that a mapping has for a row's primary key; NULL where it has none."""

    output_field = BigIntegerField()

    def __init__(self, numbers: Mapping[int, int]) -> None:
        super().__init__(Value(json.dumps(numbers)), F("pk"))

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_extra: Any) -> tuple[str, Any]:
        """The parameter is read once, not for each row."""
        numbers, key = self._compiled(compiler)
        return f"CAST(CAST({numbers[0]} AS jsonb) ->> CAST({key[0]} AS text) AS bigint)", (*numbers[1], *key[1])

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_extra: Any) -> tuple[str, Any]:
        """The same in SQLite's words."""
        numbers, key = self._compiled(compiler)
        return f"json_extract({numbers[0]}, '$.\"' || {key[0]} || '\"')", (*numbers[1], *key[1])

    def _compiled(self, compiler: SQLCompiler) -> list[tuple[str, Any]]:
        return [compiler.compile(each) for each in self.get_source_expressions()]
