#!/bin/sh
# One would guess: different invoice numbers give different structured communications (OGM), and the number stands at
# the end of its ten digits, filled up with zeros in front.
# What happens: format_belgian_ogm fills up behind. Invoices 1, 10, 100 and 1000 all get +++100/0000/00034+++, 2027001
# and 20270010 share one, and of a number with more than ten digits the end is cut off: 12345678901 and 12345678902
# share one.
# Why it matters: the OGM is how the bank file says which invoice was paid. Two open invoices with one OGM, both with
# right check digits, and the payment is booked on either.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps mcp-einvoicing-be==0.10.2
"$folder/bin/python" - <<'END'
import sys
from importlib.metadata import version

from mcp_einvoicing_be.utils.helpers import format_belgian_ogm


def see(what, answer, then):
    print(f"{what}: {answer!r}")
    if answer != then:
        sys.exit(f"No longer so: {what} was {then!r}.")


print(f"mcp-einvoicing-be {version('mcp-einvoicing-be')}")
for numbers, then in [
    (["1", "10", "100", "1000"], "+++100/0000/00034+++"),
    (["2027001", "20270010"], "+++202/7001/00051+++"),
    (["12345678901", "12345678902"], "+++123/4567/89002+++"),
]:
    see(" and ".join(numbers), sorted({format_belgian_ogm(number) for number in numbers}), [then])
END
