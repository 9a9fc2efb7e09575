"""After billing (design section 6): what opens a correction, and what accepting it does."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.utils import timezone

from invoicing.corrections import decide, replace
from invoicing.models import Correction
from tests.invoicing.after_billing import (
    accept,
    bill,
    bill_next,
    changed,
    correction,
    decided,
    deleted,
    ids,
    prove,
    row,
    said,
    the,
)
from tests.invoicing.scene import BY, Scene
from tests.worlds import BAKERY_PROJECT, entry
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


# --- what opens one ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "difference"), [(5400, 1800), (1800, -1800), (3601, 1)])
def test_edited_hours_stand_beside_the_invoice(scene: Make, seconds: int, difference: int) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.posted()
    changed(books, entry(1, seconds=seconds))
    opened = correction()
    assert said(opened) == (difference, ["seconds"], "open")
    assert (opened.invoice, opened.entry, opened.opened_at) == (invoice, the(1), timezone.now())
    assert row(1) == ("invoiced", seconds, 0, difference, "")
    assert bill(invoice) == [("Advice", Decimal("1.00"), Decimal(95), Decimal("95.00"), 3600)]
    (event,) = books.events("correction_opened")
    assert (event.subject, event.actor) == (f"entry {ids(1)[0]}", "sync")
    assert event.data == {
        "invoice": invoice.reference,
        "seconds": difference,
        "what": ["seconds"],
        "decision": "open",
    }
    (sheet,) = books.command("ledger", "--firm", "small").answer["dossiers"]
    assert sheet["corrections"] == {"entries": 1, "seconds": difference}
    prove(books)


def test_deleted_entry_keeps_its_row_with_no_seconds(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, seconds=1800)])
    books.posted()
    deleted(books, 1)
    assert said(correction()) == (-3600, ["deleted"], "open")
    assert row(1) == ("invoiced", 0, 0, -3600, "")
    assert row(2) == ("invoiced", 1800, 0, 0, "")
    prove(books)


def test_another_product_or_customer_is_a_correction_without_a_difference_in_time(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2), entry(3)])
    books.posted()
    changed(
        books,
        entry(1, tag="Books"),
        entry(2, project_id=BAKERY_PROJECT),
        entry(3, tag="Books", project_id=BAKERY_PROJECT, seconds=1800),
    )
    found = Correction.objects.order_by("entry__remote_id")
    assert [said(each) for each in found] == [
        (0, ["product"], "open"),
        (0, ["customer"], "open"),
        (-1800, ["seconds", "product", "customer"], "open"),
    ]
    assert row(3) == ("invoiced", 1800, 0, -1800, "product, customer")
    prove(books)


def test_words_alone_open_none(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.posted()
    changed(books, entry(1, description="Other words"))
    assert not Correction.objects.exists()
    assert row(1) == ("invoiced", 3600, 0, 0, "")


@pytest.mark.slow
def test_changed_again_moves_the_one_correction_and_changed_back_ends_it(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.posted()
    changed(books, entry(1, seconds=5400))
    changed(books, entry(1, seconds=4500))
    changed(books, entry(1, seconds=4500))
    assert said(Correction.objects.get()) == (900, ["seconds"], "open")
    prove(books)
    changed(books, entry(1))
    gone = Correction.objects.get()
    assert (gone.decision, gone.decided_by, gone.decided_at) == ("gone", "sync", timezone.now())
    assert row(1) == ("invoiced", 3600, 0, 0, "")
    kinds = ("correction_opened", "correction_changed", "correction_decided")
    assert [len(books.events(kind)) for kind in kinds] == [1, 1, 1]
    prove(books)


def test_entry_that_changed_while_it_was_posted_opens_one_at_once(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    changed(books, entry(1, seconds=5400))
    assert not Correction.objects.exists()
    books.post(invoice)
    assert said(correction()) == (1800, ["seconds"], "open")
    prove(books)


# --- accept -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_accepted_difference_is_settled_and_a_later_edit_opens_the_rest(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.posted()
    changed(books, entry(1, seconds=5400))
    accepted = decide.accept(correction=correction(), by=BY, now=timezone.now(), note="Goodwill")
    assert (accepted.decision, accepted.decided_by, accepted.note) == ("accepted", BY.name, "Goodwill")
    assert row(1) == ("invoiced", 5400, 1800, 0, "")
    prove(books)
    changed(books, entry(1, seconds=5400, description="Words"))
    assert not Correction.objects.filter(decision="open").exists()

    changed(books, entry(1, seconds=6000))
    assert said(correction()) == (600, ["seconds"], "open")
    assert row(1) == ("invoiced", 6000, 1800, 600, "")
    prove(books)
    accept(correction())
    assert row(1) == ("invoiced", 6000, 2400, 0, "")
    prove(books)

    changed(books, entry(1, seconds=4800))  # less than what was accepted: nothing to decide
    assert row(1) == ("invoiced", 4800, 1200, 0, "")
    changed(books, entry(1, seconds=3000))  # less than what was billed
    assert said(correction()) == (-600, ["seconds"], "open")
    assert row(1) == ("invoiced", 3000, 0, -600, "")
    prove(books)
    assert decided(books) == [("accepted", 1800, ["seconds"]), ("accepted", 600, ["seconds"])]


@pytest.mark.slow
def test_accepted_product_stays_accepted_until_it_is_another_one(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.posted()
    changed(books, entry(1, tag="Books"))
    accept(correction())
    changed(books, entry(1, tag="Books", description="Words"))
    assert not Correction.objects.filter(decision="open").exists()
    changed(books, entry(1, tag="FIS"))
    assert said(correction()) == (0, ["product"], "open")
    changed(books, entry(1))
    assert not Correction.objects.filter(decision="open").exists()
    prove(books)


def test_decision_is_made_once_and_only_on_what_was_read(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.posted()
    changed(books, entry(1, seconds=5400))
    read = correction()
    books.control.put_entries(entry(1, seconds=9000))
    books.sync()
    with pytest.raises(NotPossible, match="the difference is 5400 seconds now"):
        accept(read)
    accept(correction())
    for verb in (accept, bill_next):
        with pytest.raises(NotPossible, match="decided already: accepted"):
            verb(Correction.objects.get())
    with pytest.raises(NotPossible, match="decided already"):
        replace.replace(correction=Correction.objects.get(), by=BY, now=timezone.now())
    assert len(books.events("correction_decided")) == 1
