"""From our facts of an invoice to the e-invoice that Billit would make of it: through the order that we would post.

The way is the product's own up to the bytes of the POST, and the imitation's from there on.
"""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from integrations.clients import billit
from integrations.sandbox.billit.rules import peppol, ubl
from integrations.sandbox.billit.rules.amounts import rated, rounding
from invoicing.rules.billing.rating import line_total
from invoicing.rules.einvoice import Document, Line, Party, Writing

_MADE_BY_BILLIT = {"OrderNumber": "2026-0042", "PaymentReference": "+++000/0050/00042+++"}


def posted(document: Document, kind: Literal["Invoice", "CreditNote"], *, is_new: bool) -> dict[str, Any]:
    """The body of the POST as Billit reads it; a customer that is `is_new` is carried along, as R3 says."""
    buyer = document.buyer
    address = billit.Address(country=buyer.country) if buyer.country else None
    customer = billit.NewCustomer(buyer.name, buyer.vat_number, "NL", address) if is_new else None
    order = billit.Order(
        external_id="tb-1",
        order_date=date(2026, 11, 2),
        expiry_date=date(2026, 12, 2),
        customer_id=None if is_new else 88001,
        customer=customer,
        reference=document.purchase_order,
        title=document.title,
        period_from=date(2026, 10, 1),
        period_till=date(2026, 10, 31),
        lines=tuple(
            billit.OrderLine(
                quantity=line.quantity,
                unit_price=line.unit_price,
                description=line.description,
                description_extended=line.description_extended,
                reference=line.reference,
                vat_rate=line.vat_rate,
                ventilation_code=line.code if line.vat_rate == 0 else None,
                discount=_discount(line, f"link-{position}"),
            )
            for position, line in enumerate(document.lines, start=1)
        ),
        order_type=kind,
        about_number="2026-0007" if kind == "CreditNote" else "",
    )
    body: dict[str, Any] = json.loads(billit.encode(billit.order_body(order)), parse_float=Decimal)
    return body


def _discount(line: Line, link: str) -> billit.LineDiscount | None:
    """A quarter off where the line has a reason for it."""
    quarter = line_total(line.quantity, line.unit_price / 4) or Decimal("0.01")
    return billit.LineDiscount(quarter, line.discount_reason, link) if line.discount_reason else None


def stored(document: Document, kind: Literal["Invoice", "CreditNote"] = "Invoice", *, is_new: bool = False) -> Any:
    """The order as Billit stores it, with the lines and totals that it reckons."""
    body = posted(document, kind, is_new=is_new)
    return {**body, **_MADE_BY_BILLIT, **rated(body, decimals=2, surplus="truncate", cents=rounding("half_up"))}


def e_invoice(order: Any, document: Document, writing: Writing, **company: str) -> str:
    """The UBL of a stored order; `company` is what else Billit knows of the seller."""
    supplier = {**_party(document.seller), **company}
    return ubl.document(order, supplier=supplier, customer=_customer(order, document), writing=_written(writing))


def refused(order: Any, document: Document, writing: Writing) -> list[str]:
    """The rules for which the imitation refuses to send the order over Peppol."""
    supplier, customer = _party(document.seller), _customer(order, document)
    return peppol.broken(order, supplier=supplier, customer=customer, writing=_written(writing))


def _customer(order: Any, document: Document) -> Any:
    return order.get("Customer") or _party(document.buyer)


def _written(writing: Writing) -> ubl.Writing:
    return ubl.Writing(
        outside_scope=writing.outside_scope,
        exemption_reasons=writing.exemption_reasons,
        negative_price="turned" if writing.turns_prices else "as_posted",
    )


def _party(party: Party) -> dict[str, Any]:
    row: dict[str, Any] = {"Name": party.name, "VATNumber": party.vat_number, "CountryCode": party.country}
    return {name: value for name, value in row.items() if value}
