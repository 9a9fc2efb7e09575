"""A correction on the next invoice, to the second and the cent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from django.utils import timezone
from pytest_django import Settings

from invoicing.corrections import decide
from invoicing.drafting import runs
from invoicing.management.invoice_json import as_json
from invoicing.models import Claim, Correction
from invoicing.posting import post
from tests.invoicing.after_billing import (
    accept,
    at_billit,
    bill,
    bill_next,
    changed,
    correction,
    deleted,
    ids,
    prove,
    row,
    said,
)
from tests.invoicing.scene import BY, Scene
from tests.worlds import GARAGE_NUMBER, GARAGE_PARTY, entry, party, product
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
NOVEMBER = date(2026, 11, 19)


# --- on the next invoice ----------------------------------------------------------------------------------------------


@pytest.mark.slow
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
    number = post.fresh(first).order_number
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
    (stated,) = as_json(books.invoices(status="draft"))
    assert stated["lines"][1] == {
        "kind": "hours",
        "product": "ADV",
        "description": f"Advice · Correction of invoice {number}, 05/10/2026",
        "quantity": "0.50",
        "unit_price": "95.00",
        "vat_rate": "21.00",
        "discount": "0.00",
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


@pytest.mark.slow
@pytest.mark.parametrize(("form", "posted_line"), [("quantity", (-1, 95, -95)), ("price", (1, -95, -95))])
def test_fewer_hours_are_taken_off_with_a_negative_quantity(
    scene: Make, settings: Settings, form: str, posted_line: tuple[int, int, int]
) -> None:
    """EN 16931 refuses a negative price (BR-27); Billit is given it where it takes nothing else."""
    settings.BILLIT_NEGATIVE_LINES = form
    books = scene(
        entries=[entry(1), entry(2, "2026-11-05", seconds=7200)],
        parties=[party(GARAGE_PARTY, "Garage Vonk SRL", GARAGE_NUMBER, Language="FR")],
    )
    first = books.posted()
    books.read_back()
    deleted(books, 1)
    bill_next(correction())
    books.draft(NOVEMBER)
    number = post.fresh(first).order_number
    (approved,) = books.approve()
    assert bill(approved) == [
        ("Advice", Decimal("2.00"), Decimal(95), Decimal("190.00"), 7200),
        (
            f"Advice · Correction de la facture {number}, 05/10/2026",
            Decimal("-1.00"),
            Decimal(95),
            Decimal("-95.00"),
            -3600,
        ),
    ]
    posted = books.post(approved)
    books.read_back()
    line = at_billit(books, posted)["OrderLines"][1]
    assert (line["Quantity"], line["UnitPriceExcl"], line["TotalExcl"]) == posted_line
    posted = post.fresh(posted)
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


@pytest.mark.slow
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
    with pytest.raises(NotPossible, match="1 of its entries changed in Toggl"):
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
    with pytest.raises(NotPossible, match="Draft again"):
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
    with pytest.raises(NotPossible, match="another product’s or customer’s now"):
        bill_next(correction())
    prove(books)


@pytest.mark.slow
def test_withdrawn_decision_is_open_again(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.posted()
    changed(books, entry(1, seconds=7200))
    waiting = bill_next(correction())
    books.draft(NOVEMBER)
    decide.withdraw(correction=waiting, by=BY, now=timezone.now())
    with pytest.raises(NotPossible, match="Draft again"):
        books.approve()
    assert [invoice.status for invoice in books.draft(NOVEMBER).dropped] == ["void"]
    assert said(correction()) == (3600, ["seconds"], "open")
    bill_next(correction())
    books.draft(NOVEMBER)
    books.approve()
    with pytest.raises(NotPossible, match="too late"):
        decide.withdraw(correction=waiting, by=BY, now=timezone.now())
    prove(books)


@pytest.mark.slow
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
    with pytest.raises(NotPossible, match=r"comes to 0\.00 hours"):
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
