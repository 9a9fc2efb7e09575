"""Writing a line down or up (design section 11): a discount on it, in money or per cent, with a reason. Pure.

Quantity x price less the discount is the amount of the line, to the cent; quantity x price, its value at rate, stays.
A discount has the sign of the quantity; one of the other sign is a surcharge, which writes the line up.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal

from invoicing.rules.billing.lines import NO_DISCOUNT, Discount, PlannedLine
from invoicing.rules.billing.rating import CENT, line_total

FREE_PER_CENT = Decimal(10)
"""Up to so much of the value at rate whoever drafts may write a line down or up; beyond it is a right of its own."""


@dataclass(frozen=True, slots=True)
class Written:
    """A line of a draft that is drawn anew, as it was: what makes it this line, its price and value at rate in euro,
    and its discount."""

    line: tuple[object, ...]
    price: Decimal
    value: Decimal
    discount: Discount


def of_per_cent(value: Decimal, per_cent: Decimal) -> Decimal:
    """A discount of so many per cent of a value at rate, in euro, half up to cents."""
    return (value * per_cent / 100).quantize(CENT, ROUND_HALF_UP)


def share(discount: Decimal, value: Decimal, part: Decimal) -> Decimal:
    """What of a line's discount falls on a part of its value at rate, in euro, half up to cents.

    All of it on a line without value: there is no part of nothing."""
    return (discount * part / value).quantize(CENT, ROUND_HALF_UP) if value else discount


def is_free(discount: Decimal, value: Decimal) -> bool:
    """Whether it lies within the per cents that need no right of their own."""
    return abs(discount) * 100 <= abs(value) * FREE_PER_CENT


def with_discount(line: PlannedLine, discount: Discount) -> PlannedLine:
    """The line with another discount, and the amount that is left; one of 0.00 is none."""
    discount = discount if discount.amount else NO_DISCOUNT
    return replace(line, discount=discount, total=value_of(line) - discount.amount)


def kept(lines: Sequence[PlannedLine], before: Sequence[Written]) -> list[PlannedLine]:
    """Lines that are drawn anew, with the discounts of the lines whose place they take (`before`: all of that draft).

    A discount stays with what its line bills, at another price, too, where only one line can be meant; else it is gone.
    One in per cent is reckoned anew. One in money stays as it is, but is never a larger share of a line that is worth
    less now. Lines that correct an earlier invoice have the discount of theirs."""
    found = list(lines)
    left = {place: line for place, line in enumerate(found) if line.difference is None}
    waiting = list(before)
    for is_priced in (True, False):
        places, written = _grouped(left.items(), waiting, is_priced=is_priced)
        for key in places.keys() & written.keys():
            if len(places[key]) == len(written[key]) and (is_priced or len(places[key]) == 1):
                for place, each in zip(places[key], written[key], strict=True):
                    line = left.pop(place)
                    waiting.remove(each)
                    if each.discount.amount:
                        found[place] = with_discount(line, _again(each, value_of(line)))
    return found


def value_of(line: PlannedLine) -> Decimal:
    """The value at rate of a line: quantity x price in euro."""
    return line_total(line.quantity, line.unit_price)


def _grouped(
    lines: Iterable[tuple[int, PlannedLine]], before: Iterable[Written], *, is_priced: bool
) -> tuple[dict[object, list[int]], dict[object, list[Written]]]:
    places, written = defaultdict[object, list[int]](list), defaultdict[object, list[Written]](list)
    for place, line in lines:
        places[(line.key, line.unit_price) if is_priced else line.key].append(place)
    for each in before:
        written[(each.line, each.price) if is_priced else each.line].append(each)
    return places, written


def _again(before: Written, value: Decimal) -> Discount:
    discount = before.discount
    if discount.per_cent is not None:
        return replace(discount, amount=of_per_cent(value, discount.per_cent))
    return discount if value >= before.value else replace(discount, amount=share(discount.amount, before.value, value))
