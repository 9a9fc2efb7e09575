"""What each fee agreement has billed, what comes next, and what its covered hours are worth beside the fees.

Read off the rows for many agreements at once, in a fixed number of queries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from django.db.models import Sum
from django.db.models.functions import TruncMonth

from invoicing.ledger.agreements import blocks
from invoicing.ledger.agreements.agreements import agreement_of
from invoicing.ledger.facts.books import rounding_of
from invoicing.models import Agreement, BroughtOrder, Dossier, Invoice, InvoiceLine, LedgerRow
from invoicing.rules import agreement as rules
from invoicing.rules import days
from invoicing.rules.agreements.advances import advances_due
from invoicing.rules.agreements.blocks import Stock
from invoicing.rules.agreements.periods import Period, due, fee, period_of
from invoicing.rules.billing.rating import billed_seconds, hours, worth

ONE_EACH = (InvoiceLine.Kind.FEE, InvoiceLine.Kind.ADVANCE)
"""The kinds of lines of which there is one for each period, or for each day of an advance."""
_ITS_HOURS = (LedgerRow.State.COVERED, LedgerRow.State.ON_ACCOUNT, LedgerRow.State.PREPAID)


@dataclass(frozen=True, slots=True)
class Coming:
    """A period, or an advance, to bill. ``day``: when it is due, as people say it: its first day where it is billed in
    advance, else its last one; ``cut_off``: the earliest with which a run bills it."""

    period: Period
    day: date
    amount: Decimal
    cut_off: date


@dataclass(slots=True)
class Tally:
    """How many periods, advances or blocks, and what they come to in euro without VAT, extra hours included."""

    periods: int = 0
    amount: Decimal = Decimal(0)

    def add(self, kind: str, amount: Decimal) -> None:
        """One more line."""
        self.periods += kind in (*ONE_EACH, InvoiceLine.Kind.BLOCK)
        self.amount += amount


@dataclass(slots=True)
class Balance:
    """How an agreement stands. ``posted``: at Billit; ``waiting``: on drafts and what is not at Billit yet;
    ``brought``: what Billit billed itself.

    ``seconds``: of the hours that it covers, or that are on account. ``value``: what they are worth at the price of
    their product (those without one count for nothing), of covered hours those of the periods that are billed;
    ``fees``: what is billed. ``used``: the hours of the running period, rounded as they are billed, where some are
    included. ``left``: of prepaid hours those of all blocks; ``drawn``: what was drawn of them, as it is rounded.
    """

    row: Agreement
    terms: rules.Agreement
    state: str
    posted: Tally = field(default_factory=Tally)
    waiting: Tally = field(default_factory=Tally)
    brought: Tally = field(default_factory=Tally)
    coming: Coming | None = None
    is_due: bool = False
    seconds: int = 0
    value: Decimal = Decimal(0)
    used: Decimal | None = None
    left: Decimal | None = None
    drawn: Decimal | None = None

    @property
    def fees(self) -> Decimal:
        """What is billed, wherever that invoice is."""
        return self.posted.amount + self.waiting.amount + self.brought.amount

    @property
    def short(self) -> Decimal:
        """How much more than the fees the covered hours are worth; negative where they are worth less."""
        return self.value - self.fees


def balances(
    dossier: Dossier, rows: Sequence[Agreement], *, today: date, stocks: Mapping[int, Stock] | None = None
) -> list[Balance]:
    """How agreements of one dossier stand on a local day, in the order of ``rows``; ``stocks``: of those that are
    prepaid, where they were read."""
    found = {row.pk: _bare(row, today) for row in rows}
    billed = _lines(found)
    _brought(found, billed)
    for balance in found.values():
        balance.coming = next(
            (each for each in to_bill(balance.terms) if each.period.key not in billed[balance.row.pk]), None
        )
        balance.is_due = balance.coming is not None and balance.coming.day <= today
    _hours(found, billed)
    _used(dossier, found, today)
    prepaid = [pk for pk, balance in found.items() if balance.terms.kind == rules.Kind.prepaid]
    stocks = blocks.stocks(prepaid) if stocks is None else stocks
    for pk in prepaid:
        found[pk].left = left = blocks.hours_of(stocks[pk].left)
        found[pk].drawn = sum((block.hours for block in stocks[pk].blocks), Decimal(0)) - left
    return list(found.values())


def _bare(row: Agreement, today: date) -> Balance:
    terms = agreement_of(row)
    is_over = terms.end is not None and terms.end < today
    return Balance(row, terms, "ended" if is_over else "begins" if terms.start > today else "runs")


def _lines(found: Mapping[int, Balance]) -> defaultdict[int, set[date]]:
    """The periods (keys) that are billed, by agreement; what they come to is added up."""
    billed: defaultdict[int, set[date]] = defaultdict(set)
    lines = InvoiceLine.objects.live().filter(agreement__in=found, takes_back__isnull=True)
    for of, kind, period, total, status in lines.values_list(
        "agreement_id", "kind", "period", "total", "invoice__status"
    ):
        if period is None:
            continue
        balance = found[of]
        (balance.posted if status == Invoice.Status.POSTED else balance.waiting).add(kind, total)
        if kind in ONE_EACH:
            billed[of].add(period)
    return billed


def _brought(found: Mapping[int, Balance], billed: Mapping[int, set[date]]) -> None:
    """What Billit's own orders bill of them; of prepaid hours they bill nothing."""
    own = [pk for pk, balance in found.items() if balance.terms.kind != rules.Kind.prepaid]
    rows = BroughtOrder.objects.live().filter(agreement__in=own)
    for of, period, total in rows.values_list("agreement_id", "period", "total_excl"):
        found[of].brought.periods += 1
        found[of].brought.amount += total
        if period is not None:
            billed[of].add(period)


