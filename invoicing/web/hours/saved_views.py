"""Filters of the hours that a member keeps under a name: theirs alone, and no decision about any row."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from invoicing.models import SavedView
from invoicing.web.hours.filters import Filter
from toggbill.firms.access import FirmRequest, member, member_required

MOST = 30
"""Views of one member."""


class ViewForm(forms.Form):
    """A name for the filter that the page shows (``query``, as it stands in its address)."""

    name = forms.CharField(max_length=60)
    query = forms.CharField(max_length=3000, required=False)


@member_required()
@require_POST
def save(request: FirmRequest) -> HttpResponse:
    """Keep a filter under a name; one of the same name is replaced."""
    form = ViewForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Nothing was saved: give the view a name of at most 60 characters."))
        return redirect("firm:all_hours")
    query = Filter.of(QueryDict(form.cleaned_data["query"])).address
    name = form.cleaned_data["name"]
    own = SavedView.objects.filter(membership=member(request))
    is_full = own.exclude(name=name).count() >= MOST
    if not is_full:
        own.update_or_create(membership=member(request), name=name, defaults={"firm": request.firm, "query": query})
    if is_full:
        messages.error(request, _("Nothing was saved: %(n)d views are the most. Remove one first.") % {"n": MOST})
    else:
        messages.success(request, _("The view “%(name)s” is saved: it stands above the hours.") % {"name": name})
    return redirect(f"{reverse('firm:all_hours')}?{query}")


@member_required()
@require_POST
def remove(request: FirmRequest, pk: int) -> HttpResponse:
    """Forget one of one's own."""
    view = get_object_or_404(SavedView, membership=request.membership, pk=pk)
    view.delete()
    messages.success(request, _("The view “%(name)s” is removed.") % {"name": view.name})
    return redirect("firm:all_hours")
