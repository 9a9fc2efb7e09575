"""The pages *what runs*: of a firm for its members, of all firms for the operator."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from toggbill.firms.access import FirmRequest, member, member_required
from toggbill.firms.admin import operator
from toggbill.watching import going_on
from toggbill.watching import overview as all_firms


@member_required("see")
@require_GET
def running(request: FirmRequest) -> HttpResponse:
    """What is under way, waits, failed and comes next, as far as the member may see it."""
    found = going_on.of(member(request), now=timezone.now())
    return render(request, "watching/running.html", {"going_on": found, "most": going_on.MOST})


@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """What runs in all firms: counts and ages. For the operator (``OperatorSite.admin_view``)."""
    found = all_firms.of_all(now=timezone.now())
    shown = operator.site.each_context(request) | {"title": _("What runs"), "overview": found}
    return render(request, "watching/overview.html", shown)
