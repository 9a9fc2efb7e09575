"""Work in progress at the end of a day: which hours were in it, and what they are worth at rate (section 11).

An hour is in it from its local day until the day on which its invoice was posted, or it was written off. It comes back
when it is taken off its invoice (the order replaced, or credited to be billed again) or opened again. A covered hour
leaves with the fee of its period, whether the annex lists it yet or not.

Hours count as the books have them now: what changed in Toggl since counts as it is now, at the price that it has now;
of a billed hour counts what was billed. When each was billed and freed stands with its claims, when it was written off
or opened again in the audit log. The database adds up; cost: of today one reading of the unbilled hours, of an earlier
day also of the hours on invoices that were posted since, and of what was decided since.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, cast

from django.db.models import Case, Count, DateField, Exists, F, Max, OuterRef, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Cast, TruncMonth, TruncQuarter, TruncYear

from invoicing.models import Agreement, BroughtOrder, Claim, Dossier, InvoiceLine, LedgerRow
from invoicing.models.claims import standing_at
from invoicing.models.moves import STATE
from invoicing.rules.wip import BANDS, euro
from invoicing.wip import rate
from invoicing.wip.customers import named, portions
from toggbill.firms.models import AuditEvent, Firm

_State = LedgerRow.State
_BY_THE_HOUR = (_State.OPEN, _State.ATTENTION, _State.HELD, _State.DRAFTED, _State.ON_ACCOUNT)
STATES = (*_BY_THE_HOUR, _State.COVERED)
"""Of hours that nobody has billed yet."""
_WRITTEN_OFF = STATE.event(_State.OPEN, _State.WRITTEN_OFF)
_OPENED = STATE.event(_State.WRITTEN_OFF, _State.OPEN)
_Key = tuple[int, str, str, str, int]


@dataclass(slots=True)
class Row:
    """Hours of a customer, a product and a person in a dossier, and their value in euro, whole and by age band.

    ``client``: their Toggl client, where they have no customer yet; ``unpriced``: entries that have no price, whose
    seconds count and whose value is nothing.
    """

    dossier: Dossier
    buyer_key: str
    customer_vat: str
    customer_name: str
    client: str
    product: str
    person: str
    entries: int = 0
    unpriced: int = 0
    seconds: int = 0
    bands: dict[str, Decimal] = field(default_factory=lambda: {band.name: Decimal("0.00") for band in BANDS})

    @property
    def value(self) -> Decimal:
        """Of all ages."""
        return sum(self.bands.values(), Decimal(0))

    @property
    def customer(self) -> tuple[str, ...]:
        """Tells one customer from others across dossiers: by number, else by the company's party, else the client."""
        if self.customer_vat:
            return (self.customer_vat,)
        owner = self.dossier.company_id if self.buyer_key else self.dossier.workspace_id
        return (str(owner), self.buyer_key or f"client:{self.client}")


def rows(*, dossiers: Collection[Dossier], as_of: date) -> list[Row]:
    """The work in progress of dossiers of one firm at the end of a local day, in a lasting order: dossier, customer,
    product, person."""
    by_id = {dossier.pk: dossier for dossier in dossiers}
    if not by_id:
        return []
    firm = next(iter(by_id.values())).firm
    after = day_after(firm, as_of)
    own = LedgerRow.objects.filter(dossier__in=by_id, day__lte=as_of)
    sums = _Sums(by_id, as_of)
    in_it = (_by_the_hour(own, after), _covered(own, after, as_of), _billed_since(own, after, firm))
    for some in in_it:
        sums.add(some)
    out, others = _decided_since(firm, after)
    for ids in portions(out):
        for some in in_it:
            sums.add(some.filter(entry__remote_id__in=ids), sign=-1)
    for ids in portions(others):
        written_off = own.filter(state=_State.WRITTEN_OFF, entry__remote_id__in=ids)
        sums.add(written_off.filter(~Exists(_billing(after))))
    return sums.rows()


def day_after(firm: Firm, day: date) -> datetime:
    """The moment at which a local day of the firm is over."""
    return datetime.combine(day + timedelta(days=1), time(0), tzinfo=firm.zone)


# --- which hours ------------------------------------------------------------------------------------------------------


def _billing(after: datetime) -> QuerySet[Claim]:
    """The claim that billed an outer row's entry at that moment: on an order at Billit, not taken back."""
    own = Claim.objects.of_entries().filter(entry=OuterRef("entry"), line__invoice__posted_at__lt=after)
    return own.filter(standing_at(after))


def _by_the_hour(own: QuerySet[LedgerRow], after: datetime) -> QuerySet[LedgerRow]:
    return own.filter(~Exists(_billing(after)), state__in=_BY_THE_HOUR)


def _billed_since(own: QuerySet[LedgerRow], after: datetime, firm: Firm) -> QuerySet[LedgerRow]:
    later = Claim.objects.of_entries().filter(line__invoice__firm=firm, line__invoice__posted_at__gte=after)
    billed = own.filter(state__in=[_State.INVOICED, _State.CREDITED], entry__in=later.values("entry"))
    return billed.filter(~Exists(_billing(after)))


