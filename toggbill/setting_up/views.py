"""The page of the set-up, with the form of its next step, and what those forms do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from integrations.clients.http.transport import ServiceError
from integrations.connections import choosing, credentials, failures, tokens
from integrations.connections.credentials import BillitAccess, TogglAccess
from integrations.models import Company, Connection, Workspace
from invoicing import tasks
from invoicing.dossiers import rules
from invoicing.dossiers.faults import Refused
from invoicing.models import Dossier, Invoice
from invoicing.web.configuring import clients, offers, tags
from invoicing.web.enqueue import hasten
from invoicing.web.lookup import dossier_of
from toggbill.connecting import views as connecting
from toggbill.connecting.forms import BillitKeyForm, KeyForm, TogglForm
from toggbill.firms.access import FirmRequest, actor, may, member, member_required, visible
from toggbill.firms.identity import proof
from toggbill.firms.read import Read
from toggbill.firms.requests.numbers import row_ids
from toggbill.setting_up import last_entry, steps
from toggbill.setting_up.forms import PairForm
from toggbill.setting_up.steps import Guide

FORMS: dict[str, type[KeyForm]] = {"toggl": TogglForm, "billit": BillitKeyForm}
_FIRST = "main"
"""The short name of a connection that is made here; one more is made on the page of connections."""


@member_required("map")
@require_GET
def setup(request: FirmRequest) -> HttpResponse:
    """The set-up with the form of its next step (`dossier`: of which one; `step`: another one that is open)."""
    return _page(request)


def _page(request: FirmRequest, *, status: int = 200, **more: Any) -> HttpResponse:
    now = timezone.now()
    found = steps.guide(
        member(request), key=request.GET.get("dossier", ""), chosen=request.GET.get("step", ""), now=now
    )
    connection = {"toggl": found.toggl, "billit": found.billit}.get(found.next)
    context: dict[str, Any] = {
        "guide": found,
        "now": now,
        "is_fresh": proof.is_fresh(request),
        "may_connect": may(request.membership, "connect"),
        "may_pair": may(request.membership, "pair"),
        "may_configure": may(request.membership, "configure"),
        "may_firm": may(request.membership, "firm"),
        "may_draft": may(request.membership, "draft"),
        "may_sign_in": tokens.is_set_up(),
        "another": _pair_form(request, found) if found.dossiers and may(request.membership, "pair") else None,
        **_next(request, found, connection, timezone.localdate(now)),
        **more,
    }
    return connecting.may_leave_for_billit(request, render(request, "setting_up/setup.html", context, status=status))


def _next(request: FirmRequest, found: Guide, connection: Connection | None, today: date) -> dict[str, Any]:
    """What the form of the next step needs."""
    match found.next:
        case "toggl" | "billit" if connection is None:
            return {"form": FORMS[found.next](firm=request.firm, service=found.next)}
        case "toggl" | "billit":
            return _offered(connection) if connection is not None and may(request.membership, "connect") else {}
        case "dossier":
            return {"form": _pair_form(request, found)}
        case "tags" if found.dossier is not None:
            return {"to_map": tags.to_map(found.dossier, offers.products_of(found.dossier))}
        case "clients" if found.dossier is not None:
            customers = offers.customers_of(found.dossier, member(request))
            return {"to_map": clients.to_map(found.dossier, customers, request)}
        case "draft" if found.dossier is not None:
            return {"through": _through(found.dossier, today), "today": today}
        case "invoice" if found.dossier is not None:
            rows = Invoice.objects.standing().filter(dossier=found.dossier)
            return {"invoices": list(rows.order_by("customer_name", "pk")[:_SHOWN])}
    return {}


_SHOWN = 10


def _offered(connection: Connection) -> dict[str, Any]:
    """What the connection opens today; a service that does not say is told of."""
    try:
        access = credentials.ask_again(connection=connection, now=timezone.now())
    except ServiceError as error:
        return {"trouble": failures.words(error.message)}
    return {"choices": connecting.offers(connection, access)}


def _pair_form(request: FirmRequest, found: Guide, data: Any = None) -> PairForm:
    return PairForm(
        data,
        workspaces=found.workspaces,
        companies=found.companies,
        today=timezone.localdate(),
        taken=list(Dossier.objects.for_firm(request.firm).values_list("key", flat=True)),
    )


def _through(dossier: Dossier, today: date) -> date:
    """The last day that is proposed for the first draft: the end of last month, or yesterday in a first month."""
    month_before = today.replace(day=1) - timedelta(days=1)
    return month_before if month_before >= dossier.start_date else max(today - timedelta(days=1), dossier.start_date)


@sensitive_post_parameters()
@member_required("connect", proof=True)
@require_http_methods(["GET", "POST"])
def connect(request: FirmRequest, service: str) -> HttpResponse:
    """Connect by token or key (fields `secret`, `accept_partial`), which is tried at once.

    What it opens is chosen with it where that is one thing only.
    """
    if service not in FORMS:
        raise Http404
    if request.method == "GET":
        return redirect("firm:setup")
    data = request.POST.copy()
    data["key"] = _FIRST
    form = FORMS[service](data, firm=request.firm, service=service)
    made = connecting.connect(request, service, form) if form.is_valid() else None
    if made is None:
        return _page(request, status=422, form=form)
    row, access = made
    opened = _ids(access)
    if len(opened) == 1 and not connecting.hindrances_of(row, access, set(opened)):
        _choose(request, row, access, opened)
    messages.success(request, _("%(service)s is connected.") % {"service": row.get_service_display()})
    return redirect("firm:setup")


def _ids(access: TogglAccess | BillitAccess) -> list[int]:
    return list(access.workspaces if isinstance(access, TogglAccess) else access.companies)


@member_required("connect")
@require_POST
def choose(request: FirmRequest, service: str) -> HttpResponse:
    """Choose workspaces or companies (field `chosen`: their ids) of the connection that has none yet."""
    found = steps.guide(member(request), now=timezone.now())
    row = {"toggl": found.toggl, "billit": found.billit}.get(service)
    if row is None:
        raise Http404
    chosen = row_ids(request.POST.getlist("chosen"))
    if not chosen:
        messages.error(request, _("Nothing was chosen: tick what toggbill shall work with."))
        return redirect("firm:setup")
    try:
        access = credentials.ask_again(connection=row, now=timezone.now())
    except ServiceError as error:
        messages.error(request, failures.words(error.message))
        return redirect("firm:setup")
    if _told(request, connecting.hindrances_of(row, access, chosen)):
        return redirect("firm:setup")
    # Those that were chosen before stay: here something is only added.
    standing: Iterable[Workspace | Company] = [*row.workspaces.all(), *row.companies.all()]
    ids = chosen | {each.remote_id if isinstance(each, Workspace) else each.party_id for each in standing}
    _choose(request, row, access, ids)
    return redirect("firm:setup")


def _choose(request: FirmRequest, row: Connection, access: TogglAccess | BillitAccess, ids: Iterable[int]) -> None:
    # Nothing is given up here, so it is decided on what stands at this moment, not on a page.
    read, now = Read.of([credentials.as_read(row)]), timezone.now()
    choosing.choose(connection=row, access=access, ids=ids, by=actor(request), now=now, read=read)


def _told(request: FirmRequest, sentences: list[str]) -> bool:
    for sentence in sentences:
        messages.error(request, sentence)
    return bool(sentences)


@member_required("connect")
@require_POST
def try_last_entry(request: FirmRequest) -> HttpResponse:
    """Read the latest entry of the token's owner and show what it leads to."""
    rows = visible(request.membership, Workspace.objects.select_related("connection", "firm"))
    row = rows.order_by("name", "pk").first()
    if row is None:
        messages.error(request, _("No workspace is connected yet: connect Toggl first."))
        return redirect("firm:setup")
    try:
        found = last_entry.read(row, now=timezone.now())
    except ServiceError as error:
        messages.error(request, failures.words(error.message))
        return redirect("firm:setup")
    return _page(request, tested=row, last_entry=found)


