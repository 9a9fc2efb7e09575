#!/bin/sh
# One would guess: the calendar of Belgium reads the text of a day as Belgium writes it, or takes ISO 8601 alone.
# What happens: texts go through a parser that puts the month first and turns day and month round where that gives no
# date. "21/07/2027" is the National Day, "01/05/2027" is not Labour Day but 5 January, and "05/01/2027" is a holiday.
# Why it matters: of the ten Belgian holidays those after the 12th of a month work and the others do not, so that a
# test with 21 July or Christmas proves nothing. Hand over dates, never text.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check holidays==0.109
"$folder/bin/python" - <<'END'
import sys
from datetime import date
from importlib.metadata import version

import holidays


def see(what, answer, then):
    print(f"{what}: {answer!r}")
    if answer != then:
        sys.exit(f"No longer so: {what} was {then!r}.")


print(f"holidays {version('holidays')}")
days = holidays.BE(years=2027)
see("21/07/2027, National Day", "21/07/2027" in days, True)
see("25/12/2027, Christmas", "25/12/2027" in days, True)
see("01/05/2027, Labour Day", "01/05/2027" in days, False)
see("05/01/2027, 5 January", "05/01/2027" in days, True)
see("11/11/2027, the same either way", "11/11/2027" in days, True)
see("06/05/2027, Ascension", "06/05/2027" in days, False)
see("date(2027, 5, 1)", date(2027, 5, 1) in days, True)
END
