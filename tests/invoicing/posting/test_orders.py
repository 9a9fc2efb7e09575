"""The customer of an order (R3), and what is read back of it: totals, number, payment, PartyID."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from invoicing.due import posts
from invoicing.models import CustomerPin, Invoice
from invoicing.posting import post, read_back
from tests.factories import enterprise_number
from tests.invoicing.scene import BY, Scene, many
from tests.worlds import (
    BAKERY_PROJECT,
    GARAGE,
    GARAGE_PROJECT,
    NOW,
    client,
    entry,
    party,
    project,
)
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


# --- the customer at Billit -------------------------------------------------------------------------------------------

NEWCOMER = enterprise_number(77)
UNKNOWN: dict[str, Any] = {
    "clients": [client(GARAGE, f"Nouveau Venu {NEWCOMER}")],
    "projects": [project(GARAGE_PROJECT, "Garage", GARAGE)],
    "parties": [],
}
REGISTER = {
    "Source": "KBO",
    "CompanyIdentification": NEWCOMER[2:],
    "Name": "Nouveau Venu SRL",
    "Street": "Rue Inventée",
    "Number": "7",
    "Zipcode": "1000",
    "City": "Bruxelles",
    "Country": "BE",
}


def test_unknown_customer_is_carried_with_name_and_address_of_the_company_search(scene: Make) -> None:
    books = scene(entries=[entry(1)], kbo=[REGISTER], **UNKNOWN)
    invoice = books.posted()
    (request,) = books.asked("POST", "/v1/orders")
    assert "CustomerID" not in request["body"]
    assert request["body"]["Customer"] == {
        "Name": "Nouveau Venu SRL",
        "VATNumber": NEWCOMER,
        "PartyType": "Customer",
        "Language": "EN",
        "Addresses": [
            {
                "AddressType": "InvoiceAddress",
                "Street": "Rue Inventée",
                "StreetNumber": "7",
                "Zipcode": "1000",
                "City": "Bruxelles",
                "CountryCode": "BE",
            }
        ],
        "Identifiers": [{"IdentifierType": "CBE", "Identifier": NEWCOMER[2:]}],
    }
    assert invoice.customer_party_id is None
    assert books.read_back() == 1
    (order,) = books.control.orders()
    invoice.refresh_from_db()
    made = order["Customer"]["PartyID"]
    assert invoice.customer_party_id == made
    assert CustomerPin.objects.get().party_id == made
    assert (CustomerPin.objects.get().number, CustomerPin.objects.get().company) == (NEWCOMER, books.dossier.company)


def test_dashes_of_a_register_are_nothing_and_the_country_is_its_iso_code(scene: Make) -> None:
    """VIES answers dashes where a country gives no name or address; Greece is EL there, GR on an e-invoice."""
    greek = "EL094259216"
    row = {"Source": "VIES", "CompanyIdentification": greek, "Name": "---", "Street": "---", "City": "---"}
    books = scene(
        entries=[entry(1)],
        kbo=[row | {"Number": "-", "Country": "EL"}],
        client_map=[{"client": GARAGE, "vat": greek, "vat_treatment": "eu_services"}],
        **(UNKNOWN | {"clients": [client(GARAGE, f"Fournos {greek}")]}),
    )
    books.posted()
    body = books.asked("POST", "/v1/orders")[0]["body"]["Customer"]
    assert (body["Name"], body["VATNumber"]) == ("Fournos", greek)
    assert body["Addresses"] == [{"AddressType": "InvoiceAddress", "CountryCode": "GR"}]


@pytest.mark.parametrize(
    ("name", "sent"), [(f"Nouveau Venu {NEWCOMER}", "Nouveau Venu"), (NEWCOMER, NEWCOMER)], ids=["name", "number alone"]
)
def test_unknown_customer_without_a_register_bears_the_clients_name_else_the_number(
    scene: Make, name: str, sent: str
) -> None:
    books = scene(entries=[entry(1)], **(UNKNOWN | {"clients": [client(GARAGE, name)]}))
    books.posted()
    body = books.asked("POST", "/v1/orders")[0]["body"]["Customer"]
    assert (body["Name"], body["VATNumber"]) == (sent, NEWCOMER)
    assert body["Addresses"] == [{"AddressType": "InvoiceAddress", "CountryCode": "BE"}]


def test_next_invoice_uses_the_party_that_billit_made_and_one_customer_results(scene: Make) -> None:
    books = scene(entries=[entry(1)], kbo=[REGISTER], **UNKNOWN)
    books.posted()
    books.read_back()
    made = CustomerPin.objects.get().party_id
    books.control.put_entries(entry(2, "2026-11-03"))
    books.sync()
    books.draft(date(2026, 11, 10))
    (second,) = books.approve()
    assert (second.customer_party_id, second.buyer_key) == (made, f"party:{made}")
    books.post(second)
    assert books.asked("POST", "/v1/orders")[1]["body"]["CustomerID"] == made
    assert len({order["Customer"]["PartyID"] for order in books.control.orders()}) == 1


def test_second_invoice_before_any_reading_back_still_finds_the_same_party(scene: Make) -> None:
    books = scene(entries=[entry(1)], kbo=[REGISTER], **UNKNOWN)
    books.posted()
    books.control.put_entries(entry(2, "2026-11-03"))
    books.sync()
    books.draft(date(2026, 11, 10))
    (second,) = books.approve()
    books.post(second)
    assert len({order["Customer"]["PartyID"] for order in books.control.orders()}) == 1
    assert "CustomerID" in books.asked("POST", "/v1/orders")[1]["body"]


def test_customer_made_at_billit_after_drafting_is_found_at_posting_and_pinned(scene: Make) -> None:
    books = scene(entries=[entry(1)], **UNKNOWN)
    invoice = books.approved()
    # Billit writes the number with dots: only an equal normalised number counts.
    dotted = f"BE {NEWCOMER[2:6]}.{NEWCOMER[6:9]}.{NEWCOMER[9:]}"
    books.control.put_billit("parties", party(90_001, "Nouveau Venu", dotted))
    books.control.switch(billit_party_vat_filter="refuse")
    posted = books.post(invoice)
    assert (posted.status, posted.customer_party_id) == ("posted", 90_001)
    assert CustomerPin.objects.get().party_id == 90_001
    (request,) = books.asked("POST", "/v1/orders")
    assert (request["body"]["CustomerID"], "Customer" in request["body"]) == (90_001, False)


def test_customer_is_looked_up_once_per_number(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, project_id=612)], **_two_clients_one_unknown_number())
    books.draft()
    books.control.put_billit("parties", party(90_001, "Nouveau Venu", NEWCOMER))
    for invoice in books.approve():
        books.post(invoice)
    assert len(books.asked("GET", "/v1/parties")) == 1


def _two_clients_one_unknown_number() -> dict[str, Any]:
    """Two clients of one customer with different purchase orders: two invoices."""
    return {
        "clients": [client(GARAGE, f"Nouveau Venu {NEWCOMER}"), client(512, f"Nouveau Venu Nord {NEWCOMER}")],
        "projects": [project(GARAGE_PROJECT, "Garage", GARAGE), project(612, "Nord", 512)],
        "parties": [],
        "client_map": [{"client": 512, "vat": NEWCOMER, "po": "PO-1"}],
    }


def test_two_parties_with_the_number_at_posting_are_attention_and_nothing_is_posted(scene: Make) -> None:
    books = scene(entries=[entry(1)], **UNKNOWN)
    invoice = books.approved()
    books.control.put_billit(
        "parties", party(90_001, "Nouveau Venu", NEWCOMER), party(90_002, "Nouveau Venu bis", NEWCOMER)
    )
    posts.request(invoice=invoice, send=False, by=BY, now=NOW)
    with pytest.raises(NotPossible, match=r"2 customers with number .* \(PartyID 90001, 90002\)"):
        books.post(invoice)
    row = post.fresh(invoice)
    assert (row.status, row.post_requested_at, books.attempts(invoice)) == ("approved", None, [])
    assert (row.attention, row.attention_facts["ids"]) == ("several_customers", [90001, 90002])
    assert books.due() == [], "it waits for a person, not for the next tick"
    assert books.asked("POST", "/v1/orders") == []


def test_supplier_with_the_number_is_no_customer(scene: Make) -> None:
    books = scene(entries=[entry(1)], kbo=[REGISTER], **UNKNOWN)
    invoice = books.approved()
    books.control.put_billit("parties", party(90_003, "Nouveau Venu", NEWCOMER, PartyType="Supplier"))
    books.post(invoice)
    assert "Customer" in books.asked("POST", "/v1/orders")[0]["body"]


# --- reading back -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_totals_of_thirty_invoices_are_read_back_in_one_call(
    scene: Make, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    books = scene(**many(30))
    books.draft()
    for invoice in books.approve():
        books.post(invoice)
    assert len(books.asked("POST", "/v1/orders")) == 30
    before = len(books.control.log("billit"))
    with django_assert_max_num_queries(130):
        assert books.read_back() == 30
    assert len(books.control.log("billit")) == before + 1
    orders = {order["OrderID"]: order for order in books.control.orders()}
    for invoice in books.invoices():
        assert invoice.order_id is not None
        order = orders[invoice.order_id]
        assert (invoice.legal_excl, invoice.legal_vat, invoice.legal_incl) == (
            order["TotalExcl"],
            order["TotalVAT"],
            order["TotalIncl"],
        )
        assert (invoice.order_number, invoice.attention) == (order["OrderNumber"], "")
    assert books.read_back() == 0, "what was read is not read again"
    assert len(books.control.log("billit")) == before + 1


def test_difference_in_totals_is_attention_and_billits_figures_stand(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.posted()
    assert invoice.order_id is not None
    books.control.change_order(invoice.order_id, TotalExcl=95.00, TotalVAT=19.96, TotalIncl=114.96)
    assert books.read_back() == 1
    invoice.refresh_from_db()
    assert (invoice.total_vat, invoice.legal_vat, invoice.vat) == (Decimal("19.95"), Decimal("19.96"), Decimal("19.96"))
    assert (invoice.incl, invoice.excl) == (Decimal("114.96"), Decimal("95.00"))
    assert invoice.attention == "totals_differ"
    assert invoice.attention_facts == {
        "excl": "95.00",
        "vat": "19.96",
        "incl": "114.96",
        "our_excl": "95.00",
        "our_vat": "19.95",
        "our_incl": "114.95",
    }


def test_payment_and_number_are_read_back(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.posted()
    assert invoice.order_id is not None
    books.control.change_order(
        invoice.order_id, Paid=True, PaidDate="2026-11-19T00:00:00.00", OrderNumber="2026-0777", OrderStatus="Paid"
    )
    books.read_back()
    invoice.refresh_from_db()
    assert (invoice.payment, invoice.paid_date, invoice.order_number) == ("paid", date(2026, 11, 19), "2026-0777")
    (event,) = books.events("invoice_paid")
    assert event.data == {"date": "2026-11-19"}
    read_back.read_back(company=books.dossier.company, invoices=books.invoices(), now=NOW)
    assert len(books.events("invoice_paid")) == 1


def test_reading_back_does_not_touch_orders_of_others(scene: Make) -> None:
    """Between our orders stand some that were made by hand: they are no business of ours."""
    books = scene(entries=[entry(1), entry(2, project_id=BAKERY_PROJECT), entry(3, "2026-11-02")])
    books.draft()
    first, second = books.approve()
    books.post(first)
    books.draft(date(2026, 11, 10))
    (third,) = books.invoices(status="draft")
    books.approve(third)
    foreign = books.post(third)
    books.post(second)
    assert foreign.order_id is not None
    Invoice.objects.filter(pk=third.pk).update(legal_excl=1, legal_vat=1, legal_incl=2)
    assert books.read_back() == 2
    third.refresh_from_db()
    assert third.legal_incl == 2


def test_order_that_is_gone_does_not_make_every_later_reading_long(scene: Make) -> None:
    """An order was deleted in Billit before it was read back; the orders of other days stand between it and today's."""
    books = scene(entries=[entry(1)])
    gone = books.posted()
    assert gone.order_id is not None
    books.control.change_order(gone.order_id, Deleted=True)
    books.later(days=3)
    books.control.put_entries(entry(2, "2026-11-21"))
    books.sync()
    books.draft(date(2026, 11, 22))
    (second,) = books.approve()
    books.post(second)
    books.control.clear_log()
    assert books.read_back() == 1
    conditions = [request["query"]["$filter"] for request in books.asked("GET", "/v1/orders")]
    assert conditions == [f"OrderID ge {n} and OrderID le {n}" for n in (gone.order_id, gone.order_id + 1)]
    assert read_back.unread(now=timezone.now()) == [books.dossier.company.pk]
    books.later(days=4)
    assert read_back.unread(now=timezone.now()) == [], "no tick asks for it for ever: reconcile names it"
