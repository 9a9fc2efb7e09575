"""The remaining switches of Billit: each at its default and turned."""

import threading
import time
from datetime import timedelta
from decimal import Decimal

import pytest
import requests

from integrations.sandbox.http.wire import dumps
from integrations.sandbox.process import Process
from integrations.sandbox.remote import ControlError, Remote
from tests.integrations.sandbox.scene import NOW, Billit, codes, line, order


def test_scope_of_a_key_per_endpoint(billit: Billit, control: Remote) -> None:
    control.switch(billit_idempotency_scope="endpoint")
    identity = billit.call("POST", "/orders", order(), Idempotency_Key="k").json()
    assert billit.send(identity, Idempotency_Key="k").status_code == 200
    assert billit.send(identity, Idempotency_Key="k").status_code == 409


@pytest.mark.parametrize(
    ("scope", "same_user", "other_user"), [("company", 200, 200), ("user", 409, 200), ("everybody", 409, 409)]
)
def test_scope_of_a_key(
    billit: Billit, other_billit: Billit, control: Remote, scope: str, same_user: int, other_user: int
) -> None:
    control.switch(billit_idempotency_scope=scope)
    billit.call("POST", "/orders", order(), Idempotency_Key="k")
    billit.session.headers["PartyID"] = "7002"
    assert billit.call("POST", "/orders", order(CustomerID=88101), Idempotency_Key="k").status_code == same_user
    answer = other_billit.call("POST", "/orders", order(CustomerID=88201), Idempotency_Key="k")
    assert answer.status_code == other_user


def test_key_forgotten_after_its_time(billit: Billit, control: Remote) -> None:
    control.switch(billit_idempotency_seconds=60)
    billit.call("POST", "/orders", order(), Idempotency_Key="k")
    assert billit.call("POST", "/orders", order(), Idempotency_Key="k").status_code == 409
    control.clock(NOW + timedelta(seconds=60))
    assert billit.call("POST", "/orders", order(), Idempotency_Key="k").status_code == 200


@pytest.mark.parametrize(("rule", "second"), [("refuse", 409), ("both", 200)])
def test_two_at_once_with_one_key(process: Process, control: Remote, rule: str, second: int) -> None:
    control.switch(billit_idempotency_concurrent=rule)
    # The first to come is slow, so the other is done before it begins its work.
    control.faults({"service": "billit", "path": "^/v1/orders$", "kind": "slow", "seconds": 0.6, "times": 1})
    answers: list[requests.Response] = []

    def post(client: Billit) -> None:
        answers.append(client.call("POST", "/orders", order(), Idempotency_Key="k"))

    slow, quick = Billit(process), Billit(process)
    thread = threading.Thread(target=post, args=(slow,))
    thread.start()
    while not control.log("billit"):
        time.sleep(0.01)
    post(quick)
    thread.join()
    slow.session.close()
    quick.session.close()
    assert [answer.status_code for answer in answers] == [200, second]
    late = Billit(process)
    assert late.call("POST", "/orders", order(), Idempotency_Key="k").status_code == 409
    late.session.close()


def test_same_external_id_by_switch(billit: Billit, control: Remote) -> None:
    first = billit.create(ExternalProviderID="tb-1")
    second = billit.create(ExternalProviderID="tb-1")
    assert first != second
    control.switch(billit_duplicate_external_ids="refuse")
    assert codes(billit.call("POST", "/orders", order(ExternalProviderID="tb-1"))) == ["GenericError"]
    control.switch(billit_duplicate_external_ids="update")
    assert billit.create(line("3"), ExternalProviderID="tb-1") == first
    assert billit.order(first)["TotalExcl"] == Decimal("300.00")
    assert len(control.orders()) == 2


def test_number_of_a_deleted_order_by_switch(billit: Billit, control: Remote) -> None:
    billit.call("DELETE", f"/orders/{billit.create()}")
    assert billit.order(billit.create())["OrderNumber"] == "2026-0002"
    control.switch(billit_number_after_delete="again")
    billit.call("DELETE", f"/orders/{billit.create()}")
    assert billit.order(billit.create())["OrderNumber"] == "2026-0003"


