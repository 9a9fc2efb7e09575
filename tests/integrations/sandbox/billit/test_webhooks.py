"""Billit's webhooks: made, told to whom, signed how, and every way in which a delivery may go wrong."""

import hashlib
import hmac
from datetime import timedelta
from typing import Any

import pytest

from integrations.sandbox.billit.notices import signature
from integrations.sandbox.process import Process
from integrations.sandbox.remote import Remote
from tests.integrations.sandbox.receiver import Came, Receiver
from tests.integrations.sandbox.scene import NOW, VAT, Billit, codes, line, order

ORDER = 5_000_001


@pytest.fixture
def plain(control: Remote) -> None:
    """Webhooks may go to http on loopback, and the receivers of invoices answer a minute later."""
    control.switch(billit_webhook_http_localhost=True, billit_delivery_seconds=60)


def hook(billit: Billit, url: str, entity: str = "Order", kind: str | None = "I") -> dict[str, Any]:
    body = {"EntityType": entity, "EntityUpdateType": kind, "WebhookURL": url}
    answer = billit.call("POST", "/webhooks", {name: value for name, value in body.items() if value is not None})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def told(receiver: Receiver) -> list[tuple[str, str, int]]:
    return [
        (body["UpdatedEntityType"], body["WebhookUpdateTypeTC"], body["UpdatedEntityID"]) for body in receiver.bodies()
    ]


def test_signature_of_the_known_vector() -> None:
    body = b'{"UpdatedEntityID":2615999,"UpdatedEntityType":"Order","WebhookUpdateTypeTC":"U"}'
    assert signature("5f9d8a2e-test-secret", 1767174960, body) == (
        "t=1767174960,s=f70fdbd2e78a1df4ed344c857115c485485c4ded3ccb77bd989ac61a08df25fe"
    )


# --- the calls ------------------------------------------------------------------------------------------------------


def test_secret_is_told_at_the_creation_only(billit: Billit) -> None:
    made = hook(billit, "https://office.example.com/hooks/billit/1/")
    secret = made.pop("Secret")
    assert made == {
        "WebhookID": 1001,
        "CompanyID": 7001,
        "UserID": 1,
        "EntityType": "Order",
        "EntityUpdateType": "I",
        "WebhookURL": "https://office.example.com/hooks/billit/1/",
    }
    assert billit.get("/webhooks").json() == [made]
    fresh = billit.call("POST", "/webhooks/refresh/1001").json()
    assert isinstance(fresh, str)
    assert fresh != secret
    assert billit.get("/webhooks").json() == [made]


def test_delete(billit: Billit) -> None:
    hook(billit, "https://office.example.com/1/")
    answer = billit.call("DELETE", "/webhooks/1001")
    assert (answer.status_code, answer.text) == (200, "true")
    assert billit.get("/webhooks").json() == []
    assert billit.call("DELETE", "/webhooks/1001").status_code == 401


def test_webhooks_of_another_company(billit: Billit, other_billit: Billit) -> None:
    hook(billit, "https://office.example.com/1/")
    assert other_billit.get("/webhooks").json() == []
    assert other_billit.call("DELETE", "/webhooks/1001").status_code == 401
    assert other_billit.call("POST", "/webhooks/refresh/1001").status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"WebhookURL": "http://office.example.com/"},
        {"WebhookURL": "http://127.0.0.1:8000/"},
        {"WebhookURL": "ftp://office.example.com/"},
        {"WebhookURL": "https://"},
        {"WebhookURL": None},
        {"EntityType": "Party"},
        {"EntityUpdateType": "X"},
    ],
)
def test_webhook_that_is_refused(billit: Billit, changes: dict[str, Any]) -> None:
    body = {"EntityType": "Order", "EntityUpdateType": "I", "WebhookURL": "https://office.example.com/", **changes}
    answer = billit.call("POST", "/webhooks", body)
    assert (answer.status_code, codes(answer)) == (400, ["GenericError"])


def test_http_on_loopback_by_switch(billit: Billit, control: Remote) -> None:
    control.switch(billit_webhook_http_localhost=True)
    assert hook(billit, "http://localhost:8000/hooks/")["WebhookID"] == 1001
    body = {"EntityType": "Order", "EntityUpdateType": "I", "WebhookURL": "http://office.example.com/"}
    assert billit.call("POST", "/webhooks", body).status_code == 400


