"""From judged entries to invoices (design R5 to R10): the preview and the run ask the same `plan`.

The plan depends on what the entries are, never on the order in which they come. Days are local days of the firm,
durations are raw seconds, amounts are Decimals in euro.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from invoicing.rules.agreements.blocks import Drawing, Ordered, blocks_due, draw
from invoicing.rules.agreements.blocks import Drawn as Drawn
from invoicing.rules.agreements.fees import Agreed as Agreed
from invoicing.rules.agreements.fees import Hung as Hung
from invoicing.rules.agreements.fees import Lines, lines_due
from invoicing.rules.agreements.settlement import deduct_all, settlements
from invoicing.rules.billing.differences import corrected_texts
from invoicing.rules.billing.discounts import Written as Written
from invoicing.rules.billing.discounts import kept
from invoicing.rules.billing.grouping import Group, group_of, line_texts
from invoicing.rules.billing.lines import Difference as Difference
from invoicing.rules.billing.lines import Due as Due
from invoicing.rules.billing.lines import LineKind as LineKind
from invoicing.rules.billing.lines import PlannedLine as PlannedLine
from invoicing.rules.billing.lines import Settled
from invoicing.rules.billing.lines import Terms as Terms
from invoicing.rules.billing.lines import Withheld as Withheld
from invoicing.rules.billing.lines import language_of as language_of
from invoicing.rules.billing.lines import period_title as period_title
from invoicing.rules.billing.prices import EarlierPrice, price_of_day
from invoicing.rules.billing.rating import billed_seconds, hours, line_total, totals, vat_of
from invoicing.rules.judging.judge import Judge
from invoicing.rules.judging.mapping import Buyer, Entry, Product, State, Treatment, Verdict
from invoicing.rules.text import text_key

HELD = "held"
ROUNDS_TO_ZERO = "rounds_to_zero"
CORRECTION_WAITS = "correction_waits"
BLOCK_WAITS = "block_waits"
NOT_OVER = "not_over"
"""Not among those that are skipped: see `Plan.not_over`."""

_WORKED = (State.open, State.covered, State.on_account)

_TO_BILL = (State.open, State.on_account)

InvoiceKey = tuple[str, str, str, bool]
"""What one invoice is made for (R7): the buyer, the two references, and whether it is outside the scope of VAT."""


@dataclass(frozen=True, slots=True)
class PlannedInvoice:
    """One invoice. The VAT treatment stands on each line; that of `buyer` says nothing here, but that `outside_scope`
    never shares an invoice with another (EN 16931, BR-O-11). `block`: the agreement (id) of which it bills a block of
    prepaid hours and nothing else."""

    buyer: Buyer
    period_from: date
    period_till: date
    title: str
    lines: tuple[PlannedLine, ...]
    total_excl: Decimal
    total_vat: Decimal
    total_incl: Decimal
    earlier: EarlierPrice | None = None
    block: int | None = None

    @property
    def key(self) -> InvoiceKey:
        """What it is made for."""
        return _key(self.buyer, self.lines[0].treatment)

    @property
    def outside_scope(self) -> bool:
        """Whether its lines are outside the scope of VAT."""
        return self.lines[0].treatment is Treatment.outside_scope


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry up to the cut-off that is not billed now: a reason of attention, `held`, `rounds_to_zero` or
    `block_waits`: the block that shall pay it is ordered, and no order at Billit yet; or, of its difference to what was
    billed, `correction_waits`: the next invoice would not be above zero."""

    entry: int
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do: invoices by the buyer's name, skipped entries by their id, and the ids of those that are
    open and not over yet. `withheld`: what is due of agreements and cannot be billed; `hung`: hours that lines of
    earlier invoices cover from now on; `drawn`: those that blocks of prepaid hours pay from now on."""

    invoices: tuple[PlannedInvoice, ...]
    skipped: tuple[Skipped, ...]
    not_over: tuple[int, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    hung: tuple[Hung, ...] = ()
    drawn: tuple[Drawn, ...] = ()


class _Work(NamedTuple):
    """An open entry with what it is billed as."""

    entry: Entry
    product: Product
    price: Decimal
    rate: Decimal
    buyer: Buyer
    group: Group
    ignored_tags: tuple[str, ...]
    settled: Settled | None
    late_through: date | None


def plan(
    entries: Iterable[Entry],
    *,
    judge: Judge,
    terms: Terms,
    held: Collection[int] = (),
    differences: Iterable[Difference] = (),
    at_their_day: Collection[InvoiceKey] = (),
    agreed: Agreed | None = None,
    written: Mapping[InvoiceKey, Sequence[Written]] | None = None,
) -> Plan:
    """The invoices for all open entries up to the cut-off, and every entry up to it that a person has to look at.

    Differences stand last on the invoice of their customer, each on a line of its own; one that takes more off than
    the invoice holds waits. Settled hours have lines of their own, and what is deducted stands behind them. Lines of
    agreements stand first (`agreed`; None: none are billed). Hours of the invoices `at_their_day` are billed at the
    price of their own day, however the dossier bills. `written`: the lines of drafts with a discount, which stays with
    them. Raises ValueError for an unknown grouping. Rules: design R5 to R10, sections 6 and 11."""
    held = frozenset(held)
    settling = {} if agreed is None else {each.agreement: each for each in settlements(judge.agreements, terms.cut_off)}
    skipped: list[Skipped] = []
    not_over: list[int] = []
    invoices: defaultdict[InvoiceKey, list[_Work]] = defaultdict(list)
    covered: defaultdict[int, list[Entry]] = defaultdict(list)
    ordered = sorted(entries, key=lambda entry: (entry.start, entry.id))
    stocks = agreed.stocks if agreed is not None and agreed.only is None else None
    drawing = draw(ordered, judge=judge, terms=terms, stocks=stocks, held=held)
    for entry in ordered:
        if entry.day > terms.cut_off:
            continue
        verdict = drawing.instead.get(entry.id) or judge.verdict(entry)
        settled = settling.get(verdict.agreement or 0)
        if verdict.reason is not None:
            skipped.append(Skipped(entry.id, verdict.reason.value))
        elif (why := _kept_back(entry, verdict, held, drawing)) is not None:
            skipped.append(Skipped(entry.id, why))
        elif verdict.state not in _WORKED or (
            verdict.state is State.on_account and not (settled and entry.day <= settled.through)
        ):
            continue
        elif terms.now is not None and entry.end > terms.now:
            not_over.append(entry.id)
        elif verdict.state is State.covered:
            covered[verdict.agreement or 0].append(entry)
        else:
            work = _work(entry, verdict, terms, settled, agreed or Agreed())
            invoices[_key(work.buyer, work.buyer.treatment)].append(work)
    billed: dict[InvoiceKey, tuple[Buyer, list[PlannedLine]]] = {}
    earlier: dict[InvoiceKey, EarlierPrice] = {}
    for key, works in invoices.items():
        lines, zero = _lines(works, terms)
        if (dated := _dated(works, terms)) != works:
            then, zero_then = _lines(dated, terms)
            is_billed = key in at_their_day
            earlier[key] = EarlierPrice(
                seconds=sum(work.entry.seconds for work, other in zip(works, dated, strict=True) if work != other),
                difference=sum((line.total for line in lines), Decimal(0)) - sum(line.total for line in then),
                billed=is_billed,
            )
            lines, zero = (then, zero_then) if is_billed else (lines, zero)
        skipped.extend(Skipped(entry.id, ROUNDS_TO_ZERO) for entry in zero)
        if lines:
            billed[key] = min((work.buyer for work in works), key=_fullest), lines
    fees = Lines() if agreed is None else lines_due(judge, terms, agreed, covered)
    for buyer, line in reversed(fees.lines):
        billed.setdefault(_key(buyer, buyer.treatment), (buyer, []))[1].insert(0, line)
    _keep(billed, written or {})
    not_deducted = [] if agreed is None else deduct_all(billed, settling.values(), agreed.advances, terms)
    skipped.extend(_correct(billed, differences, terms))
    planned = [
        replace(_invoice(buyer, lines, terms), earlier=earlier.get(key)) for key, (buyer, lines) in billed.items()
    ]
    blocks, withheld = _blocks(judge, terms, agreed, drawing)
    planned += blocks
    return Plan(
        tuple(sorted(planned, key=lambda invoice: (*_place(invoice.buyer), invoice.outside_scope, invoice.block or 0))),
        tuple(sorted(skipped, key=lambda skip: skip.entry)),
        tuple(sorted(not_over)),
        (*fees.withheld, *withheld, *not_deducted),
        tuple(fees.hung),
        tuple(drawing.drawn),
    )


def _kept_back(entry: Entry, verdict: Verdict, held: Collection[int], drawing: Drawing) -> str | None:
    """Why an hour that the rules leave to be billed is not: a person holds it, or it waits for its block."""
    if verdict.state in _TO_BILL and entry.id in held:
        return HELD
    return BLOCK_WAITS if entry.id in drawing.waiting else None


def _blocks(
    judge: Judge, terms: Terms, agreed: Agreed | None, drawing: Drawing
) -> tuple[list[PlannedInvoice], list[Withheld]]:
    """The blocks of prepaid hours that the run bills, each on an invoice of its own, and those that cannot be."""
    if agreed is None:
        return [], []
    found = blocks_due(judge, terms, agreed.stocks, drawing.left, agreed.only)
    withheld = [each for each in found if isinstance(each, Withheld)]
    return [block_invoice(each, terms) for each in found if isinstance(each, Ordered)], withheld


def block_invoice(ordered: Ordered, terms: Terms) -> PlannedInvoice:
    """The invoice of a block of prepaid hours: it bills nothing else."""
    return replace(_invoice(ordered.buyer, [ordered.line], terms), block=ordered.agreement.id)


def _key(buyer: Buyer, treatment: Treatment) -> InvoiceKey:
    """What one invoice is made for (R7)."""
    return buyer.key, buyer.purchase_order, buyer.buyer_reference, treatment is Treatment.outside_scope


def _work(entry: Entry, verdict: Verdict, terms: Terms, settled: Settled | None, agreed: Agreed) -> _Work:
    product, buyer = verdict.product, verdict.buyer
    if buyer is None or product is None or product.price is None or product.vat_rate is None:
        raise ValueError(f"Entry {entry.id} is judged open without a customer, a product, a price or a VAT rate.")
    # Hours on account are late where their agreement was settled over them, not where a run went by.
    late_through = terms.late_through if settled is None else agreed.of(settled.agreement).settled
    group = group_of(entry, terms.group_by)
    rest = verdict.ignored_tags, settled, late_through
    return _Work(entry, product, product.price, product.vat_rate, buyer, group, *rest)


def _dated(works: list[_Work], terms: Terms) -> list[_Work]:
    """The same at the price of the day of each entry, as far as that is a price that can be billed."""
    if all(len(work.product.prices) < 2 for work in works):
        return works
    decimals = terms.price_decimals
    return [work._replace(price=price_of_day(work.product, work.entry.day, decimals) or work.price) for work in works]


def _lines(works: Sequence[_Work], terms: Terms) -> tuple[list[PlannedLine], list[Entry]]:
    """The lines of one invoice in their order, and the entries of those that come to 0.00 hours."""
    grouped: defaultdict[tuple[object, ...], list[_Work]] = defaultdict(list)
    for work in works:
        together = work.product.id, work.price, work.rate, work.buyer.treatment, work.group.key, work.settled
        grouped[together].append(work)
    lines: list[PlannedLine] = []
    zero: list[Entry] = []
    for of_line in sorted(grouped.values(), key=_line_place):
        line = _line(of_line, terms)
        if line.quantity:
            lines.append(line)
        else:
            zero.extend(line.entries)
    return lines, zero


def _keep(
    billed: dict[InvoiceKey, tuple[Buyer, list[PlannedLine]]], written: Mapping[InvoiceKey, Sequence[Written]]
) -> None:
    """Put the discounts of drafts on the lines that take their place."""
    for key in billed.keys() & written.keys():
        buyer, lines = billed[key]
        billed[key] = buyer, kept(lines, written[key])


def _correct(
    billed: dict[InvoiceKey, tuple[Buyer, list[PlannedLine]]],
    differences: Iterable[Difference],
    terms: Terms,
) -> Iterable[Skipped]:
    """Put the differences on the invoices: those with more hours first, then those that take off as long as something
    is left to pay. Gives those that stay behind."""
    due = [difference for difference in differences if difference.entry.day <= terms.cut_off]
    for difference in sorted(due, key=lambda each: (each.hours < 0, each.entry.start, each.entry.id, each.correction)):
        if not difference.hours:
            yield Skipped(difference.entry.id, ROUNDS_TO_ZERO)
            continue
        key = _invoice_of(difference, billed)
        buyer, lines = billed.get(key, (difference.buyer, []))
        line = _difference_line(difference, buyer, terms)
        sums = totals((each.vat_rate, each.total) for each in (*lines, line))
        if min(sums.excl, sums.incl) > 0:
            billed[key] = buyer, [*lines, line]
        else:
            yield Skipped(difference.entry.id, CORRECTION_WAITS)


def _invoice_of(difference: Difference, billed: Collection[InvoiceKey]) -> InvoiceKey:
    """The customer's invoice with the same references; else another of theirs, since there may never be one."""
    own = _key(difference.buyer, difference.treatment)
    others = (key for key in billed if (key[0], key[-1]) == (own[0], own[-1]))
    return own if own in billed else min(others, default=own)


