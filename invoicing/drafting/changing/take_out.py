"""Entries that a person takes out of a waiting draft: the draft bills the others, and these are held (section 6)."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext

from integrations.models import Entry
from invoicing.deciding import figures, rights
from invoicing.drafting import drafts, redraw
from invoicing.drafting.news import drafted_news
from invoicing.drafting.runs import changed_since, drop, locked, void_news
from invoicing.ledger import locks
from invoicing.ledger.facts.books import known_customers
from invoicing.ledger.states import decisions, derive, transitions
from invoicing.models import Claim, Invoice, InvoiceLine
from invoicing.models.invoices.claims import ClaimQuerySet
from invoicing.models.problems import Code
from invoicing.rules import planning
from toggbill.firms import audit
from toggbill.firms.audit import Actor
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm
from toggbill.firms.read import Read, check

_STAYS_OPEN = frozenset({planning.ROUNDS_TO_ZERO, planning.CORRECTION_WAITS})
"""Why something else leaves the draft with them: without them it comes to nothing, or takes off more than is left."""


@transaction.atomic
def take_out(
    *, invoice: Invoice, entries: Iterable[Entry], reason: str, by: Actor, now: datetime, read: Read | None = None
) -> Invoice:
    """Take entries out of a draft and hold them, so that no run puts them back; the draft is redrawn without them.

    A draft on which nothing is left is dropped. Raises ``NotPossible`` when it is no draft, when one of the entries is
    not billed by it, when its hours changed since it was drafted, and without a reason; ``NotAllowed``, ``Changed`` and
    ``Unread``.
    """
    lock_firm(invoice.firm)
    invoice = locked(invoice)
    rights.demand(by, "draft", invoice.dossier)
    rights.demand(by, "hold", invoice.dossier)
    check(read, lambda: [figures.of_invoice(invoice)], by=by)
    if invoice.status != Invoice.Status.DRAFT or invoice.kind != Invoice.Kind.INVOICE:
        raise NotPossible(
            gettext("Invoice %(invoice)s is no draft any more: drop it, or credit it once it is sent.")
            % {"invoice": invoice}
        )
    live = Claim.objects.live().filter(line__invoice=invoice)
    billed = {*live.of_entries().values_list("entry_id", flat=True)}
    out = {entry.pk for entry in entries}
    if not out:
        raise NotPossible(gettext("Nothing was changed: tick the entries first."))
    if not out <= billed:
        raise NotPossible(
            gettext("Invoice %(invoice)s bills not all of these entries: nothing was changed.") % {"invoice": invoice}
        )
    on_it = [*live.values_list("entry_id", flat=True)]
    elsewhere = locks.elsewhere(on_it)
    locks.lock_entries({*on_it, *elsewhere})
    planned = _plan(invoice, live, billed - out, now)
    if planned is None:
        stays = list[int]()
        news = [void_news(invoice, Code.NO_HOURS_LEFT)]
        drop(invoice, now)
    else:
        before = redraw.written(invoice)
        stays = _redraw(invoice, planned)
        news = [drafted_news(invoice, planned, planned.period_till, True, before)]
    derive.derive_entries(entries={*on_it, *elsewhere}.difference(stays), now=now)
    news += decisions.hold_freed(entries=out, reason=reason, now=now)
    audit.record(firm=invoice.firm, news=news, by=by, now=now)
    return invoice


def _plan(
    invoice: Invoice, live: ClaimQuerySet, left: AbstractSet[int], now: datetime
) -> planning.PlannedInvoice | None:
    """The draft with these entries (row ids), and with the differences and covered hours that it has; None: nothing is
    left on it. Raises ``NotPossible`` when they make another invoice by now."""
    covered = live.covered().values_list("entry_id", flat=True)
    plan = redraw.plan(
        invoice,
        entries={*left, *covered},
        corrections=[*live.of_differences().values_list("correction_id", flat=True)],
        at_their_day=invoice.at_their_day,
        now=now,
    )
    is_another = any(not redraw.is_same(invoice, planned) for planned in plan.invoices)
    if is_another or changed_since(invoice) or any(each.reason not in _STAYS_OPEN for each in plan.skipped):
        raise NotPossible(
            gettext("The hours of invoice %(invoice)s changed since it was drafted: draft again first.")
            % {"invoice": invoice}
        )
    return next(iter(plan.invoices), None)


def _redraw(invoice: Invoice, planned: planning.PlannedInvoice) -> list[int]:
    """Write the draft anew; gives its entries (row ids)."""
    rows = drafts.entry_rows(invoice.dossier, [planned])
    InvoiceLine.objects.filter(invoice=invoice).delete()
    drafts.header(invoice, planned, known_customers(invoice.company, [planned.buyer.party_id]))
    drafts.write([(invoice, planned)], rows)
    billed = [rows[each.id].pk for line in planned.lines if line.difference is None for each in line.entries]
    transitions.claimed(entries=billed)
    return billed
