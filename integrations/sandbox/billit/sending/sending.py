"""commands/send: by Peppol to scripted receivers, by e-mail into the outbox; nothing ever leaves the machine."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from integrations.sandbox.billit.access import Call, router
from integrations.sandbox.billit.orders.reading import own_order
from integrations.sandbox.billit.rules import names, peppol, ubl
from integrations.sandbox.billit.rules.refusals import Refusal, generic
from integrations.sandbox.billit.sending.receivers import identifier, receiver, schemes_of
from integrations.sandbox.billit.store import stamp as stamped
from integrations.sandbox.http.wire import Answer, Record, RejectedError

_DOCUMENTS = {"Invoice": "BISv3Invoice", "CreditNote": "BISv3CreditNote"}
_NETWORKS = frozenset({"SDI", "KSeF", "OSA", "ANAF", "SAT", "MyInvois", "Chorus"})


@router.on("POST", r"/v1/orders/commands/send")
def send(call: Call) -> Answer:
    """200 with an empty body means accepted, not delivered. With several ids one refusal means that nothing is sent."""
    call.refuse_used_key()
    given = names.canonical(call.body(), names.SEND)
    ids = given.get("OrderIDs")
    if not isinstance(ids, list) or not ids:
        raise call.refuse(generic("OrderIDs is a required field."))
    orders = [own_order(call, identity if isinstance(identity, int) else 0) for identity in ids]
    transport = given.get("TransportType")
    strict = call.request.headers.get("stricttransporttype", "").lower() == "true"
    refused: RejectedError | None = None
    planned = []
    for order in orders:
        try:
            planned.append((order, *_planned(call, order, transport, strict=strict)))
        except RejectedError as refusal:
            if call.switches["billit_send_partial"] == "nothing":
                raise
            refused = refused or refusal
    for order, way, destination, behaviour in planned:
        _sent(call, order, way, destination, behaviour, call.clock.local())
    if refused is not None:
        raise refused
    call.burn_key()
    return Answer(200)


def send_one(call: Call, order: Record, *, transport: str | None, at: datetime) -> None:
    """Sends one order at a moment of Brussels time, without a request. Raises RejectedError with what forbids it."""
    way, destination, behaviour = _planned(call, order, transport, strict=False)
    _sent(call, order, way, destination, behaviour, at)


def _planned(call: Call, order: Record, transport: Any, *, strict: bool) -> tuple[str, str, str]:
    """Transport, destination and the receiver's behaviour. Raises RejectedError with what forbids it."""
    party = call.store.parties[order["_customer"]]
    if order["OrderStatus"] == "Draft":
        raise call.refuse(generic("The order is still a draft."))
    if call.company.get("verified") is False:
        raise call.refuse(generic("The identity of your company has not been verified yet."))
    if transport is None:
        registered = receiver(call, party)
        transport = "Peppol" if registered else "SMTP"
    falls_back = call.switches["billit_peppol_fallback"] and not strict and receiver(call, party) is None
    if transport == "Peppol" and not falls_back:
        planned = _by_peppol(call, order, party)
    elif transport in {"SMTP", "Peppol"}:
        planned = _by_mail(call, party)
    elif transport == "Letter":
        raise call.refuse(generic("Sending letters is disabled in this environment."))
    elif transport in _NETWORKS and not strict:
        planned = _by_mail(call, party)
    else:
        raise call.refuse(generic(f"The transport type {transport} cannot be used."))
    _guard(call, order, planned[1])
    return planned


def _by_peppol(call: Call, order: Record, party: Record) -> tuple[str, str, str]:
    registered = receiver(call, party)
    if registered is None:
        raise call.refuse(Refusal("TheCustomerIsNotActiveOnPeppol"))
    document = _DOCUMENTS.get(order["OrderType"], order["OrderType"])
    if document not in registered.get("documents", list(_DOCUMENTS.values())):
        raise call.refuse(Refusal("TheCustomerDoesNotSupportPeppolForType_0_", (order["OrderType"],)))
    behaviour = str(registered.get("behaviour", "deliver"))
    if behaviour == "demands_po" and not order.get("Reference"):
        raise call.refuse(Refusal("PleaseSupplyAValidPONumberInTheFieldYourReference"))
    writing = ubl.Writing.of(call.switches.values)
    for rule in peppol.broken(order, supplier=call.company, customer=party, writing=writing):
        if call.switches["billit_peppol_rules"] or rule == peppol.NO_BUYER_REFERENCE:
            raise call.refuse(generic(peppol.told(rule)))
    return "Peppol", identifier(str(registered["number"]), schemes_of(call, registered)[0]), behaviour


def _by_mail(call: Call, party: Record) -> tuple[str, str, str]:
    address = str(party.get("Email") or "").strip()
    if "@" not in address:
        name = str(party.get("Name", ""))
        raise call.refuse(Refusal("TheCustomer_0_DoesNotHaveAValidEmailAddress", (name,)))
    return "SMTP", address, "deliver"


def _guard(call: Call, order: Record, destination: str) -> None:
    minutes = float(call.switches["billit_resend_guard_minutes"])
    sent = order.get("_sent_at")
    if sent is None:
        return
    age = (call.clock.local() - datetime.fromisoformat(sent)).total_seconds()
    if age < minutes * 60:
        values = (order["OrderType"], f"{minutes:g}", destination)
        code = "This_0_WasAlreadySentLessThen_1_MinutesAgoTo_2_OrIsStillInTheQueue"
        raise call.refuse(Refusal(code, values))


def _sent(call: Call, order: Record, way: str, destination: str, behaviour: str, at: datetime) -> None:
    stamp = stamped(at)
    order.update(
        IsSent=True,
        OrderStatus=_status(order),
        LastModified=stamp,
        CurrentDocumentDeliveryDetails={"IsDocumentDelivered": False, "DocumentDeliveryStatus": "Pending"},
        _sent_at=stamp,
        _behaviour=behaviour,
    )
    order["Messages"].append(
        {
            "CreationDate": stamp,
            "TransportType": way,
            "Success": False,
            "Trials": 0,
            "Destination": destination,
            "MessageDirection": "Outgoing",
        }
    )
    before = sum(row["order_id"] == order["OrderID"] for row in call.store.outbox)
    if before:
        call.store.warn(call.company_id, "an order that was sent already goes out again", f"order {order['OrderID']}")
    call.store.outbox.append(
        {
            "at": stamp,
            "company": call.company_id,
            "order_id": order["OrderID"],
            "order_number": order.get("OrderNumber"),
            "transport": way,
            "destination": destination,
            "times": before + 1,
        }
    )
    call.store.pending.add(order["OrderID"])
    call.notices.order(order, "U")
    call.notices.message(order, len(order["Messages"]) - 1, "I")


def _status(order: Record) -> str:
    if order["OrderStatus"] == "Credited":
        return "Credited"
    return "Paid" if order["Paid"] else "ToPay"
