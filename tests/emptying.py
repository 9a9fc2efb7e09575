"""Takes away what a test with real transactions left: the next test begins with the database as it was migrated.

Django's own way, a TRUNCATE of every table and then what ``migrate`` does at its end, takes a third of a second, since
most of seventy tables are empty and what ``migrate`` adds is still there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache

from django.apps import apps
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.test import TransactionTestCase

from invoicing.models import Annex
from toggbill.database import triggers
from toggbill.firms.models import AuditEvent, Membership

# What `migrate` fills at its end.
MIGRATED = ("auth_permission", "django_content_type")


def teardown() -> Callable[[TransactionTestCase], None]:
    """The end of a test with real transactions; asked for when the database has just been migrated."""
    whole = getattr(TransactionTestCase, "_fixture_teardown")  # noqa: B009 - untyped
    migrated = Migrated() if connection.vendor == "postgresql" else None

    def empty(case: TransactionTestCase) -> None:
        if migrated is not None and migrated.again():
            return
        # Those that refuse to be emptied let it happen.
        for model in (AuditEvent, Membership, Annex):
            triggers.remove(connection, model._meta.db_table)
        whole(case)
        triggers.install(connection)

    return empty


class Migrated:
    """The database as it is when it has just been migrated; PostgreSQL alone."""

    def __init__(self) -> None:
        self.triggers = triggers.found(connection)
        with connection.cursor() as cursor:
            self.counts = _counts(cursor)

    def again(self) -> bool:
        """Have it so again. False, and nothing is done, if a test changed more than rows of its own."""
        if triggers.found(connection) != self.triggers:
            return False
        with transaction.atomic(), connection.cursor() as cursor:
            # Waits, as a TRUNCATE does, for whatever a thread or a process of the test has not ended yet.
            cursor.execute(f"LOCK TABLE {', '.join(map(_quoted, _tables()))} IN ACCESS EXCLUSIVE MODE")
            if _counts(cursor) != self.counts:
                return False
            # No trigger and no foreign key refuses it.
            cursor.execute("SET LOCAL session_replication_role = 'replica'")
            for table in _filled(cursor, [table for table in _tables() if table not in MIGRATED]):
                cursor.execute(f"DELETE FROM {_quoted(table)}")
        return True


@cache
def _tables() -> list[str]:
    """Those of every model."""
    return sorted({model._meta.db_table for model in apps.get_models(include_auto_created=True)})


def _quoted(table: str) -> str:
    return connection.ops.quote_name(table)


def _counts(cursor: CursorWrapper) -> list[int]:
    cursor.execute("SELECT " + ", ".join(f"(SELECT count(*) FROM {_quoted(table)})" for table in MIGRATED))
    return list(cursor.fetchone())


def _filled(cursor: CursorWrapper, tables: Collection[str]) -> list[str]:
    cursor.execute(
        " UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT FROM {_quoted(table)})" for table in tables)
    )
    return [table for (table,) in cursor.fetchall()]
