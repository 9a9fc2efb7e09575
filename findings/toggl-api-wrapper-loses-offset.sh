#!/bin/sh
# One would guess: a client of Toggl Track that takes and gives aware datetimes converts between zones.
# What happens: it writes a Z behind the local time and cuts the offset off what it reads. Nine o'clock in Brussels in
# summer is sent as nine o'clock UTC, which is eleven in Brussels; "2027-07-01T09:00:00+02:00", as Toggl's reports
# answer, becomes nine o'clock UTC. The two errors undo each other, so that a test by this library alone is green.
# Why it matters: entries lie two hours off, and around midnight on another day or in another month's invoice. Convert
# to UTC before, and read offsets oneself. (2.2.0, which needs a newer Python, has the same lines; read there, not
# run.)
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check toggl-api-wrapper==1.6.0
"$folder/bin/python" - <<'END'
import sys
from datetime import datetime
from importlib.metadata import version
from zoneinfo import ZoneInfo

from toggl_api.utility import format_iso, parse_iso


def see(what, answer, then):
    print(f"{what}: {answer!r}")
    if answer != then:
        sys.exit(f"No longer so: {what} was {then!r}.")


print(f"toggl-api-wrapper {version('toggl-api-wrapper')}")
nine = datetime(2027, 7, 1, 9, tzinfo=ZoneInfo("Europe/Brussels"))
see("9:00 in Brussels, written", format_iso(nine), "2027-07-01T09:00:00Z")
see("9:00+02:00, read", parse_iso("2027-07-01T09:00:00+02:00").isoformat(), "2027-07-01T09:00:00+00:00")
see("midnight of 1 July in Brussels, read", parse_iso("2027-07-01T00:00:00+02:00").date().isoformat(), "2027-07-01")
see("the same moment by datetime, in UTC", nine.astimezone(ZoneInfo("UTC")).isoformat(), "2027-07-01T07:00:00+00:00")
END
