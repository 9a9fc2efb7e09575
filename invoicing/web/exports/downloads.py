"""Files of what a page shows, for who may export: the page's filters, as CSV or XLSX."""

from __future__ import annotations

from typing import cast

from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_GET

from invoicing.corrections import options
from invoicing.models import Annex, Dossier, Invoice, LedgerRow
from invoicing.web.exports import hours as of_hours
from invoicing.web.exports import tables
from invoicing.web.exports import wip as of_wip
from invoicing.web.hours.filters import Filter
from invoicing.web.invoices.filters import Filter as InvoiceFilter
from invoicing.web.lookup import dossier_of, invoice_of
from invoicing.web.wip import pages
from invoicing.web.wip.filters import Filter as WipFilter
from invoicing.web.wip.filters import Span
from invoicing.wip import as_of
from toggbill.firms.access import FirmRequest, member, member_required, visible


@member_required("export")
@require_GET
def all_hours(request: FirmRequest, kind: str) -> HttpResponse:
    """The entries of the firm, with the filters of their page."""
    return _file(
        of_hours.table(Filter.of(request.GET).rows(member(request)), member=member(request), name="hours"), kind
    )


@member_required("export")
@require_GET
def hours(request: FirmRequest, key: str, kind: str) -> HttpResponse:
    """The entries of a dossier's page of hours, with its filters."""
    dossier = dossier_of(request, key)
    rows = Filter.of(request.GET, dossier=dossier.key).rows(member(request))
    return _file(of_hours.table(rows, member=member(request), name=f"{dossier.key}-hours"), kind)


@member_required("export")
@require_GET
def invoices(request: FirmRequest, kind: str) -> HttpResponse:
    """The invoices with their lines, with the filters of their page."""
    rows = InvoiceFilter.of(request.GET).rows(visible(request.membership, Invoice.objects.all()))
    return _file(tables.invoices(rows.order_by("-drafted_at", "-pk")), kind)


@member_required("export")
@require_GET
def attention(request: FirmRequest, kind: str) -> HttpResponse:
    """The entries that need a decision; `reason` and `dossier` narrow them."""
    rows = visible(request.membership, LedgerRow.objects.attention())
    for name, path in (("reason", "reason"), ("dossier", "dossier__key")):
        if value := request.GET.get(name):
            rows = rows.filter(**{path: value})
    return _file(tables.to_decide(rows.order_by("dossier__name", "reason", "day", "pk"), request.firm.zone), kind)


@member_required("export")
@require_GET
def corrections(request: FirmRequest, kind: str) -> HttpResponse:
    """The corrections, with the filters of their page."""
    match request.GET.get("state", "open"):
        case "open":
            rows = options.open_of(member(request))
        case "waiting":
            rows = options.waiting_of(member(request))
        case "decided":
            rows = options.decided_of(member(request))
        case _unknown:
            raise Http404
    if key := request.GET.get("dossier"):
        rows = rows.filter(invoice__dossier__key=key)
    return _file(tables.corrections(rows, request.firm.zone), kind)


@member_required("export")
@require_GET
def months(request: FirmRequest, kind: str) -> HttpResponse:
    """The months of every dossier, or of one (`dossier`)."""
    rows = visible(request.membership, Dossier.objects.select_related("firm", "workspace")).order_by("name", "pk")
    if key := request.GET.get("dossier"):
        rows = rows.filter(key=key)
    return _file(tables.months(list(rows)), kind)


@member_required("export")
@require_GET
def wip(request: FirmRequest, kind: str) -> HttpResponse:
    """Work in progress at the end of a day, with the filters of its page, whatever that groups it by."""
    asked = WipFilter.of(request.GET, today=timezone.localdate())
    rows = as_of.rows(dossiers=asked.dossiers(pages.dossiers_of(request)), as_of=asked.as_of)
    return _file(of_wip.in_progress(filter(asked.holds, rows), asked.as_of), kind)


@member_required("export")
@require_GET
def realised(request: FirmRequest, kind: str) -> HttpResponse:
    """Realisation of the months and the dossier that its page shows."""
    asked = Span.of(request.GET, today=timezone.localdate())
    return _file(of_wip.realised(pages.found_in(asked, pages.dossiers_of(request))), kind)


@member_required("export")
@require_GET
def annex(request: FirmRequest, reference: str, kind: str) -> HttpResponse:
    """The annex of hours of an invoice, as it was frozen: `pdf` or `csv`."""
    row = get_object_or_404(visible(request.membership, Annex.objects.all()), invoice=invoice_of(request, reference))
    match kind:
        case "pdf":
            content, media = row.pdf, "application/pdf"
        case "csv":
            content, media = row.csv, "text/csv; charset=utf-8"
        case _unknown:
            raise Http404
    headers = {"Content-Disposition": f'attachment; filename="{row.name}.{kind}"'}
    return HttpResponse(bytes(content), content_type=media, headers=headers)


def _file(table: tables.Table, kind: str) -> HttpResponse:
    if kind not in tables.KINDS:
        raise Http404
    name = f"{table.name}-{timezone.localdate():%Y-%m-%d}.{kind}"
    # Whole before the answer begins: one that broke off would be taken for a shorter file, with status 200.
    file = tables.as_xlsx(table) if kind == "xlsx" else tables.as_csv(table)
    answer = FileResponse(file, as_attachment=True, filename=name, content_type=tables.KINDS[kind])
    return cast(HttpResponse, answer)  # it streams, so it is not quite one
