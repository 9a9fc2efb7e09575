"""What the hours of a list come to: entries, seconds and euro by state, in one query.

The value of an entry is rounded to the cent before values are added, so that a sum is that of the rows beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Count, DecimalField, F, Func, Q, QuerySet, Sum

from invoicing.models import LedgerRow
from invoicing.web.figures import SHOWN

WITHOUT_VALUE = (LedgerRow.State.RUNNING, LedgerRow.State.NOT_BILLABLE, LedgerRow.State.DELETED)
"""States of entries that nobody is to pay for as they stand, whatever product their tags lead to."""


class Cents(Func):
    """Seconds at a price per hour (euro) in whole cents, half away from zero, as ``figures.worth`` has it."""

    arity = 2
    output_field = DecimalField(max_digits=30, decimal_places=0)

    def as_postgresql(self, compiler: Any, connection: Any) -> Any:
        """Exact: numbers there have as many digits as they need."""
        return self.as_sql(compiler, connection, template="ROUND(%(expressions)s / 36)", arg_joiner=" * ")

    def as_sqlite(self, compiler: Any, connection: Any, **_extra: Any) -> tuple[str, tuple[str | int, ...]]:
        """In whole millionths of a euro: SQLite multiplies decimals as floating point."""
        (price, price_params), (seconds, seconds_params) = (
            compiler.compile(each) for each in self.get_source_expressions()
        )
        exact = f"(CAST(ROUND({price} * 1000000) AS INTEGER) * {seconds})"
        half = f"(CASE WHEN {price} < 0 THEN -18000000 ELSE 18000000 END)"
        return f"(({exact} + {half}) / 36000000)", (*price_params, *seconds_params, *price_params)


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
