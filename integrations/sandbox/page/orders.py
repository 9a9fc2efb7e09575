"""The control page's orders: looked at, and changed by hand as if somebody did it in My Billit."""

from __future__ import annotations

from html import escape

from integrations.sandbox.billit.orders import reading
from integrations.sandbox.http.wire import Record
from integrations.sandbox.page.parts import choice, field, section, shown, table
from integrations.sandbox.page.words import tr
from integrations.sandbox.server import Sandbox

_MOST = 30
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
    """The newest orders, each a link to its own page."""
    found = sorted(sandbox.billit.store.orders.values(), key=lambda order: int(order["OrderID"]), reverse=True)
    rows = [_row(sandbox, order) for order in found[:_MOST]]
    told = tr("The newest {most} of {count}.", most=_MOST, count=len(found))
    more = f"<p>{told}</p>" if len(found) > _MOST else ""
    heads = (tr("Invoice"), tr("Company"), tr("Customer"), tr("Amount"), tr("Status"))
    return section("orders", tr("Billit's orders, by hand"), more + table(heads, rows, tr("There are no orders.")))


def _row(sandbox: Sandbox, order: Record) -> list[str]:
    store, identity = sandbox.billit.store, order["OrderID"]
    state = tr("deleted") if order.get("_deleted") else str(order["OrderStatus"])
    delivery = order["CurrentDocumentDeliveryDetails"].get("DocumentDeliveryStatus", "")
    number = f"{order.get('OrderNumber', tr('no number'))} ({identity})"
    return [
        f'<a href="/page/order/{identity}">{escape(number)}</a>',
        escape(store.companies.get(order["CompanyID"], {}).get("Name", "")),
        escape(store.parties.get(order["_customer"], {}).get("Name", "")),
        f"{order['TotalIncl']} {escape(order['Currency'])}",
        escape(f"{state} {delivery}"),
    ]


def order_page(sandbox: Sandbox, order: Record) -> str:
    """One order: what can be done to it in My Billit, and all that Billit says of it."""
    identity = order["OrderID"]
    cells = _row(sandbox, order)[1:]
    company = sandbox.billit.store.companies.get(order["CompanyID"], {})
    call = sandbox.billit.call(sandbox.billit.within({"PartyID": 0}).request, {}, company)
    whole = shown(reading.full(call, order)) if order["_customer"] in sandbox.billit.store.parties else ""
    title = tr("Order {number}", number=f"{order.get('OrderNumber', tr('no number'))} ({identity})")
    head = f"<h1>{escape(title)}</h1><p>{' · '.join(cells)}</p>"
    return f"{head}{_buttons(order)}{_change(identity)}{whole}"


def _buttons(order: Record) -> str:
    actions = {"restore": tr("Bring it back")} if order.get("_deleted") else {"delete": tr("Delete it")}
    if order["OrderStatus"] == "Draft":
        actions["finish"] = tr("Make the draft an invoice")
    elif not order.get("_deleted"):
        actions |= {"send": tr("Send it"), "pay": tr("Mark it paid")}
    buttons = "".join(f'<button name="action" value="{name}">{text}</button>' for name, text in actions.items())
    return _form(order["OrderID"], buttons)


def _change(identity: int) -> str:
    fields = choice(tr("Change"), "name", ((name, name) for name in EDITABLE)) + field(tr("to"), "value")
    return _form(identity, f'{fields}<button name="action" value="change">{tr("Change it")}</button>')


def _form(identity: int, content: str) -> str:
    return (
        '<form method="post" action="/page/order">'
        f'<input type="hidden" name="order" value="{identity}"><div class="row">{content}</div></form>'
    )