def test_at_most_twenty_per_company(billit: Billit) -> None:
    for number in range(20):
        hook(billit, f"https://office.example.com/{number}/")
    body = {"EntityType": "Order", "EntityUpdateType": "I", "WebhookURL": "https://office.example.com/20/"}
    assert billit.call("POST", "/webhooks", body).status_code == 400
    billit.session.headers["PartyID"] = "7002"
    assert billit.call("POST", "/webhooks", body).status_code == 200


# --- what is told ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("plain")
def test_new_order(billit: Billit, control: Remote, receiver: Receiver) -> None:
    made = hook(billit, f"{receiver.url}/hooks/1/")
    billit.create()
    (row,) = control.deliveries("billit")
    assert (row["subject"], row["due"], row["attempts"][0]["status"]) == ("Order I 5000001", None, 200)
    (came,) = receiver.came
    assert (came.path, came.headers["content-type"]) == ("/hooks/1/", "application/json; charset=utf-8")
    assert came.raw == b'{"UpdatedEntityID":5000001,"UpdatedEntityType":"Order","WebhookUpdateTypeTC":"I"}'
    seconds = int(NOW.timestamp())
    expected = hmac.new(made["Secret"].encode(), f"{seconds}.".encode() + came.raw, hashlib.sha256).hexdigest()
    assert came.headers["billit-signature"] == f"t={seconds},s={expected}"


@pytest.mark.usefixtures("plain")
def test_changes_of_an_order(billit: Billit, control: Remote, receiver: Receiver) -> None:
    hook(billit, receiver.url, kind="U")
    identity = billit.create()
    billit.call("POST", "/orders", {"OrderID": identity, "OrderLines": [line("3")]})
    billit.call("PATCH", f"/orders/{identity}", {"InternalInfo": "seen"})
    billit.call("POST", f"/orders/{identity}/payments", {"Amount": 10})
    control.change_order(identity, Comments="by hand")
    control.deliveries()
    assert told(receiver) == [("Order", "U", identity)] * 4


@pytest.mark.usefixtures("plain")
def test_credit_note_changes_its_invoice(billit: Billit, control: Remote, receiver: Receiver) -> None:
    billit.create()
    hook(billit, receiver.url, kind="U")
    billit.create(OrderType="CreditNote", AboutInvoiceNumber="2026-0001")
    control.deliveries()
    assert told(receiver) == [("Order", "U", ORDER)]


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("by_hand", [False, True])
def test_no_call_on_delete(billit: Billit, control: Remote, receiver: Receiver, by_hand: bool) -> None:
    for kind in ("I", "U", "D"):
        hook(billit, receiver.url, kind=kind)
    identity = billit.create()
    if by_hand:
        control.change_order(identity, Deleted=True)
    else:
        billit.call("DELETE", f"/orders/{identity}")
    control.deliveries()
    assert told(receiver) == [("Order", "I", identity)]


@pytest.mark.usefixtures("plain")
def test_call_on_delete_by_switch(billit: Billit, control: Remote, receiver: Receiver) -> None:
    control.switch(billit_webhook_on_delete=True)
    hook(billit, receiver.url, kind="D")
    billit.call("DELETE", f"/orders/{billit.create()}")
    control.deliveries()
    assert told(receiver) == [("Order", "D", ORDER)]


@pytest.mark.usefixtures("plain")
def test_webhook_without_a_type_is_told_everything(billit: Billit, control: Remote, receiver: Receiver) -> None:
    hook(billit, receiver.url, kind=None)
    billit.call("PATCH", f"/orders/{billit.create()}", {"InternalInfo": "x"})
    control.deliveries()
    assert told(receiver) == [("Order", "I", ORDER), ("Order", "U", ORDER)]


@pytest.mark.usefixtures("plain")
def test_other_companies_are_not_told(
    billit: Billit, other_billit: Billit, control: Remote, receiver: Receiver
) -> None:
    hook(billit, receiver.url)
    other_billit.create(CustomerID=88201)
    assert control.deliveries() == []


