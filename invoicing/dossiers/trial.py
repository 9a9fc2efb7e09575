"""Trying changed rules or mappings on the hours of last month before they are saved: what would be billed otherwise.

Both sides are planned by the same pure rules, as if nothing of the month were billed yet; nothing is written.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from django.db.models import Q

from integrations.models import Entry
from invoicing.ledger.facts.books import Facts, terms
from invoicing.models import Dossier, LedgerRow
from invoicing.rules import planning


@dataclass(frozen=True, slots=True)
class Side:
    """What a month comes to under some rules: amounts excl. VAT by customer, attentions by reason."""

    invoices: dict[str, Decimal]
    hours: dict[str, Decimal]
    skipped: Counter[str]

    @property
    def total(self) -> Decimal:
        """All invoices together, excl. VAT."""
        return sum(self.invoices.values(), Decimal(0))


@dataclass(frozen=True, slots=True)
class Change:
    """One customer before and after; None where there is no invoice."""

    customer: str
    before: Decimal | None
    after: Decimal | None

    @property
    def differs(self) -> bool:
        """Whether the change touches this customer."""
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class Trial:
    """Both sides of a month, first to last day, and what differs."""

    first: date
    last: date
    entries: int
    before: Side
    after: Side

    @property
    def invoices(self) -> list[Change]:
        """Every customer of either side, those that differ first."""
        names = sorted({*self.before.invoices, *self.after.invoices}, key=str.casefold)
        rows = [Change(name, self.before.invoices.get(name), self.after.invoices.get(name)) for name in names]
        return sorted(rows, key=lambda row: not row.differs)

    @property
    def skipped(self) -> list[tuple[str, int, int]]:
        """Every reason of either side with its number of entries before and after."""
        reasons = sorted({*self.before.skipped, *self.after.skipped})
        return [(reason, self.before.skipped[reason], self.after.skipped[reason]) for reason in reasons]


def last_month(dossier: Dossier, *, now: datetime) -> tuple[date, date]:
    """The first and last day of the firm's month before this one."""
    last = now.astimezone(dossier.firm.zone).date().replace(day=1) - timedelta(days=1)
    return last.replace(day=1), last


def side(dossier: Dossier, *, now: datetime) -> tuple[int, Side]:
    """What last month comes to under the rules that stand in the database now; and how many entries it has."""
    first, last = last_month(dossier, now=now)
    books = Facts.load(dossier.workspace)
    standing = next((row for row in books.dossiers if row.pk == dossier.pk), None)
    if standing is None:
        return 0, Side({}, {}, Counter())
    begins, ends = (datetime.combine(day, time(0), tzinfo=books.zone) for day in (first, last + timedelta(days=1)))
    rows = list(
        Entry.objects.filter(workspace=dossier.workspace, started_at__gte=begins, started_at__lt=ends)
        .exclude(Q(ledger_row__decision=LedgerRow.Decision.WRITTEN_OFF))
        .select_related("ledger_row")
    )
    entries = [
        entry
        for entry in (books.entry(row, getattr(row, "ledger_row", None)) for row in rows)
        if books.verdict(entry)[0] == standing
    ]
    held = {
        row.remote_id for row in rows if hasattr(row, "ledger_row") and row.ledger_row.state == LedgerRow.State.HELD
    }
    plan = planning.plan(
        entries,
        judge=books.judges[standing.pk],
        terms=terms(standing, cut_off=last, late_through=None, now=now),
        held=held,
    )
    invoices: dict[str, Decimal] = {}
    hours: dict[str, Decimal] = {}
    for invoice in plan.invoices:
        name = invoice.buyer.name or invoice.buyer.number
        invoices[name] = invoices.get(name, Decimal(0)) + invoice.total_excl
        hours[name] = hours.get(name, Decimal(0)) + sum((line.quantity for line in invoice.lines), Decimal(0))
    return len(entries), Side(invoices, hours, Counter(skip.reason for skip in plan.skipped))


def compare(dossier: Dossier, *, before: Side, after: Side, entries: int, now: datetime) -> Trial:
    """Both sides beside each other."""
    first, last = last_month(dossier, now=now)
    return Trial(first, last, entries, before, after)
