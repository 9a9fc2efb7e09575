#!/bin/sh
# One would guess: from 31 January to 28 February it is a month or it is none, the same in every library, and who begins
# a day earlier has not fewer months.
# What happens: it is one month in date-fns, Day.js, Luxon, dateutil and pendulum, none in Temporal and js-joda. From
# 30 January it is none in pendulum: the later start has the longer term. From 28 February to 31 March it is one month
# in Day.js with fractions, too, and three days are free; Luxon has 1.096. From 29 February 2028 to 28 February 2029
# date-fns counts twelve months and no year, and backwards it counts a month less than forwards.
# Why it matters: a subscription from the 31st is billed for a month or for none, and a term of notice is over or not,
# depending on the language of the service that asks. Count from the anchor by adding months to it, never by difference.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check pendulum==3.3.0 python-dateutil==2.9.0.post0
npm install --prefix "$folder" --silent --no-audit --no-fund --ignore-scripts date-fns@4.4.0 dayjs@1.11.23 luxon@3.7.2 \
  @js-temporal/polyfill@0.5.1 @js-joda/core@6.3.2
cd "$folder"
TZ=Europe/Brussels node --input-type=module - <<'END'
import { readFileSync } from "node:fs";
import { ChronoUnit, LocalDate } from "@js-joda/core";
import { Temporal } from "@js-temporal/polyfill";
import { differenceInMonths, differenceInYears, parseISO } from "date-fns";
import dayjs from "dayjs";
import { DateTime } from "luxon";

const names = ["date-fns", "dayjs", "luxon", "@js-temporal/polyfill", "@js-joda/core"];
const version = (name) => JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;
console.log(names.map((name) => `${name} ${version(name)}`).join(", "));
const see = (what, answer, then) => {
  console.log(`${what}: ${JSON.stringify(answer)}`);
  if (JSON.stringify(answer) !== JSON.stringify(then)) {
    console.error(`No longer so: it was ${JSON.stringify(then)}.`);
    process.exit(1);
  }
};
const months = (from, to) => [
  differenceInMonths(parseISO(to), parseISO(from)),
  dayjs(to).diff(from, "month", true),
  Math.round(DateTime.fromISO(to).diff(DateTime.fromISO(from), "months").months * 1000) / 1000,
  Temporal.PlainDate.from(from).until(to, { largestUnit: "months" }).months,
  ChronoUnit.MONTHS.between(LocalDate.parse(from), LocalDate.parse(to)),
];
for (const [from, to, then] of [
  ["2027-01-15", "2027-02-15", [1, 1, 1, 1, 1]],
  ["2027-01-31", "2027-02-28", [1, 1, 1, 0, 0]],
  ["2027-02-28", "2027-03-31", [1, 1, 1.096, 1, 1]],
]) {
  see(`months from ${from} to ${to}`, months(from, to), then);
}
const [leap, later] = [parseISO("2028-02-29"), parseISO("2029-02-28")];
const counted = [differenceInMonths(later, leap), differenceInYears(later, leap), differenceInMonths(leap, later)];
see("date-fns, 2028-02-29 to 2029-02-28: months, years, months backwards", counted, [12, 0, -11]);
END
"$folder/bin/python" - <<'END'
import sys
from datetime import date
from importlib.metadata import version

import pendulum
from dateutil.relativedelta import relativedelta

for start, then in (31, (1, 1)), (30, (1, 0)):
    begin, end = date(2027, 1, start), date(2027, 2, 28)
    apart = pendulum.instance(end) - pendulum.instance(begin)
    answer = (relativedelta(end, begin).months, apart.in_months())
    names = f"dateutil {version('python-dateutil')}, pendulum {version('pendulum')}"
    print(f"months from {begin} to {end} ({names}): {answer}")
    if answer != then:
        sys.exit(f"No longer so: it was {then}.")
END