@pytest.mark.usefixtures("plain")
def test_messages_of_a_delivery(billit: Billit, control: Remote, receiver: Receiver) -> None:
    hook(billit, receiver.url, "Message", "I")
    hook(billit, receiver.url, "Message", "U")
    billit.send(billit.create())
    control.deliveries()
    control.clock(NOW + timedelta(seconds=60))
    control.deliveries()
    sent, done, received = receiver.bodies()
    assert sent == {
        "UpdatedEntityID": 500000101,
        "UpdatedEntityType": "Message",
        "WebhookUpdateTypeTC": "I",
        "EntityDetail": {
            "OrderMessage": {
                "OrderID": ORDER,
                "CreationDate": "2026-10-15T12:00:00.00",
                "TransportType": "Peppol",
                "Success": False,
                "Trials": 0,
                "Destination": "0208:0999000129",
                "MessageDirection": "Outgoing",
            },
            "AdditionalMessageInformation": {},
        },
    }
    assert (done["UpdatedEntityID"], done["WebhookUpdateTypeTC"]) == (500000101, "U")
    message = done["EntityDetail"]["OrderMessage"]
    assert (message["Success"], message["Trials"], "FileID" in message) == (True, 1, True)
    assert done["EntityDetail"]["AdditionalMessageInformation"] == {"EInvoiceFlowState": "Sent"}
    assert (received["UpdatedEntityID"], received["WebhookUpdateTypeTC"]) == (500000102, "I")
    assert received["EntityDetail"]["OrderMessage"]["MessageDirection"] == "Incoming"
    assert received["EntityDetail"]["OrderMessage"]["Description"] == "AB: Document received"
    assert received["EntityDetail"]["AdditionalMessageInformation"] == {
        "EInvoiceFlowState": "Delivered",
        "AdditionalFlowStateInformation": "Received",
    }


@pytest.mark.usefixtures("plain")
def test_late_failure_is_told(billit: Billit, control: Remote, receiver: Receiver) -> None:
    control.put_peppol({"number": VAT, "behaviour": "late_failure"})
    hook(billit, receiver.url, "Message", "U")
    billit.send(billit.create())
    control.clock(NOW + timedelta(seconds=60))
    control.deliveries()
    (failed,) = receiver.bodies()
    assert failed["EntityDetail"]["OrderMessage"]["Success"] is False
    assert failed["EntityDetail"]["AdditionalMessageInformation"] == {
        "EInvoiceFlowState": "Refused",
        "AdditionalFlowStateInformation": "The receiver refused the document.",
    }


@pytest.mark.usefixtures("plain")
def test_older_and_empty_details(billit: Billit, control: Remote, receiver: Receiver) -> None:
    hook(billit, receiver.url, "Message", "I")
    control.switch(billit_message_payload="legacy")
    billit.send(billit.create())
    control.deliveries()
    control.switch(billit_message_payload="empty")
    billit.send(billit.create())
    control.deliveries()
    legacy, empty = (body["EntityDetail"] for body in receiver.bodies())
    assert (legacy["OrderID"], legacy["CreationDate"], legacy["MessageAdditionalInformation"]) == (
        ORDER,
        "15/10/2026",
        {},
    )
    assert empty == {}


# --- what may go wrong ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("plain")
def test_no_retry_unless_switched_on(billit: Billit, control: Remote, receiver: Receiver) -> None:
    hook(billit, receiver.url)
    receiver.status = 500
    billit.create()
    (row,) = control.deliveries()
    assert (row["due"], [attempt["status"] for attempt in row["attempts"]]) == (None, [500])


@pytest.mark.usefixtures("plain")
def test_retries(billit: Billit, control: Remote, receiver: Receiver) -> None:
    control.switch(billit_webhook_retries=2, billit_webhook_retry_seconds=30)
    hook(billit, receiver.url)
    receiver.status = 500
    billit.create()
    (row,) = control.deliveries()
    assert (len(row["attempts"]), row["due"]) == (1, "2026-10-15T10:00:30Z")
    control.clock(NOW + timedelta(seconds=29))
    assert len(control.deliveries()[0]["attempts"]) == 1
    receiver.status = 204
    control.clock(NOW + timedelta(seconds=30))
    (row,) = control.deliveries()
    assert (row["due"], [attempt["status"] for attempt in row["attempts"]]) == (None, [500, 204])
    assert receiver.came[0].raw == receiver.came[1].raw
    assert receiver.came[0].headers["billit-signature"] != receiver.came[1].headers["billit-signature"]


