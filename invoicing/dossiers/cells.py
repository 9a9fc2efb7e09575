"""The rows of a sheet with their columns and types: a text is taken as what the column shall hold, or is a fault."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, BeforeValidator

from invoicing.dossiers.faults import word
from invoicing.dossiers.parsing import AMOUNT, Id, Section, raise_first, wrong
from invoicing.rules.cells import plain
from invoicing.rules.mapping import Treatment
from invoicing.rules.text import same_case_key, text_key

_YES = frozenset({"yes", "true", "1", "oui", "vrai", "ja", "waar"})
_NO = frozenset({"no", "false", "0", "non", "faux", "nee", "onwaar"})
# Python's own readers of numbers and days take 1_000 and the digits of any script.
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")
_DAYS = (
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), "%Y-%m-%d"),
    (re.compile(r"[0-9]{2}/[0-9]{2}/[0-9]{4}"), "%d/%m/%Y"),
)


def _whole(value: str) -> int:
    if not _WHOLE.fullmatch(value):
        raise wrong("not_whole", value=value)
    return int(value)


def _flag(value: str) -> bool:
    if (word := text_key(value)) not in _YES | _NO:
        raise wrong("not_yes_or_no", value=value)
    return word in _YES


def _day(value: str) -> date:
    for form, pattern in _DAYS:
        if form.fullmatch(value):
            try:
                return datetime.strptime(value, pattern).date()  # noqa: DTZ007 - a day has no zone
            except ValueError:
                break
    raise wrong("not_a_day", value=value)


def _amount(value: str) -> Decimal:
    text = value.replace(",", ".")
    if not AMOUNT.fullmatch(text):
        raise wrong("not_an_amount", value=value)
    return Decimal(text)


def _clients(value: str) -> frozenset[int]:
    words = value.split()
    found = frozenset(int(each) for each in words if _WHOLE.fullmatch(each))
    if len(found) != len(words) or not all(0 < client < 2**63 for client in found):
        raise wrong("not_ids")
    return found


def _treatment(value: str) -> str:
    raise_first(word("", value, [*map(str, Treatment)]))
    return value


Text = str | None
Word = Annotated[str | None, AfterValidator(text_key)]
Number = Annotated[int | None, BeforeValidator(_whole)]
IdCell = Annotated[Id, BeforeValidator(_whole)]
Flag = Annotated[bool | None, BeforeValidator(_flag)]


class Row(Section):
    """A row: an empty cell is not given, and so is a column that the file does not have, unless the row stands.

    Then it stays as it is (design section 12). ``as_typed``: the columns of which the cell is kept as it is; the others
    hold keys, words and numbers, which a blank of another width does not change.
    """

    as_typed: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def read(cls, cells: Mapping[str, str], stands: Mapping[str, str] | None = None) -> Self:
        """The row of these cells, by column; ``stands``: the cells of the row that it changes."""
        whole = {**(stands or {}), **cls.normalised(cells)}
        return cls.model_validate({name: text for name, text in whole.items() if name in cls.model_fields and text})

    @classmethod
    def normalised(cls, cells: Mapping[str, str]) -> dict[str, str]:
        """The cells, but for those kept as they are in one spelling."""
        return {name: text if name in cls.as_typed else same_case_key(text) for name, text in cells.items()}

    def note_missing(self, name: str) -> None:
        """Its column is there, and its cell is empty."""
        self.note(name, self.says("empty", {}))


class TagRow(Row):
    """A tag mapping."""

    needed: ClassVar[tuple[str, ...]] = ("dossier", "tag")
    as_typed: ClassVar[tuple[str, ...]] = ("tag", "product")

    dossier: Text = None
    tag: Text = None
    bill: Flag = None
    product: Text = None
    priority: Number = None


class ClientRow(Row):
    """A client mapping."""

    needed: ClassVar[tuple[str, ...]] = ("dossier", "client")
    as_typed: ClassVar[tuple[str, ...]] = ("po", "buyer_reference")

    dossier: Text = None
    client: IdCell = None
    vat: Text = None
    customer: IdCell = None
    vat_treatment: Annotated[Word, AfterValidator(_treatment)] = None
    po: Text = None
    buyer_reference: Text = None


class DossierRow(Row):
    """A dossier with its rules; workspace and company are named by the ids of Toggl and Billit."""

    needed: ClassVar[tuple[str, ...]] = ("key", "workspace", "company", "start")
    as_typed: ClassVar[tuple[str, ...]] = ("name", "default_product")

    key: Text = None
    name: Text = None
    workspace: IdCell = None
    company: IdCell = None
    start: Annotated[date | None, BeforeValidator(_day)] = None
    clients: Annotated[frozenset[int] | None, BeforeValidator(_clients)] = None
    billable: Word = None
    group_by: Word = None
    rounding_minutes: Number = None
    rounding_direction: Word = None
    rounding_level: Word = None
    rounding_minimum: Number = None
    every: Word = None
    day: Number = None
    mode: Word = None
    email_allowed: Flag = None
    auto_limit: Annotated[Decimal | None, BeforeValidator(_amount)] = None
    no_limit: Flag = None
    longest_hours: Number = None
    four_eyes: Flag = None
    deviation: Number = None
    price_decimals: Number = None
    payment_days: Number = None
    default_product: Text = None


def cell(value: object) -> str:
    """What a person typed, whatever the spreadsheet made of it: 10.0 is 10, and a date is a day."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, date) else plain(value)
