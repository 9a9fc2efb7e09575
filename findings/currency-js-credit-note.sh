#!/bin/sh
# One would guess: a credit note over the same amount takes back to the cent what the invoice charged, and a library
# for money keeps enough digits between two steps.
# What happens: half a cent is rounded up, not away from zero: 1.005 is 1.01, -1.005 is -1.00. Every step is rounded to
# cents, so that ten minutes at 10.00 an hour, first divided by 60, is worth another amount than first multiplied: 90
# minutes are 15.30 or 15.00. A rate with four decimals loses two at once: 0.0375 x 1000 is 40.00.
# Why it matters: an invoice and its credit note leave a cent open in the books, and a price per minute is off by two
# percent. Multiply first, with a precision of one's own, and round the absolute amount.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
npm install --prefix "$folder" --silent --no-audit --no-fund --ignore-scripts currency.js@2.0.4
cd "$folder"
node --input-type=commonjs - <<'END'
const see = (what, answer, then) => {
  console.log(`${what}: ${JSON.stringify(answer)}`);
  if (JSON.stringify(answer) !== JSON.stringify(then)) {
    console.error(`No longer so: ${what} was ${JSON.stringify(then)}.`);
    process.exit(1);
  }
};

const currency = require("currency.js");
console.log(`currency.js ${require("./node_modules/currency.js/package.json").version}`);
see("invoiced 1.005", currency("1.005").value, 1.01);
see("credited -1.005", currency("-1.005").value, -1);
see("10.00 / 60 x 90", currency("10.00").divide(60).multiply(90).value, 15.3);
see("10.00 x 90 / 60", currency("10.00").multiply(90).divide(60).value, 15);
see("0.0375 x 1000", currency("0.0375").multiply(1000).value, 40);
see("1000 x 0.0375", currency("1000").multiply(0.0375).value, 37.5);
see("0.0375 x 1000 with precision 4", currency("0.0375", { precision: 4 }).multiply(1000).value, 37.5);
END