def _difference_line(difference: Difference, buyer: Buyer, terms: Terms) -> PlannedLine:
    entry = difference.entry
    description, extended = corrected_texts(
        difference.description,
        difference.description_extended,
        difference.number,
        entry.day,
        language_of(buyer.language, terms.language),
    )
    return PlannedLine(
        product=difference.product,
        description=description,
        description_extended=extended,
        # What takes hours off has a negative quantity: a negative price is refused as an e-invoice (BR-27).
        quantity=difference.hours,
        unit_price=difference.unit_price,
        vat_rate=difference.vat_rate,
        ventilation_code=difference.ventilation_code,
        treatment=difference.treatment,
        total=line_total(difference.hours, difference.unit_price) - difference.discount.amount,
        seconds=difference.seconds,
        late=terms.late_through is not None and entry.day <= terms.late_through,
        entries=(entry,),
        difference=difference,
        discount=difference.discount,
    )


def _line_place(works: Sequence[_Work]) -> tuple[object, ...]:
    last = works[-1]
    product = last.product
    settled = "" if last.settled is None else last.settled.key
    return product.reference, last.group.order, product.id, last.price, last.rate, last.buyer.treatment, settled


def _line(works: Sequence[_Work], terms: Terms) -> PlannedLine:
    # A project or a person that was renamed in between is shown by the name that its latest entry has.
    last = works[-1]
    treatment = last.buyer.treatment
    description, extended = line_texts(last.product.description.strip() or last.product.reference, last.group.shown)
    entries = tuple(work.entry for work in works)
    quantity = hours(billed_seconds((entry.seconds for entry in entries), terms.rounding))
    rate, code = vat_of(treatment, last.rate, terms.exempt_code)
    return PlannedLine(
        product=last.product,
        description=description,
        description_extended=extended,
        quantity=quantity,
        unit_price=last.price,
        vat_rate=rate,
        ventilation_code=code,
        treatment=treatment,
        total=line_total(quantity, last.price),
        seconds=sum(entry.seconds for entry in entries),
        late=last.late_through is not None and any(entry.day <= last.late_through for entry in entries),
        entries=entries,
        settled=last.settled,
        ignored_tags=_by_key(tag for ignored in {work.ignored_tags for work in works} for tag in ignored),
    )


