"""Database triggers for what no constraint can say, on PostgreSQL and SQLite alike.

``append_only``: audit events are never changed (design section 9). ``fence``: the firm of a row is the firm of every
row that it points to. Installed anew after each migration, because SQLite makes an altered table anew, without its
triggers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.apps import apps
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import ForeignKey, Model

from toggbill.firms.models import AuditEvent, FirmOwned

Parents = Sequence[tuple[str, str]]


def install(connection: BaseDatabaseWrapper) -> None:
    """Put every trigger in place, in one transaction."""
    table = AuditEvent._meta.db_table
    statements = [*without_append_only(connection, table), *append_only(connection, table)]
    for model in fenced_models():
        statements += without_fence(connection, model._meta.db_table)
        statements += fence(connection, model._meta.db_table, parents_of(model))
    with transaction.atomic(using=connection.alias):
        run(connection, statements)


def run(connection: BaseDatabaseWrapper, statements: Iterable[str]) -> None:
    """Execute statements one by one."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def fenced_models() -> list[type[Model]]:
    """The models whose rows point to other rows of a firm."""
    owned = [model for model in apps.get_models() if issubclass(model, FirmOwned)]
    return [model for model in owned if parents_of(model)]


def parents_of(model: type[Model]) -> list[tuple[str, str]]:
    """The columns of a model that point to rows of a firm, each with the table it points to."""
    return [
        (field.column, field.remote_field.model._meta.db_table)
        for field in model._meta.get_fields()
        if isinstance(field, ForeignKey) and issubclass(field.remote_field.model, FirmOwned)
    ]


def append_only(connection: BaseDatabaseWrapper, table: str) -> list[str]:
    """SQL that refuses UPDATE, DELETE, TRUNCATE and INSERT OR REPLACE."""
    if connection.vendor == "postgresql":
        body = "BEGIN RAISE EXCEPTION 'the audit log is append-only'; END"
        function = f"{table}_append_only"
        return [
            f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$",
            f"CREATE TRIGGER {table}_row BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()",
            f"CREATE TRIGGER {table}_all BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {function}()",
        ]
    abort = "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
    # INSERT OR REPLACE deletes the row that it replaces without asking the trigger on DELETE.
    replaces = f"SELECT 1 FROM {table} WHERE id = NEW.id OR (firm_id = NEW.firm_id AND number = NEW.number)"
    return [
        f"CREATE TRIGGER {table}_update BEFORE UPDATE ON {table} {abort}",
        f"CREATE TRIGGER {table}_delete BEFORE DELETE ON {table} {abort}",
        f"CREATE TRIGGER {table}_replace BEFORE INSERT ON {table} WHEN EXISTS ({replaces}) {abort}",
    ]


def without_append_only(connection: BaseDatabaseWrapper, table: str) -> list[str]:
    """SQL that takes the triggers of ``append_only`` away."""
    if connection.vendor == "postgresql":
        return [f"DROP TRIGGER IF EXISTS {table}_{name} ON {table}" for name in ("row", "all")]
    return [f"DROP TRIGGER IF EXISTS {table}_{name}" for name in ("update", "delete", "replace")]


def fence(connection: BaseDatabaseWrapper, table: str, parents: Parents) -> list[str]:
    """SQL that refuses a row of another firm than one that it points to."""
    refusal = f"{table}: a row belongs to the firm of what it points to"
    columns = ", ".join(["firm_id", *(column for column, _ in parents)])
    is_not = "IS DISTINCT FROM" if connection.vendor == "postgresql" else "IS NOT"
    astray = " OR ".join(
        f"(NEW.{column} IS NOT NULL AND (SELECT firm_id FROM {parent} WHERE id = NEW.{column}) {is_not} NEW.firm_id)"
        for column, parent in parents
    )
    if connection.vendor == "postgresql":
        refuse = f"RAISE EXCEPTION '{refusal}' USING ERRCODE = 'check_violation'"
        body = f"BEGIN IF {astray} THEN {refuse}; END IF; RETURN NEW; END"
        function = f"{table}_fence"
        when = f"BEFORE INSERT OR UPDATE OF {columns} ON {table}"
        # A session keeps the plan that it made while a table was small, which would be to read all of it, ever after.
        plan = "SET enable_seqscan = off"
        return [
            f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql {plan} AS $$ {body} $$",
            f"CREATE TRIGGER {table}_fence {when} FOR EACH ROW EXECUTE FUNCTION {function}()",
        ]
    abort = f"WHEN {astray} BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
    return [
        f"CREATE TRIGGER {table}_fence_insert BEFORE INSERT ON {table} {abort}",
        f"CREATE TRIGGER {table}_fence_update BEFORE UPDATE OF {columns} ON {table} {abort}",
    ]


def without_fence(connection: BaseDatabaseWrapper, table: str) -> list[str]:
    """SQL that takes the triggers of ``fence`` away."""
    if connection.vendor == "postgresql":
        return [f"DROP TRIGGER IF EXISTS {table}_fence ON {table}"]
    return [f"DROP TRIGGER IF EXISTS {table}_fence_{name}" for name in ("insert", "update")]
