#!/bin/sh
# One would guess: an event that begins at 01:00 in Brussels and has DURATION:PT3H takes three hours, in every night.
# RFC 5545 (3.3.6) says so: hours are exact, and the hour of a change of clocks is added or taken away.
# What happens: in the night of 25 October 2026 it takes four hours in icalendar, recurring-ical-events, ics and ical.js,
# which move the clock on the wall by three hours, and two in the night of 28 March 2027. node-ical says three. So does
# icalendar once something in the process has imported icalevents, which switches its time zones to pytz.
# Why it matters: night work and being on call are billed by the hour, and an import elsewhere decides how many. Add the
# duration in UTC, or write DTEND.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check icalendar==7.3.2 recurring-ical-events==3.8.2 \
  ics==0.7.3 icalevents==0.3.1
npm install --prefix "$folder" --silent --no-audit --no-fund --ignore-scripts ical.js@2.2.1 node-ical@0.26.1
cd "$folder"
for night in 20261025 20270328; do
  printf '%s\r\n' BEGIN:VCALENDAR VERSION:2.0 PRODID:-//Example//Hours//EN \
    BEGIN:VTIMEZONE TZID:Europe/Brussels \
    BEGIN:DAYLIGHT DTSTART:19810329T020000 'RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU' TZOFFSETFROM:+0100 \
    TZOFFSETTO:+0200 END:DAYLIGHT \
    BEGIN:STANDARD DTSTART:19961027T030000 'RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU' TZOFFSETFROM:+0200 \
    TZOFFSETTO:+0100 END:STANDARD END:VTIMEZONE \
    BEGIN:VEVENT UID:1@example.com DTSTAMP:20260101T000000Z "DTSTART;TZID=Europe/Brussels:${night}T010000" \
    DURATION:PT3H SUMMARY:Advice END:VEVENT END:VCALENDAR >"$night.ics"
done
"$folder/bin/python" - <<'END'
import sys
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import ics
import recurring_ical_events
from icalendar import Calendar


def hours(start, end):
    return (end.timestamp() - start.timestamp()) / 3600


def see(night, library, answer, then):
    print(f"{night}, {library} {version(library)}: {answer:g} hours")
    if answer != then:
        sys.exit(f"No longer so: it was {then}.")


for night, wrong in ("20261025", 4), ("20270328", 2):
    text = Path(f"{night}.ics").read_bytes().decode()
    calendar = Calendar.from_ical(text)
    (event,) = calendar.events
    if event.duration != timedelta(hours=3):
        sys.exit("No longer so: icalendar gave the duration as three hours.")
    see(night, "icalendar", hours(event.start, event.end), wrong)
    (event,) = recurring_ical_events.of(calendar).at(night)
    see(night, "recurring-ical-events", hours(event.start, event.end), wrong)
    (event,) = ics.Calendar(text).events
    see(night, "ics", hours(event.begin.datetime, event.end.datetime), wrong)

import icalevents.icalevents

for night in ("20261025", "20270328"):
    (event,) = Calendar.from_ical(Path(f"{night}.ics").read_bytes()).events
    see(f"{night}, after import icalevents {version('icalevents')}", "icalendar", hours(event.start, event.end), 3)
END
node --input-type=module - <<'END'
import { readFileSync } from "node:fs";
import ICAL from "ical.js";
import nodeIcal from "node-ical";

const version = (name) => JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;
const see = (night, library, answer, then) => {
  console.log(`${night}, ${library} ${version(library)}: ${answer} hours`);
  if (answer !== then) {
    console.error(`No longer so: it was ${then}.`);
    process.exit(1);
  }
};

for (const [night, wrong] of [["20261025", 4], ["20270328", 2]]) {
  const text = readFileSync(`${night}.ics`, "utf8");
  const calendar = new ICAL.Component(ICAL.parse(text));
  ICAL.TimezoneService.register(calendar.getFirstSubcomponent("vtimezone"));
  const event = new ICAL.Event(calendar.getFirstSubcomponent("vevent"));
  see(night, "ical.js", (event.endDate.toJSDate() - event.startDate.toJSDate()) / 3600000, wrong);
  const { start, end } = nodeIcal.sync.parseICS(text)["1@example.com"];
  see(night, "node-ical", (end - start) / 3600000, 3);
}
END
