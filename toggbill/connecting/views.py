"""The pages of connections: the list with its health, adding by token or key, choosing, rotating, removing."""

from __future__ import annotations

from typing import Any, cast

from csp.decorators import csp_update
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from integrations.clients import billit
from integrations.clients.http.transport import ServiceError
from integrations.connections import choosing, credentials, failures, tokens
from integrations.connections.credentials import BillitAccess, TogglAccess
from integrations.models import Connection
from toggbill.connecting import health, hooks
from toggbill.connecting.forms import BillitKeyForm, KeyForm, RotateForm, TogglForm
from toggbill.firms.access import FirmRequest, actor, may, member_required, visible
from toggbill.firms.read import Read
from toggbill.firms.requests.numbers import row_ids


@member_required()
@require_GET
def listing(request: FirmRequest) -> HttpResponse:
    """All connections of the firm with their health."""
    rows = visible(request.membership, Connection.objects.all())
    found = health.every(rows, firm=request.firm, now=timezone.now())
    troubled = sum(item.state in {"broken", "removed"} for item in found)
    return render(
        request,
        "connections/list.html",
        {
            "connections": found,
            "troubled": troubled,
            "now": timezone.now(),
            "may_connect": may(request.membership, "connect"),
        },
    )


@member_required()
@require_GET
def connection(request: FirmRequest, service: str, key: str) -> HttpResponse:
    """One connection: its health, what it opens, what hangs on it, and what can be done."""
    return _page(request, _row(request, service, key), RotateForm())


@sensitive_post_parameters()
@member_required("connect", proof=True)
@require_http_methods(["GET", "POST"])
def add(request: FirmRequest, service: str) -> HttpResponse:
    """Connect by API token (Toggl) or API key (Billit), which is tried at once; Billit also by sign-in."""
    if service not in Connection.Service.values:
        raise Http404
    form_class = TogglForm if service == Connection.Service.TOGGL else BillitKeyForm
    form: KeyForm = form_class(request.POST or None, firm=request.firm, service=service)
    if request.method == "POST" and form.is_valid():
        made = connect(request, service, form)
        if made is not None:
            return redirect("firm:connection_choose", service=service, key=made[0].key)
    context = {
        "form": form,
        "service": service,
        "service_name": Connection.Service(service).label,
        "may_sign_in": service == Connection.Service.BILLIT and tokens.is_set_up(),
    }
    return may_leave_for_billit(request, render(request, "connections/add.html", context))


@sensitive_variables("secret")
def connect(request: FirmRequest, service: str, form: KeyForm) -> tuple[Connection, TogglAccess | BillitAccess] | None:
    """The new connection and what it opens; None when the service said no, which then stands at the field."""
    key, secret = form.cleaned_data["key"], form.cleaned_data["secret"]
    by, now = actor(request), timezone.now()
    access: TogglAccess | BillitAccess
    try:
        if service == Connection.Service.TOGGL:
            access = credentials.ask_toggl(token=secret, with_plans=True)
            partial = form.cleaned_data["accept_partial"]
            if not partial and access.workspaces and not any(row.admin for row in access.workspaces.values()):
                form.add_error(
                    "secret",
                    _(
                        "The owner of the token is an admin of no workspace, so Toggl would silently leave out the "
                        "hours of others. Use an admin's token, or accept a partial reading."
                    ),
                )
                return None
            row, _outcome = credentials.connect_toggl(
                firm=request.firm, key=key, token=secret, accept_partial=partial, access=access, by=by, now=now
            )
        else:
            access = credentials.ask_billit(api_key=secret)
            row, _outcome = credentials.connect_billit(firm=request.firm, key=key, api_key=secret, by=by, now=now)
    except ServiceError as error:
        form.add_error("secret", failures.words(error.message))
        return None
    return row, access


# --- what it opens --------------------------------------------------------------------------------------------------


