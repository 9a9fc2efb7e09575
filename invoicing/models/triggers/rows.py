"""What the database itself refuses, whoever writes it: an undeclared move, that of four eyes, a claim under another
entry's id, and to change an annex of hours.

An UPDATE that leaves the state as it is costs one comparison. A row that an upsert only updates is no new row, so the
first state is looked at after the INSERT.
"""

from __future__ import annotations

from collections.abc import Iterator

from integrations.models import Entry
from invoicing.models.dossiers import Dossier
from invoicing.models.invoices.annexes import Annex
from invoicing.models.invoices.claims import HOLDING, Claim
from invoicing.models.invoices.invoice import Invoice
from invoicing.models.moves import TABLES, Table
from toggbill.database.triggers import PREFIX, Trigger, register, trigger


@register
def declared_moves(vendor: str) -> Iterator[Trigger]:
    """Refuse an UPDATE that makes no declared move, and an INSERT in a state in which no row begins."""
    for table in TABLES:
        column = table.column
        begins = f"NEW.{column} IN ({_listed(table.begins)})"
        changed = f"OLD.{column} <> NEW.{column} AND NOT {_is_declared(table)}"
        yield _refusal(vendor, table, f"move_{column}", f"BEFORE UPDATE OF {column}", changed, "OLD")
        yield _refusal(vendor, table, f"begin_{column}", "AFTER INSERT", f"NOT {begins}")
        if vendor == "sqlite":
            # INSERT OR REPLACE deletes the row that it replaces, and tells no trigger of it.
            rows, condition = table.model._meta.db_table, changed.replace("OLD.", "old_row.")
            found = f"EXISTS (SELECT 1 FROM {rows} AS old_row WHERE old_row.id = NEW.id AND {condition})"
            yield _refusal(vendor, table, f"replace_{column}", "BEFORE INSERT", found)


@register
def claims_of_entries(vendor: str) -> Iterator[Trigger]:
    """Hold a claim to the Toggl id of its entry, by which it is unique in the firm, and an entry to its own.

    A second live claim of one id, which an earlier version let through, may stand; it is not made, and no third is.
    """
    claims, entries = Claim._meta.db_table, Entry._meta.db_table
    # A session keeps the plan that it made while a table was small: it would read all of it, ever after.
    settings = "SET enable_seqscan = off"
    reads = {claims: ["id", "entry_id", "entry_remote_id", "firm_id", "twice", "kind", "released_at"]}
    for when, name in (("BEFORE INSERT", "made"), ("BEFORE UPDATE OF entry_id, entry_remote_id", "changed")):
        yield trigger(
            vendor,
            name=f"claim_of_entry_{name}",
            table=claims,
            reads=reads | {entries: ["id", "remote_id"]},
            when=when,
            refuse_if=f"(SELECT remote_id FROM {entries} WHERE id = NEW.entry_id) <> NEW.entry_remote_id",
            message=f"{claims}: a claim has the Toggl id of its entry",
            settings=settings,
        )
    own = "OLD.remote_id <> NEW.remote_id OR OLD.firm_id <> NEW.firm_id"
    yield trigger(
        vendor,
        name="entry_keeps_id",
        table=entries,
        reads={entries: ["id", "remote_id", "firm_id"]},
        when="BEFORE UPDATE OF remote_id, firm_id",
        refuse_if=own,
        message=f"{entries}: an entry keeps its Toggl id and its firm",
    )
    holding = _listed(HOLDING)
    twice = (
        f"SELECT 1 FROM {claims} AS other WHERE other.firm_id = NEW.firm_id AND other.kind IN ({holding}) "
        "AND other.entry_remote_id = NEW.entry_remote_id AND other.twice > 0 AND other.released_at IS NULL"
    )
    yield trigger(
        vendor,
        name="claim_twice_made",
        table=claims,
        reads=reads,
        when="BEFORE INSERT",
        refuse_if=f"NEW.twice <> 0 OR (NEW.kind IN ({holding}) AND EXISTS ({twice}))",
        message=f"{claims}: the entry is billed already",
        settings=settings,
    )
    yield trigger(
        vendor,
        name="claim_twice_changed",
        table=claims,
        reads=reads,
        when="BEFORE UPDATE OF twice",
        refuse_if="NEW.twice <> OLD.twice",
        message=f"{claims}: a second claim of an entry is not made",
    )


def _is_declared(table: Table) -> str:
    targets: dict[str, list[str]] = {}
    for origin, target in sorted(table.pairs):
        targets.setdefault(origin, []).append(target)
    cases = " ".join(
        f"WHEN '{origin}' THEN NEW.{table.column} IN ({_listed(found)})" for origin, found in targets.items()
    )
    return f"CASE OLD.{table.column} {cases} ELSE 1 = 0 END"


