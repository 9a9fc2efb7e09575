"""Settling hours on account (design section 11): up to which day, and what of the advances is deducted. Pure."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from invoicing.rules.agreement import Agreement, Kind
from invoicing.rules.billing.grouping import line_texts
from invoicing.rules.billing.lines import AdvanceKey, LineKind, PlannedLine, Settled, Terms, Withheld, language_of
from invoicing.rules.billing.lines import Kept as Kept
from invoicing.rules.billing.rating import vat_on
from invoicing.rules.judging.mapping import Buyer, Product, Treatment

_DEDUCTED = {
    "de": "Vorschussrechnung %s vom %s",
    "en": "advance of invoice %s of %s",
    "fr": "provision de la facture %s du %s",
    "nl": "voorschot van factuur %s van %s",
}
_ONE = Decimal("1.00")
_A_DAY = timedelta(days=1)
Room = defaultdict[tuple[Decimal, Treatment], Decimal]
"""What hours come to in euro, by VAT rate and treatment: so much can be deducted of it."""
InvoiceKey = tuple[str, str, str, bool]
"""As in `planning`."""


@dataclass(frozen=True, slots=True)
class Advance:
    """An advance at Billit: `key` tells its row, `left` what no settlement deducted and no credit note
    gave back of it, in euro. VAT, product and texts are those of its line; `number` and `dated` are its invoice's, and
    so are `party_id` and `vat_number`, its customer. `has_finding`: a person has to decide on its order first."""

    key: AdvanceKey
    due_on: date
    left: Decimal
    product: Product
    vat_rate: Decimal
    ventilation_code: int
    treatment: Treatment
    number: str
    dated: date
    party_id: int | None
    vat_number: str
    has_finding: bool = False

    def is_of(self, buyer: Buyer) -> bool:
        """Whether its invoice is this buyer's: by PartyID where both are known, else by number."""
        if buyer.party_id is not None and self.party_id is not None:
            return buyer.party_id == self.party_id
        return bool(buyer.number) and buyer.number == self.vat_number


def settled_through(agreement: Agreement, cut_off: date) -> date | None:
    """The day up to which a run with this cut-off settles the hours on account; None: it settles nothing."""
    days = [_latest(agreement.settle_on, cut_off)] if agreement.settle_on else []
    days += [day for day in (agreement.end,) if day is not None and day <= cut_off]
    days += [min(day, cut_off) for day in (agreement.settled_through,) if day is not None]
    return max((day for day in days if day >= agreement.start), default=None)


def settling(agreement: Agreement, day: date) -> tuple[date, date | None]:
    """The first and the last day of the hours that are settled together with those of a day in force; no last one: no
    settlement is fixed yet."""
    before = [agreement.settled_through] if agreement.settled_through is not None else []
    after = [agreement.end] if agreement.end is not None else []
    if agreement.settle_on:
        days = [_latest(agreement.settle_on, date(year, 12, 31)) for year in (day.year - 1, day.year, day.year + 1)]
        before += [each for each in days if each < day]
        after += [each for each in days if each >= day]
    first = max((each + _A_DAY for each in before if agreement.start <= each < day), default=agreement.start)
    return first, min(after, default=None)


def settlements(agreements: Iterable[Agreement], cut_off: date) -> Iterator[Settled]:
    """What a run with this cut-off settles."""
    for agreement in agreements:
        through = settled_through(agreement, cut_off) if agreement.kind == Kind.advance else None
        if through is not None:
            is_last = agreement.end is not None and agreement.end <= through
            yield Settled(agreement.id, agreement.key, agreement.version, through, is_last=is_last)


def _latest(day: str, cut_off: date) -> date:
    """The latest day of the year "MM-DD" up to the cut-off; 29 February is the last one of that month."""
    month, number = int(day[:2]), int(day[3:])
    for year in (cut_off.year, cut_off.year - 1):
        is_short = (month, number) == (2, 29) and (year % 4 or (not year % 100 and year % 400))
        found = date(year, month, 28 if is_short else number)
        if found <= cut_off:
            return found
    raise ValueError(f"No {day} lies within a year before {cut_off}.")


@dataclass(frozen=True, slots=True)
class Deducted:
    """Lines that take advances off an invoice, and the advances that are kept with why."""

    lines: Sequence[PlannedLine]
    kept: Sequence[tuple[Advance, Kept]]


