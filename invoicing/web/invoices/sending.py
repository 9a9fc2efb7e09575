"""Sending, one or many at once: a person reads way, receiver and amount of each, then confirms (R11)."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from integrations.clients.http.failures import Message
from invoicing.deciding import figures, guards
from invoicing.due import posts
from invoicing.models import Invoice
from invoicing.models.problems import Code, words
from invoicing.posting import read_first
from invoicing.tasks import send_invoices
from invoicing.web.enqueue import hasten
from invoicing.web.invoices import together
from invoicing.web.lookup import PER_PAGE, paged
from toggbill.firms.access import FirmRequest, actor, member_required, visible
from toggbill.firms.errors import NotPossible
from toggbill.firms.read import Read


@dataclass(frozen=True, slots=True)
class Row:
    """An invoice that can be sent; ``why_not``: why not by this member, or not now."""

    invoice: Invoice
    why_not: str


@member_required("post")
@require_http_methods(["GET", "POST"])
def sending(request: FirmRequest) -> HttpResponse:
    """What can be sent: those that `invoice` (references) names, or were `chosen` last, else all.

    A POST sends those that it names as they were read: of several each for itself, one alone or not at all (409).
    """
    references = (request.POST if request.method == "POST" else request.GET).getlist("invoice")
    rows = _sendable(request)
    if request.method == "POST" and len(set(references)) > 1:
        return together.send_each(request, together.ticked(request, visible(request.membership, Invoice.objects.all())))
    if references:
        rows = rows.filter(reference__in=references)
    if request.method == "POST":
        return _send(request, list(rows) if references else [], references)
    chosen = together.chosen(request) if "chosen" in request.GET else None
    if chosen is not None:
        rows = rows.filter(pk__in=chosen.ids)
    listed = paged(request, rows, per_page=PER_PAGE if chosen is None else together.MOST)
    shown = list(listed["page"].object_list)
    hindered = read_first.hindrances(shown)
    found = [Row(invoice, _why_not(request, invoice, hindered.get(invoice.pk))) for invoice in shown]
    return render(
        request,
        "invoicing/sending.html",
        {
            **listed,
            "rows": found,
            "read": Read.of([figures.of_sending(row.invoice) for row in found]).pack(),
            "possible": sum(not row.why_not for row in found),
            "total": sum(row.invoice.incl for row in found if not row.why_not),
            "asking": any(not row.invoice.way for row in found),
            "is_one": len(references) == 1,
            "is_chosen": chosen is not None or len(references) == 1,
        },
    )


def _sendable(request: FirmRequest) -> QuerySet[Invoice]:
    rows = visible(request.membership, Invoice.objects.unsent().filter(send_requested_at__isnull=True))
    return rows.select_related("dossier", "company", "firm").order_by("customer_name", "pk")


def _why_not(request: FirmRequest, invoice: Invoice, finding: Message | None) -> str:
    by = actor(request)
    if guards.has_same_eyes(invoice, by.name, by.user):
        return guards.same_eyes(invoice)
    if finding is not None:
        return words(finding)
    if not invoice.company.sending_open:
        return words(Message(Code.SENDING_CLOSED, {"company": invoice.company.name}))
    if not invoice.way:
        return _("The way to the customer is being asked for; look again in a moment.")
    if invoice.way == Invoice.Way.NONE:
        return _(
            "The customer receives nothing over Peppol, and e-mail is not open for it: have it register, or allow "
            "e-mail in the dossier and add an address in Billit."
        )
    return ""


def _send(request: FirmRequest, chosen: list[Invoice], references: list[str]) -> HttpResponse:
    if not chosen and references:
        # Each was sent meanwhile, or is none of the member's.
        if not visible(request.membership, Invoice.objects.filter(reference__in=references)).exists():
            raise Http404
        messages.error(request, _("Nothing was done: what you chose is sent or asked for already."))
        return redirect("firm:sending")
    if not chosen:
        messages.error(request, _("Nothing was done: choose at least one invoice."))
        return redirect("firm:sending")
    read = Read.unpack(request.POST.get("read", ""))
    try:
        posts.request_sends(invoices=chosen, by=actor(request), now=timezone.now(), read=read)
    except NotPossible as refusal:
        messages.error(request, str(refusal))
        return redirect("firm:sending")
    (invoice,) = chosen
    hasten(send_invoices, invoice_ids=[invoice.pk])
    messages.success(request, _("Billit is asked to send the invoice. This page shows the outcome in a moment."))
    return redirect("firm:invoice", reference=invoice.reference)
