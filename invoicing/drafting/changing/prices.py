"""Hours of a waiting draft from before a price changed: billed at the price of their own day (design section 11)."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext

from invoicing.deciding import figures, rights
from invoicing.drafting import drafts, redraw
from invoicing.drafting.news import drafted_news
from invoicing.drafting.runs import changed_since, locked
from invoicing.ledger import locks
from invoicing.ledger.facts.books import known_customers
from invoicing.ledger.states import transitions
from invoicing.models import Claim, Invoice, InvoiceLine
from invoicing.rules import planning
from toggbill.firms import audit
from toggbill.firms.audit import Actor
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm
from toggbill.firms.read import Read, check


@transaction.atomic
def bill_at_their_day(*, invoice: Invoice, by: Actor, now: datetime, read: Read | None = None) -> Invoice:
    """Bill the hours of a draft from before a price changed at the price of their day; what it holds stays the same.

    It stays so when the draft is redrawn. Raises ``NotPossible`` where the draft has no such hours, or no longer says
    what Toggl does, ``NotAllowed``, ``Changed`` and ``Unread``.
    """
    lock_firm(invoice.firm)
    invoice = locked(invoice)
    dossier = invoice.dossier
    rights.demand(by, "draft", dossier)
    check(read, lambda: [figures.of_invoice(invoice)], by=by)
    if invoice.status != Invoice.Status.DRAFT or not invoice.earlier_seconds or invoice.at_their_day:
        raise NotPossible(
            gettext("Invoice %(invoice)s is no draft with hours from before a price changed: nothing was changed.")
            % {"invoice": invoice}
        )
    live = Claim.objects.live().filter(line__invoice=invoice)
    held = {*live.of_entries().values_list("entry_id", flat=True)}
    corrections = {*live.of_differences().values_list("correction_id", flat=True)}
    covered = {*live.covered().values_list("entry_id", flat=True)}
    planned = None if changed_since(invoice) else _plan(invoice, held | covered, corrections, now)
    if planned is None:
        raise NotPossible(
            gettext("The hours of invoice %(invoice)s changed since it was drafted: draft again first.")
            % {"invoice": invoice}
        )
    rows = drafts.entry_rows(dossier, [planned])
    locks.lock_entries(held | covered)
    last = max(claim.day for claim in live.of_entries() | live.of_differences())
    before = redraw.written(invoice)
    InvoiceLine.objects.filter(invoice=invoice).delete()
    drafts.header(invoice, planned, known_customers(dossier.company, [planned.buyer.party_id]))
    drafts.write([(invoice, planned)], rows)
    transitions.claimed(entries=sorted(held))
    news = drafted_news(invoice, planned, last, True, before)
    audit.record(firm=dossier.firm, news=[news], by=by, now=now)
    return invoice


def _plan(
    invoice: Invoice, held: AbstractSet[int], corrections: AbstractSet[int | None], now: datetime
) -> planning.PlannedInvoice | None:
    """The same hours and differences at the prices of their days; None when they make another invoice by now."""
    plan = redraw.plan(invoice, entries=held, corrections=corrections, at_their_day=True, now=now)
    if len(plan.invoices) != 1 or plan.skipped:
        return None
    (planned,) = plan.invoices
    is_billed = planned.earlier is not None and planned.earlier.billed
    return planned if is_billed and redraw.is_same(invoice, planned) else None
