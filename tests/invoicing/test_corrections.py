"""After billing (design section 6): what opens a correction, and what each decision does, to the second and the cent.

The garage has one hour of advice at 95 euro on 5 October, billed by a posted invoice, unless a test says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from django.utils import timezone

from invoicing import corrections, posting, runs
from invoicing.models import Claim, Correction
from invoicing.statement import statements
from tests.invoicing.after_billing import (
    accept,
    at_billit,
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
from tests.worlds import BAKERY_PROJECT, GARAGE_NUMBER, GARAGE_PARTY, entry, party, product

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
NOVEMBER = date(2026, 11, 19)


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


def test_accepted_difference_is_settled_and_a_later_edit_opens_the_rest(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.posted()
    changed(books, entry(1, seconds=5400))
    accepted = corrections.accept(correction=correction(), by=BY, now=timezone.now(), note="Goodwill")
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
    with pytest.raises(runs.NotPossible, match="the difference is 5400 seconds now"):
        accept(read)
    accept(correction())
    for verb in (accept, bill_next):
        with pytest.raises(runs.NotPossible, match="decided already: accepted"):
            verb(Correction.objects.get())
    with pytest.raises(runs.NotPossible, match="decided already"):
        corrections.replace(correction=Correction.objects.get(), by=BY, now=timezone.now())
    assert len(books.events("correction_decided")) == 1


# --- on the next invoice ----------------------------------------------------------------------------------------------


def test_more_hours_are_a_line_of_the_next_invoice(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, "2026-11-05", seconds=7200)])
    first = books.posted()
    books.read_back()
    changed(books, entry(1, seconds=5400))
    waiting = bill_next(correction())
    assert (waiting.decision, waiting.decided_by) == ("next_invoice", BY.name)
    assert row(1) == ("invoiced", 5400, 0, 1800, "")
    prove(books)
    preview = runs.preview(dossier=books.dossier, cut_off=NOVEMBER, now=timezone.now())
    drafting = books.draft(NOVEMBER)
    assert preview.plan == drafting.plan
    number = posting.fresh(first).order_number
    invoice = books.invoices(status="draft").get()
    assert bill(invoice) == [
        ("Advice", Decimal("2.00"), Decimal(95), Decimal("190.00"), 7200),
        (f"Advice · Correction of invoice {number}, 05/10/2026", Decimal("0.50"), Decimal(95), Decimal("47.50"), 1800),
    ]
    assert (invoice.total_excl, invoice.total_vat, invoice.total_incl) == (
        Decimal("237.50"),
        Decimal("49.88"),
        Decimal("287.38"),
    )
    assert (invoice.title, invoice.period_from) == ("November 2026", date(2026, 11, 5))
    assert books.states() == {ids(1)[0]: "invoiced", ids(2)[0]: "drafted"}
    prove(books)
    (again,) = books.draft(NOVEMBER).left
    assert again == invoice
    (stated,) = statements(books.invoices(status="draft"))
    assert stated["lines"][1] == {
        "product": "ADV",
        "description": f"Advice · Correction of invoice {number}, 05/10/2026",
        "quantity": "0.50",
        "unit_price": "95.00",
        "vat_rate": "21.00",
        "total": "47.50",
        "seconds": 1800,
        "late": True,
        "entries": ids(1),
    }
    (event,) = [e for e in books.events("invoice_drafted") if "differences" in e.data]
    assert (event.data["differences"], event.data["entries"]) == ({str(ids(1)[0]): 1800}, ids(2))

    (approved,) = books.approve()
    prove(books)
    assert books.post(approved).status == "posted"
    assert row(1) == ("invoiced", 5400, 0, 0, "")
    assert (Correction.objects.get().decision, Claim.objects.filter(kind="difference").count()) == ("next_invoice", 1)
    prove(books)
    changed(books, entry(1, seconds=5400, description="Words"))
    assert books.draft(NOVEMBER).moved == ()
    changed(books, entry(1, seconds=4500))
    assert said(correction()) == (-900, ["seconds"], "open")
    prove(books)


def test_fewer_hours_are_taken_off_with_a_negative_price(scene: Make) -> None:
    books = scene(
        entries=[entry(1), entry(2, "2026-11-05", seconds=7200)],
        parties=[party(GARAGE_PARTY, "Garage Vonk SRL", GARAGE_NUMBER, Language="FR")],
    )
    first = books.posted()
    books.read_back()
    deleted(books, 1)
    bill_next(correction())
    books.draft(NOVEMBER)
    number = posting.fresh(first).order_number
    (approved,) = books.approve()
    assert bill(approved) == [
        ("Advice", Decimal("2.00"), Decimal(95), Decimal("190.00"), 7200),
        (
            f"Advice · Correction de la facture {number}, 05/10/2026",
            Decimal("1.00"),
            Decimal(-95),
            Decimal("-95.00"),
            -3600,
        ),
    ]
    posted = books.post(approved)
    books.read_back()
    line = at_billit(books, posted)["OrderLines"][1]
    assert (line["Quantity"], line["UnitPriceExcl"], line["TotalExcl"]) == (1, -95, -95)
    posted = posting.fresh(posted)
    assert (posted.legal_excl, posted.legal_vat, posted.legal_incl, posted.attention) == (
        Decimal("95.00"),
        Decimal("19.95"),
        Decimal("114.95"),
        "",
    )
    assert row(1) == ("invoiced", 0, 0, 0, "")
    prove(books)


def test_what_takes_off_more_than_the_invoice_holds_waits(scene: Make) -> None:
    books = scene(entries=[entry(1, seconds=7200), entry(2, "2026-11-05")])
    books.posted()
    deleted(books, 1)
    bill_next(correction())
    drafting = books.draft(NOVEMBER)
    assert [(skip.entry, skip.reason) for skip in drafting.plan.skipped] == [(ids(1)[0], "correction_waits")]
    assert [bill(invoice) for invoice, _ in drafting.moved] == [
        [("Advice", Decimal("1.00"), Decimal(95), Decimal("95.00"), 3600)]
    ]
    prove(books)
    changed(books, entry(3, "2026-11-06", seconds=7200))
    assert books.draft(NOVEMBER).plan.skipped == ()
    draft = books.invoices(status="draft").get()
    assert [line[3] for line in bill(draft)] == [Decimal("285.00"), Decimal("-190.00")]
    prove(books)


def test_difference_alone_makes_an_invoice_of_its_own(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    first = books.posted()
    changed(books, entry(1, seconds=7200))
    bill_next(correction())
    books.draft(NOVEMBER)
    draft = books.invoices(status="draft").get()
    assert bill(draft) == [
        (
            f"Advice · Correction of invoice {first.reference}, 05/10/2026",
            Decimal("1.00"),
            Decimal(95),
            Decimal("95.00"),
            3600,
        )
    ]
    assert (draft.title, draft.period_from, draft.period_till) == (
        "October 2026",
        date(2026, 10, 5),
        date(2026, 10, 5),
    )
    prove(books)


def test_dropped_draft_frees_the_difference_and_an_edit_redraws_it(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.posted()
    changed(books, entry(1, seconds=7200))
    bill_next(correction())
    books.draft(NOVEMBER)
    runs.void(invoice=books.invoices(status="draft").get(), by=BY, now=timezone.now())
    assert row(1) == ("invoiced", 7200, 0, 3600, "")
    prove(books)
    books.draft(NOVEMBER)
    draft = books.invoices(status="draft").get()
    changed(books, entry(1, seconds=5400))
    assert said(Correction.objects.get()) == (1800, ["seconds"], "next_invoice")
    with pytest.raises(runs.NotPossible, match="1 of its entries changed in Toggl"):
        books.approve(draft)
    prove(books)
    books.draft(NOVEMBER)
    (approved,) = books.approve()
    assert [line[1] for line in bill(approved)] == [Decimal("0.50")]

    changed(books, entry(1))  # back to what was billed, when the difference is on its way already
    assert said(correction()) == (-1800, ["seconds"], "open")
    books.post(approved)
    assert row(1) == ("invoiced", 3600, 0, -1800, "")
    prove(books)


def test_changed_back_takes_the_difference_off_the_draft(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.posted()
    changed(books, entry(1, seconds=7200))
    bill_next(correction())
    books.draft(NOVEMBER)
    changed(books, entry(1))
    assert Correction.objects.get().decision == "gone"
    with pytest.raises(runs.NotPossible, match="Draft again"):
        books.approve()
    drafting = books.draft(NOVEMBER)
    assert [invoice.status for invoice in drafting.dropped] == ["void"]
    assert row(1) == ("invoiced", 3600, 0, 0, "")
    prove(books)


def test_other_product_after_the_decision_asks_again(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.posted()
    changed(books, entry(1, seconds=7200))
    bill_next(correction())
    changed(books, entry(1, seconds=7200, tag="Books"))
    assert said(correction()) == (3600, ["seconds", "product"], "open")
    with pytest.raises(runs.NotPossible, match="another product’s or customer’s now"):
        bill_next(correction())
    prove(books)


def test_withdrawn_decision_is_open_again(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.posted()
    changed(books, entry(1, seconds=7200))
    waiting = bill_next(correction())
    books.draft(NOVEMBER)
    corrections.withdraw(correction=waiting, by=BY, now=timezone.now())
    with pytest.raises(runs.NotPossible, match="Draft again"):
        books.approve()
    assert [invoice.status for invoice in books.draft(NOVEMBER).dropped] == ["void"]
    assert said(correction()) == (3600, ["seconds"], "open")
    bill_next(correction())
    books.draft(NOVEMBER)
    books.approve()
    with pytest.raises(runs.NotPossible, match="too late"):
        corrections.withdraw(correction=waiting, by=BY, now=timezone.now())
    prove(books)


@pytest.mark.parametrize(
    ("level", "hours"),
    [
        # 1 h + 0.25 h were billed; 4000 s are 1.25 h; 4000 s + 600 s are 1.50 h, 3600 s + 600 s 1.25 h
        ("entry", "0.25"),
        ("line", "0.25"),
    ],
)
def test_difference_is_rounded_as_the_line_is(scene: Make, level: str, hours: str) -> None:
    rounding = {"minutes": 15, "direction": "up", "level": level, "minimum": 0}
    books = scene(entries=[entry(1), entry(2, seconds=600)], rounding=rounding)
    books.posted()
    changed(books, entry(1, seconds=4000))
    bill_next(correction())
    books.draft(NOVEMBER)
    assert [line[1] for line in bill(books.invoices(status="draft").get())] == [Decimal(hours)]
    prove(books)


def test_difference_that_the_rounding_hides_is_refused(scene: Make) -> None:
    rounding = {"minutes": 15, "direction": "up", "level": "line", "minimum": 0}
    books = scene(entries=[entry(1), entry(2, seconds=600)], rounding=rounding)
    books.posted()
    changed(books, entry(1, seconds=3800))  # 4400 s are 1.25 h as 4200 s are
    with pytest.raises(runs.NotPossible, match=r"comes to 0\.00 hours"):
        bill_next(correction())
    accept(correction())
    prove(books)


def test_two_differences_of_one_line_make_the_line_that_would_have_been(scene: Make) -> None:
    rounding = {"minutes": 60, "direction": "up", "level": "line", "minimum": 0}
    books = scene(entries=[entry(1), entry(2)], rounding=rounding)
    books.posted()
    changed(books, entry(1, seconds=4200), entry(2, seconds=7200))
    for each in Correction.objects.order_by("entry__remote_id"):
        bill_next(each)
    books.draft(NOVEMBER)
    # 2 h were billed; 4200 s + 3600 s are 3 h, 4200 s + 7200 s are 4 h.
    draft = books.invoices(status="draft").get()
    assert [(line[1], line[4]) for line in bill(draft)] == [(Decimal("1.00"), 600), (Decimal("1.00"), 3600)]
    prove(books)


def test_price_of_a_difference_is_the_billed_one(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.posted()
    changed(books, entry(1, seconds=7200))
    bill_next(correction())
    books.control.put_billit("products", product(0, "ADV", "Advice", "120.00"))
    books.sync()
    books.draft(NOVEMBER)
    assert [line[2] for line in bill(books.invoices(status="draft").get())] == [Decimal(95)]
