"""What becomes of a sent order: the receiver's answers, and the sending of nine o'clock."""

from __future__ import annotations

import uuid
from datetime import datetime, time, timedelta

from integrations.sandbox.billit.access import Billit, settlers
from integrations.sandbox.billit.sending import sending
from integrations.sandbox.http.wire import Record, RejectedError

_AUTOMATIC = time(9, 0)  # docs: sending-your-first-invoice


def settle_answers(billit: Billit) -> None:
    """Gives each pending delivery its receiver's answer once its time has come."""
    store, now = billit.store, billit.clock.local()
    seconds = float(billit.switches["billit_delivery_seconds"])
    for number in sorted(store.pending):
        order = store.orders[number]
        details = order["CurrentDocumentDeliveryDetails"]
        if order.get("_behaviour") == "pending":
            continue
        age = (now - datetime.fromisoformat(order["_sent_at"])).total_seconds()
        if details.get("DocumentDeliveryStatus") == "Pending" and age >= seconds:
            if order.get("_behaviour") != "refuses":
                store.pending.discard(number)
            _settle(billit, order, details)
        is_refused = order.get("_behaviour") == "refuses" and details.get("DocumentDeliveryStatus") == "Delivered"
        if is_refused and age >= seconds + float(billit.switches["billit_response_seconds"]):
            store.pending.discard(number)
            _refuse(billit, order, details)


def _settle(billit: Billit, order: Record, details: Record) -> None:
    moment = billit.store.stamp()
    failed = order.get("_behaviour") == "late_failure"
    order["LastModified"] = moment
    outgoing = max((index for index, row in enumerate(order["Messages"]) if row["MessageDirection"] == "Outgoing"))
    message = order["Messages"][outgoing]
    message.update(Success=not failed, Trials=1, FileID=str(uuid.uuid4()))
    if failed:
        details.update(
            IsDocumentDelivered=False,
            DocumentDeliveryStatus="Error",
            DocumentRefusedDate=moment,
            DocumentRefusedReasonTC="InvalidInvoice",
            DocumentRefusedInfo="The receiver refused the document.",
        )
        billit.notices.message(order, outgoing, "U", "Refused")
        billit.notices.order(order, "U")
        return
    details.update(IsDocumentDelivered=True, DocumentDeliveryStatus="Delivered", DocumentDeliveryDate=moment)
    billit.notices.message(order, outgoing, "U", "Sent")
    if message.get("TransportType") == "Peppol":
        details["DocumentDeliveryInfo"] = "Received"
        _receiver_says(billit, order, "AB: Document received", moment, message)
        if order.get("_behaviour") == "pays":
            details["DocumentDeliveryInfo"] = "Paid"
            _receiver_says(billit, order, "PD: Document paid", moment, message)
    billit.notices.order(order, "U")


def _refuse(billit: Billit, order: Record, details: Record) -> None:
    """The receiver's own no (Invoice Response) to what was delivered."""
    moment = billit.store.stamp()
    order["LastModified"] = moment
    details.update(
        DocumentDeliveryStatus=str(billit.switches["billit_refused_status"]),
        DocumentDeliveryInfo="Refused",
        DocumentRefusedDate=moment,
        DocumentRefusedReasonTC="InvalidInvoice",
        DocumentRefusedInfo="The hours were agreed otherwise.",
    )
    sent = next(row for row in reversed(order["Messages"]) if row["MessageDirection"] == "Outgoing")
    _receiver_says(billit, order, "RE: Document rejected", moment, sent, "Refused")
    billit.notices.order(order, "U")


def _receiver_says(
    billit: Billit, order: Record, text: str, moment: str, sent: Record, state: str = "Delivered"
) -> None:
    """An incoming message of the receiver's access point (IMR)."""
    order["Messages"].append(
        {
            "Description": text,
            "CreationDate": moment,
            "TransportType": "Peppol",
            "Success": True,
            "Trials": 1,
            "Destination": sent.get("Destination", ""),
            "MessageDirection": "Incoming",
        }
    )
    billit.notices.message(order, len(order["Messages"]) - 1, "I", state)


def send_at_nine(billit: Billit) -> None:
    """Each company with `auto_send` sends at 09:00 what was unsent then; what cannot be sent waits for the next day."""
    now = billit.clock.local()
    since = datetime.fromisoformat(billit.store.settled_at) if billit.store.settled_at else now
    nine = datetime.combine(now.date(), _AUTOMATIC)
    if nine > now:
        nine -= timedelta(days=1)
    billit.store.settled_at = now.isoformat()
    if not since < nine <= now:
        return
    for number, company in list(billit.store.companies.items()):
        if company.get("auto_send"):
            _send_all(billit, number, company, nine)


def _send_all(billit: Billit, number: int, company: Record, nine: datetime) -> None:
    call = billit.within(company)
    for order in list(billit.store.orders.values()):
        unsent = order["OrderStatus"] in {"ToSend", "Paid"} and not order["IsSent"] and not order.get("_deleted")
        if order["CompanyID"] != number or not unsent or order["OrderDirection"] != "Income":
            continue
        if datetime.fromisoformat(order["Created"]) < nine:
            try:
                sending.send_one(call, order, transport=None, at=nine)
            except RejectedError:
                billit.store.warn(number, "the automatic sending could not send", f"order {order['OrderID']}")


settlers += [send_at_nine, settle_answers]
