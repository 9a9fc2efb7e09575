"""When an annex is made and what it is made of, what goes with the order, and what happens when it cannot be made."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Sequence
from datetime import date

import pytest
import requests
from django.utils import timezone
from pypdf import PdfReader

from integrations.clients.http.failures import Message
from invoicing.annexes import freeze
from invoicing.annexes.rendering import Document
from invoicing.drafting import runs
from invoicing.due import posts
from invoicing.models import Annex, Invoice
from invoicing.posting import post
from invoicing.tasks import run_dossier, tick_delivery
from tests.conftest import Outcome
from tests.invoicing.after_billing import bill_next, changed, correction
from tests.invoicing.annexes.conftest import frozen, quickly, waiting
from tests.invoicing.corrections.crediting import QUARTER, credit, sent
from tests.invoicing.scene import BY, Scene, many
from tests.queues import Queue
from tests.worlds import API_KEY, BAKERY_NUMBER, BAKERY_PARTY, COMPANY, GARAGE_NUMBER, GARAGE_PARTY, entry, party
from toggbill.firms import audit
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
FAILURE = Message("annex_failed", {"why": "signal 9"})


@pytest.mark.slow
def test_annex_is_frozen_with_its_hashes_and_goes_with_the_order(scene: Make) -> None:
    """The whole way, with the real files."""
    books = scene(entries=[entry(1, seconds=1000), entry(2, "2026-10-06", seconds=3600)], annex=True, rounding=QUARTER)
    invoice = books.approved()
    assert frozen(invoice) == {}
    annex = Annex.objects.get()
    assert (annex.invoice, annex.name) == (invoice, f"annex-of-hours-2026-10-{invoice.reference[3:11]}")
    hashes = [hashlib.sha256(content).hexdigest() for content in (annex.pdf, annex.csv)]
    assert [annex.pdf_hash, annex.csv_hash] == hashes
    assert (annex.pdf_size, annex.csv_size, annex.made_at) == (len(annex.pdf), len(annex.csv), timezone.now())
    (event,) = books.events("annex_frozen")
    assert (event.subject, event.actor, event.data) == (
        f"invoice {invoice.reference}",
        BY.name,
        {"content": annex.content_hash, "pdf": hashes[0], "csv": hashes[1]},
    )
    said = " ".join(PdfReader(io.BytesIO(annex.pdf)).pages[0].extract_text().split())
    assert "05/10/2026 Odile Verkansel Work 1 0:16:40 0:30 06/10/2026 Odile Verkansel Work 2 1:00:00 1:00" in said
    assert "Total 1:16:40 1.50 h" in said
    assert bytes(annex.csv).decode("utf-8-sig").splitlines()[-1] == ",,,,Total,1:16:40,,1.50"

    posted = books.post(invoice)
    assert posted.status == "posted"
    (order,) = books.control.orders()
    own, *files = [_file(books, attached["FileID"]) for attached in order["Attachments"]]
    assert [(file["FileName"], file["MimeType"], base64.b64decode(file["FileContent"])) for file in files] == [
        (f"{annex.name}.pdf", "application/pdf", bytes(annex.pdf)),
        (f"{annex.name}.csv", "text/csv", bytes(annex.csv)),
    ]
    # The hash is that of the bytes that Billit got; what is kept of them names each file by its hash.
    (attempt,) = books.attempts(invoice)
    received = base64.b64decode(own["FileContent"])
    assert attempt.body_hash == hashlib.sha256(received).hexdigest()
    body = attempt.body
    assert len(body) < 1500
    for content in (annex.pdf, annex.csv):
        named = f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert body.count(named) == 1
        body = body.replace(named, base64.b64encode(content).decode())
    assert body.encode() == received
    assert posted.accepted_body == attempt.body
    assert books.story(invoice)[1:4] == ["invoice_approved", "annex_frozen", "invoice_posting"]
    assert books.control.lint() == []
    assert audit.verify(firm=books.firm).ok


def _file(books: Scene, identity: str) -> dict[str, str]:
    url = f"{books.sandbox.billit_url}/v1/files/{identity}"
    answer = requests.get(url, headers={"ApiKey": API_KEY, "PartyID": str(COMPANY)}, timeout=10)
    found: dict[str, str] = answer.json()
    return found


def test_dossier_without_annexes_makes_and_sends_none(scene: Make, quick: list[str]) -> None:
    books = scene(entries=[entry(1)], annex=False)
    invoice = books.approved()
    assert (frozen(invoice), waiting()) == ({}, [])
    books.post(invoice)
    (order,) = books.control.orders()
    assert (len(order["Attachments"]), quick, Annex.objects.count()) == (1, [], 0)


def test_post_makes_the_annex_that_is_not_there_yet(scene: Make, quick: list[str]) -> None:
    books = scene(entries=[entry(1)], annex=True)
    invoice = books.posted()
    assert (len(quick), Annex.objects.get().invoice) == (1, invoice)
    (order,) = books.control.orders()
    assert len(order["Attachments"]) == 3


def test_language_is_the_customers_and_each_says_its_own(scene: Make, quick: list[str]) -> None:
    parties = [
        party(GARAGE_PARTY, "Garage Vonk SRL", GARAGE_NUMBER, Language="FR"),
        party(BAKERY_PARTY, "Bakery Deeg BV", BAKERY_NUMBER, Language="NL"),
    ]
    books = scene(annex=True, parties=parties)
    books.draft()
    books.approve()
    assert frozen(*books.invoices()) == {}
    bakery, garage = (annex for annex in Annex.objects.order_by("invoice__customer_name"))
    assert (bakery.name[:18], garage.name[:18]) == ("bijlage-prestaties", "annexe-prestations")
    assert [bytes(annex.csv).decode("utf-8-sig").splitlines()[-1] for annex in (bakery, garage)] == [
        ";;;;Totaal;1:30:00;;1,50",
        ";;;;Total;3:30:00;;3,50",
    ]
    assert "Wim Brandhof" in bytes(garage.csv).decode()


def test_annex_of_a_correction_takes_the_hours_off(scene: Make, quick: list[str]) -> None:
    books = scene(entries=[entry(1, seconds=3000), entry(2, "2026-11-05")], annex=True, rounding=QUARTER)
    first = sent(books)
    changed(books, entry(1, seconds=1800))
    bill_next(correction())
    books.draft(date(2026, 11, 19))
    (second,) = books.approve()
    assert frozen(second) == {}
    lines = bytes(Annex.objects.get(invoice=second).csv).decode("utf-8-sig").splitlines()
    number = post.fresh(first).order_number
    about = f"Advice · Correction of invoice {number}, 05/10/2026"
    assert lines[3:] == [
        f'2,"{about}",05/10/2026,Odile Verkansel,Work 1,-0:20:00,,',
        f'2,"{about}",,,Total of line 2,-0:20:00,,-0.50',
        ",,,,Total,0:40:00,,0.50",
    ]


def test_annex_of_a_credit_note_is_about_its_invoice(scene: Make, quick: list[str]) -> None:
    books = scene(entries=[entry(1, seconds=3000), entry(2, "2026-10-06")], annex=True, rounding=QUARTER)
    invoice = sent(books)
    note = credit(1)
    books.post(books.approve(note)[0])
    annex = Annex.objects.get(invoice=note)
    assert f"Credit note for invoice {post.fresh(invoice).order_number}" in quick[-1]
    assert bytes(annex.csv).decode("utf-8-sig").splitlines()[1].split(",")[5:] == ["0:50:00", "1:00:00", ""]
    assert bytes(annex.csv).decode("utf-8-sig").splitlines()[-1] == ",,,,Total,0:50:00,,1.00"
    credited = next(order for order in books.control.orders() if order["OrderType"] == "CreditNote")
    assert [file["FileName"] for file in credited["Attachments"][1:]] == [f"{annex.name}.pdf", f"{annex.name}.csv"]


def test_freezing_twice_makes_one_and_changes_nothing(scene: Make, quick: list[str]) -> None:
    books = scene(entries=[entry(1)], annex=True)
    invoice = books.approved()
    frozen(invoice)
    before = Annex.objects.values().get()
    assert frozen(invoice) == {}
    assert (Annex.objects.values().get(), len(quick), len(books.events("annex_frozen"))) == (before, 1, 1)


def test_many_are_made_in_portions_and_stored_together(
    scene: Make, quick: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freeze, "TOGETHER", 2)
    books = scene(**many(5), annex=True)
    books.draft()
    books.approve()
    assert frozen(*books.invoices()) == {}
    assert sorted(Annex.objects.values_list("invoice", flat=True)) == sorted(
        books.invoices().values_list("pk", flat=True)
    )
    assert len(books.events("annex_frozen")) == 5


def test_what_changed_while_it_was_rendered_is_not_stored(
    scene: Make, quick: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    books = scene(entries=[entry(1)], annex=True)
    invoice = books.approved()
    rendered = quickly(quick)

    def meanwhile(documents: Sequence[Document]) -> list[bytes | Message]:
        type(books.firm).objects.filter(pk=books.firm.pk).update(name="Renamed")
        return rendered(documents)

    with monkeypatch.context() as patch:
        patch.setattr(freeze, "rendered", meanwhile)
        assert frozen(invoice) == {}
    assert (Annex.objects.count(), books.events("annex_frozen")) == (0, [])
    frozen(invoice)
    assert "Renamed" in quick[-1]
    assert Annex.objects.count() == 1


def test_one_that_was_posted_or_dropped_while_it_was_rendered_gets_none(
    scene: Make, quick: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    books = scene(entries=[entry(1)], annex=True)
    invoice = books.approved()
    rendered = quickly(quick)

    def meanwhile(documents: Sequence[Document]) -> list[bytes | Message]:
        runs.void(invoice=invoice, by=BY, now=timezone.now())
        return rendered(documents)

    monkeypatch.setattr(freeze, "rendered", meanwhile)
    assert frozen(invoice) == {}
    assert Annex.objects.count() == 0


def test_dropping_an_invoice_takes_its_annex_away(scene: Make, quick: list[str]) -> None:
    books = scene(entries=[entry(1)], annex=True)
    invoice = books.approved()
    frozen(invoice)
    assert runs.void(invoice=invoice, by=BY, now=timezone.now()).status == "void"
    assert Annex.objects.count() == 0


def test_a_refused_invoice_that_is_approved_anew_keeps_its_annex_unless_it_says_something_else(
    scene: Make, quick: list[str]
) -> None:
    books = scene(entries=[entry(1)], annex=True)
    invoice = books.approved()
    with books.fault("status", status=400, body={"errors": [{"Code": "Other", "Description": "No."}]}):
        invoice = books.post(invoice)
    assert invoice.status == "refused"
    first = Annex.objects.get()
    books.approve(invoice)
    assert Annex.objects.get() == first
    with books.fault("status", status=400, body={"errors": [{"Code": "Other", "Description": "No."}]}):
        books.post(post.fresh(invoice))
    Invoice.objects.filter(pk=invoice.pk).update(customer_name="Garage Renamed")
    books.approve(post.fresh(invoice))
    assert Annex.objects.count() == 0
    assert books.post(post.fresh(invoice)).status == "posted"
    assert "Garage Renamed" in quick[-1]
    assert Annex.objects.count() == 1


def test_annex_that_cannot_be_made_holds_the_invoice_back_and_says_why(
    scene: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = scene(entries=[entry(1)], annex=True)
    invoice = books.approved()
    monkeypatch.setattr(freeze, "rendered", lambda documents: [FAILURE] * len(documents))
    with pytest.raises(NotPossible) as refused:
        books.post(invoice)
    assert str(refused.value).startswith("The annex of hours could not be made (signal 9).")
    invoice = post.fresh(invoice)
    assert (invoice.status, invoice.attention, invoice.attention_facts) == ("approved", "annex_failed", FAILURE.facts)
    assert invoice.not_before == timezone.now() + freeze.AGAIN
    assert books.asked("POST", "/v1/orders") == []
    assert waiting() == []
    # A worker that posts leaves it alone as long, and then it is made.
    posts.work_off(invoices=[invoice], by=BY, now=timezone.now())
    assert post.fresh(invoice).not_before == timezone.now() + freeze.AGAIN
    books.later(minutes=11)
    assert waiting() == [invoice.pk]
    monkeypatch.setattr(freeze, "rendered", lambda documents: [b"%PDF-"] * len(documents))
    assert frozen(invoice) == {}
    assert (post.fresh(invoice).attention, waiting()) == ("", [])


def test_one_that_fails_leaves_the_others_of_the_post_alone(scene: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    books = scene(annex=True)
    books.draft()
    books.approve()
    bakery, garage = books.invoices()
    monkeypatch.setattr(
        freeze,
        "rendered",
        lambda documents: [FAILURE if "Bakery" in page.html else b"%PDF-" for page in documents],
    )
    errors = post.post_together(invoices=[bakery, garage], by=BY, now=timezone.now())
    assert list(errors) == [bakery.pk]
    assert [post.fresh(invoice).status for invoice in (bakery, garage)] == ["approved", "posted"]


def test_command_freezes_what_it_approves(scene: Make, quick: list[str]) -> None:
    books = scene(annex=True)
    done: Outcome = books.invoice("--approve")
    assert (done.code, Annex.objects.count(), len(quick)) == (0, 2, 2)
    assert {event.actor for event in books.events("annex_frozen")} == {"operator"}
    assert books.invoice("--post").code == 0
    assert len(quick) == 2
    assert [len(order["Attachments"]) for order in books.control.orders()] == [3, 3]


def test_scheduled_run_that_posts_by_itself_freezes_before(scene: Make, quick: list[str], queue: Queue) -> None:
    books = scene(annex=True, mode="post", schedule={"every": "daily"})
    books.later(days=1)
    run_dossier(dossier_id=books.dossier.pk)
    assert "post_invoices" in queue.work()
    assert {invoice.status for invoice in books.invoices()} == {"posted"}
    assert Annex.objects.count() == books.invoices().count() == 2
    for invoice in books.invoices():
        assert books.story(invoice)[:4] == ["invoice_drafted", "invoice_approved", "annex_frozen", "invoice_posting"]
    assert {event.actor for event in books.events("annex_frozen")} == {"schedule"}


def test_tick_has_annexes_made_whose_message_was_lost(scene: Make, quick: list[str], queue: Queue) -> None:
    books = scene(annex=True)
    books.draft()
    books.approve()
    tick_delivery()
    assert "freeze_annexes" in queue.work()
    assert Annex.objects.count() == 2
    assert {event.actor for event in books.events("annex_frozen")} == {BY.name}
    tick_delivery()
    assert "freeze_annexes" not in queue.work()
