"""The ledger's sums by dossier and month, and whether they balance (design section 6). Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from invoicing.ledger import months as kept
from invoicing.ledger.invariants.invariants import Broken
from invoicing.models import Dossier, LedgerRow

_State = LedgerRow.State


@dataclass(frozen=True, slots=True)
class Tally:
    """A number of entries and their seconds."""

    entries: int = 0
    seconds: int = 0


@dataclass(slots=True)
class Month:
    """A dossier's month: tallies by state, by reason of attention and of open corrections, and what does not hold."""

    dossier: Dossier
    month: date
    states: dict[str, Tally] = field(default_factory=lambda: {state: Tally() for state in _State.values})
    attention: dict[str, Tally] = field(default_factory=dict)
    corrections: Tally = Tally()
    broken: list[Broken] = field(default_factory=list)

    @property
    def balanced(self) -> bool:
        """Everything that must hold does."""
        return not self.broken


def months(*, dossiers: Sequence[Dossier], month: date | None = None) -> list[Month]:
    """The books of dossiers, by dossier key and month (``month``: the first day of the only one wanted), as kept."""
    found: dict[tuple[int, date], Month] = {}
    by_id = {dossier.pk: dossier for dossier in dossiers}
    only = {} if month is None else {"month": month}
    if month is not None:
        found = {(dossier.pk, month): Month(dossier, month) for dossier in dossiers}

    def sheet(dossier_id: int, of: date) -> Month:
        return found.setdefault((dossier_id, of), Month(by_id[dossier_id], of))

    for row in kept.sums(dossiers, "dossier_id", "month", "state", "reason", **only):
        of, tally = sheet(row["dossier_id"], row["month"]), Tally(row["count"], row["total"])
        before = of.states[row["state"]]
        of.states[row["state"]] = Tally(before.entries + tally.entries, before.seconds + tally.seconds)
        if row["reason"]:
            of.attention[row["reason"]] = tally
        corrected = Tally(of.corrections.entries + row["corrected"], of.corrections.seconds + row["difference"])
        of.corrections = corrected
    for each in kept.broken(dossiers=dossiers, month=month):
        # A month of which nothing is in the books has no rows, and is told all the same.
        sheet(each.dossier, each.month).broken.append(each)
    return sorted(found.values(), key=lambda result: (result.dossier.key, result.month))
