"""The pages of client mappings: who is billed for each Toggl client, and those without a customer with a guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.forms import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from integrations.models import Client
from invoicing.admin.choices import line
from invoicing.dossiers import decide
from invoicing.dossiers.faults import Refused
from invoicing.models import ClientMapping, Dossier
from invoicing.rules.judging import mapping
from invoicing.rules.judging.mapping import ClientRule, read_number
from invoicing.web.configuring import forms, offers
from invoicing.web.configuring.tags import judged
from invoicing.web.enqueue import judge
from invoicing.web.lookup import dossier_of, paged
from toggbill.firms.access import FirmRequest, actor, may, member, member_required
from toggbill.firms.next_page import page_of_ours
from toggbill.firms.read import Read
from toggbill.firms.requests.numbers import row_ids


@dataclass(frozen=True, slots=True)
class Listed:
    """A Toggl client of the dossier; ``row``: its mapping. ``customer``: who is billed, "" for nobody yet."""

    client: Client
    row: ClientMapping | None
    customer: str
    read: str


@dataclass(frozen=True, slots=True)
class ToMap:
    """The clients whose hours wait for a customer; ``customers``: Billit's, as they are put into a field."""

    clients: Sequence[offers.WaitingClient]
    more: int
    customers: Sequence[tuple[str, str]]
    read: str


@member_required()
@require_GET
def listing(request: FirmRequest, key: str) -> HttpResponse:
    """Who is billed for each Toggl client of the dossier."""
    row = dossier_of(request, key)
    customers = offers.customers_of(row, member(request))
    page = paged(request, offers.clients_of(row, member(request)))
    return render(
        request,
        "configuring/clients.html",
        {
            **page,
            "dossier": row,
            "listed": _listed(row, page["page"].object_list, customers),
            "to_map": to_map(row, customers, request),
            "may_map": may(request.membership, "map"),
        },
    )


def to_map(dossier: Dossier, customers: Sequence[mapping.Customer], request: FirmRequest) -> ToMap:
    """The clients whose hours wait for a customer, those with most time first."""
    waiting = offers.waiting_clients(dossier, customers, member(request))
    shown = waiting[: offers.SHOWN]
    return ToMap(
        shown,
        len(waiting) - len(shown),
        [(line(each.party_id, each.name), each.number) for each in customers],
        Read.of(decide.clients_as_read(dossier, [each.client for each in shown])).pack(),
    )


def _listed(dossier: Dossier, clients: Sequence[Client], customers: Sequence[mapping.Customer]) -> list[Listed]:
    names = {each.party_id: each.name for each in customers}
    ids = [client.remote_id for client in clients]
    rows = {row.client_remote_id: row for row in dossier.client_mappings.filter(client_remote_id__in=ids)}
    read = dict(zip(ids, decide.clients_as_read(dossier, ids), strict=True))
    return [
        Listed(
            client,
            rows.get(client.remote_id),
            _customer(client, rows.get(client.remote_id), names),
            Read.of([read[client.remote_id]]).pack(),
        )
        for client in clients
    ]


def _customer(client: Client, row: ClientMapping | None, names: Mapping[int, str]) -> str:
    if row is not None and row.customer_party_id is not None:
        return line(row.customer_party_id, names.get(row.customer_party_id, ""))
    return (row.number if row is not None else "") or read_number(client.name).number


@member_required("map")
@require_POST
def map_many(request: FirmRequest, key: str) -> HttpResponse:
    """Give clients their customers (fields `client` and `customer-<client>`, an empty one is left; `read`)."""
    row = dossier_of(request, key)
    names = {each.party_id: each.name for each in offers.customers_of(row, member(request))}
    stated, faults = _stated(request, row, names)
    for fault in faults:
        messages.error(request, fault)
    if stated:
        _changed(request, row, stated=stated)
    elif not faults:
        messages.info(request, _("No client was given a customer: choose one, or give its number."))
    return redirect(page_of_ours(request, request.POST.get("next", "")) or reverse("firm:clients", args=[row.key]))


def _stated(request: FirmRequest, dossier: Dossier, names: Mapping[int, str]) -> tuple[list[ClientRule], list[str]]:
    """The mappings that a form states, what they say besides kept; and what cannot be read of it."""
    field = forms.CustomerField(required=False)
    field.names = names
    known = offers.clients_of(dossier, member(request))
    called = dict(known.filter(remote_id__in=row_ids(request.POST.getlist("client"))).values_list("remote_id", "name"))
    rows = {row.client_remote_id: row for row in dossier.client_mappings.filter(client_remote_id__in=called)}
    stated, faults = [], []
    for client, name in called.items():
        try:
            chosen = field.to_python(request.POST.get(f"customer-{client}", ""))
        except ValidationError as error:
            faults.append(f"{name}: {' '.join(error.messages)}")
            continue
        if chosen is not None:
            stated.append(_rule(client, chosen, rows.get(client)))
    return stated, faults


def _rule(client: int, chosen: str | int, row: ClientMapping | None) -> ClientRule:
    number, party = forms.customer_of(chosen)
    return ClientRule(
        client_id=client,
        number=number,
        party_id=party,
        treatment=mapping.Treatment(row.treatment) if row is not None and row.treatment else None,
        purchase_order="" if row is None else row.purchase_order,
        buyer_reference="" if row is None else row.buyer_reference,
    )


def _changed(request: FirmRequest, row: Dossier, **told: Any) -> bool:
    """Do it, judge the hours, and say so; whether it was done."""
    read = Read.unpack(request.POST.get("read", ""))
    try:
        decide.change_clients(dossier=row, **{"stated": (), **told}, by=actor(request), now=timezone.now(), read=read)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return False
    left = judge(row.workspace)
    count = len(told.get("stated", ())) or len(told.get("gone", ()))
    text = (
        ngettext("%(n)d client is mapped.", "%(n)d clients are mapped.", count)
        if told.get("stated")
        else ngettext("%(n)d mapping is gone.", "%(n)d mappings are gone.", count)
    )
    messages.success(request, f"{text % {'n': count}} {judged(left)}")
    return True


@member_required("map")
@require_http_methods(["GET", "POST"])
def change(request: FirmRequest, key: str, client: int) -> HttpResponse:
    """Who is billed for a Toggl client, and how (the fields of ``ClientForm``, and `read`)."""
    dossier = dossier_of(request, key)
    found = get_object_or_404(offers.clients_of(dossier, member(request)), remote_id=client)
    row = dossier.client_mappings.filter(client_remote_id=client).first()
    customers = offers.customers_of(dossier, member(request))
    form = forms.ClientForm(
        request.POST or None,
        client=client,
        row=row,
        customers={each.party_id: each.name for each in customers},
    )
    if request.method == "POST" and form.is_valid() and _changed(request, dossier, stated=[form.rule()]):
        return redirect("firm:clients", key=dossier.key)
    return render(
        request,
        "configuring/client.html",
        {
            "dossier": dossier,
            "client": found,
            "row": row,
            "form": form,
            "reading": read_number(found.name),
            "customers": [(line(each.party_id, each.name), each.number) for each in customers],
            "read": Read.of(decide.clients_as_read(dossier, [client])).pack(),
        },
        status=422 if form.is_bound else 200,
    )


@member_required("map")
@require_POST
def remove(request: FirmRequest, key: str, client: int) -> HttpResponse:
    """Take a mapping away (field `read`): the number in the client's name counts again."""
    row = dossier_of(request, key)
    get_object_or_404(row.client_mappings, client_remote_id=client)
    _changed(request, row, gone=[client])
    return redirect("firm:clients", key=row.key)
