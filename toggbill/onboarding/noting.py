"""Noting what is wrong with a table of an onboarding file at the key that it is about."""

from __future__ import annotations

from collections.abc import Sequence

from invoicing.dossiers.faults import Fault, repeated
from invoicing.dossiers.parsing import Section
from toggbill.onboarding.sections import DossierTable


def note_mappings(tables: Sequence[Section], found: Sequence[Sequence[Fault]]) -> None:
    """Note the faults of each mapping, or agreement, at its table."""
    for table, faults in zip(tables, found, strict=True):
        for fault in faults:
            _note(table, fault, fault.field, tables)


def note_rule(table: DossierTable, fault: Fault, tables: Sequence[DossierTable]) -> None:
    """Note a fault of a rule at its key: some of them stand in tables of their own."""
    if fault.field.startswith("rounding_") and table.rounding is not None:
        table.rounding.note_fault(fault, fault.field.removeprefix("rounding_"))
    elif fault.field in ("every", "day") and table.schedule is not None:
        weekly = fault.field == "day" and table.schedule.every == "weekly"
        table.schedule.note_fault(fault, "weekday" if weekly else fault.field)
    else:
        _note(table, fault, fault.field, tables)


def _note(table: Section, fault: Fault, name: str, tables: Sequence[Section]) -> None:
    if fault.code != "twice":
        table.note_fault(fault, name)
        return
    value = f"“{fault.facts['value']}”" if name == "tag" else fault.facts["value"]
    table.note(name, f"{value} stands there twice; {tables[fault.facts['first']].at(name)} has it already.")


def once(tables: Sequence[Section], name: str, values: Sequence[str]) -> None:
    """Note each value that an earlier table has already."""
    for place, first in repeated(values).items():
        _note(tables[place], Fault(name, "twice", {"value": values[place], "first": first}), name, tables)
