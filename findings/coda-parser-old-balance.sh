#!/bin/sh
# One would guess: a parser of CODA, the file in which Belgian banks give their statements, reads the balance before the
# movements as it reads the one after them.
# What happens: coda-parser gives the old balance in thousandths and the new one in euro: 1,000.00 before and 1,089.00
# in, and the statement opens with a million and closes with 2,089. pycoda reads the same file as 1,000.0 and 2,089.0.
# Why it matters: whoever proves that a statement is whole, old balance and movements are the new one, before payments
# are taken to invoices, finds every statement broken, but for those of an account that was empty.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
cd "$folder"
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check pycoda==1.1.0
npm install --prefix "$folder" --silent --no-audit --no-fund --ignore-scripts coda-parser@0.0.3
"$folder/bin/python" - <<'END'
# A statement of one movement: 1,000.00 euro, 1,089.00 in, 2,089.00. Records of 128 characters (Febelfin, CODA 2.6).
ACCOUNT = "BE68539007547034".ljust(34) + "EUR"
CUSTOMER = "BE71096123456769".ljust(34) + "EUR"
RECORDS = [
    ["0", "0000", "301126", "539", "05", " " * 8, "FILE000001", "VOORBEELD BV".ljust(26), "TRIOBEBB".ljust(11)]
    + ["00999050807", " ", "00000", " " * 39, "2"],
    ["1", "2", "001", ACCOUNT, "0", "000000001000000", "291126", "VOORBEELD BV".ljust(26), "ZICHT".ljust(35), "001"],
    ["21", "0001", "0000", "REF01".ljust(21), "0", "000000001089000", "301126", "00150000", "1"]
    + ["101090933755493".ljust(53), "301126", "001", "0", "1", " ", "0"],
    ["22", "0001", "0000", " " * 53, "INVOICE".ljust(35), "GKCCBEBB".ljust(11), " " * 16, "1", " ", "0"],
    ["23", "0001", "0000", CUSTOMER, "KLANT BV".ljust(35), " " * 43, "0", " ", "0"],
    ["8", "001", ACCOUNT, "0", "000000002089000", "301126", " " * 64, "0"],
    ["9", " " * 15, "000006", "000000000000000", "000000001089000", " " * 75, "2"],
]
lines = ["".join(record) for record in RECORDS]
assert {len(line) for line in lines} == {128}
with open("statement.cod", "w", newline="") as file:
    file.write("".join(f"{line}\r\n" for line in lines))
END
"$folder/bin/python" - <<'END'
import sys
from importlib.metadata import version

from coda.parser import Parser

(statement,) = Parser().parse(open("statement.cod", "rb").read())
seen = [statement.old_balance, statement.movements[0].transaction_amount, statement.new_balance]
print(f"pycoda {version('pycoda')}: before, in, after: {seen}")
if seen != [1000.0, 1089.0, 2089.0]:
    sys.exit("pycoda read something else before.")
END
node - <<'END'
const { readFileSync } = require("node:fs");
const { parse } = require("coda-parser");
const { version } = JSON.parse(readFileSync("node_modules/coda-parser/package.json"));
(async () => {
  const { balance, movements } = await parse(readFileSync("statement.cod", "latin1"));
  const seen = [balance.old.balance, movements[0].amount, balance.new.balance];
  console.log(`coda-parser ${version}: before, in, after: ${JSON.stringify(seen)}`);
  if (JSON.stringify(seen) !== "[1000000,1089,2089]") {
    console.error("No longer so: it was [1000000,1089,2089].");
    process.exit(1);
  }
})();
END
