"""The e-invoice that Billit makes of an order: UBL 2.1 as Peppol BIS Billing 3.0 wants it, from the stored order alone.

Nobody has seen each of Billit's documents: what the published pages leave open is a word of `Writing`, which the
switches set. Whether the document is valid is asked of `peppol`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from integrations.sandbox.billit.rules.amounts import CENT, ZERO, is_allowance, is_linked_product, number
from integrations.sandbox.billit.store import plain_number
from integrations.sandbox.http.wire import Record

_NAMESPACES = (
    'xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2" '
    'xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"'
)
_CUSTOMIZATION = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"
_PROFILE = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"
_VAT = "<cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>"

OUTSIDE_SCOPE = "O"
# Billit docs: ventilation-codes.
CATEGORIES = {
    "1": "Z",
    "2": "S",
    "3": "S",
    "4": "S",
    "21": "AE",
    "22": OUTSIDE_SCOPE,
    "24": "E",
    "51": "K",
    "55": "K",
    "70": "G",
    "101": "E",
    "102": "E",
    "104": "E",
}
REASONS = {
    "AE": "Reverse charge",
    "E": "Exempt from VAT",
    "G": "Export outside the EU",
    "K": "Intra-Community supply",
    OUTSIDE_SCOPE: "Not subject to VAT",
}
# Which Peppol scheme takes a VAT number, by its prefix (Peppol code list EAS).
_SCHEMES = {
    "AT": "9914",
    "BE": "9925",
    "BG": "9926",
    "CH": "9927",
    "CY": "9928",
    "CZ": "9929",
    "DE": "9930",
    "DK": "0184",
    "EE": "9931",
    "EL": "9933",
    "ES": "9920",
    "FI": "0213",
    "FR": "9957",
    "GB": "9932",
    "HR": "9934",
    "HU": "9910",
    "IE": "9935",
    "LT": "9937",
    "LU": "9938",
    "LV": "9939",
    "MT": "9943",
    "NL": "9944",
    "PL": "9945",
    "PT": "9946",
    "RO": "9947",
    "SI": "9949",
    "SK": "9950",
    "XI": "9932",
}
# Italy and Sweden have schemes of their registers, which take digits alone, Sweden's without the last two.
_REGISTERS = {"IT": ("0211", 11), "SE": ("0007", 10)}


@dataclass(frozen=True, slots=True)
class Writing:
    """What Billit writes where nobody knows it; each has a switch `billit_<name>` (docs/unknowns.md).

    `outside_scope`: the numbers of both parties, or the rate, stand in a document outside scope, where neither may.
    """

    unit_in_ubl: bool = True
    negative_price: str = "as_posted"
    allowances: str = "linked"
    outside_scope: str = "plain"
    exemption_reasons: bool = True

    @classmethod
    def of(cls, switches: Mapping[str, Any]) -> Writing:
        """As the switches of an imitation say."""
        return cls(
            unit_in_ubl=bool(switches["billit_unit_in_ubl"]),
            negative_price=str(switches["billit_negative_price"]),
            allowances=str(switches["billit_allowances"]),
            outside_scope=str(switches["billit_outside_scope"]),
            exemption_reasons=bool(switches["billit_exemption_reasons"]),
        )


def document(order: Record, *, supplier: Record, customer: Record, writing: Writing) -> str:
    """The invoice or credit note as XML. `order` has the lines and totals that Billit reckoned."""
    return Document(order, supplier, customer, writing).text()


def endpoint(party: Record) -> tuple[str, str]:
    """A party's Peppol scheme and number, that of the enterprise first, then that for VAT; ("", "") for none."""
    for identifier in party.get("Identifiers") or []:
        if identifier.get("IdentifierType") == "CBE" and (digits := plain_number(identifier.get("Identifier"))):
            return "0208", digits.removeprefix("BE")
    vat = vat_number(party)
    if vat.startswith("BE"):
        return "0208", vat[2:]
    if vat[:2] in _REGISTERS:
        scheme, length = _REGISTERS[vat[:2]]
        return scheme, vat[2 : 2 + length]
    return (_SCHEMES[vat[:2]], vat) if vat[:2] in _SCHEMES else ("", "")


