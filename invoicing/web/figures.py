"""What the pages show, read in a fixed number of queries whatever the number of rows. Reads only.

Seconds are raw; values are Decimals in euro, excluding VAT, before rounding: what the hours are worth, not an invoice.
Days and months are the firm's local ones.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Count, Min, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from integrations.models import Connection
from invoicing.corrections import options
from invoicing.ledger import balance
from invoicing.ledger import months as kept
from invoicing.ledger.agreements import fee_periods
from invoicing.ledger.attention import causes_of
from invoicing.ledger.invariants import invariants
from invoicing.models import NEEDS_PERSON, UNFINISHED, Dossier, Invoice, LedgerRow
from invoicing.models.moves import STATE
from invoicing.reconciliation import open_findings
from invoicing.rules.billing.rating import worth
from invoicing.rules.judging.mapping import DOUBTS
from toggbill.firms.access import visible
from toggbill.firms.models import AuditEvent, Firm, Membership

State = LedgerRow.State

# The order in which bars and tables show the states, the proof first.
SHOWN = (
    State.INVOICED,
    State.DRAFTED,
    State.COVERED,
    State.ON_ACCOUNT,
    State.PREPAID,
    State.OPEN,
    State.ATTENTION,
    State.HELD,
    State.RUNNING,
    State.NOT_BILLABLE,
    State.WRITTEN_OFF,
    State.CREDITED,
)


class Slice(NamedTuple):
    """One state in a bar: `start` and `width` in thousandths of the bar."""

    state: str
    seconds: int
    start: int
    width: int


@dataclass
class Sums:
    """Entries, seconds and value of some ledger rows; `oldest` is the local day of the earliest."""

    entries: int = 0
    seconds: int = 0
    value: Decimal = Decimal(0)
    oldest: date | None = None

    def add(self, row: dict[str, Any]) -> None:
        """Add a row of `_summed`, or of the sums that are kept."""
        self.entries += row["count"]
        self.seconds += row["total"]
        if row["price"] is not None:
            self.value += worth(row["total"], row["price"])
        self.since(row.get("oldest"))

    def since(self, day: date | None) -> None:
        """The day of an entry of theirs."""
        if day is not None and (self.oldest is None or day < self.oldest):
            self.oldest = day


@dataclass
class DossierRow:
    """A dossier on the first page."""

    dossier: Dossier
    open: Sums = field(default_factory=Sums)
    attention: Sums = field(default_factory=Sums)
    month: list[Slice] = field(default_factory=list)
    decisions: int = 0
    drafts: int = 0
    stuck: int = 0
    differences: int = 0
    corrections: int = 0
    approved: int = 0

    @property
    def is_unread(self) -> bool:
        """Whether the hours of its workspace were never read."""
        return self.dossier.workspace.synced_at is None

    @property
    def broken(self) -> Connection | None:
        """The connection that does not work, Toggl's first."""
        for connection in (self.dossier.workspace.connection, self.dossier.company.connection):
            if connection.failure != Connection.Failure.NONE or connection.paused_at is not None:
                return connection
        return None


class Proof(NamedTuple):
    """Whether what was billed adds up: entries on invoices, those billed twice, lines that differ from their claims."""

    entries: int
    twice: int
    uneven: int

    @property
    def holds(self) -> bool:
        """Nothing was billed twice and every line is the sum of its entries."""
        return not self.twice and not self.uneven


@dataclass
class Portfolio:
    """The first page. ``unbilled_fees``: whether a fee covers hours that is no order at Billit yet."""

    rows: list[DossierRow]
    open: Sums
    attention: Sums
    decisions: int
    drafts: int
    drafts_value: Decimal
    stuck: int
    differences: int
    corrections: int
    proof: Proof
    held: Sums
    approved: int
    approved_value: Decimal
    unsent: int
    undelivered: int
    refused: int
    returned: int
    unread: int
    on_account: Sums
    unbilled_fees: bool

    @property
    def waiting(self) -> Waiting:
        """What the bar on top counts, as it is counted here already."""
        return Waiting(self.decisions, self.drafts, self.stuck, self.corrections)


def _summed(rows: QuerySet[LedgerRow], *by: str) -> Iterator[dict[str, Any]]:
    # By price as well: values are computed here with Decimals, since SQLite would multiply as floating point.
    yield from rows.values(*by, "price").annotate(count=Count("pk"), total=Sum("seconds"), oldest=Min("day"))


def bar(seconds: dict[str, int]) -> list[Slice]:
    """The shares of the states in a bar; whatever has time is at least a hair wide."""
    whole = sum(seconds.get(state, 0) for state in SHOWN)
    slices: list[Slice] = []
    done = 0
    for state in SHOWN:
        share = seconds.get(state, 0)
        if share <= 0:
            continue
        start, end = done * 1000 // whole, (done + share) * 1000 // whole
        slices.append(Slice(str(state), share, start, max(end - start, 8)))
        done += share
    return slices


