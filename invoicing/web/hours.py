"""The entries behind a number, and what a person decides of those that are not billed: hold, write off, open again."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.db.models import Count, Sum
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from integrations.models import Entry
from invoicing.deciding.read import Read
from invoicing.ledger import decisions
from invoicing.models import LedgerRow
from invoicing.web import figures
from invoicing.web.lookup import dossier_of, month_of, paged
from toggbill.firms.access import FirmRequest, actor, may, member_required
from toggbill.firms.errors import NotPossible
from toggbill.firms.next_page import page_of_ours
from toggbill.firms.requests.numbers import row_ids

_MOST_AT_ONCE = 1000


@member_required()
@require_GET
def hours(request: FirmRequest, key: str) -> HttpResponse:
    """The entries behind a number of a dossier: `state`, `month` (YYYY-MM) and `buyer` (a buyer key) narrow them."""
    row = dossier_of(request, key)
    state = request.GET.get("state", "")
    if state and state not in LedgerRow.State.values:
        raise Http404
    month = month_of(request.GET.get("month", ""))
    rows = figures.hours_of(row, state=state, month=month, buyer=request.GET.get("buyer", ""))
    sums = rows.aggregate(seconds=Sum("seconds", default=0), entries=Count("pk"))
    shown = paged(request, rows)
    entries = list(shown["page"].object_list)
    may_decide = may(request.membership, "hold")
    buyer = next((entry.buyer_name for entry in entries), "") if request.GET.get("buyer") else ""
    return render(
        request,
        "invoicing/hours.html",
        {
            **shown,
            "rows": entries,
            "decided": figures.who_decided(request.firm, entries),
            "dossier": row,
            "state": state,
            "month": month,
            "buyer": buyer,
            "sums": sums,
            "decisions": figures.decisions_for(entries) if may_decide else (),
            "choosable": figures.DECIDABLE,
        },
    )


_VERBS: dict[str, Callable[..., int]] = {
    "hold": decisions.hold,
    "write-off": decisions.write_off,
    "release": decisions.release,
    "reopen": decisions.reopen,
    "bill": decisions.bill,
}


@member_required("hold")
@require_POST
def decide(request: FirmRequest, key: str, decision: str) -> HttpResponse:
    """Decide on entries of a dossier (field `entry`: row ids) as they were read (`read`), all or none (409).

    `reason` says why to hold or write off. A second time finds nothing to do, and says so. Leads back to `next`.
    """
    if decision not in _VERBS:
        raise Http404
    row = dossier_of(request, key)
    goal = page_of_ours(request, request.POST.get("next", "")) or reverse("firm:hours", args=[row.key])
    ticked = set(request.POST.getlist("entry"))
    ids = row_ids(ticked)
    entries = Entry.objects.filter(pk__in=sorted(ids)[: _MOST_AT_ONCE + 1], ledger_row__dossier=row)
    if not ticked:
        messages.error(request, _("Nothing was changed: tick the entries first."))
        return redirect(goal)
    if not len(ticked) == len(ids) == entries.count():
        raise Http404
    told = {} if decision in ("release", "reopen", "bill") else {"reason": request.POST.get("reason", "")}
    try:
        read = Read.unpack(request.POST.get("read", ""))
        count = _VERBS[decision](entries=entries, by=actor(request), now=timezone.now(), read=read, **told)
    except NotPossible as refusal:
        messages.error(request, str(refusal))
        return redirect(goal)
    messages.success(request, _done(decision, count) % {"n": count})
    return redirect(goal)


def _done(decision: str, count: int) -> str:
    if decision == "hold":
        return ngettext("%(n)d entry is held: no run bills it.", "%(n)d entries are held: no run bills them.", count)
    if decision == "write-off":
        return ngettext(
            "%(n)d entry is written off: it is never billed.",
            "%(n)d entries are written off: they are never billed.",
            count,
        )
    if decision == "bill":
        return ngettext(
            "%(n)d entry will be billed as it stands.", "%(n)d entries will be billed as they stand.", count
        )
    return ngettext("%(n)d entry is judged by the rules again.", "%(n)d entries are judged by the rules again.", count)
