"""The pages: every view is for members of a firm and shows that firm's rows only; what is not there is 404."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count, Min, Prefetch, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST
from kombu.exceptions import OperationalError

from invoicing import attention as deciding
from invoicing import balance, delivery, pages, rating, runs, wording
from invoicing.models import Attempt, Claim, Dossier, Invoice, InvoiceLine, LedgerRow
from invoicing.tasks import post_invoices, send_invoice
from toggbill.firms.access import FirmRequest, actor, may, member, member_required, visible
from toggbill.firms.models import AuditEvent, Membership

PER_PAGE = 50
LEGEND = [str(state) for state in (*pages.SHOWN[:4], LedgerRow.State.HELD)]


def _paged(request: HttpRequest, rows: QuerySet[Any]) -> dict[str, Any]:
    """One page of rows, the numbers of the pages around it, and the query that leads to another one."""
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    return {
        "page": page,
        "numbers": page.paginator.get_elided_page_range(page.number, on_each_side=1),
        "query": f"{query.urlencode()}&" if query else "",
    }


@member_required()
@require_GET
def dossiers(request: FirmRequest) -> HttpResponse:
    """The first page: what stands between the person and the finished month, dossier by dossier."""
    now = timezone.now()
    today = timezone.localdate(now)
    found = pages.portfolio(membership=member(request), today=today)
    obstacles = [
        ngettext("%(n)d decision", "%(n)d decisions", found.decisions) % {"n": found.decisions},
        ngettext("%(n)d draft", "%(n)d drafts", found.drafts) % {"n": found.drafts},
        ngettext("%(n)d stuck invoice", "%(n)d stuck invoices", found.stuck) % {"n": found.stuck},
    ]
    counts = (found.decisions, found.drafts, found.stuck)
    standing = [words for words, count in zip(obstacles, counts, strict=True) if count]
    return render(
        request,
        "invoicing/dossiers.html",
        {
            "portfolio": found,
            "headline": _headline(standing, sum(counts), found),
            "legend": LEGEND,
            "now": now,
            "today": today,
        },
    )


def _headline(obstacles: list[str], count: int, found: pages.Portfolio) -> str:
    if obstacles:
        *before, last = obstacles
        things = _("%(these)s and %(last)s") % {"these": ", ".join(before), "last": last} if before else last
        return ngettext(
            "%(things)s stands between you and finished books",
            "%(things)s stand between you and finished books",
            count,
        ) % {"things": things}
    if found.open.entries:
        return _("Nothing needs you; the open hours wait for their next run")
    return _("Every hour is billed")


class DraftForm(forms.Form):
    """Through which day to draft."""

    through = forms.DateField(error_messages={"invalid": "", "required": ""})


def _dossier(request: FirmRequest, key: str) -> Dossier:
    rows = visible(request.membership, Dossier.objects.all())
    rows = rows.select_related("firm", "workspace__connection", "company__connection")
    return get_object_or_404(rows, key=key)


@member_required()
@require_GET
def dossier(request: FirmRequest, key: str) -> HttpResponse:
    """One dossier: its months by state, its open hours by customer, its rules in words."""
    row = _dossier(request, key)
    now = timezone.now()
    today = timezone.localdate(now)
    states, months = pages.months(row)
    balanced = {month.month: month.balanced for month in balance.months(dossiers=[row])}
    buyers = pages.open_by_buyer(row)
    drafts = Invoice.objects.filter(dossier=row, status=Invoice.Status.DRAFT).order_by("customer_name", "pk")
    return render(
        request,
        "invoicing/dossier.html",
        {
            "dossier": row,
            "row": pages.DossierRow(row),
            "states": states,
            "months": months,
            "unbalanced": [month.first for month in months if not balanced.get(month.first, True)],
            "buyers": buyers,
            "open_seconds": sum(buyer.sums.seconds for buyer in buyers),
            "open_value": sum((buyer.sums.value for buyer in buyers), start=Decimal(0)),
            "decisions": deciding.decisions(membership=member(request), dossier=row),
            "drafts": drafts,
            "rules": wording.rules_in_words(row),
            "now": now,
            "today": today,
            "last_month_end": today.replace(day=1) - timedelta(days=1),
        },
    )


@member_required()
@require_GET
def hours(request: FirmRequest, key: str) -> HttpResponse:
    """The entries behind a number of a dossier: `state`, `month` (YYYY-MM) and `buyer` (a buyer key) narrow them."""
    row = _dossier(request, key)
    state = request.GET.get("state", "")
    if state and state not in LedgerRow.State.values:
        raise Http404
    month = _month(request.GET.get("month", ""))
    rows = pages.hours_of(row, state=state, month=month, buyer=request.GET.get("buyer", ""))
    sums = rows.aggregate(seconds=Sum("seconds", default=0), entries=Count("pk"))
    paged = _paged(request, rows)
    buyer = next((entry.buyer_name for entry in paged["page"]), "") if request.GET.get("buyer") else ""
    return render(
        request,
        "invoicing/hours.html",
        {**paged, "dossier": row, "state": state, "month": month, "buyer": buyer, "sums": sums},
    )


def _month(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        raise Http404 from None


@member_required("draft")
@require_POST
def draft(request: FirmRequest, key: str) -> HttpResponse:
    """Draft the dossier through a local day (field `through`), then show what waits."""
    row = _dossier(request, key)
    form = DraftForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Nothing was drafted: choose the last day to bill."))
        return redirect("dossier", key=row.key)
    try:
        done = runs.draft(dossier=row, cut_off=form.cleaned_data["through"], by=actor(request), now=timezone.now())
    except runs.NotPossible as refusal:
        messages.error(request, str(refusal))
        return redirect("dossier", key=row.key)
    through = wording.day(form.cleaned_data["through"])
    count = len(done.moved)
    if not count:
        messages.info(request, _("No new hours to draft through %(day)s.") % {"day": through})
    else:
        messages.success(
            request,
            ngettext(
                "%(n)d invoice drafted or redrawn through %(day)s.",
                "%(n)d invoices drafted or redrawn through %(day)s.",
                count,
            )
            % {"n": count, "day": through},
        )
    if done.mirror_as_of is not None:
        as_of = wording.moment(done.mirror_as_of)
        messages.info(request, _("The hours are those that Toggl held on %(moment)s.") % {"moment": as_of})
    return redirect("dossier", key=row.key)


@member_required()
@require_GET
def attention(request: FirmRequest) -> HttpResponse:
    """The entries that need a decision, by reason and cause; `reason` and `dossier` narrow them."""
    every = deciding.decisions(membership=member(request))
    chosen, key = request.GET.get("reason", ""), request.GET.get("dossier", "")
    found = [item for item in every if not key or item.dossier.key == key]
    groups = deciding.by_reason(found)
    return render(
        request,
        "invoicing/attention.html",
        {
            "groups": groups,
            "shown": [group for group in groups if not chosen or group.reason == chosen],
            "total": len(found),
            "seconds": sum(item.seconds for item in found),
            "entries": sum(len(item.rows) for item in found),
            "chosen": chosen,
            "dossier": next((item.dossier for item in every if item.dossier.key == key), None),
            "may_map": request.user.is_staff and may(request.membership, "map"),
        },
    )


@member_required()
@require_GET
def invoices(request: FirmRequest) -> HttpResponse:
    """The invoices, the newest first; `status` (or `attention`) and `dossier` narrow them."""
    rows = visible(request.membership, Invoice.objects.all())
    key = request.GET.get("dossier", "")
    if key:
        rows = rows.filter(dossier__key=key)
    counts = dict(rows.values_list("status").annotate(Count("pk")).order_by())
    needing = rows.filter(pages.NEEDS_PERSON).count()
    drafts = rows.filter(status=Invoice.Status.DRAFT).aggregate(value=Sum("total_excl"), oldest=Min("drafted_at"))
    status = request.GET.get("status", "")
    if status == "attention":
        rows = rows.filter(pages.NEEDS_PERSON)
    elif status in Invoice.Status.values:
        rows = rows.filter(status=status)
    elif status:
        raise Http404
    rows = rows.select_related("dossier").order_by("-drafted_at", "-pk")
    return render(
        request,
        "invoicing/invoices.html",
        {
            **_paged(request, rows),
            "statuses": [(value, label, counts[value]) for value, label in Invoice.Status.choices if value in counts],
            "total": sum(counts.values()),
            "needing": needing,
            "drafts": drafts,
            "draft_count": counts.get(Invoice.Status.DRAFT, 0),
            "status": status,
            "key": key,
            "dossiers": visible(request.membership, Dossier.objects.all()).order_by("name", "pk"),
        },
    )


def _invoice(request: FirmRequest, reference: str) -> Invoice:
    rows = visible(request.membership, Invoice.objects.all()).select_related("dossier", "company", "firm")
    return get_object_or_404(rows, reference=reference)


@member_required()
@require_GET
def invoice(request: FirmRequest, reference: str) -> HttpResponse:
    """One invoice: the steps of its life, its lines with their entries, its attempts and its audit trail."""
    row = _invoice(request, reference)
    claims = Claim.objects.order_by("started_at", "pk").select_related("entry")
    lines = list(
        InvoiceLine.objects.filter(invoice=row).order_by("position").prefetch_related(Prefetch("claims", claims))
    )
    return render(
        request,
        "invoicing/invoice.html",
        {
            "invoice": row,
            "lines": lines,
            "vat_rows": rating.totals((line.vat_rate, line.total) for line in lines).groups,
            "life": wording.life(row),
            "entries": sum(len(line.claims.all()) for line in lines),
            "attempts": Attempt.objects.filter(invoice=row).order_by("-started_at", "-pk"),
            "events": AuditEvent.objects.for_firm(request.firm)
            .filter(subject=f"invoice {row.reference}")
            .order_by("-number"),
            "steps": _possible_steps(request, row),
            "is_moving": _is_moving(row),
        },
    )


def _approve(request: FirmRequest, row: Invoice) -> str:
    with transaction.atomic():
        runs.approve(invoice=row, by=actor(request), now=timezone.now())
        # Asked again of the row as it was approved: a run may have redrawn it since it was read.
        row.refresh_from_db()
        if not _may_step(request, row, "approve"):
            raise runs.NotPossible(
                _("The invoice is above the dossier’s limit now: an owner or a manager approves it.")
            )
    return _("Invoice approved. It can now be posted to Billit.")


def _drop(request: FirmRequest, row: Invoice) -> str:
    runs.void(invoice=row, by=actor(request), now=timezone.now())
    return _("Invoice dropped. Its hours are free again.")


def _post(request: FirmRequest, row: Invoice) -> str:
    if row.status != Invoice.Status.APPROVED:
        raise runs.NotPossible(_("Only an approved invoice can be posted."))
    delivery.request(invoice=row, send=False, now=timezone.now())
    _enqueue(post_invoices, invoice_ids=[row.pk])
    return _("The invoice is on its way to Billit. This page shows the outcome in a moment.")


def _post_anew(request: FirmRequest, row: Invoice) -> str:
    row = delivery.post_anew(invoice=row, by=actor(request), now=timezone.now())
    return _post(request, row)


def _send(request: FirmRequest, row: Invoice) -> str:
    if row.status != Invoice.Status.POSTED or row.delivery not in _SENDABLE:
        raise runs.NotPossible(_("Only a posted invoice that was not sent yet can be sent."))
    delivery.request(invoice=row, send=True, now=timezone.now())
    _enqueue(send_invoice, invoice_id=row.pk)
    return _("Billit is asked to send the invoice. This page shows the outcome in a moment.")


def _enqueue(task: Any, **ids: object) -> None:
    # The wish stands in the row: without a broker the next tick takes it up.
    with suppress(OperationalError):
        task.delay_on_commit(**ids)


_SENDABLE = frozenset({Invoice.Delivery.NOT_SENT, Invoice.Delivery.FAILED})

# What a person can do to an invoice: the right that it needs, the statuses that it starts from, how it is done.
_STEPS: dict[str, tuple[str, frozenset[str], Callable[[FirmRequest, Invoice], str]]] = {
    "approve": ("approve", frozenset({Invoice.Status.DRAFT, Invoice.Status.REFUSED}), _approve),
    "drop": (
        "draft",
        frozenset({Invoice.Status.DRAFT, Invoice.Status.APPROVED, Invoice.Status.REFUSED}),
        _drop,
    ),
    "post": ("post", frozenset({Invoice.Status.APPROVED}), _post),
    "post-anew": ("post", frozenset({Invoice.Status.IN_DOUBT}), _post_anew),
    "send": ("post", frozenset({Invoice.Status.POSTED}), _send),
}


def _may_step(request: FirmRequest, row: Invoice, right: str) -> bool:
    """Whether the member has the right, for an invoice of this amount."""
    if not may(request.membership, right):
        return False
    return right != "approve" or may(request.membership, "approve_any") or runs.within_limit(row)


def _possible_steps(request: FirmRequest, row: Invoice) -> set[str]:
    steps = {
        name
        for name, (right, statuses, _done) in _STEPS.items()
        if row.status in statuses and _may_step(request, row, right)
    }
    if row.delivery not in _SENDABLE:
        steps.discard("send")
    if not row.needs_person:
        steps.discard("post-anew")
    if row.post_requested_at is not None:
        steps.discard("post")
    return steps


def _is_moving(row: Invoice) -> bool:
    """Whether a worker is about to change the row, so that the page looks again by itself."""
    wishes = [moment for moment in (row.post_requested_at, row.send_requested_at) if moment is not None]
    asked = bool(wishes) and (timezone.now() - max(wishes)).total_seconds() < 60
    posting = row.status in {Invoice.Status.APPROVED, Invoice.Status.POSTING}
    sending = row.status == Invoice.Status.POSTED and row.delivery in {
        Invoice.Delivery.NOT_SENT,
        Invoice.Delivery.SENDING,
    }
    return asked and (posting or (sending and row.send_requested_at is not None))


@member_required()
@require_POST
def step(request: FirmRequest, reference: str, step: str) -> HttpResponse:
    """Take an invoice one step further: approve, drop, post, send. Refused (403) without the right for it."""
    if step not in _STEPS:
        raise Http404
    row = _invoice(request, reference)
    right, _statuses, do = _STEPS[step]
    if not _may_step(request, row, right):
        return render(request, "403.html", status=403)
    try:
        messages.success(request, do(request, row))
    except runs.NotPossible as refusal:
        messages.error(request, str(refusal))
    return redirect("invoice", reference=row.reference)


@member_required()
@require_POST
def choose_firm(request: FirmRequest) -> HttpResponse:
    """Work for another firm of the member's (field `firm`: its short name) from here on."""
    membership = get_object_or_404(
        Membership.objects.filter(user=request.user), firm__slug=request.POST.get("firm", "")
    )
    request.session["firm"] = membership.firm_id
    return redirect("dossiers")
