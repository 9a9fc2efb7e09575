"""What each fee agreement has billed, what comes next, and what its covered hours are worth beside the fees.

Read off the rows for many agreements at once, in a fixed number of queries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from django.db.models import Sum
from django.db.models.functions import TruncMonth

from invoicing.ledger.agreements import agreement_of
from invoicing.ledger.facts import rounding_of
from invoicing.models import Agreement, Dossier, Invoice, InvoiceLine, LedgerRow
from invoicing.rules import agreement as rules
from invoicing.rules import days
from invoicing.rules.agreements.periods import Period, due, fee, period_of
from invoicing.rules.rating import billed_seconds, hours, worth


@dataclass(frozen=True, slots=True)
class Coming:
    """The next period that no invoice bills yet. ``day``: its first one where it is billed in advance, else its last
    one; ``is_due``: whether that day is here."""

    period: Period
    day: date
    amount: Decimal
    is_due: bool


@dataclass(slots=True)
class Tally:
    """How many periods, and what they come to in euro without VAT, extra hours included."""

    periods: int = 0
    amount: Decimal = Decimal(0)

    def add(self, kind: str, amount: Decimal) -> None:
        """One more line."""
        self.periods += kind == InvoiceLine.Kind.FEE
        self.amount += amount


@dataclass(slots=True)
class Balance:
    """How an agreement stands. ``posted``: at Billit; ``waiting``: on drafts and what is not at Billit yet.

    ``seconds``: all that it covers; ``fees`` and ``value``: of the periods that are billed, what their fees and extra
    hours come to and what their covered hours are worth at the price of their product (those without one count for
    nothing: ``is_valued`` is False). ``used``: the hours of the running period, rounded as they are billed, where some
    are included.
    """

    row: Agreement
    terms: rules.Agreement
    state: str
    posted: Tally = field(default_factory=Tally)
    waiting: Tally = field(default_factory=Tally)
    coming: Coming | None = None
    seconds: int = 0
    value: Decimal = Decimal(0)
    is_valued: bool = True
    used: Decimal | None = None

    @property
    def fees(self) -> Decimal:
        """What is billed, wherever that invoice is."""
        return self.posted.amount + self.waiting.amount

    @property
    def short(self) -> Decimal:
        """How much more than the fees the covered hours are worth; negative where they are worth less."""
        return self.value - self.fees


def balances(dossier: Dossier, rows: Sequence[Agreement], *, today: date) -> list[Balance]:
    """How agreements of one dossier stand on a local day, in the order of ``rows``."""
    found = {row.pk: _bare(row, today) for row in rows}
    billed = _lines(found)
    for balance in found.values():
        balance.coming = coming(balance.terms, billed[balance.row.pk], today)
    _hours(found, billed)
    _used(dossier, found, today)
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
        if kind == InvoiceLine.Kind.FEE:
            billed[of].add(period)
    return billed


def coming(terms: rules.Agreement, billed: Collection[date], today: date) -> Coming | None:
    """The first period that is not among those that are billed (keys); None when there is none left."""
    for period, _due_on in due(terms, days.LAST):
        if period.key not in billed:
            day = due_day(terms, period)
            return Coming(period, day, fee(terms, period), day <= today)
    return None


def due_day(terms: rules.Agreement, period: Period) -> date:
    """The day on which a period is due, as people say it: its first one in advance, else its last one."""
    return period.first if terms.in_advance or period.last is None else period.last


def _hours(found: Mapping[int, Balance], billed: Mapping[int, Collection[date]]) -> None:
    """What the agreements cover, and what that of the billed periods is worth."""
    rows = LedgerRow.objects.filter(agreement__in=found, state=LedgerRow.State.COVERED)
    # By price as well: SQLite would multiply as floating point. Periods are made of whole months.
    sums = rows.order_by().values_list("agreement_id", "price", TruncMonth("day")).annotate(total=Sum("seconds"))
    for of, price, month, seconds in sums:
        if of is None:
            continue
        balance = found[of]
        balance.seconds += seconds
        period = period_of(balance.terms, max(month, balance.terms.start))
        if period.key in billed.get(of, ()):
            balance.value += Decimal(0) if price is None else worth(seconds, price)
            balance.is_valued = balance.is_valued and price is not None


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


def of_dossier(dossier: Dossier, *, today: date) -> list[Agreed]:
    """The agreements of a dossier that run or begin, and those that ended with something still to bill; by title."""
    rows = list(Agreement.objects.filter(dossier=dossier).select_related("dossier").order_by("title", "pk"))
    if not rows:
        return []
    clients = dossier.workspace.clients.filter(remote_id__in=[row.client_remote_id for row in rows])
    names = dict(clients.values_list("remote_id", "name"))
    return [
        Agreed(each, names.get(each.row.client_remote_id or 0, "") or each.row.number)
        for each in balances(dossier, rows, today=today)
        if each.state != "ended" or each.coming or each.waiting.amount
    ]
