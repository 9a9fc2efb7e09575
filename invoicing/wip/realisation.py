"""Realisation: what was billed of hours beside what they are worth at their rates (design section 11). Reads only.

Of the hours worked between two local days that are settled: billed, written off, credited for good, drawn from a block
of prepaid hours, or covered by a fee that was posted, or that Billit billed by itself. What is still in progress is in
neither figure.

What was billed are the lines of orders at Billit less those of credit notes, each spread over its hours by their
seconds, and the fee of a period, with what was billed beyond it, over all hours that it covers, by their value or,
where none has a price, their seconds; in cents that add up to the line. A fee without an hour counts on its period's
first day, for nobody. A block bills what was drawn of it, at its price; what is left of it bills no hour yet. The
database adds up by line and person; cost: the hours of the days asked for, and of the lines and fees that bill one of
them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any, NamedTuple, cast

from django.db.models import Case, Count, F, Max, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.fields import BooleanField
from django.db.models.functions import Coalesce

from integrations.models import Customer
from invoicing.ledger.agreements.fee_periods import fee_period
from invoicing.models import Agreement, BroughtOrder, Claim, Dossier, Invoice, InvoiceLine, LedgerRow
from invoicing.models.invoices.claims import ClaimQuerySet
from invoicing.rules.wip import Sold, euro, paid_by_blocks, per_cent, spread
from invoicing.wip import rate
from invoicing.wip.customers import Whose, named

_State = LedgerRow.State
_SETTLED = (_State.INVOICED, _State.WRITTEN_OFF, _State.CREDITED, _State.PREPAID)
_FEES = (InvoiceLine.Kind.FEE, InvoiceLine.Kind.EXTRA)
_LONGEST = timedelta(days=366)
_ZERO = Decimal("0.00")


@dataclass(slots=True)
class Realised:
    """What settled hours came to: seconds, their value at rate and what was billed of them, in euro excl. VAT.

    ``written_off``: the value of those that a person wrote off.
    """

    seconds: int = 0
    value: Decimal = _ZERO
    billed: Decimal = _ZERO
    written_off: Decimal = _ZERO

    @property
    def per_cent(self) -> Decimal | None:
        """Billed in per cent of the value, None where that is nothing."""
        return per_cent(self.billed, self.value)

    @property
    def difference(self) -> Decimal:
        """Billed less value: negative where the customer costs more than it pays."""
        return self.billed - self.value

    @property
    def an_hour(self) -> Decimal | None:
        """What an hour brought, in euro; None without hours."""
        return None if self.seconds <= 0 else (self.billed * 3600 / self.seconds).quantize(_ZERO)

    def add(self, other: Realised) -> None:
        """Take another's in."""
        self.seconds += other.seconds
        self.value += other.value
        self.billed += other.billed
        self.written_off += other.written_off


class Who(NamedTuple):
    """Whose hours: of a customer of a dossier, worked by a person (Toggl id; 0: by nobody)."""

    dossier: int
    buyer_key: str
    person: int


@dataclass(frozen=True, slots=True)
class Realisation:
    """By customer and by person, those who fall short most first; and all together."""

    customers: list[tuple[Whose, Realised]]
    people: list[tuple[str, Realised]]
    whole: Realised


def realisation(*, dossiers: Collection[Dossier], first: date, last: date) -> Realisation:
    """Of the hours of dossiers of one firm that were worked on these days, both included."""
    found = _Found({dossier.pk: dossier for dossier in dossiers}, first, last)
    found.value_hours()
    found.bill_hours()
    found.draw_blocks()
    found.fees()
    return found.together()


