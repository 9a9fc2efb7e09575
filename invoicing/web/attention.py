"""What needs a decision: the list by cause, one decision with all that can be chosen, and deciding it for all hours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from integrations.clients.http.transport import ServiceError
from invoicing import tasks
from invoicing.attention import causes, choices
from invoicing.attention.causes import Decision
from invoicing.attention.choices import Choices
from invoicing.attention.decide import KINDS, Decided, Remedy, decide
from invoicing.ledger import attention as reasons
from invoicing.models import LedgerRow
from invoicing.models.problems import words
from invoicing.rules.judging.mapping import normalise_number
from invoicing.web import descriptions
from invoicing.web.enqueue import hasten
from invoicing.web.hours.deciding import done_words
from invoicing.web.lookup import dossier_of, paged
from toggbill.firms.access import FirmRequest, actor, may, member, member_required, visible
from toggbill.firms.errors import NotPossible
from toggbill.firms.next_page import page_of_ours
from toggbill.firms.read import Read

PER_PAGE = 15
"""Decisions on one page: each has its forms."""
PRODUCTS = 12
"""Products that the list offers of each; the page of one decision has all."""


@dataclass(frozen=True, slots=True)
class Case:
    """A decision as it is shown: what can be chosen, its first entries, and how many products the list leaves out."""

    decision: Decision
    choices: Choices
    rows: Sequence[LedgerRow]
    more_products: int = 0

    @property
    def products(self) -> Sequence[Any]:
        """Those that are offered."""
        offered = self.choices.products
        return offered[: len(offered) - self.more_products]


@member_required()
@require_GET
def attention(request: FirmRequest) -> HttpResponse:
    """The decisions that wait, by reason and cause; `reason`, `dossier` (short name) and `page` narrow them."""
    chosen, key = request.GET.get("reason", ""), request.GET.get("dossier", "")
    rows = visible(request.membership, LedgerRow.objects.all())
    found = causes.decisions(rows.filter(dossier__key=key) if key else rows)
    groups = causes.by_reason(found)
    wanted = [each for group in groups if not chosen or group.reason == chosen for each in group.decisions]
    page = Paginator(wanted, PER_PAGE).get_page(request.GET.get("page"))
    shown = {case.decision.name: case for case in _cases(request, list(page.object_list))}
    query = request.GET.copy()
    query.pop("page", None)
    return render(
        request,
        "invoicing/attention.html",
        {
            "groups": groups,
            "shown": [
                (group, [shown[each.name] for each in group.decisions if each.name in shown])
                for group in groups
                if any(each.name in shown for each in group.decisions)
            ],
            "total": len(found),
            "seconds": sum(item.seconds for item in found),
            "entries": sum(item.entries for item in found),
            "value": sum(item.value or 0 for item in found),
            "chosen": chosen,
            "dossier": found[0].dossier if key and found else None,
            "page": page,
            "numbers": page.paginator.get_elided_page_range(page.number, on_each_side=1),
            "query": f"{query.urlencode()}&" if query else "",
            **_rights(request),
        },
    )


@member_required()
@require_GET
def decision(request: FirmRequest, key: str, name: str) -> HttpResponse:
    """One decision with all its entries and all that can be chosen; `q` searches customers in Billit, with `register`
    in the company register, too. What is decided leads to `next`, else to the list, as one does that waits no more."""
    row = dossier_of(request, key)
    try:
        found = causes.find(row, name)
    except NotPossible as gone:
        messages.info(request, str(gone))
        return redirect(f"{reverse('firm:attention')}?dossier={row.key}")
    asked = request.GET.get("q", "").strip()[:100]
    offered = choices.choices_of([found], membership=member(request))[found.name]
    can_search = found.reason in choices.CHOOSES_CUSTOMER and may(request.membership, "map")
    registered: list[choices.Registered] | None = None
    not_asked = ""
    if can_search and asked and request.GET.get("register"):
        try:
            registered = choices.search_register(row, asked)
        except ServiceError as error:
            not_asked = _("The register was not asked. %(why)s") % {"why": words(error.message)}
    shown = paged(request, found.rows.select_related("entry"))
    rows = list(shown["page"].object_list)
    rights = _rights(request)
    return render(
        request,
        "invoicing/decision.html",
        {
            **shown,
            "case": Case(found, offered, ()),
            "dossier": row,
            "rows": rows,
            "asked": asked,
            "can_search": can_search,
            "customers": choices.search(row, asked, membership=member(request)) if can_search and asked else [],
            "number": normalise_number(asked) if can_search else "",
            "registered": registered,
            "not_asked": not_asked,
            "goal": page_of_ours(request, request.GET.get("next", "")) or reverse("firm:attention"),
            "decisions": ("hold", "write-off") if rights["may_hold"] else (),
            "choosable": (LedgerRow.State.ATTENTION,),
            **rights,
        },
    )


def _rights(request: FirmRequest) -> dict[str, bool]:
    return {f"may_{what}": may(request.membership, what) for what in ("map", "hold", "configure")}


def _cases(request: FirmRequest, found: Sequence[Decision]) -> list[Case]:
    offered = choices.choices_of(found, membership=member(request))
    rows = causes.examples(found)
    return [
        Case(each, offered[each.name], rows.get(each.name, []), max(0, len(offered[each.name].products) - PRODUCTS))
        for each in found
    ]


class RemedyForm(forms.Form):
    """What was chosen: see ``decide.Remedy``."""

    tag = forms.CharField(required=False, max_length=1000, strip=False)
    product = forms.CharField(required=False, max_length=200, strip=False)
    party = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    number = forms.CharField(required=False, max_length=60)
    treatment = forms.CharField(required=False, max_length=20)
    dossier = forms.CharField(required=False, max_length=50)
    reason = forms.CharField(required=False, max_length=1000)


@member_required("map")
@require_POST
def decide_alike_hours(request: FirmRequest, key: str, name: str, remedy: str) -> HttpResponse:
    """Decide on all hours of a decision as they were read (field `read`, else 409); leads to the field `next`."""
    row = dossier_of(request, key)
    goal = page_of_ours(request, request.POST.get("next", "")) or reverse("firm:attention")
    form = RemedyForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Nothing was changed: choose one of what is offered."))
        return redirect(goal)
    chosen = Remedy(remedy, **form.cleaned_data)
    read = Read.unpack(request.POST.get("read", ""))
    try:
        done = decide(dossier=row, name=name, remedy=chosen, by=actor(request), now=timezone.now(), read=read)
    except NotPossible as refusal:
        messages.error(request, str(refusal))
        return redirect(goal)
    hasten(tasks.derive_marked)
    _tell(request, remedy, done)
    return redirect(goal)


def _tell(request: FirmRequest, remedy: str, done: Decided) -> None:
    if KINDS[remedy].right == "hold":
        messages.success(request, done_words(remedy, done.entries + sum(done.others.values())))
        return
    said = []
    if done.open_seconds:
        figures = {"hours": descriptions.hours(done.open_seconds), "value": descriptions.money(done.open_value)}
        said.append(_("%(hours)s solved, %(value)s now open.") % figures)
    if done.unbilled_seconds:
        said.append(_("%(hours)s solved: not billed.") % {"hours": descriptions.hours(done.unbilled_seconds)})
    if not said and done.entries:
        said.append(_("%(hours)s solved.") % {"hours": descriptions.hours(done.seconds)})
    if said:
        messages.success(request, " ".join(said))
    for reason, count in sorted(done.others.items()):
        text = ngettext(
            "%(n)d entry still waits, now for this: %(reason)s.",
            "%(n)d entries still wait, now for this: %(reason)s.",
            count,
        )
        messages.warning(request, text % {"n": count, "reason": reasons.words(reason).title})
    if done.later:
        text = ngettext(
            "%(n)d more entry is judged in a moment.", "%(n)d more entries are judged in a moment.", done.later
        )
        messages.info(request, text % {"n": done.later})