_APPROVED = Q(status=Invoice.Status.APPROVED)
_POSTED = Q(status=Invoice.Status.POSTED)
_LOOKED_AT = timedelta(days=731)  # In which every fee falls due once.
_COUNTED = ("approved", "unsent", "undelivered", "refused", "returned")


def portfolio(*, membership: Membership, today: date) -> Portfolio:
    """Every dossier that a member sees, with what waits in it."""
    own = LedgerRow.objects.filter(dossier=OuterRef("pk"), state=State.OPEN)
    dossiers: list[Any] = list(  # annotated, which the types of a queryset of our own do not tell
        visible(membership, Dossier.objects.all())
        .select_related("workspace__connection", "company__connection")
        .annotate(oldest_open=Subquery(own.order_by("day").values("day")[:1]))
        .order_by("name", "pk")
    )
    rows = {dossier.pk: DossierRow(dossier) for dossier in dossiers}
    everything, attention, held, on_account = Sums(), Sums(), Sums(), Sums()
    for dossier in dossiers:
        rows[dossier.pk].open.since(dossier.oldest_open)
        everything.since(dossier.oldest_open)
    waits = [State.OPEN, State.ATTENTION, State.HELD, State.ON_ACCOUNT]
    for line in kept.sums(dossiers, "dossier_id", "state", "price", state__in=waits):
        row = rows[line["dossier_id"]]
        if line["state"] in (State.HELD, State.ON_ACCOUNT):
            (held if line["state"] == State.HELD else on_account).add(line)
            continue
        is_open = line["state"] == State.OPEN
        (row.open if is_open else row.attention).add(line)
        (everything if is_open else attention).add(line)
    month: dict[int, dict[str, int]] = defaultdict(dict)
    for share in kept.sums(dossiers, "dossier_id", "state", month=today.replace(day=1)):
        month[share["dossier_id"]][share["state"]] = share["total"]
    causes = Counter(cause.dossier_id for cause in causes_of(membership))
    invoices = {
        line["dossier_id"]: line
        for line in visible(membership, Invoice.objects.filter(UNFINISHED))
        .values("dossier_id")
        .annotate(
            drafts=Count("pk", filter=Q(status=Invoice.Status.DRAFT)),
            value=Sum("total_excl", filter=Q(status=Invoice.Status.DRAFT), default=Decimal(0)),
            stuck=Count("pk", filter=NEEDS_PERSON),
            approved=Count("pk", filter=_APPROVED),
            approved_value=Sum("total_excl", filter=_APPROVED, default=Decimal(0)),
            unsent=Count("pk", filter=_POSTED & Q(delivery=Invoice.Delivery.NOT_SENT)),
            undelivered=Count("pk", filter=_POSTED & Q(delivery=Invoice.Delivery.SENT)),
            refused=Count("pk", filter=Q(status=Invoice.Status.REFUSED)),
            returned=Count("pk", filter=_POSTED & Q(delivery=Invoice.Delivery.REFUSED)),
        )
    }
    corrections = Counter(options.open_of(membership).values_list("invoice__dossier", flat=True))
    differences = open_findings.counts(membership, [row.dossier for row in rows.values()])
    for pk, row in rows.items():
        row.month = bar(month[pk])
        row.differences = differences[pk]
        row.corrections = corrections[pk]
        row.decisions = causes[pk]
        row.drafts = invoices[pk]["drafts"] if pk in invoices else 0
        row.stuck = invoices[pk]["stuck"] if pk in invoices else 0
        row.approved = invoices[pk]["approved"] if pk in invoices else 0
    return Portfolio(
        rows=sorted(
            rows.values(),
            key=lambda row: (
                -row.decisions - row.corrections - row.stuck - row.differences,
                -row.drafts,
                row.dossier.name.casefold(),
            ),
        ),
        open=everything,
        attention=attention,
        decisions=sum(causes.values()),
        drafts=sum(line["drafts"] for line in invoices.values()),
        drafts_value=sum((line["value"] for line in invoices.values()), Decimal(0)),
        stuck=sum(line["stuck"] for line in invoices.values()),
        differences=differences.total(),
        corrections=corrections.total(),
        proof=proof(dossiers),
        held=held,
        on_account=on_account,
        unbilled_fees=fee_periods.has_unbilled(dossiers, since=today - _LOOKED_AT),
        unread=sum(row.is_unread for row in rows.values()),
        approved_value=sum((line["approved_value"] for line in invoices.values()), Decimal(0)),
        **_totals(invoices.values()),
    )


