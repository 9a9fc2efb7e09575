"""What became of sent invoices: read at Billit when the row says so, in bulk for each company (R11, design D4)."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from integrations.connections.opening import open_billit
from integrations.models import Company
from invoicing.models import Invoice
from invoicing.posting import read_back, read_first
from invoicing.posting.sending import deliveries
from toggbill.firms.locks import lock_rows

PAUSE = timedelta(minutes=15)
"""Until Billit is asked again when it did not answer, or its worker died."""


def due(*, now: datetime) -> list[int]:
    """The companies (row ids) of which sent invoices are to be looked at now."""
    rows = Invoice.objects.posted().delivery_due(now)
    return sorted(set(rows.values_list("company", flat=True)))


def read(*, company: Company, now: datetime) -> int:
    """Read what became of the company's sent invoices that are due; returns how many were read.

    They are claimed first: a second worker finds nothing to do. One whose order is gone is looked at again later, as
    any; ``reconcile`` names it. Raises the client's ``ServiceError``.
    """
    until = now + PAUSE
    mine = _claim(company=company, until=until, now=now)
    if not mine:
        return 0
    read = 0
    waiting = Invoice.objects.sent().filter(pk__in=mine, delivery_due_at=until)
    waiting = waiting.select_related("firm").order_by("order_id")
    with open_billit(company) as api:
        for together in read_first.portions(list(waiting)):
            seen = read_back.listed(together, api)
            read_first.take_over(seen=seen, now=now)
            gone = {row.pk: row for row in together}
            for invoice, state in seen:
                del gone[invoice.pk]
                if state.order is not None:
                    deliveries.read(invoice=invoice, order=state.order, api=api, now=now)
                    read += 1
            for invoice in gone.values():
                deliveries.note(invoice=invoice, details=None, now=now)
    return read


@transaction.atomic
def _claim(*, company: Company, until: datetime, now: datetime) -> list[int]:
    """Those that are due (row ids), put off until then; they are locked in order (``firms.locks``)."""
    due = Invoice.objects.sent().filter(company=company).delivery_due(now)
    found = lock_rows(due)
    # What another worker claimed while this one waited for the lock is due no more.
    mine = list(due.filter(pk__in=found).values_list("pk", flat=True))
    Invoice.objects.filter(pk__in=mine).update(delivery_due_at=until)
    return mine


@transaction.atomic
def hasten(*, company: Company, now: datetime) -> None:
    """Billit says that something changed: what is awaited of the company's sent invoices is due at once."""
    found = lock_rows(Invoice.objects.sent().filter(company=company, delivery_due_at__gt=now))
    Invoice.objects.filter(pk__in=found, delivery_due_at__gt=now).update(delivery_due_at=now)
