"""What a firm agreed with a customer of a dossier on how hours are billed (design section 11)."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum, auto


class Kind(StrEnum):
    """How it bills: a fixed fee for each period, hours covered or extra; advances, which a settlement of the hours
    deducts; blocks of prepaid hours, which are drawn down."""

    fixed = auto()
    advance = auto()
    prepaid = auto()


class Every(StrEnum):
    """Of which calendar period an amount is; once: of the whole agreement."""

    month = auto()
    quarter = auto()
    year = auto()
    once = auto()


class PartPeriods(StrEnum):
    """How a period is billed that the first or the last day of the agreement cuts."""

    full = auto()
    days = auto()


@dataclass(frozen=True, slots=True)
class Agreement:
    """A fee agreement. `start` and `end` are local days of the firm, both included; no `end`: it goes on.

    Its customer is that of a Toggl client (`client_id`) or has a VAT number (`number`); one of the two is given. It
    covers all hours of the customer or, where `products` (references) or `projects` (Toggl ids) are named, theirs.
    `amount` in euro without VAT for each period of `every`, as the product of the reference `product`; `in_advance`:
    due on the period's first day, else on its last. `included_hours` of a period are covered, what is beyond them is
    billed as `extra_product`; None: all hours are. Advances: `plan` has their days and amounts; without one there is an
    `amount` for each period of `every`, due on its first day, the first one on `start`. The hours are settled with each
    `settle_on` ("MM-DD", "" for none), with the last day, and up to `settled_through`, for which a person asked. `id`
    and `version` are those of the row, `books_from` is the start
    of its dossier: what fell due before that was billed elsewhere.

    Prepaid: a block is `hours` at `price` each as `product`; the run drafts the next one when fewer than `refill_at`
    are left (None: a person orders each). `budget_hours` and `budget_amount` (euro): what is planned of a period, or
    until the next settlement; None: nothing is. `draws`: a block waits or has something left, so that hours in scope
    draw it.
    """

    key: str
    title: str
    start: date
    product: str
    amount: Decimal = Decimal(0)
    every: str = Every.month.value
    kind: str = Kind.fixed.value
    client_id: int | None = None
    number: str = ""
    end: date | None = None
    products: tuple[str, ...] = ()
    projects: tuple[int, ...] = ()
    in_advance: bool = False
    included_hours: Decimal | None = None
    extra_product: str = ""
    part_periods: str = PartPeriods.full.value
    plan: tuple[tuple[date, Decimal], ...] = ()
    settle_on: str = ""
    settled_through: date | None = None
    id: int = 0
    version: int = 0
    client_name: str = ""
    books_from: date = date.min
    hours: Decimal | None = None
    price: Decimal | None = None
    refill_at: Decimal | None = None
    draws: bool = False
    budget_hours: Decimal | None = None
    budget_amount: Decimal | None = None

    def in_force(self, day: date) -> bool:
        """Whether hours of this day fall under it."""
        return self.start <= day and (self.end is None or day <= self.end)


def may_overlap(one: Agreement, other: Agreement) -> bool:
    """Whether one hour of the same customer could fall under both: their days meet, and their own lists do not part
    them. Lists part two scopes when both name products alone, or both projects alone, and none in common."""
    if (one.end is not None and one.end < other.start) or (other.end is not None and other.end < one.start):
        return False
    if one.products and other.products and not one.projects and not other.projects:
        return bool({*map(str.casefold, one.products)} & {*map(str.casefold, other.products)})
    if one.projects and other.projects and not one.products and not other.products:
        return bool({*one.projects} & {*other.projects})
    return True
