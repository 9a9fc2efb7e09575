"""The value of an hour at its rate, as the database reckons it (design section 11).

An entry's own price (R4; once it is on an invoice, that of its line) times its time, rounded half up to the cent before
values are added: a sum is that of the rows beside it, whatever they are grouped by. Its time is rounded as R5 says
where the dossier rounds each entry; where it rounds lines, there is no line yet, and the raw time counts.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Case, DecimalField, F, Func, IntegerField, Q, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Greatest

from invoicing.models import Dossier, LedgerRow


class Cents(Func):
    """Seconds at a price per hour (euro) in whole cents, half away from zero, as ``rating.worth`` has it."""

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


def time() -> Combinable:
    """The raw seconds of a ledger row; of one that is billed, those that were billed of it."""
    billed = F("seconds") - F("accepted_seconds") - F("correction_seconds")
    return Case(When(state=LedgerRow.State.INVOICED, then=billed), default=F("seconds"), output_field=IntegerField())


def value() -> Cents:
    """The value of a ledger row at its rate, in cents; NULL where it has no price."""
    return Cents(F("price"), _rounded(time()))


def _rounded(seconds: Combinable) -> Combinable:
    """R5 (``rating.round_seconds``) by the rule of the row's dossier, where that rounds each entry."""
    step = F("dossier__rounding_minutes") * 60
    lift = Case(
        When(dossier__rounding_direction=Dossier.Direction.UP, then=step - 1),
        When(dossier__rounding_direction=Dossier.Direction.NEAREST, then=step / 2),
        default=Value(0),
        output_field=IntegerField(),
    )
    stepped = Case(
        When(dossier__rounding_minutes=0, then=seconds),
        # Whole numbers, whose quotient both databases cut.
        default=(seconds + lift) / step * step,
        output_field=IntegerField(),
    )
    return Case(
        When(~Q(dossier__rounding_level=Dossier.Level.ENTRY) | Q(seconds=0), then=seconds),
        default=Greatest(stepped, F("dossier__rounding_minimum") * 60),
        output_field=IntegerField(),
    )
