#!/bin/sh
# One would guess: three validators of European VAT numbers agree about Belgium, whose rule is two lines: ten digits
# that begin with 0 or 1, the last two 97 minus the rest modulo 97.
# What happens: jsvat refuses every number that begins with 1, which Belgium has given out since the numbers with 0 ran
# short; jsvat-next takes them. jsvat takes the old nine digits, the other two refuse them. validator.js checks no
# digits at all: BE0000000000 and BE9999999999 are VAT numbers to it.
# Why it matters: new Belgian companies cannot be entered as customers, and which ones fail depends on the package that
# a form happens to use.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
npm install --prefix "$folder" --silent --no-audit --no-fund --ignore-scripts jsvat@2.5.4 jsvat-next@3.0.4 \
  validator@13.15.35
cd "$folder"
node --input-type=commonjs - <<'END'
const see = (what, answer, then) => {
  console.log(`${what}: ${JSON.stringify(answer)}`);
  if (JSON.stringify(answer) !== JSON.stringify(then)) {
    console.error(`No longer so: ${what} was ${JSON.stringify(then)}.`);
    process.exit(1);
  }
};

const jsvat = require("jsvat");
const next = require("jsvat-next");
const validator = require("validator");
const version = (name) => require(`./node_modules/${name}/package.json`).version;
console.log(["jsvat", "jsvat-next", "validator"].map((name) => `${name} ${version(name)}`).join(", "));
for (const [what, number, then] of [
  ["right, begins with 0", "BE0403019261", [true, true, true]],
  ["right, begins with 1", "BE1000000021", [false, true, true]],
  ["right, nine digits", "BE403019261", [true, false, false]],
  ["wrong check digits", "BE0403019262", [false, false, true]],
  ["begins with 9", "BE9999999999", [false, false, true]],
]) {
  const answers = [
    jsvat.checkVAT(number, [jsvat.belgium]).isValid,
    next.checkVAT(number, [next.belgium]).isValid,
    validator.isVAT(number, "BE"),
  ];
  see(`${number} (${what}): jsvat, jsvat-next, validator`, answers, then);
}
END
