"""POST /v1/orders: creates an order, or updates one that is not sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from integrations.sandbox.billit import parties
from integrations.sandbox.billit.access import Call, router
from integrations.sandbox.billit.orders import files
from integrations.sandbox.billit.orders.reading import company_orders, own_order
from integrations.sandbox.billit.rules import names
from integrations.sandbox.billit.rules.amounts import (
    ZERO,
    is_allowance,
    kept,
    number,
    rated,
    rounding,
    structured_reference,
)
from integrations.sandbox.billit.rules.checks import day, order_refusals
from integrations.sandbox.billit.rules.refusals import Refusal, generic
from integrations.sandbox.http.wire import Answer, Record, json_answer

_DATES = ("OrderDate", "ExpiryDate", "DeliveryDate", "PeriodFrom", "PeriodTill", "TaxPointDate")
# Members that a body may hold but that Billit sets itself.
_OWN = frozenset(
    [
        "OrderID",
        "CustomerID",
        "Customer",
        "Supplier",
        "SupplierID",
        "CounterPartyID",
        "OrderLines",
        "OrderPDF",
        "Attachments",
    ]
)
# What a line may say that is an allowance or a charge (Billit docs: allowances-and-charges-advanced).
_ALLOWANCE = frozenset(
    [
        "Quantity",
        "UnitPriceExcl",
        "Description",
        "Code",
        "VATPercentage",
        "AllowanceChargeIndicator",
        "LinkedOrderLineID",
    ]
)
_COMPUTED = frozenset(["TotalExcl", "TotalIncl", "TotalVAT", "OrderStatus", "ApprovalStatus", "IsSent", "Invoiced"])


@router.on("POST", r"/v1/orders")
def create(call: Call) -> Answer:
    call.refuse_used_key()
    given = names.canonical(call.body(), names.ORDER)
    _fill_from_products(call, given)
    previous = _previous(call, given)
    country = str(call.company.get("CountryCode", "BE"))
    exempt = bool(call.company.get("SmallEnterprise")) and call.switches["billit_small_enterprise"] == "refuse"
    if refusals := order_refusals(given, company_country=country, update=previous is not None, charges_vat=not exempt):
        raise call.refuse(*refusals)
    _check_quantities(call, given)
    _check_about(call, given)
    _check_duplicate_number(call, given, previous)
    previous = previous or _same_external_id(call, given)
    customer_id = _customer(call, given, previous)
    order = _built(call, given, previous, customer_id)
    call.store.orders[order["OrderID"]] = order
    call.burn_key()
    call.notices.order(order, "U" if previous else "I")
    _lint(call, given, order)
    return json_answer(order["OrderID"])


def seed_draft(call: Call, given: Record) -> int:
    """A draft as the user interface saves it: no number, no origin. The API never makes one. Raises RejectedError."""
    body = names.canonical(given, names.ORDER)
    order = _built(call, body, None, _customer(call, body, None), numbered=False)
    order.update(OrderStatus="Draft", Attachments=[])
    del order["ExternalProvider"]
    call.store.orders[order["OrderID"]] = order
    call.notices.order(order, "I")
    return int(order["OrderID"])


def _customer(call: Call, given: Record, previous: Record | None) -> int:
    if "CustomerID" in given:
        return int(parties.own(call, _whole(given["CustomerID"]))["PartyID"])
    if "Customer" in given:
        return parties.customer_for(call, given["Customer"])
    return int(previous["_customer"]) if previous else 0


def _whole(value: Any) -> int:
    amount = number(value)
    return int(amount) if amount is not None else 0


def _fill_from_products(call: Call, given: Record) -> None:
    """A line that names a product takes what it does not say from it."""
    for line in given.get("OrderLines") or []:
        if "ProductID" not in line:
            continue
        product = call.store.products.get(_whole(line["ProductID"]))
        if product is None or product["CompanyID"] != call.company_id:
            raise call.not_accessible()
        taken = {
            "Description": product.get("Description"),
            "Reference": product.get("Reference"),
            "UnitPriceExcl": product.get("AmountExcl"),
            "VATPercentage": product.get("VAT"),
            "Unit": product.get("Unit"),
        }
        for name, value in taken.items():
            if value is not None:
                line.setdefault(name, value)
        line.setdefault("Quantity", 1)


def _previous(call: Call, given: Record) -> Record | None:
    """The unsent order that a body with an OrderID updates."""
    if "OrderID" not in given:
        return None
    order = own_order(call, _whole(given["OrderID"]))
    if order["IsSent"] and call.switches["billit_sent_update"] == "refuse":
        raise call.refuse(generic("The order was already sent and can no longer be changed."))
    return order


def _check_quantities(call: Call, given: Record) -> None:
    quantities = (number(line.get("Quantity")) for line in given.get("OrderLines") or [])
    if call.switches["billit_negative_quantity"] == "refuse" and any(
        each is not None and each < 0 for each in quantities
    ):
        raise call.refuse(generic("The quantity of a line cannot be negative: give it a negative price instead."))


def _check_about(call: Call, given: Record) -> None:
    about = given.get("AboutInvoiceNumber")
    if given.get("OrderType") == "CreditNote" and about and _numbered(call, str(about)) is None:
        raise call.refuse(Refusal("TheAboutInvoiceNumberCouldNotBeFound"))


def _check_duplicate_number(call: Call, given: Record, previous: Record | None) -> None:
    if call.switches["billit_duplicate_numbers"] != "refuse" or "OrderNumber" not in given:
        return
    same = _numbered(call, str(given["OrderNumber"]))
    if same is not None and same is not previous:
        raise call.refuse(generic(f"The number {given['OrderNumber']} already exists."))


def _same_external_id(call: Call, given: Record) -> Record | None:
    """By switch only: an order with the same ExternalProviderID is refused, or updated."""
    rule, wanted = call.switches["billit_duplicate_external_ids"], given.get("ExternalProviderID")
    if rule == "accept" or wanted is None or "OrderID" in given:
        return None
    same = next((row for row in company_orders(call, deleted=False) if row.get("ExternalProviderID") == wanted), None)
    if same is not None and (rule == "refuse" or same["IsSent"]):
        raise call.refuse(generic(f"The external provider ID {wanted} already exists."))
    return same


def _numbered(call: Call, text: str) -> Record | None:
    return next((order for order in company_orders(call, deleted=False) if order.get("OrderNumber") == text), None)


def _built(call: Call, given: Record, previous: Record | None, customer_id: int, *, numbered: bool = True) -> Record:
    stamp = call.store.stamp()
    kind = str(given.get("OrderType") or (previous or {}).get("OrderType"))
    order_date = day(given.get("OrderDate")) or str((previous or {}).get("OrderDate"))
    order: Record = dict(previous or {})
    order.update({name: value for name, value in given.items() if name not in _OWN | _COMPUTED})
    for name in _DATES:
        if name in given:
            order[name] = day(given[name]) or order_date
    if previous is None:
        identity = call.store.next_order_id()
        order.update(
            OrderID=identity,
            CompanyID=call.company_id,
            Created=stamp,
            OrderStatus="ToSend",
            IsSent=False,
            Paid=bool(given.get("Paid")),
            ExternalProvider="APIFeed",
            ExportedToConnector=False,
            AccountantVerificationNeeded=False,
            RemindersSent=0,
            CurrentDocumentDeliveryDetails={"IsDocumentDelivered": False},
            Messages=[],
            Attachments=[files.posted_json(call, given, identity)],
            OrderPDF=files.generated_pdf(identity),
        )
        if call.switches["billit_posted_status"] == "honour" and given.get("OrderStatus") == "Draft":
            order["OrderStatus"] = "Draft"
        order.setdefault("Currency", "EUR")
        order.setdefault("FXRateToForeign", Decimal("1.00000"))
        order.setdefault("PaymentReference", structured_reference(identity))
        order.setdefault("CustomFields", {})
        if numbered and not order.get("OrderNumber"):
            sequence = "Income-CreditNote" if kind == "CreditNote" else "Income-Invoice"
            order["OrderNumber"] = call.store.sequence(call.company_id, sequence, int(order_date[:4]), consume=True)
        _mark_credited(call, order)
    if "OrderPDF" in given:
        order["OrderPDF"] = files.kept(call, given["OrderPDF"])
    order["Attachments"] = [
        *order["Attachments"],
        *(files.kept(call, attached) for attached in given.get("Attachments") or []),
    ]
    order["_customer"] = customer_id
    order["LastModified"] = stamp
    if "OrderLines" in given:
        order.update(_rated(call, given))
    order["ToPay"] = ZERO if order["Paid"] else order["TotalIncl"]
    if order["Paid"]:
        order["OrderStatus"] = "Paid"
        order.setdefault("PaidDate", stamp)
    return order


def _mark_credited(call: Call, order: Record) -> None:
    about = order.get("AboutInvoiceNumber")
    original = _numbered(call, str(about)) if order["OrderType"] == "CreditNote" and about else None
    if original is not None:
        original.update(OrderStatus="Credited", LastModified=call.store.stamp())
        call.notices.order(original, "U")


def _rated(call: Call, given: Record) -> Record:
    return rated(
        given,
        decimals=int(call.company.get("decimals", 2)),
        surplus=str(call.switches["billit_surplus_decimals"]),
        cents=rounding(str(call.switches["billit_rounding"])),
    )


def _lint(call: Call, given: Record, order: Record) -> None:
    subject = f"order {order['OrderID']}"
    for line in given.get("OrderLines") or []:
        _lint_line(call, line, subject)
    if order["OrderType"] == "CreditNote":
        if order["TotalIncl"] < 0:
            call.store.warn(call.company_id, "a credit note takes positive amounts", subject)
        if given.get("AboutInvoiceNumber") and given.get("Paid"):
            call.store.warn(call.company_id, "AboutInvoiceNumber settles the credit note; Paid does it twice", subject)
    for name in ("TotalExcl", "TotalVAT", "TotalIncl"):
        value = number(given.get(name))
        if value is not None and value != order[name]:
            call.store.warn(call.company_id, f"{name} was posted as {value}, Billit computes {order[name]}", subject)


def _lint_line(call: Call, line: Record, subject: str) -> None:
    decimals = int(call.company.get("decimals", 2))
    if not line.get("Unit") and not is_allowance(line):
        call.store.warn(call.company_id, "a line without Unit", subject)
    if is_allowance(line) and (more := sorted(line.keys() - _ALLOWANCE)):
        call.store.warn(call.company_id, f"an allowance or charge takes no {', '.join(more)}", subject)
    for name in ("Quantity", "UnitPriceExcl"):
        value = number(line.get(name))
        if value is not None and value != kept(value, decimals, "truncate"):
            call.store.warn(call.company_id, f"{name} {value} has more decimals than Billit keeps", subject)
    for name in ("Description", "DescriptionExtended"):
        if len(str(line.get(name) or "")) > 512:
            call.store.warn(call.company_id, f"{name} is longer than 512 characters", subject)
