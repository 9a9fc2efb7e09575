"""What the hours of a list come to: entries, seconds and euro by state, in one query.

The value of an entry is rounded to the cent before values are added, so that a sum is that of the rows beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import Count, F, Q, QuerySet, Sum

from invoicing.models import LedgerRow
from invoicing.web.figures import SHOWN
from invoicing.wip.rate import Cents

WITHOUT_VALUE = (LedgerRow.State.RUNNING, LedgerRow.State.NOT_BILLABLE, LedgerRow.State.DELETED)
"""States of entries that nobody is to pay for as they stand, whatever product their tags lead to."""


@dataclass(slots=True)
class Sums:
    """``value``: in euro, excluding VAT, of the entries that have one; ``unpriced``: how many lack it for want of a
    price."""

    entries: int = 0
    seconds: int = 0
    value: Decimal = field(default_factory=lambda: Decimal("0.00"))
    unpriced: int = 0

    def add(self, other: Sums) -> None:
        """Take another's in."""
        self.entries += other.entries
        self.seconds += other.seconds
        self.value += other.value
        self.unpriced += other.unpriced


def by_state(rows: QuerySet[LedgerRow]) -> list[tuple[str, Sums]]:
    """The states that occur among these rows, in the order of the pages, each with its sums."""
    found = {
        line["state"]: Sums(line["entries"], line["seconds"], Decimal(line["cents"] or 0).scaleb(-2), line["unpriced"])
        for line in rows.order_by()
        .values("state")
        .annotate(
            entries=Count("pk"),
            # `seconds` is a column of the rows: the sum goes by another name.
            total=Sum(F("seconds"), default=0),
            cents=Sum(Cents(F("price"), F("seconds")), filter=~Q(state__in=WITHOUT_VALUE)),
            unpriced=Count("pk", filter=Q(price__isnull=True) & ~Q(state__in=WITHOUT_VALUE)),
        )
        .values("state", "entries", "cents", "unpriced", seconds=F("total"))
    }
    return [(str(state), found[state]) for state in (*SHOWN, LedgerRow.State.DELETED) if state in found]


def together(sums: list[tuple[str, Sums]]) -> Sums:
    """Of all states."""
    whole = Sums()
    for _state, each in sums:
        whole.add(each)
    return whole
