#!/bin/sh
# One would guess: a Money has one value in cents, whichever way one asks for it.
# What happens: 2.675 euro is printed and rounded as 2.68 and is 267 in cents: get_amount_in_sub_unit cuts off. 2.665
# euro is printed and rounded as 2.66, half to even, where an invoice that rounds half up says 2.67.
# Why it matters: payment services and e-invoice APIs want cents. The cents that are charged differ from the amount
# that stands on the invoice, with no error in between. Quantize to the cent by a rounding of one's own choice before
# either.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check py-moneyed==3.0
"$folder/bin/python" - <<'END'
import sys
from importlib.metadata import version

from moneyed import Money


def see(what, answer, then):
    print(f"{what}: {answer!r}")
    if answer != then:
        sys.exit(f"No longer so: {what} was {then!r}.")


print(f"py-moneyed {version('py-moneyed')}")
for amount, printed, cents in [
    ("2.675", "€\u00a02.68", 267),
    ("2.665", "€\u00a02.66", 266),
    ("19.999", "€\u00a020.00", 1999),
]:
    price = Money(amount, "EUR")
    see(f"{amount} printed", str(price), printed)
    see(f"{amount} rounded to the cent", str(price.round(2)), printed)
    see(f"{amount} in cents", price.get_amount_in_sub_unit(), cents)
END
