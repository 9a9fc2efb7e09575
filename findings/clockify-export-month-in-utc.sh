#!/bin/sh
# One would guess: the export of January has what was done in January, and a row that says Europe/Brussels has the
# times of Brussels.
# What happens: clockify-export writes the times as Clockify's API gives them, in UTC, beside the time zone of the
# entry. What was done on 1 February from 00:15 to 00:45 is in January's file, on 31 January from 23:15 to 23:45,
# "Europe/Brussels"; a morning in July begins at 06:30 instead of 08:30.
# Why it matters: the month's hours go to the wrong invoice, and who converts by the zone that stands there is wrong by
# one or two hours twice. Convert by UTC, and cut the month yourself.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check clockify-export==0.3.0
cd "$folder"
TZ=Europe/Brussels "$folder/bin/python" - <<'END'
import contextlib
import csv
import io
import sys
from importlib.metadata import version
from pathlib import Path

from clockify_export.export import export_workspace


class Clockify:
    """Stands in for the export's client: gives what the API gives, instants in UTC with the zone of the entry."""

    def get_current_user(self):
        return {"id": "user"}

    def get_projects(self, workspace):
        return []

    get_clients = get_tags = get_projects

    def get_time_entries(self, workspace, user, start=None):
        spans = [
            ("2026-01-31T23:15:00Z", "2026-01-31T23:45:00Z", "PT30M"),
            ("2026-07-01T06:30:00Z", "2026-07-01T09:30:00Z", "PT3H"),
        ]
        return [
            {"timeInterval": {"start": begin, "end": end, "duration": lasts, "timeZone": "Europe/Brussels"}}
            for begin, end, lasts in spans
        ]


with contextlib.redirect_stdout(io.StringIO()):
    export_workspace(Clockify(), "workspace", "Firm", Path("export"), use_cache=False)
print(f"clockify-export {version('clockify-export')}")
columns = ("Date", "Start", "End", "Timezone")
seen = {}
for file in sorted(Path("export").rglob("*.csv")):
    seen[file.stem] = [" ".join(row[name] for name in columns) for row in csv.DictReader(file.open())]
    print(f"{file.stem}: {seen[file.stem]}")
then = {
    "Firm_2026-01": ["2026-01-31 23:15 23:45 Europe/Brussels"],
    "Firm_2026-07": ["2026-07-01 06:30 09:30 Europe/Brussels"],
}
if seen != then:
    sys.exit(f"No longer so: it was {then}.")
END
