"""One invoice, and the steps that a person takes with it."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from integrations.clients.http.transport import ServiceError
from integrations.models import Entry
from invoicing.corrections import credit_notes, decide, fees, options, replace
from invoicing.deciding import figures as deciding
from invoicing.deciding import guards, rights
from invoicing.drafting import runs
from invoicing.drafting.changing import prices, take_out
from invoicing.due import posts
from invoicing.ledger.agreements import blocks
from invoicing.ledger.agreements.agreements import vat_apart
from invoicing.models import Annex, Attempt, Claim, Drift, Invoice
from invoicing.models.problems import words
from invoicing.posting import read_first, recover
from invoicing.rules.billing import rating
from invoicing.tasks import freeze_annexes, post_invoices
from invoicing.web import descriptions
from invoicing.web.enqueue import hasten
from invoicing.web.invoices import entries
from invoicing.web.lookup import invoice_of
from toggbill.firms.access import FirmRequest, actor, may, member, member_required, visible
from toggbill.firms.errors import NotPossible
from toggbill.firms.models import AuditEvent
from toggbill.firms.read import Read
from toggbill.firms.requests.numbers import row_ids


@member_required()
@require_GET
def invoice(request: FirmRequest, reference: str) -> HttpResponse:
    """One invoice: the steps of its life, its lines with their entries, its attempts and its audit trail."""
    row = invoice_of(request, reference)
    # Without the files themselves.
    annex = Annex.objects.filter(invoice=row).defer("pdf", "csv").first()
    lines = deciding.lines_of(row)
    claims = [claim.pk for line in lines for claim in line.claims.all()]
    page = Paginator(claims, entries.PER_PAGE).get_page(request.GET.get("page"))
    by = actor(request)
    return render(
        request,
        "invoicing/invoice.html",
        {
            "invoice": row,
            "lines": entries.listed(row, lines, frozenset(page.object_list)),
            "page": page,
            "numbers": page.paginator.get_elided_page_range(page.number, on_each_side=1),
            "vat_rows": rating.totals((line.vat_rate, line.total) for line in lines).groups,
            "vat_apart": vat_apart(lines),
            "life": descriptions.life(row),
            "annex": annex,
            "with_order": "" if annex is None else descriptions.annex_with_order(row),
            "annex_awaited": annex is None and _is_annex_awaited(row),
            "entry_count": len(claims),
            "prepaid": blocks.balances(blocks.of_customer(row)),
            "attempts": Attempt.objects.filter(invoice=row).order_by("-started_at", "-pk"),
            "events": AuditEvent.objects.for_firm(request.firm)
            .filter(subject=f"invoice {row.reference}")
            .order_by("-number"),
            "steps": _possible_steps(request, row),
            "can_send": may(request.membership, "post") and _is_sendable(row),
            "same_eyes": guards.same_eyes(row) if guards.has_same_eyes(row, by.name, by.user) else "",
            "deviation": guards.deviation(row) if row.status == Invoice.Status.DRAFT else None,
            "progress": descriptions.progress(row, timezone.now()),
            "read": Read.of([deciding.of_invoice(row, lines)]).pack(),
            "cases": options.cases(
                options.open_of(member(request)).filter(invoice=row), may_post=may(request.membership, "post")
            ),
            "may_write": row.status == Invoice.Status.DRAFT
            and row.kind == Invoice.Kind.INVOICE
            and may(request.membership, "draft"),
            "may_write_more": may(request.membership, "discount"),
            "may_decide": may(request.membership, "hold"),
        },
    )


def _approve(request: FirmRequest, row: Invoice, read: Read) -> str:
    runs.approve(invoice=row, by=actor(request), now=timezone.now(), read=read)
    if row.dossier.annex:
        hasten(freeze_annexes, invoice_ids=[row.pk])
    return _("Invoice approved. It can now be posted to Billit.")


def _drop(request: FirmRequest, row: Invoice, read: Read) -> str:
    runs.void(invoice=row, by=actor(request), now=timezone.now(), read=read)
    return _("Invoice dropped. Its hours are free again.")


def _bill_at_their_day(request: FirmRequest, row: Invoice, read: Read) -> str:
    prices.bill_at_their_day(invoice=row, by=actor(request), now=timezone.now(), read=read)
    return _("The hours from before the price changed are billed at the price of their day.")


def _take_out(request: FirmRequest, row: Invoice, read: Read) -> str:
    ticked = row_ids(request.POST.getlist("entry"))
    found = list(visible(member(request), Entry.objects.filter(pk__in=ticked)))
    if len(found) != len(ticked):
        raise Http404
    reason = request.POST.get("reason", "")
    left = take_out.take_out(
        invoice=row, entries=found, reason=reason, by=actor(request), now=timezone.now(), read=read
    )
    if left.status == Invoice.Status.VOID:
        return _("Nothing is left on the draft, so it is dropped. What you took out is held: release it on Hours.")
    return ngettext(
        "%(n)d entry is taken out of the draft and held: release it on Hours when it shall be billed.",
        "%(n)d entries are taken out of the draft and held: release them on Hours when they shall be billed.",
        len(found),
    ) % {"n": len(found)}


def _post(request: FirmRequest, row: Invoice, read: Read) -> str:
    posts.request(invoice=row, send=False, by=actor(request), now=timezone.now(), read=read)
    hasten(post_invoices, invoice_ids=[row.pk])
    return _("The invoice is on its way to Billit. This page shows the outcome in a moment.")


def _post_anew(request: FirmRequest, row: Invoice, read: Read) -> str:
    try:
        row = recover.post_anew(invoice=row, by=actor(request), now=timezone.now(), read=read)
    except ServiceError as error:
        raise NotPossible(words(error.message)) from error
    if row.status == Invoice.Status.POSTED:
        return _("Billit has the invoice already: it was taken over, and nothing was posted.")
    hasten(post_invoices, invoice_ids=[row.pk])
    return _("The invoice is on its way to Billit. This page shows the outcome in a moment.")


def _bill_anew(request: FirmRequest, row: Invoice, read: Read) -> str:
    try:
        made = replace.bill_anew(invoice=row, by=actor(request), now=timezone.now(), read=read)
    except ServiceError as error:
        raise NotPossible(words(error.message)) from error
    if any(new.status == Invoice.Status.DRAFT for new in made):
        return descriptions.above_the_limit(len(made))
    return ngettext(
        "The hours stand on %(n)d new invoice, approved and not posted yet.",
        "The hours stand on %(n)d new invoices, approved and not posted yet.",
        len(made),
    ) % {"n": len(made)}


def _credit(request: FirmRequest, row: Invoice, read: Read) -> str:
    billed = Entry.objects.filter(pk__in=Claim.objects.live().of_entries().filter(line__invoice=row).values("entry"))
    try:
        decide.credit(entries=list(billed), rebill=True, by=actor(request), now=timezone.now(), read=read)
    except ServiceError as error:
        raise NotPossible(words(error.message)) from error
    return _("A credit note is drafted, among the invoices. Approve and post it: then its hours are open again.")


def _credit_line(request: FirmRequest, row: Invoice, read: Read) -> str:
    lines = sorted(row_ids([request.POST.get("line", "")]))
    try:
        fees.credit_lines(invoice=row, lines=lines, by=actor(request), now=timezone.now(), read=read)
    except ServiceError as error:
        raise NotPossible(words(error.message)) from error
    return _(
        "A credit note is drafted, among the invoices. Once it is in Billit, the next run bills the period again while "
        "the agreement stands."
    )


# What a person can do to an invoice: the right that it needs, the statuses that it starts from, how it is done.
_STEPS: dict[str, tuple[str, frozenset[str], Callable[[FirmRequest, Invoice, Read], str]]] = {
    "approve": ("approve", frozenset({Invoice.Status.DRAFT, Invoice.Status.REFUSED}), _approve),
    "drop": (
        "draft",
        frozenset({Invoice.Status.DRAFT, Invoice.Status.APPROVED, Invoice.Status.REFUSED}),
        _drop,
    ),
    "at-their-day": ("draft", frozenset({Invoice.Status.DRAFT}), _bill_at_their_day),
    "take-out": ("hold", frozenset({Invoice.Status.DRAFT}), _take_out),
    "post": ("post", frozenset({Invoice.Status.APPROVED}), _post),
    "post-anew": ("post", frozenset({Invoice.Status.IN_DOUBT}), _post_anew),
    "bill-anew": ("post", frozenset({Invoice.Status.POSTED}), _bill_anew),
    "credit": ("hold", frozenset({Invoice.Status.POSTED}), _credit),
    "credit-line": ("hold", frozenset({Invoice.Status.POSTED}), _credit_line),
}


def _may_step(request: FirmRequest, row: Invoice, right: str) -> bool:
    """Whether the member has the right, for an invoice of this amount."""
    if not may(request.membership, right):
        return False
    return right != "approve" or may(request.membership, "approve_any") or rights.within_limit(row)


def _right_of(row: Invoice, step: str, right: str) -> str:
    # An approval is taken back by who may give it (``rights.demand_drop``).
    return "approve" if step == "drop" and row.status == Invoice.Status.APPROVED else right


def _possible_steps(request: FirmRequest, row: Invoice) -> set[str]:
    steps = {
        name
        for name, (right, statuses, _done) in _STEPS.items()
        if row.status in statuses and _may_step(request, row, _right_of(row, name, right))
    }
    if row.delivery != Invoice.Delivery.REFUSED or row.kind != Invoice.Kind.INVOICE or _is_credited(row):
        steps.discard("credit")
    if "credit-line" in steps and (
        row.kind != Invoice.Kind.INVOICE or credit_notes.why_not(row, row.credit_notes.waiting().first())
    ):
        steps.discard("credit-line")
    if not row.earlier_seconds or row.at_their_day:
        steps.discard("at-their-day")
    if row.kind != Invoice.Kind.INVOICE:
        steps.discard("take-out")
    if not row.needs_person:
        steps.discard("post-anew")
    if row.post_requested_at is not None:
        steps.discard("post")
    if "bill-anew" in steps:
        gone = Drift.objects.standing().filter(reference=row.reference, kind=Drift.Kind.ORDER_DELETED)
        if not gone.filter(dossier=row.dossier).exists():
            steps.discard("bill-anew")
    return steps


def _is_sendable(row: Invoice) -> bool:
    is_unsent = row.send_requested_at is None and Invoice.objects.unsent().filter(pk=row.pk).exists()
    return is_unsent and read_first.hindrance(row) is None


def _is_credited(row: Invoice) -> bool:
    """Whether a credit note about it waits, or nothing of it is left to credit."""
    left = Claim.objects.live().of_entries().filter(line__invoice=row)
    return row.credit_notes.waiting().exists() or not left.exists()


def _is_annex_awaited(row: Invoice) -> bool:
    """Whether it was approved a moment ago, and a worker is about to make its annex."""
    if row.status != Invoice.Status.APPROVED or row.approved_at is None or row.attention:
        return False
    return row.dossier.annex and (timezone.now() - row.approved_at).total_seconds() < 60


@member_required()
@require_POST
def step(request: FirmRequest, reference: str, step: str) -> HttpResponse:
    """Take an invoice one step further, as it was read (field `read`): approve, drop, post, credit.

    Refused without the right for it (403), and when it changed since (409).
    """
    if step not in _STEPS:
        raise Http404
    row = invoice_of(request, reference)
    _right, _statuses, do = _STEPS[step]
    try:
        messages.success(request, do(request, row, Read.unpack(request.POST.get("read", ""))))
    except NotPossible as refusal:
        messages.error(request, str(refusal))
    return redirect("firm:invoice", reference=row.reference)