def _covered(own: QuerySet[LedgerRow], after: datetime, as_of: date) -> QuerySet[LedgerRow]:
    """Those of periods whose fee was no order at Billit at that moment, neither ours nor one that it made itself."""
    fees = InvoiceLine.objects.filter(kind=InvoiceLine.Kind.FEE, takes_back__isnull=True)
    fees = fees.filter(standing_at(after), agreement=OuterRef("agreement"), invoice__posted_at__lt=after)
    rows = own.filter(state=_State.COVERED).annotate(fee_period=fee_period())
    own_of_billit = BroughtOrder.objects.filter(standing_at(after), order_date__lte=as_of)
    of_period = {"agreement": OuterRef("agreement"), "period": OuterRef("fee_period")}
    return rows.filter(~Exists(fees.filter(period=of_period["period"])), ~Exists(own_of_billit.filter(**of_period)))


def fee_period() -> Cast:
    """The period of its agreement in which a covered row's day lies, as ``InvoiceLine.period`` names it."""
    every = Agreement.Every
    period = Case(
        When(agreement__every=every.MONTH, then=TruncMonth("day")),
        When(agreement__every=every.QUARTER, then=TruncQuarter("day")),
        When(agreement__every=every.YEAR, then=TruncYear("day")),
        default=F("agreement__start_date"),
        output_field=DateField(),
    )
    # PostgreSQL cuts a day to a moment.
    return Cast(period, DateField())


def _decided_since(firm: Firm, after: datetime) -> tuple[list[int], list[int]]:
    """By Toggl id, of the entries of which something was decided since that moment: those that were written off or
    credited then, though opened again since; and the others, which were neither.

    The first thing that was decided of an entry after the moment tells what it was until then.
    """
    events = AuditEvent.objects.filter(firm=firm, type__in=[_WRITTEN_OFF, _OPENED], at__gte=after).order_by("number")
    first: dict[int, tuple[str, datetime]] = {}
    for kind, subject, data, at in events.values_list("type", "subject", "data", "at").iterator():
        was = str(data.get("was", "")) if kind == _OPENED else ""
        first.setdefault(int(subject.removeprefix("entry ")), (was, at))
    out = {entry for entry, (was, _at) in first.items() if was == _State.WRITTEN_OFF}
    credited = {entry: at for entry, (was, at) in first.items() if was == _State.CREDITED}
    # One that was on an invoice in between was credited only after that.
    for ids in portions(credited):
        claims = Claim.objects.of_entries().filter(firm=firm, entry_remote_id__in=ids)
        for entry, posted_at in claims.filter(line__invoice__posted_at__gte=after).values_list(
            "entry_remote_id", "line__invoice__posted_at"
        ):
            if posted_at is not None and entry in credited and posted_at < credited[entry]:
                del credited[entry]
    out |= credited.keys()
    return sorted(out), sorted(first.keys() - out)


# --- their sums -------------------------------------------------------------------------------------------------------


class _Sums:
    """Sums of entries by what tells one row from another, as they are added and taken away again."""

    def __init__(self, dossiers: Mapping[int, Dossier], as_of: date) -> None:
        self._dossiers = dossiers
        self._rows: dict[_Key, Row] = {}
        self._by_band = {}
        for band in BANDS:
            first, last = band.days(as_of)
            self._by_band[band.name] = Q(day__lte=last) if first is None else Q(day__gte=first, day__lte=last)

    def add(self, hours: QuerySet[LedgerRow], sign: int = 1) -> None:
        """Take these in, or out again (-1). A name is the last one of the alphabet where there are several."""
        client = Case(When(buyer_key="", then=F("client_name")), default=Value(""))
        values = {band: Sum(rate.value(), filter=days) for band, days in self._by_band.items()}
        found = (
            hours.order_by()
            .annotate(client=client)
            .values("dossier_id", "buyer_key", "client", "product_reference", "entry__person_remote_id")
            .annotate(
                name=Max("buyer_name"),
                person=Max("entry__person_name"),
                entries=Count("pk"),
                unpriced=Count("pk", filter=Q(price__isnull=True)),
                # `seconds` is a column of the rows: the sum goes by another name.
                total=Sum(rate.time()),
                **{f"band_{place}": values[band.name] for place, band in enumerate(BANDS)},
            )
        )
        for each in cast(Iterable[dict[str, Any]], found.iterator()):
            key = (
                each["dossier_id"],
                each["buyer_key"],
                each["client"],
                each["product_reference"],
                each["entry__person_remote_id"] or 0,
            )
            row = self._rows.get(key)
            if row is None:
                dossier = self._dossiers[each["dossier_id"]]
                row = Row(dossier, each["buyer_key"], "", "", each["client"], each["product_reference"], "")
                self._rows[key] = row
            row.customer_name = max(row.customer_name, each["name"])
            row.person = max(row.person, each["person"])
            row.entries += sign * each["entries"]
            row.unpriced += sign * each["unpriced"]
            row.seconds += sign * each["total"]
            for place, band in enumerate(BANDS):
                row.bands[band.name] += sign * euro(each[f"band_{place}"])

    def rows(self) -> list[Row]:
        """Those that hold any entry, with the numbers of their customers."""
        found = [row for row in self._rows.values() if row.entries]
        names = {(row.dossier.pk, row.buyer_key): row.customer_name for row in found}
        whose = named(self._dossiers, names)
        for row in found:
            row.customer_vat = whose[row.dossier.pk, row.buyer_key].number
        return sorted(
            found,
            key=lambda row: (row.dossier.key, row.customer_name, row.buyer_key, row.client, row.product, row.person),
        )
