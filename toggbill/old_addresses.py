"""Addresses from before the firm stood in them: in bookmarks, and in mails that were sent.

A row tells its firm, so the address of one leads on to the page of that row; that of a list leads to the firm that `/`
leads to. Only what is read leads on: a form that was sent to such an address is refused, since nothing says for which
firm it was made.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import Resolver404, ResolverMatch, resolve
from django.utils.encoding import escape_uri_path

from integrations.models import Connection
from invoicing.models import Correction, Dossier, Invoice
from toggbill.firms.access import FirmRequest, visible
from toggbill.firms.models import Firm, FirmOwned, Invitation, Membership, User

_PLACES = "dossiers|invoices|attention|corrections|months|connections|members|leaving|admin"
PATTERN = rf"^(?:firm/(?=leaving/))?(?P<page>(?:{_PLACES})/.*)$"
"""``page`` is what stands below the firm's address now."""

_READS = frozenset({"GET", "HEAD"})


@login_required
def lead_on(request: FirmRequest, page: str) -> HttpResponse:
    """To the same page below its firm; 404 where nobody can tell which, 409 for a form."""
    if request.method not in _READS:
        return render(request, "other_firm.html", status=409)
    if page == "admin/" and request.user.is_superuser and not request.memberships:
        return HttpResponseRedirect("/operator/")
    for slug, membership in _firms(request):
        goal = f"/f/{slug}/{page}"
        try:
            match = resolve(goal)
        except Resolver404:
            break
        if _is_there(match, slug, membership):
            goal, query = escape_uri_path(goal), request.META.get("QUERY_STRING", "")
            return HttpResponseRedirect(f"{goal}?{query}" if query else goal)
    raise Http404


def _firms(request: FirmRequest) -> Iterator[tuple[str, Membership | None]]:
    """Those that the person may look into, the one that `/` leads to first."""
    for row in request.memberships:
        yield row.firm.slug, row
    if request.user.is_superuser:
        own = [row.firm_id for row in request.memberships]
        for slug in Firm.objects.exclude(pk__in=own).order_by("pk").values_list("slug", flat=True):
            yield slug, None


def _is_there(match: ResolverMatch, slug: str, membership: Membership | None) -> bool:
    """Whether the row that a page shows is the firm's, and the person's to see; a list is everywhere."""
    rows = _rows(match)
    if rows is None:
        return True
    if rows.model is Firm:
        return rows.filter(slug=slug).exists()
    if rows.model is User:
        return rows.filter(memberships__firm__slug=slug).exists()
    if membership is None:
        return rows.filter(firm__slug=slug).exists()
    # Members and invitations are seen by who may see the page, which asks itself.
    if issubclass(rows.model, Membership | Invitation):
        return rows.filter(firm__slug=slug).exists()
    return visible(membership, rows).exists()


def _rows(match: ResolverMatch) -> QuerySet[Any] | None:
    """The rows of all firms that the arguments of an address may mean; None when it names none."""
    named = match.kwargs
    if "object_id" in named:
        model: type[Model] = match.func.model_admin.model  # type: ignore[attr-defined]  # the admin puts it there
        return _by_key(model, named["object_id"])
    if "service" in named:
        return Connection.objects.filter(service=named["service"], key=named["key"]) if "key" in named else None
    if "reference" in named:
        return Invoice.objects.filter(reference=named["reference"])
    if "key" in named:
        return Dossier.objects.filter(key=named["key"])
    if "pk" in named:
        models: dict[str, type[FirmOwned]] = {"decide": Correction, "member": Membership}
        return _by_key(models.get(match.url_name or "", Invitation), named["pk"])
    return None


def _by_key(model: type[Model], key: object) -> QuerySet[Any]:
    rows = model._default_manager.all()
    try:
        return rows.filter(pk=key)
    except (ValueError, ValidationError):
        return rows.none()
