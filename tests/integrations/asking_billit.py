"""The Billit client against scripted answers: an order, every method, and how it is made."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest

from integrations.clients import billit
from integrations.clients.http.transport import ServiceError
from tests.integrations.answers import Scripted, Server, as_json

KEY = "7b0c2f52-0000-4000-8000-00000000test"
NUMBER = "BE0999999922"

LINE = billit.OrderLine(
    quantity=Decimal("1.50"),
    unit_price=Decimal("95.00"),
    description="Advies · Été",
    description_extended="",
    reference="ADV",
    vat_rate=Decimal("21"),
    ventilation_code=4,
)
ORDER = billit.Order(
    external_id="tb-0001",
    order_date=date(2026, 11, 2),
    expiry_date=date(2026, 12, 2),
    customer_id=88001,
    customer=None,
    reference="",
    title="Octobre 2026",
    period_from=date(2026, 10, 1),
    period_till=date(2026, 10, 31),
    lines=(LINE,),
)

Method = Callable[[billit.Api], object]
READS: dict[str, Method] = {
    "products": lambda api: list(api.products()),
    "customers": lambda api: list(api.customers()),
    "find_customers": lambda api: api.find_customers(NUMBER),
    "search_companies": lambda api: api.search_companies("bakkerij"),
    "participant": lambda api: api.participant(NUMBER),
    "order": lambda api: api.order(12),
    "find_orders": lambda api: api.find_orders("tb-0001"),
    "find_deleted_orders": lambda api: api.find_deleted_orders("tb-0001"),
    "orders_between": lambda api: api.orders_between(10, 20),
    "orders_with_prefix": lambda api: api.orders_with_prefix("tb-"),
}
LISTS = ("products", "customers", "find_customers", "find_orders", "find_deleted_orders", "orders_between")
WRITES: dict[str, Method] = {
    "create_order": lambda api: api.create_order(ORDER, key="tb-0001-1"),
    "send_order": lambda api: api.send_order(12, transport="Peppol", key="tb-0001-send-1"),
    "delete_order": lambda api: api.delete_order(12),
}
EVERYTHING = {**READS, **WRITES}


def make(server: Server, *, wait: float = 5.0) -> billit.Api:
    return billit.Api(url=server.url, credential=billit.ApiKey(KEY), party_id=7001, timeout=(2.0, wait))


def failure(server: Server, name: str) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        EVERYTHING[name](make(server))
    return caught.value


def error_body(*codes: str, status: int = 400) -> Scripted:
    return as_json({"errors": [{"Code": code, "Description": f"About {code}."} for code in codes]}, status)


def query(path: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(path).query)


SUMMARY = {
    "OrderID": 12,
    "OrderNumber": "2026-0001",
    "OrderStatus": "Paid",
    "IsSent": True,
    "Paid": True,
    "PaidDate": "2026-11-20T00:00:00",
    "TotalExcl": 142.50,
    "TotalVAT": 29.93,
    "TotalIncl": 172.43,
    "CounterParty": {"PartyID": 88001, "VATNumber": NUMBER},
    "ExternalProviderID": "tb-0001",
    "LastModified": "2026-07-10T15:00:49.7212345",
}
