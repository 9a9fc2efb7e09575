"""What the database itself refuses of advances (design section 11), whoever writes it: to take more off one than it is,
to take it off anything else than an advance that Billit has, and to change an advance of which something is taken off.

Who takes something off holds the advance's line until the transaction ends: of two at once one sees what the other
took.
"""

from __future__ import annotations

from collections.abc import Iterator

from invoicing.models.advances.brought import BroughtOrder
from invoicing.models.advances.deductions import Deduction
from invoicing.models.invoices.claims import InvoiceLine
from invoicing.models.invoices.invoice import Invoice
from toggbill.database.triggers import PREFIX, Trigger, register, trigger

_ROWS, _LINES, _INVOICES = Deduction._meta.db_table, InvoiceLine._meta.db_table, Invoice._meta.db_table
_BROUGHT = BroughtOrder._meta.db_table
_OF_ROWS = ["id", "advance_id", "brought_id", "line_id", "amount", "released_at"]
_OF_LINES = ["id", "invoice_id", "kind", "agreement_id", "period", "total", "takes_back_id", "released_at"]
_OF_BROUGHT = ["id", "agreement_id", "company_id", "order_id", "period", "total_excl", "released_at"]
_OF_INVOICES = ["id", "company_id", "order_id", "status"]
_READS = {_ROWS: _OF_ROWS, _LINES: _OF_LINES, _INVOICES: _OF_INVOICES, _BROUGHT: _OF_BROUGHT}
# The new row is counted: these triggers fire after it is written. And a hair: SQLite adds decimals as floating point.
_TAKEN = "SELECT coalesce(sum(d.amount), 0) FROM {rows} AS d WHERE d.{name} = NEW.{name} AND d.released_at IS NULL"
_MESSAGE = f"{_ROWS}: not so much is left of the advance"


def _is_enough() -> str:
    """SQL: the advance of the new row is at Billit, and is not less than all that is taken off it."""
    return (
        f"SELECT 1 FROM {_LINES} AS a JOIN {_INVOICES} AS i ON i.id = a.invoice_id WHERE a.id = NEW.advance_id "
        f"AND a.kind = 'advance' AND a.takes_back_id IS NULL AND a.released_at IS NULL AND i.status = 'posted' "
        f"AND a.total >= ({_TAKEN.format(rows=_ROWS, name='advance_id')}) - 0.001 "
        f"UNION ALL SELECT 1 FROM {_BROUGHT} AS b WHERE b.id = NEW.brought_id AND b.released_at IS NULL "
        f"AND b.total_excl >= ({_TAKEN.format(rows=_ROWS, name='brought_id')}) - 0.001"
    )


@register
def deductions_within_advances(vendor: str) -> Iterator[Trigger]:
    """Refuse a live deduction of more than is left of its advance."""
    whens = {"made": "AFTER INSERT", "changed": "AFTER UPDATE OF advance_id, brought_id, amount, released_at"}
    for name, when in whens.items():
        full = f"deduction_{name}_{_ROWS}"
        create = f"CREATE TRIGGER {PREFIX}{full} {when} ON {_ROWS} FOR EACH ROW WHEN (NEW.released_at IS NULL)"
        if vendor == "sqlite":
            body = f"BEGIN SELECT RAISE(ABORT, '{_MESSAGE}') WHERE NOT EXISTS ({_is_enough()}); END"
            yield Trigger(full, _ROWS, _READS, (f"{create} {body}",))
            continue
        refuse = f"RAISE EXCEPTION '{_MESSAGE}' USING ERRCODE = 'check_violation';"
        body = (
            # Each statement sees what was committed before it began: first the lock, then the sum.
            f"BEGIN PERFORM 1 FROM {_LINES} WHERE id = NEW.advance_id FOR NO KEY UPDATE; "
            f"PERFORM 1 FROM {_BROUGHT} WHERE id = NEW.brought_id FOR NO KEY UPDATE; "
            f"IF NOT EXISTS ({_is_enough()}) THEN {refuse} END IF; RETURN NULL; END"
        )
        function = f"CREATE FUNCTION {PREFIX}{full}() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off"
        yield Trigger(
            full, _ROWS, _READS, (f"{function} AS $$ {body} $$", f"{create} EXECUTE FUNCTION {PREFIX}{full}()")
        )


