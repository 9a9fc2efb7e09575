"""What is kept of months against what the rows make, added up here and by nothing of the product."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from invoicing.ledger import months
from invoicing.ledger.invariants import invariants
from invoicing.models import Dossier, LedgerRow

_Key = tuple[int, date, str, str, Decimal]
Sums = dict[_Key, tuple[int, int, int, int]]
Breaches = set[tuple[int, date, str, str]]


def counted(dossiers: Sequence[Dossier]) -> Sums:
    """Entries, seconds, corrected entries and their difference by dossier, month, state, reason and price."""
    found: defaultdict[_Key, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for row in LedgerRow.objects.filter(dossier__in=dossiers):
        is_corrected = bool(row.correction_seconds or row.correction_text)
        key = (row.dossier_id, row.day.replace(day=1), row.state, row.reason, row.price or Decimal(0))
        for place, more in enumerate((1, row.seconds, is_corrected, row.correction_seconds)):
            found[key][place] += more
    return {key: (entries, seconds, some, less) for key, (entries, seconds, some, less) in found.items()}


def kept(dossiers: Sequence[Dossier]) -> Sums:
    """The same as the database keeps it."""
    rows = months.sums(dossiers, "dossier_id", "month", "state", "reason", "price")
    return {
        (row["dossier_id"], row["month"], row["state"], row["reason"], row["price"]): (
            row["count"],
            row["total"],
            row["corrected"],
            row["difference"],
        )
        for row in rows
    }


def breaches(dossiers: Sequence[Dossier]) -> Breaches:
    """What does not hold, asked of the rows."""
    return _told(invariants.broken(dossiers=dossiers))


def kept_breaches(dossiers: Sequence[Dossier]) -> Breaches:
    """What does not hold, by what is kept."""
    return _told(months.broken(dossiers=dossiers))


def _told(found: Sequence[invariants.Broken]) -> Breaches:
    return {(each.dossier, each.month, each.rule, each.subject) for each in found}
