"""The books of one dossier with an entry of each kind, and what is told of them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from invoicing.ledger.invariants import invariants
from invoicing.models import Dossier, Invoice, LedgerRow
from tests.factories import (
    ClaimFactory,
    InvoiceFactory,
    InvoiceLineFactory,
    LedgerRowFactory,
)

OPEN, GONE, DRAFTED, BILLED, CREDITED, OTHER, MORE, COVERED, PREPAID = range(11, 20)
Told = set[tuple[str, str, str]]


def moment(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 9, tzinfo=UTC)


def row_of(dossier: Dossier, remote_id: int, day: date, state: str = "open", **more: Any) -> LedgerRow:
    return LedgerRowFactory(dossier=dossier, entry__remote_id=remote_id, started_at=moment(day), state=state, **more)


def billed(dossier: Dossier, row: LedgerRow, **invoice: Any) -> Invoice:
    """An invoice of one hour (or of the row's), with a line and its claim."""
    first = row.day.replace(day=1)
    made = InvoiceFactory(dossier=dossier, hours=1, period_from=first, period_till=row.day, with_line=False, **invoice)
    line = InvoiceLineFactory(invoice=made, quantity=1, with_claim=False)
    ClaimFactory(line=line, row=row)
    return made


def told(*dossiers: Dossier, month: date | None = None) -> Told:
    """What does not hold: month, rule, subject."""
    found = invariants.broken(dossiers=dossiers, month=month)
    assert len(found) == len({(each.dossier, each.month, each.rule, each.subject) for each in found})
    return {(f"{each.month:%Y-%m}", each.rule, each.subject) for each in found}