class _Found:
    def __init__(self, dossiers: dict[int, Dossier], first: date, last: date) -> None:
        self._dossiers, self._first, self._last = dossiers, first, last
        self._sums = defaultdict[Who, Realised](Realised)
        self._names = defaultdict[tuple[int, str], str](str)
        self._people = defaultdict[int, str](str)

    def _known(self, each: dict[str, Any], buyer: str) -> Who:
        who = Who(each["dossier"], buyer, each["person"] or 0)
        self._names[who.dossier, buyer] = max(self._names[who.dossier, buyer], each["name"])
        self._people[who.person] = max(self._people[who.person], each["who"] or "")
        return who

    def _days(self, column: str = "day") -> Q:
        return Q(**{f"{column}__gte": self._first, f"{column}__lte": self._last})

    def value_hours(self) -> None:
        """What hours are worth that were billed by themselves, or will never be."""
        rows = LedgerRow.objects.filter(self._days(), dossier__in=self._dossiers, state__in=_SETTLED)
        for each in _grouped(rows, "buyer_key", "state"):
            sums = self._sums[self._known(each, each["buyer_key"])]
            sums.seconds += each["total"]
            sums.value += euro(each["cents"])
            if each["state"] == _State.WRITTEN_OFF:
                sums.written_off += euro(each["cents"])

    def bill_hours(self) -> None:
        """What lines of hours, less those of credit notes, bill of the days asked for."""
        claims = Claim.objects.filter(line__kind=InvoiceLine.Kind.HOURS, line__invoice__dossier__in=self._dossiers)
        claims = claims.posted()
        lines = claims.filter(self._days()).values("line")
        of_line = ("line__total", "line__seconds", "line__invoice__kind")
        by_line = _by_line(claims.filter(line__in=lines), "seconds", *of_line, within=self._days())
        for parts in by_line.values():
            total, seconds = parts[0]["line__total"], parts[0]["line__seconds"]
            if parts[0]["line__invoice__kind"] == Invoice.Kind.CREDIT_NOTE:
                total = -total
            sign = -1 if seconds < 0 else 1
            shares = spread(total, {place: max(sign * part["total"], 0) for place, part in enumerate(parts)})
            for place, part in enumerate(parts):
                if part["within"]:
                    self._sums[self._known(part, part["buyer"])].billed += shares[place]

    def draw_blocks(self) -> None:
        """What blocks of prepaid hours bill of the days asked for."""
        claims = Claim.objects.live().prepaid().posted().filter(line__invoice__dossier__in=self._dossiers)
        agreements = claims.filter(self._days()).values("line__agreement")
        counts = self._days() & Q(entry__ledger_row__state=_State.PREPAID)
        by_line = _by_line(claims.filter(line__agreement__in=agreements), "drawn", within=counts)
        lines = InvoiceLine.objects.live().filter(kind=InvoiceLine.Kind.BLOCK, takes_back__isnull=True)
        lines = lines.filter(agreement__in=agreements, invoice__status=Invoice.Status.POSTED).order_by("part")
        sold = defaultdict[int, list[Sold]](list)
        for agreement, line, quantity, price in lines.values_list("agreement", "pk", "quantity", "unit_price"):
            drawn = sum(part["total"] for part in by_line[line])
            sold[agreement or 0].append(Sold(line, int(quantity * 3600), price, drawn))
        billed = {line: amount for blocks in sold.values() for line, amount in paid_by_blocks(blocks).items()}
        for line, amount in billed.items():
            parts = by_line[line]
            shares = spread(amount, {place: part["total"] for place, part in enumerate(parts)}) if parts else {}
            for place, share in shares.items():
                if parts[place]["within"]:
                    self._sums[self._known(parts[place], parts[place]["buyer"])].billed += share

    def _brought(self, near: Q) -> Iterable[dict[str, Any]]:
        """Fees that Billit billed by itself, as ``fees`` reads those of lines."""
        orders: QuerySet[Any] = BroughtOrder.objects.live().filter(
            near, agreement__dossier__in=self._dossiers, agreement__kind=Agreement.Kind.FIXED, period__isnull=False
        )
        party = Customer.objects.filter(company=OuterRef("company"), party_id=OuterRef("customer_party_id"))
        named = orders.annotate(name=Coalesce(Subquery(party.values("name")[:1]), F("customer_vat")))
        for row in named.select_related("agreement").order_by("order_id"):
            number = f"number:{row.customer_vat}"
            yield {
                "agreement": row.agreement_id,
                "period": row.period,
                "kind": InvoiceLine.Kind.FEE,
                "total": row.total_excl,
                "invoice__dossier": row.agreement.dossier_id,
                "invoice__buyer_key": number if row.customer_party_id is None else f"party:{row.customer_party_id}",
                "invoice__customer_name": row.name,
            }

    def fees(self) -> None:
        """What posted fees, with extra hours, and those of Billit's own bill, and what the hours that they cover are
        worth."""
        lines = InvoiceLine.objects.live().filter(kind__in=_FEES, takes_back__isnull=True)
        lines = lines.filter(invoice__dossier__in=self._dossiers, invoice__status=Invoice.Status.POSTED)
        once = Q(agreement__every=Agreement.Every.ONCE)
        near = (once | Q(period__gte=self._first - _LONGEST)) & Q(period__lte=self._last)
        billed = defaultdict[tuple[int, date], Decimal](Decimal)
        payers: dict[tuple[int, date], dict[str, Any]] = {}
        posted = set[tuple[int, date]]()
        columns = ("agreement", "period", "kind", "total")
        payer_of = ("invoice__dossier", "invoice__buyer_key", "invoice__customer_name")
        own = lines.filter(near).values(*columns, *payer_of).order_by("pk")
        for each in chain(self._brought(near), own):
            agreement, period = each["agreement"], each["period"]
            if period is None:
                continue
            billed[agreement, period] += each["total"]
            payers[agreement, period] = dict(each)
            if each["kind"] == InvoiceLine.Kind.FEE:
                posted.add((agreement, period))
        covered = self._covered(billed)
        for (agreement, period), total in billed.items():
            parts = covered.get((agreement, period), [])
            payer = payers[agreement, period]
            buyer = payer["invoice__buyer_key"]
            about = {"dossier": payer["invoice__dossier"], "name": payer["invoice__customer_name"]}
            if not parts:
                if self._first <= period <= self._last:
                    self._sums[self._known(about | {"person": 0, "who": ""}, buyer)].billed += total
                continue
            by_value = {place: Decimal(part["cents"] or 0) for place, part in enumerate(parts)}
            weights = by_value if any(by_value.values()) else {place: each["total"] for place, each in enumerate(parts)}
            shares = spread(total, weights)
            for place, part in enumerate(parts):
                if not part["within"]:
                    continue
                sums = self._sums[self._known(part | about, buyer)]
                sums.billed += shares[place]
                if (agreement, period) in posted:
                    sums.seconds += part["total"]
                    sums.value += euro(part["cents"])

    def _covered(self, periods: Collection[tuple[int, date]]) -> dict[tuple[int, date], list[dict[str, Any]]]:
        """By agreement and period: the covered hours of each person, those within the days asked for by themselves."""
        found = defaultdict[tuple[int, date], list[dict[str, Any]]](list)
        if not periods:
            return found
        rows = LedgerRow.objects.filter(state=_State.COVERED, agreement__in={agreement for agreement, _ in periods})
        rows = rows.filter(day__gte=min(period for _, period in periods))
        within = Case(When(self._days(), then=Value(True)), default=Value(False), output_field=BooleanField())
        rows = rows.annotate(fee_period=fee_period(), within=within)
        for each in _grouped(rows, "agreement", "fee_period", "within"):
            found[each["agreement"], each["fee_period"]].append(each)
        return found

    def together(self) -> Realisation:
        """Sums by customer, whatever dossier bills it, and by person."""
        whose = named(self._dossiers, self._names)
        customers = defaultdict[tuple[str, ...], Realised](Realised)
        known: dict[tuple[str, ...], Whose] = {}
        people = defaultdict[int, Realised](Realised)
        whole = Realised()
        for who, sums in self._sums.items():
            customer = whose[who.dossier, who.buyer_key]
            known.setdefault(customer.key, customer)
            customers[customer.key].add(sums)
            people[who.person].add(sums)
            whole.add(sums)
        return Realisation(
            sorted(
                ((known[key], sums) for key, sums in customers.items()),
                key=lambda pair: (pair[1].difference, pair[0].name, pair[0].key),
            ),
            sorted(
                ((self._people[person], sums) for person, sums in people.items()),
                key=lambda pair: (pair[1].difference, pair[0]),
            ),
            whole,
        )


