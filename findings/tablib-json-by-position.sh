#!/bin/sh
# One would guess: rows of JSON that are imported by tablib are matched by their keys.
# What happens: the keys of the first object become the headers, and of all the other objects only the values are
# taken, in the order in which they stand. {"rate", "hours"} followed by {"hours", "rate"} swaps hours and rate of the
# second row, without a word. An object that leaves out an empty key is refused as InvalidDimensions.
# Why it matters: django-import-export reads its JSON files by this. A file that was put together from two sources, or
# by a program that leaves key order to chance, comes in with swapped columns of plausible numbers.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check tablib==3.10.0
"$folder/bin/python" - <<'END'
import json
import sys
from importlib.metadata import version

import tablib


def see(what, answer, then):
    print(f"{what}: {answer!r}")
    if answer != then:
        sys.exit(f"No longer so: {what} was {then!r}.")


print(f"tablib {version('tablib')}")
rows = [{"client": "A", "rate": 80, "hours": 7}, {"client": "B", "hours": 6, "rate": 95}]
read = tablib.Dataset().load(json.dumps(rows), format="json").dict
see("first row", read[0], {"client": "A", "rate": 80, "hours": 7})
see("second row", read[1], {"client": "B", "rate": 6, "hours": 95})
try:
    tablib.Dataset().load(json.dumps([rows[0], {"client": "B", "rate": 95}]), format="json")
    answer = "read"
except tablib.InvalidDimensions:
    answer = "InvalidDimensions"
see("a row without hours", answer, "InvalidDimensions")
END
