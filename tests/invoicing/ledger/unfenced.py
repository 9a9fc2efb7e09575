"""Writes past every fence of the database, as no verb of the product can: to see that the books tell what is broken."""

from __future__ import annotations

from django.db import connection

TABLES = (
    "integrations_entry",
    "invoicing_claim",
    "invoicing_dossier",
    "invoicing_invoice",
    "invoicing_invoiceline",
    "invoicing_ledgerrow",
    "invoicing_reportedmonth",
)


def run(*statements: str) -> None:
    """Execute SQL without triggers, CHECKs and unique indexes; for a transaction that is rolled back."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for table in TABLES:
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
                cursor.execute(
                    "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype IN ('c')", [table]
                )
                for (name,) in cursor.fetchall():
                    cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        else:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            for (name,) in cursor.fetchall():
                cursor.execute(f'DROP TRIGGER "{name}"')
            cursor.execute("PRAGMA ignore_check_constraints = ON")
        cursor.execute("DROP INDEX claim_once")
        try:
            for statement in statements:
                cursor.execute(statement)
        finally:
            if connection.vendor == "sqlite":
                cursor.execute("PRAGMA ignore_check_constraints = OFF")
