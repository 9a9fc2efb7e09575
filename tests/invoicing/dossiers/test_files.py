"""Files that people upload are read by a process of its own, which is ended before it is too much for the site."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest
from django.utils import translation

from invoicing.dossiers.files import reading
from invoicing.dossiers.files.reading import LIMITS, SENTENCES, Limits, Unreadable
from tests.invoicing.admin.uploads import workbook

HEADING = ("dossier", "tag", "priority")
ROWS = [("bakery", f"tag {number}", number) for number in range(20)]


def csv(*rows: tuple[object, ...]) -> bytes:
    return "".join(",".join(map(str, row)) + "\n" for row in rows).encode()


def refusal(content: bytes, kind: reading.Kind, limits: Limits = LIMITS) -> str:
    with pytest.raises(Unreadable) as refused:
        reading.read(content, kind, limits)
    return refused.value.code


def test_rows_of_a_csv_file_are_texts() -> None:
    assert reading.read(b'\xef\xbb\xbfa;b,c;d\r\n1;"x\ny"\r\n;\r\n2;3;4\r\n\r\n', "csv") == [
        ["a", "b,c", "d"],
        ["1", "x\ny", None],
        [None, None, None],
        ["2", "3", "4"],
    ]


def test_rows_of_a_workbook_keep_their_kinds_and_a_date_is_a_day() -> None:
    day, moment = date(2026, 9, 1), datetime(2026, 9, 2, 12, 30)  # noqa: DTZ001 - a cell has no zone
    content = workbook(("a", "b", "c", "d"), ("x", 1, 1.5, True), (None, day, moment, None), (), (None, None))
    assert reading.read(content, "xlsx") == [
        ["a", "b", "c", "d"],
        ["x", 1, 1.5, True],
        [None, "2026-09-01", "2026-09-02", None],
    ]


def test_cells_beyond_the_heading_are_a_fault_unless_they_are_empty() -> None:
    assert reading.read(b"a,b,,\n1,2,,\n", "csv") == [["a", "b"], ["1", "2"]]
    with pytest.raises(Unreadable, match=r"Row 3 has more cells than the heading"):
        reading.read(b"a,b\n1,2\n1,2,3\n", "csv")


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
    assert len(reading.read(content, kind, replace(LIMITS, **enough))) == 21
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


def test_text_in_another_encoding_is_named() -> None:
    assert refusal("dossier,tag\nbakery,Réunion\n".encode("cp1252"), "csv") == "not_utf8"


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not keep to the bound on memory")
def test_a_reader_that_needs_too_much_memory_is_stopped() -> None:
    content = workbook(HEADING, *[("bakery", f"tag {number}", number) for number in range(2000)])
    assert len(reading.read(content, "xlsx")) == 2001
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
    file.write_text('import json, os; print(json.dumps({"rows": [sorted(os.environ)]}))', encoding="utf-8")
    monkeypatch.setattr(reading, "_PROGRAM", file)
    monkeypatch.setenv("SECRET_KEY", "hidden")
    (names,) = reading.read(b"", "csv")
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
    facts = dict.fromkeys((*Limits.__dataclass_fields__, "megabytes", "row"), 1)
    english = {code: str(Unreadable(code, **facts)) for code in SENTENCES}
    with translation.override(language):
        assert {code for code in SENTENCES if str(Unreadable(code, **facts)) == english[code]} == set()
