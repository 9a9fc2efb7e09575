"""After billing: what a difference and a credit note amount to (design section 6). Seconds in, hours out.

A line is given as the billed seconds of its entries by their id. All reckoning goes over the whole line, since a line
may be rounded as a whole (R5): what is taken off it is the line as it was less the line as the others alone make it.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from decimal import Decimal

from invoicing.rules.billing.grouping import line_texts
from invoicing.rules.billing.rating import Rounding, billed_seconds, hours

_CORRECTED = {
    "de": "Korrektur der Rechnung {number} vom {day}",
    "en": "Correction of invoice {number}, {day}",
    "fr": "Correction de la facture {number}, {day}",
    "nl": "Correctie van factuur {number}, {day}",
}
_CREDITED = {
    "de": "Gutschrift zur Rechnung {number}",
    "en": "Credit for invoice {number}",
    "fr": "Note de crédit sur la facture {number}",
    "nl": "Creditnota bij factuur {number}",
}
LANGUAGES = frozenset(_CREDITED)


def unsettled(difference: int, accepted: int) -> tuple[int, int]:
    """Mirrored less billed seconds, parted: what is still to be decided, and what an earlier acceptance covers.

    An acceptance covers a difference of its own direction, up to its own size: who forgave an hour has not forgiven
    two, and forgave nothing of an hour that was billed too much.
    """
    covered = 0
    if difference > 0 and accepted > 0:
        covered = min(difference, accepted)
    elif difference < 0 and accepted < 0:
        covered = max(difference, accepted)
    return difference - covered, covered


def line_hours(seconds: Iterable[int], rounding: Rounding) -> Decimal:
    """The hours that a line bills for its entries' raw seconds (R5)."""
    return hours(billed_seconds(seconds, rounding))


def credited_hours(line: Mapping[int, int], gone: Collection[int], rounding: Rounding) -> Decimal:
    """The hours that a credit note takes off a line for the entries that go: never negative, 0.00 when the rounding
    hides them. The line less this is the line that the entries that stay make alone.

    Raises KeyError for an entry that is not on the line."""
    staying = dict(line)
    for entry in set(gone):
        del staying[entry]
    return line_hours(line.values(), rounding) - line_hours(staying.values(), rounding)


def differing_hours(line: Mapping[int, int], changes: Iterable[tuple[int, int]], rounding: Rounding) -> list[Decimal]:
    """The hours of each change (entry, seconds more or fewer) of a line, one after the other: what the line bills with
    it less what it bills without. Negative when fewer. Together they make the line that all changes lead to.

    Raises KeyError for an entry that is not on the line, ValueError when less than nothing would be left of one."""
    now_is = dict(line)
    before = line_hours(now_is.values(), rounding)
    found = []
    for entry, seconds in changes:
        now_is[entry] += seconds
        after = line_hours(now_is.values(), rounding)
        found.append(after - before)
        before = after
    return found


def corrected_texts(description: str, extended: str, number: str, day: date, language: str) -> tuple[str, str]:
    """Description and DescriptionExtended of a line that corrects an invoice: what was billed, then which invoice and
    day, in the customer's language (one of `LANGUAGES`)."""
    words = _CORRECTED[language].format(number=number, day=f"{day:%d/%m}/{day.year:04}")
    return line_texts(_short(description + extended, words), words)


def credited_texts(description: str, extended: str, number: str, language: str) -> tuple[str, str]:
    """The same of a line of a credit note, which names the invoice."""
    words = _CREDITED[language].format(number=number)
    return line_texts(_short(description + extended, words), words)


def _short(text: str, words: str) -> str:
    """The two texts of a line together hold 1024 characters: the words at the end are not the ones that are cut."""
    longest = 1024 - len(words) - 3
    return text if len(text) <= longest else text[: longest - 1] + "…"