def _listed(states: Iterator[str] | frozenset[str] | list[str]) -> str:
    return ", ".join(f"'{state}'" for state in sorted(states))


def _refusal(vendor: str, table: Table, kind: str, when: str, refuse_if: str, origin: str = "") -> Trigger:
    """The condition stands in the trigger itself: PostgreSQL calls no function for what it lets by."""
    rows, column = table.model._meta.db_table, table.column
    name = f"{kind}_{rows}"
    message = f"{rows}: no such move of {column} is declared"
    create = f"CREATE TRIGGER {PREFIX}{name} {when} ON {rows} FOR EACH ROW WHEN ({refuse_if})"
    if vendor == "sqlite":
        statements = [f"{create} BEGIN SELECT RAISE(ABORT, '{message}'); END"]
    else:
        states = f"OLD.{column}, NEW.{column}" if origin else f"'nothing', NEW.{column}"
        refuse = f"RAISE EXCEPTION '{message}: % to %', {states} USING ERRCODE = 'check_violation';"
        statements = [
            f"CREATE FUNCTION {PREFIX}{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {refuse} END $$",
            f"{create} EXECUTE FUNCTION {PREFIX}{name}()",
        ]
    return Trigger(name, rows, {rows: ["id", column]}, tuple(statements))


@register
def four_eyes(vendor: str) -> Iterator[Trigger]:
    """Refuse that an invoice is sent for whoever approved it, where its dossier wants four eyes (R11)."""
    rows, dossiers = Invoice._meta.db_table, Dossier._meta.db_table
    wants = f"EXISTS (SELECT 1 FROM {dossiers} d WHERE d.id = NEW.dossier_id AND d.four_eyes)"
    who = ["send_requested_by", "approved_by", "send_requested_by_user", "approved_by_user"]
    # By the accounts where both are known; the command line and the schedule have a name alone.
    eyes = (
        "(CASE WHEN NEW.send_requested_by_user IS NULL OR NEW.approved_by_user IS NULL "
        "THEN NEW.send_requested_by = NEW.approved_by ELSE NEW.send_requested_by_user = NEW.approved_by_user END)"
    )
    same = f"NEW.delivery = 'sending' AND {eyes} AND {wants}"
    whens = {"update": f"BEFORE UPDATE OF delivery, {', '.join(who)}", "insert": "BEFORE INSERT"}
    for name, when in whens.items():
        yield trigger(
            vendor,
            name=f"four_eyes_{name}_{rows}",
            table=rows,
            reads={
                rows: ["delivery", *who, "dossier_id"],
                dossiers: ["id", "four_eyes"],
            },
            when=when,
            refuse_if=same,
            message=f"{rows}: the dossier wants four eyes",
        )


@register
def annexes_stay(vendor: str) -> Iterator[Trigger]:
    """Refuse an annex of an invoice that is not approved, every change of one, and to take one away that Billit may
    have: its invoice is an order, or on its way to become one."""
    table, invoices = Annex._meta.db_table, Invoice._meta.db_table
    reads = {table: ["id", "invoice_id"], invoices: ["id", "status", "order_id"]}
    sent = f"status IN ({_listed(['posting', 'posted', 'in_doubt'])}) OR order_id IS NOT NULL"
    gone = f"EXISTS (SELECT 1 FROM {invoices} WHERE id = OLD.invoice_id AND ({sent}))"
    early = f"NOT EXISTS (SELECT 1 FROM {invoices} WHERE id = NEW.invoice_id AND status = 'approved')"
    refusals = [
        ("insert", "BEFORE INSERT", early, "an annex is made of an approved invoice"),
        ("update", "BEFORE UPDATE", "", "an annex is never changed"),
        ("delete", "BEFORE DELETE", gone, "the annex of an invoice that Billit has stays"),
    ]
    if vendor == "postgresql":
        refusals.append(("truncate", "BEFORE TRUNCATE", "", "annexes stay"))
    else:
        # INSERT OR REPLACE deletes the row that it replaces, and tells no trigger of it.
        same = f"EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id OR invoice_id = NEW.invoice_id)"
        refusals.append(("replace", "BEFORE INSERT", same, "an annex is never changed"))
    for kind, when, refuse_if, message in refusals:
        yield trigger(
            vendor,
            name=f"annexes_stay_{kind}_{table}",
            table=table,
            reads=reads,
            when=when,
            refuse_if=refuse_if,
            message=message,
            each="STATEMENT" if kind == "truncate" else "ROW",
        )
