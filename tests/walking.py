"""Rows in any state, made as the database demands it: begun in a first state and moved on by declared moves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db.models import Model

from invoicing.models.moves import DELIVERY, PAYMENT, STATE, STATUS, TABLES, Table

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
# Where a row begins that shall get further: no constraint on waiting drafts or on reasons stands in its way there.
_BEGINS = {STATUS: "approved", DELIVERY: "not_sent", PAYMENT: "open", STATE: "open"}
# What a first state and those on the way need and forbid; the row gets its own values with the last step.
_BEGINNING: Mapping[str, Mapping[str, Any]] = {
    "invoicing.Invoice": {
        "approved_at": NOW,
        "posting_since": None,
        "replacing_since": None,
        "paid_date": None,
        "post_requested_at": None,
        "post_requested_by": "",
        "send_requested_at": None,
        "send_requested_by": "",
        "delivered_at": None,
        "delivery_due_at": None,
        "tell_delivery_at": None,
    },
    "invoicing.LedgerRow": {
        "correction_seconds": 0,
        "correction_text": "",
        "accepted_seconds": 0,
        "agreement_id": None,
    },
}

# On the way to Billit goes only what somebody asked for; the row gets its own values with the last step.
_ASKED = {"posting": "post", "sending": "send"}


def path(table: Table, target: str, start: str = "") -> list[str]:
    """The shortest way of declared moves to a state, without the start; [] when the row begins in it."""
    origin = start or _BEGINS[table]
    if target == origin or (not start and target in table.begins):
        return []
    ways = [[origin]]
    seen = {origin}
    for way in ways:
        for found in sorted(there for here, there in table.pairs if here == way[-1]):
            if found == target:
                return [*way[1:], found]
            # No way leads through a state that a constraint ties to other rows.
            if found not in {*seen, "covered", "on_account", "prepaid"}:
                seen.add(found)
                ways.append([*way, found])
    raise AssertionError(f"no declared moves lead from {origin} to {target}")


def create(model: type[Model], fields: Mapping[str, Any]) -> Any:
    """Save a row of these fields, whatever its state."""
    row = model(**fields)
    tables = [table for table in TABLES if table.model is model]
    ways = {table: path(table, str(getattr(row, table.column))) for table in tables}
    if not any(ways.values()):
        row.save(force_insert=True)
        return row
    wanted = {name: getattr(row, name) for name in _BEGINNING[model._meta.label]}
    for name, value in _BEGINNING[model._meta.label].items():
        setattr(row, name, value)
    for table, way in ways.items():
        if way:
            wanted[table.column] = way[-1]
            setattr(row, table.column, _BEGINS[table])
    row.save(force_insert=True)
    steps: list[dict[str, Any]] = [{table.column: state} for table, way in ways.items() for state in way]
    for step in steps:
        if "status" in step:
            step["posting_since"] = NOW if step["status"] == "posting" else None
        if (asked := _ASKED.get(next(iter(step.values())))) is not None:
            step |= {f"{asked}_requested_at": NOW, f"{asked}_requested_by": "owner@example.com"}
    steps[-1] |= wanted
    for step in steps:
        model._default_manager.filter(pk=row.pk).update(**step)
    for name, value in wanted.items():
        setattr(row, name, value)
    return row
