"""What a run would draft, before it does: invoices, lines, what is left out and why, and the same by other rules."""

from __future__ import annotations

import copy
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from integrations.models import Entry
from invoicing.deciding import figures
from invoicing.deciding.read import Read
from invoicing.drafting import runs
from invoicing.ledger import attention
from invoicing.ledger.facts.books import Facts
from invoicing.models import Dossier, Invoice
from invoicing.rules import planning
from invoicing.rules.judging.judge import Judge
from invoicing.rules.judging.mapping import TagRule
from invoicing.rules.planning import NOT_OVER
from invoicing.web.agreements import words
from invoicing.web.lookup import dossier_of
from toggbill.firms.access import FirmRequest, member_required
from toggbill.firms.errors import NotPossible

_CHUNK = 1000


class RulesForm(forms.Form):
    """Rules to try: those of the dossier unless something else is said; ``tag`` leads to ``product``, or to nothing."""

    rounding_minutes = forms.IntegerField(label=gettext_lazy("Round to minutes"), min_value=0, max_value=480)
    rounding_direction = forms.ChoiceField(label=gettext_lazy("Direction"), choices=Dossier.Direction.choices)
    rounding_level = forms.ChoiceField(label=gettext_lazy("Level"), choices=Dossier.Level.choices)
    rounding_minimum = forms.IntegerField(label=gettext_lazy("Minimum minutes per entry"), min_value=0, max_value=480)
    group_by = forms.ChoiceField(label=gettext_lazy("One line per"), choices=Dossier.GroupBy.choices)
    billable = forms.ChoiceField(label=gettext_lazy("Bill"), choices=Dossier.Billable.choices)
    tag = forms.CharField(label=gettext_lazy("Tag"), max_length=255, required=False)
    product = forms.CharField(
        label=gettext_lazy("leads to product (empty: not billed)"), max_length=200, required=False
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Fields that look as all others do."""
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            is_choice = isinstance(field, forms.ChoiceField)
            field.widget.attrs["class"] = "form-select" if is_choice else "form-control"

    def changes(self, dossier: Dossier) -> dict[str, Any]:
        """The rules of the dossier that are another here; ``tag`` among them when one is given."""
        said = dict(self.cleaned_data)
        tag, product = said.pop("tag"), said.pop("product")
        found = {name: value for name, value in said.items() if value != getattr(dossier, name)}
        return found | ({"tag": (tag, product)} if tag else {})


@dataclass(frozen=True, slots=True)
class Planned:
    """An invoice of the plan. ``what``: new, redrawn or as it stands; ``before``: what the customer was billed in the
    month before, excl. VAT; ``otherwise``: the total by the rules that are tried, None where they make no invoice."""

    plan: planning.PlannedInvoice
    what: str
    before: Decimal
    otherwise: Decimal | None

    @property
    def hours(self) -> Decimal:
        """The quantity of all lines."""
        return sum((line.quantity for line in self.plan.lines), Decimal(0))

    @property
    def difference(self) -> Decimal:
        """To the month before."""
        return self.plan.total_excl - self.before


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Entries that the run leaves where they are, for one reason."""

    reason: str
    entries: int
    seconds: int

    @property
    def words(self) -> attention.Words:
        """What is wrong, and what to do."""
        return attention.words(self.reason)


@member_required()
@require_GET
def preview(request: FirmRequest, key: str) -> HttpResponse:
    """What drafting through a local day (`through`) would make; with rules to try (``RulesForm``), both side by side.

    Its form drafts exactly what is shown, or says what changed since (409).
    """
    row, now = dossier_of(request, key), timezone.now()
    today = timezone.localdate(now)
    through = _day(request.GET.get("through", "")) or today.replace(day=1) - timedelta(days=1)
    form = RulesForm(request.GET if "group_by" in request.GET else _rules_of(row))
    changes = form.changes(row) if form.is_valid() else {}
    try:
        books = Facts.load(row.workspace)
        found = runs.foresee(dossier=row, cut_off=through, now=now, books=books)
        other = _tried(row, through, changes, books) if changes else None
    except NotPossible as refusal:
        messages.error(request, str(refusal))
        return redirect("firm:dossier", key=row.key)
    before = _month_before(row, through)
    listed = _listed(found, before, other)
    others = {} if other is None else _totals(other.plan)
    gained = {name: total for name, total in others.items() if name not in _totals(found.plan)}
    return render(
        request,
        "invoicing/preview.html",
        {
            "dossier": row,
            "through": through,
            "today": today,
            "rows": listed,
            "dropped": found.dropped,
            "left_out": _left_out(row, found),
            "withheld": words.withheld(found.plan, found.sheet.agreements),
            "excl": _sum(found.plan),
            "hours": sum((each.hours for each in listed), Decimal(0)),
            "before": sum(before.values(), Decimal(0)),
            "month_before": through.replace(day=1) - timedelta(days=1),
            "read": Read.of([figures.of_plan(row, through, found.plan)]).pack(),
            "form": form,
            "is_tried": other is not None,
            "otherwise": None if other is None else _sum(other.plan),
            "gained": sorted(gained.items()),
            "left_out_otherwise": [] if other is None else _left_out(row, other),
            "mirror_as_of": found.mirror_as_of,
        },
    )


def _day(text: str) -> date | None:
    try:
        found: date = forms.DateField().clean(text)
    except forms.ValidationError:
        return None
    return found


def _rules_of(dossier: Dossier) -> dict[str, Any]:
    names = [name for name in RulesForm.base_fields if name not in ("tag", "product")]
    return {name: getattr(dossier, name) for name in names}


def _tried(dossier: Dossier, through: date, changes: dict[str, Any], books: Facts) -> runs.Drafting:
    """The same run by other rules, on a copy of the dossier that is never saved."""

    def what_if(changed: Dossier, judge: Judge) -> Judge:
        for name, value in changes.items():
            if name != "tag":
                setattr(changed, name, value)
        if "billable" in changes:
            judge = judge.under(billable=changes["billable"])
        if "tag" in changes:
            tag, product = changes["tag"]
            judge = judge.with_tag(TagRule(tag, product, bill=bool(product)))
        return judge

    changed = copy.copy(dossier)
    return runs.foresee(dossier=changed, cut_off=through, now=timezone.now(), what_if=what_if, books=books)


def _listed(found: runs.Drafting, before: dict[str, Decimal], other: runs.Drafting | None) -> list[Planned]:
    what = {id(planned): "redrawn" if invoice.pk else "new" for invoice, planned in found.moved}
    others = {} if other is None else _totals(other.plan)
    return [
        Planned(
            planned,
            what.get(id(planned), "stands"),
            before.get(planned.buyer.key, Decimal(0)),
            others.get(_name(planned)),
        )
        for planned in found.plan.invoices
    ]


def _name(planned: planning.PlannedInvoice) -> str:
    return " · ".join(text for text in (planned.buyer.name, planned.buyer.number, *planned.key[1:3]) if text)


def _totals(plan: planning.Plan) -> dict[str, Decimal]:
    """Excl. VAT, by customer and references."""
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for planned in plan.invoices:
        found[_name(planned)] += planned.total_excl
    return dict(found)


def _sum(plan: planning.Plan) -> Decimal:
    return sum((planned.total_excl for planned in plan.invoices), Decimal(0))


def _month_before(dossier: Dossier, through: date) -> dict[str, Decimal]:
    """By buyer: what was billed less what was credited, of periods that end in the month before, excl. VAT."""
    first = through.replace(day=1)
    start = (first - timedelta(days=1)).replace(day=1)
    rows = Invoice.objects.standing().filter(dossier=dossier, period_till__gte=start, period_till__lt=first)
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for invoice in rows.only("buyer_key", "kind", "total_excl", "legal_excl"):
        found[invoice.buyer_key] += invoice.excl if invoice.kind == Invoice.Kind.INVOICE else -invoice.excl
    return dict(found)


def _left_out(dossier: Dossier, found: runs.Drafting) -> list[LeftOut]:
    reasons = [(skipped.entry, str(skipped.reason)) for skipped in found.plan.skipped]
    reasons += [(entry, NOT_OVER) for entry in found.plan.not_over]
    seconds = dict(found.sheet.seconds)
    # Of a difference that waits, its entry is billed, and was not planned.
    seconds |= _seconds(dossier, [entry for entry, _reason in reasons if entry not in seconds])
    entries, time = Counter[str](), Counter[str]()
    for entry, reason in reasons:
        entries[reason] += 1
        time[reason] += seconds.get(entry, 0)
    return [LeftOut(reason, count, time[reason]) for reason, count in entries.most_common()]


def _seconds(dossier: Dossier, ids: Sequence[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for start in range(0, len(ids), _CHUNK):
        rows: Iterable[tuple[int, int]] = Entry.objects.filter(
            workspace=dossier.workspace, remote_id__in=ids[start : start + _CHUNK]
        ).values_list("remote_id", "seconds")
        found |= dict(rows)
    return found
