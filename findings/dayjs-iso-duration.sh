#!/bin/sh
# One would guess: toISOString() of a duration of hours says those hours, and a duration that is written as ISO 8601
# and read again is the same.
# What happens: from 730 hours on, Day.js writes months, of 730 hours each: 1,720 hours, a working year, are
# "P2M10DT20H". Luxon, which also reads months as a fixed length, makes 1,700 hours of it. A minus before the P is
# written, and lost when Day.js reads its own text: -90 minutes come back as +90. The comma of ISO 8601, "PT1,5H", is
# read as 0.
# Why it matters: totals of hours per year and negative corrections are what time tracking sends between a page and a
# server. Send seconds.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
npm install --prefix "$folder" --silent --no-audit --no-fund --ignore-scripts dayjs@1.11.23 luxon@3.7.2
cd "$folder"
node --input-type=commonjs - <<'END'
const see = (what, answer, then) => {
  console.log(`${what}: ${JSON.stringify(answer)}`);
  if (JSON.stringify(answer) !== JSON.stringify(then)) {
    console.error(`No longer so: ${what} was ${JSON.stringify(then)}.`);
    process.exit(1);
  }
};

const dayjs = require("dayjs");
dayjs.extend(require("dayjs/plugin/duration"));
const { Duration, VERSION } = require("luxon");
console.log(`Day.js ${require("./node_modules/dayjs/package.json").version}, Luxon ${VERSION}`);
const written = (hours) => dayjs.duration(hours, "hours").toISOString();
see("729 hours written", written(729), "P30DT9H");
see("1720 hours written", written(1720), "P2M10DT20H");
see("that text in hours, read by Day.js", dayjs.duration(written(1720)).asHours(), 1720);
see("that text in hours, read by Luxon", Duration.fromISO(written(1720)).as("hours"), 1700);
see("-90 minutes written", written(-1.5), "-PT1H30M");
see("that text in minutes, read by Day.js", dayjs.duration(written(-1.5)).asMinutes(), 90);
see("PT1,5H in hours", dayjs.duration("PT1,5H").asHours(), 0);
see("PT1.5H in hours", dayjs.duration("PT1.5H").asHours(), 1.5);
END
