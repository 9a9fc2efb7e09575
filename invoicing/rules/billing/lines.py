"""The lines of an invoice as a run plans them, and the words of their periods (design R7 to R10). Pure."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum, auto
from functools import lru_cache
from typing import NamedTuple

from invoicing.rules.billing.rating import Rounding
from invoicing.rules.judging.mapping import Buyer, Entry, Product, Reason, Treatment

_MONTHS = {
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "en": "January February March April May June July August September October November December",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
}


@dataclass(frozen=True, slots=True)
class Terms:
    """How one run bills: `cut_off` is the last day included; entries on or before `late_through`, the cut-off of the
    latest earlier run whose drafts no longer wait, make their line late; `language` is for buyers without one;
    `exempt_code` is the VentilationCode of a company that charges no VAT, None for all others. What ends after `now`,
    the moment of the run, waits (None: everything is over). A price with more than `price_decimals` is none that can be
    billed."""

    group_by: str
    rounding: Rounding
    cut_off: date
    late_through: date | None
    language: str
    exempt_code: int | None = None
    now: datetime | None = None
    price_decimals: int = 2


class LineKind(StrEnum):
    """What a line bills: hours; the fee of a period, the hours beyond those that it includes, an advance, a block of
    prepaid hours, or what a settlement takes off for an advance (section 11)."""

    hours = auto()
    fee = auto()
    extra = auto()
    advance = auto()
    block = auto()
    deduction = auto()


@dataclass(frozen=True, slots=True)
class Due:
    """What a line bills of an agreement (section 11): the period by its key, `first` and `last` day of it, and the
    earliest cut-off with which it is billed. `part` numbers the lines with extra hours of one period, from 1 on, and
    blocks of prepaid hours; the period of a block is the day on which it was ordered."""

    agreement: int
    key: str
    version: int
    period: date
    part: int
    due_on: date
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Discount:
    """What a person takes off a line, in euro (negative: puts on), and why; `per_cent` where it was given so."""

    amount: Decimal = Decimal("0.00")
    reason: str = ""
    per_cent: Decimal | None = None


NO_DISCOUNT = Discount()


class Kept(StrEnum):
    """Why a settlement does not deduct an advance that has something left."""

    advance_other_vat = auto()
    advance_other_customer = auto()
    advance_finding = auto()


@dataclass(frozen=True, slots=True)
class Withheld:
    """A line of an agreement (key) that is due for a period and not billed, and why; or an advance, by its day, that a
    settlement does not deduct."""

    agreement: str
    period: date
    reason: Reason | Kept


@dataclass(frozen=True, slots=True)
class Settled:
    """A settlement of the hours on account of an agreement (section 11): up to and including the day `through`.
    `is_last`: the agreement is over by then, so that no later one takes off what falls due afterwards."""

    agreement: int
    key: str
    version: int
    through: date
    is_last: bool = False


class AdvanceKey(NamedTuple):
    """An advance: the row of its line or, `is_brought`, that of the order of Billit's that bills it."""

    row: int
    is_brought: bool = False


@dataclass(frozen=True, slots=True)
class PlannedLine:
    """One line: `quantity` in hours x `unit_price` less its `discount` is `total`; `seconds` is the raw sum of its
    entries, which are in the order of their start. Quantity and seconds are negative where a difference takes hours
    off. `ignored_tags`: those of its entries that lead nowhere, in the order of their key. `due`: what it bills of an
    agreement; `covered`: the hours that such a line covers, which are no part of its seconds. `settled`: the settlement
    that its hours, or its deduction, belong to; `deducts`: the advance that it takes off."""

    product: Product
    description: str
    description_extended: str
    quantity: Decimal
    unit_price: Decimal
    vat_rate: Decimal
    ventilation_code: int
    treatment: Treatment
    total: Decimal
    seconds: int
    late: bool
    entries: tuple[Entry, ...]
    difference: "Difference | None" = None
    ignored_tags: tuple[str, ...] = ()
    kind: LineKind = LineKind.hours
    due: Due | None = None
    covered: tuple[Entry, ...] = ()
    discount: Discount = NO_DISCOUNT
    settled: Settled | None = None
    deducts: AdvanceKey | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """What makes it this line of its invoice, whatever hours and price it has (see `discounts`)."""
        due: tuple[object, ...] | None = None if self.settled is None else (self.settled.agreement, None, 0)
        if self.due is not None:
            due = self.due.agreement, self.due.period, self.due.part
        texts = self.product.reference, self.description, self.description_extended
        return (*texts, str(self.kind), self.vat_rate, str(self.treatment), due)

    @property
    def days(self) -> list[date]:
        """Local days of the firm that it is about."""
        return [entry.day for entry in self.entries] if self.due is None else [self.due.first, self.due.last]


@dataclass(frozen=True, slots=True)
class Difference:
    """What a person decided to bill, or (negative) to take off, on the next invoice of the customer (design section 6).

    `entry` says when and what was billed; `seconds` and `hours` are the difference, of one sign; price, VAT, texts and
    `buyer` are those of the line that it corrects, `number` is its invoice's; `discount` is its share of that line's.
    `correction` is our own id of it.
    """

    correction: int
    entry: Entry
    seconds: int
    hours: Decimal
    product: Product
    unit_price: Decimal
    vat_rate: Decimal
    ventilation_code: int
    treatment: Treatment
    description: str
    description_extended: str
    number: str
    buyer: Buyer
    discount: Discount = NO_DISCOUNT


@lru_cache(maxsize=1024)
def period_title(first: date, last: date, language: str, otherwise: str) -> str:
    """The months of a period in words, e.g. `Octobre – novembre 2026` (design R10).

    `language` is a code as services write it (`FR`, `fr-be`); for an unknown one `otherwise` counts, then English."""
    months = _MONTHS[language_of(language, otherwise)].split()
    start, end = months[first.month - 1], months[last.month - 1]
    if (first.year, first.month) == (last.year, last.month):
        text = f"{end} {last.year}"
    elif first.year == last.year:
        text = f"{start} – {end} {last.year}"
    else:
        text = f"{start} {first.year} – {end} {last.year}"
    return text[0].upper() + text[1:]


@lru_cache(maxsize=256)
def language_of(language: str, otherwise: str) -> str:
    """Which of the languages that we write (de, en, fr, nl) a code of a service means; see `period_title`."""
    codes = (re.split("[-_]", code.strip().lower())[0] for code in (language, otherwise))
    return next((code for code in codes if code in _MONTHS), "en")