def to_bill(terms: rules.Agreement) -> Iterator[Coming]:
    """All that an agreement bills by its terms, billed or not, in the order of the days; without end where it has
    none. When a block of prepaid hours is ordered is not among its terms."""
    if terms.kind == rules.Kind.prepaid:
        return
    if terms.kind == rules.Kind.advance:
        for period, cut_off, amount in advances_due(terms, days.LAST):
            yield Coming(period, period.first, amount, cut_off)
    else:
        for period, cut_off in due(terms, days.LAST):
            day = period.first if terms.in_advance or period.last is None else period.last
            yield Coming(period, day, fee(terms, period), cut_off)


def _hours(found: Mapping[int, Balance], billed: Mapping[int, Collection[date]]) -> None:
    """What falls under the agreements, and what of it is set against what is billed."""
    rows = LedgerRow.objects.filter(agreement__in=found, state__in=_ITS_HOURS)
    # By price as well: SQLite would multiply as floating point. Periods are made of whole months.
    sums = rows.order_by().values_list("agreement_id", "price", TruncMonth("day")).annotate(total=Sum("seconds"))
    for of, price, month, seconds in sums:
        if of is None:
            continue
        balance = found[of]
        balance.seconds += seconds
        period = period_of(balance.terms, max(month, balance.terms.start))
        is_settled_later = balance.terms.kind == rules.Kind.advance
        if price is not None and (is_settled_later or period.key in billed.get(of, ())):
            balance.value += worth(seconds, price)


def _used(dossier: Dossier, found: Mapping[int, Balance], today: date) -> None:
    """The hours of the running period of those that include some."""
    running = {
        pk: period_of(balance.terms, today)
        for pk, balance in found.items()
        if balance.terms.included_hours is not None and balance.terms.in_force(today)
    }
    if not running:
        return
    first = min(period.first for period in running.values())
    rows = LedgerRow.objects.filter(agreement__in=running, state=LedgerRow.State.COVERED, day__gte=first)
    worked: defaultdict[int, list[int]] = defaultdict(list)
    for of, day, seconds in rows.values_list("agreement_id", "day", "seconds"):
        if running[of].first <= day and _within(running[of], day):
            worked[of].append(seconds)
    for pk in running:
        found[pk].used = hours(billed_seconds(worked[pk], rounding_of(dossier)))


def _within(period: Period, day: date) -> bool:
    return period.last is None or day <= period.last


@dataclass(frozen=True, slots=True)
class Agreed:
    """An agreement and with whom it is made: as Toggl calls the client, else the number."""

    balance: Balance
    customer: str


def of_dossier(dossier: Dossier, *, today: date, stocks: Mapping[int, Stock] | None = None) -> list[Agreed]:
    """The agreements of a dossier that run or begin, and those that ended with something still to bill; by title."""
    rows = sorted(dossier.agreements.all(), key=lambda row: (row.title, row.pk))
    if not rows:
        return []
    for row in rows:
        row.dossier = dossier
    clients = dossier.workspace.clients.filter(remote_id__in=[row.client_remote_id for row in rows])
    names = dict(clients.values_list("remote_id", "name"))
    return [
        Agreed(each, names.get(each.row.client_remote_id or 0, "") or each.row.number)
        for each in balances(dossier, rows, today=today, stocks=stocks)
        if each.state != "ended" or each.coming or each.waiting.amount
    ]