def _totals(lines: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    counted = list(lines)
    return {name: sum(line[name] for line in counted) for name in _COUNTED}


def proof(dossiers: Sequence[Dossier]) -> Proof:
    """What is kept of the checks that no hour is billed twice, rather than that the database refuses it."""
    on_invoices = kept.sums(dossiers, "state", state__in=[State.DRAFTED, State.INVOICED])
    found = kept.broken(dossiers=dossiers, checks=[invariants.one_live_claim, invariants.claims_of_lines])
    twice = {each.subject for each in found if each.rule == invariants.one_live_claim.__name__}
    return Proof(
        entries=sum(row["count"] for row in on_invoices),
        twice=len(twice),
        uneven=sum(each.rule == invariants.claims_of_lines.__name__ for each in found),
    )


# --- one dossier ------------------------------------------------------------------------------------------------------


@dataclass
class Month:
    """A month of a dossier: seconds by state, in the order of `states`."""

    first: date
    seconds: dict[str, int]

    @property
    def total(self) -> int:
        """Seconds of every state but deleted."""
        return sum(self.seconds.values())

    @property
    def bar(self) -> list[Slice]:
        """The month as a bar."""
        return bar(self.seconds)


@dataclass
class Buyer:
    """A customer's open hours in a dossier."""

    key: str
    name: str
    sums: Sums
    products: list[tuple[str, Decimal | None, int]]


def months(books: Iterable[balance.Month]) -> tuple[list[str], list[Month]]:
    """The states that occur in a dossier's books, and the months, the newest first."""
    found: dict[date, dict[str, int]] = {}
    for sheet in books:
        told = {state: tally.seconds for state, tally in sheet.states.items() if tally.entries}
        told.pop(State.DELETED, None)
        if told:
            found[sheet.month] = told
    occurring = {state for seconds in found.values() for state in seconds}
    states = [str(state) for state in SHOWN if state in occurring]
    return states, [Month(first, found[first]) for first in sorted(found, reverse=True)]


def open_by_buyer(dossier: Dossier) -> list[Buyer]:
    """The open hours by customer, the most valuable first."""
    found: dict[str, Buyer] = {}
    rows = LedgerRow.objects.filter(dossier=dossier, state=State.OPEN)
    for row in _summed(rows, "buyer_key", "buyer_name", "product_reference"):
        buyer = found.setdefault(row["buyer_key"], Buyer(row["buyer_key"], row["buyer_name"], Sums(), []))
        buyer.sums.add(row)
        buyer.products.append((row["product_reference"], row["price"], row["total"]))
    for buyer in found.values():
        buyer.products.sort(key=lambda product: (product[0].casefold(), product[1] or 0))
    return sorted(found.values(), key=lambda buyer: (-buyer.sums.value, buyer.name.casefold()))


# States of entries that a person can decide on: see ``decisions``.
DECIDABLE = (State.OPEN, State.ATTENTION, State.ON_ACCOUNT, State.HELD, State.WRITTEN_OFF, State.CREDITED)


def decisions_for(rows: Iterable[LedgerRow]) -> tuple[str, ...]:
    """What can be decided of some of these rows, by the states that the verbs of ``decisions`` start from."""
    rows = list(rows)
    states = {row.state for row in rows}
    found = {
        "hold": {State.OPEN, State.ATTENTION, State.ON_ACCOUNT},
        "write-off": {State.OPEN, State.ATTENTION, State.ON_ACCOUNT, State.HELD},
        "release": {State.HELD},
        "reopen": {State.WRITTEN_OFF, State.CREDITED},
    }
    doubtful = ("bill",) if any(row.reason in DOUBTS for row in rows) else ()
    return (*doubtful, *(name for name, needed in found.items() if states & needed))


class Decided(NamedTuple):
    """Who held an entry or wrote it off, and when."""

    actor: str
    at: datetime


_BY_PERSON: dict[str, str] = {
    LedgerRow.Decision.HELD: STATE.event(State.OPEN, State.HELD),
    LedgerRow.Decision.WRITTEN_OFF: STATE.event(State.OPEN, State.WRITTEN_OFF),
}


def who_decided(firm: Firm, rows: Iterable[LedgerRow]) -> dict[int, Decided]:
    """By ledger row (its id): who held its entry or wrote it off, as the log has it."""
    subjects = {f"entry {row.entry.remote_id}": row.pk for row in rows if row.decision in _BY_PERSON}
    if not subjects:
        return {}
    events = AuditEvent.objects.for_firm(firm).filter(subject__in=subjects, type__in=_BY_PERSON.values())
    return {subjects[event.subject]: Decided(event.actor, event.at) for event in events.order_by("number")}


# --- the bar on top ---------------------------------------------------------------------------------------------------


class Waiting(NamedTuple):
    """What the bar on top counts."""

    decisions: int
    drafts: int
    stuck: int
    corrections: int


def waiting(membership: Membership) -> Waiting:
    """A member's decisions, drafts, invoices that need a person, and open corrections: two queries."""
    unfinished = visible(membership, Invoice.objects.filter(UNFINISHED))
    counted = [unfinished.drafts(), unfinished.filter(NEEDS_PERSON), options.open_of(membership)]
    found = Membership.objects.filter(pk=membership.pk).values_list(*map(_count_of, counted))
    return Waiting(len(causes_of(membership)), *next(iter(found), (0, 0, 0)))


def _count_of(rows: QuerySet[Any]) -> Coalesce:
    """How many rows of one firm there are, within another query."""
    return Coalesce(Subquery(rows.order_by().values("firm").annotate(n=Count("pk")).values("n")), 0)
