"""Django's backend for PostgreSQL: migrations that get along with triggers, limits that get along with a pooler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from django.db.backends.postgresql import base, schema
from psycopg.pq import TransactionStatus

from toggbill.database.limits import FIRST
from toggbill.database.schema import WithoutTriggers

if TYPE_CHECKING:
    from psycopg import ClientCursor

    _Cursor = ClientCursor[Any]  # what Django's is, and the stubs do not know
else:
    _Cursor = base.Cursor


class DatabaseSchemaEditor(WithoutTriggers, schema.DatabaseSchemaEditor):
    """Takes the triggers away for the length of a migration."""


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection whose migrations find no trigger. With the option ``FIRST``, each of its transactions begins so."""

    SchemaEditorClass = DatabaseSchemaEditor

    def get_connection_params(self) -> dict[str, Any]:
        """As Django's, with a cursor that knows what comes first."""
        params: dict[str, Any] = super().get_connection_params()
        if first := params.pop(FIRST, ()):
            params["cursor_factory"] = type("Cursor", (_Beginning,), {"first": tuple(first)})
        return params


class _Beginning(_Cursor):
    """Puts some statements before the first one of each transaction, in the same request.

    A pooler that lends its connections for a transaction at a time (PgBouncer's ``pool_mode = transaction``) refuses
    options at the start of a session, and gives what is set later to whoever comes next. ``SET LOCAL`` ends with the
    transaction. Outside ``atomic`` a statement is a transaction of its own: several in one simple query are one, too.
    """

    first: tuple[str, ...] = ()

    def execute(self, query: Any, params: Any = None, **more: Any) -> Self:
        """As psycopg's; what it gives is of ``query`` alone. ``query`` is a text, as Django has it."""
        if not isinstance(query, str) or self.connection.pgconn.transaction_status != TransactionStatus.IDLE:
            super().execute(query, params, **more)
            return self
        super().execute("; ".join([*self.first, query]), params, **more)
        for _ in self.first:
            self.nextset()
        return self
