"""Each period of a fixed fee is billed once, whatever becomes of its invoice, its agreement and its hours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from django.utils import timezone

from invoicing.corrections import fees, replace
from invoicing.dossiers.agreements import agreements
from invoicing.drafting import runs
from invoicing.ledger.states import decisions
from invoicing.models import Agreement, InvoiceLine, LedgerRow
from tests.invoicing.agreements.agreed import (
    HOUR,
    PRODUCTS,
    agree,
    balanced,
    bill,
    covers,
    october,
    post_all,
    terms,
    totals,
)
from tests.invoicing.scene import BY, Scene, ids
from tests.worlds import BAKERY_PROJECT, GARAGE_PROJECT, entry, product
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


def test_second_run_bills_no_period_twice_and_redraws_nothing(scene: Make) -> None:
    books = scene(entries=[entry(1)], products=PRODUCTS)
    october(books)
    books.draft()
    (draft,) = books.invoices()
    again = books.draft()
    assert (again.moved, list(again.left)) == ((), [draft])
    post_all(books)
    assert books.draft().moved == ()
    assert books.draft(date(2026, 11, 19)).moved == ()
    assert InvoiceLine.objects.count() == 1


@pytest.mark.slow
def test_dropped_draft_frees_its_period_and_its_hours_once(scene: Make) -> None:
    books = scene(entries=[entry(1)], products=PRODUCTS)
    october(books)
    books.draft()
    (draft,) = books.invoices()
    runs.void(invoice=draft, by=BY, now=timezone.now())
    assert covers(books) == {}
    assert books.states() == {ids(1)[0]: "covered"}
    balanced(books)
    books.draft()
    (again,) = books.invoices(status="draft")
    assert bill(again) == [("fee", "Flat fee · Keeping the books · October 2026", "1.00", "250.00")]
    assert covers(books) == {"2026-10": [1]}
    balanced(books)


@pytest.mark.slow
def test_refused_fee_keeps_its_period_until_it_is_dropped(scene: Make) -> None:
    books = scene(entries=[entry(1)], products=PRODUCTS)
    october(books)
    with books.fault("status", status=400, body={"errors": [{"Code": "X", "Description": "No."}]}):
        refused = books.post(books.approved())
    assert refused.status == "refused"
    assert books.draft().moved == ()
    runs.void(invoice=refused, by=BY, now=timezone.now())
    assert len(books.draft().moved) == 1
    assert len(post_all(books)) == 1
    balanced(books)


@pytest.mark.slow
def test_credited_fee_frees_its_period_and_the_next_run_bills_it_again(scene: Make) -> None:
    books = scene(entries=[entry(1)], products=PRODUCTS)
    october(books)
    sent = books.send(books.posted())
    line = sent.lines.get()
    note = fees.credit_lines(invoice=sent, lines=[line.pk], by=BY, now=timezone.now())
    assert totals(note) == ("250.00", "52.50", "302.50")
    assert books.draft().moved == ()
    with pytest.raises(NotPossible, match="waits already"):
        fees.credit_lines(invoice=sent, lines=[line.pk], by=BY, now=timezone.now())
    books.post(runs.approve(invoice=note, by=BY, now=timezone.now()))
    line.refresh_from_db()
    assert line.released_at is not None
    balanced(books)
    books.draft()
    (again,) = books.invoices(status="draft")
    assert totals(again) == ("250.00", "52.50", "302.50")
    assert covers(books) == {"2026-10": [1]}
    with pytest.raises(NotPossible, match="Choose lines of agreements"):
        fees.credit_lines(invoice=sent, lines=[line.pk], by=BY, now=timezone.now())
    balanced(books)


def test_dropped_credit_note_leaves_the_period_billed(scene: Make) -> None:
    books = scene(entries=[entry(1)], products=PRODUCTS)
    october(books)
    sent = books.send(books.posted())
    line = sent.lines.get()
    note = fees.credit_lines(invoice=sent, lines=[line.pk], by=BY, now=timezone.now())
    runs.void(invoice=note, by=BY, now=timezone.now())
    assert books.draft().moved == ()
    balanced(books)
    fees.credit_lines(invoice=sent, lines=[line.pk], by=BY, now=timezone.now())


@pytest.mark.slow
def test_order_deleted_in_billit_is_billed_anew_with_its_fee(scene: Make) -> None:
    books = scene(entries=[entry(1, tag="Books"), entry(2)], products=PRODUCTS)
    october(books, products=("CPT",))
    posted = books.posted()
    books.control.change_order(posted.order_id or 0, Deleted=True)
    (again,) = replace.bill_anew(invoice=posted, by=BY, now=timezone.now())
    assert bill(again) == [
        ("fee", "Flat fee · Keeping the books · October 2026", "1.00", "250.00"),
        ("hours", "Advice", "1.00", "95.00"),
    ]
    assert again.status == "approved"
    balanced(books)
    # the next run lists the covered hour on the new line
    books.draft()
    assert covers(books) == {"2026-10": [1]}
    assert InvoiceLine.objects.filter(kind="fee", released_at__isnull=True).count() == 1
    balanced(books)


# --- what changes meanwhile -------------------------------------------------------------------------------------------


def test_agreement_changed_while_a_draft_waits_is_drawn_anew_before_approval(scene: Make) -> None:
    books = scene(entries=[entry(1)], products=PRODUCTS)
    agreement = october(books)
    books.draft()
    changed = terms(start=date(2026, 10, 1), amount=Decimal("300.00"))
    agreements.change(agreement=agreement, terms=changed, by=BY, now=timezone.now())
    with pytest.raises(NotPossible, match="Draft again, then approve"):
        books.approve()
    books.draft()
    (invoice,) = books.approve()
    assert totals(invoice) == ("300.00", "63.00", "363.00")


def test_agreement_ended_while_a_draft_waits_takes_its_fee_off(scene: Make) -> None:
    books = scene(entries=[entry(1)], products=PRODUCTS)
    agreement = agree(books, in_advance=True)
    books.draft(date(2026, 8, 31))
    post_all(books)
    books.draft()
    (draft,) = books.invoices(status="draft")
    assert [line[1] for line in bill(draft)] == [
        "Flat fee · Keeping the books · October 2026",
        "Flat fee · Keeping the books · November 2026",
    ]
    agreements.end(agreement=agreement, last_day=date(2026, 10, 4), by=BY, now=timezone.now())
    books.draft()
    (draft,) = books.invoices(status="draft")
    # the hour of 5 October is billed by the hour
    assert bill(draft) == [
        ("fee", "Flat fee · Keeping the books · 01/10/2026 – 04/10/2026", "1.00", "250.00"),
        ("hours", "Advice", "1.00", "95.00"),
    ]
    balanced(books)


def test_product_that_vanished_withholds_the_fee_with_its_reason(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    october(books)
    drafting = books.draft()
    assert [(each.agreement, each.period, each.reason) for each in drafting.plan.withheld] == [
        ("garage", date(2026, 10, 1), "unknown_product")
    ]
    assert not books.invoices()
    assert books.states() == {ids(1)[0]: "covered"}
    outcome = books.invoice("--dry-run")
    assert outcome.answer["skipped"] == [{"agreement": "garage", "period": "2026-10-01", "reason": "unknown_product"}]


def test_customer_that_cannot_be_billed_withholds_the_fee(scene: Make) -> None:
    books = scene(entries=[], products=PRODUCTS)
    agree(books, client_id=None, number="FR40303265045", start=date(2026, 10, 1))
    (withheld,) = books.draft().plan.withheld
    assert withheld.reason == "foreign_vat"


@pytest.mark.slow
def test_hour_that_leaves_the_scope_after_it_was_listed_waits_for_a_person(scene: Make) -> None:
    books = scene(entries=[entry(1, tag="Books")], products=PRODUCTS)
    october(books, products=("CPT",))
    books.posted()
    books.control.put_entries(entry(1, tag="Advice"))
    books.sync()
    row = LedgerRow.objects.get()
    assert (row.state, row.reason) == ("attention", "left_agreement")
    assert books.draft().moved == ()
    balanced(books)
    decisions.bill(entries=[row.entry], by=BY, now=timezone.now())
    books.draft()
    (draft,) = books.invoices(status="draft")
    assert bill(draft) == [("hours", "Advice", "1.00", "95.00")]
    balanced(books)


def test_two_agreements_that_cover_one_hour_are_attention(scene: Make) -> None:
    books = scene(entries=[entry(1)], products=PRODUCTS)
    october(books)
    other = Agreement.objects.get()
    other.pk, other.key = None, "other"
    other.save()
    books.rules()
    books.sync()
    row = LedgerRow.objects.get()
    assert (row.state, row.reason) == ("attention", "several_agreements")


def test_implausible_or_free_hours_are_covered_all_the_same(scene: Make) -> None:
    """Of R4 only what a product scope needs is asked, of R6 nothing, nor whether the hour is plausible."""
    books = scene(
        entries=[entry(1, seconds=17 * HOUR), entry(2, "2026-10-06", tags=[]), entry(3, "2026-10-07", tag="Free")],
        products=[*PRODUCTS, product(4, "FREE", "Free", "0.00")],
    )
    october(books)
    assert set(books.states().values()) == {"covered"}


def test_scope_of_products_asks_for_the_product_alone(scene: Make) -> None:
    books = scene(
        entries=[entry(1, tag="Free"), entry(2, "2026-10-06", tags=[]), entry(3, "2026-10-07")],
        products=[*PRODUCTS, product(4, "FREE", "Free", "0.00")],
    )
    october(books, products=("FREE",))
    rows = LedgerRow.objects.order_by("day").values_list("state", "reason")
    assert list(rows) == [("covered", ""), ("attention", "no_tag"), ("open", "")]


def test_scope_of_projects_and_days(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-10-05"), entry(2, "2026-10-06"), entry(3, "2026-10-07")], products=PRODUCTS)
    agree(books, projects=(GARAGE_PROJECT,), start=date(2026, 10, 6), end=date(2026, 10, 6))
    assert [books.states()[pk] for pk in ids(1, 2, 3)] == ["open", "covered", "open"]


def test_running_hour_is_listed_once_it_is_over(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-10-31T22:30:00+00:00", running=True)], products=PRODUCTS)
    october(books)
    books.posted()
    assert covers(books) == {}
    books.control.put_entries(entry(1, "2026-10-31T22:30:00+00:00"))
    books.sync()
    books.draft(date(2026, 11, 19))
    assert covers(books) == {"2026-10": [1]} or covers(books) == {}
    balanced(books)


@pytest.mark.slow
def test_extra_that_is_dropped_comes_again_as_one_line(scene: Make) -> None:
    books = scene(entries=[entry(1, seconds=3 * HOUR)], products=PRODUCTS)
    october(books, included_hours=Decimal(1), extra_product="ADV", in_advance=True)
    books.draft(date(2026, 9, 30))
    post_all(books)
    agreement = Agreement.objects.get()
    agreements.end(agreement=agreement, last_day=date(2026, 10, 31), by=BY, now=timezone.now())
    books.draft()
    (draft,) = books.invoices(status="draft")
    assert [line[0] for line in bill(draft)] == ["extra"]
    # a run that finds nothing new leaves it
    assert books.draft().moved == ()
    runs.void(invoice=draft, by=BY, now=timezone.now())
    books.draft()
    (again,) = books.invoices(status="draft")
    assert [(line[0], line[2], line[3]) for line in bill(again)] == [("extra", "2.00", "190.00")]
    balanced(books)


def test_lines_carry_their_kind_in_what_the_command_prints(scene: Make) -> None:
    books = scene(entries=[entry(1)], products=PRODUCTS)
    october(books)
    (invoice,) = books.invoice().answer["invoices"]
    (line,) = invoice["lines"]
    assert (line["kind"], line["quantity"], line["seconds"], line["entries"]) == ("fee", "1.00", 0, ids(1))
    (event,) = books.events("invoice_drafted")
    assert event.data["fees"] == [
        {"agreement": "garage", "kind": "fee", "period": "2026-10-01", "quantity": "1.00", "total": "250.00"}
    ]
    assert event.data["covered"] == ids(1)


def test_bakery_is_not_covered_by_the_garages_fee(scene: Make) -> None:
    books = scene(entries=[entry(1, project_id=BAKERY_PROJECT)], products=PRODUCTS)
    october(books)
    assert books.states() == {ids(1)[0]: "open"}
