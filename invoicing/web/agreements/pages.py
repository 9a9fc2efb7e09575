"""The pages of fee agreements: what stands with its balance, a new one in two steps, other terms, an end."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from invoicing.admin.forms import says
from invoicing.deciding import figures
from invoicing.dossiers.agreements import agreements
from invoicing.dossiers.faults import Refused
from invoicing.ledger import attention
from invoicing.ledger.agreements.agreements import agreement_of
from invoicing.ledger.facts.books import Facts
from invoicing.models import Agreement, Dossier, Invoice, InvoiceLine, LedgerRow
from invoicing.rules import agreement as rules
from invoicing.web import descriptions
from invoicing.web.agreements import ahead, picks, waiting, words
from invoicing.web.agreements.balance import ONE_EACH, Balance, balances
from invoicing.web.agreements.forms import FORMS, AgreementForm, EndForm, PayerForm
from invoicing.web.configuring import offers
from invoicing.web.configuring.tags import judged
from invoicing.web.enqueue import judge
from invoicing.web.lookup import dossier_of, paged
from toggbill.firms.access import FirmRequest, actor, may, member, member_required
from toggbill.firms.errors import NotPossible
from toggbill.firms.read import Read

LOOK = "look"
"""The field of a form that asks what would come of it; nothing is saved."""
_A_DAY = timedelta(days=1)
# In which state the hours of an agreement are; else they are covered.
_HOURS = {rules.Kind.advance: LedgerRow.State.ON_ACCOUNT, rules.Kind.prepaid: LedgerRow.State.PREPAID}


@dataclass(frozen=True, slots=True)
class Listed:
    """An agreement in the list; ``customer``: who is billed, ``buyer`` its key; ``scope``: which hours, in words, and
    ``state`` the one that they have; ``why``: what keeps its lines from being billed."""

    balance: Balance
    customer: str
    buyer: str
    scope: str
    state: str
    why: attention.Words | None


@member_required()
@require_GET
def listing(request: FirmRequest, key: str) -> HttpResponse:
    """The agreements of a dossier, those that run first."""
    row = dossier_of(request, key)
    today = timezone.localdate()
    # The page of them in Python: a dossier has few, and their number is known so.
    page = paged(request, list(_rows(row).order_by("title", "pk")))
    books = _books(row)
    found = [_listed(row, books, each) for each in balances(row, list(page["page"].object_list), today=today)]
    return render(
        request,
        "configuring/agreements.html",
        {
            **page,
            "dossier": row,
            "listed": sorted(found, key=lambda each: each.balance.state == "ended"),
            "may_map": may(request.membership, "map"),
            "may_draft": may(request.membership, "draft"),
        },
    )


def _books(dossier: Dossier) -> Facts:
    dossier.workspace.firm = dossier.firm
    return Facts.load(dossier.workspace, of=dossier)


def _listed(dossier: Dossier, books: Facts, balance: Balance) -> Listed:
    judge_ = books.judges[dossier.pk]
    terms = picks.named(balance.terms, books)
    buyer, reason = judge_.billed_to(terms)
    if reason is None and balance.coming is not None:
        _product, reason = judge_.product_for(terms.product, buyer, is_priced=True)
    return Listed(
        balance,
        customer=buyer.name if buyer is not None else terms.client_name or terms.number,
        buyer=judge_.customer_key(terms),
        scope=words.scope(balance.row, {number: name for number, (name, _client) in books.projects.items()}),
        state=str(_HOURS.get(rules.Kind(terms.kind), LedgerRow.State.COVERED)),
        why=None if reason is None else words.why(reason),
    )


@member_required("map")
@require_http_methods(["GET", "POST"])
def add(request: FirmRequest, key: str) -> HttpResponse:
    """Make an agreement: first with whom and how it bills (`customer`, `kind`), then its terms (``AgreementForm``)."""
    row = dossier_of(request, key)
    books = _books(row)
    clients = picks.clients_of(row, books)
    whom = PayerForm(request.GET if "customer" in request.GET else None, clients=clients)
    if whom.is_valid():
        return _edit(request, row, books, None, whom.cleaned_data["kind"], whom.cleaned_data["customer"])
    return render(
        request,
        "configuring/agreement_whom.html",
        {"dossier": row, "form": whom, "payers": picks.payers_of(row, clients, member(request))},
        status=422 if whom.is_bound else 200,
    )


@member_required("map")
@require_http_methods(["GET", "POST"])
def change(request: FirmRequest, key: str, pk: int) -> HttpResponse:
    """Give an agreement other terms (``AgreementForm`` of its kind, and `read`)."""
    row = dossier_of(request, key)
    stands = get_object_or_404(_rows(row), pk=pk)
    return _edit(request, row, _books(row), stands, stands.kind, stands.number or stands.client_remote_id or 0)


def _rows(dossier: Dossier) -> Any:
    return Agreement.objects.filter(dossier=dossier).select_related("dossier", "firm")


def _edit(
    request: FirmRequest, dossier: Dossier, books: Facts, stands: Agreement | None, kind: str, payer: int | str
) -> HttpResponse:
    form = _form(request, dossier, stands, kind, payer, books)
    lines = [] if stands is None else waiting.lines_of(stands)
    looks = LOOK in request.POST
    is_sound = form.is_bound and form.is_valid()
    if is_sound and not looks and (made := _save(request, dossier, stands, form)) is not None:
        return made
    shown = _ahead(dossier, books, stands, form, lines, is_sound=is_sound and not form.errors)
    context = {
        "dossier": dossier,
        "row": stands,
        "form": form,
        "kind": kind,
        "customer": _customer(dossier, books, payer),
        "ahead": shown,
        "effects": waiting.of_change(lines),
        "read": "" if stands is None else Read.of([figures.of_agreement(stands)]).pack(),
    }
    if looks and request.htmx:
        return render(request, "parts/agreement_ahead.html", context)
    return render(request, "configuring/agreement.html", context, status=422 if form.is_bound and not looks else 200)


def _form(
    request: FirmRequest, dossier: Dossier, stands: Agreement | None, kind: str, payer: int | str, books: Facts
) -> AgreementForm:
    form: AgreementForm = FORMS[kind](
        request.POST or None,
        row=stands,
        payer=payer,
        products=offers.products_of(dossier),
        projects=picks.projects_of(dossier, books, picks.of(payer, books)),
        taken=_keys(dossier) if request.method == "POST" and stands is None else (),
        start=max(timezone.localdate().replace(day=1), dossier.start_date),
    )
    return form


def _keys(dossier: Dossier) -> list[str]:
    """The short names that agreements of the firm have."""
    return list(Agreement.objects.filter(firm=dossier.firm_id).values_list("key", flat=True))


def _save(request: FirmRequest, dossier: Dossier, stands: Agreement | None, form: AgreementForm) -> HttpResponse | None:
    """Save it, and lead on; None when the verb refuses it, which the form then says."""
    by, now, terms = actor(request), timezone.now(), form.terms()
    try:
        if stands is None:
            agreements.agree(dossier=dossier, terms=terms, by=by, now=now)
        else:
            read = Read.unpack(request.POST.get("read", ""))
            agreements.change(agreement=stands, terms=terms, by=by, now=now, read=read)
    except Refused as refusal:
        form.note(fault for _key, fault in refusal.faults)
        return None
    left = judge(dossier.workspace)
    done = _("Agreement “%(title)s” is saved.") % {"title": terms.title}
    messages.success(request, f"{done} {judged(left)}")
    return redirect("firm:agreements", key=dossier.key)


def _ahead(
    dossier: Dossier,
    books: Facts,
    stands: Agreement | None,
    form: AgreementForm,
    lines: Sequence[InvoiceLine],
    *,
    is_sound: bool,
) -> ahead.Ahead | None:
    """The first lines by what was typed, or, before anything is, by what stands; None while there is nothing to say."""
    if form.is_bound and not is_sound:
        return None
    if form.is_bound:
        terms = form.terms()
    elif stands is not None:
        terms = agreement_of(stands)
    else:
        return None
    return ahead.first_lines(
        dossier,
        books.judges[dossier.pk],
        picks.named(terms, books),
        billed=_billed(stands, lines),
        now=timezone.now(),
    )


def _billed(stands: Agreement | None, lines: Sequence[InvoiceLine]) -> Collection[date]:
    """The periods, and days of advances, (keys) on orders of Billit's own and on invoices; drafts are drawn anew."""
    brought = [] if stands is None else stands.brought.live().values_list("period", flat=True)
    return {period for period in brought if period is not None} | {
        line.period
        for line in lines
        if line.kind in ONE_EACH and line.invoice.status != Invoice.Status.DRAFT and line.period is not None
    }


