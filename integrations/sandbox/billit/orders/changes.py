"""Orders changed after their creation: patched, paid, deleted."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from integrations.sandbox.billit.access import Call, router
from integrations.sandbox.billit.orders.reading import own_order
from integrations.sandbox.billit.rules import names
from integrations.sandbox.billit.rules.amounts import ZERO, number
from integrations.sandbox.billit.rules.refusals import Refusal, generic
from integrations.sandbox.http.wire import Answer, json_answer

_PATCHABLE = frozenset(
    [
        "Paid",
        "PaidDate",
        "IsSent",
        "ApprovalStatus",
        "AccountCode",
        "InternalInfo",
        "Invoiced",
        "AccountantVerificationNeeded",
        "PaymentMethod",
    ]
)
_NO_VALID_PATCH = "No valid properties or values were supplied for this patch."


@router.on("PATCH", r"/v1/orders/(\d+)")
def patch(call: Call, identity: str) -> Answer:
    order = own_order(call, int(identity))
    changes = names.changes(call.body(), _PATCHABLE)
    if not changes or not _full_time(changes.get("PaidDate")):
        raise call.refuse(generic(_NO_VALID_PATCH))
    order.update(changes)
    if changes.get("Paid") is True:
        order.setdefault("PaidDate", call.store.stamp())
        order.update(OrderStatus="Paid", ToPay=ZERO)
    elif changes.get("Paid") is False:
        order.update(OrderStatus="ToPay" if order["IsSent"] else "ToSend", ToPay=order["TotalIncl"])
    if order.get("PaidDate") is None:
        order.pop("PaidDate", None)
    order["LastModified"] = call.store.stamp()
    call.notices.order(order, "U")
    return Answer(200)


def _full_time(value: Any) -> bool:
    """A date alone is refused as PaidDate; null and a full date-time pass."""
    if value is None:
        return True
    try:
        datetime.fromisoformat(str(value))
    except ValueError:
        return False
    return "T" in str(value)


@router.on("POST", r"/v1/orders/(\d+)/payments")
def pay(call: Call, identity: str) -> Answer:
    order = own_order(call, int(identity))
    amount = number(names.canonical(call.body(), names.PAYMENT).get("Amount"))
    if amount is None or amount <= 0:
        raise call.refuse(generic("Amount is a required field."))
    left = max(ZERO, order["ToPay"] - amount)
    order.update(ToPay=left, LastModified=call.store.stamp())
    if left == 0:
        order.update(Paid=True, OrderStatus="Paid", PaidDate=call.store.stamp())
    call.notices.order(order, "U")
    return Answer(200)


@router.on("DELETE", r"/v1/orders/(\d+)")
def delete(call: Call, identity: str) -> Answer:
    """Soft: the order moves to the deleted ones; its idempotency key stays used and its number is not given again."""
    order = own_order(call, int(identity))
    if order["IsSent"]:
        code = str(call.switches["billit_sent_delete_code"])
        raise call.refuse(Refusal(code, text="The order was already sent and cannot be deleted."))
    order.update(_deleted=True, LastModified=call.store.stamp())
    if call.switches["billit_number_after_delete"] == "again":
        call.store.take_back(call.company_id, str(order.get("OrderNumber") or ""))
    call.notices.order(order, "D")
    return json_answer(value=True)