def vat_number(party: Record) -> str:
    """A party's VAT number with its prefix, which ten digits lack; "" for a text that is none ("BTW in aanvraag")."""
    found = plain_number(party.get("VATNumber"))
    if len(found) == 10 and found.isdigit():
        return f"BE{found}"
    return found if found[:2].isalpha() and any(map(str.isdigit, found[2:])) else ""


def country(party: Record) -> str:
    """The country of a party: that of its invoice address, else of its VAT number, else Belgium.

    What somebody typed stands as it is. Billit's own form offers countries, and takes none for granted.
    """
    addresses = [row for row in party.get("Addresses") or [] if row.get("AddressType") == "InvoiceAddress"]
    for row in (*addresses, party):
        if given := str(row.get("CountryCode") or "").strip():
            return given
    prefix = vat_number(party)[:2]
    return {"EL": "GR", "XI": "GB", "": "BE"}.get(prefix, prefix)


class Document:
    """An invoice or credit note on its way to XML: what of the order, and of both parties, is written into it."""

    def __init__(self, order: Record, supplier: Record, customer: Record, writing: Writing) -> None:
        self.order, self.supplier, self.customer, self.writing = order, supplier, customer, writing
        self.is_credit = order["OrderType"] == "CreditNote"
        told = [line for line in order["OrderLines"] if _amount(line, "Quantity") or line["TotalExcl"]]
        allowances = [line for line in told if writing.allowances == "linked" and is_allowance(line)]
        self.lines = [line for line in told if line not in allowances]
        links = {line["LinkedOrderLineID"] for line in self.lines if is_linked_product(line)}
        self.of_lines = [line for line in allowances if line.get("LinkedOrderLineID") in links]
        self.of_order = [line for line in allowances if line not in self.of_lines]
        self.categories = {category_of(line) for line in self.lines}
        self.is_outside = OUTSIDE_SCOPE in self.categories

    def vat_number(self, party: Record) -> str:
        """The VAT number that is written of a party: none outside scope, unless Billit writes it there, too."""
        return "" if self.is_outside and self.writing.outside_scope != "numbers" else vat_number(party)

    def text(self) -> str:
        """The XML."""
        name = "CreditNote" if self.is_credit else "Invoice"
        root = f'xmlns="urn:oasis:names:specification:ubl:schema:xsd:{name}-2" {_NAMESPACES}'
        body = "\n".join(part for part in self._parts() if part)
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<{name} {root}>\n{body}\n</{name}>\n'

    def _parts(self) -> Iterator[str]:
        order = self.order
        yield _cbc("CustomizationID", _CUSTOMIZATION) + _cbc("ProfileID", _PROFILE)
        yield _cbc("ID", order.get("OrderNumber")) + _cbc("IssueDate", _day(order, "OrderDate"))
        if self.is_credit:
            yield _cbc("CreditNoteTypeCode", "381")
        else:
            yield _cbc("DueDate", _day(order, "ExpiryDate")) + _cbc("InvoiceTypeCode", "380")
        yield _cbc("Note", order.get("Comments"))
        yield _cbc("DocumentCurrencyCode", order.get("Currency", "EUR"))
        yield _cbc("BuyerReference", order.get("OrderTitle"))
        if order.get("PeriodFrom") or order.get("PeriodTill"):
            days = _cbc("StartDate", _day(order, "PeriodFrom")) + _cbc("EndDate", _day(order, "PeriodTill"))
            yield _cac("InvoicePeriod", days)
        yield _cac("OrderReference", _cbc("ID", order.get("Reference")))
        about = _cbc("ID", order.get("AboutInvoiceNumber"))
        yield _cac("BillingReference", _cac("InvoiceDocumentReference", about))
        yield _cac("AccountingSupplierParty", self._party(self.supplier))
        yield _cac("AccountingCustomerParty", self._party(self.customer))
        if "K" in self.categories:
            place = _cac("Address", _cac("Country", _cbc("IdentificationCode", country(self.customer))))
            day = _cbc("ActualDeliveryDate", _day(order, "DeliveryDate") or _day(order, "OrderDate"))
            yield _cac("Delivery", day + _cac("DeliveryLocation", place))
        yield self._payment()
        for line in self.of_order:
            yield self._allowance(line, self._category(category_of(line), line["VATPercentage"]))
        yield self._taxes()
        yield self._total()
        for position, line in enumerate(self.lines, start=1):
            yield self._line(position, line)

    def _party(self, party: Record) -> str:
        scheme, identifier = endpoint(party)
        vat = self.vat_number(party)
        registered = _cbc("CompanyID", identifier, schemeID=scheme) if scheme == "0208" else ""
        street = " ".join(str(party.get(name) or "") for name in ("Street", "StreetNumber", "Box")).strip()
        address = _cbc("StreetName", street) + _cbc("CityName", party.get("City"))
        address += _cbc("PostalZone", party.get("Zipcode"))
        address += _cac("Country", _cbc("IdentificationCode", country(party)))
        return _cac(
            "Party",
            (_cbc("EndpointID", identifier, schemeID=scheme) if scheme else "")
            + _cac("PostalAddress", address)
            + (_cac("PartyTaxScheme", _cbc("CompanyID", vat) + _VAT) if vat else "")
            + _cac("PartyLegalEntity", _cbc("RegistrationName", party.get("Name")) + registered),
        )

    def _payment(self) -> str:
        """How to pay, where the company or the order names an account; the OGM stands in it."""
        account = plain_number(self.order.get("IBAN") or self.supplier.get("IBAN"))
        if not account:
            return ""
        due = _cbc("PaymentDueDate", _day(self.order, "ExpiryDate")) if self.is_credit else ""
        reference = _cbc("PaymentID", self.order.get("PaymentReference"))
        payee = _cac("PayeeFinancialAccount", _cbc("ID", account))
        return _cac("PaymentMeans", _cbc("PaymentMeansCode", "30") + due + reference + payee)

    def _taxes(self) -> str:
        groups: dict[tuple[str, Decimal], tuple[Decimal, Decimal]] = {}
        for group in self.order["VatGroups"]:
            key = CATEGORIES.get(group["VentilationCode"], "S"), group["VATPercentage"]
            base, vat = groups.get(key, (ZERO, ZERO))
            groups[key] = base + group["TotalExcl"], vat + group["TotalVAT"]
        subtotals = "".join(
            _cac(
                "TaxSubtotal",
                self._money("TaxableAmount", base)
                + self._money("TaxAmount", vat)
                + _cac("TaxCategory", self._category(category, rate, self._reason(category))),
            )
            for (category, rate), (base, vat) in groups.items()
        )
        return _cac("TaxTotal", self._money("TaxAmount", self.order["TotalVAT"]) + subtotals)

    def _reason(self, category: str) -> str:
        written = self.writing.exemption_reasons and category in REASONS
        return _cbc("TaxExemptionReason", REASONS[category]) if written else ""

    def _category(self, category: str, rate: Decimal, reason: str = "") -> str:
        bare = category == OUTSIDE_SCOPE and self.writing.outside_scope != "rate"
        percent = "" if bare else _cbc("Percent", f"{rate.normalize():f}")
        return _cbc("ID", category) + percent + reason + _VAT

    def _total(self) -> str:
        order = self.order
        # A credit note that names its invoice is settled with it (Billit docs: credit notes).
        settled = self.is_credit and bool(order.get("AboutInvoiceNumber"))
        paid = order["TotalIncl"] if settled or order.get("Paid") else ZERO
        parts = [line["TotalExcl"] for line in self.of_order]
        off, on = -sum(each for each in parts if each < 0), sum(each for each in parts if each > 0)
        return _cac(
            "LegalMonetaryTotal",
            self._money("LineExtensionAmount", order["TotalExcl"] + off - on)
            + self._money("TaxExclusiveAmount", order["TotalExcl"])
            + self._money("TaxInclusiveAmount", order["TotalIncl"])
            + (self._money("AllowanceTotalAmount", off) if off else "")
            + (self._money("ChargeTotalAmount", on) if on else "")
            + (self._money("PrepaidAmount", paid) if paid else "")
            + self._money("PayableAmount", order["TotalIncl"] - paid),
        )

    def _allowance(self, line: Record, category: str = "") -> str:
        """An allowance or a charge; `category`: of one on the whole order."""
        return _cac(
            "AllowanceCharge",
            _cbc("ChargeIndicator", "true" if line["AllowanceChargeIndicator"] else "false")
            + _cbc("AllowanceChargeReasonCode", line.get("Code"))
            + _cbc("AllowanceChargeReason", line.get("Description"))
            + self._money("Amount", abs(line["TotalExcl"]))
            + (_cac("TaxCategory", category) if category else ""),
        )

    def _line(self, position: int, line: Record) -> str:
        quantity, price = _amount(line, "Quantity"), _amount(line, "UnitPriceExcl")
        if price < 0 and self.writing.negative_price == "turned":
            quantity, price = -quantity, -price
        allowance = (quantity * price).quantize(CENT) - line["TotalExcl"] if line.get("ReductionPercentage") else ZERO
        reduced = ""
        if allowance:
            reduced = _cac(
                "AllowanceCharge",
                _cbc("ChargeIndicator", "false")
                + _cbc("AllowanceChargeReasonCode", "95")
                + self._money("Amount", allowance),
            )
        link = line.get("LinkedOrderLineID")
        beside = [each for each in self.of_lines if link and each["LinkedOrderLineID"] == link]
        net = line["TotalExcl"] + sum(each["TotalExcl"] for each in beside)
        reduced += "".join(self._allowance(each) for each in beside)
        item = (
            _cbc("Description", line.get("DescriptionExtended"))
            + _cbc("Name", line.get("Description"))
            + _cac("SellersItemIdentification", _cbc("ID", line.get("Reference")))
            + _cac("ClassifiedTaxCategory", self._category(category_of(line), line["VATPercentage"]))
        )
        names = ("CreditNoteLine", "CreditedQuantity") if self.is_credit else ("InvoiceLine", "InvoicedQuantity")
        return _cac(
            names[0],
            _cbc("ID", str(position))
            + _cbc(names[1], f"{quantity.normalize():f}", unitCode=self._unit(line))
            + self._money("LineExtensionAmount", net)
            + reduced
            + _cac("Item", item)
            + _cac("Price", self._money("PriceAmount", price.normalize())),
        )

    def _unit(self, line: Record) -> str:
        fields = line.get("CustomFields")
        own = fields.get("PeppolUnitCode") if isinstance(fields, dict) else None
        return str(own or (line.get("Unit") if self.writing.unit_in_ubl else None) or "NAR")

    def _money(self, name: str, amount: Decimal) -> str:
        return _cbc(name, f"{amount:f}", currencyID=str(self.order.get("Currency", "EUR")))


def category_of(line: Record) -> str:
    """The VAT category of a stored line, e.g. S for the usual rates."""
    return CATEGORIES.get(str(line["VentilationCode"]), "S")


def _amount(line: Record, name: str) -> Decimal:
    return number(line.get(name)) or ZERO


def _day(order: Record, name: str) -> str:
    return str(order.get(name) or "")[:10]


def _cbc(name: str, text: Any, **attributes: str) -> str:
    """An element with a text, nothing for none. A blank text makes an element all the same: who posted it meant it."""
    if text is None or text == "":
        return ""
    written = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<cbc:{name}{written}>{escape(str(text))}</cbc:{name}>"


def _cac(name: str, content: str) -> str:
    return f"<cac:{name}>{content}</cac:{name}>" if content else ""