@member_required("connect")
@require_http_methods(["GET", "POST"])
def choose(request: FirmRequest, service: str, key: str) -> HttpResponse:
    """Pick the workspaces or companies (field `chosen`: their ids) from what the credential opens right now."""
    row = _row(request, service, key)
    try:
        access = credentials.ask_again(connection=row, now=timezone.now())
    except ServiceError as error:
        messages.error(request, failures.words(error.message))
        return redirect("firm:connection", service=service, key=key)
    if request.method == "POST":
        chosen = row_ids(request.POST.getlist("chosen"))
        hindrances = hindrances_of(row, access, chosen)
        if not hindrances:
            return _chosen(request, row, access, chosen)
        for sentence in hindrances:
            messages.error(request, sentence)
    return render(
        request,
        "connections/choose.html",
        {
            "connection": row,
            "offers": offers(row, access),
            "plans": getattr(access, "plans", {}),
            "read": _shown(request, row),
        },
    )


def hindrances_of(row: Connection, access: TogglAccess | BillitAccess, chosen: set[int]) -> list[str]:
    """Why these workspaces or companies, by their ids, cannot be used through it; a sentence each."""
    if isinstance(access, TogglAccess):
        return credentials.toggl_hindrances(access, key=row.key, workspaces=chosen, accept_partial=row.accept_partial)
    return credentials.billit_hindrances(access, key=row.key, companies=chosen)


def _chosen(
    request: FirmRequest, row: Connection, access: TogglAccess | BillitAccess, chosen: set[int]
) -> HttpResponse:
    dropped = [target for target in hooks.targets(row) if hooks.number(target) not in chosen]
    by, now, read = actor(request), timezone.now(), _read(request)
    credentials.check_read(connection=row, by=by, read=read)
    hooks.close(request, dropped)
    kept = choosing.choose(connection=row, access=access, ids=chosen, by=by, now=now, read=read)
    for name in kept:
        messages.warning(request, _("“%(name)s” stays: a dossier or hours hang on it.") % {"name": name})
    text = ngettext(
        "%(n)d chosen. It is read within minutes.", "%(n)d chosen. They are read within minutes.", len(chosen)
    )
    messages.success(request, text % {"n": len(chosen)})
    return redirect("firm:connection", service=row.service, key=row.key)


def offers(row: Connection, access: TogglAccess | BillitAccess) -> list[dict[str, Any]]:
    """What the credential opens, each with what a person has to know before picking it."""
    if isinstance(access, TogglAccess):
        taken = dict(row.workspaces.model.objects.for_firm(row.firm).values_list("remote_id", "connection__key"))
        return [
            {
                "id": found.id,
                "name": found.name,
                "chosen": taken.get(found.id) == row.key,
                "elsewhere": taken.get(found.id, row.key) != row.key and taken[found.id],
                "plan": access.plans.get(found.organization_id, ""),
                "problem": "" if found.admin else _("not an admin: reads only part"),
            }
            for found in access.workspaces.values()
        ]
    taken = dict(row.companies.model.objects.for_firm(row.firm).values_list("party_id", "connection__key"))
    return [
        {
            "id": company.party_id,
            "name": company.name,
            "chosen": taken.get(company.party_id) == row.key,
            "elsewhere": taken.get(company.party_id, row.key) != row.key and taken[company.party_id],
            "plan": company.vat_number,
            "problem": _problem_of(company),
        }
        for company in access.companies.values()
    ]


def _problem_of(company: billit.Company) -> str:
    if not company.api_allowed:
        return _("Billit does not let the API in")
    return "" if company.sending_open else _("Billit does not let it send yet")


# --- what is done to it ---------------------------------------------------------------------------------------------


@sensitive_post_parameters()
@member_required("connect", proof=True)
@require_POST
def rotate(request: FirmRequest, service: str, key: str) -> HttpResponse:
    """Another token or key, tried first: it must open what the firm uses."""
    row = _row(request, service, key)
    form = RotateForm(request.POST)
    if form.is_valid() and _rotate(request, row, form):
        messages.success(request, _("The new credential works and is in use."))
        return redirect("firm:connection", service=service, key=key)
    return _page(request, row, form)


