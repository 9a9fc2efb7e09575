"""`/`: no page of its own, it leads on to where the person works."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from toggbill.firms.access import FirmRequest
from toggbill.firms.requests.addresses import first_page


@login_required
@require_safe
def home(request: FirmRequest) -> HttpResponse:
    """To the firm whose first page was opened last, else to the member's first; the operator to the list of firms."""
    if request.memberships:
        return redirect(first_page(request.memberships[0].firm.slug))
    if request.user.is_superuser:
        return redirect("operator:index")
    raise PermissionDenied
