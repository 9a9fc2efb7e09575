"""The comparison of a dossier with Toggl and Billit, on demand, and what a person knows of what it found."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from invoicing.due import comparisons
from invoicing.models import Drift
from invoicing.reconciliation import acknowledge as verbs
from invoicing.tasks import reconcile_dossier
from invoicing.web.enqueue import hasten
from invoicing.web.lookup import dossier_of
from toggbill.firms.access import FirmRequest, actor, member_required
from toggbill.firms.errors import NotPossible
from toggbill.firms.read import Read


@member_required("draft")
@require_POST
def compare(request: FirmRequest, key: str) -> HttpResponse:
    """Have the workers compare the dossier with both services now; its page shows what they find."""
    row = dossier_of(request, key)
    if comparisons.ask(dossier=row, now=timezone.now()):
        hasten(reconcile_dossier, dossier_id=row.pk)
        messages.success(request, _("The dossier is being compared with Toggl and Billit. This takes a moment."))
    else:
        messages.info(request, _("The comparison is under way already."))
    return redirect("firm:dossier", key=row.key)


@member_required("hold")
@require_POST
def acknowledge(request: FirmRequest, key: str, pk: int) -> HttpResponse:
    """A finding may stay as it was read (field `read`), for a reason (`reason`), unless it changed since (409)."""
    row = dossier_of(request, key)
    found = get_object_or_404(Drift.objects.filter(dossier=row).select_related("firm"), pk=pk)
    read, reason = Read.unpack(request.POST.get("read", "")), request.POST.get("reason", "")
    try:
        verbs.acknowledge(findings=[found], reason=reason, by=actor(request), now=timezone.now(), read=read)
    except NotPossible as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("Acknowledged: it is told again only when it changes."))
    return redirect(f"{reverse('firm:dossier', args=[row.key])}#differences")
