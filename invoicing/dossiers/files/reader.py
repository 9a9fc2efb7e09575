"""The program that reads a file which somebody uploaded (CSV or XLSX): a process of its own, which ``reading`` starts.

    python -I reader.py '{"kind": "xlsx", "rows": 5001, ...}' < FILE > ROWS.json

It knows nothing of the site, has none of its environment, and bounds itself before it looks at the file: memory,
processor time, time on the clock, and what it may write. Rows, cells and characters are counted while it reads, and so
are the parts of a workbook while they are unpacked, whatever the archive says of their size. It prints ``{"rows":
[[cell, ...], ...]}`` or ``{"fault": name}``; one that prints nothing was ended by one of its bounds.

macOS takes the bound on memory and hardly keeps to it: there the counts alone hold.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import resource
import signal
import sys
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, BinaryIO

Cell = str | int | float | bool | None
_PIECE = 64 * 1024


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


def read(file: BinaryIO, limits: dict[str, Any]) -> list[list[Cell]]:
    """The rows of a file, the heading first. Raises ``Refused``."""
    rows: list[list[Cell]] = []
    cells = characters = 0
    for row in _csv(file) if limits["kind"] == "csv" else _xlsx(file, limits):
        cells += len(row)
        characters += sum(len(cell) for cell in row if isinstance(cell, str))
        if len(rows) == limits["rows"]:
            raise Refused("rows")
        if cells > limits["cells"]:
            raise Refused("cells")
        if characters > limits["characters"]:
            raise Refused("characters")
        while row and row[-1] in (None, ""):
            row.pop()
        rows.append(row)
    while rows and not rows[-1]:
        rows.pop()
    return rows


def _csv(file: BinaryIO) -> Iterator[list[Cell]]:
    """Commas or, as spreadsheets write it here, semicolons: the one that the first line has more of."""
    try:
        text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused("not_utf8") from None
    heading = text.partition("\n")[0]
    delimiter = ";" if heading.count(";") > heading.count(",") else ","
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            yield list(row)
    except csv.Error:
        raise Refused("unreadable") from None


def _xlsx(file: BinaryIO, limits: dict[str, Any]) -> Iterator[list[Cell]]:
    _unpack(file, limits)
    import openpyxl  # noqa: PLC0415 - slow to load, and a CSV file has no use for it

    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        for row in book.active.rows:
            yield [_cell(cell.value) for cell in row]
    except (Refused, MemoryError):
        raise
    except Exception:  # whatever the library stumbles over: damaged parts, no sheet, another kind of document
        raise Refused("unreadable") from None


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


def _cell(value: object) -> Cell:
    """As JSON has it; a date, with or without its time, is a day."""
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def main() -> None:
    """Bound the process, read standard input, print."""
    limits = json.loads(sys.argv[1])
    bound(limits)
    answer: dict[str, Any]
    try:
        answer = {"rows": read(sys.stdin.buffer, limits)}
    except Refused as why:
        answer = {"fault": str(why)}
    sys.stdout.buffer.write(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace"))


if __name__ == "__main__":
    main()
