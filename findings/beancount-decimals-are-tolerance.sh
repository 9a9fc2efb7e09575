#!/bin/sh
# One would guess: an entry of 121.04 against 100.00 and 21.00 does not balance, and a bank account that holds 121.00 is
# not said to hold 121.01.
# What happens: half of the last decimal is tolerated, of the number in the entry that has the fewest, and a zero after
# the point is one. With 100.0 for 100.00 five cents may be missing; with 100 it is refused again, as whole numbers say
# nothing. An assertion of the balance tolerates twice as much: 121.01 holds for 121.00, 121.1 too, 121.02 does not.
# Why it matters: programs write a Decimal or a float as it comes, 100.0 for 100. From that line on a difference between
# invoice and payment is no error, and the cent a bank statement is off never shows. Write two decimals always.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check beancount==3.2.3
"$folder/bin/python" - <<'END'
import sys
from importlib.metadata import version

from beancount import loader

BOOKS = """2027-01-01 open Assets:Customer EUR
2027-01-01 open Income:Hours EUR
2027-01-01 open Liabilities:VAT EUR
2027-01-31 * "Invoice"
  Assets:Customer  {gross} EUR
  Income:Hours  -{net} EUR
  Liabilities:VAT  -{vat} EUR
"""


def see(what, books, then):
    _, errors, _ = loader.load_string(books)
    answer = "refused" if errors else "fine"
    print(f"{what}: {answer}")
    if answer != then:
        sys.exit(f"No longer so: {what} was {then}.")


print(f"beancount {version('beancount')}")
for gross, net, vat, then in [
    ("121.00", "100.00", "21.00", "fine"),
    ("121.04", "100.00", "21.00", "refused"),
    ("121.04", "100.0", "21.00", "fine"),
    ("121.05", "100.0", "21.00", "fine"),
    ("121.04", "100", "21", "refused"),
    ("121.04", "100.0", "21", "fine"),
]:
    see(f"{gross} = {net} + {vat}", BOOKS.format(gross=gross, net=net, vat=vat), then)
balanced = BOOKS.format(gross="121.00", net="100.00", vat="21.00")
for balance, then in ("121.00", "fine"), ("121.01", "fine"), ("121.1", "fine"), ("121.02", "refused"):
    see(f"121.00 is said to be {balance}", f"{balanced}2027-02-01 balance Assets:Customer {balance} EUR\n", then)
END
