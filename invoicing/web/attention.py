"""The entries that need a decision, and what one click decides of them."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from invoicing import tasks
from invoicing.deciding.read import Read
from invoicing.dossiers import mappings
from invoicing.ledger import attention as deciding
from invoicing.models import LedgerRow
from invoicing.web.enqueue import hasten
from invoicing.web.lookup import dossier_of
from toggbill.firms.access import FirmRequest, actor, may, member, member_required
from toggbill.firms.errors import NotPossible
from toggbill.firms.next_page import page_of_ours


@member_required("map")
@require_POST
def take_number(request: FirmRequest, key: str, client: int) -> HttpResponse:
    """Take the number in the name of a Toggl client, which may be another's, as its customer's (field `read`)."""
    row = dossier_of(request, key)
    read = Read.unpack(request.POST.get("read", ""))
    try:
        number = mappings.take_number(dossier=row, client=client, by=actor(request), now=timezone.now(), read=read)
    except NotPossible as refusal:
        messages.error(request, str(refusal))
    else:
        hasten(tasks.derive_marked)
        text = _("%(number)s is the customer from now on. The client’s hours are judged again in a moment.")
        messages.success(request, text % {"number": number})
    return redirect(page_of_ours(request, request.POST.get("next", "")) or reverse("firm:attention"))


@member_required()
@require_GET
def attention(request: FirmRequest) -> HttpResponse:
    """The entries that need a decision, by reason and cause; `reason` and `dossier` narrow them."""
    every = deciding.decisions(membership=member(request))
    chosen, key = request.GET.get("reason", ""), request.GET.get("dossier", "")
    found = [item for item in every if not key or item.dossier.key == key]
    groups = deciding.by_reason(found)
    return render(
        request,
        "invoicing/attention.html",
        {
            "groups": groups,
            "shown": [group for group in groups if not chosen or group.reason == chosen],
            "total": len(found),
            "seconds": sum(item.seconds for item in found),
            "entries": sum(len(item.rows) for item in found),
            "chosen": chosen,
            "dossier": next((item.dossier for item in every if item.dossier.key == key), None),
            "decisions": ("hold", "write-off") if may(request.membership, "hold") else (),
            "choosable": (LedgerRow.State.ATTENTION,),
            "may_map": request.user.is_staff and may(request.membership, "map"),
            "may_take": may(request.membership, "map"),
        },
    )
