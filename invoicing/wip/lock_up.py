"""Lock-up of a firm: how long money is tied up in work in progress and in unpaid invoices (design section 11)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.db.models import Case, Count, F, Q, QuerySet, Sum, When
from django.db.models.functions import Coalesce

from invoicing.models import BroughtOrder, Dossier, Invoice
from invoicing.rules.wip import YEAR, LockUp, lock_up

_NOTE = Invoice.Kind.CREDIT_NOTE


@dataclass(frozen=True, slots=True)
class Tied:
    """Lock-up, and of how many invoices of the year it is not known when they were paid: paid on a day that Billit does
    not tell, or not paid as far as Billit was asked."""

    lock_up: LockUp
    paid: int
    paid_some_day: int
    unpaid: int


def of(*, dossiers: Collection[Dossier], value: Decimal, as_of: date) -> Tied:
    """``value``: of the work in progress on that day. Billed and paid is what was so in the year that ends with it."""
    begin = as_of - timedelta(days=YEAR - 1)
    posted = Invoice.objects.posted().filter(dossier__in=dossiers)
    lately = posted.filter(order_date__gte=begin, order_date__lte=as_of)
    excl = Coalesce(F("legal_excl"), F("total_excl"))
    billed = lately.aggregate(sum=Sum(Case(When(kind=_NOTE, then=-excl), default=excl)))["sum"] or Decimal(0)
    # What Billit billed by itself, and a settlement takes off again.
    brought = BroughtOrder.objects.live().filter(agreement__dossier__in=dossiers)
    brought = brought.filter(order_date__gte=begin, order_date__lte=as_of)
    billed += brought.aggregate(sum=Sum("total_excl"))["sum"] or Decimal(0)
    invoices = posted.filter(kind=Invoice.Kind.INVOICE)
    paid, amount_days, count = _paid(invoices.filter(paid_date__gte=begin, paid_date__lte=as_of))
    others = invoices.filter(paid_date__isnull=True, order_date__gte=begin, order_date__lte=as_of).aggregate(
        some_day=Count("pk", filter=Q(payment=Invoice.Payment.PAID)),
        unpaid=Count("pk", filter=Q(payment=Invoice.Payment.OPEN)),
    )
    known = lock_up(value=value, billed=billed, paid=paid, amount_days=amount_days)
    return Tied(known, count, others["some_day"], others["unpaid"])


def _paid(invoices: QuerySet[Invoice]) -> tuple[Decimal, Decimal, int]:
    """What was paid (incl. VAT), each amount times the days from the invoice's date, and how many there are."""
    incl = Coalesce(F("legal_incl"), F("total_incl"))
    days = invoices.filter(order_date__isnull=False).values("order_date", "paid_date").order_by()
    paid, amount_days, count = Decimal(0), Decimal(0), 0
    for each in days.annotate(sum=Sum(incl), count=Count("pk")):
        if each["paid_date"] is None or each["order_date"] is None:
            continue
        paid += each["sum"]
        amount_days += each["sum"] * (each["paid_date"] - each["order_date"]).days
        count += each["count"]
    return paid, amount_days, count
