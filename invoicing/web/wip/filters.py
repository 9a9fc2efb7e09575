"""What narrows work in progress, as it stands in the address: `?as_of=2026-10-31&by=person&customer=vonk`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from invoicing.models import Dossier
from invoicing.rules import days
from invoicing.web.lookup import month_of
from invoicing.wip.as_of import Row

BY: dict[str, str | Promise] = {
    "customer": _("customer"),
    "product": _("product"),
    "person": _("person"),
    "dossier": _("dossier"),
}
"""What makes a row of the page, the first unless the address asks for another."""
_TEXTS = ("dossier", "customer", "product", "person")
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Filter:
    """Which hours are asked for. ``dossier`` is a key; customer (or Toggl client), product and person are found
    wherever the text stands in them, whatever its case."""

    as_of: date
    by: str = "customer"
    dossier: str = ""
    customer: str = ""
    product: str = ""
    person: str = ""

    @classmethod
    def of(cls, asked: QueryDict, *, today: date) -> Filter:
        """What an address asks for; today unless it names a day. Raises ``Http404`` for a day to come, too."""
        as_of, by = asked.get("as_of", ""), asked.get("by", "") or "customer"
        try:
            day = days.day(as_of) if as_of else today
        except ValueError:
            raise Http404 from None
        if by not in BY or day > today:
            raise Http404
        return cls(day, by, **{name: asked.get(name, "").strip()[:_LONGEST] for name in _TEXTS})

    def query(self, **changes: Any) -> str:
        """As it stands in an address, with these changes."""
        written = {field.name: str(getattr(self, field.name)) for field in fields(self)} | changes
        return urlencode({name: value for name, value in written.items() if value})

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return any(getattr(self, name) for name in _TEXTS)

    def dossiers(self, rows: Iterable[Dossier]) -> list[Dossier]:
        """Those of these dossiers that are asked for."""
        return [row for row in rows if self.dossier in ("", row.key)]

    def holds(self, row: Row) -> bool:
        """Whether a row of work in progress is asked for."""
        found = (
            (self.customer, f"{row.customer_name} {row.customer_vat} {row.client}"),
            (self.product, row.product),
            (self.person, row.person),
        )
        return all(text.casefold() in held.casefold() for text, held in found)


@dataclass(frozen=True, slots=True)
class Span:
    """The months of which realisation is asked for: `?from=2026-01&till=2026-10&dossier=bakery`."""

    first: date
    last: date
    dossier: str = ""

    @classmethod
    def of(cls, asked: QueryDict, *, today: date) -> Span:
        """What an address asks for: the twelve months up to this one unless it names others. Raises ``Http404``."""
        month = today.replace(day=1)
        last = month_of(asked.get("till", "")) or month
        first = month_of(asked.get("from", "")) or date(last.year - 1 + last.month // 12, last.month % 12 + 1, 1)
        if first > last:
            raise Http404
        return cls(first, last, asked.get("dossier", "").strip()[:_LONGEST])

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last day."""
        return self.first, date.fromordinal(days.next_month(self.last).toordinal() - 1)

    @property
    def query(self) -> str:
        """As it stands in an address."""
        written = {"from": f"{self.first:%Y-%m}", "till": f"{self.last:%Y-%m}", "dossier": self.dossier}
        return urlencode({name: value for name, value in written.items() if value})
