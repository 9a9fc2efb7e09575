"""The annex of hours of an invoice: every entry that a line bills, with its time and its time as rounded. Pure.

Belgian firms promise it in their own terms ("a list of the work with minutes"). It names no price and no VAT, which
stand on the invoice; of a line with a discount it says what that is on, and why, and of a settlement by how much its
VAT differs from that of one invoice for all (design section 11). Seconds are raw, quantities are hours
as billed; both are negative on a line that takes hours off.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from invoicing.rules.billing.rating import Rounding, round_seconds

NOTHING = Decimal("0.00")

_TURNING = frozenset(map(chr, (0x200E, 0x200F, 0x061C, *range(0x202A, 0x202F), *range(0x2066, 0x206A))))


@dataclass(frozen=True, slots=True)
class AnnexEntry:
    """One entry as it was billed. `day`: local day of the firm. `rounded`: seconds, None where the line is rounded."""

    day: date
    person: str
    text: str
    seconds: int
    rounded: int | None


@dataclass(frozen=True, slots=True)
class AnnexLine:
    """A line of the invoice with its entries; `quantity` in hours as on the invoice, negative where hours go off.

    `value` and `amount` in euro excl. VAT before and after a discount, with its `reason`: of a line that has one."""

    position: int
    description: str
    quantity: Decimal
    seconds: int
    entries: tuple[AnnexEntry, ...]
    value: Decimal = NOTHING
    amount: Decimal = NOTHING
    reason: str = ""


@dataclass(frozen=True, slots=True)
class EarlierFee:
    """A fee on an earlier invoice (its number) with hours that it covers and that its own annex does not list: they
    were worked after that. They are in no sum of the annex."""

    description: str
    invoice: str
    seconds: int
    entries: tuple[AnnexEntry, ...]


@dataclass(frozen=True, slots=True)
class Annex:
    """All that an annex says. `about`: the number of the invoice that a credit note takes back, "" of an invoice.

    `language`: one of en, fr, nl, de. `left`: title and hours left of each prepaid agreement of theirs. `vat_apart`:
    of a settlement, by how many euro the VAT of it and of what it deducts differs from that of one invoice for all.
    `earlier`: fees of earlier invoices with the hours that they cover and no annex listed yet."""

    language: str
    firm: str
    customer: str
    customer_number: str
    reference: str
    title: str
    purchase_order: str
    about: str
    period_from: date
    period_till: date
    rounding: Rounding
    lines: tuple[AnnexLine, ...]
    left: tuple[tuple[str, Decimal], ...] = ()
    vat_apart: Decimal = NOTHING
    earlier: tuple[EarlierFee, ...] = ()

    @property
    def seconds(self) -> int:
        """Raw seconds of all lines."""
        return sum(line.seconds for line in self.lines)

    @property
    def quantity(self) -> Decimal:
        """Hours of all lines, as billed."""
        return sum((line.quantity for line in self.lines), NOTHING)

    @property
    def entries(self) -> int:
        """How many entries it lists."""
        return sum(len(line.entries) for line in self.lines) + sum(len(fee.entries) for fee in self.earlier)

    def digest(self) -> str:
        """SHA-256 of all that it says: equal for equal content, whatever the files look like."""
        lines = [
            [
                line.position,
                line.description,
                str(line.quantity),
                line.seconds,
                _said(line.entries),
                *([str(line.value), str(line.amount), line.reason] if line.reason else []),
            ]
            for line in self.lines
        ]
        said = {
            "language": self.language,
            "firm": self.firm,
            "customer": [self.customer, self.customer_number],
            "reference": self.reference,
            "title": self.title,
            "purchase_order": self.purchase_order,
            "about": self.about,
            "period": [f"{self.period_from}", f"{self.period_till}"],
            "rounding": self.rounding.frozen(),
            "lines": lines,
            # An annex of before says the same as it did.
            **({"left": [[title, str(hours)] for title, hours in self.left]} if self.left else {}),
            **({"vat_apart": str(self.vat_apart)} if self.vat_apart else {}),
            **(
                {"earlier": [[e.description, e.invoice, e.seconds, _said(e.entries)] for e in self.earlier]}
                if self.earlier
                else {}
            ),
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _said(entries: Iterable[AnnexEntry]) -> list[list[str | int | None]]:
    return [[f"{e.day}", e.person, e.text, e.seconds, e.rounded] for e in entries]


def rounded(seconds: int, rounding: Rounding) -> int | None:
    """An entry's seconds by the rounding of the invoice (R5); None where the line is rounded as a whole."""
    return None if rounding.level == "line" and rounding.minutes else round_seconds(seconds, rounding)


def clock(seconds: int, *, brief: bool = False) -> str:
    """Seconds as h:mm:ss; `brief`: as h:mm where they are whole minutes."""
    minutes, rest = divmod(abs(seconds), 60)
    text = f"{minutes // 60}:{minutes % 60:02}" + ("" if brief and not rest else f":{rest:02}")
    return f"-{text}" if seconds < 0 else text


def plain(text: str) -> str:
    """A text of somebody else's on one line: control characters are blanks; halves of surrogate pairs, and signs that
    turn the direction of writing, are left out."""
    found = "".join(" " if unicodedata.category(sign) == "Cc" else sign for sign in text)
    return " ".join("".join(sign for sign in found if sign not in _TURNING and not _is_half(sign)).split())


def _is_half(sign: str) -> bool:
    return unicodedata.category(sign) == "Cs"