@register
def deducted_advances_stay(vendor: str) -> Iterator[Trigger]:
    """Refuse another amount of an advance of which something is taken off, and to free or move it before that is."""
    taken = f"EXISTS (SELECT 1 FROM {_ROWS} AS d WHERE d.advance_id = {{of}} AND d.released_at IS NULL)"
    is_not = "IS DISTINCT FROM" if vendor == "postgresql" else "IS NOT"
    kept = ("kind", "total", "invoice_id", "takes_back_id", "released_at")
    changed = " OR ".join(f"OLD.{name} {is_not} NEW.{name}" for name in kept)
    message = f"{_LINES}: something of this advance is taken off"
    settings = "SET enable_seqscan = off" if vendor == "postgresql" else ""
    yield trigger(
        vendor,
        name=f"advance_stays_{_LINES}",
        table=_LINES,
        reads=_READS,
        when=f"BEFORE UPDATE OF {', '.join(kept)}",
        refuse_if=f"OLD.kind = 'advance' AND ({changed}) AND {taken.format(of='OLD.id')}",
        message=message,
        settings=settings,
    )
    if vendor == "sqlite":
        # INSERT OR REPLACE deletes the row that it replaces, and tells no trigger of it.
        yield trigger(
            vendor,
            name=f"advance_replaced_{_LINES}",
            table=_LINES,
            reads=_READS,
            when="BEFORE INSERT",
            refuse_if=taken.format(of="NEW.id"),
            message=message,
        )


@register
def brought_orders_stay(vendor: str) -> Iterator[Trigger]:
    """Refuse another amount of a brought-in order of which something is deducted, and to let it go before that is."""
    is_not = "IS DISTINCT FROM" if vendor == "postgresql" else "IS NOT"
    kept = ("agreement_id", "company_id", "order_id", "total_excl", "released_at")
    changed = " OR ".join(f"OLD.{name} {is_not} NEW.{name}" for name in kept)
    taken = f"EXISTS (SELECT 1 FROM {_ROWS} AS d WHERE d.brought_id = {{of}} AND d.released_at IS NULL)"
    message = f"{_BROUGHT}: something of this order is deducted"
    yield trigger(
        vendor,
        name=f"brought_stays_{_BROUGHT}",
        table=_BROUGHT,
        reads=_READS,
        when=f"BEFORE UPDATE OF {', '.join(kept)}",
        refuse_if=f"({changed}) AND {taken.format(of='OLD.id')}",
        message=message,
    )
    if vendor == "sqlite":
        yield trigger(
            vendor,
            name=f"brought_replaced_{_BROUGHT}",
            table=_BROUGHT,
            reads=_READS,
            when="BEFORE INSERT",
            refuse_if=taken.format(of="NEW.id"),
            message=message,
        )


@register
def billed_once_by_either(vendor: str) -> Iterator[Trigger]:
    """Refuse a line for what an order brought in bills already, and the other way round; and to bring in an order that
    is an invoice of ours."""
    line = "kind IN ('fee', 'advance') AND {of}takes_back_id IS NULL AND {of}released_at IS NULL"
    same = "agreement_id = NEW.agreement_id AND {of}period = NEW.period"
    by_line = f"SELECT 1 FROM {_LINES} AS l WHERE l.{same.format(of='l.')} AND l.{line.format(of='l.')}"
    by_order = f"SELECT 1 FROM {_BROUGHT} AS b WHERE b.{same.format(of='b.')} AND b.released_at IS NULL"
    ours = f"SELECT 1 FROM {_INVOICES} AS i WHERE i.company_id = NEW.company_id AND i.order_id = NEW.order_id"
    for name, when in {
        "made": "BEFORE INSERT",
        "changed": "BEFORE UPDATE OF agreement_id, period, released_at",
    }.items():
        yield trigger(
            vendor,
            name=f"either_{name}_{_LINES}",
            table=_LINES,
            reads=_READS,
            when=when,
            refuse_if=f"NEW.{line.format(of='NEW.')} AND EXISTS ({by_order})",
            message=f"{_LINES}: an order brought in bills this already",
        )
        yield trigger(
            vendor,
            name=f"either_{name}_{_BROUGHT}",
            table=_BROUGHT,
            reads=_READS,
            when=when,
            refuse_if=f"NEW.released_at IS NULL AND (EXISTS ({by_line}) OR EXISTS ({ours}))",
            message=f"{_BROUGHT}: an invoice of ours bills this already",
        )
