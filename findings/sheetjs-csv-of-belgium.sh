#!/bin/sh
# One would guess: a CSV of Excel in Belgium (semicolons, comma before the cents) that goes through SheetJS keeps its
# text, or that a comma in a number without thousands is the decimal sign.
# What happens: the semicolon is recognised, but commas are dropped from anything that looks like a number: the price
# 72,5 is read as 725, 1.234,50 as 1.2345. The enterprise number 0403019261 loses its zero. Dates are read month first
# where that gives a date: 01/02/2027 becomes 2 January, 13/02/2027 stays a text in the same column. With raw: true all
# stay text.
# Why it matters: a price list comes in ten times too dear, without an error. 0.18.5 is the newest version on npm.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
npm install --prefix "$folder" --silent --no-audit --no-fund --ignore-scripts xlsx@0.18.5
cd "$folder"
node --input-type=commonjs - <<'END'
const see = (what, answer, then) => {
  console.log(`${what}: ${JSON.stringify(answer)}`);
  if (JSON.stringify(answer) !== JSON.stringify(then)) {
    console.error(`No longer so: ${what} was ${JSON.stringify(then)}.`);
    process.exit(1);
  }
};

const XLSX = require("xlsx");
console.log(`SheetJS ${XLSX.version}`);
const rows = (text, options) => {
  const book = XLSX.read(text, { type: "string", ...options });
  return XLSX.utils.sheet_to_json(book.Sheets[book.SheetNames[0]], { header: 1 }).slice(1);
};
const prices = "client;price;number\nPeeters;72,5;0403019261\nMaes;1.234,50;0200362210\n";
see("prices and numbers", rows(prices), [["Peeters", 725, 403019261], ["Maes", 1.2345, 200362210]]);
see("with raw", rows(prices, { raw: true }), [
  ["Peeters", "72,5", "0403019261"],
  ["Maes", "1.234,50", "0200362210"],
]);
const dates = "day\n01/02/2027\n13/02/2027\n";
const kind = (day) => (day instanceof Date ? "a date" : day);
const days = (text) => rows(text, { cellDates: true }).map(([day]) => kind(day));
see("1 and 13 February", days(dates), ["a date", "13/02/2027"]);
const serial = (isoDay) => (Date.parse(isoDay) - Date.parse("1899-12-30")) / 86400000;
see("01/02/2027 as Excel's day number is 2 January", rows(dates)[0][0], serial("2027-01-02"));
END
