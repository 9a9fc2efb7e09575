"""What a run would draft, before it does: invoices, lines, what is left out and why, and the same by other rules."""

from __future__ import annotations

import copy
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from integrations.models import Entry
from invoicing.deciding import figures
from invoicing.dossiers import trial
from invoicing.drafting import runs
from invoicing.drafting.sheet import Table, WhatIf
from invoicing.ledger import attention
from invoicing.ledger.facts.books import Facts
from invoicing.models import Dossier, Invoice
from invoicing.rules import planning
from invoicing.rules.planning import NOT_OVER
from invoicing.web.agreements import words
from invoicing.web.dossiers.what_if import Asked
from invoicing.web.lookup import dossier_of
from toggbill.firms.access import FirmRequest, member, member_required
from toggbill.firms.errors import NotPossible
from toggbill.firms.read import Read

_CHUNK = 1000
_CHANGED = 100
"""Invoices that a trial changes and whose lines are shown."""


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
        """Those of all lines."""
        return trial.hours_of(self.plan.lines)

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
    """What drafting through a local day (`through`) would make; with something to try (``Asked``), both side by side.

    Its form drafts exactly what is shown of the rules as they stand, or says what changed since (409).
    """
    invoiced = Exists(Invoice.objects.standing().filter(dossier=OuterRef("pk")))
    row, now = dossier_of(request, key, has_invoiced=invoiced), timezone.now()
    today = timezone.localdate(now)
    through = _day(request.GET.get("through", "")) or today.replace(day=1) - timedelta(days=1)
    books = Facts.load(row.workspace)
    asked = Asked(request.GET, row, books, sees_all=not member(request).is_restricted)
    tried = asked.tried()
    try:
        table = Table.read(row, tries=bool(tried))
        found = runs.foresee(dossier=row, cut_off=through, now=now, books=books, table=table)
        other = _by(tried, row, found, now, books) if tried else None
    except NotPossible as refusal:
        messages.error(request, str(refusal))
        return redirect("firm:dossier", key=row.key)
    # Beside a trial the page compares with that alone.
    before = _month_before(row, through) if other is None else {}
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
            "later": found.sheet.left_alone,
            "left_out": _left_out(row, found),
            "withheld": words.withheld(found.plan, found.sheet.agreements),
            "excl": _sum(found.plan),
            "hours": sum((each.hours for each in listed), Decimal(0)),
            "before": sum(before.values(), Decimal(0)),
            "month_before": through.replace(day=1) - timedelta(days=1),
            "read": Read.of([figures.of_plan(row, through, found.plan)]).pack(),
            "what_if": asked,
            "is_tried": other is not None,
            "gained": sorted(gained.items()),
            "unread": _unread(row, tried),
            **({} if other is None else _otherwise(row, found, other)),
            "mirror_as_of": found.mirror_as_of,
        },
    )


def _day(text: str) -> date | None:
    try:
        found: date = forms.DateField().clean(text)
    except forms.ValidationError:
        return None
    return found


def _unread(dossier: Dossier, tried: trial.Tried) -> date | None:
    """Since which day Toggl was read, where the start that is tried lies before it."""
    since = dossier.workspace.read_from
    return since if since is not None and tried.start is not None and tried.start < since else None


def _by(tried: trial.Tried, dossier: Dossier, found: runs.Drafting, now: datetime, books: Facts) -> runs.Drafting:
    """The same run by what is tried, on a copy of the dossier that is never saved."""
    changed, sheet = copy.copy(dossier), found.sheet
    judge = partial(tried.apply, is_alone=len(books.dossiers) == 1)
    what_if = WhatIf(judge, start=tried.start, clients=tried.named, block=tried.block, twins=True)
    return runs.foresee(
        dossier=changed, cut_off=sheet.cut_off, now=now, what_if=what_if, books=books, table=sheet.table
    )


def _otherwise(dossier: Dossier, found: runs.Drafting, other: runs.Drafting) -> dict[str, Any]:
    """What the page says of a trial: sums, what differs, and what is left out by it."""
    changed = trial.changed_invoices(found.plan, other.plan)
    hours = [
        sum((trial.hours_of(each.lines) for each in plan.invoices), Decimal(0)) for plan in (found.plan, other.plan)
    ]
    return {
        "otherwise": _sum(other.plan),
        "more": _sum(other.plan) - _sum(found.plan),
        "more_hours": hours[1] - hours[0],
        "changed": changed[:_CHANGED],
        "changed_more": max(0, len(changed) - _CHANGED),
        "left_out_otherwise": _left_out(dossier, other),
        "withheld_otherwise": words.withheld(other.plan, other.sheet.agreements),
    }


def _listed(found: runs.Drafting, before: dict[str, Decimal], other: runs.Drafting | None) -> list[Planned]:
    what = {id(planned): "redrawn" if invoice.pk else "new" for invoice, planned in found.moved}
    others = {} if other is None else _totals(other.plan)
    return [
        Planned(
            planned,
            what.get(id(planned), "stands"),
            before.get(planned.buyer.key, Decimal(0)),
            others.get(trial.named(planned)),
        )
        for planned in found.plan.invoices
    ]


def _totals(plan: planning.Plan) -> dict[str, Decimal]:
    """Excl. VAT, by customer and references."""
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for planned in plan.invoices:
        found[trial.named(planned)] += planned.total_excl
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
