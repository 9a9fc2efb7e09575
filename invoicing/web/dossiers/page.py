"""The page of a dossier, with its runs by hand."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal

from django import forms
from django.contrib import messages
from django.db.models import prefetch_related_objects
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from integrations.mirror import on_demand
from integrations.tasks import sync_workspace
from invoicing.attention import causes
from invoicing.corrections import options
from invoicing.drafting import runs
from invoicing.due import comparisons
from invoicing.ledger import attention, balance
from invoicing.ledger.agreements import blocks
from invoicing.models import Invoice, LedgerRow
from invoicing.reconciliation import open_findings
from invoicing.rules.planning import NOT_OVER
from invoicing.tasks import derive
from invoicing.web import descriptions, figures
from invoicing.web.agreements import balance as agreements
from invoicing.web.agreements import words as agreed
from invoicing.web.enqueue import hasten
from invoicing.web.hours import write_backs
from invoicing.web.lookup import dossier_of
from toggbill.firms.access import FirmRequest, actor, member, member_required
from toggbill.firms.errors import NotPossible
from toggbill.firms.read import Read

_BROKEN_SHOWN = 5


class DraftForm(forms.Form):
    """Through which day to draft."""

    through = forms.DateField(error_messages={"invalid": "", "required": ""})


@member_required()
@require_GET
def dossier(request: FirmRequest, key: str) -> HttpResponse:
    """One dossier: its months by state, its open hours by customer, its rules in words."""
    row = dossier_of(request, key)
    prefetch_related_objects([row], "agreements")
    now = timezone.now()
    today = timezone.localdate(now)
    books = balance.months(dossiers=[row])
    states, months = figures.months(books)
    unbalanced = [month for month in books if not month.balanced]
    # Those whose total is not Toggl's stand among the differences.
    breaches = [each for month in unbalanced for each in month.broken]
    broken = [each for each in breaches if each.rule != "toggl_total"]
    buyers = figures.open_by_buyer(row)
    stocks = blocks.stocks([each.pk for each in blocks.prepaid(row.agreements.all())])
    drafts = Invoice.objects.drafts().filter(dossier=row).order_by("customer_name", "pk")
    differences = open_findings.differences(row, [each for each in breaches if each.rule == "toggl_total"])
    return render(
        request,
        "invoicing/dossier.html",
        {
            "dossier": row,
            "row": figures.DossierRow(row),
            "states": states,
            "months": months,
            # With those of which nothing is mirrored although Toggl reports hours.
            "unbalanced": unbalanced,
            "broken": broken[:_BROKEN_SHOWN],
            "broken_more": max(0, len(broken) - _BROKEN_SHOWN),
            "buyers": buyers,
            "open_seconds": sum(buyer.sums.seconds for buyer in buyers),
            "open_value": sum((buyer.sums.value for buyer in buyers), start=Decimal(0)),
            "decisions": causes.decisions(LedgerRow.objects.filter(dossier=row), of=[row]),
            "corrections": options.open_of(member(request)).filter(invoice__dossier=row).count(),
            "drafts": drafts,
            "prepaid": blocks.balances(row.agreements.all(), stocks),
            "rules": descriptions.rules_in_words(row),
            "tagged": write_backs.of_dossier(row),
            "agreed": agreements.of_dossier(row, today=today, stocks=stocks),
            "differences": differences,
            "standing": sum(not found.is_acknowledged for found in differences),
            "comparing": comparisons.is_under_way(row, now),
            "reading": on_demand.reading(row.workspace, now=now),
            "now": now,
            "today": today,
            "last_month_end": today.replace(day=1) - timedelta(days=1),
        },
    )


@member_required("draft")
@require_POST
def read_now(request: FirmRequest, key: str) -> HttpResponse:
    """Have the workers read the dossier's workspace now; its page shows how far they are."""
    row = dossier_of(request, key)
    if on_demand.ask(workspace=row.workspace, now=timezone.now()):
        # What is read is judged at once, so that the preview knows it.
        hasten(sync_workspace, then=derive, workspace_id=row.workspace_id)
        messages.success(request, _("Toggl is being read. This takes a moment."))
    else:
        messages.info(request, _("Toggl is not read now: see when that is possible."))
    return redirect(f"{reverse('firm:dossier', args=[row.key])}#reading")


@member_required("draft")
@require_POST
def draft(request: FirmRequest, key: str) -> HttpResponse:
    """Draft the dossier through a local day (field `through`), then show what waits.

    From its preview: what was read there (`read`), or nothing (409).
    """
    row = dossier_of(request, key)
    form = DraftForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Nothing was drafted: choose the last day to bill."))
        return redirect("firm:dossier", key=row.key)
    try:
        read = Read.unpack(request.POST["read"]) if "read" in request.POST else None
        through = form.cleaned_data["through"]
        done = runs.draft(dossier=row, cut_off=through, by=actor(request), now=timezone.now(), read=read)
    except NotPossible as refusal:
        messages.error(request, str(refusal))
        return redirect("firm:dossier", key=row.key)
    day = descriptions.day(through)
    count = len(done.moved)
    if not count:
        messages.info(request, _("No new hours to draft through %(day)s.") % {"day": day})
    else:
        messages.success(
            request,
            ngettext(
                "%(n)d invoice drafted or redrawn through %(day)s.",
                "%(n)d invoices drafted or redrawn through %(day)s.",
                count,
            )
            % {"n": count, "day": day},
        )
    for invoice in done.sheet.left_alone:
        said = _("The draft for %(customer)s was drawn through a later day: it stays as it is.")
        messages.info(request, said % {"customer": invoice.customer_name})
    for words, entries in _left_out(done):
        messages.info(request, f"{words.title} ({entries}): {words.todo}")
    for each in agreed.withheld(done.plan, done.sheet.agreements):
        messages.warning(request, f"{each.title}, {each.period}: {each.words.title}. {each.words.todo}")
    if done.mirror_as_of is not None:
        as_of = descriptions.moment(done.mirror_as_of)
        messages.info(request, _("The hours are those that Toggl held on %(moment)s.") % {"moment": as_of})
    return redirect("firm:dossier", key=row.key)


def _left_out(done: runs.Drafting) -> list[tuple[attention.Words, int]]:
    """What the run left where it is although nothing of it needs a decision, with the number of entries."""
    counts = Counter(skipped.reason for skipped in done.plan.skipped)
    counts[NOT_OVER] = len(done.plan.not_over)
    return [(attention.words(reason), counts[reason]) for reason in attention.LEFT_BY_RUNS if counts[reason]]
