"""From seconds to hours, and from hours to money (design R5 and R6).

Seconds are whole numbers and kept raw; hours, rates (in per cent) and amounts (in euro) are Decimals. Half is rounded
up, away from zero, and VAT is reckoned once per rate (Billit docs: calculations).
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from invoicing.rules.judging.mapping import Treatment

CENT = Decimal("0.01")

_DIRECTIONS = ("up", "nearest", "down")
_LEVELS = ("entry", "line")

# Billit docs: ventilation-codes.
_DOMESTIC_CODES = {Decimal(0): 1, Decimal(6): 2, Decimal(12): 3, Decimal(21): 4}
_ZERO_RATED_CODES = {Treatment.reverse_charge: 21, Treatment.eu_services: 55, Treatment.outside_scope: 22}


@dataclass(frozen=True, slots=True)
class Rounding:
    """A dossier's rule for seconds: to multiples of `minutes` (0 = none), at least `minimum` minutes per entry.

    Raises ValueError for a negative number of minutes, an unknown direction or level."""

    minutes: int = 0
    direction: str = "up"
    level: str = "entry"
    minimum: int = 0

    def __post_init__(self) -> None:
        if self.minutes < 0 or self.minimum < 0:
            raise ValueError(f"Minutes of rounding cannot be negative: {self.minutes}, minimum {self.minimum}.")
        if self.direction not in _DIRECTIONS:
            raise ValueError(f"Unknown direction of rounding {self.direction!r}: write up, nearest or down.")
        if self.level not in _LEVELS:
            raise ValueError(f"Unknown level of rounding {self.level!r}: write entry or line.")

    def frozen(self) -> dict[str, int | str]:
        """The rule as it is kept with what was made by it; `Rounding(**frozen)` gives it back."""
        return {
            "minutes": self.minutes,
            "direction": self.direction,
            "level": self.level,
            "minimum": self.minimum,
        }


def round_seconds(seconds: int, rounding: Rounding) -> int:
    """Seconds rounded to the rule's multiple and, at entry level, raised to its minimum. Nothing worked stays nothing.

    At line level `seconds` are the line's sum. Raises ValueError for negative seconds."""
    if seconds < 0:
        raise ValueError(f"Cannot round {seconds} seconds: a duration is not negative.")
    step = rounding.minutes * 60
    if step:
        lift = {"up": step - 1, "nearest": step // 2, "down": 0}[rounding.direction]
        rounded = (seconds + lift) // step * step
    else:
        rounded = seconds
    return max(rounded, rounding.minimum * 60) if seconds and rounding.level == "entry" else rounded


def billed_seconds(seconds: Iterable[int], rounding: Rounding) -> int:
    """The seconds that a line bills for its entries' raw seconds: each rounded, then added; or added, then rounded."""
    if rounding.level == "line":
        return round_seconds(sum(seconds), rounding)
    return sum(round_seconds(each, rounding) for each in seconds)


def hours(seconds: int) -> Decimal:
    """Seconds as hours with two decimals, the most that Billit keeps, half up. To be asked once per line."""
    return (Decimal(seconds) / 3600).quantize(CENT, ROUND_HALF_UP)


def line_total(quantity: Decimal, price: Decimal) -> Decimal:
    """Quantity x unit price in euro, half up to cents."""
    return (quantity * price).quantize(CENT, ROUND_HALF_UP)


def to_cents(amount: Decimal) -> Decimal:
    """Half up, away from zero, to two decimals."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def vat_of(treatment: Treatment, product_rate: Decimal, exempt_code: int | None = None) -> tuple[Decimal, int]:
    """The VAT rate in per cent and Billit's VentilationCode of a line; `exempt_code` is that of a company which is
    exempt from VAT, for its domestic lines at 0 %.

    Raises ValueError for a domestic rate that Belgium does not have."""
    if treatment in _ZERO_RATED_CODES:
        return Decimal(0), _ZERO_RATED_CODES[treatment]
    if product_rate not in _DOMESTIC_CODES:
        raise ValueError(f"Belgium has no VAT rate of {product_rate} %: the product's rate must be 0, 6, 12 or 21.")
    if exempt_code is not None and not product_rate:
        return product_rate, exempt_code
    return product_rate, _DOMESTIC_CODES[product_rate]


def vat_on(base: Decimal, rate: Decimal) -> Decimal:
    """The VAT on a base in euro at a rate in per cent, half up to cents."""
    return (base * rate / 100).quantize(CENT, ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class VatGroup:
    """The lines of one VAT rate: their sum and the VAT on that sum, in euro."""

    rate: Decimal
    base: Decimal
    vat: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """An invoice's totals in euro, with one group per VAT rate, lowest rate first."""

    excl: Decimal
    vat: Decimal
    incl: Decimal
    groups: tuple[VatGroup, ...]


def totals(lines: Iterable[tuple[Decimal, Decimal]]) -> Totals:
    """The totals of lines given as (VAT rate in per cent, line total in euro): VAT once per rate, on the rate's sum."""
    bases: defaultdict[Decimal, Decimal] = defaultdict(lambda: Decimal("0.00"))
    for rate, total in lines:
        bases[rate] += total
    groups = tuple(VatGroup(rate, base, vat_on(base, rate)) for rate, base in sorted(bases.items()))
    excl = sum((group.base for group in groups), Decimal("0.00"))
    vat = sum((group.vat for group in groups), Decimal("0.00"))
    return Totals(excl, vat, excl + vat, groups)


def worth(seconds: int, price: Decimal) -> Decimal:
    """What raw seconds are worth at a price per hour, in euro and cents: no rounding of hours, so not an invoice."""
    return (price * seconds / 3600).quantize(CENT, ROUND_HALF_UP)
