"""The cells of one row of a file, each taken as what it shall be; what will not do is noted at its column."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from django.utils.translation import gettext as _

from invoicing.rules.cells import plain

_BIGGEST_ID = 2**63 - 1
_YES = frozenset({"yes", "true", "1", "oui", "vrai", "ja", "waar"})
_NO = frozenset({"no", "false", "0", "non", "faux", "nee", "onwaar"})


@dataclass(slots=True)
class Row:
    """One row of a file while it is read; ``faults``: sentences by column. A taker that meets one gives a stand-in."""

    cells: Mapping[str, str]
    faults: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def fault(self, column: str, sentence: str) -> None:
        """Note what is wrong with a cell."""
        self.faults[column].append(sentence)

    def text(self, column: str, *, longest: int = 200, required: bool = False) -> str:
        """A text of one line."""
        value = self.cells.get(column, "")
        if required and not value:
            self.fault(column, _("must not be empty."))
        elif len(value) > longest:
            self.fault(column, _("has %(n)d characters; the longest is %(most)d.") % {"n": len(value), "most": longest})
        elif not value.isprintable():
            self.fault(column, _("holds control characters, such as a line break."))
        else:
            return value
        return ""

    def number_or_none(self, column: str, *, least: int = 1, most: int = _BIGGEST_ID) -> int | None:
        """A whole number, None for an empty cell."""
        value = self.cells.get(column, "")
        if not value:
            return None
        try:
            number = int(value)
        except ValueError:
            self.fault(column, _("“%(value)s” is not a whole number.") % {"value": value[:40]})
            return None
        if not least <= number <= most:
            self.fault(column, _("%(value)s is out of range.") % {"value": value[:40]})
            return None
        return number

    def number(self, column: str, default: int | None = None, *, least: int = 1, most: int = _BIGGEST_ID) -> int:
        """A whole number; one without a default must be there."""
        if default is None and not self.cells.get(column):
            self.fault(column, _("must not be empty."))
        found = self.number_or_none(column, least=least, most=most)
        return (default or 0) if found is None else found

    def choice(self, column: str, choices: Sequence[str], default: str) -> str:
        """One of these words, in any case."""
        value = self.cells.get(column, "").lower()
        if not value:
            return default
        if value not in choices:
            words = {"value": value[:40], "choices": ", ".join(choices)}
            self.fault(column, _("“%(value)s” is not known; use one of %(choices)s.") % words)
            return default
        return value

    def flag(self, column: str, *, default: bool) -> bool:
        """Yes or no."""
        value = self.cells.get(column, "").lower()
        if value in _YES | _NO:
            return value in _YES
        if value:
            self.fault(column, _("“%(value)s” is neither yes nor no.") % {"value": value[:40]})
        return default

    def day(self, column: str) -> date:
        """A day, as 2026-09-01 or 01/09/2026."""
        value = self.cells.get(column, "")
        for pattern in ("%Y-%m-%d", "%d/%m/%Y"):
            try:
                return datetime.strptime(value, pattern).date()  # noqa: DTZ007 - a day has no zone
            except ValueError:
                continue
        self.fault(column, _("“%(value)s” is not a day; write it such as 2026-09-01.") % {"value": value[:40]})
        return date.min

    def money_or_none(self, column: str) -> Decimal | None:
        """An amount in euro, None for an empty cell."""
        value = self.cells.get(column, "").replace(",", ".")
        if not value:
            return None
        try:
            amount = Decimal(value)
            if amount.is_finite() and 0 <= amount < 10**12 and amount == round(amount, 2):
                return amount.quantize(Decimal("0.01"))
        except InvalidOperation:
            pass
        self.fault(column, _("“%(value)s” is not an amount; write it such as 5000.00.") % {"value": value[:40]})
        return None

    def numbers(self, column: str) -> frozenset[int]:
        """Ids, separated by blanks."""
        words = self.cells.get(column, "").split()
        found = {int(word) for word in words if word.isascii() and word.isdigit() and 0 < int(word) <= _BIGGEST_ID}
        if len(found) != len(words):
            self.fault(column, _("needs ids, each once, with blanks between them."))
        return frozenset(found)


def cell(value: object) -> str:
    """What a person typed, whatever the spreadsheet made of it: 10.0 is 10, and a date is a day."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, date) else plain(value)
