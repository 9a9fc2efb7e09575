"""The confirmation before a sending: way, receiver and amount of one or many, and nothing but what was read is sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from invoicing.deciding import figures
from invoicing.due import deliveries
from invoicing.models import Invoice
from tests.factories import DossierFactory, FirmFactory, InvoiceFactory, MembershipFactory, UserFactory
from tests.invoicing.scene import Scene
from tests.visitors import browser_of, inputs, signed_in, text, words
from tests.worlds import GARAGE_NUMBER, NOW, entry
from toggbill.firms.models import Firm
from toggbill.firms.read import Read

pytestmark = pytest.mark.django_db
PEPPOL = {"way": "peppol", "way_to": "0208:0563846944", "way_asked_at": NOW}


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


def unsent(firm: Firm, name: str = "Garage Voorbeeld SRL", **fields: Any) -> Invoice:
    """An order at Billit whose way is known."""
    dossier = fields.pop("dossier", None) or DossierFactory(firm=firm)
    made: Invoice = InvoiceFactory(dossier=dossier, customer_name=name, status="posted", **(PEPPOL | fields))
    return made


def read_of(*invoices: Invoice) -> str:
    return Read.of(figures.of_sending(invoice) for invoice in invoices).pack()


def asked(firm: Firm) -> dict[str, str]:
    """By customer: who asked for the sending."""
    rows = Invoice.objects.filter(firm=firm).exclude(send_requested_by="")
    return dict(rows.values_list("customer_name", "send_requested_by"))


def test_way_receiver_and_amount_stand_before_the_eyes(firm: Firm) -> None:
    unsent(firm, "Garage", order_number="INV-7")
    unsent(firm, "Bakery", way="email", way_to="bakery@example.com", hours=1)
    unsent(firm, "Nobody", way="none", way_to="")
    unsent(firm, "Unasked", way="", way_to="", way_asked_at=None)
    unsent(firm, "Sent", delivery="sent")
    unsent(firm, "Asked", send_requested_at=NOW, send_requested_by="somebody@example.com")
    InvoiceFactory(dossier__firm=firm, customer_name="Draft")
    page = text(signed_in(firm), "/sending/")
    assert "Send 2 invoices, € 344.85 incl. VAT?" in page
    assert "Garage" in page
    assert "INV-7" in page
    assert "Peppol 0208:0563846944" in page
    assert "e-mail bakery@example.com No legal invoice between Belgian firms." in page
    assert "The customer receives nothing over Peppol" in page
    assert "The way to the customer is being asked for" in page
    for name in ("Sent", "Asked", "Draft"):
        assert f"{name} BE" not in page


def test_one_is_sent_as_it_was_read(firm: Firm) -> None:
    invoice, other = unsent(firm), unsent(firm, "Bakery")
    client = signed_in(firm, email="me@example.com")
    address = f"/sending/?invoice={invoice.reference}"
    assert address.removeprefix("/") in client.get(f"/invoices/{invoice.reference}/").content.decode()
    page = client.get(address).content.decode()
    assert other.reference not in page
    fields = {"read": inputs(page, "read")[0], "invoice": [invoice.reference]}
    assert client.post("/sending/", fields)["Location"] == f"/f/ours/invoices/{invoice.reference}/"
    assert asked(firm) == {"Garage Voorbeeld SRL": "me@example.com"}


def test_many_are_sent_at_once_each_as_it_was_read(firm: Firm) -> None:
    first, second, third = (unsent(firm, name) for name in ("A", "B", "C"))
    client = signed_in(firm, email="me@example.com")
    read = inputs(client.get("/sending/").content.decode(), "read")[0]
    Invoice.objects.filter(pk=second.pk).update(way_to="9925:BE0563846944")
    answer = client.post("/sending/", {"read": read, "invoice": [first.reference, second.reference]}, follow=True)
    assert "It changed after you opened the page: look at it again, and decide then." in words(answer.content)
    assert asked(firm) == {"A": "me@example.com"}
    assert third.send_requested_at is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"legal_excl": "200.00", "legal_vat": "42.00", "legal_incl": "242.00"}, "Total € 229.90 € 242.00"),
        ({"customer_name": "Another"}, "Customer Garage Voorbeeld SRL Another"),
        ({"way": "email", "way_to": "a@example.com"}, "Peppol 0208:0563846944 e-mail a@example.com"),
    ],
)
def test_what_changed_since_is_not_sent(firm: Firm, change: dict[str, Any], said: str) -> None:
    invoice = unsent(firm)
    read = read_of(invoice)
    Invoice.objects.filter(pk=invoice.pk).update(**change)
    answer = signed_in(firm).post("/sending/", {"read": read, "invoice": [invoice.reference]})
    assert (answer.status_code, asked(firm)) == (409, {})
    assert said in words(answer.content)


@pytest.mark.parametrize("read", ["", "broken"])
def test_without_what_was_read_nothing_is_sent(firm: Firm, read: str) -> None:
    invoice = unsent(firm)
    answer = signed_in(firm).post("/sending/", {"read": read, "invoice": [invoice.reference]})
    assert (answer.status_code, asked(firm)) == (400, {})


def test_what_was_sent_meanwhile_is_said(firm: Firm) -> None:
    invoice = unsent(firm)
    read = read_of(invoice)
    Invoice.objects.filter(pk=invoice.pk).update(delivery="sent", sent_at=NOW)
    client = signed_in(firm)
    answer = client.post("/sending/", {"read": read, "invoice": [invoice.reference]}, follow=True)
    assert "what you chose is sent or asked for already" in words(answer.content)
    answer = client.post("/sending/", {"read": read}, follow=True)
    assert "choose at least one invoice" in words(answer.content)


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("manager", 200), ("bookkeeper", 403), ("viewer", 403)])
def test_only_who_may_post_sends(firm: Firm, role: str, status: int) -> None:
    invoice = unsent(firm)
    client = signed_in(firm, role)
    assert client.get("/sending/").status_code == status
    sent = client.post("/sending/", {"read": read_of(invoice), "invoice": [invoice.reference]})
    assert sent.status_code == (302 if status == 200 else 403)
    page = client.get(f"/invoices/{invoice.reference}/").content.decode()
    assert "/sending/" not in page or status == 200
    assert bool(asked(firm)) is (status == 200)


def test_another_firms_invoice_is_not_there(firm: Firm) -> None:
    theirs = unsent(FirmFactory(slug="theirs"))
    client = signed_in(firm)
    answer = client.post("/sending/", {"read": read_of(theirs), "invoice": [theirs.reference]})
    assert answer.status_code == 404
    assert theirs.customer_name not in text(client, "/sending/")


def test_four_eyes_are_said_and_held(firm: Firm) -> None:
    invoice = unsent(
        firm, dossier=DossierFactory(firm=firm, name="Bakery", four_eyes=True), approved_by="me@example.com"
    )
    client = signed_in(firm, email="me@example.com")
    why = f"Dossier “Bakery” wants four eyes: me@example.com approved invoice {invoice.reference}"
    assert why in text(client, f"/invoices/{invoice.reference}/")
    page = client.get("/sending/")
    assert why in words(page.content)
    assert "disabled" in page.content.decode()
    fields = {"read": read_of(invoice), "invoice": [invoice.reference]}
    assert (client.post("/sending/", fields).status_code, asked(firm)) == (403, {})
    assert signed_in(firm, email="other@example.com").post("/sending/", fields).status_code == 302


def test_four_eyes_stay_when_an_address_changes(firm: Firm) -> None:
    user = UserFactory(email="new@example.com")
    MembershipFactory(firm=firm, user=user, role="owner")
    dossier = DossierFactory(firm=firm, name="Bakery", four_eyes=True)
    invoice = unsent(firm, dossier=dossier, approved_by="old@example.com", approved_by_user=user.pk)
    client = browser_of(user, firm)
    why = f"Dossier “Bakery” wants four eyes: old@example.com approved invoice {invoice.reference}"
    assert why in text(client, f"/invoices/{invoice.reference}/")
    assert why in text(client, "/sending/")
    fields = {"read": read_of(invoice), "invoice": [invoice.reference]}
    assert (client.post("/sending/", fields).status_code, asked(firm)) == (403, {})


def test_deviation_is_said_on_the_draft(firm: Firm) -> None:
    dossier = DossierFactory(firm=firm, deviation=50)
    for days in range(3):
        InvoiceFactory(dossier=dossier, status="posted", buyer_key="party:88001", posted_at=NOW - timedelta(days=days))
    draft = InvoiceFactory(dossier=dossier, buyer_key="party:88001", hours=4)
    page = text(signed_in(firm), f"/invoices/{draft.reference}/")
    assert "100 % above the mean of the customer’s latest 3 invoices (€ 190.00 excl. VAT), so a person looks" in page


@pytest.mark.parametrize(
    ("language", "said"), [("fr", "Envoyer 1 facture, 229,90 € TVA comprise ?"), ("nl", "1 factuur verzenden")]
)
def test_in_the_language_of_the_reader(language: str, said: str) -> None:
    firm = FirmFactory(slug="ours", language=language)
    unsent(firm)
    assert said in text(signed_in(firm), "/sending/")


@pytest.mark.slow
def test_refused_by_the_receiver_is_credited_and_billed_again(scene: Callable[..., Scene]) -> None:
    books = scene(entries=[entry(1)], peppol=[{"number": GARAGE_NUMBER, "behaviour": "refuses"}])
    invoice = books.send(books.posted())
    deliveries.read(company=invoice.company, now=books.later(minutes=5))
    client = signed_in(books.firm, "bookkeeper")
    page = client.get(f"/invoices/{invoice.reference}/")
    said = words(page.content)
    assert "Refused by the receiver Garage Vonk SRL refused it on 20 Nov 2026: The hours were agreed otherwise." in said
    fields = {"read": inputs(page.content.decode(), "read")[0]}
    assert client.post(f"/invoices/{invoice.reference}/credit/", fields).status_code == 302
    note = Invoice.objects.get(kind="credit_note")
    assert (note.about, note.total_excl, note.rebill, note.status) == (invoice, invoice.total_excl, True, "draft")
    # It is offered once.
    assert "/credit/" not in client.get(f"/invoices/{invoice.reference}/").content.decode()
