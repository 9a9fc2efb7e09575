"""Fixed fees and advances (design section 11): the lines that a run bills of them, and the hours that each period's
fee covers."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from invoicing.rules.agreement import Agreement, Every, Kind
from invoicing.rules.agreements.advances import advances_due
from invoicing.rules.agreements.blocks import Stock
from invoicing.rules.agreements.periods import Period, due, fee, period_of
from invoicing.rules.agreements.settlement import Advance
from invoicing.rules.billing.grouping import line_texts
from invoicing.rules.billing.lines import Due, LineKind, PlannedLine, Terms, Withheld, language_of, period_title
from invoicing.rules.billing.rating import CENT, billed_seconds, hours, line_total, vat_of
from invoicing.rules.judging.judge import Judge
from invoicing.rules.judging.mapping import Buyer, Entry, Product, Reason

_BEYOND = {
    "de": "über die %s enthaltenen Stunden hinaus",
    "en": "beyond the %s hours included",
    "fr": "au-delà des %s heures comprises",
    "nl": "boven de %s inbegrepen uren",
}
_BilledAs = tuple[Buyer | None, Product | None, Reason | None]


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of an agreement before a run; drafts that the run draws anew do not count.

    `fees`: the lines (row ids) that bill a period or an advance, by the period's key; `brought`: the keys of those that
    an order of Billit's own bills. `extras`: by period, the number
    of the latest line with extra hours and the hours that such lines bill together. `seconds`: by period, those of each
    covered hour, on a line or not. `advances`: those at Billit; `settled`: the latest day up to which an invoice that
    waits no more settles hours.
    """

    fees: Mapping[date, int] = field(default_factory=dict)
    extras: Mapping[date, tuple[int, Decimal]] = field(default_factory=dict)
    seconds: Mapping[date, Collection[int]] = field(default_factory=dict)
    advances: tuple[Advance, ...] = ()
    settled: date | None = None
    brought: frozenset[date] = frozenset()

    def bills(self, period: Period) -> bool:
        """Whether a period or an advance is billed already, by a line of ours or by Billit itself."""
        return period.key in self.fees or period.key in self.brought


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a run knows of the agreements: `standing` and `stocks` of prepaid hours by agreement (id); `only`: the
    periods (agreement, key) that it may bill, and then no hour draws a block, None for all of them."""

    standing: Mapping[int, Standing] = field(default_factory=dict)
    only: frozenset[tuple[int, date]] | None = None
    stocks: Mapping[int, Stock] = field(default_factory=dict)

    def advances(self, agreement: int) -> Sequence[Advance]:
        """The advances of an agreement (id) that are at Billit."""
        return self.of(agreement).advances

    def of(self, agreement: int) -> Standing:
        """What is known of an agreement (id)."""
        return self.standing.get(agreement, Standing())


@dataclass(frozen=True, slots=True)
class Hung:
    """Hours that the line (row id) of a posted or approved invoice covers, from now on."""

    line: int
    entries: tuple[Entry, ...]


@dataclass(slots=True)
class Lines:
    """What is due: lines with their buyers, what is withheld, and the hours that come to earlier lines."""

    lines: list[tuple[Buyer, PlannedLine]] = field(default_factory=list)
    withheld: list[Withheld] = field(default_factory=list)
    hung: list[Hung] = field(default_factory=list)


def lines_due(judge: Judge, terms: Terms, agreed: Agreed, covered: Mapping[int, Iterable[Entry]]) -> Lines:
    """The lines of all agreements that are due at the cut-off and not billed yet; `covered`: the hours under each that
    are on no line yet, in the order of their start."""
    found = Lines()
    for agreement in judge.agreements:
        run = _Run(agreement, judge, terms, agreed, found)
        if agreement.kind == Kind.advance:
            run.add_advances()
        elif agreement.kind == Kind.fixed:
            run.add(covered.get(agreement.id, ()))
    return found


@dataclass(slots=True)
class _Run:
    agreement: Agreement
    judge: Judge
    terms: Terms
    agreed: Agreed
    found: Lines
    known: dict[tuple[str, bool], _BilledAs] = field(default_factory=dict)

    def add(self, covered: Iterable[Entry]) -> None:
        standing = self.agreed.of(self.agreement.id)
        over = self._over(covered)
        for period, due_on in due(self.agreement, self.terms.cut_off):
            if not self._may_bill(period):
                continue
            if not standing.bills(period):
                self._fee(period, due_on, over.pop(period.key, ()))
        for period in self._extended(standing):
            self._extra(period, standing)
        # What is left belongs to periods of which the line stands already, or is withheld.
        for key, entries in sorted(over.items()):
            if key in standing.fees:
                self.found.hung.append(Hung(standing.fees[key], tuple(entries)))

    def add_advances(self) -> None:
        """The advances that are due; one that was credited does not come due again: its line stands."""
        standing = self.agreed.of(self.agreement.id)
        for period, due_on, amount in advances_due(self.agreement, self.terms.cut_off):
            if self._may_bill(period) and not standing.bills(period):
                self._line(LineKind.advance, self.agreement.product, period, due_on, Decimal(1), amount)

    def _may_bill(self, period: Period) -> bool:
        return self.agreed.only is None or (self.agreement.id, period.key) in self.agreed.only

    def _over(self, covered: Iterable[Entry]) -> dict[date, tuple[Entry, ...]]:
        """The hours of the periods that the run has passed the end of, by period."""
        found: defaultdict[date, list[Entry]] = defaultdict(list)
        period: Period | None = None
        for entry in covered:
            # They come in their order: most lie in the period of the one before.
            if period is None or period.last is None or not period.first <= entry.day <= period.last:
                period = period_of(self.agreement, entry.day)
            if period.last is not None and period.last <= self.terms.cut_off:
                found[period.key].append(entry)
        return {key: tuple(entries) for key, entries in found.items()}

    def _extended(self, standing: Standing) -> Iterable[Period]:
        """The periods that are over and may have extra hours."""
        if self.agreement.included_hours is None:
            return
        for key in sorted(standing.seconds):
            period = period_of(self.agreement, max(key, self.agreement.start))
            is_over = period.last is not None and period.last <= self.terms.cut_off
            if is_over and self._may_bill(period):
                yield period

    def _fee(self, period: Period, due_on: date, covered: Iterable[Entry]) -> None:
        amount = fee(self.agreement, period)
        self._line(LineKind.fee, self.agreement.product, period, due_on, Decimal(1), amount, covered=tuple(covered))

    def _extra(self, period: Period, standing: Standing) -> None:
        """One line with the hours of a period beyond those that are included, less what was billed of them before."""
        worked = hours(billed_seconds(standing.seconds[period.key], self.terms.rounding))
        part, billed = standing.extras.get(period.key, (0, Decimal(0)))
        beyond = max(worked - (self.agreement.included_hours or Decimal(0)), Decimal(0))
        if beyond > billed and period.last is not None:
            quantity = beyond - billed
            self._line(LineKind.extra, self.agreement.extra_product, period, period.last, quantity, None, part + 1)

    def _line(
        self,
        kind: LineKind,
        reference: str,
        period: Period,
        due_on: date,
        quantity: Decimal,
        amount: Decimal | None,
        part: int = 0,
        covered: tuple[Entry, ...] = (),
    ) -> None:
        """`amount`: the price; None: that of the product."""
        buyer, product, reason = self._billed_as(reference, is_priced=amount is None)
        if reason is not None or buyer is None or product is None or product.vat_rate is None:
            self.found.withheld.append(Withheld(self.agreement.key, period.key, reason or Reason.unknown_product))
            return
        price = amount if amount is not None else product.price or Decimal(0)
        rate, code = vat_of(buyer.treatment, product.vat_rate, self.terms.exempt_code)
        description, extended = self._texts(kind, product, period, buyer)
        line = PlannedLine(
            product=product,
            description=description,
            description_extended=extended,
            quantity=quantity.quantize(CENT),
            unit_price=price,
            vat_rate=rate,
            ventilation_code=code,
            treatment=buyer.treatment,
            total=line_total(quantity, price),
            seconds=0,
            late=self.terms.late_through is not None and due_on <= self.terms.late_through,
            entries=(),
            kind=kind,
            due=Due(
                agreement=self.agreement.id,
                key=self.agreement.key,
                version=self.agreement.version,
                period=period.key,
                part=part,
                due_on=due_on,
                first=period.first,
                last=period.last or period.first,
            ),
            covered=covered,
        )
        self.found.lines.append((buyer, line))

    def _billed_as(self, reference: str, *, is_priced: bool) -> _BilledAs:
        """To whom and as which product; the same for every period."""
        known = self.known.get((reference, is_priced))
        if known is None:
            buyer, reason = self.judge.billed_to(self.agreement)
            product, unfit = self.judge.product_for(reference, buyer, is_priced=is_priced)
            known = self.known[reference, is_priced] = buyer, product, reason or unfit
        return known

    def _texts(self, kind: LineKind, product: Product, period: Period, buyer: Buyer) -> tuple[str, str]:
        """The product, the title, the period and, of extra hours, what they are beyond of."""
        language = language_of(buyer.language, self.terms.language)
        parts = [self.agreement.title, _words(self.agreement, period, language)]
        if kind is LineKind.extra:
            parts.append(_BEYOND[language] % _number(self.agreement.included_hours or Decimal(0), language))
        shown = " · ".join(part for part in parts if part and part != product.description.strip())
        return line_texts(product.description.strip() or product.reference, shown)


def _words(agreement: Agreement, period: Period, language: str) -> str:
    """A period of the calendar by its months, any other by its days; nothing where it has no end."""
    if period.last is None:
        return ""
    if period.first == period.last:
        return f"{period.first:%d/%m/%Y}"
    if period.is_cut or agreement.every == Every.once:
        return f"{period.first:%d/%m/%Y} – {period.last:%d/%m/%Y}"
    return period_title(period.first, period.last, language, language)


def _number(value: Decimal, language: str) -> str:
    text = f"{value.normalize():f}"
    return text if language == "en" else text.replace(".", ",")
