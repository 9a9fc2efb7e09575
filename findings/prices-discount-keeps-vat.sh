#!/bin/sh
# One would guess: a discount on a TaxedMoney, a price with its net and its gross, lowers both in proportion, so that
# the VAT rate stays what it was; and 20 % off is 20 % off the net.
# What happens: the same amount is taken off net and gross. 100.00 + 21 % less 20.00 is 80.00 net and 101.00 gross:
# still 21.00 of VAT, now 26 %. percentage_discount(price, 20) takes 20 % of the *gross* off the net: 75.80 instead of
# 80.00.
# Why it matters: a discount on an invoice has to lower the VAT. Give the discount on the net (Money) and compute the
# VAT after it; a TaxedMoney is for showing.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check prices==1.1.1
"$folder/bin/python" - <<'END'
import sys
from decimal import Decimal
from importlib.metadata import version

import prices


def see(what, answer, then):
    print(f"{what}: {answer!r}")
    if answer != then:
        sys.exit(f"No longer so: {what} was {then!r}.")


def money(amount):
    return prices.Money(Decimal(amount), "EUR")


def parts(price):
    return f"net {price.net.amount}, gross {price.gross.amount}, VAT {price.tax.amount}"


hour = prices.flat_tax(money("100.00"), Decimal("0.21"))
print(f"prices {version('prices')}")
see("one hour", parts(hour), "net 100.00, gross 121.00, VAT 21.00")
fixed = prices.fixed_discount(hour, money("20.00"))
see("less 20.00", parts(fixed), "net 80.00, gross 101.00, VAT 21.00")
see("less 20 %", parts(prices.percentage_discount(hour, 20)), "net 75.80, gross 96.80, VAT 21.00")
on_net = prices.flat_tax(prices.percentage_discount(hour.net, 20), Decimal("0.21"))
see("less 20 % of the net, VAT after it", parts(on_net), "net 80.00, gross 96.80, VAT 16.80")
END
