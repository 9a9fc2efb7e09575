"""Hours and their value by month and state, and how old the open value is: charts, and the same figures in tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db.models import Case, Count, IntegerField, Min, Q, QuerySet, Sum, Value, When
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import formats, timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from invoicing.ledger import months as kept
from invoicing.models import Dossier, LedgerRow
from invoicing.rules.billing.rating import worth
from invoicing.web.figures import SHOWN
from invoicing.web.hours.sums import WITHOUT_VALUE
from toggbill.firms.access import FirmRequest, member, member_required, visible

MONTHS = 12
"""So many months up to the current one."""
AGES = (30, 60, 90)
"""The last day of each age but the oldest, counted from the local day of the work."""
_CENT = Decimal("0.01")


@dataclass
class Cell:
    """Seconds, and their value in euro excluding VAT before rounding (None where nobody is to pay for them)."""

    seconds: int = 0
    value: Decimal | None = None

    def add(self, seconds: int, price: Decimal | None) -> None:
        """Add hours at a price; without one they are of no known value."""
        self.seconds += seconds
        if price:
            self.value = (self.value or Decimal(0)) + worth(seconds, price)


@dataclass
class Month:
    """A month's cells by state."""

    first: date
    cells: dict[str, Cell]

    @property
    def seconds(self) -> int:
        """Of all states."""
        return sum(cell.seconds for cell in self.cells.values())

    @property
    def value(self) -> Decimal:
        """Of all states that have one."""
        return sum((cell.value or Decimal(0) for cell in self.cells.values()), Decimal(0))


@dataclass
class Age:
    """Open hours by their age in days; ``label``: from and until which day."""

    label: str
    entries: int = 0
    sums: Cell = field(default_factory=Cell)
    oldest: date | None = None


@member_required()
@require_GET
def charts(request: FirmRequest) -> HttpResponse:
    """The hours of the last twelve months, of all dossiers that the member sees or of one (`dossier`: its key)."""
    dossiers = visible(member(request), Dossier.objects.all()).order_by("name", "pk")
    asked = request.GET.get("dossier", "")
    wanted = [row for row in dossiers if not asked or row.key == asked]
    if asked and not wanted:
        raise Http404
    today = timezone.localdate()
    months = by_month(wanted, today)
    occurring = {state for month in months for state in month.cells}
    states = [str(state) for state in SHOWN if state in occurring]
    priced = [state for state in states if any(month.cells.get(state, Cell()).value for month in months)]
    ages = by_age(LedgerRow.objects.filter(dossier__in=wanted), today)
    return render(
        request,
        "invoicing/charts.html",
        {
            "dossiers": dossiers,
            "chosen": wanted[0] if asked else None,
            "months": months,
            "states": states,
            "priced": priced,
            "ages": ages,
            "open": sum((age.sums.value or Decimal(0) for age in ages), Decimal(0)),
            "data": _data(months, states, priced, ages) if states else None,
        },
    )


def by_month(dossiers: Sequence[Dossier], today: date) -> list[Month]:
    """The last twelve months that hold hours, the oldest first: one query."""
    year, month = divmod(today.year * 12 + today.month - MONTHS, 12)
    since = date(year, month + 1, 1)
    found: defaultdict[date, defaultdict[str, Cell]] = defaultdict(lambda: defaultdict(Cell))
    rows = kept.sums(dossiers, "month", "state", "price", month__gte=since, month__lte=today)
    for row in rows.exclude(state=LedgerRow.State.DELETED):
        price = None if row["state"] in WITHOUT_VALUE else row["price"]
        found[row["month"]][row["state"]].add(row["total"], price)
    return [Month(first, dict(found[first])) for first in sorted(found)]


def by_age(rows: QuerySet[LedgerRow], today: date) -> list[Age]:
    """The open ones among these rows by their age in days, the youngest first: one query."""
    edges = [today - timedelta(days=days) for days in AGES]
    band = Case(
        *(When(Q(day__gte=edge), then=Value(place)) for place, edge in enumerate(edges)),
        default=Value(len(AGES)),
        output_field=IntegerField(),
    )
    found = [Age(label) for label in _labels()]
    counted = rows.filter(state=LedgerRow.State.OPEN).order_by().annotate(band=band).values("band", "price")
    for row in counted.annotate(count=Count("pk"), total=Sum("seconds"), oldest=Min("day")):
        age = found[row["band"]]
        age.entries += row["count"]
        age.sums.add(row["total"], row["price"])
        age.oldest = min(filter(None, (age.oldest, row["oldest"])))
    return found


def _labels() -> list[str]:
    starts = (0, *(days + 1 for days in AGES))
    ranges = [f"{first}–{last}" for first, last in zip(starts, AGES, strict=False)]
    return [_("%(days)s days") % {"days": each} for each in ranges] + [_("over %(n)d days") % {"n": AGES[-1]}]


def _data(months: Iterable[Month], states: Sequence[str], priced: Sequence[str], ages: Iterable[Age]) -> dict[str, Any]:
    """What the script draws: hours and euro as numbers, names as they are shown."""
    months, ages = list(months), list(ages)
    named = {str(state): str(state.label).capitalize() for state in LedgerRow.State}
    return {
        "months": [formats.date_format(month.first, "M Y" if _is_english() else "b Y") for month in months],
        "hours": [
            {"state": state, "name": named[state], "values": [_hours(month.cells.get(state)) for month in months]}
            for state in states
        ],
        "value": [
            {"state": state, "name": named[state], "values": [_euro(month.cells.get(state)) for month in months]}
            for state in priced
        ],
        "ages": [age.label for age in ages],
        "open": [{"state": "open", "name": named["open"], "values": [_euro(age.sums) for age in ages]}],
    }


def _is_english() -> bool:
    return (translation.get_language() or "en").startswith("en")


def _hours(cell: Cell | None) -> float:
    return 0.0 if cell is None else round(cell.seconds / 3600, 2)


def _euro(cell: Cell | None) -> float:
    return 0.0 if cell is None or cell.value is None else float(cell.value.quantize(_CENT, ROUND_HALF_UP))
