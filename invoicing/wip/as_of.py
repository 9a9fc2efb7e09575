"""Work in progress at the end of a day: which hours were in it, and what they are worth at rate (section 11).

An hour is in it from its local day until the day on which its invoice was posted, or it was written off. It comes back
when it is taken off its invoice (the order replaced, or credited to be billed again) or opened again. A covered hour
leaves with the fee of its period, whether the annex lists it yet or not; a fee that was due before the dossier began
was billed elsewhere, and its hours are never in it. An hour that a block of prepaid hours pays leaves with the run that
lets it draw the block, which Billit has by then.

Hours count as the books have them now: what changed in Toggl since counts as it is now, at the price that it has now;
of a billed hour counts what was billed. When each was billed and freed stands with its claims; when it drew its block,
was written off or opened again in the audit log. The database adds up; cost: of today one reading of the unbilled
hours, of an earlier day also of the hours on invoices that were posted since, and of what was drawn and decided since.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, cast

from django.db.models import Case, Count, Exists, F, Max, OuterRef, Q, QuerySet, Sum, Value, When

from invoicing.ledger.agreements.fee_periods import before_the_books, fee_period
from invoicing.models import BroughtOrder, Claim, Dossier, InvoiceLine, LedgerRow
from invoicing.models.invoices.claims import standing_at
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
_DRAWN = STATE.event(_State.OPEN, _State.PREPAID)
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
    first_drawn = _first_drawn(firm, after)
    billing = _billing(after, first_drawn)
    waiting = own.filter(state__in=[*_BY_THE_HOUR, *([] if first_drawn is None else [_State.PREPAID])])
    in_it = [
        some.filter(~Exists(billing))
        for some in (waiting, _covered(own, after, as_of), _billed_since(own, after, firm))
    ]
    for some in in_it:
        sums.add(some)
    out, others = _decided_since(firm, after)
    for ids in portions(out):
        for some in in_it:
            sums.add(some.filter(entry__remote_id__in=ids), sign=-1)
    for ids in portions(others):
        written_off = own.filter(state=_State.WRITTEN_OFF, entry__remote_id__in=ids)
        sums.add(written_off.filter(~Exists(billing)))
    return sums.rows()


def day_after(firm: Firm, day: date) -> datetime:
    """The moment at which a local day of the firm is over."""
    return datetime.combine(day + timedelta(days=1), time(0), tzinfo=firm.zone)


# --- which hours ------------------------------------------------------------------------------------------------------


def _billing(after: datetime, first_drawn: int | None) -> QuerySet[Claim]:
    """The claim that billed an outer row's entry at that moment, or by which it drew its block: on an order at Billit,
    not taken back."""
    own = Claim.objects.filter(entry=OuterRef("entry"), line__invoice__posted_at__lt=after)
    drawn = Q(kind=Claim.Kind.PREPAID)
    if first_drawn is not None:
        drawn &= Q(pk__lt=first_drawn)
    return own.filter(standing_at(after), Q(kind=Claim.Kind.ENTRY) | drawn)


def _first_drawn(firm: Firm, after: datetime) -> int | None:
    """The first claim (row id) by which an hour drew a block since that moment, None where none did.

    A block is posted before hours draw it, so its own day does not tell. Claims have ids in the order in which they
    are made; the audit log tells how many of an entry were made since.
    """
    events = AuditEvent.objects.filter(firm=firm, type=_DRAWN, at__gte=after).order_by("number")
    since = Counter[int]()
    # The run that came first, whose claims are made together.
    first: tuple[datetime, set[int]] | None = None
    for data, at in events.values_list("data", "at").iterator():
        since.update(data["entries"])
        if first is None:
            first = at, set()
        if at == first[0]:
            first[1].update(data["entries"])
    if first is None:
        return None
    made: list[int] = []
    for ids in portions(first[1]):
        claims = Claim.objects.prepaid().filter(firm=firm, entry_remote_id__in=ids).order_by("-pk")
        for pk, entry in claims.values_list("pk", "entry_remote_id"):
            if since[entry]:
                since[entry] -= 1
                made.append(pk)
    return min(made, default=None)


def _billed_since(own: QuerySet[LedgerRow], after: datetime, firm: Firm) -> QuerySet[LedgerRow]:
    later = Claim.objects.of_entries().filter(line__invoice__firm=firm, line__invoice__posted_at__gte=after)
    return own.filter(state__in=[_State.INVOICED, _State.CREDITED], entry__in=later.values("entry"))


def _covered(own: QuerySet[LedgerRow], after: datetime, as_of: date) -> QuerySet[LedgerRow]:
    """Those of periods whose fee was no order at Billit at that moment, neither ours nor one that it made itself, and
    was not billed before the books began."""
    fees = InvoiceLine.objects.filter(kind=InvoiceLine.Kind.FEE, takes_back__isnull=True)
    fees = fees.filter(standing_at(after), agreement=OuterRef("agreement"), invoice__posted_at__lt=after)
    rows = own.filter(state=_State.COVERED).annotate(fee_period=fee_period()).exclude(before_the_books())
    own_of_billit = BroughtOrder.objects.filter(standing_at(after), order_date__lte=as_of)
    of_period = {"agreement": OuterRef("agreement"), "period": OuterRef("fee_period")}
    return rows.filter(~Exists(fees.filter(period=of_period["period"])), ~Exists(own_of_billit.filter(**of_period)))


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
