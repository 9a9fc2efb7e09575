"""What a waiting draft would say of its own hours, or of some of them, by the rules of now: to redraw it alone."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from integrations.models import Entry
from invoicing.drafting import drafts
from invoicing.drafting.drafts import key_of
from invoicing.drafting.sheet import late_through
from invoicing.ledger.agreements import agreements
from invoicing.ledger.facts.books import Facts, terms
from invoicing.ledger.states import differences
from invoicing.models import Invoice
from invoicing.rules import planning


def plan(
    invoice: Invoice,
    *,
    entries: Collection[int],
    corrections: Collection[int | None],
    at_their_day: bool,
    now: datetime,
) -> planning.Plan:
    """The plan of these entries (row ids) and corrections (row ids), which the draft holds, and of its fees; with its
    discounts.

    ``at_their_day``: hours from before a price changed are billed at the price of their day.
    """
    dossier = invoice.dossier
    books = Facts.load(dossier.workspace)
    judge = books.judges[dossier.pk]
    rows = Entry.objects.filter(pk__in=entries).select_related("ledger_row")
    today = now.astimezone(dossier.firm.zone).date()
    return planning.plan(
        [books.entry(row, row.ledger_row) for row in rows],
        judge=judge,
        agreed=planning.Agreed(
            agreements.standing(judge.agreements, besides=[invoice]), agreements.periods_of(invoice)
        ),
        terms=terms(dossier, cut_off=today, late_through=late_through(dossier), now=now),
        differences=[each for each in differences.to_bill(dossier) if each.correction in corrections],
        at_their_day={key_of(invoice)} if at_their_day else (),
        written={key_of(invoice): written(invoice)},
    )


def written(invoice: Invoice) -> list[planning.Written]:
    """The lines of the draft as they are, where one has a discount, which stays with it."""
    return drafts.written(invoice.lines.order_by("position").prefetch_related("claims"))


def is_same(invoice: Invoice, planned: planning.PlannedInvoice) -> bool:
    """Whether a planned invoice is for the customer, the references and the scope of VAT of the draft."""
    return drafts.standing([invoice], planned) is not None
