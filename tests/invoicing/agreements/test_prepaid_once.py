"""Each hour draws one block once, whatever becomes of the block's invoice, the agreement and the hour."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from django.utils import timezone

from integrations.models import Entry
from invoicing.corrections import fees, replace
from invoicing.dossiers.agreements import agreements
from invoicing.drafting import blocks as ordering
from invoicing.drafting import runs
from invoicing.ledger.agreements import blocks
from invoicing.ledger.states import decisions
from invoicing.models import Agreement, Claim, Invoice, InvoiceLine, LedgerRow
from invoicing.rules import agreement as rules
from tests.invoicing.agreements.agreed import (
    HOUR,
    PRODUCTS,
    balanced,
    bill,
    draws,
    order,
    post_all,
    prepaid,
    terms,
    totals,
)
from tests.invoicing.scene import BY, Scene, ids, in_thread
from tests.worlds import BAKERY_PROJECT, entry, product
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
TWO = [entry(1, "2026-10-05", seconds=3 * HOUR), entry(2, "2026-10-06", seconds=2 * HOUR)]


def drawn(scene: Make, **changes: object) -> tuple[Scene, Agreement, Invoice]:
    """A block of 20 hours that two entries have drawn 5 of."""
    books = scene(entries=TWO, products=PRODUCTS)
    agreement = prepaid(books, **changes)
    order(agreement)
    (posted,) = post_all(books)
    books.draft()
    assert draws() == [[1, 2]]
    assert blocks.left(agreement) == Decimal("15.00")
    return books, agreement, posted


@pytest.mark.slow
def test_second_run_draws_nothing_twice(scene: Make) -> None:
    books, agreement, _ = drawn(scene)
    assert books.draft().plan.drawn == ()
    assert books.draft(date(2026, 11, 19)).plan.drawn == ()
    assert Claim.objects.count() == 2
    assert blocks.left(agreement) == Decimal("15.00")
    (event,) = books.events("hours_drawn")
    assert event.data == {"agreement": "garage", "hours": "5.00", "left": "15.00", "entries": ids(1, 2)}
    balanced(books)


def test_preview_draws_nothing(scene: Make) -> None:
    books = scene(entries=TWO, products=PRODUCTS)
    order(prepaid(books))
    post_all(books)
    drafting = runs.preview(dossier=books.dossier, cut_off=date(2026, 10, 31), now=timezone.now())
    assert [[each.id for each in block.entries] for block in drafting.plan.drawn] == [ids(1, 2)]
    assert not Claim.objects.exists()
    assert set(books.states().values()) == {"open"}


@pytest.mark.slow
def test_one_block_waits_at_a_time(scene: Make) -> None:
    books = scene(entries=TWO, products=PRODUCTS)
    agreement = prepaid(books)
    block = order(agreement)
    with pytest.raises(NotPossible, match=f"A block of agreement garage waits already: .* invoice {block}"):
        order(agreement)
    books.approve()
    with pytest.raises(NotPossible, match="waits already"):
        order(agreement)
    books.post(Invoice.objects.get())
    second = order(agreement)
    assert second.lines.get().part == 2
    # the hours draw the first, which has something left
    books.draft()
    assert draws() == [[1, 2]]
    balanced(books)


def test_dropped_block_leaves_its_hours_to_be_billed_by_the_hour(scene: Make) -> None:
    books = scene(entries=TWO, products=PRODUCTS)
    agreement = prepaid(books, refill_at=Decimal(4))
    block = order(agreement)
    assert books.draft().moved == ()
    runs.void(invoice=block, by=BY, now=timezone.now())
    books.draft()
    (hourly,) = books.invoices(status="draft")
    assert bill(hourly) == [("hours", "Advice", "5.00", "475.00")]
    balanced(books)
    # the next one has the next number
    assert order(agreement).lines.get().part == 2


@pytest.mark.slow
def test_credited_block_frees_its_hours_once(scene: Make) -> None:
    books, agreement, posted = drawn(scene)
    sent = books.send(posted)
    line = sent.lines.get()
    note = fees.credit_lines(invoice=sent, lines=[line.pk], by=BY, now=timezone.now())
    assert totals(note) == ("1700.00", "357.00", "2057.00")
    # until Billit has the note, the block pays
    assert set(books.states().values()) == {"prepaid"}
    books.post(runs.approve(invoice=note, by=BY, now=timezone.now()))
    assert set(books.states().values()) == {"open"}
    assert not Claim.objects.live().exists()
    assert blocks.left(agreement) == Decimal("0.00")
    balanced(books)
    books.draft()
    (hourly,) = books.invoices(status="draft")
    assert bill(hourly) == [("hours", "Advice", "5.00", "475.00")]
    balanced(books)


@pytest.mark.slow
def test_order_deleted_in_billit_is_billed_anew_and_drawn_again(scene: Make) -> None:
    books, agreement, posted = drawn(scene)
    books.control.change_order(posted.order_id or 0, Deleted=True)
    (again,) = replace.bill_anew(invoice=posted, by=BY, now=timezone.now())
    assert bill(again) == [("block", "Advice · Prepaid advice", "20.00", "1700.00")]
    assert (again.status, again.block_of) == ("approved", agreement)
    assert set(books.states().values()) == {"open"}
    assert not Claim.objects.live().exists()
    waiting = books.draft()
    assert [(skip.entry, skip.reason) for skip in waiting.plan.skipped] == [(pk, "block_waits") for pk in ids(1, 2)]
    balanced(books)
    books.post(again)
    books.draft()
    assert draws() == [[1, 2]]
    assert blocks.left(agreement) == Decimal("15.00")
    balanced(books)


@pytest.mark.slow
def test_block_in_doubt_is_drawn_once_it_is_found(scene: Make) -> None:
    books = scene(entries=TWO, products=PRODUCTS)
    order(prepaid(books))
    (block,) = books.approve()
    with books.fault("cut_after"):
        books.post(block)
    assert {skip.reason for skip in books.draft().plan.skipped} == {"block_waits"}
    books.recover(block)
    books.draft()
    assert draws() == [[1, 2]]
    balanced(books)


# --- hours that change ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_hour_of_another_length_is_freed_and_drawn_anew(scene: Make) -> None:
    books, agreement, posted = drawn(scene)
    books.control.put_entries(entry(1, "2026-10-05", seconds=4 * HOUR))
    books.sync()
    assert [books.states()[pk] for pk in ids(1, 2)] == ["open", "prepaid"]
    assert blocks.left(agreement) == Decimal("18.00")
    (event,) = books.events("hours_freed")
    assert (event.subject, event.data) == (f"invoice {posted.reference}", {"entries": ids(1)})
    balanced(books)
    books.draft()
    assert blocks.left(agreement) == Decimal("14.00")
    assert draws() == [[1, 2]]
    balanced(books)


@pytest.mark.slow
def test_deleted_hour_gives_back_what_it_drew(scene: Make) -> None:
    books, agreement, _ = drawn(scene)
    books.control.delete_entries(*ids(1))
    books.sync()
    assert [books.states()[pk] for pk in ids(1, 2)] == ["deleted", "prepaid"]
    assert blocks.left(agreement) == Decimal("18.00")
    balanced(books)


@pytest.mark.slow
def test_other_words_change_nothing(scene: Make) -> None:
    books, agreement, _ = drawn(scene)
    books.control.put_entries(entry(1, "2026-10-05", seconds=3 * HOUR, description="Other words"))
    books.sync()
    assert set(books.states().values()) == {"prepaid"}
    assert blocks.left(agreement) == Decimal("15.00")


@pytest.mark.slow
def test_hour_that_leaves_the_scope_waits_for_a_person(scene: Make) -> None:
    books, agreement, _ = drawn(scene, products=("ADV",))
    books.control.put_entries(entry(1, "2026-10-05", seconds=3 * HOUR, tag="Books"))
    books.sync()
    row = LedgerRow.objects.get(entry__remote_id=ids(1)[0])
    assert (row.state, row.reason) == ("attention", "left_agreement")
    assert blocks.left(agreement) == Decimal("15.00")
    balanced(books)
    decisions.bill(entries=[row.entry], by=BY, now=timezone.now())
    assert blocks.left(agreement) == Decimal("18.00")
    books.draft()
    (hourly,) = books.invoices(status="draft")
    assert bill(hourly) == [("hours", "Bookkeeping", "3.00", "180.00")]
    balanced(books)


@pytest.mark.slow
def test_hour_that_left_the_scope_and_is_held_draws_no_block(scene: Make) -> None:
    books, agreement, _ = drawn(scene, products=("ADV",))
    books.control.put_entries(entry(1, "2026-10-05", seconds=3 * HOUR, tag="Books"))
    books.sync()
    row = LedgerRow.objects.get(entry__remote_id=ids(1)[0])
    decisions.hold(entries=[row.entry], reason="To be asked", by=BY, now=timezone.now())
    assert blocks.left(agreement) == Decimal("18.00")
    balanced(books)
    books.control.put_entries(entry(1, "2026-10-05", seconds=3 * HOUR))
    books.sync()
    assert books.states()[ids(1)[0]] == "held"
    balanced(books)


@pytest.mark.slow
def test_held_hour_draws_nothing(scene: Make) -> None:
    books = scene(entries=TWO, products=PRODUCTS)
    order(prepaid(books))
    post_all(books)
    row = LedgerRow.objects.get(entry__remote_id=ids(1)[0])
    decisions.hold(entries=[row.entry], reason="To be asked", by=BY, now=timezone.now())
    books.draft()
    assert draws() == [[2]]
    balanced(books)


# --- what changes meanwhile -------------------------------------------------------------------------------------------


def other_terms(**changes: object) -> rules.Agreement:
    stated = {"kind": "prepaid", "amount": Decimal(0), "hours": Decimal(20), "price": Decimal("85.00")}
    return terms(**stated | {"product": "ADV", "title": "Prepaid advice"} | changes)


@pytest.mark.slow
def test_price_that_changes_while_a_block_waits_is_drawn_anew_before_approval(scene: Make) -> None:
    books = scene(entries=TWO, products=PRODUCTS)
    agreement = prepaid(books)
    order(agreement)
    agreements.change(agreement=agreement, terms=other_terms(price=Decimal("90.00")), by=BY, now=timezone.now())
    with pytest.raises(NotPossible, match="Draft again, then approve"):
        books.approve()
    books.draft()
    (block,) = books.approve()
    assert bill(block) == [("block", "Advice · Prepaid advice", "20.00", "1800.00")]


@pytest.mark.slow
def test_product_that_vanished_withholds_the_refill_and_leaves_an_ordered_block(scene: Make) -> None:
    books, agreement, _ = drawn(scene, refill_at=Decimal(16), hours=Decimal(20))
    (refill,) = books.invoices(status="draft")
    books.control.put_billit("products", product(0, "GONE", "Gone"))
    books.sync()
    drafting = books.draft()
    assert [(each.agreement, each.reason) for each in drafting.plan.withheld] == [("garage", "unknown_product")]
    refill.refresh_from_db()
    assert refill.status == "draft"
    runs.void(invoice=refill, by=BY, now=timezone.now())
    with pytest.raises(NotPossible, match="A block of agreement garage cannot be billed: "):
        order(agreement)
    assert InvoiceLine.objects.filter(kind="block").count() == 2


def test_agreement_that_is_over_has_no_block_to_order(scene: Make) -> None:
    books = scene(entries=[], products=PRODUCTS)
    agreement = prepaid(books, end=date(2026, 11, 19))
    with pytest.raises(NotPossible, match="Agreement garage ended on 2026-11-19"):
        order(agreement)
    assert not Invoice.objects.exists()


def test_fixed_fee_has_no_block_to_order(scene: Make) -> None:
    books = scene(entries=[], products=PRODUCTS)
    agreement = agreements.agree(dossier=books.dossier, terms=terms(), by=BY, now=timezone.now())
    with pytest.raises(NotPossible, match="Agreement garage is not of prepaid hours"):
        order(agreement)


@pytest.mark.slow
def test_duplicate_hour_draws_nothing_until_a_person_says_so(scene: Make) -> None:
    twice = [entry(serial, description="Twice") for serial in (1, 2)]
    books = scene(entries=twice, products=PRODUCTS)
    order(prepaid(books))
    post_all(books)
    books.draft()
    assert draws() == [[1]]
    row = LedgerRow.objects.get(entry__remote_id=ids(2)[0])
    assert (row.state, row.reason) == ("attention", "duplicate_entry")
    decisions.bill(entries=[row.entry], by=BY, now=timezone.now())
    books.draft()
    assert draws() == [[1, 2]]
    balanced(books)


# --- two at once ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_draw_each_hour_once(scene: Make) -> None:
    books = scene(entries=TWO, products=PRODUCTS)
    agreement = prepaid(books, hours=Decimal(4))
    order(agreement)
    post_all(books)
    barrier = threading.Barrier(2)

    def run() -> None:
        barrier.wait(10)
        books.draft()

    for finish in [in_thread(run), in_thread(run)]:
        finish()
    assert draws() == [[1, 2]]
    assert blocks.left(agreement) == Decimal("-1.00")
    balanced(books)


@pytest.mark.django_db(transaction=True)
def test_two_people_at_once_order_one_block(scene: Make) -> None:
    books = scene(entries=[], products=PRODUCTS)
    agreement = prepaid(books)
    barrier = threading.Barrier(2)
    said: list[str] = []

    def ordered() -> None:
        barrier.wait(10)
        try:
            ordering.order_block(agreement=agreement, by=BY, now=timezone.now())
        except NotPossible as error:
            said.append(str(error))

    for finish in [in_thread(ordered), in_thread(ordered)]:
        finish()
    assert len(said) == 1
    assert "waits already" in said[0]
    assert Invoice.objects.count() == 1


@pytest.mark.slow
def test_what_comes_of_a_block_reaches_the_hours_of_its_customer_that_nothing_decides(scene: Make) -> None:
    entries = [entry(each, f"2026-10-{each:02}", seconds=HOUR) for each in (1, 2, 3)]
    entries += [entry(4, project_id=BAKERY_PROJECT), entry(5, "2026-08-31"), entry(6, "2026-10-06", tag="Nothing")]
    books = scene(entries=entries, products=PRODUCTS)
    agreement = prepaid(books)
    held, written_off = (Entry.objects.filter(remote_id=each) for each in ids(2, 3))
    decisions.hold(entries=held, reason="Later", by=BY, now=timezone.now())
    decisions.write_off(entries=written_off, reason="A favour", by=BY, now=timezone.now())
    order(agreement)
    # another customer's hour, one before the agreement and one that was written off stay as they are
    assert sorted(Entry.objects.marked().values_list("remote_id", flat=True)) == ids(1, 2, 6)
    books.sync()
    post_all(books)
    # opened again, it draws the block like any other
    decisions.reopen(entries=written_off.all(), by=BY, now=timezone.now())
    books.draft()
    assert draws() == [[1, 3, 6]]
    balanced(books)
