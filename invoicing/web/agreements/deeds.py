"""What a person does with an agreement besides its terms: settle it, give an advance back, order a block."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet, Sum
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from integrations.clients.http.transport import ServiceError
from integrations.connections import failures
from invoicing.corrections import credit_notes, fees
from invoicing.deciding import figures
from invoicing.drafting import blocks as ordering
from invoicing.drafting import settlement
from invoicing.ledger.agreements import blocks
from invoicing.ledger.agreements.brought import left_of
from invoicing.models import Agreement, Deduction, Dossier, Invoice, InvoiceLine
from invoicing.rules.billing.lines import LineKind
from invoicing.rules.planning import PlannedInvoice
from invoicing.web.lookup import dossier_of
from toggbill.firms.access import FirmRequest, actor, may, member_required
from toggbill.firms.errors import NotPossible
from toggbill.firms.read import Read


@dataclass(frozen=True, slots=True)
class Left:
    """An advance or a block: its invoice, and what it was and what is left, in euro or in hours; ``line``: its row, to
    be given back; ``why``: why it cannot be; ``read``: for the form that does."""

    invoice: Invoice
    day: date | None
    whole: Decimal
    left: Decimal
    line: int
    why: str = ""
    read: str = ""

    @property
    def is_posted(self) -> bool:
        """Whether Billit has it."""
        return self.invoice.status == Invoice.Status.POSTED


@dataclass(frozen=True, slots=True)
class Settled:
    """What a settlement comes to: the hours on account that it bills, what they are worth, and what of the advances is
    deducted, in euro excl. VAT."""

    hours: Decimal
    value: Decimal
    deducted: Decimal

    @property
    def rest(self) -> Decimal:
        """What is billed of the hours."""
        return self.value - self.deducted


@member_required()
@require_GET
def left(request: FirmRequest, key: str, pk: int) -> HttpResponse:
    """What is left of each advance, or of each block."""
    row = get_object_or_404(_rows(dossier_of(request, key)).exclude(kind=Agreement.Kind.FIXED), pk=pk)
    is_advance = row.kind == Agreement.Kind.ADVANCE
    brought = list(row.brought.live().order_by("order_date", "order_id"))
    left_of_orders = left_of(brought)
    lines = _advances(row) if is_advance else _blocks(row)
    posted = [each.left for each in lines if each.is_posted]
    context = {
        "dossier": row.dossier,
        "row": row,
        "lines": lines,
        "brought": [(each, left_of_orders[each.pk]) for each in brought],
        "whole": sum((each.whole for each in lines), sum((each.total_excl for each in brought), Decimal(0))),
        "rest": sum(posted, sum(left_of_orders.values(), Decimal(0))),
        "may_give_back": may(request.membership, "hold"),
        "may_draft": may(request.membership, "draft"),
    }
    return render(request, "configuring/agreement_left.html", context)


@member_required("hold")
@require_POST
def give_back(request: FirmRequest, key: str, pk: int, line: int) -> HttpResponse:
    """Draft a credit note for what is left of an advance (field `read`)."""
    row = get_object_or_404(_rows(dossier_of(request, key)), pk=pk)
    found = get_object_or_404(
        row.lines.live().filter(kind=InvoiceLine.Kind.ADVANCE, takes_back__isnull=True).select_related("invoice__firm"),
        pk=line,
    )
    read = Read.unpack(request.POST.get("read", ""))
    try:
        note = fees.credit_lines(
            invoice=found.invoice, lines=[found.pk], by=actor(request), now=timezone.now(), read=read
        )
    except NotPossible as refusal:
        messages.error(request, str(refusal))
    except ServiceError as error:
        messages.error(request, failures.words(error.message))
    else:
        messages.success(
            request, _("A credit note for what is left of the advance is drafted: look at it, approve it.")
        )
        return redirect("firm:invoice", reference=note.reference)
    return redirect("firm:agreement_left", key=key, pk=pk)


@member_required("draft")
@require_http_methods(["GET", "POST"])
def settle(request: FirmRequest, key: str, pk: int) -> HttpResponse:
    """Settle the hours on account up to a day (`through`): first what that drafts is shown, then it is done."""
    rows = _rows(dossier_of(request, key)).filter(kind=Agreement.Kind.ADVANCE)
    row = get_object_or_404(rows, pk=pk)
    given = request.POST if request.method == "POST" else request.GET
    through = _day(given.get("through", "")) or timezone.localdate()
    read = Read.unpack(request.POST.get("read", ""))
    if request.method == "POST":
        try:
            done = settlement.settle(agreement=row, through=through, by=actor(request), now=timezone.now(), read=read)
        except NotPossible as refusal:
            messages.error(request, str(refusal))
        else:
            if done.moved:
                messages.success(request, _("The settlement is drafted: look at it, then approve it."))
                return redirect("firm:invoice", reference=done.moved[0][0].reference)
            messages.info(request, _("Nothing is to be settled up to that day."))
        return redirect("firm:agreements", key=key)
    context: dict[str, Any] = {"dossier": row.dossier, "row": row, "through": through, "planned": [], "trouble": ""}
    read_here = [figures.of_agreement(row)]
    try:
        found = settlement.foresee(agreement=row, through=through, now=timezone.now())
        context["planned"] = [planned for _invoice, planned in found.moved]
        context["settled"] = _settled(row, context["planned"])
        read_here.append(figures.of_settlement(row, through, found.plan))
    except NotPossible as refusal:
        context["trouble"] = str(refusal)
    context["read"] = Read.of(read_here).pack()
    return render(request, "configuring/agreement_settle.html", context)


@member_required("draft")
@require_http_methods(["GET", "POST"])
def order_block(request: FirmRequest, key: str, pk: int) -> HttpResponse:
    """Order the next block of prepaid hours: first what it costs is shown, then it is drafted (field `read`)."""
    row = get_object_or_404(_rows(dossier_of(request, key)).filter(kind=Agreement.Kind.PREPAID), pk=pk)
    if request.method == "POST":
        read = Read.unpack(request.POST.get("read", ""))
        try:
            made = ordering.order_block(agreement=row, by=actor(request), now=timezone.now(), read=read)
        except NotPossible as refusal:
            messages.error(request, str(refusal))
            return redirect("firm:agreement_block", key=key, pk=pk)
        messages.success(request, _("The block is drafted: look at it, then approve and post it."))
        return redirect("firm:invoice", reference=made.reference)
    context = {
        "dossier": row.dossier,
        "row": row,
        "amount": (row.hours or Decimal(0)) * (row.price or Decimal(0)),
        "left": blocks.left(row),
        "why": ordering.why_not(row, timezone.now()),
        "read": Read.of([figures.of_agreement(row)]).pack(),
    }
    return render(request, "configuring/agreement_block.html", context)


def _settled(row: Agreement, planned: Iterable[PlannedInvoice]) -> Settled:
    lines = [line for each in planned for line in each.lines if line.settled and line.settled.agreement == row.pk]
    hours = [line for line in lines if line.kind == LineKind.hours]
    deducted = [line.total for line in lines if line.kind == LineKind.deduction]
    return Settled(
        sum((line.quantity for line in hours), Decimal(0)),
        sum((line.total for line in hours), Decimal(0)),
        -sum(deducted, Decimal(0)),
    )


def _rows(dossier: Dossier) -> QuerySet[Agreement]:
    rows = Agreement.objects.filter(dossier=dossier)
    return rows.select_related("firm", "dossier__firm", "dossier__workspace__firm", "dossier__company__connection")


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _advances(row: Agreement) -> list[Left]:
    lines = row.lines.live().filter(kind=InvoiceLine.Kind.ADVANCE, takes_back__isnull=True)
    found = list(lines.select_related("invoice").order_by("period"))
    used = Deduction.objects.live().filter(advance__in=found)
    taken = dict(used.values_list("advance").annotate(Sum("amount")).order_by())
    invoices = list({line.invoice_id: line.invoice for line in found}.values())
    reads = {
        invoice.pk: Read.of([each]).pack()
        for invoice, each in zip(invoices, figures.of_invoices(invoices), strict=True)
    }
    notes = {note.about_id: note for note in Invoice.objects.standing().filter(about__in=invoices).waiting()}
    return [
        Left(
            line.invoice,
            line.period,
            line.total,
            line.total - taken.get(line.pk, Decimal(0)),
            line.pk,
            credit_notes.why_not(line.invoice, notes.get(line.invoice_id)),
            reads[line.invoice_id],
        )
        for line in found
    ]


def _blocks(row: Agreement) -> list[Left]:
    lines = row.lines.live().filter(kind=InvoiceLine.Kind.BLOCK, takes_back__isnull=True)
    found = list(lines.select_related("invoice").order_by("part"))
    drawn = {block.line: block.drawn for block in blocks.stocks([row.pk])[row.pk].blocks}
    return [
        Left(line.invoice, line.period, line.quantity, line.quantity - blocks.hours_of(drawn.get(line.pk, 0)), line.pk)
        for line in found
    ]
