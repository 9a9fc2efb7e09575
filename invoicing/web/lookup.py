"""What a page is about, found by its address: a row that is not there, or not for this member, is 404."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Exists, QuerySet
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.utils import timezone

from invoicing.models import Correction, Dossier, Invoice
from invoicing.rules import days
from toggbill.firms.access import FirmRequest, visible

PER_PAGE = 50


def paged(request: HttpRequest, rows: QuerySet[Any] | Sequence[Any], *, per_page: int = PER_PAGE) -> dict[str, Any]:
    """One page of rows, the numbers of the pages around it, and the query that leads to another one."""
    page = Paginator(rows, per_page).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    return {
        "page": page,
        "numbers": page.paginator.get_elided_page_range(page.number, on_each_side=1),
        "query": f"{query.urlencode()}&" if query else "",
    }


def dossier_of(request: FirmRequest, key: str, **asked: Exists) -> Dossier:
    """The dossier of that short name; ``asked``: expressions that are read with it. Raises ``Http404``."""
    rows = visible(request.membership, Dossier.objects.all())
    rows = rows.select_related("firm", "workspace__connection", "company__connection")
    found: Dossier = get_object_or_404(rows.annotate(**asked), key=key)
    return found


def invoice_of(request: FirmRequest, reference: str) -> Invoice:
    """The invoice of that reference. Raises ``Http404``."""
    rows = visible(request.membership, Invoice.objects.all()).select_related("dossier", "company__connection", "firm")
    rows = rows.defer("company__connection__secret", "company__connection__refresh_secret")
    return get_object_or_404(rows, reference=reference)


def correction_of(request: FirmRequest, pk: int) -> Correction:
    """The correction of that row id. Raises ``Http404``."""
    rows = visible(request.membership, Correction.objects.all()).select_related("firm", "entry", "invoice")
    return get_object_or_404(rows, pk=pk)


def month_of(text: str) -> date | None:
    """The first day of a month written YYYY-MM, None for an empty text. Raises ``Http404`` for another one."""
    if not text:
        return None
    try:
        return days.month(text)
    except ValueError:
        raise Http404 from None


def day_of(text: str) -> date | None:
    """A day written YYYY-MM-DD, None for an empty text. Raises ``Http404`` for another one."""
    if not text:
        return None
    try:
        return days.day(text)
    except ValueError:
        raise Http404 from None


def months(dossiers: Iterable[Dossier], chosen: date | None) -> Iterator[date]:
    """The months to choose from, the newest first: from the first day of the books through this month."""
    last = timezone.localdate().replace(day=1)
    if chosen is not None and chosen > last:
        yield chosen
    first = min([last, *(dossier.start_date.replace(day=1) for dossier in dossiers)])
    found = last
    while found >= first:
        yield found
        found = (found - timedelta(days=1)).replace(day=1)
    if chosen is not None and chosen < first:
        yield chosen
