#!/bin/sh
# One would guess: hours in a sheet of LibreOffice are read as their value, as dates and numbers are.
# What happens: for a cell of type time pandas takes the text that is shown, not the value, with its own engine for ODS.
# 36 hours that are shown as 12:00, as the format HH:MM shows them, are 12 hours; seven and a half minutes shown as
# 07:30 are seven and a half hours; 36 hours shown as 36:00 are an error. With the engine calamine the 36 hours are the
# text PT36H00M00S among times. pyexcel-ods3 reads them right, but makes nothing of an hour and a half less than zero.
# Why it matters: the total of a time sheet is more than a day, and the colleague who widens or narrows a format changes
# what is billed. Give hours as numbers, or read office:time-value yourself.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check pandas==3.1.1 odfpy==1.4.1 python-calamine==0.9.1 \
  pyexcel-ods3==0.6.1
cd "$folder"
"$folder/bin/python" - <<'END'
import sys
from importlib.metadata import version

import pandas
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table, TableCell, TableRow
from odf.text import P
from pyexcel_ods3 import get_data


def cell(shown, value=None):
    made = TableCell(valuetype="time", timevalue=value) if value else TableCell(valuetype="string")
    made.addElement(P(text=shown))
    return made


def sheet(value, shown):
    """A sheet with one row of work: a time, and a customer beside it."""
    document, table = OpenDocumentSpreadsheet(), Table(name="Hours")
    for cells in [cell("hours"), cell("customer")], [cell(shown, value), cell("One")]:
        row = TableRow()
        for one in cells:
            row.addElement(one)
        table.addElement(row)
    document.spreadsheet.addElement(table)
    document.save("hours.ods")


def read(engine):
    try:
        return str(pandas.read_excel("hours.ods", engine=engine)["hours"][0])
    except ValueError:
        return "error"


print(", ".join(f"{name} {version(name)}" for name in ("pandas", "odfpy", "python-calamine", "pyexcel-ods3")))
for value, shown, then in [
    ("PT01H30M00S", "01:30", ("01:30:00", "01:30:00", ["01:30:00", "One"])),
    ("PT36H00M00S", "12:00", ("12:00:00", "PT36H00M00S", ["1 day, 12:00:00", "One"])),
    ("PT36H00M00S", "36:00", ("error", "PT36H00M00S", ["1 day, 12:00:00", "One"])),
    ("PT00H07M30S", "07:30", ("07:30:00", "00:07:30", ["00:07:30", "One"])),
    ("-PT01H30M00S", "-01:30", ("error", "-PT01H30M00S", ["None", "One"])),
]:
    sheet(value, shown)
    answer = (read("odf"), read("calamine"), [str(one) for one in get_data("hours.ods")["Hours"][1]])
    print(f"{value} shown as {shown}: odf {answer[0]}, calamine {answer[1]}, pyexcel-ods3 {answer[2]}")
    if answer != then:
        sys.exit(f"No longer so: it was {then}.")
END
