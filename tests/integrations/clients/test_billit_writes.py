"""What the Billit client writes: the body of an order, creating, sending, deleting."""

from __future__ import annotations

import dataclasses
import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from integrations.clients import billit
from integrations.clients.http.transport import NoAnswer, RetryLater
from tests.integrations.answers import Scripted, Server, as_json, refusing_url
from tests.integrations.asking_billit import (
    EVERYTHING,
    KEY,
    LINE,
    NUMBER,
    ORDER,
    WRITES,
    error_body,
    failure,
    make,
)

# --- the body of an order -------------------------------------------------------------------------------------------


def test_order_body_for_a_known_customer() -> None:
    assert billit.order_body(ORDER) == {
        "OrderType": "Invoice",
        "OrderDirection": "Income",
        "OrderDate": "2026-11-02",
        "ExpiryDate": "2026-12-02",
        "Currency": "EUR",
        "ExternalProviderID": "tb-0001",
        "OrderTitle": "Octobre 2026",
        "PeriodFrom": "2026-10-01",
        "PeriodTill": "2026-10-31",
        "CustomerID": 88001,
        "OrderLines": [
            {
                "Quantity": Decimal("1.50"),
                "UnitPriceExcl": Decimal("95.00"),
                "Description": "Advies · Été",
                "Reference": "ADV",
                "VATPercentage": Decimal("21"),
                "VentilationCode": "4",
                "Unit": "HUR",
            }
        ],
    }


def test_order_body_for_a_new_belgian_customer() -> None:
    address = billit.Address("Dorpsstraat", "12", "", "9999", "Nergens", "BE")
    customer = billit.NewCustomer("Bakkerij Voorbeeld", NUMBER, "NL", address)
    body = billit.order_body(dataclasses.replace(ORDER, customer_id=None, customer=customer, reference="4500012345"))
    assert body["Customer"] == {
        "Name": "Bakkerij Voorbeeld",
        "VATNumber": NUMBER,
        "PartyType": "Customer",
        "Language": "NL",
        "Addresses": [
            {
                "AddressType": "InvoiceAddress",
                "Street": "Dorpsstraat",
                "StreetNumber": "12",
                "Zipcode": "9999",
                "City": "Nergens",
                "CountryCode": "BE",
            }
        ],
        "Identifiers": [{"IdentifierType": "CBE", "Identifier": "0999999922"}],
    }
    assert "CustomerID" not in body
    assert body["Reference"] == "4500012345"


@pytest.mark.parametrize("address", [None, billit.Address()])
def test_order_body_for_a_foreign_customer_without_address(address: billit.Address | None) -> None:
    customer = billit.NewCustomer("Voorbeeld GmbH", "DE999999999", address=address)
    body = billit.order_body(dataclasses.replace(ORDER, customer_id=None, customer=customer))
    assert body["Customer"] == {"Name": "Voorbeeld GmbH", "VATNumber": "DE999999999", "PartyType": "Customer"}


def test_order_body_for_a_credit_note() -> None:
    order = dataclasses.replace(ORDER, order_type="CreditNote", about_number="2026-0001")
    body = billit.order_body(order)
    assert (body["OrderType"], body["AboutInvoiceNumber"]) == ("CreditNote", "2026-0001")


def test_order_body_line_at_zero_per_cent_keeps_its_zero() -> None:
    line = dataclasses.replace(LINE, vat_rate=Decimal(0), ventilation_code=55, description_extended="more")
    (sent,) = billit.order_body(dataclasses.replace(ORDER, lines=(line,)))["OrderLines"]
    assert (sent["VATPercentage"], sent["VentilationCode"], sent["DescriptionExtended"]) == (Decimal(0), "55", "more")


def test_order_body_line_without_ventilation_code() -> None:
    line = dataclasses.replace(LINE, ventilation_code=None, reference="")
    (sent,) = billit.order_body(dataclasses.replace(ORDER, lines=(line,)))["OrderLines"]
    assert "VentilationCode" not in sent
    assert "Reference" not in sent


@pytest.mark.parametrize(
    "changes", [{"customer_id": None}, {"customer": billit.NewCustomer("Voorbeeld", NUMBER)}], ids=["none", "both"]
)
def test_order_body_needs_exactly_one_customer(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="tb-0001 needs either a customer id or a customer"):
        billit.order_body(dataclasses.replace(ORDER, **changes))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1.50"), "1.5"),
        (Decimal("0.1"), "0.1"),
        (Decimal("100"), "100"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.00"), "0"),
        (Decimal("-0.0"), "0"),
        (Decimal("-12.30"), "-12.3"),
        (Decimal("12345678901234567890.12"), "12345678901234567890.12"),
        (7, "7"),
        (True, "true"),
        (None, "null"),
        ('a"é\n', '"a\\"é\\n"'),
        ({"b": [1, Decimal("2.0")], "a": {}}, '{"a":{},"b":[1,2]}'),
    ],
)
def test_encode_exact_values(value: object, text: str) -> None:
    assert billit.encode({"x": value}) == f'{{"x":{text}}}'.encode()


