"""commands/send: what is accepted, what is refused, and what the receivers make of it."""

from datetime import timedelta
from decimal import Decimal

import pytest

from integrations.sandbox.remote import Remote
from tests.integrations.sandbox.scene import NOW, SECOND_VAT, VAT, Billit, codes, line, order


def test_send_by_peppol(billit: Billit, control: Remote) -> None:
    control.switch(billit_delivery_seconds=60)
    identity = billit.create()
    answer = billit.send(identity, StrictTransportType="true")
    assert (answer.status_code, answer.content) == (200, b"")
    sent = billit.order(identity)
    assert (sent["IsSent"], sent["OrderStatus"]) == (True, "ToPay")
    assert sent["CurrentDocumentDeliveryDetails"] == {
        "IsDocumentDelivered": False,
        "DocumentDeliveryStatus": "Pending",
    }
    control.clock(NOW + timedelta(seconds=60))
    delivered = billit.order(identity)
    assert delivered["CurrentDocumentDeliveryDetails"] == {
        "IsDocumentDelivered": True,
        "DocumentDeliveryStatus": "Delivered",
        "DocumentDeliveryDate": "2026-10-15T12:01:00.00",
        "DocumentDeliveryInfo": "Received",
    }
    assert [(row["MessageDirection"], row["Success"]) for row in delivered["Messages"]] == [
        ("Outgoing", True),
        ("Incoming", True),
    ]
    assert [(row["order_id"], row["transport"], row["destination"]) for row in control.outbox()] == [
        (identity, "Peppol", "0208:0999000129")
    ]


@pytest.mark.parametrize("body", [{"Transporttype": "Peppol", "OrderIDs": [5000001]}, {"OrderIds": [5000001]}])
def test_send_in_every_spelling(billit: Billit, control: Remote, body: dict[str, object]) -> None:
    billit.create()
    assert billit.call("POST", "/orders/commands/send", body).status_code == 200
    assert [row["transport"] for row in control.outbox()] == ["Peppol"]


def test_receiver_not_registered(billit: Billit, control: Remote) -> None:
    control.put_peppol({"number": VAT, "registered": False})
    identity = billit.create()
    answer = billit.send(identity)
    assert (answer.status_code, codes(answer)) == (400, ["TheCustomerIsNotActiveOnPeppol"])
    assert billit.order(identity)["IsSent"] is False
    assert billit.send(identity, transport=None).status_code == 200
    assert [(row["transport"], row["destination"]) for row in control.outbox()] == [("SMTP", "mirvelle@example.com")]


def test_receiver_without_credit_notes(billit: Billit, control: Remote) -> None:
    control.put_peppol({"number": VAT, "documents": ["BISv3Invoice"]})
    assert billit.send(billit.create()).status_code == 200
    answer = billit.send(billit.create(OrderType="CreditNote"))
    assert codes(answer) == ["TheCustomerDoesNotSupportPeppolForType_0_"]


def test_receiver_that_demands_a_purchase_order(billit: Billit, control: Remote) -> None:
    control.put_peppol({"number": VAT, "behaviour": "demands_po"})
    answer = billit.send(billit.create())
    assert codes(answer) == ["PleaseSupplyAValidPONumberInTheFieldYourReference"]
    assert billit.send(billit.create(Reference="4500012345")).status_code == 200


@pytest.mark.parametrize(("behaviour", "status"), [("late_failure", "Error"), ("pending", "Pending")])
def test_receiver_that_does_not_take_it(billit: Billit, control: Remote, behaviour: str, status: str) -> None:
    control.put_peppol({"number": VAT, "behaviour": behaviour})
    identity = billit.create()
    billit.send(identity)
    details = billit.order(identity)["CurrentDocumentDeliveryDetails"]
    assert (details["DocumentDeliveryStatus"], details["IsDocumentDelivered"]) == (status, False)
    assert details.get("DocumentRefusedReasonTC") == ("InvalidInvoice" if status == "Error" else None)


def test_peppol_needs_a_buyer_reference(billit: Billit) -> None:
    answer = billit.send(billit.create(OrderTitle=None))
    assert codes(answer) == ["GenericError"]
    assert "PEPPOL-EN16931-R003" in answer.text


def test_peppol_refuses_what_the_official_rules_refuse(billit: Billit, control: Remote) -> None:
    """The list of them is held against the rules themselves in tests/invoicing/rules/einvoice."""
    off = billit.create(line("2"), line("1", "-10"))
    answer = billit.send(off)
    assert codes(answer) == ["GenericError"]
    assert "[BR-27]-" in answer.text
    assert billit.order(off)["IsSent"] is False
    # By e-mail nobody judges it.
    assert billit.send(off, transport="SMTP").status_code == 200
    mixed = billit.create(line("1", "100", "0", VentilationCode="22"), line())
    assert "[BR-O-11]-" in billit.send(mixed).text
    control.put_billit("parties", {"PartyID": 88001, "CountryCode": "EL"})
    assert "[BR-CL-14]-" in billit.send(billit.create()).text
    control.switch(billit_peppol_rules=False)
    assert billit.send(mixed).status_code == 200


