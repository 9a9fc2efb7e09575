#!/bin/sh
# One would guess: from Friday 29 January 2027 to Monday 1 February is one working day, whatever the hours, and the
# next working day is one.
# What happens: moment-business-days and dayjs-business-days2 say two when Monday's hour is later than Friday's. The
# next working day after 23 December is the 29th, in a week in which the firm is closed: both stop searching after six
# days, and dayjs-business-days2 has no setting for it, while adding one working day gives 4 January.
# luxon-business-days keeps the holidays of the United States unless told: Thanksgiving is no working day.
# Why it matters: "paid two working days late" depends on the hour at which somebody looks, and a term for payment or a
# reminder falls on a day on which nobody works. Compare dates at midnight, and give each library its holidays.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
npm install --prefix "$folder" --silent --no-audit --no-fund --ignore-scripts moment@2.31.0 \
  moment-business-days@1.2.0 dayjs@1.11.23 dayjs-business-days2@1.4.0 luxon@3.7.2 luxon-business-days@3.0.1
cd "$folder"
TZ=Europe/Brussels node --input-type=commonjs - <<'END'
const see = (what, answer, then) => {
  console.log(`${what}: ${JSON.stringify(answer)}`);
  if (JSON.stringify(answer) !== JSON.stringify(then)) {
    console.error(`No longer so: ${what} was ${JSON.stringify(then)}.`);
    process.exit(1);
  }
};

const closed = ["24", "25", "28", "29", "30", "31"].map((day) => `2026-12-${day}`).concat("2027-01-01");
const moment = require("moment-business-days");
moment.updateLocale("en", { holidays: closed, holidayFormat: "YYYY-MM-DD" });
const dayjs = require("dayjs");
dayjs.extend(require("dayjs-business-days2").default, { holidays: closed, holidayFormat: "YYYY-MM-DD" });
const { DateTime } = require("luxon-business-days");

const names = ["moment-business-days", "dayjs-business-days2", "luxon-business-days"];
console.log(names.map((name) => `${name} ${require(`./node_modules/${name}/package.json`).version}`).join(", "));
for (const [friday, monday, then] of [["", "", 1], [" 17:00", " 09:00", 1], [" 09:00", " 17:00", 2]]) {
  const [due, paid] = [`2027-01-29${friday}`, `2027-02-01${monday}`];
  const days = [moment(paid).businessDiff(moment(due)), dayjs(paid).businessDiff(dayjs(due))];
  see(`working days from ${due} to ${paid} (moment, dayjs)`, days, [then, then]);
}
for (const [name, date] of [["moment", moment("2026-12-23")], ["dayjs", dayjs("2026-12-23")]]) {
  const added = name === "moment" ? date.businessAdd(1) : date.businessDaysAdd(1);
  see(`${name}, a working day added to 23 December`, added.format("YYYY-MM-DD"), "2027-01-04");
  const next = date.nextBusinessDay();
  const answer = [next.format("YYYY-MM-DD"), next.isBusinessDay()];
  see(`${name}, the next working day, and whether it is one`, answer, ["2026-12-29", false]);
}
const later = DateTime.fromISO("2027-11-24").plusBusiness({ days: 1 });
see("luxon, a working day added to 24 November 2027", later.toISODate(), "2027-11-26");
END
