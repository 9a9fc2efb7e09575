"""The invoices: filtered, each with what is wrong with it and what mends that, and many of them decided on at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, Min, Prefetch, QuerySet, Sum, prefetch_related_objects
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from invoicing.deciding import figures, rights
from invoicing.models import NEEDS_PERSON, Dossier, Invoice, InvoiceLine
from invoicing.web.invoices import progress, together
from invoicing.web.invoices.filters import Filter
from invoicing.web.lookup import PER_PAGE, months, paged
from toggbill.firms.access import FirmRequest, may, member_required, visible
from toggbill.firms.read import Read

_APPROVABLE = (Invoice.Status.DRAFT, Invoice.Status.REFUSED)
_UNSENT = (Invoice.Delivery.NOT_SENT, Invoice.Delivery.FAILED)
_RIGHTS = {"approve": "approve", "post": "post", "send": "post", "drop": "draft"}
_READ_HERE = frozenset({"approve", "post", "drop"})
"""Before a sending, way and receiver are read on a page of their own."""
LINES = 3
"""Lines of an invoice that its row shows."""


@dataclass(frozen=True, slots=True)
class Row:
    """An invoice of the list. ``verbs``: what the member can do to it now; ``refused``: why it was left alone just
    now; ``more``: how many lines it has beside those that are shown."""

    invoice: Invoice
    lines: Sequence[InvoiceLine]
    more: int
    verbs: frozenset[str]
    refused: str
    is_chosen: bool
    trouble: progress.Trouble | None


@member_required()
@require_GET
def invoices(request: FirmRequest) -> HttpResponse:
    """The invoices, the newest first; ``Filter`` says what narrows them, `chosen` shows those of the last choice.

    A page holds 50, or with `rows=200` as many as one form may decide on.
    """
    asked = Filter.of(request.GET)
    chosen = together.chosen(request) if "chosen" in request.GET else None
    every = visible(request.membership, Invoice.objects.all())
    if chosen is not None:
        every = every.filter(pk__in=chosen.ids)
    beside = asked.besides_status(every)
    counts = dict(beside.values_list("status").annotate(Count("pk")).order_by())
    wide = chosen is not None or request.GET.get("rows") == str(together.MOST)
    found = paged(request, _shown(asked.rows(every)), per_page=together.MOST if wide else PER_PAGE)
    rows = _rows(request, list(found["page"].object_list), chosen)
    dossiers = list(visible(request.membership, Dossier.objects.all()).order_by("name", "pk"))
    return render(
        request,
        "invoicing/invoices.html",
        {
            **found,
            "asked": asked,
            "rows": rows,
            "read": Read.of(figures.briefly(row.invoice for row in rows if row.verbs & _READ_HERE)).pack(),
            "verbs": [name for name in _RIGHTS if any(name in row.verbs for row in rows)],
            "chosen": chosen,
            "progress": progress.of(chosen.verb, [row.invoice for row in rows]) if chosen else None,
            "sum": sum((row.invoice.excl for row in rows), Decimal(0)),
            "wide": wide,
            "most": together.MOST,
            "per_page": PER_PAGE,
            "statuses": [(value, label, counts[value]) for value, label in Invoice.Status.choices if value in counts],
            "total": sum(counts.values()),
            "needing": beside.filter(NEEDS_PERSON).count(),
            "drafts": beside.drafts().aggregate(value=Sum("total_excl"), oldest=Min("drafted_at")),
            "unsent": _unsent(request, beside),
            "draft_count": counts.get(Invoice.Status.DRAFT, 0),
            "without_status": asked.without("status"),
            "deliveries": Invoice.Delivery.choices,
            "months": list(months(dossiers, asked.month)),
            "dossiers": dossiers,
        },
    )


def _shown(rows: QuerySet[Invoice]) -> QuerySet[Invoice]:
    rows = rows.select_related("dossier", "company__connection", "firm")
    return rows.defer("company__connection__secret", "company__connection__refresh_secret").order_by(
        "-drafted_at", "-pk"
    )


def _rows(request: FirmRequest, found: Sequence[Invoice], chosen: together.Chosen | None) -> list[Row]:
    # The entries of those that are decided on here, too: they are part of what is read.
    figures.with_lines([invoice for invoice in found if _possible(invoice) & _READ_HERE])
    prefetch_related_objects(found, Prefetch("lines", InvoiceLine.objects.order_by("position")))
    allowed = {name for name, right in _RIGHTS.items() if may(request.membership, right)}
    passes_limit = may(request.membership, "approve_any")
    rows = []
    for invoice in found:
        lines = list(invoice.lines.all())
        verbs = _possible(invoice) & allowed
        if not passes_limit and not rights.within_limit(invoice):
            # An approval is taken back by who may give it.
            verbs -= {"approve"} | ({"drop"} if invoice.status == Invoice.Status.APPROVED else set())
        rows.append(
            Row(
                invoice,
                lines[:LINES],
                max(0, len(lines) - LINES),
                frozenset(verbs),
                chosen.refused.get(invoice.pk, "") if chosen else "",
                chosen is not None and invoice.pk in chosen.done and bool(verbs - {"drop"}),
                progress.trouble(invoice),
            )
        )
    return rows


def _possible(invoice: Invoice) -> set[str]:
    """What can be done to it in the state that it is in."""
    is_unsent = invoice.status == Invoice.Status.POSTED and invoice.delivery in _UNSENT
    possible = {
        "approve": invoice.status in _APPROVABLE,
        "post": invoice.status == Invoice.Status.APPROVED and invoice.post_requested_at is None,
        "send": is_unsent and invoice.send_requested_at is None and invoice.replacing_since is None,
        # What was asked for just now is not dropped by a click that was meant for others.
        "drop": invoice.status in figures.DROPPABLE and invoice.post_requested_at is None,
    }
    return {name for name, is_possible in possible.items() if is_possible}


def _unsent(request: FirmRequest, rows: QuerySet[Invoice]) -> int:
    """How many can be sent, for who may."""
    if not may(request.membership, "post"):
        return 0
    unsent = Invoice.objects.unsent().filter(send_requested_at__isnull=True)
    return rows.filter(pk__in=unsent.values("pk")).count()
