"""The books that the checks of a month look at (``invariants``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Q, QuerySet

from invoicing.models import Claim, Dossier, Invoice, InvoiceLine, LedgerRow
from invoicing.models.invoices.claims import ClaimQuerySet
from invoicing.models.invoices.invoice import InvoiceQuerySet
from invoicing.models.ledger import LedgerRowQuerySet


@dataclass(frozen=True, slots=True)
class Scope:
    """The books that are looked at: these dossiers, and one month (its first day) or all.

    Each table of a query is held to the dossiers' firms, not only the first one: PostgreSQL would else read all rows of
    all firms to join them.
    """

    dossiers: Mapping[int, Dossier]
    month: date | None = None

    def rows(self) -> LedgerRowQuerySet:
        return LedgerRow.objects.filter(self.within("day"), self.of_firms("entry__"), dossier__in=self.dossiers)

    def claims(self) -> ClaimQuerySet:
        """The live ones."""
        of_firms = self.of_firms("", "line__", "line__invoice__")
        return Claim.objects.live().filter(self.within("day"), of_firms, line__invoice__dossier__in=self.dossiers)

    def invoices(self) -> InvoiceQuerySet:
        """All but the void ones; an invoice counts in the month in which its period begins."""
        return Invoice.objects.standing().filter(self.within("period_from"), dossier__in=self.dossiers)

    def lines(self) -> QuerySet[InvoiceLine]:
        lines = InvoiceLine.objects.exclude(invoice__status=Invoice.Status.VOID).filter(self.of_firms(""))
        return lines.filter(self.within("invoice__period_from"), invoice__dossier__in=self.dossiers)

    def of_firms(self, *paths: str) -> Q:
        """That the rows that these paths lead to are of the dossiers' firms, as the dossiers' own rows always are."""
        firms = {dossier.firm_id for dossier in self.dossiers.values()}
        return Q(**{f"{path}firm__in": firms for path in paths})

    def within(self, name: str) -> Q:
        """That a day lies in the month."""
        if self.month is None:
            return Q()
        return Q(**{f"{name}__gte": self.month, f"{name}__lt": following(self.month)})


def following(month: date) -> date:
    """The first day of the month after this one."""
    return (month + timedelta(days=31)).replace(day=1)
