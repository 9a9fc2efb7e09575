"""The hours of the firm or of a dossier: filtered, summed, each with the line that bills it, or why none does."""

from __future__ import annotations

from dataclasses import replace

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from invoicing.models import Dossier, LedgerRow, SavedView
from invoicing.web import figures
from invoicing.web.hours import places, sums
from invoicing.web.hours.filters import REASONS, Filter
from invoicing.web.lookup import PER_PAGE, dossier_of, months, paged
from toggbill.firms.access import FirmRequest, may, member, member_required, visible

MOST_AT_ONCE = 1000
"""Rows of a page that is asked for whole, to be printed (`rows=all`); who has more narrows them, or turns its pages."""
_ALL = "all"


@member_required()
@require_GET
def all_hours(request: FirmRequest) -> HttpResponse:
    """The entries of the firm, those of this month unless the address asks for others (`filters.Filter`)."""
    asked = Filter.of(request.GET)
    if not request.GET:
        asked = replace(asked, month=timezone.localdate().replace(day=1))
    return _page(request, asked, None)


@member_required()
@require_GET
def hours(request: FirmRequest, key: str) -> HttpResponse:
    """The entries of a dossier, as ``all_hours``; of all months unless the address asks for one."""
    dossier = dossier_of(request, key)
    return _page(request, Filter.of(request.GET, dossier=dossier.key), dossier)


def _page(request: FirmRequest, asked: Filter, dossier: Dossier | None) -> HttpResponse:
    rows = asked.rows(member(request))
    states = sums.by_state(rows)
    is_whole = request.GET.get("rows") == _ALL
    shown = paged(request, rows, per_page=MOST_AT_ONCE if is_whole else PER_PAGE)
    # The month of the first look stands in no address yet.
    query = f"{asked.address}&"
    listed = places.hours(shown["page"].object_list, member=member(request))
    entries = [hour.row for hour in listed]
    dossiers = list(visible(request.membership, Dossier.objects.all()).order_by("name", "pk"))
    return render(
        request,
        "invoicing/hours.html",
        {
            **shown,
            "query": f"{query}rows={_ALL}&" if is_whole else query,
            "in_pages": query,
            "is_whole": is_whole,
            "most_at_once": MOST_AT_ONCE,
            "asked": asked,
            "hours": listed,
            "rows": entries,
            "decided": figures.who_decided(request.firm, entries),
            "dossier": dossier,
            "dossiers": dossiers,
            "months": list(months(dossiers, asked.month)),
            "rows_states": [(str(state), state.label) for state in (*figures.SHOWN, LedgerRow.State.DELETED)],
            "reasons": REASONS,
            "seldom": _seldom(asked),
            "buyer": next((entry.buyer_name for entry in entries), "") if asked.buyer else "",
            "states": states,
            "sums": sums.together(states),
            "without_state": asked.without("state"),
            "decisions": figures.decisions_for(entries) if may(request.membership, "hold") and not is_whole else (),
            "choosable": figures.DECIDABLE,
            "views": SavedView.objects.filter(membership=request.membership).order_by("name"),
        },
    )


def _seldom(asked: Filter) -> list[tuple[str, str, str]]:
    """Fields that are seldom filled in: name, label, value."""
    labels = {
        "person": _("Person"),
        "client": _("Toggl client"),
        "customer": _("Customer"),
        "project": _("Project"),
        "tag": _("Tag"),
        "invoice": _("Invoice (number or reference)"),
    }
    return [(name, label, getattr(asked, name)) for name, label in labels.items()]