def deduct_all(
    billed: Mapping[InvoiceKey, tuple[Buyer, list[PlannedLine]]],
    settling: Iterable[Settled],
    advances: Callable[[int], Sequence[Advance]],
    terms: Terms,
) -> list[Withheld]:
    """Take the advances (by agreement) off the invoices that settle hours: their lines are added. Gives those that are
    not deducted, and why."""
    not_deducted: list[Withheld] = []
    # Looked through once: there may be as many settlements as there are invoices.
    of_each = defaultdict[Settled, defaultdict[InvoiceKey, list[PlannedLine]]](lambda: defaultdict(list))
    for key, (_buyer, lines) in sorted(billed.items(), key=lambda each: each[0]):
        for line in lines:
            if line.settled is not None:
                of_each[line.settled][key].append(line)
    for settled in settling:
        taken = defaultdict[AdvanceKey, Decimal](Decimal)
        for key, hours in of_each.get(settled, {}).items():
            buyer, lines = billed[key]
            room: Room = defaultdict(Decimal)
            for line in hours:
                room[line.vat_rate, line.treatment] += line.total
            found = deduct(settled, room, buyer, advances(settled.agreement), taken, terms)
            lines.extend(found.lines)
            not_deducted += [Withheld(settled.key, advance.due_on, why) for advance, why in found.kept]
            for line in found.lines:
                if line.deducts is not None:
                    taken[line.deducts] -= line.total
    return not_deducted


def deduct(
    settled: Settled,
    hours: Room,
    buyer: Buyer,
    advances: Iterable[Advance],
    taken: Mapping[AdvanceKey, Decimal],
    terms: Terms,
) -> Deducted:
    """What the settlement of one agreement on one invoice deducts; `hours`: what it bills there, `taken`: what
    other invoices of this run deduct, by advance.

    Oldest due day first, each at its own rate and treatment, and never more than the hours of these come to together.
    An advance that falls due after the day of the settlement is for a later one; the last one takes them all.
    """
    room = hours.copy()
    lines: list[PlannedLine] = []
    kept: list[tuple[Advance, Kept]] = []
    for advance in sorted(advances, key=lambda each: (each.due_on, each.key)):
        left = advance.left - taken.get(advance.key, Decimal(0))
        if left <= 0 or (advance.due_on > settled.through and not settled.is_last):
            continue
        if (why := _kept(advance, buyer, room)) is not None:
            kept.append((advance, why))
            continue
        amount = min(left, room[advance.vat_rate, advance.treatment])
        if amount > 0:
            room[advance.vat_rate, advance.treatment] -= amount
            lines.append(_line(advance, amount, settled, buyer, terms))
    return Deducted(lines, kept)


def _kept(advance: Advance, buyer: Buyer, room: Collection[tuple[Decimal, Treatment]]) -> Kept | None:
    if not advance.is_of(buyer):
        return Kept.advance_other_customer
    if advance.has_finding:
        return Kept.advance_finding
    return None if (advance.vat_rate, advance.treatment) in room else Kept.advance_other_vat


def _line(advance: Advance, amount: Decimal, settled: Settled, buyer: Buyer, terms: Terms) -> PlannedLine:
    """A negative quantity: a negative price is refused as an e-invoice (BR-27)."""
    language = language_of(buyer.language, terms.language)
    shown = _DEDUCTED[language] % (advance.number, f"{advance.dated:%d/%m/%Y}")
    description, extended = line_texts(advance.product.description.strip() or advance.product.reference, shown)
    return PlannedLine(
        product=advance.product,
        description=description,
        description_extended=extended,
        quantity=-_ONE,
        unit_price=amount,
        vat_rate=advance.vat_rate,
        ventilation_code=advance.ventilation_code,
        treatment=advance.treatment,
        total=-amount,
        seconds=0,
        late=False,
        entries=(),
        kind=LineKind.deduction,
        settled=settled,
        deducts=advance.key,
    )


def vat_difference(lines: Iterable[tuple[bool, Decimal, Decimal]]) -> Decimal:
    """By how much the VAT of a settlement and of what it deducts, each reckoned on its own document, is more than that
    of one invoice for all; lines as (whether it deducts, VAT rate in per cent, amount in euro)."""
    found = Decimal("0.00")
    by_rate: defaultdict[Decimal, list[tuple[bool, Decimal]]] = defaultdict(list)
    for is_deduction, rate, total in lines:
        by_rate[rate].append((is_deduction, total))
    for rate, amounts in by_rate.items():
        deducted = [-total for is_deduction, total in amounts if is_deduction]
        whole = sum((total for is_deduction, total in amounts if not is_deduction), Decimal(0))
        parts = sum((vat_on(each, rate) for each in deducted), Decimal(0)) + vat_on(whole - sum(deducted), rate)
        found += parts - vat_on(whole, rate)
    return found
