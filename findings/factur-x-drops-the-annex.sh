#!/bin/sh
# One would guess: making a Factur-X of an invoice's PDF adds the XML to it and keeps what is attached, as the hours.
# What happens: factur-x puts a new list of attachments in the place of the old one, and no word is said. The annex's
# bytes still lie in the file, so it has not shrunk, but nothing leads to them. A second run drops what the first was
# given to attach, too. A claim of PDF/A-3a, of a document that is accessible, becomes 3b.
# Why it matters: the annex of hours is what the customer pays for, and the sender has seen the file with it. Pass what
# is attached to the function (attachments=), or attach it afterwards.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check factur-x==7.8 pikepdf==10.18.0 saxonche==13.1.1
"$folder/bin/python" - <<'END'
import sys
from importlib.metadata import version
from io import BytesIO

import facturx
import pikepdf

NAMESPACES = " ".join(
    f'xmlns:{prefix}="urn:un:unece:uncefact:data:standard:{name}:100"'
    for prefix, name in [
        ("rsm", "CrossIndustryInvoice"),
        ("ram", "ReusableAggregateBusinessInformationEntity"),
        ("udt", "UnqualifiedDataType"),
    ]
)
# One hour at 100.00 with 21 % VAT in the profile MINIMUM.
INVOICE = f"""<rsm:CrossIndustryInvoice {NAMESPACES}><rsm:ExchangedDocumentContext>
<ram:GuidelineSpecifiedDocumentContextParameter><ram:ID>urn:factur-x.eu:1p0:minimum</ram:ID>
</ram:GuidelineSpecifiedDocumentContextParameter></rsm:ExchangedDocumentContext>
<rsm:ExchangedDocument><ram:ID>2027-0001</ram:ID><ram:TypeCode>380</ram:TypeCode><ram:IssueDateTime>
<udt:DateTimeString format="102">20270131</udt:DateTimeString></ram:IssueDateTime></rsm:ExchangedDocument>
<rsm:SupplyChainTradeTransaction><ram:ApplicableHeaderTradeAgreement>
<ram:SellerTradeParty><ram:Name>Example Accounting</ram:Name><ram:PostalTradeAddress><ram:CountryID>BE</ram:CountryID>
</ram:PostalTradeAddress><ram:SpecifiedTaxRegistration><ram:ID schemeID="VA">BE0403019261</ram:ID>
</ram:SpecifiedTaxRegistration></ram:SellerTradeParty>
<ram:BuyerTradeParty><ram:Name>Example Customer</ram:Name></ram:BuyerTradeParty>
</ram:ApplicableHeaderTradeAgreement><ram:ApplicableHeaderTradeDelivery/><ram:ApplicableHeaderTradeSettlement>
<ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode><ram:SpecifiedTradeSettlementHeaderMonetarySummation>
<ram:TaxBasisTotalAmount>100.00</ram:TaxBasisTotalAmount><ram:TaxTotalAmount currencyID="EUR">21.00</ram:TaxTotalAmount>
<ram:GrandTotalAmount>121.00</ram:GrandTotalAmount><ram:DuePayableAmount>121.00</ram:DuePayableAmount>
</ram:SpecifiedTradeSettlementHeaderMonetarySummation></ram:ApplicableHeaderTradeSettlement>
</rsm:SupplyChainTradeTransaction></rsm:CrossIndustryInvoice>""".encode()
HOURS = b"date,hours\n2027-01-31,1.00\n"


def attach(pdf, name):
    pdf.attachments[name] = pikepdf.AttachedFileSpec(pdf, HOURS, filename=name, mime_type="text/csv")


def saved(pdf):
    file = BytesIO()
    pdf.save(file)
    return file.getvalue()


def see(what, content, then):
    with pikepdf.open(BytesIO(content)) as pdf, pdf.open_metadata() as claims:
        kept = HOURS in [spec.get_file().read_bytes() for spec in pdf.attachments.values()]
        streams = [thing.read_bytes() for thing in pdf.objects if isinstance(thing, pikepdf.Stream)]
        answer = (sorted(pdf.attachments), kept, HOURS in streams, claims.get("pdfaid:conformance"))
    print(f"{what}: attached {answer[0]}, the hours readable {kept}, still in the file {answer[2]}, PDF/A-3{answer[3]}")
    if answer != then:
        sys.exit(f"No longer so: it was {then}.")


print(f"factur-x {version('factur-x')}, pikepdf {version('pikepdf')}")
with pikepdf.new() as pdf:
    pdf.add_blank_page()
    attach(pdf, "hours.csv")
    with pdf.open_metadata() as claims:
        claims["pdfaid:part"], claims["pdfaid:conformance"] = "3", "A"
    before = saved(pdf)
see("before", before, (["hours.csv"], True, True, "A"))
after = facturx.generate_from_binary(before, INVOICE)
see("after factur-x", after, (["factur-x.xml"], False, True, "B"))
given = facturx.generate_from_binary(before, INVOICE, attachments={"hours.csv": {"filedata": HOURS}})
see("given to factur-x", given, (["factur-x.xml", "hours.csv"], True, True, "B"))
see("and run again", facturx.generate_from_binary(given, INVOICE), (["factur-x.xml"], False, True, "B"))
with pikepdf.open(BytesIO(after)) as pdf:
    attach(pdf, "hours.csv")
    see("attached afterwards", saved(pdf), (["factur-x.xml", "hours.csv"], True, True, "B"))
END