@pytest.mark.usefixtures("plain")
def test_receiver_that_is_gone(billit: Billit, control: Remote, receiver: Receiver) -> None:
    hook(billit, "http://127.0.0.1:9/")
    billit.create()
    (row,) = control.deliveries()
    assert (row["due"], row["attempts"][0]["status"]) == (None, None)
    assert "Error" in row["attempts"][0]["error"]


def test_nothing_leaves_the_machine(billit: Billit, control: Remote) -> None:
    hook(billit, "https://office.example.com/1/")
    billit.create()
    (row,) = control.deliveries()
    assert row["attempts"][0]["error"] == "not sent: the sandbox calls loopback addresses only"


@pytest.mark.usefixtures("plain")
def test_duplicates(billit: Billit, control: Remote, receiver: Receiver) -> None:
    control.switch(billit_webhook_copies=3)
    hook(billit, receiver.url)
    billit.create()
    control.deliveries()
    assert told(receiver) == [("Order", "I", ORDER)] * 3


@pytest.mark.usefixtures("plain")
def test_other_order(billit: Billit, control: Remote, receiver: Receiver) -> None:
    for entity, kind in (("Order", "U"), ("Message", "I")):
        hook(billit, receiver.url, entity, kind)
    first, second = billit.create(), billit.create()
    billit.send(first)
    control.deliveries()
    control.switch(billit_webhook_order="reversed")
    billit.send(second)
    control.deliveries()
    assert [row[0] for row in told(receiver)] == ["Order", "Message", "Message", "Order"]


@pytest.mark.usefixtures("plain")
def test_delay(billit: Billit, control: Remote, receiver: Receiver) -> None:
    control.switch(billit_webhook_delay_seconds=10)
    hook(billit, receiver.url)
    billit.create()
    assert [row["due"] for row in control.deliveries()] == ["2026-10-15T10:00:10Z"]
    assert receiver.came == []
    control.clock(NOW + timedelta(seconds=10))
    control.deliveries()
    assert told(receiver) == [("Order", "I", ORDER)]


@pytest.mark.usefixtures("plain")
def test_wrong_and_missing_signature(billit: Billit, control: Remote, receiver: Receiver) -> None:
    hook(billit, receiver.url)
    control.switch(billit_webhook_signature="wrong")
    billit.create()
    control.deliveries()
    control.switch(billit_webhook_signature="missing")
    billit.create()
    control.deliveries()
    wrong, missing = receiver.came
    assert wrong.headers["billit-signature"] == signature("wrong", int(NOW.timestamp()), wrong.raw)
    assert "billit-signature" not in missing.headers


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("early", [False, True])
def test_call_before_the_answer_returns(
    process: Process, billit: Billit, control: Remote, receiver: Receiver, early: bool
) -> None:
    statuses: list[list[int | None]] = []

    def look(came: Came) -> bytes:
        # The log has a status only once the answer is on its way; and the order can be read already.
        rows = [row for row in control.log("billit") if (row["method"], row["path"]) == ("POST", "/v1/orders")]
        reader = Billit(process)
        assert reader.order(came.body["UpdatedEntityID"])["OrderStatus"] == "ToSend"
        reader.session.close()
        statuses.append([row["status"] for row in rows])
        return b""

    control.switch(billit_webhook_early=early)
    receiver.reply = look
    hook(billit, receiver.url)
    billit.call("POST", "/orders", order())
    (row,) = control.deliveries()
    assert row["attempts"][0]["status"] == 200
    assert statuses == [[None if early else 200]]


@pytest.mark.usefixtures("plain")
def test_call_for_an_answer_that_was_lost(billit: Billit, control: Remote, receiver: Receiver) -> None:
    hook(billit, receiver.url)
    control.faults({"service": "billit", "path": "^/v1/orders$", "kind": "timeout_after", "seconds": 5, "times": 1})
    with pytest.raises(OSError):  # noqa: PT011 - requests' own time-out is one
        billit.session.post(f"{billit.url}/v1/orders", json=_plain(order()), timeout=0.3)
    control.deliveries()
    assert told(receiver) == [("Order", "I", ORDER)]


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "OrderLines": [{"Description": "Conseil", "Quantity": 1, "UnitPriceExcl": 5, "VATPercentage": 21}]}
