"""The member names of Billit's JSON (its Swagger of April 2026): they bind in any case, unknown ones are ignored."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from integrations.sandbox.http.wire import Record, RejectedError, json_answer

ORDER = [
    "OrderID",
    "OrderPDF",
    "Attachments",
    "OrderNumber",
    "CustomerID",
    "SupplierID",
    "CounterPartyID",
    "Customer",
    "Supplier",
    "OrderDate",
    "ExpiryDate",
    "OrderType",
    "OrderSubType",
    "OrderDirection",
    "OrderLines",
    "OrderTitle",
    "PaymentDiscountPercentage",
    "PaymentDiscountAmount",
    "VentilationCode",
    "TotalExcl",
    "TotalIncl",
    "TotalVAT",
    "Reference",
    "Tags",
    "DepartmentID",
    "PaymentReference",
    "AboutInvoiceNumber",
    "Paid",
    "PaidDate",
    "ExternalProviderID",
    "ProjectID",
    "ExternalProviderReferences",
    "Comments",
    "Currency",
    "InternalInfo",
    "IsSent",
    "Invoiced",
    "CustomFields",
    "PeriodFrom",
    "PeriodTill",
    "AccountCode",
    "FXRateToForeign",
    "PaymentMethod",
    "DeliveryDate",
    "OrderStatus",
    "ApprovalStatus",
    "AccountantVerificationNeeded",
    "ContractDocumentReference",
    "PaymentTerms",
    "IBAN",
    "BIC",
    "TaxPointDate",
]
LINE = [
    "OrderLineID",
    "Quantity",
    "UnitPriceExcl",
    "AccountCode",
    "Code",
    "Reference",
    "Description",
    "TotalExcl",
    "TotalVAT",
    "VATPercentage",
    "VentilationCode",
    "ProductID",
    "Unit",
    "CustomFields",
    "InclLeading",
    "UnitPriceIncl",
    "TotalIncl",
    "ReductionPercentage",
    "AllowanceChargeIndicator",
    "LinkedOrderLineID",
    "DescriptionExtended",
    "AnalyticCostBearer",
    "AnalyticCostCenter",
]
PARTY = [
    "PartyID",
    "Nr",
    "Name",
    "CommercialName",
    "Addresses",
    "Street",
    "StreetNumber",
    "Box",
    "Zipcode",
    "City",
    "CountryCode",
    "IBAN",
    "BIC",
    "Mobile",
    "Phone",
    "Fax",
    "Email",
    "Website",
    "Contact",
    "ContactFirstName",
    "ContactLastName",
    "VATNumber",
    "PeppolIdentifier",
    "PartyType",
    "VATLiable",
    "AccountantCode",
    "GLAccountCode",
    "Language",
    "VentilationCode",
    "ExternalProviderID",
    "ExternalProviderTC",
    "DisplayName",
    "Identifiers",
    "DefaultExpiryOffset",
    "GLDefaultExpiryOffset",
    "InternalInfo",
]
ADDRESS = ["AddressType", "Name", "Tav", "Street", "StreetNumber", "Box", "Zipcode", "City", "CountryCode", "Phone"]
IDENTIFIER = ["IdentifierType", "Identifier", "SchemeID", "Preferred"]
FILE = ["FileID", "FileName", "MimeType", "FileContent"]
PRODUCT = [
    "ProductID",
    "Reference",
    "Description",
    "AmountExcl",
    "VAT",
    "Unit",
    "GroupID",
    "GroupName",
    "AmountIncl",
    "StockQuantity",
    "MinimumBilledQuantity",
    "BuyExcl",
    "InternalInformation",
    "EAN",
    "GTIN",
    "GLN",
    "ExternalProviderTC",
]
SEND = ["OrderIDs", "TransportType", "PrintType"]
PAYMENT = ["Amount", "Description", "Date"]
SEQUENCE = ["SequenceType", "Consume"]
WEBHOOK = ["EntityType", "EntityUpdateType", "WebhookURL"]
TOKEN = ["grant_type", "code", "client_id", "client_secret", "redirect_uri", "refresh_token", "code_verifier", "state"]

_NESTED = {
    "OrderLines": LINE,
    "Customer": PARTY,
    "Supplier": PARTY,
    "Addresses": ADDRESS,
    "Identifiers": IDENTIFIER,
    "OrderPDF": FILE,
    "Attachments": FILE,
    "Items": PRODUCT,
}
_LISTS = frozenset({"OrderLines", "Addresses", "Identifiers", "Attachments", "Items"})
# What holds lists or objects that are kept as they come.
_FREE = frozenset(
    {"Tags", "CustomFields", "ExternalProviderReferences", "ContractDocumentReference", "OrderIDs", "BankAccounts"}
)
_WHOLE = frozenset({"OrderID", "CustomerID", "SupplierID", "CounterPartyID", "PartyID", "ProductID", "OrderLineID"})


def changes(record: Record, patchable: Collection[str]) -> Record:
    """What a PATCH body changes: the patchable members in Billit's spelling, nulls kept, everything else left out."""
    spelling = {name.lower(): name for name in patchable}
    return {spelling[given.lower()]: value for given, value in record.items() if given.lower() in spelling}


def canonical(record: Record, names: list[str]) -> Record:
    """The record with the names in Billit's spelling, unknown members and nulls left out, nested objects likewise."""
    spelling = {name.lower(): name for name in names}
    clean: Record = {}
    for given, value in record.items():
        name = spelling.get(given.lower())
        if name is None or value is None:
            continue
        clean[name] = _nested(name, value)
    return clean


def _nested(name: str, value: Any) -> Any:
    """The value as the member's type takes it. Raises RejectedError with 400, as the real one's binder refuses it."""
    names = _NESTED.get(name)
    if name in _LISTS and names is not None:
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise _unbound()
        return [canonical(item, names) for item in value]
    if names is not None:
        if not isinstance(value, dict):
            raise _unbound()
        return canonical(value, names)
    if name in _FREE:
        return value
    if isinstance(value, dict | list) or (name in _WHOLE and re.fullmatch(r"-?\d{1,10}", str(value)) is None):
        raise _unbound()
    return value


def _unbound() -> RejectedError:
    return RejectedError(json_answer({"Message": "The request is invalid."}, 400))
