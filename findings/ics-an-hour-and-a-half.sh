#!/bin/sh
# One would guess: an event of { hours: 1.5 } is written as an hour and a half, which every calendar reads, or refused.
# What happens: ics writes DURATION:PT1.5H. RFC 5545 (3.3.6) has whole numbers only, and each reader makes its own of
# it: ical.js an hour, node-ical five hours, as it takes the digits before the H; icalendar and ics of Python refuse the
# event. A quarter, { hours: 0.25 }, is nothing in ical.js and 25 hours in node-ical. { hours: 1, minutes: 30 } is read
# right by all.
# Why it matters: hours are decimals wherever they are billed. An agenda or a time sheet that is passed on as a calendar
# shows one hour or five, depending on who opens it. Write minutes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check icalendar==7.3.2 ics==0.7.3
npm install --prefix "$folder" --silent --no-audit --no-fund --ignore-scripts ics@3.12.0 ical.js@2.2.1 node-ical@0.26.1
cd "$folder"
node --input-type=module - <<'END'
import { readFileSync, writeFileSync } from "node:fs";
import ICAL from "ical.js";
import { createEvent } from "ics";
import nodeIcal from "node-ical";

const version = (name) => JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;
const see = (what, answer, then) => {
  console.log(`${what}: ${JSON.stringify(answer)}`);
  if (JSON.stringify(answer) !== JSON.stringify(then)) {
    console.error(`No longer so: it was ${JSON.stringify(then)}.`);
    process.exit(1);
  }
};

console.log(["ics", "ical.js", "node-ical"].map((name) => `${name} ${version(name)}`).join(", "));
const cases = [
  ["right", { hours: 1, minutes: 30 }, "PT1H30M", 1.5, 1.5],
  ["half", { hours: 1.5 }, "PT1.5H", 1, 5],
  ["quarter", { hours: 0.25 }, "PT0.25H", 0, 25],
];
for (const [name, duration, text, ofIcalJs, ofNodeIcal] of cases) {
  const { value } = createEvent({ uid: "1", title: "Advice", start: [2027, 2, 1, 9, 0], duration });
  writeFileSync(`${name}.ics`, value);
  see(`${JSON.stringify(duration)} is written`, value.match(/^DURATION:(.*)$/m)[1].trim(), text);
  const event = new ICAL.Event(new ICAL.Component(ICAL.parse(value)).getFirstSubcomponent("vevent"));
  see("  hours in ical.js", (event.endDate.toJSDate() - event.startDate.toJSDate()) / 3600000, ofIcalJs);
  const { start, end } = nodeIcal.sync.parseICS(value)["1"];
  see("  hours in node-ical", (end - start) / 3600000, ofNodeIcal);
}
END
"$folder/bin/python" - <<'END'
import sys
from importlib.metadata import version
from pathlib import Path

import ics
from icalendar import Calendar


def of_icalendar(text):
    (event,) = Calendar.from_ical(text).events
    return event.end - event.start


def of_ics(text):
    (event,) = ics.Calendar(text).events
    return event.duration


for name, then in ("right", "1:30:00"), ("half", "refused"), ("quarter", "refused"):
    for library, read in ("icalendar", of_icalendar), ("ics", of_ics):
        try:
            answer = str(read(Path(f"{name}.ics").read_bytes().decode()))
        except Exception:
            answer = "refused"
        print(f"{name}.ics in {library} {version(library)} (Python): {answer}")
        if answer != then:
            sys.exit(f"No longer so: it was {then}.")
END
