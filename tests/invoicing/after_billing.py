"""Words for what happens after billing: Toggl changes, a person decides, the books are proved."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils import timezone

from integrations.models import Entry
from invoicing.corrections import decide
from invoicing.ledger.invariants import invariants
from invoicing.models import Correction, Dossier, Invoice, LedgerRow
from tests.invoicing.scene import BY, Record, Scene
from tests.worlds import entry
from toggbill.firms import audit


def ids(*serials: int) -> list[int]:
    return [entry(serial)["id"] for serial in serials]


def changed(books: Scene, *rows: Record) -> None:
    """Toggl has these entries now, and the mirror and the ledger know it."""
    books.control.put_entries(*rows)
    books.sync()


def deleted(books: Scene, *serials: int) -> None:
    books.control.delete_entries(*ids(*serials))
    books.sync()


def the(serial: int) -> Entry:
    return Entry.objects.get(remote_id=ids(serial)[0])


def correction() -> Correction:
    """The only open correction."""
    return Correction.objects.get(decision="open")


def said(row: Correction) -> tuple[int, list[str], str]:
    return row.seconds, row.what, row.decision


def row(serial: int) -> tuple[str, int, int, int, str]:
    """The ledger's row: state, mirrored, accepted and unsettled seconds, what else changed."""
    found = LedgerRow.objects.get(entry=the(serial))
    return (
        found.state,
        found.seconds,
        found.accepted_seconds,
        found.correction_seconds,
        found.correction_text,
    )


def prove(books: Scene) -> None:
    """The books balance, no hour is billed twice or lost, and the log is whole."""
    dossiers = list(Dossier.objects.filter(firm=books.firm).select_related("firm"))
    assert [each.told() for each in invariants.broken(dossiers=dossiers)] == []
    assert audit.verify(firm=books.firm).ok


def accept(row: Correction) -> Correction:
    return decide.accept(correction=row, by=BY, now=timezone.now())


def bill_next(row: Correction) -> Correction:
    return decide.bill_next(correction=row, by=BY, now=timezone.now())


def bill(invoice: Invoice) -> list[tuple[str, Decimal, Decimal, Decimal, int]]:
    """Lines as (description, hours, price, amount, seconds)."""
    return [
        (line.description, line.quantity, line.unit_price, line.total, line.seconds)
        for line in invoice.lines.order_by("position")
    ]


def at_billit(books: Scene, invoice: Invoice) -> Record:
    return next(order for order in books.control.orders() if order["OrderID"] == invoice.order_id)


def decided(books: Scene) -> list[tuple[str, Any, Any]]:
    return [(e.data["decision"], e.data["seconds"], e.data["what"]) for e in books.events("correction_decided")]
