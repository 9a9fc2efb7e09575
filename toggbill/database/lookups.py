"""Asking for many rows by what they have: ``field__one_of=[...]``, as ``in`` with one parameter for all values.

Django prepares each value of an ``in`` by itself, which for thousands of ids takes longer than PostgreSQL takes to find
the rows.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Lookup
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
        return f"{lhs} = ANY(%s)", [*params, list(self.rhs)]
