"""Work in progress as its page shows it: by what is asked for, in age bands, with bars."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from invoicing.rules.wip import BANDS
from invoicing.web.wip.filters import Filter
from invoicing.wip.as_of import Row

WIDTH = 1000
"""Of a bar, in its own units."""
LABELS: dict[str, str | Promise] = {
    "0-30": _("up to 30 days"),
    "31-60": _("31 to 60 days"),
    "61-90": _("61 to 90 days"),
    "over_90": _("over 90 days"),
}
COLOURS = {"0-30": "invoiced", "31-60": "open", "61-90": "drafted", "over_90": "attention"}
"""The state whose colour a band has: the older, the louder."""


class Slice(NamedTuple):
    """A part of a bar: from where, how wide."""

    name: str
    label: str | Promise
    colour: str
    value: Decimal
    start: int
    width: int


@dataclass(slots=True)
class Sum:
    """Hours that belong together: what they are called, where they stand, seconds, value by age band."""

    name: str = ""
    more: str = ""
    href: str = ""
    entries: int = 0
    unpriced: int = 0
    seconds: int = 0
    bands: dict[str, Decimal] = field(default_factory=lambda: {band.name: Decimal("0.00") for band in BANDS})

    @property
    def value(self) -> Decimal:
        """In euro."""
        return sum(self.bands.values(), Decimal(0))

    @property
    def ages(self) -> list[tuple[str | Promise, Decimal]]:
        """The value of each age band, with what that is called."""
        return [(LABELS[band], value) for band, value in self.bands.items()]

    def add(self, row: Row) -> None:
        """Take a row in."""
        self.entries += row.entries
        self.unpriced += row.unpriced
        self.seconds += row.seconds
        for band, value in row.bands.items():
            self.bands[band] += value

    def slices(self, most: Decimal) -> list[Slice]:
        """Its bar, as wide as the whole when its value is ``most``."""
        found, start = [], 0
        for band, value in self.bands.items():
            width = int(value * WIDTH / most) if most > 0 else 0
            if value > 0:
                found.append(Slice(band, LABELS[band], COLOURS[band], value, start, max(width, 2)))
                start += max(width, 2)
        return found


class Line(NamedTuple):
    """A row of the page's table, with its bar."""

    sum: Sum
    slices: list[Slice]


def whole(rows: Iterable[Row]) -> Sum:
    """All of them together."""
    found = Sum()
    for row in rows:
        found.add(row)
    return found


def grouped(rows: Iterable[Row], asked: Filter) -> list[Sum]:
    """By what is asked for, the most value first."""
    sums = defaultdict[Hashable, Sum](Sum)
    for row in rows:
        key, name, more, href = _named(row, asked)
        found = sums[key]
        found.name, found.more, found.href = name, more, href
        found.add(row)
    return sorted(sums.values(), key=lambda each: (-each.value, -each.seconds, each.name.casefold(), each.more))


def lines(sums: Iterable[Sum], most: Decimal) -> list[Line]:
    """Sums with their bars."""
    return [Line(each, each.slices(most)) for each in sums]


def _named(row: Row, asked: Filter) -> tuple[Hashable, str, str, str]:
    """What tells a row's group from others, what it is called, what stands below, and where its hours are."""
    match asked.by:
        case "product":
            return row.product, row.product or "–", "", ""
        case "person":
            return row.person, row.person or "–", "", _hours(person=row.person)
        case "dossier":
            return row.dossier.pk, row.dossier.name, "", reverse("firm:dossier", args=[row.dossier.key])
    if row.buyer_key:
        return row.customer, row.customer_name, row.customer_vat, _hours(customer=row.customer_name)
    return row.customer, row.client or "–", "", _hours(client=row.client)


def _hours(**asked: str) -> str:
    if not all(asked.values()):
        return ""
    return f"{reverse('firm:all_hours')}?{urlencode(asked)}"
