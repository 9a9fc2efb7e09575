"""Work in progress: age bands, the split of an amount to the cent, lock-up (design section 11). Pure.

Ages are whole days; amounts are Decimals in euro.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import NamedTuple, TypeVar

from invoicing.rules.billing.rating import CENT, worth

_Key = TypeVar("_Key", bound=Hashable)
YEAR = 365
"""Days over which lock-up is reckoned: so much was billed, and so long it took to be paid."""


class Band(NamedTuple):
    """An age band by its name: hours that are ``youngest`` to ``oldest`` days old; None: however old."""

    name: str
    youngest: int
    oldest: int | None

    def holds(self, age: int) -> bool:
        """Whether hours of this age, in days, are in it."""
        return self.youngest <= age and (self.oldest is None or age <= self.oldest)

    def days(self, as_of: date) -> tuple[date | None, date]:
        """The first (None: any) and the last day of work whose hours are in it on a day."""
        first = None if self.oldest is None else as_of - timedelta(days=self.oldest)
        return first, as_of - timedelta(days=self.youngest)


BANDS = (Band("0-30", 0, 30), Band("31-60", 31, 60), Band("61-90", 61, 90), Band("over_90", 91, None))


def spread(amount: Decimal, weights: Mapping[_Key, Decimal | int]) -> dict[_Key, Decimal]:
    """An amount in proportion to weights, in cents that add up to exactly it; in equal parts when all weights are 0.

    Each part is cut to the cent, toward zero; the cents that are left go to the parts that lost most by it, the first
    of equals first. ``amount`` is a whole number of cents, and may be negative; weights are not. Raises ValueError for
    a negative weight, or when there is nothing to spread over.
    """
    if not weights:
        raise ValueError(f"There is nothing to spread {amount} over.")
    if any(weight < 0 for weight in weights.values()):
        raise ValueError(f"Cannot spread {amount} by a negative weight.")
    total = sum((Fraction(weight) for weight in weights.values()), Fraction(0))
    cents = abs(int(amount.scaleb(2)))
    exact = {
        key: cents * (Fraction(weight) / total if total else Fraction(1, len(weights)))
        for key, weight in weights.items()
    }
    parts = {key: share.numerator // share.denominator for key, share in exact.items()}
    left = cents - sum(parts.values())
    for key in sorted(exact, key=lambda key: parts[key] - exact[key])[:left]:
        parts[key] += 1
    sign = -1 if amount < 0 else 1
    return {key: Decimal(sign * part).scaleb(-2) for key, part in parts.items()}


class Sold(NamedTuple):
    """A block of prepaid hours at Billit: its line (row id), its seconds, its price an hour in euro, and the seconds
    that hours drew of it, beyond its end, too."""

    line: int
    seconds: int
    price: Decimal
    drawn: int


def paid_by_blocks(blocks: Iterable[Sold]) -> dict[int, Decimal]:
    """By block (line), in euro: what is billed of the hours that drew it. ``blocks``: of one agreement, oldest first.

    What was drawn beyond the end of a block is paid by the next one, at its price, or by nothing while there is none.
    The parts that a block pays, each rounded, add up to its amount once nothing is left of it.
    """
    found: dict[int, Decimal] = {}
    owed: list[tuple[int, int]] = []
    for block in blocks:
        found[block.line] = Decimal("0.00")
        owed.append((block.line, block.drawn))
        paid, still_owed = 0, list[tuple[int, int]]()
        for line, seconds in owed:
            now = min(seconds, block.seconds - paid)
            found[line] += worth(paid + now, block.price) - worth(paid, block.price)
            paid += now
            if seconds > now:
                still_owed.append((line, seconds - now))
        owed = still_owed
    return found


def per_cent(billed: Decimal, value: Decimal) -> Decimal | None:
    """Realisation: what was billed in per cent of the value at rate, half up to a tenth; None where that is 0."""
    return None if value <= 0 else (billed * 100 / value).quantize(Decimal("0.1"), ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class LockUp:
    """How long money is tied up, in days with one decimal; None where it is not known.

    ``in_progress``: how many days of the year's billing the work in progress is. ``until_paid``: from an invoice's date
    to its payment, the mean by amount.
    """

    in_progress: Decimal | None
    until_paid: Decimal | None

    @property
    def days(self) -> Decimal | None:
        """Both together, when both are known."""
        if self.in_progress is None or self.until_paid is None:
            return None
        return self.in_progress + self.until_paid


def lock_up(*, value: Decimal, billed: Decimal, paid: Decimal, amount_days: Decimal) -> LockUp:
    """``value``: of the work in progress; ``billed``: in the year before; ``paid``: what was paid in it of invoices of
    which the day is known, and ``amount_days`` the sum of each such amount times the days that it took."""
    return LockUp(
        None if billed <= 0 else _days(value * YEAR / billed), None if paid <= 0 else _days(amount_days / paid)
    )


def _days(exact: Decimal) -> Decimal:
    return exact.quantize(Decimal("0.1"), ROUND_HALF_UP)


def euro(cents: int | Decimal | None) -> Decimal:
    """A sum of cents in euro, with two decimals."""
    return Decimal(cents or 0).scaleb(-2).quantize(CENT)
