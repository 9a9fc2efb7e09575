"""The rows of a sheet with their columns and types: a cell is taken as what the column shall hold, or is a fault."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum, auto
from typing import Annotated, ClassVar, NamedTuple, Self

from django.utils.translation import gettext_noop as _
from pydantic import AfterValidator, BeforeValidator, Field

from invoicing.dossiers.faults import word
from invoicing.dossiers.parsing import Id, Section, raise_first, wrong
from invoicing.rules.cells import neutral, plain
from invoicing.rules.judging.mapping import Treatment
from invoicing.rules.text import same_case_key, text_key

_YES = frozenset({"yes", "true", "1", "oui", "vrai", "ja", "waar"})
_NO = frozenset({"no", "false", "0", "non", "faux", "nee", "onwaar"})
# Python's own readers of numbers and days take 1_000 and the digits of any script.
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")
_ISO_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
# As Belgian spreadsheets write it: the day first, and not always two digits.
_DAY = re.compile(r"([0-9]{1,2})([/.-])([0-9]{1,2})\2([0-9]{4})")
# At one end only: 12€50 is not 1250.
_EURO = re.compile(r"\A(-?)(?:€|eur)\s*|\s*(?:€|eur)\Z", re.IGNORECASE)
_AMOUNT = re.compile(r"-?[0-9]{1,20}(?:[.,][0-9]{1,2})?")
# No group is written with a zero before it, so what stands behind the zero are decimals, however many.
_DECIMAL = re.compile(r"-?0[0-9]{0,19}[.,][0-9]{1,20}")
_GROUPED = re.compile(
    r"-?[1-9][0-9]{0,2}(?P<by>[ .,])[0-9]{3}(?:(?P=by)[0-9]{3}){0,5}(?P<cents>(?!(?P=by))[.,][0-9]{1,2})?"
)
# What parts the items of a cell that holds several texts.
_BETWEEN = ";"
_EITHER = re.compile(r"-?[1-9][0-9]{0,2}[.,][0-9]{3}")


class Cell(NamedTuple):
    """What a cell holds, as it is shown: see ``files.reader`` for the kinds. A CSV file knows text alone."""

    text: str
    kind: str = "text"


EMPTY = Cell("", "empty")


class Holds(StrEnum):
    """What the cells of a column hold. ``vat``: a text or a number, whose check digits tell whether it is whole."""

    text = auto()
    vat = auto()
    whole = auto()
    ids = auto()
    amount = auto()
    day = auto()
    flag = auto()


def _whole(value: str) -> int:
    if not _WHOLE.fullmatch(value):
        raise wrong("not_whole", value=value)
    return int(value)


def _flag(value: str) -> bool:
    if (word := text_key(value)) not in _YES | _NO:
        raise wrong("not_yes_or_no", value=value)
    return word in _YES


def _day(value: str) -> date:
    if found := _ISO_DAY.fullmatch(value):
        year, month, day = map(int, found.groups())
    elif found := _DAY.fullmatch(value):
        day, month, year = int(found[1]), int(found[3]), int(found[4])
    else:
        raise wrong("not_a_day", value=value)
    try:
        return date(year, month, day)
    except ValueError:
        raise wrong("not_a_day", value=value) from None


def amount(value: str | Decimal) -> Decimal:
    """An amount in euro as people write it: 1500,00 or 1500.00, 1.500,00, 1 500,00 or 1,500.00, with a € or without.

    One that begins with 0 is not grouped: 0,125 and 0.125 are an eighth. A number of a workbook is itself. Raises a
    fault for what is none, or could be one of two (1.500).
    """
    if isinstance(value, Decimal):
        return value
    text = _EURO.sub(r"\1", text_of(Cell(value)).replace("\N{MINUS SIGN}", "-").strip())
    if _EITHER.fullmatch(text):
        raise wrong("either_amount", value=value)
    if _AMOUNT.fullmatch(text) or _DECIMAL.fullmatch(text):
        return Decimal(text.replace(",", "."))
    if found := _GROUPED.fullmatch(text):
        cents = found["cents"] or ""
        return Decimal(text.removesuffix(cents).replace(found["by"], "") + cents.replace(",", "."))
    raise wrong("not_an_amount", value=value)


def _clients(value: str) -> frozenset[int]:
    words = value.split()
    found = frozenset(int(each) for each in words if _WHOLE.fullmatch(each))
    if len(found) != len(words) or not all(0 < client < 2**63 for client in found):
        raise wrong("not_ids")
    return found


def references_in(value: str) -> tuple[str, ...]:
    """What ``references`` has put in a cell. Raises a fault where a quotation mark stands alone."""
    try:
        found = next(csv.reader([value], delimiter=_BETWEEN, skipinitialspace=True, strict=True), [])
    except csv.Error:
        raise wrong("not_references", value=value[:60]) from None
    return tuple(filter(None, map(str.strip, found)))


def references(values: Sequence[str]) -> str:
    """A cell of these references, semicolons between; one that holds a semicolon or a quotation mark is quoted."""
    cell = io.StringIO(newline="")
    csv.writer(cell, delimiter=_BETWEEN, lineterminator="").writerow(values)
    return cell.getvalue() if any(values) else ""


def _plan(value: str) -> tuple[tuple[date, Decimal], ...]:
    found = []
    for pair in filter(None, map(str.strip, value.split(_BETWEEN))):
        day, _blank, euro = pair.partition(" ")
        found.append((_day(day), amount(euro.strip())))
    return tuple(found)


def plan(days: Iterable[tuple[str, str]]) -> str:
    """A cell of these days (ISO) and amounts."""
    return f"{_BETWEEN} ".join(f"{day} {euro}" for day, euro in days)


def _treatment(value: str) -> str:
    raise_first(word("", value, [*map(str, Treatment)]))
    return value


Text = Annotated[str | None, Holds.text]
Word = Annotated[str | None, AfterValidator(text_key), Holds.text]
VatNumber = Annotated[str | None, Holds.vat]
Number = Annotated[int | None, BeforeValidator(_whole), Holds.whole]
IdCell = Annotated[Id, BeforeValidator(_whole), Holds.whole]
Flag = Annotated[bool | None, BeforeValidator(_flag), Holds.flag]
Amount = Annotated[Decimal | None, BeforeValidator(amount), Holds.amount]
Day = Annotated[date | None, BeforeValidator(_day), Holds.day]
Ids = Annotated[frozenset[int] | None, BeforeValidator(_clients), Holds.ids]
References = Annotated[tuple[str, ...] | None, BeforeValidator(references_in), Holds.text]
Plan = Annotated[tuple[tuple[date, Decimal], ...] | None, BeforeValidator(_plan), Holds.text]

_MISFITS: Mapping[str, str] = {
    "number": _("holds the number %(value)s: format the column as text, then type it again."),
    "day": _("holds the date %(value)s: format the column as text, then type it again."),
    "moment": _("holds the date and time %(value)s: format the column as text, then type it again."),
    "time": _("holds the time %(value)s: format the column as text, then type it again."),
    "flag": _("holds the value %(value)s: format the column as text, then type it again."),
}
_NOWHERE: Mapping[str, str] = {
    "error": _("shows the error %(value)s: mend its formula, or type what it shall hold."),
    "formula": _("holds a formula without a result: open the file in your spreadsheet, save it, or type the result."),
    "long": _(
        "holds a number of more than 15 digits (%(value)s), of which a spreadsheet changes the last ones: format the "
        "column as text, then type it again."
    ),
}


class Row(Section):
    """A row: an empty cell is not given, and so is a column that the file does not have, unless the row stands.

    Then it stays as it is (design section 12). ``identity``: the columns that say which row it is. ``as_typed``: those
    of which the cell is kept as it is; the others hold keys, words and numbers, which a blank of another width does not
    change.
    """

    identity: ClassVar[tuple[str, ...]] = ()
    as_typed: ClassVar[tuple[str, ...]] = ()
    words: ClassVar[Mapping[str, str]] = {
        **_MISFITS,
        **_NOWHERE,
        "not_an_amount": _("“%(value)s” is not an amount: write it such as 1500,00."),
        "either_amount": _("“%(value)s” can be read in two ways: write it with its cents, such as 1500,00 or 1,50."),
        "not_references": _(
            "“%(value)s” has a quotation mark without its second one: write references with ; between them."
        ),
        "no_column": _("missing, and a new row needs it: add the column %(name)s to the file."),
    }

    @classmethod
    def read(cls, cells: Mapping[str, Cell], stands: Mapping[str, str] | None = None) -> Self:
        """The row of these cells, by column; ``stands``: the cells of the row that it changes."""
        texts = cls.normalised(cells)
        for name in cls.as_typed:
            # One that differs in its composition or the width of its blanks alone is the one that stands.
            if name in texts and stands and text_of(Cell(neutral(stands[name]))) == texts[name]:
                texts[name] = stands[name]
        whole = {**(stands or {}), **texts}
        known = cls.columns()
        values: dict[str, str | Decimal] = {name: text for name, text in whole.items() if name in known and text}
        amounts = {name: cell for name, cell in cells.items() if name in known and cls.holds(name) == Holds.amount}
        # A number has no separators: it is shown with a point, whatever would be in doubt in a text (1.125).
        values |= {name: Decimal(cell.text) for name, cell in amounts.items() if cell.kind == "number"}
        row = cls.model_validate(values)
        for name, cell in cells.items():
            if name in known and _misfits(cls.holds(name), cell):
                row.note_instead(name, row.says(cell.kind, {"value": cell.text}))
        for name, cell in amounts.items():
            # As its format shows it, 500 may be 0.500.
            if cell.kind == "padded" and not cell.text.isdigit():
                row.note_instead(name, row.says("either_amount", {"value": cell.text}))
        for name in cls.needed:
            if name not in whole:
                row.note_instead(name, row.says("no_column", {"name": name}))
        return row

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """Their names, in their order."""
        return tuple(cls._written())

    @classmethod
    def holds(cls, name: str) -> Holds:
        """What the cells of a column hold."""
        return next(each for each in cls._written()[name].metadata if isinstance(each, Holds))

    @classmethod
    def normalised(cls, cells: Mapping[str, Cell]) -> dict[str, str]:
        """The texts of the cells, but for those kept as they are in one spelling."""
        texts = {name: text_of(cell) for name, cell in cells.items()}
        return {name: text if name in cls.as_typed else same_case_key(text) for name, text in texts.items()}

    def note_missing(self, name: str) -> None:
        """Its column is there, and its cell is empty."""
        self.note(name, self.says("empty", {}))


def _misfits(holds: Holds, cell: Cell) -> bool:
    """Whether a cell can be nothing that its column holds; the others say for themselves what they cannot read."""
    of_text = holds == Holds.text or (holds == Holds.vat and cell.kind != "number")
    return cell.kind in _NOWHERE or (of_text and cell.kind in _MISFITS)


def text_of(cell: Cell) -> str:
    """What a person typed, whatever the spreadsheet made of it: composed, on one line of common blanks."""
    text = cell.text[:10] if cell.kind == "moment" else cell.text
    blanks = "".join(" " if unicodedata.category(sign) == "Zs" else sign for sign in unicodedata.normalize("NFC", text))
    return plain(blanks)


class TagRow(Row):
    """A tag mapping."""

    identity: ClassVar[tuple[str, ...]] = ("dossier", "tag")
    needed: ClassVar[tuple[str, ...]] = ("dossier",)
    as_typed: ClassVar[tuple[str, ...]] = ("tag", "product")

    dossier: Text = None
    tag: Text = None
    person: IdCell = None
    bill: Flag = None
    product: Text = None
    priority: Number = None


class ClientRow(Row):
    """A client mapping."""

    identity: ClassVar[tuple[str, ...]] = ("dossier", "client")
    needed: ClassVar[tuple[str, ...]] = identity
    as_typed: ClassVar[tuple[str, ...]] = ("po", "buyer_reference")

    dossier: Text = None
    client: IdCell = None
    vat: VatNumber = None
    customer: IdCell = None
    vat_treatment: Annotated[Word, AfterValidator(_treatment)] = None
    po: Text = None
    buyer_reference: Text = None


class DossierRow(Row):
    """A dossier with its rules; workspace and company are named by the ids of Toggl and Billit."""

    identity: ClassVar[tuple[str, ...]] = ("key",)
    needed: ClassVar[tuple[str, ...]] = ("key", "workspace", "company", "start")
    as_typed: ClassVar[tuple[str, ...]] = ("name", "default_product", "billed_tag")

    key: Text = None
    name: Text = None
    workspace: IdCell = None
    company: IdCell = None
    start: Day = None
    clients: Ids = None
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
    annex: Flag = None
    auto_limit: Amount = None
    no_limit: Flag = None
    longest_hours: Number = None
    four_eyes: Flag = None
    deviation: Number = None
    price_decimals: Number = None
    price_day: Word = None
    payment_days: Number = None
    default_product: Text = None
    billed_tag: Text = None


class AgreementRow(Row):
    """A fee agreement (design section 11), with the words of the onboarding file."""

    identity: ClassVar[tuple[str, ...]] = ("key",)
    needed: ClassVar[tuple[str, ...]] = ("dossier", "key", "title", "from", "product")
    as_typed: ClassVar[tuple[str, ...]] = ("title", "products", "product", "extra_product")

    dossier: Text = None
    key: Text = None
    client: IdCell = None
    vat: VatNumber = None
    title: Text = None
    kind: Word = None
    from_: Day = Field(None, alias="from")
    until: Day = None
    products: References = None
    projects: Ids = None
    product: Text = None
    amount: Amount = None
    every: Word = None
    in_advance: Flag = None
    included_hours: Amount = None
    extra_product: Text = None
    part_periods: Word = None
    plan: Plan = None
    settle_on: Text = None
    hours: Amount = None
    price: Amount = None
    refill_at: Amount = None
    budget_hours: Amount = None
    budget_amount: Amount = None