@sensitive_variables("secret")
def _rotate(request: FirmRequest, row: Connection, form: RotateForm) -> bool:
    secret = form.cleaned_data["secret"]
    by, now, read = actor(request), timezone.now(), _read(request)
    credentials.check_read(connection=row, by=by, read=read)
    try:
        access: TogglAccess | BillitAccess
        if row.service == Connection.Service.TOGGL:
            access = credentials.ask_toggl(token=secret, with_plans=True)
            used = set(row.workspaces.values_list("remote_id", flat=True))
        else:
            access = credentials.ask_billit(api_key=secret)
            used = set(row.companies.values_list("party_id", flat=True))
    except ServiceError as error:
        form.add_error("secret", failures.words(error.message))
        return False
    for sentence in (hindrances := hindrances_of(row, access, used)):
        form.add_error("secret", sentence)
    if hindrances:
        return False
    if isinstance(access, TogglAccess):
        credentials.connect_toggl(
            firm=request.firm,
            key=row.key,
            token=secret,
            accept_partial=row.accept_partial,
            access=access,
            by=by,
            now=now,
            read=read,
        )
    else:
        credentials.connect_billit(firm=request.firm, key=row.key, api_key=secret, by=by, now=now, read=read)
    return True


@member_required("connect")
@require_POST
def pause(request: FirmRequest, service: str, key: str) -> HttpResponse:
    """Nothing is read or posted through it."""
    row, read = _row(request, service, key), _read(request)
    credentials.pause(connection=row, by=actor(request), now=timezone.now(), read=read)
    messages.success(request, _("Paused. Its dossiers wait until you resume it."))
    return redirect("firm:connection", service=service, key=key)


@member_required("connect")
@require_POST
def resume(request: FirmRequest, service: str, key: str) -> HttpResponse:
    """Let it work again."""
    row, read = _row(request, service, key), _read(request)
    credentials.resume(connection=row, by=actor(request), now=timezone.now(), read=read)
    messages.success(request, _("It works again."))
    return redirect("firm:connection", service=service, key=key)


@member_required("connect", proof=True)
@require_http_methods(["GET", "POST"])
@sensitive_variables("access")
def remove(request: FirmRequest, service: str, key: str) -> HttpResponse:
    """Destroy its secrets, after what depends on it was shown."""
    row = _row(request, service, key)
    if request.method == "GET":
        found = health.of(row, firm=request.firm, now=timezone.now())
        shown = {"health": found, "connection": row, "read": _shown(request, row)}
        return render(request, "connections/remove.html", shown)
    access = tokens.readable(row) if row.method == Connection.Method.SIGN_IN else ""
    targets = hooks.targets(row)
    read = _read(request)
    credentials.check_read(connection=row, by=actor(request), read=read)
    hooks.close(request, targets)
    credentials.remove(connection=row, by=actor(request), now=timezone.now(), read=read)
    trouble = tokens.revoke(access=access) if access else None
    messages.success(request, _("Removed: its secrets are destroyed. What was read and billed through it is kept."))
    if trouble:
        text = _("The sign-in could not be ended at Billit, so end it there in your profile. %(why)s")
        messages.warning(request, text % {"why": failures.words(trouble)})
    return redirect("firm:connections")


def _row(request: FirmRequest, service: str, key: str) -> Connection:
    rows = visible(request.membership, Connection.objects.select_related("firm"))
    return get_object_or_404(rows, service=service, key=key)


def _read(request: FirmRequest) -> Read:
    """What the form that was sent says that it showed."""
    return Read.unpack(request.POST.get("read", ""))


def _shown(request: FirmRequest, row: Connection) -> str:
    """For the page's forms: what was sent, where the page is shown once more, else what stands."""
    return request.POST.get("read") or Read.of([credentials.as_read(row)]).pack()


def _page(request: FirmRequest, row: Connection, form: RotateForm) -> HttpResponse:
    may_connect = may(request.membership, "connect")
    context = {
        "health": health.of(row, firm=request.firm, now=timezone.now()),
        "connection": row,
        "form": form,
        "read": _shown(request, row) if may_connect else "",
        "told": hooks.listed(row),
        "are_reachable": hooks.are_reachable(),
        "now": timezone.now(),
        "may_connect": may_connect,
        "may_sign_in": row.service == Connection.Service.BILLIT and tokens.is_set_up(),
        "redirect_uri": settings.PUBLIC_URL + reverse("billit_signed_in"),
    }
    return may_leave_for_billit(request, render(request, "connections/connection.html", context))


def may_leave_for_billit(request: FirmRequest, answer: HttpResponse) -> HttpResponse:
    """The page holds a form that leads on to Billit's own page, which the policy of other pages does not allow."""

    def view(_request: HttpRequest) -> HttpResponse:
        return answer

    return cast(HttpResponse, csp_update({"form-action": [settings.BILLIT_LOGIN_URL]})(view)(request))
