"""What a person decides of hours that are not billed: hold, write off, open again, bill as they stand."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from integrations.models import Entry
from invoicing.ledger.states import decisions
from invoicing.models import LedgerRow
from invoicing.web.lookup import dossier_of
from toggbill.firms.access import FirmRequest, actor, member_required, visible
from toggbill.firms.errors import NotPossible
from toggbill.firms.next_page import page_of_ours
from toggbill.firms.read import Read
from toggbill.firms.requests.numbers import row_ids

_MOST_AT_ONCE = 1000


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
    row = dossier_of(request, key)
    rows = LedgerRow.objects.filter(dossier=row)
    return _decide(request, decision, rows, reverse("firm:hours", args=[row.key]))


@member_required("hold")
@require_POST
def decide_any(request: FirmRequest, decision: str) -> HttpResponse:
    """The same on entries of any dossier that the member sees."""
    return _decide(request, decision, visible(request.membership, LedgerRow.objects.all()), reverse("firm:all_hours"))


def _decide(request: FirmRequest, decision: str, rows: QuerySet[LedgerRow], page: str) -> HttpResponse:
    if decision not in _VERBS:
        raise Http404
    goal = page_of_ours(request, request.POST.get("next", "")) or page
    ticked = set(request.POST.getlist("entry"))
    ids = row_ids(ticked)
    entries = Entry.objects.filter(pk__in=sorted(ids)[: _MOST_AT_ONCE + 1], ledger_row__in=rows.values("pk"))
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
    messages.success(request, done_words(decision, count))
    return redirect(goal)


def done_words(decision: str, count: int) -> str:
    """What a decision did to so many entries."""
    return _done(decision, count) % {"n": count}


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
