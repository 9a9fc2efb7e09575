"""What the log tells of drafts: the events of drawing them and of hanging covered hours on a fee."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from invoicing.models import Invoice, InvoiceLine
from invoicing.models.moves import BEGIN, STATUS
from invoicing.rules import planning
from invoicing.rules.billing import discounts
from toggbill.firms.audit import News


def hung_news(hung: Iterable[planning.Hung]) -> list[News]:
    """The events of hours that lines of earlier invoices cover from now on: one for each invoice, with Toggl's ids."""
    entries = defaultdict[int, list[int]](list)
    for each in hung:
        entries[each.line] += [entry.id for entry in each.entries]
    invoices = dict(InvoiceLine.objects.filter(pk__in=entries).values_list("pk", "invoice__reference"))
    return [
        News("hours_covered", f"invoice {invoices[line]}", {"entries": sorted(entries[line])})
        for line in sorted(entries, key=lambda line: invoices[line])
    ]


def drafted_news(
    invoice: Invoice,
    planned: planning.PlannedInvoice,
    cut_off: date,
    redrawn: bool,
    before: Iterable[discounts.Written] = (),
) -> News:
    """The event of an invoice that was drafted or redrawn: hours by product reference, entries by Toggl id.

    ``before``: the lines of the draft in whose place it is, where one had a discount."""
    hours: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in planned.lines:
        if line.due is None and line.deducts is None:
            hours[line.product.reference] += line.quantity
    return News(
        STATUS.event(BEGIN, Invoice.Status.DRAFT),
        f"invoice {invoice.reference}",
        {
            "dossier": invoice.dossier.key,
            "customer": invoice.customer_name,
            "number": invoice.customer_vat,
            "through": cut_off.isoformat(),
            "redrawn": redrawn,
            "total_excl": str(invoice.total_excl),
            "total_incl": str(invoice.total_incl),
            "hours": {reference: str(quantity) for reference, quantity in sorted(hours.items())},
            **_differences_news(planned),
            **_fees_news(planned),
            **_discounts_news(planned, before),
            **_settlement_news(planned),
            **({"earlier_seconds": invoice.earlier_seconds} if invoice.earlier_seconds else {}),
            **({"at_their_day": True} if invoice.at_their_day else {}),
            "entries": sorted(entry.id for line in planned.lines if line.difference is None for entry in line.entries),
        },
    )


def _fees_news(planned: planning.PlannedInvoice) -> dict[str, Any]:
    """What it bills of agreements, and which hours their fees cover."""
    fees = [
        {
            "agreement": line.due.key,
            "kind": str(line.kind),
            "period": line.due.period.isoformat(),
            "quantity": str(line.quantity),
            "total": str(line.total),
        }
        for line in planned.lines
        if line.due is not None
    ]
    covered = sorted(entry.id for line in planned.lines for entry in line.covered)
    return ({"fees": fees} if fees else {}) | ({"covered": covered} if covered else {})


def _discounts_news(planned: planning.PlannedInvoice, before: Iterable[discounts.Written]) -> dict[str, Any]:
    """The discounts of its lines, and those of an earlier draft that no line has any more."""
    kept = [line for line in planned.lines if line.discount.amount]
    left = [line.key for line in kept]
    gone = []
    for each in before:
        if each.line in left:
            left.remove(each.line)
        elif each.discount.amount:
            gone.append({"line": each.line[1], "discount": str(each.discount.amount), "reason": each.discount.reason})
    found = [
        {"line": line.description, "discount": str(line.discount.amount), "reason": line.discount.reason}
        for line in kept
    ]
    return ({"discounts": found} if found else {}) | ({"discounts_gone": gone} if gone else {})


def _settlement_news(planned: planning.PlannedInvoice) -> dict[str, Any]:
    """Which agreements it settles, up to which day, and what it deducts of their advances."""
    settled = {line.settled.key: line.settled.through for line in planned.lines if line.settled is not None}
    deducted = [
        {"agreement": line.settled.key, "advance": line.description, "amount": str(-line.total)}
        for line in planned.lines
        if line.deducts is not None and line.settled is not None
    ]
    if not settled:
        return {}
    return {"settled": {key: day.isoformat() for key, day in sorted(settled.items())}, "deductions": deducted}


def _differences_news(planned: planning.PlannedInvoice) -> dict[str, dict[str, int]]:
    found = [line.difference for line in planned.lines if line.difference is not None]
    return {"differences": {str(each.entry.id): each.seconds for each in found}} if found else {}
