"""The entries that need a decision."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from invoicing.ledger import attention as deciding
from invoicing.models import LedgerRow
from toggbill.firms.access import FirmRequest, may, member, member_required


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
        },
    )
