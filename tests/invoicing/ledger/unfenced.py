"""Writes past every fence of the database, as no verb of the product can: to see that the books tell what is broken."""

from __future__ import annotations

from django.db import connection

from toggbill.database import triggers


def run(*statements: str, but: tuple[str, ...] = ()) -> None:
    """Execute SQL without triggers, CHECKs and the unique claims; for a transaction that is rolled back. ``but``: the
    triggers whose names begin so stay."""
    connection.check_constraints()
    triggers.remove(connection, but=but)
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX claim_once")
        cursor.execute("DROP INDEX claim_once_in_firm")
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT conrelid::regclass, conname FROM pg_constraint "
                "WHERE contype = 'c' AND conrelid::regclass::text LIKE 'invoicing_%'"
            )
            for table, name in cursor.fetchall():
                cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
            _execute(*statements)
            return
        cursor.execute("PRAGMA ignore_check_constraints = ON")
        try:
            _execute(*statements)
        finally:
            cursor.execute("PRAGMA ignore_check_constraints = OFF")


def _execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
