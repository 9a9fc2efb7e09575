"""What the agreements of their customers say of hours that are on no line yet (design section 11). Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from django.utils.translation import gettext as _

from invoicing.ledger.agreements import blocks
from invoicing.ledger.agreements.agreements import agreement_of
from invoicing.models import Agreement, BroughtOrder, Invoice, LedgerRow
from invoicing.rules.agreements.periods import is_of_the_books, period_of
from invoicing.web.agreements import words

_State = LedgerRow.State


@dataclass(frozen=True, slots=True)
class Agreed:
    """What there is to know of the agreements of some hours. ``brought``: the orders of Billit's own, by agreement (row
    id) and period; ``waiting``: by dossier (row id) and customer (buyer key), the invoices of blocks that are ordered
    while no other has something left."""

    brought: dict[tuple[int, date], BroughtOrder]
    waiting: dict[tuple[int, str], list[Invoice]]

    @classmethod
    def of(cls, rows: Iterable[LedgerRow]) -> Agreed:
        """Of ledger rows, which come with their agreements: three queries at most."""
        found = list(rows)
        covered = {row.agreement_id for row in found if row.state == _State.COVERED}
        brought = BroughtOrder.objects.live().filter(agreement__in=covered, period__isnull=False) if covered else ()
        by_period = {(each.agreement_id, each.period): each for each in brought if each.period is not None}
        waiting = defaultdict[tuple[int, str], list[Invoice]](list)
        dossiers = {row.dossier_id for row in found if row.state == _State.OPEN}
        if dossiers:
            ordered = Invoice.objects.waiting().filter(dossier__in=dossiers, block_of__isnull=False)
            invoices = list(ordered.select_related("block_of").order_by("pk"))
            stocks = blocks.stocks([each.block_of_id for each in invoices if each.block_of_id is not None])
            for invoice in invoices:
                if invoice.block_of_id is not None and stocks[invoice.block_of_id].left <= 0:
                    waiting[invoice.dossier_id, invoice.buyer_key].append(invoice)
        return cls(by_period, dict(waiting))

    def why(self, row: LedgerRow) -> str:
        """Why an hour is on no line, as far as an agreement is the reason; else ""."""
        if row.state == _State.COVERED and row.agreement is not None:
            return self._covered(row, row.agreement)
        if row.state == _State.OPEN:
            for invoice in self.waiting.get((row.dossier_id, row.buyer_key), ()):
                if invoice.block_of is not None and _is_in_scope(row, invoice.block_of):
                    return _("waits for the block of “%(agreement)s” (invoice %(invoice)s)") % {
                        "agreement": invoice.block_of.title,
                        "invoice": invoice,
                    }
        return ""

    def _covered(self, row: LedgerRow, agreement: Agreement) -> str:
        # Their start is that of the dossier, which is read already.
        agreement.dossier = row.dossier
        terms = agreement_of(agreement)
        period = period_of(terms, row.day)
        said = {"agreement": agreement.title, "period": words.period(terms, period)}
        order = self.brought.get((agreement.pk, period.key))
        if order is not None:
            return _("covered by “%(agreement)s”, %(period)s: Billit billed that fee by itself, with %(order)s") % (
                said | {"order": order}
            )
        if not is_of_the_books(terms, period):
            return _("covered by “%(agreement)s”, %(period)s: that fee was due before the dossier’s first day") % said
        return _("covered by “%(agreement)s”, %(period)s: listed with that fee once the period is over") % said


def _is_in_scope(row: LedgerRow, agreement: Agreement) -> bool:
    """Whether an hour of the agreement's customer falls under it, as the rules judge (``Judge``)."""
    if row.day < agreement.start_date or (agreement.end_date is not None and row.day > agreement.end_date):
        return False
    if not agreement.products and not agreement.projects:
        return True
    named = {reference.casefold() for reference in agreement.products}
    return row.product_reference.casefold() in named or row.entry.project_remote_id in agreement.projects