@pytest.mark.parametrize(
    ("value", "kind"),
    [(1.5, TypeError), (date(2026, 1, 1), TypeError), (Decimal("NaN"), ValueError), (Decimal("Infinity"), ValueError)],
)
def test_encode_of_what_has_no_exact_form_is_refused(value: object, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        billit.encode({"x": value})


def test_encode_is_the_same_for_equal_orders() -> None:
    line = dataclasses.replace(LINE, quantity=Decimal("1.5"), unit_price=Decimal("95"), vat_rate=Decimal("21.00"))
    same = dataclasses.replace(ORDER, lines=(line,))
    assert billit.encode(billit.order_body(same)) == billit.encode(billit.order_body(ORDER))


# --- writes ---------------------------------------------------------------------------------------------------------


def test_create_order_sends_the_bytes_and_both_keys(server: Server) -> None:
    server.will_answer(Scripted(200, b"2615999"))
    assert make(server).create_order(ORDER, key="tb-0001-1") == 2615999
    (asked,) = server.asked
    assert server.lines == ["POST /v1/orders"]
    assert asked.body == billit.encode(billit.order_body(ORDER))
    assert asked.body.startswith(b'{"Currency":"EUR","CustomerID":88001,"ExpiryDate":"2026-12-02",')
    assert json.loads(asked.body)["OrderLines"][0]["UnitPriceExcl"] == 95
    assert asked.headers["content-type"] == "application/json"
    assert (asked.headers["idempotency-key"], asked.headers["idempotent-key"]) == ("tb-0001-1", "tb-0001-1")


@pytest.mark.parametrize(
    "body", [b"12", b'"12"', b" 12\r\n", b'{"OrderID":12}', b'{"OrderID":"12"}', b"\xef\xbb\xbf12"]
)
def test_create_order_id_in_every_shape(server: Server, body: bytes) -> None:
    server.will_answer(Scripted(200, body))
    assert make(server).create_order(ORDER, key="k") == 12


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"true",
        b"0",
        b"-1",
        b"1.5",
        b"[]",
        b"[12]",
        b"{}",
        b'{"OrderID":null}',
        b'"ok"',
        b'""',
        b"<html>12",
    ],
)
def test_create_order_success_without_an_id_is_no_answer(server: Server, body: bytes) -> None:
    server.will_answer(Scripted(200, body), Scripted(200, b"12"))
    error = failure(server, "create_order")
    assert isinstance(error, NoAnswer)
    assert error.status == 200
    assert len(server.asked) == 1


def test_send_order_is_strict_about_the_transport(server: Server) -> None:
    server.will_answer(Scripted(200), Scripted(200))
    api = make(server)
    api.send_order(12, transport="Peppol", key="tb-0001-send-1")
    api.send_order(13, transport="SMTP", key="tb-0002-send-1")
    assert server.lines == ["POST /v1/orders/commands/send"] * 2
    assert [asked.json() for asked in server.asked] == [
        {"TransportType": "Peppol", "OrderIDs": [12]},
        {"TransportType": "SMTP", "OrderIDs": [13]},
    ]
    headers = server.asked[0].headers
    assert headers["stricttransporttype"] == "true"
    assert (headers["idempotency-key"], headers["idempotent-key"]) == ("tb-0001-send-1", "tb-0001-send-1")


def test_delete_order_asks_once(server: Server) -> None:
    server.will_answer(Scripted(200, b"true"))
    make(server).delete_order(12)
    assert server.lines == ["DELETE /v1/orders/12"]
    assert "idempotency-key" not in server.asked[0].headers


@pytest.mark.parametrize("name", ["send_order", "delete_order"])
@pytest.mark.parametrize("scripted", [Scripted(200), Scripted(204), Scripted(200, b"true"), Scripted(200, b" \r\n")])
def test_write_confirmed(server: Server, name: str, scripted: Scripted) -> None:
    server.will_answer(scripted)
    WRITES[name](make(server))
    assert len(server.asked) == 1


@pytest.mark.parametrize("name", ["send_order", "delete_order"])
@pytest.mark.parametrize("body", [b"false", b"<html>", b"17", b'{"errors":[{"Code":"Odd"}]}', b'"sent"'])
def test_write_not_confirmed_is_no_answer(server: Server, name: str, body: bytes) -> None:
    server.will_answer(Scripted(200, body))
    error = failure(server, name)
    assert isinstance(error, NoAnswer)
    assert (error.status, error.code) == (200, "Odd" if b"Odd" in body else "")


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize(
    ("scripted", "status", "code"),
    [
        (
            as_json({"errors": [{"Code": "Idempotent token already exists"}]}, 409),
            409,
            "Idempotent token already exists",
        ),
        (Scripted(409), 409, ""),
        (Scripted(500, b"<html>"), 500, ""),
        (error_body("GenericError", status=500), 500, "GenericError"),
        (Scripted(503, headers={"Retry-After": "1"}), 503, ""),
        (Scripted(cut=True), None, ""),
        (Scripted(200, b"1", missing=3), None, ""),
        (Scripted(302, headers={"Location": "/"}), 302, ""),
    ],
    ids=["409", "409 empty", "500", "500 code", "503", "cut", "truncated", "302"],
)
def test_write_of_unknown_outcome_is_no_answer_and_never_repeated(
    server: Server, name: str, scripted: Scripted, status: int | None, code: str
) -> None:
    server.will_answer(scripted, Scripted(200, b"12"))
    error = failure(server, name)
    assert isinstance(error, NoAnswer)
    assert (error.status, error.code) == (status, code)
    assert len(server.asked) == 1


def test_write_that_times_out_is_no_answer_and_never_repeated(server: Server) -> None:
    server.will_answer(Scripted(200, b"12", delay=0.4), Scripted(200, b"13"))
    with pytest.raises(NoAnswer) as caught:
        make(server, wait=0.1).create_order(ORDER, key="k")
    assert caught.value.status is None
    assert len(server.asked) == 1


@pytest.mark.parametrize("name", EVERYTHING)
def test_unreachable_billit_is_later(name: str) -> None:
    api = billit.Api(url=refusing_url(), credential=billit.ApiKey(KEY), party_id=7001)
    with pytest.raises(RetryLater, match="Billit could not be reached"):
        EVERYTHING[name](api)
