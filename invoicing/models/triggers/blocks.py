"""What the database itself refuses of prepaid hours (design section 11), whoever writes it: to draw a block that has
nothing left, or that is no order at Billit, and to change a block that hours have drawn.

A claim of kind ``prepaid`` is made while its block has something left, so that a block falls below zero by less than
one entry. Who draws holds the agreement's row until the transaction ends: of two at once one sees what the other drew.
"""

from __future__ import annotations

from collections.abc import Iterator

from invoicing.models.agreements import Agreement
from invoicing.models.invoices.claims import Claim, InvoiceLine
from invoicing.models.invoices.invoice import Invoice
from toggbill.database.triggers import PREFIX, Trigger, register, trigger

_CLAIMS, _LINES = Claim._meta.db_table, InvoiceLine._meta.db_table
_INVOICES, _AGREEMENTS = Invoice._meta.db_table, Agreement._meta.db_table
_OF_LINES = ["id", "invoice_id", "agreement_id", "kind", "part", "quantity", "takes_back_id", "released_at"]
_OF_CLAIMS = ["id", "line_id", "kind", "drawn", "released_at"]
_IS_PREPAID = "NEW.kind = 'prepaid' AND NEW.released_at IS NULL"
_MESSAGE = f"{_CLAIMS}: nothing is left of the block"
_WHENS = {"made": "BEFORE INSERT", "changed": "BEFORE UPDATE OF kind, line_id, drawn, released_at"}


def _block() -> str:
    """SQL: the line that the new claim draws, where that is a block that Billit has."""
    return (
        f"FROM {_LINES} AS own JOIN {_INVOICES} AS i ON i.id = own.invoice_id WHERE own.id = NEW.line_id "
        "AND own.kind = 'block' AND own.takes_back_id IS NULL AND own.released_at IS NULL AND i.status = 'posted'"
    )


def _left(vendor: str) -> str:
    """SQL: the seconds left of its block before the new claim, less what earlier ones are below zero."""
    least = "least" if vendor == "postgresql" else "min"
    return f"SELECT ({_sums('=')}) + {least}(({_sums('<')}), 0) FROM {_LINES} AS own WHERE own.id = NEW.line_id"


def _sums(parts: str) -> str:
    """SQL: the seconds left of blocks of the same agreement whose number compares so to that of the block."""
    same = f"l.agreement_id = own.agreement_id AND l.part {parts} own.part AND l.kind = 'block'"
    same += " AND l.takes_back_id IS NULL"
    hours = (
        f"SELECT coalesce(sum(l.quantity), 0) * 3600 FROM {_LINES} AS l JOIN {_INVOICES} AS i ON i.id = l.invoice_id "
        f"WHERE {same} AND l.released_at IS NULL AND i.status = 'posted'"
    )
    drawn = (
        f"SELECT coalesce(sum(c.drawn), 0) FROM {_CLAIMS} AS c JOIN {_LINES} AS l ON l.id = c.line_id "
        f"WHERE {same} AND c.kind = 'prepaid' AND c.released_at IS NULL AND c.id <> coalesce(NEW.id, 0)"
    )
    return f"SELECT ({hours}) - ({drawn})"


@register
def blocks_are_drawn_once(vendor: str) -> Iterator[Trigger]:
    """Refuse a claim on a block with nothing left, or on a line that is no posted block."""
    reads = {_CLAIMS: _OF_CLAIMS, _LINES: _OF_LINES, _INVOICES: ["id", "status"], _AGREEMENTS: ["id"]}
    for name, when in _WHENS.items():
        full = f"block_drawn_{name}_{_CLAIMS}"
        create = f"CREATE TRIGGER {PREFIX}{full} {when} ON {_CLAIMS} FOR EACH ROW WHEN ({_IS_PREPAID})"
        if vendor == "sqlite":
            astray = f"NOT EXISTS (SELECT 1 {_block()}) OR ({_left(vendor)}) <= 0"
            body = f"BEGIN SELECT RAISE(ABORT, '{_MESSAGE}') WHERE {astray}; END"
            yield Trigger(full, _CLAIMS, reads, (f"{create} {body}",))
            continue
        refuse = f"RAISE EXCEPTION '{_MESSAGE}' USING ERRCODE = 'check_violation';"
        body = (
            # Each statement sees what was committed before it began: first the lock, then the sums.
            f"DECLARE owner_id bigint; BEGIN SELECT own.agreement_id INTO owner_id {_block()}; "
            f"PERFORM 1 FROM {_AGREEMENTS} WHERE id = owner_id FOR NO KEY UPDATE; "
            f"IF owner_id IS NULL OR ({_left(vendor)}) <= 0 THEN {refuse} END IF; RETURN NEW; END"
        )
        function = f"CREATE FUNCTION {PREFIX}{full}() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off"
        yield Trigger(
            full, _CLAIMS, reads, (f"{function} AS $$ {body} $$", f"{create} EXECUTE FUNCTION {PREFIX}{full}()")
        )


@register
def drawn_blocks_stay(vendor: str) -> Iterator[Trigger]:
    """Refuse another number of hours of a block that hours have drawn, and to free or move it before they are free."""
    drawn = f"SELECT 1 FROM {_CLAIMS} AS c WHERE c.line_id = OLD.id AND c.kind = 'prepaid' AND c.released_at IS NULL"
    is_not = "IS DISTINCT FROM" if vendor == "postgresql" else "IS NOT"
    kept = ("kind", "quantity", "agreement_id", "part", "invoice_id", "released_at")
    changed = " OR ".join(f"OLD.{name} {is_not} NEW.{name}" for name in kept)
    yield trigger(
        vendor,
        name=f"block_stays_{_LINES}",
        table=_LINES,
        reads={_LINES: _OF_LINES, _CLAIMS: _OF_CLAIMS},
        when=f"BEFORE UPDATE OF {', '.join(kept)}",
        refuse_if=f"OLD.kind = 'block' AND ({changed}) AND EXISTS ({drawn})",
        message=f"{_LINES}: hours have drawn this block",
        settings="SET enable_seqscan = off" if vendor == "postgresql" else "",
    )
