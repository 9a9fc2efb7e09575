"""Reading posted orders back: Billit's figures stand as the legal ones; number, customer and payment come with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from django.db import transaction

from integrations.clients import billit
from integrations.clients.failures import Message
from integrations.connections.opening import open_billit
from integrations.models import Company
from invoicing.models import Invoice, moves
from invoicing.models.invoices import InvoiceQuerySet
from invoicing.models.moves import PAYMENT, Step
from invoicing.models.problems import Code, columns
from invoicing.posting import orders
from invoicing.posting.post import news_of
from toggbill.firms import audit
from toggbill.firms.audit import Actor
from toggbill.firms.locks import lock_firm

_Status = Invoice.Status
_Payment = Invoice.Payment
READ_BACK_AT_ONCE = 120
_READ_BACK_DAYS = 7


def read_back(*, company: Company, invoices: InvoiceQuerySet | None = None, now: datetime) -> int:
    """Read totals, number, customer and payment of posted orders back, up to 120 a call; returns how many were read.

    Without ``invoices``: those whose totals were not read yet. Billit's figures stand as the legal ones.
    """
    waiting = Invoice.objects.unread() if invoices is None else invoices
    rows = list(waiting.posted().filter(company=company).select_related("firm").order_by("order_id"))
    if not rows:
        return 0
    with open_billit(company) as api:
        read = 0
        for together in read_together(rows, by_day=invoices is None):
            part = {row.order_id: row for row in together}
            ids = [order_id for order_id in part if order_id is not None]
            for order in api.orders_between(min(ids), max(ids)):
                if order.id in part:
                    note_order(invoice=part[order.id], order=order, now=now)
                    read += 1
        return read


def read_together(rows: Sequence[Invoice], *, by_day: bool) -> Iterator[Sequence[Invoice]]:
    """Portions of at most 120, in the order of their order ids.

    ``by_day``: none spans two days of posting. An order that is gone stays unread: the range that is asked for must not
    reach from it over all that came later.
    """
    for _, day in groupby(rows, key=lambda row: row.order_date if by_day else None):
        found = list(day)
        for start in range(0, len(found), READ_BACK_AT_ONCE):
            yield found[start : start + READ_BACK_AT_ONCE]


@transaction.atomic
def note_order(*, invoice: Invoice, order: billit.OrderSummary, now: datetime) -> None:
    """Keep what Billit says of a posted order: legal totals, number, customer, payment."""
    to_pin = invoice.customer_party_id is None and order.customer_id is not None
    is_news = order.paid and invoice.payment != Invoice.Payment.PAID
    if to_pin or is_news:
        lock_firm(invoice.firm)
    legal = (order.total_excl, order.total_vat, order.total_incl)
    fields: dict[str, object] = {
        "legal_excl": legal[0],
        "legal_vat": legal[1],
        "legal_incl": legal[2],
        "order_number": order.number[:100] or invoice.order_number,
    }
    if invoice.legal_excl is None and legal != (invoice.total_excl, invoice.total_vat, invoice.total_incl):
        ours = (invoice.total_excl, invoice.total_vat, invoice.total_incl)
        names = ("excl", "vat", "incl", "our_excl", "our_vat", "our_incl")
        facts = {name: f"{amount:.2f}" for name, amount in zip(names, (*legal, *ours), strict=True)}
        fields |= columns("attention", Message(Code.TOTALS_DIFFER, facts))
    if invoice.customer_party_id is None and order.customer_id is not None:
        fields["customer_party_id"] = order.customer_id
        orders.pin_customer(invoice, order.customer_id, now)
    if is_news:
        fields |= {"payment": Step(_Payment, _Payment.PAID), "paid_date": order.paid_date}
        event = PAYMENT.event(_Payment.OPEN, _Payment.PAID)
        news = news_of(event, invoice, date=order.paid_date.isoformat() if order.paid_date else None)
        audit.record(firm=invoice.firm, news=[news], by=Actor("Billit", "read back"), now=now)
    moves.move(Invoice.objects.filter(pk=invoice.pk), **fields)


def unread(*, now: datetime) -> list[int]:
    """The companies (row ids) with posted invoices whose totals were not read back.

    Not for ever: an order that is not there after a week is none that a worker will find; ``reconcile`` names it.
    """
    rows = Invoice.objects.unread().filter(posted_at__gt=now - timedelta(days=_READ_BACK_DAYS))
    return sorted(set(rows.values_list("company_id", flat=True)))