def _by_key(tags: Iterable[str]) -> tuple[str, ...]:
    """Each tag once, in one of its spellings."""
    found: dict[str, str] = {}
    for tag in sorted(set(tags)):
        found.setdefault(text_key(tag), tag)
    return tuple(found[key] for key in sorted(found))


def _invoice(buyer: Buyer, lines: Sequence[PlannedLine], terms: Terms) -> PlannedInvoice:
    # The period is that of the hours; the days that are merely corrected count when there is nothing else.
    hours_of = [line for line in lines if line.difference is None] or lines
    days = [day for line in hours_of for day in line.days]
    first, last = min(days), max(days)
    sums = totals((line.vat_rate, line.total) for line in lines)
    return PlannedInvoice(
        buyer=buyer,
        period_from=first,
        period_till=last,
        title=buyer.buyer_reference or period_title(first, last, buyer.language, terms.language),
        lines=tuple(lines),
        total_excl=sums.excl,
        total_vat=sums.vat,
        total_incl=sums.incl,
    )


def _fullest(buyer: Buyer) -> tuple[object, ...]:
    """Two Toggl clients may be one customer: the same of them names the invoice each time, one with a number first."""
    return not buyer.number, buyer.name.casefold(), buyer.name, buyer.number, buyer.language, buyer.treatment


def _place(buyer: Buyer) -> tuple[str, str, int, str, str]:
    return buyer.name.casefold(), buyer.number, buyer.party_id or 0, buyer.purchase_order, buyer.buyer_reference
