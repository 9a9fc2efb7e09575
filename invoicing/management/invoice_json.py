"""An invoice as the commands print it (design section 10): money, rates and quantities are strings."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db.models import Prefetch, QuerySet

from invoicing.models import Claim, Invoice, InvoiceLine
from invoicing.rules import planning

CENT = Decimal("0.01")


def as_json(invoices: QuerySet[Invoice]) -> list[dict[str, Any]]:
    """Invoices with their lines and entries, in the order of the query."""
    claims = Claim.objects.order_by("started_at", "entry__remote_id").select_related("entry")
    lines = InvoiceLine.objects.order_by("position").prefetch_related(Prefetch("claims", claims))
    rows = invoices.select_related("dossier").prefetch_related(Prefetch("lines", lines))
    return [_header(row) | {"lines": [_line(line) for line in row.lines.all()]} for row in rows]


def planned(invoice: Invoice, plan: planning.PlannedInvoice) -> dict[str, Any]:
    """An invoice that a run would make or change; one that does not exist yet has no reference."""
    header = _header(invoice) | {"reference": invoice.reference if invoice.pk else None}
    return header | {"lines": [_planned_line(line) for line in plan.lines]}


def skipped_json(plan: planning.Plan) -> list[dict[str, Any]]:
    """What a run does not bill, and why: entries by their Toggl id, then lines of agreements by their period."""
    withheld = [
        {"agreement": each.agreement, "period": each.period.isoformat(), "reason": str(each.reason)}
        for each in plan.withheld
    ]
    return [{"entry": each.entry, "reason": str(each.reason)} for each in plan.skipped] + withheld


def _header(invoice: Invoice) -> dict[str, Any]:
    return {
        "reference": invoice.reference,
        "dossier": invoice.dossier.key,
        "customer_vat": invoice.customer_vat,
        "customer_name": invoice.customer_name,
        "status": invoice.status,
        "delivery": invoice.delivery,
        "order_id": invoice.order_id,
        "order_number": invoice.order_number or None,
        "period_from": invoice.period_from.isoformat(),
        "period_till": invoice.period_till.isoformat(),
        "total_excl": _money(invoice.excl),
        "total_vat": _money(invoice.vat),
        "total_incl": _money(invoice.incl),
    }


def _line(line: InvoiceLine) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "product": line.product_reference,
        "description": line.description,
        "quantity": _money(line.quantity),
        "unit_price": _price(line.unit_price),
        "vat_rate": _money(line.vat_rate),
        "discount": _money(line.discount),
        "total": _money(line.total),
        "seconds": line.seconds,
        "late": line.is_late,
        # Of a credit note's line an entry may have two claims: what was billed first, and a difference later.
        "entries": list(dict.fromkeys(claim.entry.remote_id for claim in line.claims.all())),
    }


def _planned_line(line: planning.PlannedLine) -> dict[str, Any]:
    return {
        "kind": str(line.kind),
        "product": line.product.reference,
        "description": line.description,
        "quantity": _money(line.quantity),
        "unit_price": _price(line.unit_price),
        "vat_rate": _money(line.vat_rate),
        "discount": _money(line.discount.amount),
        "total": _money(line.total),
        "seconds": line.seconds,
        "late": line.late,
        "entries": [entry.id for entry in (*line.entries, *line.covered)],
    }


def _money(value: Decimal) -> str:
    return f"{value.quantize(CENT):f}"


def _price(value: Decimal) -> str:
    """At least two decimals, more when the price has them."""
    short = value.normalize()
    return f"{short:f}" if -int(short.as_tuple().exponent) > 2 else _money(value)
