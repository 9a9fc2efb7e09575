"""Orders that are there: read, changed, paid, deleted, and what a used key means."""

import base64
from decimal import Decimal

import pytest

from integrations.sandbox.http.wire import Record, dumps, loads
from integrations.sandbox.remote import Remote
from tests.integrations.sandbox.scene import Billit, codes, line, order

# --- reading, changing, deleting ------------------------------------------------------------------------------------


def test_foreign_and_unknown_orders(billit: Billit, other_billit: Billit, control: Remote) -> None:
    foreign = other_billit.create(CustomerID=88201)
    assert billit.get(f"/orders/{foreign}").status_code == 401
    assert billit.get("/orders/1").status_code == 401
    control.switch(billit_unknown_id_status=404)
    assert billit.get("/orders/1").status_code == 404


def test_posted_json_is_an_attachment(billit: Billit) -> None:
    identity = billit.create(ExternalProviderID="tb-1")
    attached = billit.order(identity)["Attachments"][0]
    assert attached["FileName"] == "5000001__15_10_2026 12_00_00.json"
    file = billit.get(f"/files/{attached['FileID']}").json()
    assert loads(base64.b64decode(file["FileContent"])) == loads(dumps(order(ExternalProviderID="tb-1")))
    assert billit.get("/files/00000000").status_code == 401


def test_update_of_an_unsent_order(billit: Billit, control: Remote) -> None:
    identity = billit.create()
    answer = billit.call("POST", "/orders", {"OrderID": identity, "OrderLines": [line("3")]})
    assert answer.json() == identity
    found = billit.order(identity)
    assert (found["TotalExcl"], found["OrderNumber"], found["OrderTitle"]) == (
        Decimal("300.00"),
        "2026-0001",
        "Octobre 2026",
    )
    assert billit.send(identity).status_code == 200
    refused = billit.call("POST", "/orders", {"OrderID": identity, "OrderLines": [line("4")]})
    assert (refused.status_code, codes(refused)) == (400, ["GenericError"])


def test_patch_of_the_whitelist(billit: Billit) -> None:
    identity = billit.create()
    answer = billit.call("PATCH", f"/orders/{identity}", {"paid": True, "PaidDate": "2026-10-20T00:00:00"})
    assert (answer.status_code, answer.content) == (200, b"")
    found = billit.order(identity)
    assert (found["Paid"], found["OrderStatus"], found["ToPay"]) == (True, "Paid", Decimal("0.00"))
    assert found["PaidDate"] == "2026-10-20T00:00:00"
    assert billit.call("PATCH", f"/orders/{identity}", {"Paid": False, "PaidDate": None}).status_code == 200
    found = billit.order(identity)
    assert (found["OrderStatus"], found["ToPay"], "PaidDate" in found) == ("ToSend", Decimal("121.00"), False)


@pytest.mark.parametrize("body", [{"OrderStatus": "Draft"}, {"Reference": "x"}, {"PaidDate": "2026-10-20"}, {}])
def test_patch_of_anything_else(billit: Billit, body: Record) -> None:
    identity = billit.create()
    answer = billit.call("PATCH", f"/orders/{identity}", body)
    assert (answer.status_code, codes(answer)) == (400, ["GenericError"])
    assert billit.order(identity)["OrderStatus"] == "ToSend"


def test_order_that_is_paid_already(billit: Billit) -> None:
    found = billit.order(billit.create(Paid=True))
    assert (found["OrderStatus"], found["ToPay"], found["PaidDate"]) == (
        "Paid",
        Decimal("0.00"),
        "2026-10-15T12:00:00.00",
    )


def test_payments(billit: Billit) -> None:
    identity = billit.create()
    assert billit.call("POST", f"/orders/{identity}/payments", {"Amount": Decimal("21.00")}).status_code == 200
    assert billit.order(identity)["ToPay"] == Decimal("100.00")
    billit.call("POST", f"/orders/{identity}/payments", {"Amount": 100})
    found = billit.order(identity)
    assert (found["Paid"], found["PaidDate"], found["OrderStatus"]) == (True, "2026-10-15T12:00:00.00", "Paid")