def _by_line(claims: ClaimQuerySet, seconds: str, *of_line: str, within: Q) -> defaultdict[int, list[dict[str, Any]]]:
    """By line (row id): the ``seconds`` of its claims by person, those ``within`` apart, with these columns of the line
    and whose they are."""
    grouped = (
        claims.annotate(within=Case(When(within, then=Value(True)), default=Value(False), output_field=BooleanField()))
        .order_by("line", "entry__person_remote_id", "within")
        .values("line", *of_line, "within", "entry__person_remote_id")
        .annotate(
            total=Sum(seconds),
            dossier=Max("line__invoice__dossier"),
            buyer=Max("line__invoice__buyer_key"),
            name=Max("line__invoice__customer_name"),
            who=Max("entry__person_name"),
        )
    )
    found = defaultdict[int, list[dict[str, Any]]](list)
    for each in cast(Iterable[dict[str, Any]], grouped.iterator()):
        found[each["line"]].append(each | {"person": each["entry__person_remote_id"]})
    return found


def _grouped(rows: QuerySet[LedgerRow], *by: str) -> Iterable[dict[str, Any]]:
    """Seconds and cents of ledger rows by dossier, person and these columns."""
    grouped = (
        rows.order_by("entry__person_remote_id", *by)
        .values("dossier", "entry__person_remote_id", *by)
        .annotate(
            total=Sum(rate.time()),
            cents=Sum(rate.value()),
            entries=Count("pk"),
            name=Max("buyer_name"),
            who=Max("entry__person_name"),
        )
    )
    for each in cast(Iterable[dict[str, Any]], grouped.iterator()):
        yield each | {"person": each["entry__person_remote_id"]}
