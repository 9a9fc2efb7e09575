"""What the Billit client reads of orders that are there."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from integrations.clients import billit
from integrations.clients.http.transport import RetryLater
from tests.integrations.answers import Scripted, Server, as_json
from tests.integrations.asking_billit import (
    NUMBER,
    READS,
    SUMMARY,
    make,
    query,
)

# --- orders that are there ------------------------------------------------------------------------------------------

EXPECTED = billit.OrderSummary(
    id=12,
    number="2026-0001",
    status="Paid",
    is_sent=True,
    paid=True,
    paid_date=date(2026, 11, 20),
    total_excl=Decimal("142.5"),
    total_vat=Decimal("29.93"),
    total_incl=Decimal("172.43"),
    customer_id=88001,
    customer_vat=NUMBER,
    external_id="tb-0001",
    last_modified=datetime(2026, 7, 10, 13, 0, 49, 721234, tzinfo=UTC),
)


def test_order_reads_one(server: Server) -> None:
    server.will_answer(as_json(SUMMARY))
    assert make(server).order(12) == EXPECTED
    assert server.lines == ["GET /v1/orders/12"]


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"Customer": {"PartyID": 5, "VATNumber": "X"}}, "customer_id", 5),
        ({"CounterParty": None, "CustomerID": 6}, "customer_id", 6),
        ({"CounterParty": None, "CounterPartyID": 7}, "customer_id", 7),
        ({"CounterParty": None}, "customer_id", None),
        ({"CounterParty": None}, "customer_vat", ""),
        ({"CounterParty": {"PartyID": 8}}, "customer_vat", ""),
        ({"OrderNumber": None}, "number", ""),
        ({"OrderNumber": 20260001}, "number", "20260001"),
        ({"IsSent": None}, "is_sent", False),
        ({"Paid": None}, "paid", False),
        ({"PaidDate": None}, "paid_date", None),
        ({"PaidDate": "2026-11-20"}, "paid_date", date(2026, 11, 20)),
        ({"PaidDate": "2026-11-19T23:30:00Z"}, "paid_date", date(2026, 11, 20)),
        ({"TotalVAT": None}, "total_vat", Decimal(0)),
        ({"TotalVAT": 0}, "total_vat", Decimal(0)),
        ({"ExternalProviderID": None}, "external_id", ""),
        ({"LastModified": None}, "last_modified", None),
        ({"LastModified": "2026-01-10T15:00:49Z"}, "last_modified", datetime(2026, 1, 10, 15, 0, 49, tzinfo=UTC)),
    ],
)
def test_order_absent_and_other_fields(server: Server, changes: dict[str, Any], field: str, value: object) -> None:
    server.will_answer(as_json({**SUMMARY, **changes}))
    assert getattr(make(server).order(12), field) == value


@pytest.mark.parametrize(
    "changes",
    [
        {"OrderID": None},
        {"OrderID": "x"},
        {"TotalIncl": "much"},
        {"TotalIncl": True},
        {"TotalIncl": [1]},
        {"Paid": "yes"},
        {"PaidDate": "soon"},
        {"PaidDate": "2026-13-01"},
        {"LastModified": "soon"},
        {"CounterParty": 5},
        {"OrderNumber": ["2026"]},
    ],
)
def test_order_that_cannot_be_read_is_later(server: Server, changes: dict[str, Any]) -> None:
    server.will_answer(as_json({**SUMMARY, **changes}))
    with pytest.raises(RetryLater, match="Billit answered order 12 with something that toggbill cannot read"):
        make(server).order(12)


def test_order_amount_beyond_all_amounts_is_later(server: Server) -> None:
    server.will_answer(Scripted(200, b'{"OrderID":12,"TotalIncl":1e999999}'))
    with pytest.raises(RetryLater, match="beyond all amounts"):
        make(server).order(12)


@pytest.mark.parametrize(
    ("name", "path"), [("find_orders", "/v1/orders"), ("find_deleted_orders", "/v1/orders/deleted")]
)
def test_find_orders_by_our_reference(server: Server, name: str, path: str) -> None:
    row = {key: value for key, value in SUMMARY.items() if key != "ExternalProviderID"}
    server.will_answer(as_json({"Items": [SUMMARY, {**row, "OrderID": 13}]}))
    found = READS[name](make(server))
    assert found == [EXPECTED, dataclasses.replace(EXPECTED, id=13, external_id="")]
    assert server.lines == [f"GET {path}?$filter=ExternalProviderID%20eq%20%27tb-0001%27"]


def test_find_orders_row_with_another_reference_is_no_hit(server: Server) -> None:
    server.will_answer(as_json({"Items": [{**SUMMARY, "ExternalProviderID": "tb-0002"}]}))
    assert make(server).find_orders("tb-0001") == []


@pytest.mark.parametrize("reference", ["", "tb 1", "tb'1", "tb-1' or '1' eq '1", "é", "a/b", "a\n", "%27"])
def test_lookup_of_a_dangerous_text_asks_nothing(server: Server, reference: str) -> None:
    api = make(server)
    for look_up in (api.find_orders, api.find_deleted_orders, api.orders_with_prefix, api.find_customers):
        with pytest.raises(ValueError, match="cannot be looked up at Billit"):
            look_up(reference)
    assert server.asked == []


def test_orders_between_asks_by_id(server: Server) -> None:
    server.will_answer(as_json({"Items": [SUMMARY]}))
    assert make(server).orders_between(10, 20) == [EXPECTED]
    assert query(server.asked[0].path)["$filter"] == ["OrderID ge 10 and OrderID le 20"]


def test_orders_with_prefix_asks_by_range_and_keeps_what_may_be_ours(server: Server) -> None:
    rows = [
        {"OrderID": 1, "ExternalProviderID": "tb-0001"},
        {"OrderID": 2},
        {"OrderID": 3, "ExternalProviderID": "tb0001"},
        {"OrderID": 4, "ExternalProviderID": None},
        {"OrderID": 5, "ExternalProviderID": "other"},
    ]
    server.will_answer(as_json({"Items": rows}))
    assert [order.id for order in make(server).orders_with_prefix("tb-")] == [1, 2, 4]
    assert query(server.asked[0].path)["$filter"] == ["ExternalProviderID ge 'tb-' and ExternalProviderID lt 'tb.'"]
