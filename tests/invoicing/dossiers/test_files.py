"""Files that people upload are read by a process of its own, which is ended before it is too much for the site."""

from __future__ import annotations

import codecs
import io
import subprocess
import sys
import tracemalloc
import zipfile
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.utils import translation

from invoicing.dossiers.files import reading
from invoicing.dossiers.files.reading import LIMITS, SENTENCES, Limits, Unreadable
from invoicing.dossiers.sheets.cells import EMPTY, Cell
from tests.invoicing.admin.uploads import workbook

HEADING = ("dossier", "tag", "priority")
ROWS = [("bakery", f"tag {number}", number) for number in range(20)]


def csv(*rows: tuple[object, ...]) -> bytes:
    return "".join(",".join(map(str, row)) + "\n" for row in rows).encode()


def refusal(content: bytes, kind: reading.Kind, limits: Limits = LIMITS) -> str:
    with pytest.raises(Unreadable) as refused:
        reading.read(content, kind, limits)
    return refused.value.code


def read(content: bytes, kind: reading.Kind) -> list[list[Cell]]:
    return [list(row.cells) for row in reading.read(content, kind).rows]


def texts(*rows: str) -> list[list[Cell]]:
    return [[Cell(each) if each else EMPTY for each in row.split("|")] for row in rows]


def sheet(cells: dict[str, tuple[Any, str]], **more: Any) -> bytes:
    """A workbook with these values and number formats, by cell."""
    book, file = openpyxl.Workbook(), io.BytesIO()
    for place, (value, number_format) in cells.items():
        book.worksheets[0][place].value = value
        book.worksheets[0][place].number_format = number_format
    for row in more.get("hidden", ()):
        book.worksheets[0].row_dimensions[row].hidden = True
    book.save(file)
    return file.getvalue()


