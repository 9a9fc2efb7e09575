#!/bin/sh
# One would guess: a library that reads amounts of any country leaves 0.125 what it is, and keeps a minus.
# What happens: three digits behind one separator are thousands even behind a lone zero: "0,125" and "0.125" are 125,
# "0,250 h" is 250, while "0,1250" is right. Every minus is dropped: the total of a credit note comes out positive.
# Why it matters: seven and a half minutes are 0.125 hours, and prices per unit have three decimals: quantities become
# a thousand times as large, and credits become invoices, without an error. Name the separator for the first; nothing
# helps the second.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check price-parser==0.5.1
"$folder/bin/python" - <<'END'
import sys
from importlib.metadata import version

from price_parser import Price


def see(what, answer, then):
    print(f"{what}: {answer}")
    if str(answer) != then:
        sys.exit(f"No longer so: {what} was {then}.")


print(f"price-parser {version('price-parser')}")
for text, amount in [
    ("0,125", "125"),
    ("0.125", "125"),
    ("0,250 h", "250"),
    ("0,1250", "0.1250"),
    ("0,25", "0.25"),
    ("-12,50", "12.50"),
    ("€ -12,50", "12.50"),
    ("-1.089,00 EUR", "1089.00"),
]:
    see(f"{text!r}", Price.fromstring(text).amount, amount)
see("'0,125' with the comma named", Price.fromstring("0,125", decimal_separator=",").amount, "0.125")
see("'-12,50' with the comma named", Price.fromstring("-12,50", decimal_separator=",").amount, "12.50")
END
