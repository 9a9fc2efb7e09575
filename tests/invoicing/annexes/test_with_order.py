"""What goes with the order: only what the dossier wants, of a size that Billit takes, the same bytes at every try."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from invoicing.dossiers.rules import DossierRules
from invoicing.models import Annex, Dossier, Invoice
from invoicing.posting import attachments, post
from invoicing.tasks import freeze_annexes, post_invoices
from tests.invoicing.annexes.conftest import frozen
from tests.invoicing.scene import BY, Scene
from tests.queues import Queue
from tests.worlds import entry
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


def attached(books: Scene) -> list[list[str]]:
    """The names of our files on each order, in the order of the orders."""
    return [[file["FileName"] for file in order["Attachments"][1:]] for order in books.control.orders()]


def test_default_of_every_dossier_is_to_attach() -> None:
    assert Dossier._meta.get_field("annex").default is True
    assert DossierRules.__dataclass_fields__["annex"].default is True


def test_switched_off_after_approval_stays_here(scene: Make, quick: list[str]) -> None:
    books = scene(entries=[entry(1)], annex=True)
    invoice = books.approved()
    frozen(invoice)
    Dossier.objects.update(annex=False)
    posted = books.post(invoice)
    assert (posted.status, attached(books), Annex.objects.count()) == ("posted", [[]], 1)


def test_switched_off_after_a_refusal_the_annex_goes_at_the_next_approval(scene: Make, quick: list[str]) -> None:
    books = scene(entries=[entry(1)], annex=True)
    with books.fault("status", status=400, body={"errors": [{"Code": "Other", "Description": "No."}]}):
        invoice = books.post(books.approved())
    assert (invoice.status, Annex.objects.count()) == ("refused", 1)
    Dossier.objects.update(annex=False)
    books.approve(post.fresh(invoice))
    assert Annex.objects.count() == 0
    (event,) = books.events("annex_dropped")
    assert (event.subject, event.actor) == (f"invoice {invoice.reference}", BY.name)
    assert event.data == {"content": books.events("annex_frozen")[0].data["content"]}
    assert books.post(post.fresh(invoice)).status == "posted"
    assert attached(books) == [[]]
    assert books.command("verify_audit", "--firm", books.firm.slug).code == 0


@pytest.mark.parametrize(
    ("pdf", "csv", "kinds"), [(2_000, 1_000, ["pdf", "csv"]), (2_000, 1_001, ["pdf"]), (3_000, 9_000, ["pdf"])]
)
def test_csv_is_left_out_where_both_are_too_large(
    scene: Make, quick: list[str], monkeypatch: pytest.MonkeyPatch, pdf: int, csv: int, kinds: list[str]
) -> None:
    monkeypatch.setattr(attachments, "LARGEST", 3_000)
    monkeypatch.setattr("invoicing.annexes.freeze.rendered", lambda documents: [b"p" * pdf for _ in documents])
    monkeypatch.setattr("invoicing.annexes.freeze.as_csv", lambda _: b"c" * csv)
    books = scene(entries=[entry(1)], annex=True)
    assert books.posted().status == "posted"
    name = Annex.objects.get().name
    assert attached(books) == [[f"{name}.{kind}" for kind in kinds]]


def test_pdf_that_is_too_large_waits_for_a_person(
    scene: Make, quick: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invoicing.annexes.freeze.rendered", lambda documents: [b"p" * 3_100_000 for _ in documents])
    books = scene(entries=[entry(1)], annex=True)
    invoice = books.approved()
    with pytest.raises(NotPossible) as refused:
        books.post(invoice)
    assert str(refused.value) == (
        "The annex of hours has 3.1 MB, and at most 3 MB go with an order. Switch the annex off in the dossier and "
        "give it to the customer yourself, then post the invoice."
    )
    invoice = post.fresh(invoice)
    assert (invoice.status, invoice.attention, invoice.post_requested_at) == ("approved", "annex_too_large", None)
    assert books.asked("POST", "/v1/orders") == []
    Dossier.objects.update(annex=False)
    posted = books.post(invoice)
    assert (posted.status, posted.attention, attached(books)) == ("posted", "", [[]])


def test_order_that_billit_finds_too_large_is_refused_and_says_the_way_out(scene: Make, quick: list[str]) -> None:
    books = scene(entries=[entry(1)], annex=True)
    books.control.switch(billit_largest_body=2_000)
    invoice = books.post(books.approved())
    assert (invoice.status, invoice.problem) == ("refused", "order_too_large")
    (attempt,) = books.attempts(invoice)
    assert (attempt.outcome, attempt.http_status, attempt.answer) == ("refused", 413, "order_too_large")
    assert books.control.orders() == []
    Dossier.objects.update(annex=False)
    books.approve(invoice)
    assert books.post(post.fresh(invoice)).status == "posted"
    assert attached(books) == [[]]


def test_what_is_posted_again_from_doubt_carries_the_same_files(scene: Make, quick: list[str]) -> None:
    books = scene(entries=[entry(1)], annex=True)
    with books.fault("cut_before"):
        invoice = books.post(books.approved())
    assert invoice.status == "in_doubt"
    books.later(minutes=10)
    assert books.recover(post.fresh(invoice)).status == "approved"
    # Nothing that changes meanwhile changes them.
    type(books.firm).objects.filter(pk=books.firm.pk).update(name="Renamed")
    assert books.post(post.fresh(invoice)).status == "posted"
    absent, accepted = books.attempts(invoice)
    assert (absent.outcome, accepted.outcome, absent.key) == ("absent", "accepted", accepted.key)
    assert (absent.body, absent.body_hash) == (accepted.body, accepted.body_hash)
    assert (len(quick), Annex.objects.count(), len(attached(books)[0])) == (1, 1, 2)


def test_order_whose_answer_was_lost_is_adopted_with_its_files(scene: Make, quick: list[str]) -> None:
    books = scene(entries=[entry(1)], annex=True)
    with books.fault("cut_after"):
        invoice = books.post(books.approved())
    books.later(minutes=10)
    assert books.recover(post.fresh(invoice)).status == "posted"
    name = Annex.objects.get().name
    assert attached(books) == [[f"{name}.pdf", f"{name}.csv"]]


def test_worker_that_posts_makes_no_annex_and_passes_the_invoice_on(
    scene: Make, quick: list[str], queue: Queue
) -> None:
    books = scene(entries=[entry(1)], annex=True)
    invoice = books.approved()
    Invoice.objects.filter(pk=invoice.pk).update(post_requested_at=timezone.now(), post_requested_by=BY.name)
    errors = post.post_together(invoices=[invoice], by=BY, now=timezone.now(), background=True)
    assert str(errors[invoice.pk]) == "The annex of hours is being made. Post the invoice again in a moment."
    assert (quick, books.asked("POST", "/v1/orders")) == ([], [])
    post_invoices(invoice_ids=[invoice.pk])
    assert (quick, post.fresh(invoice).status) == ([], "approved")
    assert queue.work() == ["freeze_annexes", "post_invoices"]
    assert (len(quick), post.fresh(invoice).status) == (1, "posted")
    # Made and posted already: nothing comes of another message.
    freeze_annexes(invoice_ids=[invoice.pk])
    assert (queue.work(), len(quick), len(attached(books))) == ([], 1, 1)


def test_one_that_waits_for_its_annex_is_not_due_for_posting(scene: Make, quick: list[str]) -> None:
    books = scene(entries=[entry(1)], annex=True)
    invoice = books.approved()
    asked_at = timezone.now() - timedelta(hours=1)
    Invoice.objects.filter(pk=invoice.pk).update(post_requested_at=asked_at, post_requested_by=BY.name)
    assert books.due() == []
    frozen(invoice)
    assert [row.pk for row in books.due()] == [invoice.pk]
