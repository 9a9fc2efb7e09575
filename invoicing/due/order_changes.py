"""What became of posted orders at Billit, once it says that some changed: number, payment, delivery and legal totals.

A webhook of Billit marks the company (``Company.orders_due_at``), a tick finds the mark, and this reads. What a call
said is not looked at: the orders are asked for by their own ids. Without webhooks the same stands in ``reconcile``.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from integrations.models import Company
from invoicing.due import deliveries
from invoicing.models import Invoice
from invoicing.posting import read_back

READ_DAYS = 90
"""Days after its posting for which an order that is not paid is read again; later ones are `reconcile`'s."""

PAUSE = timedelta(minutes=5)
"""Until Billit is asked again when it did not answer."""


def due(*, now: datetime) -> list[int]:
    """The companies (row ids) whose orders are to be read now."""
    return list(Company.objects.orders_due(now).order_by("pk").values_list("pk", flat=True))


def read(*, company: Company, now: datetime) -> int:
    """Read the company's open orders back; returns how many were read. Raises the client's ``ServiceError``.

    The mark goes first: a call that comes meanwhile makes one of its own.
    """
    Company.objects.filter(pk=company.pk, orders_due_at__lte=now).update(orders_due_at=None)
    deliveries.hasten(company=company, now=now)
    rows = Invoice.objects.posted().filter(
        payment=Invoice.Payment.OPEN,
        posted_at__gt=now - timedelta(days=READ_DAYS),
    )
    read = read_back.read_back(company=company, invoices=rows, now=now)
    deliveries.read(company=company, now=now)
    return read


def postpone(*, company: Company, now: datetime) -> None:
    """Billit could not be asked: again in some minutes."""
    Company.objects.filter(pk=company.pk).update(orders_due_at=now + PAUSE)
