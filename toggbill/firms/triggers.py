"""The triggers of the fence and of the audit log.

``append_only``: audit events are never changed (design section 9). ``fence``: the firm of a row is the firm of every
row that it points to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from django.apps import apps
from django.db.models import ForeignKey, Model

from toggbill.database.triggers import Trigger, register, trigger
from toggbill.firms.models import AuditEvent, Firm, FirmOwned, Membership


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


@register
def append_only(vendor: str) -> Iterator[Trigger]:
    """Refuses UPDATE, DELETE, TRUNCATE and INSERT OR REPLACE of audit events."""
    table = AuditEvent._meta.db_table
    whens = {"update": "BEFORE UPDATE", "delete": "BEFORE DELETE"}
    conditions = {}
    if vendor == "postgresql":
        whens["truncate"] = "BEFORE TRUNCATE"
    else:
        # INSERT OR REPLACE deletes the row that it replaces without asking the trigger on DELETE.
        whens["replace"] = "BEFORE INSERT"
        same = "id = NEW.id OR (firm_id = NEW.firm_id AND number = NEW.number)"
        conditions["replace"] = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"
    for name, when in whens.items():
        yield trigger(
            vendor,
            name=f"append_only_{name}_{table}",
            table=table,
            reads={table: ["id", "firm_id", "number"]},
            when=when,
            refuse_if=conditions.get(name, ""),
            message="the audit log is append-only",
            each="STATEMENT" if name == "truncate" else "ROW",
        )


@register
def owner_stays(vendor: str) -> Iterator[Trigger]:
    """Refuses to take the last owner out of a firm, or the ownership from that owner."""
    # After the statement, so that one that hands the ownership over passes. On PostgreSQL the firm's row is locked
    # before the owners are counted: of two transactions that each take one of two owners away, the second counts when
    # the first is done.
    table, lock = Membership._meta.db_table, Firm._meta.db_table
    gone = f"NOT EXISTS (SELECT 1 FROM {table} WHERE firm_id = OLD.firm_id AND role = 'owner')"
    message = "a firm keeps an owner"
    for event, when in {"delete": "AFTER DELETE", "update": "AFTER UPDATE OF role, firm_id"}.items():
        name = f"owner_stays_{event}_{table}"
        reads = {table: ["firm_id", "role"], lock: ["id"]}
        condition = f"OLD.role = 'owner' AND {gone}"
        made = trigger(vendor, name=name, table=table, reads=reads, when=when, refuse_if=condition, message=message)
        if vendor == "sqlite":
            yield made
            continue
        held = f"IF OLD.role = 'owner' THEN PERFORM 1 FROM {lock} WHERE id = OLD.firm_id FOR NO KEY UPDATE; END IF; "
        function, create = made.statements
        yield replace(made, statements=(function.replace("$$ BEGIN ", f"$$ BEGIN {held}", 1), create))


@register
def fence(vendor: str) -> Iterator[Trigger]:
    """Refuses a row of another firm than one that it points to."""
    for model in fenced_models():
        yield from _fence(vendor, model._meta.db_table, parents_of(model))


def _fence(vendor: str, table: str, parents: list[tuple[str, str]]) -> Iterator[Trigger]:
    columns = ["firm_id", *(column for column, _ in parents)]
    is_not = "IS DISTINCT FROM" if vendor == "postgresql" else "IS NOT"
    row_astray = _astray(parents, is_not, "NEW")
    refusals: dict[str, dict[str, str]] = {
        "fence_insert": {"when": "BEFORE INSERT", "refuse_if": row_astray},
        "fence_update": {"when": f"BEFORE UPDATE OF {', '.join(columns)}", "refuse_if": row_astray},
    }
    if vendor == "postgresql":
        # All rows of a statement at once: asked row by row, this took four fifths of what writing a ledger row costs.
        some = f"EXISTS (SELECT 1 FROM new_rows WHERE {_astray(parents, is_not, 'new_rows')})"
        whole = {"each": "STATEMENT", "referencing": "NEW TABLE AS new_rows"}
        refusals["fence_insert"] = {"when": "AFTER INSERT", "refuse_if": some} | whole
    for name, how in refusals.items():
        yield trigger(
            vendor,
            name=f"{name}_{table}",
            table=table,
            reads={table: columns} | {parent: ["id", "firm_id"] for _, parent in parents if parent != table},
            message=f"{table}: a row belongs to the firm of what it points to",
            # A session keeps the plan that it made while a table was small: it would read all of it, ever after.
            settings="SET enable_seqscan = off",
            **how,
        )


def _astray(parents: list[tuple[str, str]], is_not: str, row: str) -> str:
    """SQL: whether a row points to one of another firm, or to none."""
    return " OR ".join(
        f"({row}.{column} IS NOT NULL AND (SELECT firm_id FROM {parent} WHERE id = {row}.{column}) "
        f"{is_not} {row}.firm_id)"
        for column, parent in parents
    )
