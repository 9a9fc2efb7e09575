#!/bin/sh
# One would guess: isHoliday(day) for Belgium is false on a day on which everybody works.
# What happens: it is true on Valentine's Day, Mother's Day, Epiphany, Saint Nicholas' and the King's Day: days of type
# "observance" are holidays too. And the answer is not true or false but a list of days, or false.
# Why it matters: "next working day" for a due date or a sending day skips days on which banks and Peppol work. Ask for
# type "public", as with new Holidays("BE", { types: ["public"] }), which leaves ten.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
npm install --prefix "$folder" --silent --no-audit --no-fund --ignore-scripts date-holidays@3.37.0
cd "$folder"
node --input-type=commonjs - <<'END'
const see = (what, answer, then) => {
  console.log(`${what}: ${JSON.stringify(answer)}`);
  if (JSON.stringify(answer) !== JSON.stringify(then)) {
    console.error(`No longer so: ${what} was ${JSON.stringify(then)}.`);
    process.exit(1);
  }
};

const Holidays = require("date-holidays");
console.log(`date-holidays ${require("./node_modules/date-holidays/package.json").version}`);
const all = new Holidays("BE");
const open = new Holidays("BE", { types: ["public"] });
const types = (calendar, day) => (calendar.isHoliday(day) || []).map((holiday) => holiday.type);
for (const [day, name] of [
  ["2028-02-14", "Valentine's Day"],
  ["2028-12-06", "Saint Nicholas' Day"],
  ["2028-11-15", "King's Day"],
]) {
  see(`${name} ${day}`, types(all, `${day} 12:00:00`), ["observance"]);
  see(`${name} ${day}, public only`, types(open, `${day} 12:00:00`), []);
}
see("National Day 2028-07-21", types(all, "2028-07-21 12:00:00"), ["public"]);
see("days in 2028: all, public", [all, open].map((calendar) => calendar.getHolidays(2028).length), [18, 10]);
END
