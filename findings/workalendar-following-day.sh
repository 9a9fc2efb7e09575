#!/bin/sh
# One would guess: find_following_working_day(day) of the Belgian calendar gives a day on which is_working_day is true.
# What happens: it only steps over weekends. Asked on the National Day, Christmas or Ascension it gives the holiday
# itself, and from Sunday it lands on Easter Monday. add_working_days(day, 0) gives the holiday back, too.
# Why it matters: a due date or a bank file "on the next working day" falls on a day on which nothing is paid.
# add_working_days(day - one day, 1) gives the day that the name promises.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check workalendar==17.0.0
"$folder/bin/python" - <<'END'
import sys
from datetime import date, timedelta
from importlib.metadata import version

from workalendar.europe import Belgium


def see(what, answer, then):
    print(f"{what}: {answer!r}")
    if answer != then:
        sys.exit(f"No longer so: {what} was {then!r}.")


print(f"workalendar {version('workalendar')}")
calendar = Belgium()
for name, day, then, right in [
    ("National Day", date(2027, 7, 21), "2027-07-21", "2027-07-22"),
    ("Christmas, a Friday", date(2026, 12, 25), "2026-12-25", "2026-12-28"),
    ("Easter Sunday", date(2027, 3, 28), "2027-03-29", "2027-03-30"),
]:
    found = calendar.find_following_working_day(day)
    see(f"{name} {day}: following working day", found.isoformat(), then)
    see(f"{found} is a working day", calendar.is_working_day(found), False)
    see(f"{name}: 0 working days later", calendar.add_working_days(day, 0).isoformat(), day.isoformat())
    see(f"{name}: 1 after the day before", calendar.add_working_days(day - timedelta(1), 1).isoformat(), right)
END
