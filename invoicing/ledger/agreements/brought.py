"""What orders that Billit made itself bill of agreements (section 11): periods, and advances with what is left of them.

Reads only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet, Subquery, Sum

from invoicing.models import Agreement, BroughtOrder, Deduction, Drift, Invoice
from invoicing.models.advances.deductions import DeductionQuerySet
from invoicing.rules.agreements.settlement import Advance
from invoicing.rules.billing.lines import AdvanceKey
from invoicing.rules.judging.mapping import Product, Treatment

_Kind = Drift.Kind
IN_QUESTION = (_Kind.ORDER_DELETED, _Kind.ORDER_MISSING, _Kind.ORDER_CHANGED)
"""Findings on such an order."""


@dataclass(slots=True)
class Orders:
    """Of one agreement: the periods that they stand for, and the advances."""

    periods: list[date] = field(default_factory=list)
    advances: list[Advance] = field(default_factory=list)


def orders_of(agreements: Collection[int], besides: Collection[Invoice]) -> defaultdict[int, Orders]:
    """By agreement (row id); what the invoices ``besides`` deduct does not count. One query."""
    found = defaultdict[int, Orders](Orders)
    used = Deduction.objects.live().filter(brought=OuterRef("pk")).exclude(line__invoice__in=besides)
    findings = _findings().filter(
        dossier=OuterRef("agreement__dossier"), about=Drift.about_the_order(OuterRef("order_id"))
    )
    rows: QuerySet[Any] = BroughtOrder.objects.live().filter(agreement__in=agreements).select_related("agreement")
    rows = rows.annotate(taken=Subquery(total_of(used, "brought")), in_question=Exists(findings))
    for row in rows.order_by("order_date", "order_id"):
        if row.period is not None:
            found[row.agreement_id].periods.append(row.period)
        if row.agreement.kind == Agreement.Kind.ADVANCE:
            left = row.total_excl - (row.taken or Decimal(0))
            found[row.agreement_id].advances.append(_advance(row, left, row.in_question))
    return found


def total_of(used: DeductionQuerySet, of: str) -> Any:
    """The amount of deductions that are all from the same advance (field ``of``), for a subquery; NULL of none."""
    return used.order_by().values(of).annotate(total=Sum("amount")).values("total")


def left_of(rows: Sequence[BroughtOrder], *, besides: Collection[Invoice] = ()) -> dict[int, Decimal]:
    """By row id: what no settlement deducted, in euro."""
    used = Deduction.objects.live().filter(brought__in=rows).exclude(line__invoice__in=besides)
    taken = dict(used.values_list("brought").annotate(Sum("amount")).order_by())
    return {row.pk: row.total_excl - taken.get(row.pk, Decimal(0)) for row in rows}


def findings_on(rows: Sequence[BroughtOrder]) -> dict[int, Drift]:
    """By row id: what a person has to decide on before anything is deducted."""
    by_about = {Drift.about_of(order_id=row.order_id): row for row in rows}
    found: dict[int, Drift] = {}
    dossiers = {row.agreement.dossier_id for row in rows}
    for drift in _findings().filter(dossier__in=dossiers, about__in=by_about).order_by("pk"):
        found.setdefault(by_about[drift.about].pk, drift)
    return found


def _findings() -> QuerySet[Drift]:
    """Those that a person has to decide on. What Billit credited stays in question, acknowledged or not: nothing is
    left of it."""
    drifts = Drift.objects.standing().filter(kind__in=IN_QUESTION)
    return drifts.exclude(acknowledged_at__isnull=False, facts__has_key="amounts")


def _advance(row: BroughtOrder, left: Decimal, has_finding: bool) -> Advance:
    product = row.agreement.product_reference
    return Advance(
        key=AdvanceKey(row.pk, is_brought=True),
        due_on=row.period or row.order_date,
        left=left,
        product=Product(0, product, row.description, row.total_excl, row.vat_rate),
        vat_rate=row.vat_rate,
        ventilation_code=row.ventilation_code,
        treatment=Treatment(row.treatment),
        number=str(row),
        dated=row.order_date,
        party_id=row.customer_party_id,
        vat_number=row.customer_vat,
        has_finding=has_finding,
    )
