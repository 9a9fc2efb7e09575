"""What Billit checks before it takes an order; all violations are told at once."""

from __future__ import annotations

import base64
import binascii
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from integrations.sandbox.billit.rules.amounts import number
from integrations.sandbox.billit.rules.refusals import Refusal, generic
from integrations.sandbox.billit.store import plain_number
from integrations.sandbox.http.wire import Record

ORDER_TYPES = frozenset({"Invoice", "CreditNote", "Offer", "Order", "DeliveryNote"})
ORDER_DIRECTIONS = frozenset({"Income", "Cost"})
_BELGIAN_RATES = frozenset({Decimal(0), Decimal(6), Decimal(12), Decimal(21)})


def day(value: Any) -> str | None:
    """`YYYY-MM-DD` or a date-time as Billit answers it, `YYYY-MM-DDT00:00:00`; None when it is neither."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return f"{date(moment.year, moment.month, moment.day).isoformat()}T00:00:00"


def valid_belgian(value: Any) -> bool:
    """Ten digits after an optional BE; 97 less the remainder of the first eight by 97 are the last two."""
    digits = plain_number(value).removeprefix("BE")
    if len(digits) != 10 or not digits.isdigit() or digits[0] not in "01":
        return False
    return 97 - int(digits[:8]) % 97 == int(digits[8:])


def order_refusals(order: Record, *, company_country: str, update: bool, charges_vat: bool = True) -> list[Refusal]:
    """The violations of a canonical order body. On an update only what is given is checked for presence. Whoever
    charges no VAT (the scheme of small enterprises) has lines that are exempt, or another reason for 0 %."""
    found: list[Refusal] = []
    if "CustomerID" not in order and "Customer" not in order and not update:
        found.append(Refusal("CustomerIsRequired"))
    for name, code in (("OrderDate", "OrderDateIsRequired"), ("ExpiryDate", "ExpiryDateIsRequired")):
        if day(order.get(name)) is None and not (update and name not in order):
            found.append(Refusal(code))
    if "DeliveryDate" in order and day(order["DeliveryDate"]) is None:
        found.append(Refusal("InvalidDeliveryDate"))
    kind, direction = order.get("OrderType"), order.get("OrderDirection")
    if kind not in ORDER_TYPES and not (update and kind is None):
        found.append(Refusal("TheOrderTypeCode_0_IsInvalid", (str(kind or ""),)))
    if direction not in ORDER_DIRECTIONS and not (update and direction is None):
        found.append(Refusal("TheOrderDirectionCode_0_IsInvalid", (str(direction or ""),)))
    if not order.get("OrderLines") and not (update and "OrderLines" not in order):
        found.append(Refusal("ThereMustBeAtLeastOneOrderLine"))
    found += _line_refusals(order.get("OrderLines") or [], company_country)
    if not charges_vat and any(map(_is_charged, order.get("OrderLines") or [])):
        found.append(generic("A small enterprise charges no VAT: its lines need 0 % and a code that says why."))
    if isinstance(order.get("Customer"), dict):
        found += party_refusals(order["Customer"], named="PartyID" not in order["Customer"])
    for file in [order["OrderPDF"]] if "OrderPDF" in order else []:
        found += _file_refusals(file)
    for file in order.get("Attachments") or []:
        found += _file_refusals(file)
    return found


def _line_refusals(lines: list[Record], company_country: str) -> list[Refusal]:
    found: list[Refusal] = []
    for line in lines:
        quantity, price = number(line.get("Quantity")), number(line.get("UnitPriceExcl") or line.get("UnitPriceIncl"))
        has_total = bool(price) and quantity != 0
        if has_total and not str(line.get("Description") or "").strip():
            found.append(Refusal("DescriptionIsMandatoryForOrderLinesWithTotals"))
        rate = number(line.get("VATPercentage"))
        if company_country == "BE" and rate is not None and rate not in _BELGIAN_RATES:
            found.append(Refusal("InvalidVAtPercentageForTaxCountry_0_", (company_country,)))
    return list(dict.fromkeys(found))


def _is_charged(line: Record) -> bool:
    """Whether a line bears VAT, or 0 % as a rate (code 1)."""
    return bool(number(line.get("VATPercentage"))) or str(line.get("VentilationCode") or "1") == "1"


def party_refusals(party: Record, *, named: bool) -> list[Refusal]:
    """The violations of a party; `named` demands a name or a contact."""
    found: list[Refusal] = []
    vat = str(party.get("VATNumber") or "").strip()
    if plain_number(vat).startswith("BE") and not valid_belgian(vat):
        found.append(Refusal("_0_IsNoValidBEVAT", (vat,)))
    names = ("Name", "CommercialName", "Contact", "ContactFirstName", "ContactLastName")
    if named and not any(str(party.get(name) or "").strip() for name in names):
        found.append(Refusal("CompanyNameOrContactNameIsRequired"))
    types = [address.get("AddressType") for address in party.get("Addresses") or []]
    if len(types) != len(set(types)):
        found.append(Refusal("Only1OfEachAddressTypeAllowed"))
    if any(not identifier.get("IdentifierType") for identifier in party.get("Identifiers") or []):
        found.append(Refusal("IdentifierTypeIsRequired"))
    return found


def _file_refusals(file: Any) -> list[Refusal]:
    content = file.get("FileContent") if isinstance(file, dict) else None
    if not content:
        return [Refusal("TheFileCannotBeEmpty")]
    try:
        base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError, TypeError):
        return [Refusal("TheFileIsNotValid")]
    return []
