"""Reading an uploaded file within bounds (design section 12): the rows come from a process of its own.

What a file of a few kilobytes unpacks to is known only once it is unpacked. So a short-lived process does it (the
program ``reader``), which is ended when it needs more memory or time than any list of dossiers can; the memory of the
site's own process does not grow with what lies in the file.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from invoicing.dossiers.sheets.cells import EMPTY, Cell

Kind = Literal["csv", "xlsx"]
_PROGRAM = Path(__file__).with_name("reader.py")
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may have. ``rows``: those below the heading. ``parts``: of a workbook, which is an archive.

    ``unpacked`` (of a workbook) and ``memory`` in bytes; ``seconds``: on the clock, and of the processor.
    """

    rows: int = 5000
    cells: int = 150_000
    characters: int = 2_000_000
    parts: int = 200
    unpacked: int = 32 * _MEGABYTE
    memory: int = 512 * _MEGABYTE
    seconds: float = 10

    @property
    def answer(self) -> int:
        """The most bytes of JSON that the rows can come to: six for a character, and what stands around cells."""
        return 6 * self.characters + 32 * self.cells + 16 * self.rows + 1024


LIMITS = Limits()

SENTENCES: Mapping[str, str] = {
    "rows": _(
        "The file has more than %(rows)d rows, empty ones included: split it, or copy the rows that are filled into a "
        "new file."
    ),
    "cells": _(
        "The file has more than %(cells)d cells, empty ones included: copy the columns and rows that are filled into a "
        "new file."
    ),
    "characters": _("The file holds more than %(characters)d characters of text: split it."),
    "parts": _("The workbook has more than %(parts)d parts: copy the sheet into a new workbook, or save it as CSV."),
    "unpacked": _(
        "The workbook unpacks to more than %(megabytes)d MB: copy the sheet into a new workbook, or save it as CSV."
    ),
    "stopped": _(
        "Reading the file took too much memory or time, so it was stopped: copy the sheet into a new workbook, or save "
        "it as CSV."
    ),
    "not_text": _("The file is no text that can be read: save it as “CSV UTF-8”, or as XLSX."),
    "is_workbook": _("The file is a workbook, not CSV: choose the format XLSX, or save it as “CSV UTF-8”."),
    "no_workbook": _(
        "The file is no XLSX workbook, or has a password: choose the format that the file has, or save it as XLSX "
        "without a password."
    ),
    "unreadable": _("The file is damaged or has another format than the chosen one: save it anew as XLSX or CSV."),
    "no_rows": _("The file has no row below its heading: fill in at least one, or choose the file with the rows."),
    "surplus": _(
        "Row %(row)d has more cells than the heading: give column %(column)s a name, or empty its cell %(cell)s, which "
        "holds “%(text)s”."
    ),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is not empty: its number in the sheet, the first being 1, and its cells, as many as the heading's."""

    number: int
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Table:
    """What a file holds: its heading and the rows below it.

    ``sheet``: the title of the sheet that was read, "" for CSV; ``other_sheets``: how many were not; ``hidden``: how
    many of the rows are hidden.
    """

    heading: Sequence[str]
    rows: Sequence[Row]
    sheet: str = ""
    other_sheets: int = 0
    hidden: int = 0


class Unreadable(Exception):
    """The file was not read: a code of ``SENTENCES`` with its facts; as a text the sentence, in the reader's language.

    Nothing of the file is known then.
    """

    def __init__(self, code: str, **facts: int | str) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts

    def __str__(self) -> str:
        return gettext(SENTENCES[self.code]) % self.facts


def read(content: bytes, kind: Kind, limits: Limits = LIMITS) -> Table:
    """The rows of a file below its heading, which is the first row that is not empty. Raises ``Unreadable``."""
    answer = _ask(content, kind, limits)
    if "rows" not in answer:
        raise Unreadable(answer.get("fault", "stopped"), **asdict(limits), megabytes=limits.unpacked // _MEGABYTE)
    every = ((number, [*map(_cell, cells)]) for number, cells in enumerate(answer["rows"], 1))
    rows = [Row(number, cells) for number, cells in every if any(cell != EMPTY for cell in cells)]
    if not rows:
        return Table((), ())
    first, *below = rows
    width = len(first.cells)
    for row in below:
        filled = (place for place, cell in enumerate(row.cells) if cell != EMPTY)
        surplus = next((place for place in filled if place >= width or first.cells[place] == EMPTY), None)
        if surplus is not None:
            column, text = letters(surplus), row.cells[surplus].text
            raise Unreadable("surplus", row=row.number, column=column, cell=f"{column}{row.number}", text=text[:60])
    numbers = {row.number for row in below}
    return Table(
        heading=[cell.text.strip() for cell in first.cells],
        rows=[Row(row.number, [*row.cells, *[EMPTY] * (width - len(row.cells))][:width]) for row in below],
        sheet=answer["sheet"],
        other_sheets=answer["sheets"] - 1,
        hidden=len(numbers.intersection(answer["hidden"])),
    )


def letters(place: int) -> str:
    """The letters that a spreadsheet gives a column, by its place from 0 on: A, B, ... Z, AA."""
    found, left = "", place + 1
    while left:
        left, digit = divmod(left - 1, 26)
        found = chr(ord("A") + digit) + found
    return found


def _cell(printed: Any) -> Cell:
    """What the program printed of a cell; one of blanks alone is empty."""
    if printed is None or (isinstance(printed, str) and not printed.strip()):
        return EMPTY
    if isinstance(printed, str):
        return Cell(printed)
    kind, text = printed
    return Cell(text, kind)


def _ask(content: bytes, kind: Kind, limits: Limits) -> dict[str, Any]:
    """What the program printed; {} when it was ended before it had."""
    told = {**asdict(limits), "kind": kind, "rows": limits.rows + 1, "answer": limits.answer}
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as printed:
        given.write(content)
        given.seek(0)
        try:
            code = _run(json.dumps(told), given, printed, limits.seconds)
        except subprocess.TimeoutExpired:
            return {}
        if code != 0 or os.fstat(printed.fileno()).st_size > limits.answer:
            return {}
        printed.seek(0)
        # It may have been ended in the middle of a word, by a bound that leaves no trace.
        with contextlib.suppress(ValueError):
            return dict(json.load(printed))
        return {}


def _run(told: str, given: IO[bytes], printed: IO[bytes], seconds: float) -> int:
    """The exit code. Raises ``subprocess.TimeoutExpired``; the process is gone then, too."""
    return subprocess.run(
        # -I: nothing of the environment or of the folder that we stand in is loaded.
        [sys.executable, "-I", str(_PROGRAM), told],
        stdin=given,
        stdout=printed,
        stderr=subprocess.DEVNULL,
        # No secret of the site is in reach of what reads a stranger's file.
        env={"LANG": "C.UTF-8"},
        timeout=seconds,
        check=False,
    ).returncode
