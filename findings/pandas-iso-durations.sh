#!/bin/sh
# One would guess: pandas.Timedelta reads ISO 8601 durations; where it cannot read a form, it says so.
# What happens: a fraction of an hour or a minute is taken apart at its point. "PT1.5H" becomes 5 hours and 1 second,
# "PT7.50H" becomes 50 hours and 7 seconds, "P0.5D" five days; "P1M", a month, is a minute. No error, no warning. The
# comma that ISO 8601 prefers is refused as ISO ("PT1,5H"), but "1,5h" is read: as 15 hours.
# Why it matters: time trackers export durations in this form, and pandas is the usual tool for a sheet of hours. The
# wrong hours are large, but in a column of hundreds nobody sees them.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check pandas==3.1.1
"$folder/bin/python" - <<'END'
import pandas
import sys


def see(what, answer, then):
    print(f"{what}: {answer!r}")
    if answer != then:
        sys.exit(f"No longer so: {what} was {then!r}.")


print(f"pandas {pandas.__version__}")
for text, then in [
    ("PT1H30M", "0 days 01:30:00"),
    ("PT1.5H", "0 days 05:00:01"),
    ("PT7.50H", "2 days 02:00:07"),
    ("PT90.5M", "0 days 00:06:30"),
    ("P0.5D", "5 days 00:00:00"),
    ("P1M", "0 days 00:01:00"),
    ("1.5h", "0 days 01:30:00"),
    ("1,5h", "0 days 15:00:00"),
]:
    see(text, str(pandas.Timedelta(text)), then)
END
