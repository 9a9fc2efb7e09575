#!/bin/sh
# One would guess: a column of hours in Excel's format h:mm comes in as one type.
# What happens: the same column gives a time for 1:30, a datetime in January 1900 for 36 hours, and for exactly 24
# hours a datetime (openpyxl) or a date (calamine). An hour and a half too much, negative, is 29 December 1899 in
# openpyxl, and in calamine the time 22:30, a positive value. In the format [h]:mm all of them are timedeltas.
# Why it matters: totals of a week or month are over 24 hours, corrections below zero, and the reader of a timesheet
# that was tried with single days either fails on the total or bills 22.5 hours instead of taking off 1.5.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check openpyxl==3.1.5 python-calamine==0.9.1
"$folder/bin/python" - <<'END'
import io
import sys
from importlib.metadata import version

import openpyxl
import python_calamine


def see(what, answer, then):
    print(f"{what}: {answer!r}")
    if answer != then:
        sys.exit(f"No longer so: {what} was {then!r}.")


book = openpyxl.Workbook()
hours = [1.5, 36, 24, -1.5]
for row, number in enumerate(hours, 1):
    for column, style in [(1, "h:mm"), (2, "[h]:mm")]:
        book.active.cell(row, column, number / 24).number_format = style
file = io.BytesIO()
book.save(file)
by_openpyxl = list(openpyxl.load_workbook(file, data_only=True).active.iter_rows(values_only=True))
file.seek(0)
by_calamine = python_calamine.CalamineWorkbook.from_filelike(file).get_sheet_by_index(0).to_python()


def read(value):
    return f"{type(value).__name__} {value}"


print(f"openpyxl {openpyxl.__version__}, python-calamine {version('python-calamine')}")
see("1.5 h, openpyxl", read(by_openpyxl[0][0]), "time 01:30:00")
see("1.5 h, calamine", read(by_calamine[0][0]), "time 01:30:00")
see("36 h, openpyxl", read(by_openpyxl[1][0]), "datetime 1900-01-01 12:00:00")
see("36 h, calamine", read(by_calamine[1][0]), "datetime 1900-01-01 12:00:00")
see("24 h, openpyxl", read(by_openpyxl[2][0]), "datetime 1900-01-01 00:00:00")
see("24 h, calamine", read(by_calamine[2][0]), "date 1900-01-01")
see("-1.5 h, openpyxl", read(by_openpyxl[3][0]), "datetime 1899-12-29 22:30:00")
see("-1.5 h, calamine", read(by_calamine[3][0]), "time 22:30:00")
for name, rows in [("openpyxl", by_openpyxl), ("calamine", by_calamine)]:
    totals = [row[1].total_seconds() / 3600 for row in rows]
    see(f"all in the format [h]:mm, {name}, in hours", totals, hours)
END
