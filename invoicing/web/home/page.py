"""The first page: what stands between the person and the finished month, what to look at first, and the dossiers."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from invoicing.models import LedgerRow
from invoicing.rules.text import text_key
from invoicing.web import figures
from invoicing.web.home import radar
from invoicing.web.home.headlines import broken, heading, headlines
from toggbill.firms.access import FirmRequest, may, member, member_required
from toggbill.firms.requests.addresses import LATEST_FIRM

PER_PAGE = 50
SHOWN = 5
"""Broken connections, each with its sentence; then how many more."""
_State = LedgerRow.State
LEGEND = frozenset({_State.INVOICED, _State.DRAFTED, _State.OPEN, _State.ATTENTION, _State.HELD})
"""States that the legend of the bars names whether or not they occur."""
_SHOWS = ("", "unread", "broken")


@member_required()
@require_GET
def dossiers(request: FirmRequest) -> HttpResponse:
    """The dossiers, those with most to do first; `q` (part of a name), `show` (unread, broken), `page` narrow them."""
    if request.session.get(LATEST_FIRM) != request.firm.pk:
        request.session[LATEST_FIRM] = request.firm.pk
    now = timezone.now()
    today = timezone.localdate(now)
    shows, asked = request.GET.get("show", ""), request.GET.get("q", "").strip()[:100]
    if shows not in _SHOWS:
        raise Http404
    found = figures.portfolio(membership=member(request), today=today)
    seen = [row.dossier for row in found.rows]
    wanted = [
        row
        for row in found.rows
        if text_key(asked) in text_key(row.dossier.name)
        and (shows != "unread" or row.is_unread)
        and (shows != "broken" or row.broken is not None)
    ]
    page = Paginator(wanted, PER_PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    troubles = broken(found.rows, may_connect=may(request.membership, "connect"))
    return render(
        request,
        "invoicing/dossiers.html",
        {
            "portfolio": found,
            "page": page,
            "rows": page.object_list,
            "numbers": page.paginator.get_elided_page_range(page.number, on_each_side=1),
            "query": f"{query.urlencode()}&" if query else "",
            "asked": asked,
            "shows": shows,
            "headline": heading(found),
            "headlines": [each for each in headlines(found) if each.count],
            "broken": troubles[:SHOWN],
            "broken_more": max(0, len(troubles) - SHOWN),
            "signs": radar.signs(membership=member(request), dossiers=seen, now=now, today=today) if seen else [],
            "legend": _legend(page.object_list),
            "now": now,
            "today": today,
        },
    )


def _legend(rows: Iterable[figures.DossierRow]) -> list[str]:
    """The states of the bars, in their order."""
    occurring = {part.state for row in rows for part in row.month}
    return [str(state) for state in figures.SHOWN if state in LEGEND or state in occurring]
