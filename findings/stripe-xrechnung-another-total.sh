#!/bin/sh
# One would guess: an e-invoice made of an invoice of Stripe's asks for the sum that Stripe charged.
# What happens: stripe-xrechnung takes the amounts of the lines and computes VAT itself. A reverse charge, on which
# Stripe puts no tax, gets 19 % of German VAT: a customer in Belgium is asked for 119.00 instead of 100.00. A coupon is
# not deducted, VAT that the price includes is added once more. A proration, half a month at 300.00, is one piece at
# 300.00 that makes 150.00. The package's own check finds nothing.
# Why it matters: who has paid 100.00 holds a document that asks for 119.00, with VAT that he must not deduct and that
# the seller owes because he wrote it. Compare the payable amount with Stripe's total before anything is sent.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check stripe-xrechnung==0.1.0
"$folder/bin/python" - <<'END'
import re
import sys
from importlib.metadata import version

from stripe_xrechnung import emit_ubl, map_stripe, validate_invoice

ADDRESS = {"line1": "Street 1", "city": "Gent", "postal_code": "9000", "country": "BE"}
SELLER = {"name": "Example Accounting", "vat_id": "BE0403019261", "email": "billing@example.com", "phone": "+32 9 000"}
SELLER |= {"address": ADDRESS, "payment": {"iban": "BE71096123456769"}}


def line(amount, month, tax, inclusive=False, **more):
    """A line as Stripe's API gives it: amounts in cents before coupons, the price of a month, tax."""
    taxes = [{"amount": tax, "inclusive": inclusive, "tax_rate": {"percentage": 21.0}}] if tax else []
    price = {"unit_amount": month, "recurring": {"interval": "month"}}
    return {"description": "Service", "amount": amount, "quantity": 1, "price": price, "tax_amounts": taxes, **more}


def see(what, total, lines, then, **more):
    invoice = {"object": "invoice", "number": "2027-0001", "currency": "eur"}
    invoice |= {"created": 1801353600, "due_date": 1803945600}  # 31 January and 2 March 2027
    invoice |= {"customer_name": "Example Customer", "customer_email": "books@example.org", "customer_address": ADDRESS}
    invoice |= {"lines": {"data": lines}, "total": total, **more}
    mapped = map_stripe(invoice, SELLER)
    ubl = emit_ubl(mapped)
    ubl = ubl.decode() if isinstance(ubl, bytes) else ubl
    found = validate_invoice(mapped, profile="xrechnung-ubl")
    numbers = {name: re.findall(f"<cbc:{name}[^>]*>([^<]*)", ubl) for name in ("PayableAmount", "PriceAmount")}
    nets = re.findall("<cbc:LineExtensionAmount[^>]*>([^<]*)", ubl.split("<cac:InvoiceLine>", 1)[1])
    answer = (*numbers["PayableAmount"], numbers["PriceAmount"], nets, found.ok)
    print(f"{what}: Stripe {total / 100:.2f}, e-invoice {answer[0]}")
    print(f"  prices {answer[1]}, amounts of lines {answer[2]}, fine by its own check {answer[3]}")
    if answer != then:
        sys.exit(f"No longer so: it was {then}.")


print(f"stripe-xrechnung {version('stripe-xrechnung')}")
see("21 % VAT", 12100, [line(10000, 10000, 2100)], ("121.00", ["100.00"], ["100.00"], True))
reverse = {"customer_tax_exempt": "reverse", "total_tax_amounts": []}
see("reverse charge", 10000, [line(10000, 10000, 0)], ("119.00", ["100.00"], ["100.00"], True), **reverse)
coupon = line(10000, 10000, 1890, discount_amounts=[{"amount": 1000, "discount": "di_1"}])
see("coupon of 10.00", 10890, [coupon], ("121.00", ["100.00"], ["100.00"], True))
see("VAT included", 10000, [line(10000, 10000, 1736, inclusive=True)], ("121.00", ["100.00"], ["100.00"], True))
change = [line(-5000, 10000, -1050, proration=True), line(15000, 30000, 3150, proration=True)]
see("proration", 12100, change, ("121.00", ["100.00", "300.00"], ["-50.00", "150.00"], True))
END
