"""What the official rules refuse of an order that goes over Peppol: those of them that the data of an order can break.

The rules themselves run in the tests, which hold this list against them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from integrations.sandbox.billit.rules.amounts import number
from integrations.sandbox.billit.rules.ubl import CATEGORIES, OUTSIDE_SCOPE, Writing, country, endpoint, vat_number
from integrations.sandbox.http.wire import Record

NO_BUYER_REFERENCE = "PEPPOL-EN16931-R003"
_TEXTS = {
    NO_BUYER_REFERENCE: "A buyer reference or purchase order reference MUST be provided.",
    "BR-27": "The Item net price (BT-146) shall NOT be negative.",
    "BR-AE-02": "An Invoice with Reverse charge shall contain the Buyer VAT or legal registration identifier.",
    "BR-AE-10": "A VAT Breakdown with Reverse charge shall have a VAT exemption reason.",
    "BR-CL-14": "Country codes in an invoice MUST be coded using ISO code list 3166-1.",
    "BR-E-10": "A VAT Breakdown with Exempt from VAT shall have a VAT exemption reason.",
    "BR-IC-02": "An Invoice with Intra-community supply shall contain the Seller and the Buyer VAT identifier.",
    "BR-IC-10": "A VAT Breakdown with Intra-community supply shall have a VAT exemption reason.",
    "BR-O-02": "An Invoice with Not subject to VAT shall not contain the Seller or the Buyer VAT identifier.",
    "BR-O-05": "An Invoice line with Not subject to VAT shall not contain an Invoiced item VAT rate.",
    "BR-O-10": "A VAT Breakdown with Not subject to VAT shall have a VAT exemption reason.",
    "BR-O-11": "An Invoice with a VAT breakdown group Not subject to VAT shall not contain other VAT breakdown groups.",
    "PEPPOL-COMMON-R043": "Belgian enterprise number MUST be stated in the correct format.",
    "PEPPOL-EN16931-R008": "Document MUST not contain empty elements.",
}
NAMES = frozenset(_TEXTS)
_REASONS = {"AE": "BR-AE-10", "E": "BR-E-10", "K": "BR-IC-10", OUTSIDE_SCOPE: "BR-O-10"}
# What is no country although it looks like one, or is written otherwise: the list of all of them is the rules' own.
_NO_COUNTRIES = frozenset({"EL", "UK", "XI", "XK"})


def broken(order: Record, *, supplier: Record, customer: Record, writing: Writing) -> list[str]:
    """The names of the rules that the order's e-invoice breaks."""
    return list(dict.fromkeys(_broken(order, supplier, customer, writing)))


def told(name: str) -> str:
    """A broken rule as the services tell it."""
    return f"[{name}]-{_TEXTS[name]}"


def _broken(order: Record, supplier: Record, customer: Record, writing: Writing) -> Iterator[str]:
    lines = order["OrderLines"]
    categories = {CATEGORIES.get(str(line["VentilationCode"]), "S") for line in lines}
    if not order.get("Reference") and not order.get("OrderTitle"):
        yield NO_BUYER_REFERENCE
    texts = [order.get("Reference"), order.get("OrderTitle"), supplier.get("Name"), customer.get("Name")]
    texts += [line.get(name) for line in lines for name in ("Description", "DescriptionExtended", "Reference")]
    if any(text and not str(text).strip(" \t\r\n") for text in texts):
        yield "PEPPOL-EN16931-R008"
    for party in (supplier, customer):
        scheme, digits = endpoint(party)
        if scheme == "0208" and not _is_enterprise_number(digits):
            yield "PEPPOL-COMMON-R043"
        if not re.fullmatch("[A-Z]{2}|1A", country(party)) or country(party) in _NO_COUNTRIES:
            yield "BR-CL-14"
    if any((number(line.get("UnitPriceExcl")) or 0) < 0 for line in lines) and writing.negative_price == "as_posted":
        yield "BR-27"
    yield from _of_categories(categories, supplier, customer, writing)


def _of_categories(categories: set[str], supplier: Record, customer: Record, writing: Writing) -> Iterator[str]:
    buyer = vat_number(customer)
    if OUTSIDE_SCOPE in categories:
        if len(categories) > 1:
            yield "BR-O-11"
        if writing.outside_scope == "numbers" and (vat_number(supplier) or buyer):
            yield "BR-O-02"
        if writing.outside_scope == "rate":
            yield "BR-O-05"
        if writing.outside_scope != "numbers":
            buyer = ""
    if "AE" in categories and not buyer and endpoint(customer)[0] != "0208":
        yield "BR-AE-02"
    if "K" in categories and not buyer:
        yield "BR-IC-02"
    if not writing.exemption_reasons:
        yield from (_REASONS[category] for category in sorted(categories & set(_REASONS)))


def _is_enterprise_number(digits: str) -> bool:
    return bool(re.fullmatch("[0-9]{10}", digits)) and 97 - int(digits[:8]) % 97 == int(digits[8:])
