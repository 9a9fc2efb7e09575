"""Writing the rows of a sheet into a file that can come in again: CSV as spreadsheets of a language write it, or XLSX.

In a workbook numbers are numbers and days are dates, and the columns of texts are formatted as text, so that what is
typed there stays as it was typed. What a spreadsheet would run is neutralised (``rules.cells``).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.utils.translation import get_language, gettext
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from invoicing.dossiers.files.columns import COLUMNS, example_of, name_of
from invoicing.dossiers.sheets.cells import Holds, Row
from invoicing.rules.cells import dialect, neutral

_FORMATS: Mapping[Holds, str] = {
    Holds.text: "@",
    Holds.vat: "@",
    Holds.ids: "@",
    Holds.whole: "0",
    Holds.flag: "General",
    Holds.amount: "#,##0.00",
    Holds.day: "dd/mm/yyyy",
}
_WIDTH = 18
_WIDE = 70
# The most that a spreadsheet keeps of a number.
_DIGITS = 15
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_csv(row: type[Row], rows: Iterable[Mapping[str, str]]) -> bytes:
    """UTF-8 with the mark by which spreadsheets know it; separator and decimal mark of the reader's language."""
    columns = row.columns()
    own = dialect(get_language() or "en")
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=own.separator)
    writer.writerow(columns)
    for cells in rows:
        writer.writerow([_in_csv(row.holds(name), cells[name], own.decimal_mark) for name in columns])
    return text.getvalue().encode("utf-8-sig", "replace")


def as_xlsx(row: type[Row], rows: Iterable[Mapping[str, str]], *, title: str) -> bytes:
    """A workbook of one sheet, with the words of the onboarding file as its heading."""
    book = Workbook(write_only=True)
    _fill(book.create_sheet(_titled(title)), row, row.columns(), rows)
    return _saved(book)


def template(row: type[Row], *, title: str) -> bytes:
    """A workbook to fill in: the heading and a row of examples, and a second sheet that says what belongs in them.

    All in the reader's language.
    """
    columns = COLUMNS[row]
    book = Workbook(write_only=True)
    example = {name: example_of(row, name) for name in columns}
    _fill(book.create_sheet(_titled(title)), row, [name_of(row, name) for name in columns], [example])
    sheet: Any = book.create_sheet(_titled(gettext("Explanation")))
    for letter, width in (("A", _WIDTH), ("B", _WIDE), ("C", _WIDTH)):
        sheet.column_dimensions[letter].width = width
    sheet.append(
        [_bold(sheet, word) for word in (gettext("Column"), gettext("What belongs in it"), gettext("Example"))]
    )
    for name, column in columns.items():
        sheet.append([_text(sheet, each) for each in (name_of(row, name), gettext(column.meaning), example[name])])
    return _saved(book)


def _fill(sheet: Any, row: type[Row], heading: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    columns = row.columns()
    for place, name in enumerate(columns, 1):
        dimension = sheet.column_dimensions[get_column_letter(place)]
        dimension.width, dimension.number_format = _WIDTH, _FORMATS[row.holds(name)]
    sheet.freeze_panes = "A2"
    sheet.append([_bold(sheet, word) for word in heading])
    for cells in rows:
        sheet.append([_in_xlsx(sheet, row.holds(name), cells[name]) for name in columns])


def _in_csv(holds: Holds, text: str, decimal_mark: str) -> str:
    match holds:
        case Holds.amount:
            return text.replace(".", decimal_mark)
        case Holds.flag:
            return gettext(text) if text else ""
        case Holds.whole | Holds.day:
            return text
        case _:
            return neutral(text)


def _in_xlsx(sheet: Any, holds: Holds, text: str) -> Any:
    if not text:
        return None
    value: object = text
    match holds:
        case Holds.whole if len(text.lstrip("-")) <= _DIGITS:
            value = int(text)
        case Holds.amount if len(text.lstrip("-")) <= _DIGITS:
            value = Decimal(text)
        case Holds.day:
            value = date.fromisoformat(text)
        case Holds.flag:
            return _text(sheet, gettext(text))
        case _:
            return _text(sheet, text, _FORMATS[holds])
    cell: Any = WriteOnlyCell(sheet, value)
    cell.number_format = _FORMATS[holds]
    return cell


def _text(sheet: Any, text: str, number_format: str = "General") -> Any:
    cell: Any = WriteOnlyCell(sheet, neutral(_NOT_XML.sub("", text)))
    # Not what the library makes of it: #N/A is an error to it.
    cell.data_type = "s"
    cell.number_format = number_format
    return cell


def _bold(sheet: Any, text: str) -> Any:
    cell = _text(sheet, text)
    cell.font = Font(bold=True)
    return cell


def _titled(title: str) -> str:
    # Signs that no sheet's title has, and the most characters of it.
    return re.sub(r"[\\/*?:\[\]]", " ", title)[:31]


def _saved(book: Workbook) -> bytes:
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()
