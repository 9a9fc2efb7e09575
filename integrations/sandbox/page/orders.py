"""The control page's orders: looked at, and changed by hand as if somebody did it in My Billit."""

from __future__ import annotations

from html import escape

from integrations.sandbox.billit.orders import reading
from integrations.sandbox.http.wire import Record
from integrations.sandbox.page.parts import choice, field, section, shown
from integrations.sandbox.server import Sandbox

_MOST = 50
# Members that can be changed here, and what their text stands for.
EDITABLE: dict[str, str] = {
    "OrderTitle": "text",
    "Reference": "text",
    "Comments": "text",
    "OrderNumber": "text",
    "ExternalProviderID": "text",
    "OrderDate": "day",
    "ExpiryDate": "day",
    "TotalExcl": "amount",
    "TotalVAT": "amount",
    "TotalIncl": "amount",
}


def orders(sandbox: Sandbox) -> str:
    found = sorted(sandbox.billit.store.orders.values(), key=lambda order: int(order["OrderID"]), reverse=True)
    rows = "".join(_order(sandbox, order) for order in found[:_MOST])
    more = f"<p>The newest {_MOST} of {len(found)}.</p>" if len(found) > _MOST else ""
    empty = "" if found else "<p>There are no orders.</p>"
    return section("orders", "Billit's orders, by hand", f"{more}{empty}{rows}")


def _order(sandbox: Sandbox, order: Record) -> str:
    store = sandbox.billit.store
    identity = order["OrderID"]
    company = store.companies.get(order["CompanyID"], {})
    customer = store.parties.get(order["_customer"], {})
    state = "deleted" if order.get("_deleted") else str(order["OrderStatus"])
    delivery = order["CurrentDocumentDeliveryDetails"].get("DocumentDeliveryStatus", "")
    title = (
        f"{order.get('OrderNumber', 'no number')} ({identity}) - {company.get('Name', '')} to"
        f" {customer.get('Name', '')}: {order['TotalIncl']} {order['Currency']}, {state} {delivery}"
    )
    call = sandbox.billit.call(sandbox.billit.within({"PartyID": 0}).request, {}, company)
    whole = shown(reading.full(call, order)) if customer else ""
    return (
        f'<details id="order-{identity}"><summary>{escape(title)}</summary>{_buttons(order)}{_change(identity)}'
        f"{whole}</details>"
    )


def _buttons(order: Record) -> str:
    actions = {"restore": "Bring it back"} if order.get("_deleted") else {"delete": "Delete it"}
    if order["OrderStatus"] == "Draft":
        actions["finish"] = "Make the draft an invoice"
    elif not order.get("_deleted"):
        actions |= {"send": "Send it", "pay": "Mark it paid"}
    buttons = "".join(f'<button name="action" value="{name}">{text}</button>' for name, text in actions.items())
    return _form(order["OrderID"], buttons)


def _change(identity: int) -> str:
    fields = choice("Change", "name", ((name, name) for name in EDITABLE)) + field("to", "value")
    return _form(identity, f'{fields}<button name="action" value="change">Change it</button>')


def _form(identity: int, content: str) -> str:
    return (
        '<form method="post" action="/page/order">'
        f'<input type="hidden" name="part" value="order-{identity}">'
        f'<input type="hidden" name="order" value="{identity}"><div class="row">{content}</div></form>'
    )