def changed(content: bytes, part: str, old: str, new: str) -> bytes:
    """A workbook with something of a part of it replaced."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(file, "w") as after:
        for info in before.infolist():
            text = before.read(info)
            if info.filename == part:
                assert old.encode() in text
                text = text.replace(old.encode(), new.encode())
            after.writestr(info, text)
    return file.getvalue()


def test_rows_of_a_csv_file_are_texts() -> None:
    table = reading.read(b'\xef\xbb\xbfa;b,c;d\r\n1;"x\ny"\r\n;\r\n2;3;4\r\n\r\n', "csv")
    assert table.heading == ["a", "b,c", "d"]
    assert [(row.number, row.cells) for row in table.rows] == [
        (2, [Cell("1"), Cell("x\ny"), EMPTY]),
        (4, [Cell("2"), Cell("3"), Cell("4")]),
    ]


LINES = "dossier;tag;note\r\nbakery;Comptabilité;€ 5\r\n"


@pytest.mark.parametrize(
    "content",
    [
        LINES.encode(),
        LINES.encode("utf-8-sig"),
        LINES.encode("cp1252"),
        LINES.replace(";", "\t").encode("utf-16"),
        codecs.BOM_UTF16_BE + LINES.replace(";", "\t").encode("utf-16-be"),
        LINES.replace(";", ",").encode(),
        LINES.replace(";", "\t").encode("cp1252"),
        ("sep=;\r\n" + LINES).encode("cp1252"),
        ("SEP=;;;\n" + LINES).encode("utf-8-sig"),
        ("sep=\t\r\n" + LINES.replace(";", "\t")).encode("utf-16"),
        ("sep=|\r\n" + LINES.replace(";", "|")).encode(),
        LINES.replace("\r\n", ";;;\r\n").encode(),
        LINES.replace("\r\n", "; ;\u00a0\r\n").encode(),
        ("\r\n;;\r\n" + LINES).encode(),
        LINES.replace("\r\n", "\r").encode(),
    ],
)
def test_csv_comes_as_spreadsheets_write_it(content: bytes) -> None:
    table = reading.read(content, "csv")
    assert table.heading == ["dossier", "tag", "note"]
    assert [list(row.cells) for row in table.rows] == texts("bakery|Comptabilité|€ 5")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (LINES.replace(";", "\t").encode("utf-16-le"), "not_text"),
        (codecs.BOM_UTF8 + LINES.encode("cp1252"), "not_text"),
        (b"dossier;tag\r\nbakery;\x81\r\n", "not_text"),
        (codecs.BOM_UTF16_LE + b"a\0;\0\xd8", "not_text"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not_text"),
    ],
)
def test_csv_that_is_no_text_is_refused(content: bytes, code: str) -> None:
    assert refusal(content, "csv") == code


def test_a_workbook_is_no_csv() -> None:
    assert refusal(workbook(HEADING, *ROWS), "csv") == "is_workbook"


def test_cells_of_a_workbook_keep_their_kinds() -> None:
    day, moment = date(2026, 9, 1), datetime(2026, 9, 2, 12, 30)  # noqa: DTZ001 - a cell has no zone
    content = workbook(
        ("a", "b", "c", "d"),
        ("x", 1, 1.5, True),
        (None, day, moment, time(8, 15)),
        (),
        (0.1 + 0.2, -7, 10.0, timedelta(hours=30)),
        (None, None),
    )
    table = reading.read(content, "xlsx")
    assert [row.number for row in table.rows] == [2, 3, 5]
    assert [list(row.cells) for row in table.rows] == [
        [Cell("x"), Cell("1", "number"), Cell("1.5", "number"), Cell("TRUE", "flag")],
        [EMPTY, Cell("2026-09-01", "day"), Cell("2026-09-02 12:30", "moment"), Cell("08:15:00", "time")],
        [Cell("0.3", "number"), Cell("-7", "number"), Cell("10", "number"), Cell("1 day, 6:00:00", "time")],
    ]


@pytest.mark.parametrize(
    ("value", "number_format", "cell"),
    [
        (7, "000", Cell("007", "padded")),
        (1000, "000", Cell("1000", "padded")),
        (563846944, "0000000000", Cell("0563846944", "padded")),
        (563846944, "0000\\.000\\.000", Cell("0563.846.944", "padded")),
        (563846944, '"BE "0000" "000" "000', Cell("BE 0563 846 944", "padded")),
        (12_345_678, "00-00", Cell("123456-78", "padded")),
        (7, "0", Cell("7", "number")),
        (7, "0.00", Cell("7", "number")),
        (7.5, "000", Cell("7.5", "number")),
        (-7, "000", Cell("-7", "number")),
        (7, "#,##0", Cell("7", "number")),
        (999_999_999_999_999, "0", Cell("999999999999999", "number")),
        (4_500_012_345_678_901, "0", Cell("4500012345678901", "long")),
        (4_500_012_345_678_901, "0000000000000000", Cell("4500012345678901", "long")),
        (1.2345678901234568e17, "0", Cell("123456789012346000", "long")),
    ],
)
def test_a_number_is_taken_as_it_is_shown(value: float, number_format: str, cell: Cell) -> None:
    content = sheet({"A1": ("po", "@"), "A2": (value, number_format)})
    assert read(content, "xlsx") == [[cell]]


def test_errors_and_formulas_without_a_value_are_seen() -> None:
    plain = sheet({"A1": ("a", "@"), "B1": ("b", "@"), "A2": ("=1+1", "General"), "B2": ("#N/A", "General")})
    assert read(plain, "xlsx") == [[Cell("", "formula"), Cell("#N/A", "error")]]
    calculated = changed(plain, "xl/worksheets/sheet1.xml", "<v></v>", "<v>2</v>")
    assert read(calculated, "xlsx") == [[Cell("2", "number"), Cell("#N/A", "error")]]


def test_the_first_sheet_by_order_is_read_whatever_sheet_was_left_open() -> None:
    book, file = openpyxl.Workbook(), io.BytesIO()
    book.worksheets[0].title = "Mappings"
    book.worksheets[0].append(("a",))
    book.worksheets[0].append(("first",))
    book.create_sheet("Other").append(("other",))
    book.active = 1
    book.save(file)
    table = reading.read(file.getvalue(), "xlsx")
    assert (table.heading, table.sheet, table.other_sheets) == (["a"], "Mappings", 1)
    assert read(file.getvalue(), "xlsx") == texts("first")


@pytest.mark.parametrize("size", ["A1", "A1:B2", "A1:A21"])
def test_a_workbook_whose_own_size_is_too_small_is_read_whole(size: str) -> None:
    content = changed(workbook(HEADING, *ROWS), "xl/worksheets/sheet1.xml", 'ref="A1:C21"', f'ref="{size}"')
    assert read(content, "xlsx") == [[Cell(a), Cell(b), Cell(str(n), "number")] for a, b, n in ROWS]


def test_hidden_rows_are_read_and_counted() -> None:
    cells = {"A1": ("a", "@")} | {f"A{n}": (f"x{n}", "@") for n in range(2, 8)}
    table = reading.read(sheet(cells, hidden=(1, 3, 6, 9)), "xlsx")
    assert (len(table.rows), table.hidden) == (6, 2)


def test_cells_beyond_the_heading_are_a_fault_unless_they_are_empty() -> None:
    assert read(b"a,b,,\n1,2,,\n", "csv") == texts("1|2")
    with pytest.raises(Unreadable, match=r"Row 3 has more cells than the heading: .* C3, which holds “3”\.$"):
        reading.read(b"a,b\n1,2\n1,2,3\n", "csv")
    with pytest.raises(Unreadable, match=r"Row 2 has more cells .* column B a name, or empty its cell B2"):
        reading.read(b"a,,c\n1,2,3\n", "csv")


def test_columns_have_the_letters_of_spreadsheets() -> None:
    assert [reading.letters(place) for place in (0, 25, 26, 51, 52, 701, 702)] == [
        "A",
        "Z",
        "AA",
        "AZ",
        "BA",
        "ZZ",
        "AAA",
    ]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize(
    ("few", "enough", "code"),
    [
        ({"rows": 19}, {"rows": 20}, "rows"),
        ({"cells": 62}, {"cells": 63}, "cells"),
        ({"characters": 80}, {"characters": 400}, "characters"),
    ],
)
def test_what_is_read_is_counted_while_it_is_read(
    kind: reading.Kind, few: dict[str, int], enough: dict[str, int], code: str
) -> None:
    content = csv(HEADING, *ROWS) if kind == "csv" else workbook(HEADING, *ROWS)
    assert len(reading.read(content, kind, replace(LIMITS, **enough)).rows) == 20
    assert refusal(content, kind, replace(LIMITS, **few)) == code


def test_rows_that_only_look_empty_count() -> None:
    content = workbook(HEADING, ("bakery", "a", 1), *[()] * 20, ("bakery", "b", 2))
    assert refusal(content, "xlsx", replace(LIMITS, rows=21)) == "rows"


def test_parts_of_a_workbook_and_what_they_unpack_to_are_counted() -> None:
    content = workbook(HEADING, *ROWS)
    assert refusal(content, "xlsx", replace(LIMITS, parts=3)) == "parts"
    assert refusal(content, "xlsx", replace(LIMITS, unpacked=len(content))) == "unpacked"


@pytest.mark.parametrize("name", ["empty", "text", "cut", "other_archive"])
def test_what_is_no_workbook_is_said_to_be_none(name: str, tmp_path: Path) -> None:
    whole = workbook(HEADING, *ROWS)
    content = {
        "empty": b"",
        "text": csv(HEADING),
        "cut": whole[: len(whole) // 2],
        "other_archive": b"PK\5\6" + b"\0" * 18,
    }
    assert refusal(content[name], "xlsx") == ("unreadable" if name == "other_archive" else "no_workbook")


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not keep to the bound on memory")
def test_a_reader_that_needs_too_much_memory_is_stopped() -> None:
    content = workbook(HEADING, *[("bakery", f"tag {number}", number) for number in range(2000)])
    assert len(reading.read(content, "xlsx").rows) == 2000
    assert refusal(content, "xlsx", replace(LIMITS, memory=24 * 1024 * 1024)) == "stopped"


PROGRAMS = {
    "dies": "import os; os._exit(3)",
    "stays": "import time; time.sleep(60)",
    "says nothing": "",
    "says too much": "import sys; sys.stdout.write('[' * 100_000)",
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_reader_that_dies_or_stays_or_says_too_much_is_a_sentence(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "reader.py"
    file.write_text(program, encoding="utf-8")
    monkeypatch.setattr(reading, "_PROGRAM", file)
    limits = replace(LIMITS, seconds=0.5, characters=1, cells=1, rows=1)
    assert refusal(csv(HEADING), "csv", limits) == "stopped"


def test_the_reader_sees_nothing_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "reader.py"
    file.write_text(
        'import json, os; print(json.dumps({"rows": [sorted(os.environ)], "sheet": "", "sheets": 1, "hidden": []}))',
        encoding="utf-8",
    )
    monkeypatch.setattr(reading, "_PROGRAM", file)
    monkeypatch.setenv("SECRET_KEY", "hidden")
    names = reading.read(b"", "csv").heading
    assert set(names) <= {"LANG", "LC_CTYPE", "__CF_USER_TEXT_ENCODING"}


def test_the_reader_loads_neither_django_nor_what_a_csv_file_does_not_need() -> None:
    program = (
        "import runpy, sys; sys.argv[1:] = [sys.argv[2]];"
        f"runpy.run_path({str(Path(reading.__file__).with_name('reader.py'))!r});"
        "print([name for name in ('django', 'openpyxl', 'zipfile', 'invoicing') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program, "", "{}"], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_memory_of_the_site_does_not_grow_with_what_is_refused() -> None:
    content = workbook(HEADING, *[("bakery", "x" * 100, number) for number in range(3000)])
    limits = replace(LIMITS, rows=2900)
    refusal(content, "xlsx", limits)
    tracemalloc.start()
    try:
        assert refusal(content, "xlsx", limits) == "rows"
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 300_000


@pytest.mark.parametrize("language", ["fr", "nl"])
def test_every_sentence_is_there_in_every_language(language: str) -> None:
    facts = dict.fromkeys((*Limits.__dataclass_fields__, "megabytes", "row", "column", "cell", "text"), 1)
    english = {code: str(Unreadable(code, **facts)) for code in SENTENCES}
    with translation.override(language):
        assert {code for code in SENTENCES if str(Unreadable(code, **facts)) == english[code]} == set()
