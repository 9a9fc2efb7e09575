"""Asking what is in progress, and moving the clock."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from invoicing.models import Dossier
from invoicing.wip import as_of
from tests.invoicing.scene import Scene

TODAY = date(2026, 11, 20)


def value(books: Scene, day: date = TODAY) -> tuple[int, str]:
    """Seconds and euro of the firm."""
    found = as_of.rows(dossiers=list(Dossier.objects.filter(firm=books.firm).select_related("firm")), as_of=day)
    return sum(row.seconds for row in found), str(sum((row.value for row in found), Decimal("0.00")))


def in_progress(books: Scene, *days: int, month: int = 11) -> list[str]:
    """The value at the end of each of these days."""
    return [value(books, date(2026, month, day))[1] for day in days]


def on(books: Scene, day: int, month: int = 11) -> None:
    books.at(datetime(2026, month, day, 9, tzinfo=UTC))