def test_negative_price_that_billit_turns(billit: Billit, control: Remote) -> None:
    control.switch(billit_negative_price="turned")
    assert billit.send(billit.create(line("2"), line("1", "-10"))).status_code == 200


def test_allowances_and_charges(billit: Billit, control: Remote) -> None:
    """On a line with its link and its rate, on the whole order without; either is part of the totals."""
    off = line("1", "-10", "0", LinkedOrderLineID="a", AllowanceChargeIndicator=False)
    on = line("1", "4", AllowanceChargeIndicator=True)
    identity = billit.create(line("2", LinkedOrderLineID="a"), off, on)
    found = billit.order(identity)
    assert [(row["TotalExcl"], row["VATPercentage"]) for row in found["OrderLines"]] == [
        (Decimal("200.00"), 21),
        (Decimal("-10.00"), 21),
        (Decimal("4.00"), 21),
    ]
    assert (found["TotalExcl"], found["TotalVAT"], found["TotalIncl"]) == (
        Decimal("194.00"),
        Decimal("40.74"),
        Decimal("234.74"),
    )
    assert billit.send(identity).status_code == 200
    other = billit.create(line("2", LinkedOrderLineID="a"), off)
    control.switch(billit_allowances="lines")
    assert "[BR-27]-" in billit.send(other).text


def test_negative_quantity(billit: Billit, control: Remote) -> None:
    found = billit.order(billit.create(line("2"), line("-1", "10")))
    assert (found["OrderLines"][1]["TotalExcl"], found["TotalExcl"]) == (Decimal("-10.00"), Decimal("190.00"))
    assert billit.send(found["OrderID"]).status_code == 200
    control.switch(billit_negative_quantity="refuse")
    answer = billit.call("POST", "/orders", order(line("2"), line("-1", "10")))
    assert (answer.status_code, codes(answer)) == (400, ["GenericError"])


def test_mail_needs_an_address(billit: Billit, control: Remote) -> None:
    answer = billit.send(billit.create(CustomerID=88003), transport="SMTP")
    assert codes(answer) == ["TheCustomer_0_DoesNotHaveAValidEmailAddress"]
    control.put_billit("parties", {"PartyID": 88003, "Email": "sorvane@example.com"})
    assert billit.send(billit.create(CustomerID=88003), transport="SMTP").status_code == 200
    assert [row["destination"] for row in control.outbox()] == ["sorvane@example.com"]


@pytest.mark.parametrize("transport", ["Letter", "Pigeon"])
def test_transport_that_cannot_be_used(billit: Billit, transport: str) -> None:
    assert codes(billit.send(billit.create(), transport=transport)) == ["GenericError"]


def test_second_send_within_the_guard(billit: Billit, control: Remote) -> None:
    identity = billit.create()
    billit.send(identity)
    code = "This_0_WasAlreadySentLessThen_1_MinutesAgoTo_2_OrIsStillInTheQueue"
    assert codes(billit.send(identity)) == [code]
    control.clock(NOW + timedelta(minutes=5))
    other = billit.create()
    for number in (identity, other):
        assert billit.send(number).status_code == 200
    # Whoever receives it twice is seen: an order says how often it went out.
    assert [(row["order_id"], row["times"]) for row in control.outbox()] == [(identity, 1), (identity, 2), (other, 1)]
    assert [row["warning"] for row in control.lint() if row["subject"] == f"order {identity}"] == [
        "an order that was sent already goes out again"
    ]


def test_several_ids_are_sent_together_or_not_at_all(billit: Billit, control: Remote) -> None:
    sound, nobody = billit.create(), billit.create(CustomerID=88003)
    control.put_peppol({"number": SECOND_VAT, "registered": False})
    assert billit.send(sound, nobody).status_code == 400
    assert control.outbox() == []


def test_order_of_another_company(billit: Billit, other_billit: Billit) -> None:
    assert billit.send(other_billit.create(CustomerID=88201)).status_code == 401


def test_key_of_a_send(billit: Billit) -> None:
    identity = billit.call("POST", "/orders", order(), Idempotency_Key="tb-1-1").json()
    assert billit.send(identity, Idempotency_Key="tb-1-send-1").status_code == 200
    assert billit.send(identity, Idempotency_Key="tb-1-send-1").status_code == 409
