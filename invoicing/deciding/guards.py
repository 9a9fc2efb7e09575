"""Guards of a dossier (R11): who approved does not send, and what is out of the customer's usual waits for a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from django.db.models import Q
from django.utils.translation import gettext

from invoicing.models import Invoice
from toggbill.firms.access import NotAllowed
from toggbill.firms.audit import Actor

LATEST = 6
"""Invoices of the customer that the usual amount is the mean of."""


def has_same_eyes(invoice: Invoice, name: str, user: int | None) -> bool:
    """Whether whoever acts approved the invoice, in a dossier that wants four eyes.

    ``user``: the account's row id, by which people are known, since their address (``name``) changes; None: has none.
    """
    if user is None or invoice.approved_by_user is None:
        return invoice.dossier.four_eyes and invoice.approved_by == name
    return invoice.dossier.four_eyes and invoice.approved_by_user == user


def demand_other_eyes(by: Actor, invoice: Invoice) -> None:
    """Raises ``NotAllowed`` for who approved the invoice, in a dossier in which somebody else has to send it."""
    if has_same_eyes(invoice, by.name, by.user):
        raise NotAllowed(same_eyes(invoice))


def same_eyes(invoice: Invoice) -> str:
    """Why who approved an invoice may not send it."""
    return gettext(
        "Dossier “%(dossier)s” wants four eyes: %(who)s approved invoice %(invoice)s, so somebody else sends it."
    ) % {"dossier": invoice.dossier, "who": invoice.approved_by, "invoice": invoice}


@dataclass(frozen=True, slots=True)
class Deviation:
    """How far an invoice lies above the usual: ``mean`` in euro excl. VAT of the latest ``count`` (at most six)."""

    mean: Decimal
    count: int
    per_cent: int


def deviation(invoice: Invoice) -> Deviation | None:
    """The invoice's deviation where its dossier does not let it pass; None where it does, or there is nothing to
    compare with."""
    limit = invoice.dossier.deviation
    if not limit:
        return None
    amounts = _latest(invoice)
    if not amounts:
        return None
    mean = sum(amounts, Decimal(0)) / len(amounts)
    if invoice.total_excl * 100 <= mean * (100 + limit):
        return None
    above = (invoice.total_excl - mean) * 100 / mean if mean > 0 else Decimal(100)
    rounded = mean.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return Deviation(rounded, len(amounts), int(above.to_integral_value(ROUND_HALF_UP)))


def _latest(invoice: Invoice) -> Sequence[Decimal]:
    """The amounts excl. VAT of the latest invoices of the same customer in the dossier, which are at Billit."""
    same = Q(buyer_key=invoice.buyer_key)
    if invoice.customer_party_id is not None:
        same |= Q(customer_party_id=invoice.customer_party_id)
    rows = Invoice.objects.posted().filter(same, dossier=invoice.dossier_id, kind=Invoice.Kind.INVOICE)
    return [row.excl for row in rows.exclude(pk=invoice.pk).order_by("-posted_at", "-pk")[:LATEST]]
