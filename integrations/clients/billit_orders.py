"""An order as it is sent to Billit, and the exact bytes of it. Pure: no network.

What Billit calls an order is our invoice or credit note (Billit docs: create-first-invoice). Hours have two
decimals and prices those of the dossier, since Billit cuts the rest; the caller sees to that.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from integrations.clients.http.answers import without_needless_zeros


@dataclass(frozen=True, slots=True)
class Address:
    """Where a customer is invoiced. `country` is a code of two letters; what is unknown is ""."""

    street: str = ""
    street_number: str = ""
    box: str = ""
    zipcode: str = ""
    city: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class NewCustomer:
    """A customer that Billit does not have yet; `vat_number` normalised (prefix and digits) or ""."""

    name: str
    vat_number: str
    language: str = ""
    address: Address | None = None


@dataclass(frozen=True, slots=True)
class LineDiscount:
    """A line level allowance (Billit docs: allowances-and-charges-advanced): `amount` in euro without VAT, with two
    decimals, negative for a charge. `link` is the same on no other line of the order."""

    amount: Decimal
    reason: str
    link: str


@dataclass(frozen=True, slots=True)
class OrderLine:
    """Hours and their price in euro without VAT; `vat_rate` in per cent; `reference` is the product's. `unit`: HUR for
    hours, C62 for one piece of anything (UN/ECE Recommendation 20). `discount`: what is taken off it, if anything."""

    quantity: Decimal
    unit_price: Decimal
    description: str
    description_extended: str
    reference: str
    vat_rate: Decimal
    ventilation_code: int | None
    unit: str = "HUR"
    discount: LineDiscount | None = None


@dataclass(frozen=True, slots=True)
class File:
    """A file that goes with an order to its receiver (Billit docs: include-own-pdf-and-attachments).

    ``content``: as base64. ``digest``: the SHA-256 of the file itself, as hex."""

    name: str
    kind: str
    content: str = field(repr=False)
    digest: str


@dataclass(frozen=True, slots=True)
class Order:
    """An invoice or credit note to create; Billit numbers it (design R10).

    `external_id` is our reference, `reference` the buyer's purchase order, `title` that of the buyer or the period,
    `about_number` the number of the invoice that a credit note takes back, `comments` a note to the buyer, on the PDF
    and in the UBL (Billit docs: how-can-i-send-comments-notes-in-an-e-invoice). Exactly one of `customer_id` (PartyID
    at Billit) and `customer` is given. The days are local ones of the firm.
    """

    external_id: str
    order_date: date
    expiry_date: date
    customer_id: int | None
    customer: NewCustomer | None
    reference: str
    title: str
    period_from: date
    period_till: date
    lines: tuple[OrderLine, ...]
    order_type: Literal["Invoice", "CreditNote"] = "Invoice"
    about_number: str = ""
    files: tuple[File, ...] = ()
    comments: str = ""


def order_body(order: Order, *, named: bool = False) -> dict[str, Any]:
    """The JSON object for `POST /v1/orders`: no nulls, no empty texts, numbers as `Decimal`.

    `named`: with `sha256:` and the hash of each file in the place of its content, for the record of what was sent;
    putting the contents back in, as base64, gives the body that was sent.

    Peppol refuses empty elements (rule R008 of Peppol BIS Billing 3.0) and Billit may refuse nulls. Without
    OrderNumber, so that Billit's own sequence has no gap. ValueError unless exactly one of customer_id and
    customer is given.
    """
    if (order.customer_id is None) == (order.customer is None):
        raise ValueError(f"order {order.external_id} needs either a customer id or a customer")
    return _filled(
        {
            "OrderType": order.order_type,
            "OrderDirection": "Income",
            "OrderDate": order.order_date.isoformat(),
            "ExpiryDate": order.expiry_date.isoformat(),
            "Currency": "EUR",
            "ExternalProviderID": order.external_id,
            "Reference": order.reference,
            "OrderTitle": order.title,
            "PeriodFrom": order.period_from.isoformat(),
            "PeriodTill": order.period_till.isoformat(),
            "AboutInvoiceNumber": order.about_number,
            "Comments": order.comments,
            "CustomerID": order.customer_id,
            "Customer": None if order.customer is None else _customer(order.customer),
            "OrderLines": [part for line in order.lines for part in _parts(line)],
            "Attachments": [_file(file, named=named) for file in order.files],
        }
    )


def encode(body: Mapping[str, Any]) -> bytes:
    """The bytes that are sent: UTF-8, sorted keys, no blanks, every `Decimal` as its exact digits.

    Equal values give equal bytes (1.50 and 1.5 too), so that their hash tells whether two bodies are the same.
    TypeError for a float, ValueError for a Decimal that is not a number.
    """
    return _json(body).encode()


def recorded(order: Order) -> tuple[str, str]:
    """What is kept of the body, with hashes of files in the place of their contents, and the SHA-256 of the whole."""
    body = encode(order_body(order))
    kept = encode(order_body(order, named=True)) if order.files else body
    return kept.decode(), hashlib.sha256(body).hexdigest()


def _file(file: File, *, named: bool) -> dict[str, Any]:
    """Without FileID, which is Billit's own to give."""
    content = f"sha256:{file.digest}" if named else file.content
    return {"FileName": file.name, "MimeType": file.kind, "FileContent": content}


