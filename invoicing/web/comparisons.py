"""The comparison of a dossier with Toggl and Billit, on demand."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from invoicing.due import comparisons
from invoicing.tasks import reconcile_dossier
from invoicing.web.enqueue import hasten
from invoicing.web.lookup import dossier_of
from toggbill.firms.access import FirmRequest, member_required


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
