"""Whose invoice it is and how it bears VAT (R6, R7, R10): references, titles and treatments, on row and order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from invoicing.models import InvoiceLine
from tests.factories import enterprise_number
from tests.invoicing.scene import Scene, bill, ids
from tests.worlds import (
    BAKERY,
    BAKERY_PROJECT,
    GARAGE,
    client,
    entry,
    party,
    product,
    project,
)

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
TODAY = date(2026, 11, 20)


# --- one draft per customer and references ----------------------------------------------------------------------------


def test_purchase_order_and_buyer_reference_make_separate_invoices(scene: Make) -> None:
    number = enterprise_number(77)
    names = {511: "Plain", 512: "Order", 513: "Reference", 514: "Plain too"}
    books = scene(
        clients=[client(n, f"{name} {number}") for n, name in names.items()],
        projects=[project(600 + n, name, n) for n, name in names.items()],
        parties=[party(88_001, "One Customer SRL", number)],
        entries=[entry(n, project_id=600 + n) for n in names],
        client_map=[
            {"client": 512, "vat": number, "po": "4500012345"},
            {"client": 513, "vat": number, "buyer_reference": "Dept. 7"},
        ],
    )
    books.draft()
    found = {
        (row.purchase_order, row.buyer_reference): bill(row)[0][3] for row in books.invoices(customer_party_id=88_001)
    }
    assert found == {("", ""): ids(511, 514), ("4500012345", ""): ids(512), ("", "Dept. 7"): ids(513)}
    again = books.draft()
    assert (again.moved, len(again.left)) == ((), 3)
    for invoice in books.approve():
        books.post(invoice)
    orders = {(order.get("Reference"), order["OrderTitle"]) for order in books.control.orders()}
    assert orders == {(None, "October 2026"), ("4500012345", "October 2026"), (None, "Dept. 7")}


def test_title_is_in_the_customers_language_else_the_firms(scene: Make) -> None:
    numbers = [enterprise_number(n) for n in (71, 72)]
    books = scene(
        clients=[client(GARAGE, f"A {numbers[0]}"), client(BAKERY, f"B {numbers[1]}")],
        parties=[
            party(88_001, "A", numbers[0], Language="NL"),
            party(88_002, "B", numbers[1], Language="XX"),
        ],
        entries=[entry(1), entry(2, "2026-11-03"), entry(3, project_id=BAKERY_PROJECT)],
    )
    books.draft(TODAY)
    assert [row.title for row in books.invoices()] == ["Oktober – november 2026", "October 2026"]


# --- treatments -------------------------------------------------------------------------------------------------------


def test_treatments_stand_on_line_and_order_with_their_ventilation_codes(scene: Make) -> None:
    treatments = {511: "domestic", 512: "reverse_charge", 513: "eu_services", 514: "outside_scope"}
    numbers = {n: enterprise_number(n) for n in treatments} | {513: "NL810433941B01"}
    books = scene(
        clients=[client(n, f"Client {n} {numbers[n]}") for n in treatments],
        projects=[project(600 + n, str(n), n) for n in treatments],
        parties=[party(88_000 + n, f"Client {n}", numbers[n]) for n in treatments],
        entries=[entry(n, project_id=600 + n) for n in treatments],
        client_map=[{"client": n, "vat": numbers[n], "vat_treatment": t} for n, t in treatments.items()],
    )
    books.draft()
    rows = [
        (line.treatment, line.vat_rate, line.ventilation_code, line.invoice.total_vat, line.invoice.total_incl)
        for line in InvoiceLine.objects.order_by("invoice__customer_name")
    ]
    nothing = Decimal("0.00")
    assert rows == [
        ("domestic", Decimal("21.00"), 4, Decimal("19.95"), Decimal("114.95")),
        ("reverse_charge", nothing, 21, nothing, Decimal("95.00")),
        ("eu_services", nothing, 55, nothing, Decimal("95.00")),
        ("outside_scope", nothing, 22, nothing, Decimal("95.00")),
    ]
    for invoice in books.approve():
        assert books.post(invoice).status == "posted"
    orders = sorted(books.control.orders(), key=lambda order: str(order["Customer"]["Name"]))
    lines = [(order["OrderLines"][0]["VentilationCode"], order["TotalVAT"]) for order in orders]
    assert lines == [("4", Decimal("19.95")), ("21", nothing), ("55", nothing), ("22", nothing)]


@pytest.mark.parametrize(("rate", "code", "vat"), [("0.00", 1, "0.00"), ("6.00", 2, "5.70"), ("12.00", 3, "11.40")])
def test_domestic_rates_of_products_have_their_own_codes(scene: Make, rate: str, code: int, vat: str) -> None:
    books = scene(entries=[entry(1)], products=[product(0, "ADV", "Advice", vat=rate)])
    invoice = books.posted()
    line = invoice.lines.get()
    assert (line.vat_rate, line.ventilation_code, invoice.total_vat) == (Decimal(rate), code, Decimal(vat))
    (order,) = books.control.orders()
    assert (order["OrderLines"][0]["VentilationCode"], order["TotalVAT"]) == (str(code), Decimal(vat))


def test_foreign_customer_waits_for_a_treatment(scene: Make) -> None:
    luxembourg = "LU99900165"
    changes: dict[str, Any] = {
        "entries": [entry(1)],
        "clients": [client(GARAGE, f"Pexelle {luxembourg}")],
        "parties": [party(88_001, "Pexelle", luxembourg)],
    }
    books = scene(**changes)
    assert [(row.entry, row.reason) for row in books.draft().plan.skipped] == [(ids(1)[0], "foreign_vat")]
    books = scene(**changes, client_map=[{"client": GARAGE, "vat_treatment": "eu_services"}])
    (moved,) = books.draft().moved
    assert (moved[0].customer_vat, moved[0].customer_party_id) == (luxembourg, 88_001)
    assert (moved[0].lines.get().ventilation_code, moved[0].total_vat) == (55, Decimal("0.00"))
