"""Invoices that Billit makes by itself, such as recurring ones: nothing of ours asks for them."""

from __future__ import annotations

import itertools
from typing import Any

import requests
from django.conf import settings

from integrations.clients.billit import encode
from tests.worlds import API_KEY, COMPANY, GARAGE_PARTY

_serial = itertools.count(1)


def invoice_at_billit(day: str, amount: str = "250.00", *, vat: int = 21, **changes: Any) -> int:
    """An order of Billit's own for the garage with one line; its id. A field None is left out."""
    line = {"Quantity": 1, "UnitPriceExcl": amount, "Description": "Provision", "VATPercentage": vat}
    body: dict[str, Any] = {
        "OrderType": "Invoice",
        "OrderDirection": "Income",
        "OrderDate": day,
        "ExpiryDate": day,
        "OrderNumber": f"REC-{next(_serial)}",
        "OrderTitle": f"Provision {day}",
        "Currency": "EUR",
        "CustomerID": GARAGE_PARTY,
        "OrderLines": [line],
    }
    answer = requests.post(
        f"{settings.BILLIT_API_URL}/v1/orders",
        data=encode({name: value for name, value in (body | changes).items() if value is not None}),
        headers={"ApiKey": API_KEY, "PartyID": str(COMPANY), "Content-Type": "application/json"},
        timeout=10,
    )
    answer.raise_for_status()
    return int(answer.json())