def _customer(customer: NewCustomer) -> dict[str, Any]:
    belgian = re.fullmatch(r"BE([0-9]{10})", customer.vat_number)
    address = _filled({} if customer.address is None else _address(customer.address))
    return _filled(
        {
            "Name": customer.name,
            "VATNumber": customer.vat_number,
            "PartyType": "Customer",
            "Language": customer.language,
            "Addresses": [{"AddressType": "InvoiceAddress", **address}] if address else [],
            # Without an identifier Billit may match and overwrite another customer (Billit docs: customer-no-vat).
            "Identifiers": [{"IdentifierType": "CBE", "Identifier": belgian[1]}] if belgian else [],
        }
    )


def _address(address: Address) -> dict[str, Any]:
    return {
        "Street": address.street,
        "StreetNumber": address.street_number,
        "Box": address.box,
        "Zipcode": address.zipcode,
        "City": address.city,
        "CountryCode": address.country,
    }


def _parts(line: OrderLine) -> Iterator[dict[str, Any]]:
    """The line and, with a link to it, what is taken off it or put on: Billit allows no other member there."""
    if line.discount is None:
        yield _line(line)
        return
    link = {"LinkedOrderLineID": line.discount.link}
    yield _line(line) | link
    yield {
        "Quantity": Decimal(1),
        "UnitPriceExcl": -line.discount.amount,
        "Description": line.discount.reason,
        "VATPercentage": line.vat_rate,
        "AllowanceChargeIndicator": line.discount.amount < 0,
        **link,
    }


def _line(line: OrderLine) -> dict[str, Any]:
    return _filled(
        {
            "Quantity": line.quantity,
            "UnitPriceExcl": line.unit_price,
            "Description": line.description,
            "DescriptionExtended": line.description_extended,
            "Reference": line.reference,
            "VATPercentage": line.vat_rate,
            # A text in Billit's Swagger, although it holds digits.
            "VentilationCode": None if line.ventilation_code is None else str(line.ventilation_code),
            "Unit": line.unit,
        }
    )


def _filled(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None and value != "" and value != []}


def _json(value: Any) -> str:
    """The standard encoder knows no exact decimals; this one knows only what a body may hold."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_json(str(name))}:{_json(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_json(element) for element in value) + "]"
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{value} cannot be sent as a number")
        return str(without_needless_zeros(value)) if value else "0"
    if value is None or isinstance(value, (bool, int, str)):
        return json.dumps(value, ensure_ascii=False)
    raise TypeError(f"{type(value).__name__} has no place in what is sent to Billit")