@member_required("pair")
@require_POST
def pair(request: FirmRequest) -> HttpResponse:
    """Make a dossier (the fields of ``PairForm``); it is read at once."""
    found = steps.guide(member(request), now=timezone.now())
    form = _pair_form(request, found, request.POST)
    if not form.is_valid():
        return _page(request, status=422, form=form, another=form)
    try:
        row = rules.create(firm=request.firm, pairing=form.pairing(request.firm), by=actor(request), now=timezone.now())
    except Refused as refusal:
        form.add_error(None, " ".join(fault.sentence for _key, fault in refusal.faults))
        return _page(request, status=422, form=form, another=form)
    hasten(tasks.read_dossier, dossier_id=row.pk)
    messages.success(request, _("Dossier “%(name)s” is made. Its hours are read now.") % {"name": row.name})
    return redirect("firm:setup")


@member_required("map")
@require_POST
def read(request: FirmRequest, key: str) -> HttpResponse:
    """Read a dossier's workspace and company as soon as a worker is free."""
    row = dossier_of(request, key)
    Workspace.objects.filter(pk=row.workspace_id, reread_at__isnull=True).update(next_sync_at=timezone.now())
    Company.objects.filter(pk=row.company_id, synced_at__isnull=True).update(next_sync_at=timezone.now())
    hasten(tasks.read_dossier, dossier_id=row.pk)
    return redirect("firm:setup")
