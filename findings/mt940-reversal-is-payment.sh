#!/bin/sh
# One would guess: a credit that the bank takes back, marked RC in an MT940 (SWIFT: reversal of credit), is money that
# goes out again; three readers of MT940 agree about it.
# What happens: mt-940 makes it +121.00, one payment more, unless one knows its option reversal_sign. mt940-js calls it
# a credit, too, and the reversal of a debit (RD), which is money that comes in, a debit; the reversal has the id of the
# payment, as if it were read twice. mt940js has both right. What was entered on 31 December with value 1 January is of
# the next December in mt940-js.
# Why it matters: a direct debit that bounced leaves the invoice paid twice instead of open. Compare the sum of the
# entries with the two balances: only mt940js does.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check mt-940==5.1.1
npm install --prefix "$folder" --silent --no-audit --no-fund --ignore-scripts mt940-js@1.0.0 mt940js@1.3.5 \
  tslib@2.9.1
cd "$folder"
# 1,000.00; 121.00 in and taken back; 242.00 out and given back; 363.00 in on 31 December, value 1 January: 1,363.00.
printf '%s\r\n' :20:STATEMENT :25:BE71096123456769 :28C:1/1 :60F:C261231EUR1000,00 \
  :61:2701010101C121,00NDDTNONREF//1 :61:2701010101RC121,00NDDTNONREF//1 \
  :61:2701010101D242,00NTRFNONREF//2 :61:2701010101RD242,00NTRFNONREF//2 \
  :61:2701011231C363,00NTRFNONREF//3 :62F:C270101EUR1363,00 - >statement.sta
"$folder/bin/python" - <<'END'
import sys
from importlib.metadata import version
from pathlib import Path

import mt940

statement = mt940.parse(Path("statement.sta").read_text())
amounts = [str(row.data["amount"].amount) for row in statement]
before, after = (statement.data[f"final_{when}_balance"].amount.amount for when in ("opening", "closing"))
print(f"mt-940 {version('mt-940')}: {amounts}, {before} to {after}, entry dates to {statement[4].data['entry_date']}")
if amounts != ["121.00", "121.00", "-242.00", "242.00", "363.00"]:
    sys.exit("No longer so: RC was 121.00.")
asked = mt940.parse(Path("statement.sta").read_text(), options=mt940.Options(reversal_sign=True))
amounts = [str(row.data["amount"].amount) for row in asked]
print(f"  with reversal_sign: {amounts}")
if amounts != ["121.00", "-121.00", "-242.00", "242.00", "363.00"]:
    sys.exit("mt-940 read something else before.")
END
node --input-type=commonjs - <<'END'
const { readFileSync } = require("node:fs");
const { Parser } = require("mt940js");
const { read } = require("mt940-js");

const version = (name) => JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;
const see = (what, answer, then) => {
  console.log(`${what}: ${JSON.stringify(answer)}`);
  if (JSON.stringify(answer) !== JSON.stringify(then)) {
    console.error(`No longer so: it was ${JSON.stringify(then)}.`);
    process.exit(1);
  }
};

const text = readFileSync("statement.sta");
const [right] = new Parser().parse(text.toString());
see(`mt940js ${version("mt940js")}`, right.transactions.map((row) => row.amount), [121, -121, -242, 242, 363]);
read(text.buffer.slice(text.byteOffset, text.byteOffset + text.length)).then(([statement]) => {
  const rows = statement.transactions;
  const signed = rows.map((row) => (row.isCredit ? row.amount : -row.amount));
  see(`mt940-js ${version("mt940-js")}`, signed, [121, 121, -242, -242, 363]);
  see("  payment and its reversal have one id", rows[0].id === rows[1].id, true);
  see("  entered on 31 December 2026", rows[4].entryDate, "2027-12-31");
});
END
