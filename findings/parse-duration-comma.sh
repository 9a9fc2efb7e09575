#!/bin/sh
# One would guess: "1,5h" is an hour and a half, or no duration.
# What happens: it is fifteen hours, as the default language takes the comma for a thousands sign wherever it stands
# between two digits. "1,5 uur" and "7,5 heures" are null. "1:30" is a thousandth of a second: a number without a unit
# counts as milliseconds, and the colon is skipped. "P1DT1.5H" loses its day. The locale fr reads the comma, but it is
# set for the whole process (parse.unit), not per call.
# Why it matters: a field for hours that takes "1h30" takes "1,5h" too, and Belgians type a comma. Ten times too much
# is billed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
npm install --prefix "$folder" --silent --no-audit --no-fund --ignore-scripts parse-duration@2.1.9
cd "$folder"
node --input-type=commonjs - <<'END'
const see = (what, answer, then) => {
  console.log(`${what}: ${JSON.stringify(answer)}`);
  if (JSON.stringify(answer) !== JSON.stringify(then)) {
    console.error(`No longer so: ${what} was ${JSON.stringify(then)}.`);
    process.exit(1);
  }
};

import("parse-duration").then(({ default: parse }) => {
  console.log(`parse-duration ${require("./node_modules/parse-duration/package.json").version}`);
  for (const [text, then] of [
    ["1.5h", 1.5],
    ["1h30", 1.5],
    ["1,5h", 15],
    ["7,25 h", 725],
    ["P1DT1.5H", 1.5],
    ["1,5 uur", null],
    ["7,5 heures", null],
  ]) {
    see(`${text} in hours`, parse(text, "h"), then);
  }
  see("1:30 in milliseconds", parse("1:30"), 1.03);
});
END
