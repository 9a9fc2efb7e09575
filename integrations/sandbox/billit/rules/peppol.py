"""What the official rules refuse of an order that goes over Peppol: those of them that the data of an order can break.

The rules themselves run in the tests, which hold this list against them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from integrations.sandbox.billit.rules.amounts import number
from integrations.sandbox.billit.rules.countries import COUNTRIES
from integrations.sandbox.billit.rules.ubl import OUTSIDE_SCOPE, Document, Writing, category_of, country, endpoint
from integrations.sandbox.http.wire import Record

NO_BUYER_REFERENCE = "PEPPOL-EN16931-R003"
UNREADABLE = "XML 1.0"
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TEXTS = {
    NO_BUYER_REFERENCE: "A buyer reference or purchase order reference MUST be provided.",
    "BR-06": "An Invoice shall contain the Seller name (BT-27).",
    "BR-07": "An Invoice shall contain the Buyer name (BT-44).",
    "BR-25": "Each Invoice line (BG-25) shall contain the Item name (BT-153).",
    "BR-27": "The Item net price (BT-146) shall NOT be negative.",
    "BR-AE-02": "An Invoice with Reverse charge shall contain the Seller VAT and the Buyer VAT or legal identifier.",
    "BR-AE-10": "A VAT Breakdown with Reverse charge shall have a VAT exemption reason.",
    "BR-CL-14": "Country codes in an invoice MUST be coded using ISO code list 3166-1.",
    "BR-CO-09": "The VAT identifiers shall have a prefix in accordance with ISO code ISO 3166-1 alpha-2.",
    "BR-CO-26": "The Seller identifier, legal registration identifier or VAT identifier shall be present.",
    "BR-E-02": "An Invoice with Exempt from VAT shall contain the Seller VAT identifier.",
    "BR-E-10": "A VAT Breakdown with Exempt from VAT shall have a VAT exemption reason.",
    "BR-G-02": "An Invoice with Export outside the EU shall contain the Seller VAT identifier.",
    "BR-G-10": "A VAT Breakdown with Export outside the EU shall have a VAT exemption reason.",
    "BR-IC-02": "An Invoice with Intra-community supply shall contain the Seller and the Buyer VAT identifier.",
    "BR-IC-10": "A VAT Breakdown with Intra-community supply shall have a VAT exemption reason.",
    "BR-O-02": "An Invoice with Not subject to VAT shall not contain the Seller or the Buyer VAT identifier.",
    "BR-O-05": "An Invoice line with Not subject to VAT shall not contain an Invoiced item VAT rate.",
    "BR-O-10": "A VAT Breakdown with Not subject to VAT shall have a VAT exemption reason.",
    "BR-O-11": "An Invoice with a VAT breakdown group Not subject to VAT shall not contain other VAT breakdown groups.",
    "BR-O-12": "An Invoice with a VAT breakdown group Not subject to VAT shall not contain lines of another category.",
    "BR-S-02": "An Invoice with Standard rated shall contain the Seller VAT identifier.",
    "BR-S-05": "In an Invoice line with Standard rated the Invoiced item VAT rate shall be greater than zero.",
    "BR-Z-02": "An Invoice with Zero rated shall contain the Seller VAT identifier.",
    UNREADABLE: "A document cannot hold control characters.",
    "PEPPOL-COMMON-R042": "Danish organization number MUST be stated in the correct format.",
    "PEPPOL-COMMON-R043": "Belgian enterprise number MUST be stated in the correct format.",
    "PEPPOL-EN16931-R008": "Document MUST not contain empty elements.",
    "PEPPOL-EN16931-R010": "Buyer electronic address MUST be provided.",
    "PEPPOL-EN16931-R020": "Seller electronic address MUST be provided.",
}
_SELLER_NUMBER = {"S": "BR-S-02", "Z": "BR-Z-02", "E": "BR-E-02", "AE": "BR-AE-02", "K": "BR-IC-02", "G": "BR-G-02"}
_REASONS = {"AE": "BR-AE-10", "E": "BR-E-10", "G": "BR-G-10", "K": "BR-IC-10", OUTSIDE_SCOPE: "BR-O-10"}
# What a VAT number may begin with besides a country's code: Greece, and Northern Ireland.
_PREFIXES = COUNTRIES | {"EL", "XI"}


def broken(order: Record, *, supplier: Record, customer: Record, writing: Writing) -> list[str]:
    """The names of the rules that the order's e-invoice breaks."""
    document = Document(order, supplier, customer, writing)
    return list(dict.fromkeys((*_of_texts(document), *_of_parties(document), *_of_lines(document))))


