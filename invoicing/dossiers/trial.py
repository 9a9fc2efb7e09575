"""Trying changed rules, mappings or agreements before they are saved: what would be billed otherwise.

The admin tries them on the hours of last month, as if nothing of it were billed yet; the preview of a run on what that
would draft (``Tried``). Both sides are planned by the same pure rules; nothing is written.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q

from integrations.models import Entry
from invoicing.ledger.facts.books import Facts, terms
from invoicing.models import Dossier, LedgerRow
from invoicing.rules import planning
from invoicing.rules.agreement import Agreement, Kind
from invoicing.rules.billing.lines import LineKind, PlannedLine
from invoicing.rules.judging.judge import Judge
from invoicing.rules.judging.mapping import ClientRule, TagRule

_JUDGED_BY = ("billable", "default_product", "longest_hours", "price_day", "price_decimals")
"""The rules of a dossier that judge its hours; the others say how their lines are made."""
_HOURS = (LineKind.hours, LineKind.extra)
TRIED = -1
"""The id of an agreement that is tried: no row has it."""


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


@dataclass(frozen=True, slots=True)
class Tried:
    """What is tried on a plan. ``rules``: by the columns of a dossier; ``start``: its first day; ``named``: the Toggl
    clients that it names, none for what no dossier names; ``without``: agreements (ids) that are left out;
    ``agreement``: one that is added, and of one with prepaid hours the first block is sold."""

    rules: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[TagRule, ...] = ()
    clients: tuple[ClientRule, ...] = ()
    without: frozenset[int] = frozenset()
    agreement: Agreement | None = None
    start: date | None = None
    named: frozenset[int] | None = None

    def __bool__(self) -> bool:
        """Whether anything is another than it stands."""
        is_other = self.rules or self.tags or self.clients or self.without or self.agreement
        return bool(is_other or self.start or self.named is not None)

    @property
    def block(self) -> int | None:
        """The agreement (id) of which a block is sold."""
        is_prepaid = self.agreement is not None and self.agreement.kind == Kind.prepaid
        return self.agreement.id if self.agreement is not None and is_prepaid else None

    def apply(self, dossier: Dossier, judge: Judge, *, is_alone: bool) -> Judge:
        """Change the rules of a dossier, which is not saved; gives the judge by all that is tried. ``is_alone``: no
        other dossier has its workspace, so that without named clients it bills all of it (R1)."""
        for name, value in self.rules.items():
            setattr(dossier, name, value)
        added = () if self.agreement is None else (self.agreement,)
        agreed = (*(each for each in judge.agreements if each.id not in self.without), *added)
        judged = {name: value for name, value in self.rules.items() if name in _JUDGED_BY}
        if self.start is not None:
            dossier.start_date = judged["start"] = self.start
            agreed = tuple(replace(each, books_from=self.start) for each in agreed)
        if self.named is not None:
            judged["clients"] = None if is_alone and not self.named else self.named
        return judge.mapped(self.tags, self.clients).under(agreements=agreed, **judged)


@dataclass(frozen=True, slots=True)
class LineChange:
    """A line by what it bills, before and after: hours and euro excl. VAT, zero where there is none."""

    text: str
    hours_before: Decimal
    hours_after: Decimal
    before: Decimal
    after: Decimal


@dataclass(frozen=True, slots=True)
class InvoiceChange:
    """An invoice that differs, and its lines that do; its hours and euro as those of a line."""

    name: str
    lines: tuple[LineChange, ...]
    is_new: bool
    is_gone: bool
    hours_before: Decimal
    hours_after: Decimal
    before: Decimal
    after: Decimal

    @property
    def hours(self) -> Decimal:
        """More hours, or fewer."""
        return self.hours_after - self.hours_before

    @property
    def excl(self) -> Decimal:
        """More euro excl. VAT, or less."""
        return self.after - self.before


def hours_of(lines: Iterable[PlannedLine]) -> Decimal:
    """The hours that lines bill; the one piece of a fee, an advance or a block is none."""
    return sum((line.quantity for line in lines if line.kind in _HOURS), Decimal(0))


def named(planned: planning.PlannedInvoice) -> str:
    """An invoice by its customer and references: what one invoice is made for (R7)."""
    return " · ".join(text for text in (planned.buyer.name, planned.buyer.number, *planned.key[1:3]) if text)


def changed_invoices(before: planning.Plan, after: planning.Plan) -> list[InvoiceChange]:
    """The invoices of either plan that differ, by their names."""
    old, new = _lines_by_invoice(before), _lines_by_invoice(after)
    found = []
    for name in sorted({*old, *new}, key=lambda each: (each[0].casefold(), *map(str, each[1:]))):
        was, becomes = old.get(name, []), new.get(name, [])
        if lines := _changed_lines(was, becomes):
            sums = sum((line.total for line in was), Decimal(0)), sum((line.total for line in becomes), Decimal(0))
            found.append(
                InvoiceChange(name[0], lines, name not in old, name not in new, hours_of(was), hours_of(becomes), *sums)
            )
    return found


_Name = tuple[str, bool, int | None]


def _lines_by_invoice(plan: planning.Plan) -> dict[_Name, list[PlannedLine]]:
    found = defaultdict[_Name, list[PlannedLine]](list)
    for planned in plan.invoices:
        found[named(planned), planned.outside_scope, planned.block].extend(planned.lines)
    return dict(found)


def _changed_lines(before: Iterable[PlannedLine], after: Iterable[PlannedLine]) -> tuple[LineChange, ...]:
    sides = defaultdict[tuple[object, ...], tuple[list[PlannedLine], list[PlannedLine]]](lambda: ([], []))
    for place, lines in enumerate((before, after)):
        for line in lines:
            sides[line.key, line.unit_price][place].append(line)
    found = [
        LineChange(
            _text((was or becomes)[0]),
            hours_of(was),
            hours_of(becomes),
            sum((line.total for line in was), Decimal(0)),
            sum((line.total for line in becomes), Decimal(0)),
        )
        for was, becomes in sides.values()
    ]
    return tuple(each for each in found if (each.hours_before, each.before) != (each.hours_after, each.after))


def _text(line: PlannedLine) -> str:
    return " · ".join(text for text in (line.description, line.description_extended.split("\n")[0]) if text)