def test_update_of_a_sent_order_by_switch(billit: Billit, control: Remote) -> None:
    identity = billit.create()
    billit.send(identity)
    control.switch(billit_sent_update="accept")
    assert billit.call("POST", "/orders", {"OrderID": identity, "OrderLines": [line("4")]}).json() == identity
    assert billit.order(identity)["TotalExcl"] == Decimal("400.00")


def test_code_for_a_sent_order_that_is_deleted(billit: Billit, control: Remote) -> None:
    identity = billit.create()
    billit.send(identity)
    control.switch(billit_sent_delete_code="OrderAlreadySent")
    assert codes(billit.call("DELETE", f"/orders/{identity}")) == ["OrderAlreadySent"]


def test_product_filter_by_switch(billit: Billit, control: Remote) -> None:
    query = {"$filter": "Reference eq 'ADV'"}
    assert [row["ProductID"] for row in billit.get("/products", **query).json()["Items"]] == [60001]
    control.switch(billit_product_filter="refuse")
    assert codes(billit.get("/products", **query)) == ["GenericError"]


@pytest.mark.parametrize(("rule", "answer"), [("last", 60005), ("first", 60004), ("list", [60004, 60005])])
def test_several_products(billit: Billit, control: Remote, rule: str, answer: object) -> None:
    control.switch(billit_product_items_answer=rule)
    items = [{"Description": "A", "Reference": "A1"}, {"Description": "B", "Reference": "B1"}]
    assert billit.call("POST", "/products", {"Items": items}).json() == answer
    assert billit.call("POST", "/products", {"ProductID": 60004, "Description": "A2"}).json() == 60004


def test_retry_after_of_a_429(billit: Billit, control: Remote) -> None:
    control.switch(billit_per_second=1, billit_429_retry_after=3)
    answers = [billit.get("/products") for _ in range(3)]
    assert (answers[-1].status_code, answers[-1].headers["Retry-After"]) == (429, "3")


def test_delivery_address_is_the_invoice_address(billit: Billit) -> None:
    address = {"AddressType": "InvoiceAddress", "Street": "Rue A", "StreetNumber": "1", "Zipcode": "1000", "City": "B"}
    found = billit.order(billit.create(CustomerID=None, Customer={"Name": "New", "Addresses": [address]}))
    assert found["Customer"]["Addresses"] == [address, {**address, "AddressType": "DeliveryAddress"}]


def test_lint_of_a_credit_note(billit: Billit, control: Remote) -> None:
    billit.create()
    billit.create(line("1", "-100"), OrderType="CreditNote", AboutInvoiceNumber="2026-0001", Paid=True)
    assert [row["warning"] for row in control.lint() if "key" not in row["warning"]] == [
        "a credit note takes positive amounts",
        "AboutInvoiceNumber settles the credit note; Paid does it twice",
    ]


def test_typecodes(billit: Billit) -> None:
    items = billit.get("/misc/typecodes/OrderDirection").json()["Items"]
    assert items == [{"Key": "Income", "Value": "Sales"}, {"Key": "Cost", "Value": "Purchases"}]
    assert billit.get("/misc/typecodes/OrderType/Invoice/NL").json() == {
        "Items": [{"Key": "Invoice", "Value": "Factuur"}]
    }
    assert billit.get("/misc/typecodes/Moon").status_code == 400
    assert billit.get("/misc/typecodes/OrderType/Moon/NL").status_code == 404


@pytest.mark.parametrize(
    ("name", "value"), [("billit_rounding", "up"), ("billit_nulls", True), ("toggl_per_second", "1")]
)
def test_value_that_a_switch_does_not_take(control: Remote, name: str, value: object) -> None:
    with pytest.raises(ControlError, match="takes a value"):
        control.switch(**{name: value})


def test_fraction_for_a_number(control: Remote) -> None:
    control.switch(toggl_per_second=0.5)
    assert control.switches()["toggl_per_second"] == Decimal("0.5")
    assert dumps(control.switches()["toggl_per_second"]) == "0.5"
