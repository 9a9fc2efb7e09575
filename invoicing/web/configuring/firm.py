"""The page of the firm itself: its name, time zone and language."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from invoicing import tasks
from invoicing.dossiers import decide
from invoicing.web.configuring.forms import FirmForm
from invoicing.web.enqueue import hasten
from toggbill.firms.access import FirmRequest, actor, member_required
from toggbill.firms.changes import firm_as_read
from toggbill.firms.models import Firm
from toggbill.firms.read import Read


@member_required("firm", proof=True)
@require_http_methods(["GET", "POST"])
def change(request: FirmRequest) -> HttpResponse:
    """Change the firm (fields `name`, `timezone`, `language`, and `read`).

    It asks for a fresh proof, as the admin's form of the firm does: the zone decides on which day an hour lies.
    """
    row = Firm.objects.get(pk=request.firm.pk)
    form = FirmForm(request.POST or None, instance=Firm.objects.get(pk=row.pk))
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        outcome = decide.change_firm(
            firm=row,
            name=given["name"],
            timezone=given["timezone"],
            language=given["language"],
            by=actor(request),
            now=timezone.now(),
            read=Read.unpack(request.POST.get("read", "")),
        )
        if outcome != "unchanged":
            hasten(tasks.derive_marked)
        messages.success(request, _("The firm is saved."))
        return redirect("firm:firm_rules")
    context = {"form": form, "read": Read.of([firm_as_read(row)]).pack()}
    return render(request, "configuring/firm.html", context, status=422 if form.is_bound else 200)