def told(name: str) -> str:
    """A broken rule as the services tell it."""
    return f"[{name}]-{_TEXTS[name]}"


def _of_texts(document: Document) -> Iterator[str]:
    order, names = document.order, (document.supplier.get("Name"), document.customer.get("Name"))
    if not order.get("Reference") and not order.get("OrderTitle"):
        yield NO_BUYER_REFERENCE
    texts = [order.get("Reference"), order.get("OrderTitle"), *names]
    texts += [line.get(name) for line in document.lines for name in ("Description", "DescriptionExtended", "Reference")]
    texts += [line.get("Description") for line in (*document.of_lines, *document.of_order)]
    if any(_NOT_XML.search(str(text)) for text in texts):
        yield UNREADABLE
    if any(text and _is_blank(text) for text in texts):
        yield "PEPPOL-EN16931-R008"
    yield from (rule for rule, name in zip(("BR-06", "BR-07"), names, strict=True) if _is_blank(name))
    if any(_is_blank(line.get("Description")) for line in document.lines):
        yield "BR-25"


def _is_blank(text: object) -> bool:
    return not str(text or "").strip(" \t\r\n")


def _of_parties(document: Document) -> Iterator[str]:
    addressed = ("PEPPOL-EN16931-R020", document.supplier), ("PEPPOL-EN16931-R010", document.customer)
    for without_address, party in addressed:
        scheme, digits = endpoint(party)
        if not scheme:
            yield without_address
        if scheme == "0208" and not _is_enterprise_number(digits):
            yield "PEPPOL-COMMON-R043"
        if scheme == "0184" and not re.fullmatch("(DK)?[0-9]{8}", digits):
            yield "PEPPOL-COMMON-R042"
        if country(party) not in COUNTRIES:
            yield "BR-CL-14"
        if (vat := document.vat_number(party)) and vat[:2] not in _PREFIXES:
            yield "BR-CO-09"
    if not document.vat_number(document.supplier) and endpoint(document.supplier)[0] != "0208":
        yield "BR-CO-26"


def _of_lines(document: Document) -> Iterator[str]:
    categories, writing = document.categories, document.writing
    seller, buyer = document.vat_number(document.supplier), document.vat_number(document.customer)
    if any((number(line.get("UnitPriceExcl")) or 0) < 0 for line in document.lines):
        yield from () if writing.negative_price == "turned" else ("BR-27",)
    if OUTSIDE_SCOPE in categories:
        yield from ("BR-O-11", "BR-O-12") if len(categories) > 1 else ()
        yield from ("BR-O-02",) if seller or buyer else ()
        yield from ("BR-O-05",) if writing.outside_scope == "rate" else ()
    if any(category_of(line) == "S" and not line["VATPercentage"] for line in document.lines):
        yield "BR-S-05"
    if not seller:
        yield from (_SELLER_NUMBER[category] for category in sorted(categories & set(_SELLER_NUMBER)))
    if "AE" in categories and not buyer and endpoint(document.customer)[0] != "0208":
        yield "BR-AE-02"
    if "K" in categories and not buyer:
        yield "BR-IC-02"
    if not writing.exemption_reasons:
        yield from (_REASONS[category] for category in sorted(categories & set(_REASONS)))


def _is_enterprise_number(digits: str) -> bool:
    return bool(re.fullmatch("[0-9]{10}", digits)) and 97 - int(digits[:8]) % 97 == int(digits[8:])
