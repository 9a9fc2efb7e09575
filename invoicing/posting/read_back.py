"""Reading posted orders back: Billit's figures stand as the legal ones; number, customer and payment come with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from integrations.clients import billit, billit_rows
from integrations.connections.opening import open_billit
from integrations.models import Company
from invoicing.models import Invoice
from invoicing.models.invoices.invoice import InvoiceQuerySet
from invoicing.posting import read_first
from invoicing.posting.read_first import Place, Seen

_READ_BACK_DAYS = 7


def read_back(*, company: Company, invoices: InvoiceQuerySet | None = None, now: datetime) -> int:
    """Read totals, number, customer, payment and whether it was sent of posted orders back, up to 120 a call; returns
    how many were read. An order that is not there is left to who compares.

    Without ``invoices``: those whose totals were not read yet. Billit's first figures stand as the legal ones; others
    after them are a finding (``read_first``).
    """
    waiting = Invoice.objects.unread() if invoices is None else invoices
    rows = list(waiting.posted().filter(company=company).select_related("firm").order_by("order_id"))
    if not rows:
        return 0
    read = 0
    with open_billit(company) as api:
        for part in read_first.portions(rows, by_day=invoices is None):
            seen = listed(part, api)
            read_first.take_over(seen=seen, now=now)
            read += len(seen)
    return read


def listed(invoices: Sequence[Invoice], api: billit.Api) -> list[tuple[Invoice, Seen]]:
    """What Billit's list says of these orders, in one range of ids; those that it does not show are left out."""
    ids = [row.order_id for row in invoices if row.order_id is not None]
    there = {order.id: order for order in api.orders_between(min(ids), max(ids))}
    return [
        (row, Seen(Place.STANDS, read_first.completed(there[row.order_id], billit_rows.STATE, api)))
        for row in invoices
        if row.order_id in there
    ]


def unread(*, now: datetime) -> list[int]:
    """The companies (row ids) with posted invoices whose totals were not read back.

    Not for ever: an order that is not there after a week is none that a worker will find; ``reconcile`` names it.
    """
    rows = Invoice.objects.unread().filter(posted_at__gt=now - timedelta(days=_READ_BACK_DAYS))
    return sorted(set(rows.values_list("company_id", flat=True)))
