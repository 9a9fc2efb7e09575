"""Billit against the ledger: the orders of posted invoices, and of what was brought in, as Billit has them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from integrations.clients import billit, billit_rows
from integrations.connections.opening import open_billit
from integrations.models import Company
from invoicing.models import BroughtOrder, Dossier, Drift, Invoice
from invoicing.posting import brought, read_first
from invoicing.posting.read_first import Place, Seen
from invoicing.reconciliation.extent import Extent
from invoicing.reconciliation.findings import Finding

OUR_PREFIX = "tb-"
_Kind = Drift.Kind


@dataclass(frozen=True, slots=True)
class Compared:
    """What differs, and how many invoices were compared with how many orders of Billit's lists."""

    found: list[Finding]
    invoices: int
    orders: int


def compare(*, company: Company, dossiers: Sequence[Dossier], extent: Extent | None, now: datetime) -> Compared:
    """Compare the invoices of dossiers of one company with its orders: those of the months of ``extent`` and what
    changed at Billit since the latest comparison, or all. What stood as a finding is looked at again.

    What Billit says of numbers and payments is noted on the invoices. Raises ``ServiceError``.
    """
    with open_billit(company) as api:
        # Ours first: an order that is made while the list is read must not seem to be missing. What is being replaced
        # is in doubt, and its own look-up finds out.
        ours = Invoice.objects.posted().not_being_replaced().filter(dossier__in=dossiers).select_related("firm")
        brought_in = BroughtOrder.objects.live().filter(company=company, agreement__dossier__in=dossiers)
        if extent is None:
            posted = list(ours.order_by("pk"))
            at_billit = {order.id: order for order in api.orders_with_prefix(OUR_PREFIX)}
            seen = [(invoice, _seen(invoice, at_billit.get(invoice.order_id or 0), api)) for invoice in posted]
        else:
            standing = Drift.objects.standing().filter(dossier__in=dossiers, entry_remote_id__isnull=True)
            known = list(standing.values_list("order_id", "reference"))
            of_findings = {order_id for order_id, _ in known if order_id is not None}
            within = extent.within("order_date")
            asked = set(ours.filter(within).values_list("pk", flat=True))
            at_billit = _lately(extent, of_findings, api)
            besides = Q(order_id__in=at_billit) | Q(reference__in={reference for _, reference in known if reference})
            posted = list(ours.filter(Q(pk__in=asked) | besides).order_by("pk"))
            seen = read_first.look_up(invoices=posted, listed=at_billit, api=api)
            brought_in = brought_in.filter(within | Q(order_id__in=of_findings))
        sent = read_first.take_over(seen=seen, now=now)
        # What a person has acknowledged of an order is taken over, too, and no difference any more.
        fresh = Invoice.objects.select_related("firm").in_bulk([invoice.pk for invoice in posted])
        found = []
        for before, state in seen:
            invoice = fresh[before.pk]
            found += [_of_order(kind, invoice, facts) for kind, facts in read_first.differences(invoice, state)]
            if invoice.pk in sent:
                found.append(_of_order(_Kind.ORDER_SENT, invoice, {"invoice": str(invoice)}))
        found += _unknown(company, dossiers, list(at_billit.values()))
        rows = list(brought_in.select_related("agreement").order_by("order_id"))
        for row, state in brought.read(rows=rows, api=api):
            for kind, facts in brought.differences(row, state):
                found.append(Finding(kind, row.agreement.dossier_id, order_id=row.order_id, facts=facts))
    return Compared(found, len(posted), len(at_billit))


def _lately(extent: Extent, of_findings: Collection[int], api: billit.Api) -> dict[int, billit.OrderSummary]:
    """By id: orders with a reference of ours that have their day in the months, changed since, or have a finding."""
    listed = api.orders_with_prefix(OUR_PREFIX, changed_since=extent.changed_since)
    for first, end in extent.spans():
        listed += api.orders_with_prefix(OUR_PREFIX, dated=(first, end))
    ids = sorted(of_findings)
    for start in range(0, len(ids), billit.REFERENCES_AT_ONCE):
        some = api.orders_by_id(ids[start : start + billit.REFERENCES_AT_ONCE])
        listed += [order for order in some if not order.external_id or order.external_id.startswith(OUR_PREFIX)]
    return {order.id: order for order in listed}


def _seen(invoice: Invoice, listed: billit.OrderSummary | None, api: billit.Api) -> Seen:
    if listed is None:
        return read_first.gone(invoice, api)
    return Seen(Place.STANDS, read_first.completed(listed, billit_rows.STATE, api))


def _unknown(company: Company, dossiers: Sequence[Dossier], orders: Sequence[billit.OrderSummary]) -> list[Finding]:
    """Orders with a reference of ours that no invoice is posted as, each in the dossier that it comes from: that of
    the invoice with this reference, else the company's oldest."""
    invoices = Invoice.objects.filter(company=company)
    ids = [order.id for order in orders]
    known = set(invoices.filter(order_id__in=ids).values_list("order_id", flat=True))
    # What is being posted, or is in doubt, is found out by its own look-up.
    awaited = set(invoices.unanswered().values_list("reference", flat=True))
    nobodys = [order for order in orders if order.id not in known and order.external_id not in awaited]
    named = invoices.filter(reference__in={order.external_id for order in nobodys})
    homes = dict(named.values_list("reference", "dossier"))
    oldest = Dossier.objects.filter(company=company).order_by("created_at", "pk").values_list("pk", flat=True).first()
    asked = {dossier.pk for dossier in dossiers}
    return [
        Finding(_Kind.ORDER_UNKNOWN, home, order_id=order.id, reference=order.external_id or None, facts=facts)
        for order in nobodys
        if (home := homes.get(order.external_id, oldest)) in asked and (facts := {"number": order.number})
    ]


def _of_order(kind: Drift.Kind, invoice: Invoice, facts: dict[str, Any]) -> Finding:
    return Finding(kind, invoice.dossier_id, order_id=invoice.order_id, reference=invoice.reference, facts=facts)
