#!/bin/sh
# One would guess: discount_percent = 1 on an invoice of 1,000.00 takes off 10.00, and 2.5 takes off 25.00.
# What happens: 1 takes off everything, as a number up to 1 counts as a fraction and one above it as percent: 0.5 takes
# off half. 2.5 takes off 30.00 and 1.5 takes off 10.00, for the fraction is rounded to two places first. With two VAT
# rates the discount is deducted from the base of each: 100.00 off 2,000.00 lowers the bases by 200.00.
# Why it matters: discounts for prompt payment are 1, 1.5 or 2.5 percent. The invoice is zero, or some euro off, and its
# VAT too low: BR-S-08 deducts an allowance under one rate only. Compute the amounts yourself, rate by rate.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check en16931==0.2 py-money==0.5.0
"$folder/bin/python" - <<'END'
import sys
from importlib.metadata import version

from en16931 import Invoice, InvoiceLine


def see(what, answer, then):
    print(f"{what}: {answer}")
    if answer != then:
        sys.exit(f"No longer so: {what} was {then}.")


def invoice(*rates):
    made = Invoice()
    for rate in rates:
        made.add_line(InvoiceLine(quantity=1, price=1000, item_name="Advice", tax_percent=rate, tax_category="S"))
    return made


print(f"en16931 {version('en16931')}")
for percent, off in (3, "30.00"), (2.5, "30.00"), (1.5, "10.00"), (1, "1000.00"), (0.5, "500.00"):
    one = invoice(0.21)
    one.discount_percent = percent
    see(f"{percent} % of 1000.00", str(one.discount_amount), off)
two = invoice(0.21, 0.06)
two.discount_amount = 100
see("2000.00 less 100.00", str(two.subtotal()), "1900.00")
bases = {str(tax.percent): str(two.taxable_base(tax)) for tax in sorted(two.unique_taxes, key=lambda tax: tax.percent)}
see("bases of its VAT", bases, {"0.06": "900.00", "0.21": "900.00"})
see("its VAT", str(two.tax_amount()), "243.00")
END
