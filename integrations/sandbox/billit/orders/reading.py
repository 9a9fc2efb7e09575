"""Orders read back: one in full, and the lists of summaries."""

from __future__ import annotations

from datetime import date

from integrations.sandbox.billit import parties
from integrations.sandbox.billit.access import Call, router
from integrations.sandbox.billit.lists import listed
from integrations.sandbox.billit.orders import files
from integrations.sandbox.http.wire import Answer, Record, json_answer

_TYPE = "Domain.Order.OrderPartyPerformanceSafeColumns"
# The list that Billit published on 2026-03-17; nothing else may be filtered or ordered by.
_PROPERTIES = frozenset(
    [
        "OrderID",
        "CounterParty/PartyID",
        "CompanyID",
        "OrderDirection",
        "OrderType",
        "OrderDate",
        "OrderNumber",
        "ExpiryDate",
        "ExportedToConnector",
        "AccountantVerificationNeeded",
        "TotalExcl",
        "TotalVAT",
        "TotalIncl",
        "FXRateToForeign",
        "Paid",
        "OrderStatus",
        "ExternalProviderID",
        "Currency",
        "PaymentReference",
        "LastModified",
        "Created",
        "ApprovalStatus",
        "PaidDate",
        "PaymentMethod",
        "Reference",
        "RemindersSent",
        "ExternalProvider",
        "IsSent",
    ]
)
_SUMMARY = [
    "OrderID",
    "CompanyID",
    "OrderNumber",
    "OrderDate",
    "ExpiryDate",
    "OrderType",
    "OrderSubType",
    "LastModified",
    "Created",
    "OrderDirection",
    "OrderTitle",
    "TotalExcl",
    "TotalIncl",
    "TotalVAT",
    "Reference",
    "PaymentReference",
    "Paid",
    "PaidDate",
    "ExternalProvider",
    "ExternalProviderID",
    "Currency",
    "IsSent",
    "Invoiced",
    "ToPay",
    "OrderStatus",
    "ApprovalStatus",
    "ExportedToConnector",
    "AccountantVerificationNeeded",
    "FXRateToForeign",
    "PaymentMethod",
    "RemindersSent",
]

_BARE = frozenset(["OrderID", "OrderNumber", "OrderStatus", "OrderType", "LastModified", "CounterParty"])


def own_order(call: Call, identity: int) -> Record:
    order = call.store.own_order(call.company_id, identity)
    if order is None:
        raise call.not_accessible()
    return order


def company_orders(call: Call, *, deleted: bool) -> list[Record]:
    rows = [
        order
        for order in call.store.orders.values()
        if order["CompanyID"] == call.company_id and bool(order.get("_deleted")) == deleted
    ]
    return sorted(rows, key=lambda order: int(order["OrderID"]))


def _overdue(call: Call, order: Record) -> Record:
    days = (call.clock.today() - date.fromisoformat(order["ExpiryDate"][:10])).days
    return {"Overdue": days > 0 and not order["Paid"], "DaysOverdue": days}


def full(call: Call, order: Record) -> Record:
    """The order as GET by id answers it: parties in full, absent values left out."""
    customer = parties.with_delivery_address(parties.shown(call.store.parties[order["_customer"]]))
    company = {name: value for name, value in call.company.items() if name not in {"decimals", "auto_send", "verified"}}
    row = {name: value for name, value in order.items() if not name.startswith("_")}
    if not files.pdf_is_ready(call, order):
        del row["OrderPDF"]
    row.update(Customer=customer, CounterParty=customer, Supplier=company, CounterPartyID=customer["PartyID"])
    row.update(CustomerID=customer["PartyID"], SupplierID=call.company_id)
    return {**row, **_overdue(call, order)}


def summary(call: Call, order: Record) -> Record:
    """The order as a row of a list: no lines, the counter-party instead of customer and supplier."""
    row = {name: order[name] for name in _SUMMARY if name in order}
    if call.switches["billit_summary_delivery"]:
        row["CurrentDocumentDeliveryDetails"] = order["CurrentDocumentDeliveryDetails"]
    party = call.store.parties[order["_customer"]]
    row["CounterParty"] = {name: party[name] for name in ("PartyID", "Name", "VATNumber", "PartyType") if name in party}
    row["CounterParty"]["DisplayName"] = party.get("Name", "")
    if files.pdf_is_ready(call, order):
        row["OrderPDF"] = {"FileID": order["OrderPDF"]["FileID"]}
    return {**row, **_overdue(call, order)}


@router.on("GET", r"/v1/orders/(\d+)")
def one(call: Call, identity: str) -> Answer:
    return json_answer(full(call, own_order(call, int(identity))))


@router.on("GET", r"/v1/orders")
def all_orders(call: Call) -> Answer:
    return _page(call, company_orders(call, deleted=False))


@router.on("GET", r"/v1/orders/deleted")
def deleted_orders(call: Call) -> Answer:
    return _page(call, company_orders(call, deleted=True))


def _page(call: Call, orders: list[Record]) -> Answer:
    rows = [summary(call, order) for order in orders]
    if search := call.request.query.get("fullTextSearch", "").strip().casefold():
        rows = [row for row in rows if _meets(row, search)]
    hidden = set() if call.switches["billit_summary_external_id"] else {"ExternalProviderID"}
    said = call.switches["billit_summary_rows"]
    if said != "full":
        for row in rows:
            row["CounterParty"].pop("VATNumber", None)
    if said == "bare":
        hidden |= set().union(*rows) - _BARE
    return listed(call, rows, properties=_PROPERTIES, type_name=_TYPE, hidden=hidden)


def _meets(row: Record, search: str) -> bool:
    texts = (row.get("OrderNumber"), row.get("Reference"), row.get("OrderTitle"), row["CounterParty"]["DisplayName"])
    return search in " ".join(str(text or "") for text in texts).casefold()
