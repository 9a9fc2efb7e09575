"""Prepaid hours (design section 11): which hours draw which block, and the blocks that a run bills. Pure.

Left and drawn are whole seconds: an hour with two decimals is 36 of them at least.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from invoicing.rules.agreement import Agreement, Kind
from invoicing.rules.billing.grouping import line_texts
from invoicing.rules.billing.lines import Due, LineKind, PlannedLine, Terms, Withheld
from invoicing.rules.billing.rating import CENT, Rounding, line_total, round_seconds, vat_of
from invoicing.rules.judging.judge import Judge
from invoicing.rules.judging.mapping import Buyer, Entry, Reason, State, Verdict


@dataclass(frozen=True, slots=True)
class Block:
    """A block on a posted invoice: the line (row id) that bills it, its number, its hours, and the seconds drawn."""

    line: int
    part: int
    hours: Decimal
    drawn: int = 0


@dataclass(frozen=True, slots=True)
class Stock:
    """The blocks of an agreement before a run: the posted ones, oldest first, and how many were ever made.

    `waits`: one is ordered that Billit does not have yet, and that the run leaves as it is. `draft`: number and day of
    the order of one that the run draws anew.
    """

    blocks: tuple[Block, ...] = ()
    made: int = 0
    waits: bool = False
    draft: tuple[int, date] | None = None

    @property
    def is_ordered(self) -> bool:
        """Whether a block waits."""
        return self.waits or self.draft is not None

    @property
    def left(self) -> int:
        """The seconds left of all blocks; below zero by less than one entry."""
        return sum(_seconds(block.hours) - block.drawn for block in self.blocks)

    @property
    def draws(self) -> bool:
        """Whether hours in scope are paid by blocks, or wait for one."""
        return self.is_ordered or self.left > 0


@dataclass(frozen=True, slots=True)
class Drawn:
    """Hours that the block of a line (row id) pays from now on, in the order of their start, with the `seconds` by
    which each draws it; `left`: what the agreement has left after them."""

    line: int
    agreement: int
    key: str
    entries: tuple[Entry, ...]
    seconds: tuple[int, ...]
    left: int


@dataclass(slots=True)
class Drawing:
    """What a run draws. `instead`: the verdicts (by entry) of the hours that drew or found no block to draw, `waiting`:
    those that wait for one. `left`: by agreement, the seconds that are left."""

    drawn: list[Drawn] = field(default_factory=list)
    waiting: set[int] = field(default_factory=set)
    instead: dict[int, Verdict] = field(default_factory=dict)
    left: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ordered:
    """A block to be billed, as a line with its buyer."""

    agreement: Agreement
    line: PlannedLine
    buyer: Buyer


def drawn_seconds(seconds: int, rounding: Rounding) -> int:
    """By how much an entry draws a block: rounded as R5 says at entry level; where a dossier rounds lines, as it is."""
    return seconds if rounding.level == "line" else round_seconds(seconds, rounding)


def draw(
    ordered: Sequence[Entry],
    *,
    judge: Judge,
    terms: Terms,
    stocks: Mapping[int, Stock] | None,
    held: Collection[int] = (),
) -> Drawing:
    """Let hours up to the cut-off draw their blocks; `ordered`: in the order of their start. Without `stocks` all wait.

    Each draws the oldest block with something left, and stays whole on the one that it crosses the end of. What finds
    none is billed by the hour, or waits where a block is ordered.
    """
    found = Drawing()
    if not any(agreement.draws for agreement in judge.agreements):
        return found
    candidates: defaultdict[int, list[Entry]] = defaultdict(list)
    for entry in ordered:
        if entry.day <= terms.cut_off and entry.id not in held and (terms.now is None or entry.end <= terms.now):
            verdict = judge.verdict(entry)
            if verdict.state is State.open and verdict.agreement is not None:
                candidates[verdict.agreement].append(entry)
    for agreement in judge.agreements:
        if stocks is None:
            found.waiting |= {entry.id for entry in candidates[agreement.id]}
        elif agreement.kind == Kind.prepaid:
            stock = stocks.get(agreement.id, Stock())
            _draw(agreement, stock, candidates[agreement.id], judge, terms, found)
    return found


def _draw(
    agreement: Agreement, stock: Stock, entries: Iterable[Entry], judge: Judge, terms: Terms, found: Drawing
) -> None:
    left = {block.line: _seconds(block.hours) - block.drawn for block in stock.blocks}
    lines, short = list(left), 0
    beyond: list[Entry] = []
    by_line: defaultdict[int, list[tuple[Entry, int]]] = defaultdict(list)
    total = stock.left
    for entry in entries:
        while lines and left[lines[0]] + short <= 0:
            # The next block begins with what this one is below zero.
            short += left.pop(lines.pop(0))
        if not lines:
            beyond.append(entry)
            continue
        seconds = drawn_seconds(entry.seconds, terms.rounding)
        left[lines[0]] -= seconds
        total -= seconds
        by_line[lines[0]].append((entry, seconds))
        found.instead[entry.id] = Verdict(State.prepaid, agreement=agreement.id)
    found.left[agreement.id] = total
    if stock.is_ordered or is_short(agreement, stock, total, terms.cut_off):
        found.waiting |= {entry.id for entry in beyond}
    else:
        found.instead |= {entry.id: judge.by_the_hour(entry) for entry in beyond}
    for line, pairs in by_line.items():
        hours, seconds_of = zip(*pairs, strict=True)
        found.drawn.append(Drawn(line, agreement.id, agreement.key, hours, seconds_of, total))


def is_short(agreement: Agreement, stock: Stock, left: int, day: date | None = None) -> bool:
    """Whether the next block is due with `left` seconds, of an agreement that is in force on a day: a person ordered
    the first, and none waits."""
    if agreement.refill_at is None or stock.waits or not stock.blocks:
        return False
    return left < _seconds(agreement.refill_at) and (day is None or agreement.in_force(day))


def blocks_due(
    judge: Judge,
    terms: Terms,
    stocks: Mapping[int, Stock],
    left: Mapping[int, int],
    only: Collection[tuple[int, date]] | None,
) -> list[Ordered | Withheld]:
    """The blocks that a run bills: those that wait as drafts, and the next one where fewer hours are left than the
    agreement says. `only`: the orders (agreement, day) that it may bill, instead."""
    found: list[Ordered | Withheld] = []
    for agreement in judge.agreements:
        if agreement.kind != Kind.prepaid:
            continue
        stock = stocks.get(agreement.id, Stock())
        if only is not None:
            days = sorted(day for of, day in only if of == agreement.id)
            found += [order(judge, terms, agreement, stock.made + n, day) for n, day in enumerate(days, start=1)]
        elif stock.draft is not None:
            found.append(order(judge, terms, agreement, *stock.draft))
        elif is_short(agreement, stock, left.get(agreement.id, stock.left), terms.cut_off):
            found.append(order(judge, terms, agreement, stock.made + 1, terms.cut_off))
    return found


def order(judge: Judge, terms: Terms, agreement: Agreement, part: int, day: date) -> Ordered | Withheld:
    """The block of this number, ordered on a local day: one line with its buyer, or why it cannot be billed."""
    buyer, reason = judge.billed_to(agreement)
    product, unfit = judge.product_for(agreement.product, buyer, is_priced=False)
    reason = reason or unfit
    if reason is not None or buyer is None or product is None or product.vat_rate is None:
        return Withheld(agreement.key, day, reason or Reason.unknown_product)
    quantity, price = (agreement.hours or Decimal(0)).quantize(CENT), agreement.price or Decimal(0)
    rate, code = vat_of(buyer.treatment, product.vat_rate, terms.exempt_code)
    shown = "" if agreement.title == product.description.strip() else agreement.title
    description, extended = line_texts(product.description.strip() or product.reference, shown)
    line = PlannedLine(
        product=product,
        description=description,
        description_extended=extended,
        quantity=quantity,
        unit_price=price,
        vat_rate=rate,
        ventilation_code=code,
        treatment=buyer.treatment,
        total=line_total(quantity, price),
        seconds=0,
        late=False,
        entries=(),
        kind=LineKind.block,
        due=Due(
            agreement=agreement.id,
            key=agreement.key,
            version=agreement.version,
            period=day,
            part=part,
            due_on=day,
            first=day,
            last=day,
        ),
    )
    return Ordered(agreement, line, buyer)


def _seconds(hours: Decimal) -> int:
    return int(hours * 3600)
