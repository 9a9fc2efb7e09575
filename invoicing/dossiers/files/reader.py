"""The program that reads a file which somebody uploaded (CSV or XLSX): a process of its own, which ``reading`` starts.

    python -I reader.py '{"kind": "xlsx", "rows": 5001, ...}' < FILE > ROWS.json

It knows nothing of the site, has none of its environment, and bounds itself before it looks at the file: memory,
processor time, time on the clock, and what it may write. Rows, cells and characters are counted while it reads, and so
are the parts of a workbook while they are unpacked, whatever the archive says of their size. It prints ``{"rows":
[[cell, ...], ...], "hidden": [row, ...], "sheet": title, "sheets": n}`` or ``{"fault": name}``; one that prints
nothing was ended by one of its bounds. A cell is null, a text, or ``[kind, as shown]`` where a workbook holds something
else than text: number, padded (a number that its format fills up with zeros), long (a number of more than 15 digits, of
which a spreadsheet keeps the first 15), day, moment, time, flag, error, or formula (one without a value).

macOS takes the bound on memory and hardly keeps to it: there the counts alone hold.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import json
import re
import resource
import signal
import sys
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, BinaryIO

Cell = str | tuple[str, str] | None
_PIECE = 64 * 1024
_WHOLE_DIGITS = 15
_SEPARATORS = ";,\t"
# The line by which Excel is told the separator.
_SEP_LINE = re.compile(r'"?sep=(.)"?[;,\t]*(\r\n|\r|\n)', re.IGNORECASE)
# A number format of zeros, and of signs that stand for themselves: 000000, 0000\.000\.000, 00"/"00.
_PADDING = re.compile(r'(?:0|\\.|"[^"]*"|[- /()])+')
_PART = re.compile(r'0|\\.|"[^"]*"|[- /()]')


class Refused(Exception):
    """The file is not read on; the argument names why, for ``reading.SENTENCES``."""


def bound(limits: dict[str, Any]) -> None:
    """Take on the bounds, of which nobody can get rid again."""
    seconds = int(limits["seconds"]) + 1
    for what, most in (
        (resource.RLIMIT_AS, limits["memory"]),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, limits["answer"]),
        (resource.RLIMIT_CORE, 0),
    ):
        # Not every system has each of them, and some let nobody lower them.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(what, (most, most))
    # Should who started us be gone, too.
    signal.alarm(seconds + 1)


def read(file: BinaryIO, limits: dict[str, Any]) -> dict[str, Any]:
    """The rows of a file by ``rows``, and what else there is to say of a workbook. Raises ``Refused``."""
    rows: list[list[Cell]] = []
    cells = characters = 0
    found: dict[str, Any] = {"hidden": [], "sheet": "", "sheets": 1}
    for row in _csv(file) if limits["kind"] == "csv" else _xlsx(file, limits, found):
        cells += len(row)
        characters += sum(len(cell if isinstance(cell, str) else cell[1]) for cell in row if cell is not None)
        if len(rows) == limits["rows"]:
            raise Refused("rows")
        if cells > limits["cells"]:
            raise Refused("cells")
        if characters > limits["characters"]:
            raise Refused("characters")
        while row and _is_empty(row[-1]):
            row.pop()
        rows.append(row)
    while rows and not rows[-1]:
        rows.pop()
    return {"rows": rows, **found}


def _is_empty(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _csv(file: BinaryIO) -> Iterator[list[Cell]]:
    """Semicolons, commas or tabs: the ``sep=`` line says it, else it is what the first line has most of."""
    text = _decoded(file.read())
    if said := _SEP_LINE.match(text):
        delimiter, text = said[1], text[said.end() :]
    else:
        heading = re.sub(r'"[^"]*"', "", text.lstrip().partition("\n")[0])
        delimiter = max(_SEPARATORS, key=heading.count)
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            yield list(row)
    except csv.Error:
        raise Refused("unreadable") from None


def _decoded(content: bytes) -> str:
    """UTF-8, or UTF-16 with its mark (Excel's *Unicode text*), else Windows-1252. Raises ``Refused``."""
    if content.startswith(b"PK\3\4"):
        raise Refused("is_workbook")
    marked = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
    encodings = next(([name] for mark, name in marked.items() if content.startswith(mark)), ["utf-8", "cp1252"])
    for encoding in encodings:
        with contextlib.suppress(UnicodeDecodeError):
            text = content.decode(encoding)
            # Of UTF-16 without its mark, and of files that are no text.
            if "\0" not in text:
                return text
    raise Refused("not_text")


def _xlsx(file: BinaryIO, limits: dict[str, Any], found: dict[str, Any]) -> Iterator[list[Cell]]:
    """The first sheet by order, whatever sheet the workbook was left at and whatever size it says that it has."""
    _unpack(file, limits)
    import openpyxl  # noqa: PLC0415 - slow to load, and a CSV file has no use for it

    try:
        book: Any = openpyxl.load_workbook(file, read_only=True, data_only=True)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()
        hidden, uncalculated = _seen_beside(sheet)
        found |= {"sheet": sheet.title, "sheets": len(book.sheetnames)}
        for number, row in enumerate(sheet.rows, 1):
            cells = [_cell(cell) for cell in row]
            for column in uncalculated.get(number, ()):
                cells += [None] * (column - len(cells))
                cells[column - 1] = ("formula", "")
            if number in hidden and not all(map(_is_empty, cells)):
                found["hidden"].append(number)
            yield cells
    except (Refused, MemoryError):
        raise
    except Exception:  # whatever the library stumbles over: damaged parts, no sheet, another kind of document
        raise Refused("unreadable") from None


def _seen_beside(sheet: Any) -> tuple[set[int], dict[int, list[int]]]:
    """What the library leaves out: the hidden rows, and by row the columns of formulas that have no value."""
    from openpyxl.utils.cell import coordinate_to_tuple  # noqa: PLC0415 - as above
    from openpyxl.xml.functions import iterparse  # noqa: PLC0415 - as above

    hidden: set[int] = set()
    uncalculated: dict[int, list[int]] = {}
    number = 0
    with sheet._get_source() as source:
        for _event, element in iterparse(source):
            if _name(element) != "row":
                continue
            number = int(element.get("r", number + 1))
            if element.get("hidden") in ("1", "true"):
                hidden.add(number)
            column = 0
            for cell in element:
                column = coordinate_to_tuple(cell.get("r"))[1] if cell.get("r") else column + 1
                parts = {_name(part): part.text for part in cell}
                # A result that is an empty text is one.
                if "f" in parts and not parts.get("v") and cell.get("t") not in ("str", "inlineStr"):
                    uncalculated.setdefault(number, []).append(column)
            element.clear()
    return hidden, uncalculated


def _name(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _unpack(file: BinaryIO, limits: dict[str, Any]) -> None:
    """Unpack everything once, a piece at a time, and count. Raises ``Refused``."""
    import zipfile  # noqa: PLC0415 - as above

    unpacked = 0
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
            if len(parts) > limits["parts"]:
                raise Refused("parts")
            if sum(part.file_size for part in parts) > limits["unpacked"]:
                raise Refused("unpacked")
            for part in parts:
                with archive.open(part) as stream:
                    while piece := stream.read(_PIECE):
                        unpacked += len(piece)
                        if unpacked > limits["unpacked"]:
                            raise Refused("unpacked")
    except (Refused, MemoryError):
        raise
    except zipfile.BadZipFile:
        raise Refused("no_workbook") from None
    except Exception:  # a password, a way of packing that nobody knows, a broken stream
        raise Refused("unreadable") from None
    file.seek(0)


def _cell(cell: Any) -> Cell:
    """What a cell of a workbook holds, and how it is shown."""
    value = cell.value
    if value is None or isinstance(value, str):
        return ("error", value) if value and cell.data_type == "e" else value
    if isinstance(value, bool):
        return "flag", "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        return ("moment", f"{value:%Y-%m-%d %H:%M}") if value.time() > time(0) else ("day", value.date().isoformat())
    if isinstance(value, date):
        return "day", value.isoformat()
    if isinstance(value, time | timedelta):
        return "time", str(value)
    return _number(value, cell.number_format)


def _number(value: float, number_format: str) -> Cell:
    """A number as a spreadsheet shows it: with at most 15 digits, and filled up with zeros if its format says so."""
    try:
        # Beyond 15 digits a spreadsheet itself makes them up.
        exact = Decimal(value) if isinstance(value, int) else Decimal(f"{value:.{_WHOLE_DIGITS}g}")
        whole = exact == exact.to_integral_value()
    except ArithmeticError:
        return "error", str(value)
    if abs(exact) >= 10**_WHOLE_DIGITS:
        return "long", f"{exact:f}"
    if not whole:
        return "number", f"{exact:f}"
    digits = str(int(exact))
    if exact >= 0 and number_format.count("0") > 1 and _PADDING.fullmatch(number_format):
        return "padded", _padded(digits, number_format)
    return "number", digits


def _padded(digits: str, number_format: str) -> str:
    """The digits at the places of the zeros, from the last one on; those that find none stand at the first."""
    parts = _PART.findall(number_format)
    digits = digits.zfill(parts.count("0"))
    surplus = len(digits) - parts.count("0")
    left = iter([digits[: surplus + 1], *digits[surplus + 1 :]])
    return "".join(next(left) if part == "0" else part[1:] if part[0] == "\\" else part.strip('"') for part in parts)


def main() -> None:
    """Bound the process, read standard input, print."""
    limits = json.loads(sys.argv[1])
    bound(limits)
    answer: dict[str, Any]
    try:
        answer = read(sys.stdin.buffer, limits)
    except Refused as why:
        answer = {"fault": str(why)}
    sys.stdout.buffer.write(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace"))


if __name__ == "__main__":
    main()