def test_delete_is_soft(billit: Billit) -> None:
    identity = billit.create(ExternalProviderID="tb-1")
    answer = billit.call("DELETE", f"/orders/{identity}")
    assert (answer.status_code, answer.text) == (200, "true")
    assert billit.get("/orders").json()["Items"] == []
    assert billit.get(f"/orders/{identity}").status_code == 401
    deleted = billit.get("/orders/deleted", **{"$filter": "ExternalProviderID eq 'tb-1'"}).json()["Items"]
    assert [row["OrderID"] for row in deleted] == [identity]
    assert billit.order(billit.create())["OrderNumber"] == "2026-0002"


def test_delete_of_a_sent_order(billit: Billit) -> None:
    identity = billit.create()
    billit.send(identity)
    answer = billit.call("DELETE", f"/orders/{identity}")
    assert (answer.status_code, codes(answer)) == (400, ["GenericError"])


def test_credit_note_credits_its_invoice(billit: Billit) -> None:
    identity = billit.create()
    billit.create(OrderType="CreditNote", AboutInvoiceNumber="2026-0001")
    assert billit.order(identity)["OrderStatus"] == "Credited"


def test_lint_warns_of_what_billit_accepts(billit: Billit, control: Remote) -> None:
    billit.create(line("0.339", Unit=None, Description="x" * 513), TotalIncl=Decimal("5.00"))
    assert [row["warning"] for row in control.lint()] == [
        "no idempotency key",
        "a line without Unit",
        "Quantity 0.339 has more decimals than Billit keeps",
        "Description is longer than 512 characters",
        "TotalIncl was posted as 5.00, Billit computes 39.93",
    ]


# --- idempotency ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), [("Idempotency-Key",) * 2, ("Idempotency-Key", "Idempotent-Key")])
def test_used_key(billit: Billit, first: str, second: str) -> None:
    identity = billit.call("POST", "/orders", order(), **{first: "tb-1-1"}).json()
    answer = billit.call("POST", "/orders", order(), **{second: "tb-1-1"})
    assert (answer.status_code, codes(answer)) == (409, ["Idempotent token already exists"])
    assert str(identity) not in answer.text
    assert len(billit.get("/orders").json()["Items"]) == 1


def test_failed_attempt_leaves_its_key_free(billit: Billit) -> None:
    assert billit.call("POST", "/orders", order(OrderDate=None), Idempotency_Key="tb-1-1").status_code == 400
    assert billit.call("POST", "/orders", order(), Idempotency_Key="tb-1-1").status_code == 200


def test_key_survives_the_deletion_of_its_order(billit: Billit) -> None:
    identity = billit.call("POST", "/orders", order(), Idempotency_Key="tb-1-1").json()
    billit.call("DELETE", f"/orders/{identity}")
    assert billit.call("POST", "/orders", order(), Idempotency_Key="tb-1-1").status_code == 409


def test_key_counts_per_company_and_over_all_writes(billit: Billit) -> None:
    identity = billit.call("POST", "/orders", order(), Idempotency_Key="tb-1-1").json()
    assert billit.send(identity, Idempotency_Key="tb-1-1").status_code == 409
    billit.session.headers["PartyID"] = "7002"
    assert billit.call("POST", "/orders", order(CustomerID=88101), Idempotency_Key="tb-1-1").status_code == 200


def test_only_one_header_by_switch(billit: Billit, control: Remote) -> None:
    control.switch(billit_idempotency_header="Idempotent-Key")
    for expected in (200, 200):
        assert billit.call("POST", "/orders", order(), Idempotency_Key="tb-1-1").status_code == expected
    for expected in (200, 409):
        assert billit.call("POST", "/orders", order(), Idempotent_Key="tb-1-1").status_code == expected
