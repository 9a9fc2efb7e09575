"""The page of corrections: what is offered and what follows from it, what is refused and why, what decisions do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from invoicing.corrections import decide as corrections
from invoicing.corrections import options
from invoicing.models import Correction, Invoice
from invoicing.posting import post
from tests.factories import CorrectionFactory, DossierFactory, FirmFactory, InvoiceFactory
from tests.invoicing.after_billing import at_billit, changed, correction, deleted, prove, row
from tests.invoicing.scene import BY, Scene
from tests.visitors import alerts, read_of, signed_in, text
from tests.worlds import BAKERY_PROJECT, entry
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


def reader(books: Scene, role: str = "manager") -> Client:
    """A member who reads English."""
    Firm.objects.filter(pk=books.firm.pk).update(language="en")
    return signed_in(books.firm, role)


def longer(make: Make, seconds: int = 5400) -> Scene:
    """An hour was billed, and Toggl has another time now."""
    books = make(entries=[entry(1)])
    books.posted()
    changed(books, entry(1, seconds=seconds))
    return books


def decide(client: Client, remedy: str, about: Correction | None = None, **fields: str) -> str:
    """Press a button of the correction as the page shows it; what the next page says."""
    about = about or Correction.objects.get()
    sent = {"read": read_of(about)} | fields
    answer = client.post(f"/corrections/{about.pk}/{remedy}/", sent, follow=True)
    assert answer.status_code == 200
    return alerts(answer.content.decode())


def offered() -> dict[str, str]:
    """By name: why each decision on the only correction is refused, "" when it is offered."""
    (case,) = options.cases(Correction.objects.all())
    return {remedy.name: remedy.why_not for remedy in case.remedies}


# --- what is offered --------------------------------------------------------------------------------------------------


def test_page_shows_billed_and_mirrored_time_the_amount_and_each_consequence(scene: Make) -> None:
    books = longer(scene)
    invoice = Invoice.objects.get()
    words = text(reader(books), "/corrections/")
    assert "1 correction waits for a decision" in words
    assert "Billed 1:00:00 In Toggl now 1:30:00 Difference + 0.50 h Amount excl. VAT € 47.50" in words
    assert (
        f"Accept the difference Invoice {invoice.reference[3:11]} stays as it is, and this difference is never billed."
        in words
    )
    assert "Bill it on the next invoice The next invoice of Garage Vonk SRL gets a line" in words
    assert "gets a line of 0.50 h, € 47.50 excl. VAT." in words
    assert f"Replace the invoice Order {invoice.order_id} is deleted in Billit" in words
    assert "Not possible now Credit it and bill it anew · Credit it for good" in words
    assert "is not sent: replace it rather than credit it." in words
    assert "Corrections 1 Invoices" in words


def test_less_time_is_taken_off(scene: Make) -> None:
    words = text(reader(longer(scene, 1800)), "/corrections/")
    assert "Difference − 0.50 h Amount excl. VAT − € 47.50" in words
    assert "Take it off the next invoice" in words
    assert "gets a line of − 0.50 h, − € 47.50 excl. VAT." in words
    assert "nothing is given back to the customer" in words


def test_unsent_invoice_is_replaced_and_a_sent_one_credited(scene: Make) -> None:
    books = longer(scene)
    assert [name for name, why_not in offered().items() if not why_not] == ["accept", "next-invoice", "replace"]
    books.read_back()
    books.send(post.fresh(Invoice.objects.get()))
    assert [name for name, why_not in offered().items() if not why_not] == [
        "accept",
        "next-invoice",
        "credit-and-bill",
        "credit",
    ]
    assert "what the customer has is not replaced" in offered()["replace"]


def test_another_customer_is_shown_and_not_billed_as_a_difference_in_time(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.posted()
    changed(books, entry(1, project_id=BAKERY_PROJECT))
    assert "hours alone cannot say that" in offered()["next-invoice"]
    words = text(reader(books), "/corrections/")
    assert "Customer Garage Vonk SRL → Bakery Deeg" in words
    assert "Difference" not in words.split("Accept the difference")[0].split("In Toggl now")[1]


def test_deleted_entry_is_said_to_be_deleted(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.posted()
    deleted(books, 1)
    assert "In Toggl now deleted Difference − 1.00 h" in text(reader(books), "/corrections/")


@pytest.mark.slow
def test_second_credit_note_is_refused_while_one_waits(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2)])
    books.posted()
    books.read_back()
    books.send(post.fresh(Invoice.objects.get()))
    changed(books, entry(1, seconds=5400), entry(2, seconds=5400))
    first, second = Correction.objects.order_by("pk")
    corrections.credit(correction=first, rebill=True, by=BY, now=timezone.now())
    (case,) = options.cases(Correction.objects.filter(pk=second.pk))
    assert "waits already" in {remedy.name: remedy.why_not for remedy in case.remedies}["credit"]
    assert "waits already" in decide(reader(books), "credit", second)


@pytest.mark.slow
@pytest.mark.parametrize("remedy", ["next-invoice", "replace", "credit", "credit-and-bill"])
@pytest.mark.parametrize("is_sent", [False, True])
def test_verb_agrees_with_what_is_offered(scene: Make, remedy: str, is_sent: bool) -> None:
    books = longer(scene)
    books.read_back()
    if is_sent:
        books.send(post.fresh(Invoice.objects.get()))
    why_not = offered()[remedy]
    said = decide(reader(books), remedy)
    assert said.startswith("danger" if why_not else "success"), said
    if why_not:
        assert said.replace("&#x27;", "'") == f"danger: {why_not}"
        assert correction().decision == "open"


# --- what the decisions do --------------------------------------------------------------------------------------------


def test_accepted_with_a_note(scene: Make) -> None:
    books = longer(scene)
    client = reader(books)
    assert decide(client, "accept", note="By word of mouth") == "success: Accepted: this difference is settled."
    done = Correction.objects.get()
    assert (done.decision, done.note, done.decided_by.endswith("@example.com")) == (
        "accepted",
        "By word of mouth",
        True,
    )
    assert books.events("correction_decided")[-1].origin == "web 127.0.0.1"
    words = text(client, "/corrections/?state=decided")
    assert "accepted By word of mouth" in words
    prove(books)


def test_second_click_decides_nothing_more(scene: Make) -> None:
    books = longer(scene)
    client, about = reader(books), correction()
    decide(client, "accept", about)
    assert "is decided already: accepted" in decide(client, "accept", about)
    assert "is decided already: accepted" in decide(client, "next-invoice", about)
    assert len(books.events("correction_decided")) == 1


def test_decision_on_what_changed_since_it_was_read_is_refused(scene: Make) -> None:
    books = longer(scene)
    client, about = reader(books), correction()
    sent = {"read": read_of(about)}
    changed(books, entry(1, seconds=7200))
    assert client.post(f"/corrections/{about.pk}/accept/", sent).status_code == 409
    assert correction().seconds == 3600


@pytest.mark.slow
def test_difference_is_put_on_the_next_invoice_and_taken_back(scene: Make) -> None:
    books = longer(scene)
    client = reader(books)
    assert "success" in decide(client, "next-invoice")
    assert Correction.objects.get().decision == "next_invoice"
    words = text(client, "/corrections/?state=waiting")
    assert "Take the decision back The difference waits for a decision again" in words
    assert "success" in decide(client, "withdraw", back="waiting")
    assert correction().seconds == 1800
    assert "does not wait for an invoice" in decide(client, "withdraw")


@pytest.mark.slow
def test_replaced_order_leads_to_the_new_invoice(scene: Make) -> None:
    books = longer(scene)
    old, client = Invoice.objects.get(), reader(books)
    about = correction()
    answer = client.post(f"/corrections/{about.pk}/replace/", {"read": read_of(about)})
    new = Invoice.objects.get(status="approved")
    assert answer["Location"] == f"/f/{books.firm.slug}/invoices/{new.reference}/"
    assert at_billit(books, old)["Deleted"] is True
    assert [line.seconds for line in new.lines.all()] == [5400]
    assert "decided already" in decide(client, "replace", about)
    assert Invoice.objects.count() == 2


@pytest.mark.slow
def test_billit_that_does_not_answer_changes_nothing_and_says_so(scene: Make) -> None:
    books = longer(scene)
    with books.fault("unavailable", method="GET", path="^/v1/orders"):
        said = decide(reader(books), "replace")
    assert said.startswith("danger: Nothing was changed. Billit has a fault of its own")
    assert correction().decision == "open"


@pytest.mark.slow
def test_credit_note_is_drafted_and_led_to(scene: Make) -> None:
    books = longer(scene)
    books.read_back()
    books.send(post.fresh(Invoice.objects.get()))
    client, about = reader(books), correction()
    answer = client.post(f"/corrections/{about.pk}/credit-and-bill/", {"read": read_of(about)})
    note = Invoice.objects.get(kind="credit_note")
    assert answer["Location"] == f"/f/{books.firm.slug}/invoices/{note.reference}/"
    assert (note.status, note.rebill, str(note.total_excl)) == ("draft", True, "95.00")
    books.post(books.approve(note)[0])
    assert row(1)[:2] == ("open", 5400)
    prove(books)


@pytest.mark.slow
def test_invoice_shows_the_corrections_of_its_entries_and_leads_back_to_itself(scene: Make) -> None:
    books = longer(scene)
    invoice, client = Invoice.objects.get(), reader(books)
    words = text(client, f"/invoices/{invoice.reference}/")
    assert "1 correction waits for a decision" in words
    assert "Accept the difference" in words
    about = correction()
    sent = {"read": read_of(about), "back": invoice.reference}
    answer = client.post(f"/corrections/{about.pk}/accept/", sent)
    assert answer["Location"] == f"/f/{books.firm.slug}/invoices/{invoice.reference}/"
    assert "waits for a decision" not in text(client, f"/invoices/{invoice.reference}/")


# --- who, and how much ------------------------------------------------------------------------------------------------


def test_viewer_reads_and_decides_nothing() -> None:
    firm = FirmFactory(language="en")
    about = CorrectionFactory(invoice__dossier=DossierFactory(firm=firm))
    client = signed_in(firm, "viewer")
    page = client.get("/corrections/").content.decode()
    assert "1 correction waits for a decision" in page
    assert "/accept/" not in page
    sent = {"read": read_of(about)}
    assert client.post(f"/corrections/{about.pk}/accept/", sent).status_code == 403
    assert Correction.objects.get().decision == "open"


def test_correction_of_another_firm_is_not_found() -> None:
    about = CorrectionFactory()
    client = signed_in(FirmFactory(language="en"))
    sent = {"read": read_of(about)}
    assert client.post(f"/corrections/{about.pk}/accept/", sent).status_code == 404
    assert "No correction waits" in text(client, "/corrections/")


def test_unknown_decision_and_state_are_not_found() -> None:
    firm = FirmFactory(language="en")
    about = CorrectionFactory(invoice__dossier=DossierFactory(firm=firm))
    client = signed_in(firm)
    assert client.post(f"/corrections/{about.pk}/forget/").status_code == 404
    assert client.get("/corrections/?state=lost").status_code == 404


def test_note_that_is_too_long_decides_nothing() -> None:
    firm = FirmFactory(language="en")
    CorrectionFactory(invoice__dossier=DossierFactory(firm=firm))
    assert "at most 500 characters" in decide(signed_in(firm), "accept", note="x" * 501)
    assert Correction.objects.get().decision == "open"


def test_page_takes_as_many_queries_for_more_corrections(django_assert_max_num_queries: Callable[..., object]) -> None:
    firm = FirmFactory(language="en")
    dossier = DossierFactory(firm=firm)
    for _ in range(8):
        CorrectionFactory(invoice=InvoiceFactory(dossier=dossier, status="posted"))
    client = signed_in(firm)
    with django_assert_max_num_queries(25):  # type: ignore[attr-defined]  # the plugin's fixture is a context manager
        words = text(client, "/corrections/")
    assert "8 corrections wait for a decision" in words
