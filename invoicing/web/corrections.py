"""Corrections: what Toggl says of billed hours now, and what a person decides of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django import forms
from django.contrib import messages
from django.db.models import Count, QuerySet, Value
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from integrations.clients.http.transport import ServiceError
from invoicing.corrections import decide as verbs
from invoicing.corrections import options, replace, together
from invoicing.models import Correction, Dossier, Invoice
from invoicing.models.problems import words
from invoicing.web import descriptions
from invoicing.web.lookup import correction_of, dossier_of, paged
from toggbill.firms.access import FirmRequest, actor, may, member, member_required, visible
from toggbill.firms.audit import Actor
from toggbill.firms.errors import NotPossible
from toggbill.firms.next_page import leave
from toggbill.firms.read import Read

STATES = ("open", "waiting", "decided")


class DecisionForm(forms.Form):
    """A note on the decision."""

    note = forms.CharField(required=False, max_length=options.LONGEST_NOTE)


@member_required()
@require_GET
def corrections(request: FirmRequest) -> HttpResponse:
    """The corrections: open ones with their decisions; `state` (waiting, decided) and `dossier` choose others."""
    state, key = request.GET.get("state", "open"), request.GET.get("dossier", "")
    if state not in STATES:
        raise Http404
    rows = {
        "open": options.open_of(member(request)),
        "waiting": options.waiting_of(member(request)),
        "decided": options.decided_of(member(request)).select_related("settlement"),
    }
    if key:
        rows = {name: found.filter(invoice__dossier__key=key) for name, found in rows.items()}
    shown = paged(request, rows[state].select_related(*options.BEHIND))
    alike = together.groups(rows["open"].select_related(*options.BEHIND)) if state == "open" else []
    dossiers = visible(request.membership, Dossier.objects.all()).order_by("name", "pk")
    return render(
        request,
        "invoicing/corrections.html",
        {
            **shown,
            "cases": options.cases(list(shown["page"].object_list), may_post=may(request.membership, "post")),
            "groups": [group for group in alike if len(group.corrections) > 1],
            "state": state,
            "counts": {
                state: shown["page"].paginator.count,
                **_counts({name: found for name, found in rows.items() if name != state}),
            },
            "key": key,
            "dossiers": dossiers,
            "may_decide": may(request.membership, "hold"),
        },
    )


def _counts(rows: dict[str, QuerySet[Correction]]) -> dict[str, int]:
    """How many each of these sets has, in one query."""
    first, *others = (
        found.order_by().annotate(name=Value(name)).values("name").annotate(n=Count("pk")).values_list("name", "n")
        for name, found in rows.items()
    )
    return dict.fromkeys(rows, 0) | dict(first.union(*others, all=True))


def _accept(row: Correction, note: str, read: Read, by: Actor, now: datetime) -> tuple[str, str]:
    verbs.accept(correction=row, note=note, by=by, now=now, read=read)
    return _("Accepted: this difference is settled."), ""


def _next_invoice(row: Correction, note: str, read: Read, by: Actor, now: datetime) -> tuple[str, str]:
    verbs.bill_next(correction=row, note=note, by=by, now=now, read=read)
    return _("The next run puts the difference on the customer’s invoice."), ""


def _replace(row: Correction, note: str, read: Read, by: Actor, now: datetime) -> tuple[str, str]:
    made = replace.replace(correction=row, by=by, now=now, read=read)
    text = ngettext(
        "The order is deleted in Billit, and %(n)d new invoice is approved. Post it now.",
        "The order is deleted in Billit, and %(n)d new invoices are approved. Post them now.",
        len(made),
    )
    if any(new.status == Invoice.Status.DRAFT for new in made):
        return descriptions.above_the_limit(len(made)), _address(made[0]) if len(made) == 1 else ""
    if not made:
        return _("The order is deleted in Billit. No hour of this customer is left to bill."), ""
    return text % {"n": len(made)}, _address(made[0]) if len(made) == 1 else ""


def _credit(row: Correction, note: str, read: Read, by: Actor, now: datetime) -> tuple[str, str]:
    made = verbs.credit(correction=row, rebill=False, note=note, by=by, now=now, read=read)
    return _("The credit note is drafted. Approve and post it."), _address(made)


def _credit_and_bill(row: Correction, note: str, read: Read, by: Actor, now: datetime) -> tuple[str, str]:
    made = verbs.credit(correction=row, rebill=True, note=note, by=by, now=now, read=read)
    return _("The credit note is drafted. Approve and post it; then the entry is open again."), _address(made)


def _withdraw(row: Correction, note: str, read: Read, by: Actor, now: datetime) -> tuple[str, str]:
    verbs.withdraw(correction=row, by=by, now=now, read=read)
    return _("The decision is taken back: the difference waits for another one."), ""


def _address(invoice: Invoice) -> str:
    return reverse("firm:invoice", args=[invoice.reference])


_DECISIONS: dict[str, Callable[[Correction, str, Read, Actor, datetime], tuple[str, str]]] = {
    "accept": _accept,
    "next-invoice": _next_invoice,
    "replace": _replace,
    "credit": _credit,
    "credit-and-bill": _credit_and_bill,
    "withdraw": _withdraw,
}


@member_required("hold")
@require_POST
def decide(request: FirmRequest, pk: int, remedy: str) -> HttpResponse:
    """Decide on a correction as it was read (field `read`; `note`), unless it changed since (409).

    Where it leads: to what the decision made, else back to where it was decided (field `back`: a reference, or none).
    """
    if remedy not in _DECISIONS:
        raise Http404
    row = correction_of(request, pk)
    form = DecisionForm(request.POST)
    goal = _back(request, row)
    if not form.is_valid():
        messages.error(request, _("Nothing was decided: a note has at most 500 characters."))
        return redirect(goal)
    read = Read.unpack(request.POST.get("read", ""))
    try:
        done, made = _DECISIONS[remedy](row, form.cleaned_data["note"], read, actor(request), timezone.now())
    except NotPossible as refusal:
        messages.error(request, str(refusal))
        return redirect(goal)
    except ServiceError as error:
        messages.error(request, _("Nothing was changed. %(why)s") % {"why": words(error.message)})
        return redirect(goal)
    messages.success(request, done)
    return leave(request, made) if made else redirect(goal)


def _back(request: FirmRequest, row: Correction) -> str:
    if request.POST.get("back") == row.invoice.reference:
        return _address(row.invoice)
    state = "?state=waiting" if request.POST.get("back") == "waiting" else ""
    return reverse("firm:corrections") + state


@member_required("hold")
@require_POST
def decide_alike(request: FirmRequest, key: str, group: str, remedy: str) -> HttpResponse:
    """Decide on alike corrections of a dossier as they were read (field `read`; `note`), unless they changed (409)."""
    row = dossier_of(request, key)
    if remedy not in together.REMEDIES:
        raise Http404
    form = DecisionForm(request.POST)
    goal = reverse("firm:corrections")
    if not form.is_valid():
        messages.error(request, _("Nothing was decided: a note has at most 500 characters."))
        return redirect(goal)
    try:
        done = together.decide(
            group=together.find(row, group),
            remedy=remedy,
            note=form.cleaned_data["note"],
            by=actor(request),
            now=timezone.now(),
            read=Read.unpack(request.POST.get("read", "")),
        )
    except NotPossible as refusal:
        messages.error(request, str(refusal))
        return redirect(goal)
    except ServiceError as error:
        messages.error(request, _("Nothing was changed. %(why)s") % {"why": words(error.message)})
        return redirect(goal)
    text = ngettext("%(n)d correction is decided.", "%(n)d corrections are decided.", len(done.corrections))
    messages.success(request, text % {"n": len(done.corrections)})
    if done.notes:
        notes = ngettext(
            "%(n)d credit note is drafted. Approve and post it.",
            "%(n)d credit notes are drafted. Approve and post them.",
            len(done.notes),
        )
        messages.info(request, notes % {"n": len(done.notes)})
    return leave(request, _address(done.notes[0])) if len(done.notes) == 1 else redirect(goal)