def _customer(dossier: Dossier, books: Facts, payer: int | str) -> str:
    """Who is billed: the customer's name, else the client's or the number."""
    terms = picks.of(payer, books)
    buyer, _reason = books.judges[dossier.pk].billed_to(terms)
    return buyer.name if buyer is not None else terms.client_name or terms.number


@member_required("map")
@require_http_methods(["GET", "POST"])
def end(request: FirmRequest, key: str, pk: int) -> HttpResponse:
    """Let an agreement end (fields `last_day` and `read`)."""
    row = dossier_of(request, key)
    stands = get_object_or_404(_rows(row), pk=pk)
    form = EndForm(request.POST or None, initial={"last_day": stands.end_date or _month_end(stands)})
    looks = LOOK in request.POST
    if form.is_bound and form.is_valid() and not looks:
        try:
            agreements.end(
                agreement=stands,
                last_day=form.cleaned_data["last_day"],
                by=actor(request),
                now=timezone.now(),
                read=Read.unpack(request.POST.get("read", "")),
            )
        except Refused as refusal:
            form.add_error("last_day", " ".join(says(fault) for _key, fault in refusal.faults))
        except NotPossible as refusal:
            form.add_error("last_day", str(refusal))
        else:
            left = judge(row.workspace)
            said = {"title": stands.title, "day": descriptions.day(form.cleaned_data["last_day"])}
            done = _("Agreement “%(title)s” ends on %(day)s.") % said
            messages.success(request, f"{done} {judged(left)}")
            return redirect("firm:agreements", key=row.key)
    day = form.cleaned_data.get("last_day") if form.is_bound else form.initial["last_day"]
    effects = [] if day is None or day < stands.start_date else waiting.of_end(stands, day)
    context = {
        "dossier": row,
        "row": stands,
        "form": form,
        "effects": effects,
        "read": Read.of([figures.of_agreement(stands)]).pack(),
    }
    if looks and request.htmx:
        return render(request, "parts/agreement_effects.html", context)
    return render(
        request, "configuring/agreement_end.html", context, status=422 if form.is_bound and not looks else 200
    )


def _month_end(row: Agreement) -> date:
    """The last day of this month, or of the month in which it begins."""
    first = max(timezone.localdate(), row.start_date).replace(day=28) + timedelta(days=4)
    return first.replace(day=1) - _A_DAY
